"""Pixels and files."""
