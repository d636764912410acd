"""Imaging: everything that decides a pixel. The code fingerprint covers exactly this package."""
