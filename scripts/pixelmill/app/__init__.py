"""App: how people and Snakemake reach pixelmill."""
