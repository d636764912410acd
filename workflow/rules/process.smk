# The images. A job that is timed claims all cores, so that nothing else runs beside it; the
# sequential one does so too, although it uses only one.


rule process_seq:
    """Process a dataset with a recipe, one image after another."""
    input:
        code=code("process_sequential.py"),
        own_steps=own_steps,
        catalog=images,
    output:
        manifest=f"{RESULTS}/{{dataset}}/{{recipe}}/{BASELINE}/manifest.csv",
        timing=f"{RESULTS}/{{dataset}}/{{recipe}}/{BASELINE}/timing.json",
    log:
        f"logs/{{dataset}}/{{recipe}}/{BASELINE}.log",
    benchmark:
        f"benchmarks/{{dataset}}/{{recipe}}/{BASELINE}.tsv"
    priority: 1  # the baseline comes first
    conda:
        "../../envs/environment.yaml"
    threads: workflow.cores
    resources:
        mem_mb=1000,
        runtime=600,
    params:
        folder=folder,
        tree=subpath(output.manifest, parent=True),
        recipe=recipe,
        software=software,
        steps_folder=BASE,
        policy=policy(),
        token=outputs_token,
    message:
        "Process {wildcards.dataset} with {wildcards.recipe}, one image after another"
    shell:
        "python {input.code[0]:q} {params.folder:q} {params.tree:q} --recipe {params.recipe:q}"
        " --steps-folder {params.steps_folder:q} --catalog {input.catalog:q}"
        " --policy {params.policy:q} --token {params.token:q} --label {wildcards.dataset}/{wildcards.recipe} --log {log:q}"


rule process_par:
    """Process a dataset with a recipe, on an engine."""
    input:
        code=code("process_parallel.py"),
        own_steps=own_steps,
        catalog=images,
    output:
        manifest=f"{TREE}/manifest.csv",
        timing=f"{TREE}/timing.json",
    log:
        "logs/{dataset}/{recipe}/{engine}.log",
    benchmark:
        "benchmarks/{dataset}/{recipe}/{engine}.tsv"
    wildcard_constraints:
        engine="|".join(engine for engine in CHOICES if engine != BASELINE),
    conda:
        "../../envs/environment.yaml"
    threads: workflow.cores
    resources:
        mem_mb=lambda wildcards, threads: 500 + 500 * threads,
        runtime=600,
    params:
        folder=folder,
        tree=subpath(output.manifest, parent=True),
        recipe=recipe,
        software=software,
        steps_folder=BASE,
        policy=policy(),
        token=outputs_token,
        scheduler=scheduler,
        options="--label {dataset}/{recipe}",
    message:
        "Process {wildcards.dataset} with {wildcards.recipe} on {wildcards.engine}"
    shell:
        "python {input.code[0]:q} {params.folder:q} {params.tree:q} --recipe {params.recipe:q}"
        " --steps-folder {params.steps_folder:q} --catalog {input.catalog:q}"
        " --engine {wildcards.engine} --workers {threads} --cap-workers {params.scheduler}"
        " --policy {params.policy:q} --token {params.token:q} {params.options} --log {log:q}"
