# Generated images, for datasets that have a key `generate`.


rule generate:
    """Generate the images of a dataset that has a key `generate`."""
    input:
        code=code("generate.py"),
    output:
        done=f"{RESULTS}/{{dataset}}/generated.json",
    log:
        "logs/{dataset}/generate.log",
    benchmark:
        "benchmarks/{dataset}/generate.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: workflow.cores
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        folder="resources/{dataset}",
        token=token,
        spec=lambda wildcards: as_json(
            CONFIG["datasets"][wildcards.dataset]["generate"]
        ),
    message:
        "Generate the images of {wildcards.dataset}"
    shell:
        "python {input.code[0]:q} {params.folder:q} --spec {params.spec:q} --done {output.done:q}"
        " --token {params.token:q}"
        " --workers {threads} --cap-workers --log {log:q}"
