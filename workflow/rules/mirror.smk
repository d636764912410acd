# Copies of images that are elsewhere: those of datasets with a key `bucket` or `urls`, or with a
# folder on a server, and compressed tars as plain ones.


rule mirror:
    """Copy into mirrors/ what is new or changed at the place of a dataset."""
    input:
        code=code("mirror.py"),
    output:
        done=f"{RESULTS}/{{dataset}}/mirrored.json",
    log:
        "logs/{dataset}/mirror.log",
    benchmark:
        "benchmarks/{dataset}/mirror.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=600,
    params:
        place=lambda wildcards: place_of(CONFIG["datasets"][wildcards.dataset]),
        folder=lambda wildcards: mirror_of(wildcards.dataset),
        options=lambda wildcards: as_json(
            workflow_setup.place_options(wildcards.dataset, CONFIG)
        ),
        selection=mirrored,
        removals=section("removals"),
        token=mirror_token,
    message:
        "Mirror {wildcards.dataset}"
    shell:
        "python {input.code[0]:q} {params.place:q} {params.folder:q}"
        " --options {params.options:q} --selection {params.selection:q}"
        " --removals {params.removals:q} --token {params.token:q} --done {output.done:q} --log {log:q}"
