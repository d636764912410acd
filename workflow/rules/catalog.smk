# The catalog: which images a dataset has.


rule catalog:
    """List the images of a dataset in a table."""
    input:
        code=code("catalog.py"),
        generated=generated,
    output:
        table=f"{RESULTS}/{{dataset}}/catalog.csv",
    log:
        "logs/{dataset}/catalog.log",
    benchmark:
        "benchmarks/{dataset}/catalog.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        folder=folder,
        selection=selection,
        fingerprint=fingerprint,
        dates=dates,
        shard="1-of-1",
    message:
        "Catalog {wildcards.dataset}"
    shell:
        "python {input.code[0]:q} {params.folder:q} {output.table:q}"
        " --selection {params.selection:q} --shard {params.shard} {params.dates} --log {log:q}"
