"""Composition and edges: the only place that names adapters and reads the environment."""
