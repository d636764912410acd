"""Engines: ways to run any function over tasks; the only package that knows Dask."""
