# Outputs packed into shards, for training.


rule pack_outputs:
    """Pack the outputs of a dataset and a recipe into shards."""
    input:
        code=code("pack_outputs.py"),
        manifest=f"{RESULTS}/{{dataset}}/{{recipe}}/{RUN['production']}/manifest.csv",
    output:
        # The script owns the shards, and writes this table last. If it refuses its options, the
        # table of the existing shards stays.
        table=update(f"{RESULTS}/{{dataset}}/{{recipe}}/packed/packed.csv"),
    log:
        "logs/{dataset}/{recipe}/pack.log",
    benchmark:
        "benchmarks/{dataset}/{recipe}/pack.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: workflow.cores
    resources:
        mem_mb=lambda wildcards, threads: 1000 + 500 * threads,
        runtime=600,
    params:
        tree=subpath(input.manifest, parent=True),
        folder=subpath(output.table, parent=True),
        options=packing,
    message:
        "Pack {wildcards.dataset} with {wildcards.recipe}"
    shell:
        "python {input.code[0]:q} {params.tree:q} {params.folder:q} {params.options}"
        " --workers {threads} --cap-workers"
        " --label {wildcards.dataset}/{wildcards.recipe} --log {log:q}"


rule pack:
    """Pack the outputs of all datasets into shards for training."""
    input:
        expand(
            rules.pack_outputs.output.table,
            dataset=RUN["datasets"],
            recipe=RUN["recipes"],
        ),
    localrule: True
