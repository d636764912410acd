# Outputs or shards, brought into a bucket.


rule upload_outputs:
    """Upload the outputs of a dataset and a recipe, or their shards, into a bucket."""
    input:
        code=code("upload_outputs.py"),
        table=uploaded,
    output:
        record=f"{RESULTS}/{{dataset}}/{{recipe}}/uploaded.json",
    log:
        "logs/{dataset}/{recipe}/upload.log",
    benchmark:
        "benchmarks/{dataset}/{recipe}/upload.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=600,
    params:
        folder=subpath(input.table, parent=True),
        bucket=destination,
        settings=section("removals"),
    message:
        "Upload {wildcards.dataset} with {wildcards.recipe}"
    shell:
        "python {input.code[0]:q} {params.folder:q} {params.bucket:q} --settings {params.settings:q}"
        " --output {output.record:q} --label {wildcards.dataset}/{wildcards.recipe} --log {log:q}"


rule upload:
    """Upload the outputs of all datasets, or their shards, to the destination of the config."""
    input:
        expand(
            rules.upload_outputs.output.record,
            dataset=RUN["datasets"],
            recipe=RUN["recipes"],
        ),
    localrule: True
