"""Compiles loops, caches their machine code on disk, and runs it."""
