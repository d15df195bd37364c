"""Layers and networks: shapes, parameters, costs and computation."""
