"""Packing: the outputs of a run as archives or tables of about equal size, for training."""
