"""Measuring: everything that decides a number of an image, and so the fingerprint of the code."""
