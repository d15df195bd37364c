"""Trained networks in the files of other programs."""
