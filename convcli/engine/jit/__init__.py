"""Compiles loops, keeps their machine code on disk, and runs it."""
