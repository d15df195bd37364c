"""Reads, converts and writes pictures."""
