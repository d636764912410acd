"""Inspection: what the images of a dataset are: numbers of each, and findings over all."""
