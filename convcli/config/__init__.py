"""kernels.toml: kernels, banks, networks and default options that users define.

    search_path                          which files are read
    reader, *_parser, field_values       parse: TOML to specifications (*_spec), which are frozen data with their keys
    name_table, validator                validate: a specification to a lazy kernel, whose weights are not yet computed
    kernel_builder                       build: compute the weights when they are needed
    diagnostics, toml_positions          all faults of a file, each with its line
    registry, load                       find kernels and networks by name, for the commands

A fault does not end parsing or validation: it is recorded, and the invalid definition becomes None. Some faults, such as a sum
of zero to divide by, show only in the weights; kernels that may have such faults are computed for the check.
"""
