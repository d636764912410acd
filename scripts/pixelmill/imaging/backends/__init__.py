"""Backends: the libraries that do the work of a recipe."""
