"""Kernels and banks: values, generators, expressions, the syntax after -k, and weight files."""
