"""Transfer: copies images from other places into a folder, and outputs into a bucket."""
