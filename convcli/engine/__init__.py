"""Computes the operations: chooses a method, builds tables, and runs compiled loops on threads."""
