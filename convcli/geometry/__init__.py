"""Sizes, padding and borders of a sliding kernel. Whole numbers only; nothing here needs NumPy."""
