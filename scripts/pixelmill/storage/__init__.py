"""Storage: images that are not files of their own, read as if they were."""
