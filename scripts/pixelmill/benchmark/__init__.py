"""Benchmark: a manager decides what to measure, and fresh worker processes measure it."""
