# The workflow is in workflow/, where the catalog of Snakemake workflows expects it. With this file,
# `snakemake` finds it from the root folder too. (`include:` would leave out its default target.)
workflow.include("workflow/Snakefile", overwrite_default_target=True)
