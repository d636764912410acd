"""Imaging: everything that decides a pixel; the fingerprint of the code is that of this package."""
