"""Report: the files of a run become pages."""
