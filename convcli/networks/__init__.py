"""Layers and networks: shapes, parameters and costs, and what computes them."""
