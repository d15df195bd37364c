"""Sizes, padding and borders of a sliding kernel. Plain numbers only; nothing here needs NumPy."""
