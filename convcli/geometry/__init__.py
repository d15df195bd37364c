"""Sizes, padding and borders of a sliding kernel, in plain Python numbers without NumPy."""
