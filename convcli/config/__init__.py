"""kernels.toml: kernels, banks, networks and defaults that a user writes down.

    search_path                          which files there are
    reader, *_parser, field_values       parse: TOML becomes specifications (*_spec): frozen data, with the keys of each
    name_table, validator                validate: a specification becomes a lazy kernel, of which all but the weights is known
    kernel_builder                       build: the weights, when they are wanted
    diagnostics, toml_positions          the faults of a file, all at once, each with its line
    registry, load                       what a command asks for: a kernel or a network by its name

A fault never ends parsing or validation: it is noted, and what has it gives None. What only the weights of a kernel can show,
such as a sum of zero to divide by, is found by computing those kernels where it is not ruled out before.
"""
