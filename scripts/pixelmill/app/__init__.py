"""App: the interfaces of pixelmill for users and Snakemake."""
