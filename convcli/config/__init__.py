"""kernels.toml: which files are read, and what their tables mean. Kernels and networks by name."""
