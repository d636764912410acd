"""Pipeline: one supervised pass over a dataset."""
