# Shards: where `scale.shards` is more than one, each dataset is catalogued and processed
# in parts, one job each, on any node; gathering makes the same tables of them as one job would.


ruleorder: gather_catalog > catalog
ruleorder: gather > process_seq
ruleorder: gather > process_par


rule catalog_shard:
    input:
        code=code("catalog.py"),
        generated=generated,
    output:
        table=f"{RESULTS}/{{dataset}}/shards/{{shard}}/catalog.csv",
    log:
        "logs/{dataset}/shards/{shard}.catalog.log",
    benchmark:
        "benchmarks/{dataset}/shards/{shard}.catalog.tsv"
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
    message:
        "Catalog {wildcards.dataset}, shard {wildcards.shard}"
    shell:
        "python {input.code[0]:q} {params.folder:q} {output.table:q}"
        " --selection {params.selection:q} --shard {wildcards.shard} --log {log:q}"


rule gather_catalog:
    input:
        code=code("gather_catalog.py"),
        tables=expand(
            rules.catalog_shard.output.table, shard=shards(), allow_missing=True
        ),
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
        shards=len(shards()),
    message:
        "Gather the catalogs of {wildcards.dataset}"
    shell:
        "python {input.code[0]:q} {output.table:q} {params.shards} --log {log:q}"


rule process_shard:
    input:
        code=code("process_parallel.py"),
        own_steps=own_steps,
        catalog=rules.catalog_shard.output.table,
    output:
        manifest=f"{TREE}/shards/{{shard}}/manifest.csv",
        timing=f"{TREE}/shards/{{shard}}/timing.json",
    log:
        "logs/{dataset}/{recipe}/{engine}/{shard}.log",
    benchmark:
        "benchmarks/{dataset}/{recipe}/{engine}/{shard}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: workflow.cores
    resources:
        mem_mb=lambda wildcards, threads: 500 + 500 * threads,
        runtime=600,
    params:
        folder=folder,
        tree=subpath(output.manifest, ancestor=3),
        recipe=recipe,
        software=software,
        steps_folder=BASE,
        policy=policy(),
        scheduler=scheduler,
        selection=selection,
    message:
        "Process {wildcards.dataset} by {wildcards.recipe} with {wildcards.engine},"
        " shard {wildcards.shard}"
    shell:
        "python {input.code[0]:q} {params.folder:q} {params.tree:q} --recipe {params.recipe:q}"
        " --steps-folder {params.steps_folder:q} --catalog {input.catalog:q}"
        " --shard {wildcards.shard} --selection {params.selection:q}"
        " --engine {wildcards.engine} --workers {threads} --cap-workers {params.scheduler}"
        " --policy {params.policy:q} --label {wildcards.dataset}/{wildcards.recipe}/{wildcards.shard}"
        " --log {log:q}"


rule gather:
    input:
        code=code("gather.py"),
        catalog=rules.gather_catalog.output.table,
        manifests=expand(
            rules.process_shard.output.manifest, shard=shards(), allow_missing=True
        ),
    output:
        manifest=f"{TREE}/manifest.csv",
        timing=f"{TREE}/timing.json",
    log:
        "logs/{dataset}/{recipe}/{engine}.log",
    benchmark:
        "benchmarks/{dataset}/{recipe}/{engine}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=120,
    params:
        tree=subpath(output.manifest, parent=True),
        shards=len(shards()),
    message:
        "Gather the shards of {wildcards.dataset} by {wildcards.recipe} with {wildcards.engine}"
    shell:
        "python {input.code[0]:q} {params.tree:q} {params.shards} {input.catalog:q}"
        " --label {wildcards.dataset}/{wildcards.recipe}/{wildcards.engine} --log {log:q}"
