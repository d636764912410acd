"""Dataset: which images there are, which are stale, and what was made of them."""
