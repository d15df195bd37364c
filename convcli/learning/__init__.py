"""Kernels, banks and networks that are learned from pictures."""
