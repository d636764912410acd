"""pixelmill: a folder of images in, processed images out, proved right.

Data flows one way: catalog -> plan -> batches -> outcomes -> ledger -> manifest
-> verification -> report. One module for each, named by what it holds.
"""

__version__ = "0.1.0"
