# Shards: if `scale.shards` is more than one, each dataset is catalogued and processed in
# parts, one job each, on any node. From their tables, gathering makes those that a single job
# would have made.


ruleorder: gather_catalog > catalog
ruleorder: gather > process_seq
ruleorder: gather > process_par


use rule catalog as catalog_shard with:
    output:
        table=f"{RESULTS}/{{dataset}}/shards/{{shard}}/catalog.csv",
    log:
        "logs/{dataset}/shards/{shard}.catalog.log",
    benchmark:
        "benchmarks/{dataset}/shards/{shard}.catalog.tsv"
    params:
        shard="{shard}",
    message:
        "Catalog {wildcards.dataset}, shard {wildcards.shard}"


rule gather_catalog:
    """Put the catalogs of all shards together."""
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


use rule process_par as process_shard with:
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
    wildcard_constraints:
        engine="|".join(CHOICES),
    params:
        tree=subpath(output.manifest, ancestor=3),
        options=options_of_shard,
    message:
        "Process {wildcards.dataset} with {wildcards.recipe} on {wildcards.engine},"
        " shard {wildcards.shard}"


rule gather:
    """Put the tables of all shards together."""
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
        token=outputs_token,
    message:
        "Gather the shards of {wildcards.dataset} with {wildcards.recipe} on {wildcards.engine}"
    shell:
        "python {input.code[0]:q} {params.tree:q} {params.shards} {input.catalog:q}"
        " --token {params.token:q}"
        " --label {wildcards.dataset}/{wildcards.recipe}/{wildcards.engine} --log {log:q}"
