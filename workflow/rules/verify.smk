# Checks. These jobs succeed even if a check fails, so that Snakemake keeps their files as
# evidence; the verdict, which follows the report, fails instead.


rule verify_tree:
    """Verify the outputs of a dataset, a recipe and an engine."""
    input:
        code=code("verify.py"),
        catalog=images,
        manifest=f"{TREE}/manifest.csv",
    output:
        checks=f"{TREE}/verification.json",
    log:
        "logs/{dataset}/{recipe}/{engine}.verify.log",
    benchmark:
        "benchmarks/{dataset}/{recipe}/{engine}.verify.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: workflow.cores
    resources:
        mem_mb=lambda wildcards, threads: 500 + 500 * threads,
        runtime=120,
    params:
        folder=folder,
        tree=subpath(output.checks, parent=True),
        recipe=recipe,
        steps_folder=BASE,
        token=checks_token,
        settings=section("verify"),
        sandbox="off" if CONFIG["sandbox"] == "off" else "auto",
    message:
        "Verify {wildcards.dataset} with {wildcards.recipe} on {wildcards.engine}"
    shell:
        "python {input.code[0]:q} {params.folder:q} {params.tree:q} --recipe {params.recipe:q}"
        " --steps-folder {params.steps_folder:q} --catalog {input.catalog:q}"
        " --settings {params.settings:q} --sandbox {params.sandbox} --beside"
        " --output {output.checks:q} --token {params.token:q} --evidence --workers {threads} --cap-workers"
        " --label {wildcards.dataset}/{wildcards.recipe}/{wildcards.engine} --log {log:q}"


rule compare_engines:
    """Compare the outputs of all engines, byte by byte."""
    input:
        code=code("compare_engines.py"),
        manifests=expand(
            f"{RESULTS}/{{{{dataset}}}}/{{{{recipe}}}}/{{engine}}/manifest.csv",
            engine=ENGINES,
        ),
    output:
        checks=f"{RESULTS}/{{dataset}}/{{recipe}}/comparison.json",
    log:
        "logs/{dataset}/{recipe}/compare.log",
    benchmark:
        "benchmarks/{dataset}/{recipe}/compare.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        trees=expand(
            f"{RESULTS}/{{{{dataset}}}}/{{{{recipe}}}}/{{engine}}", engine=ENGINES
        ),
    message:
        "Compare the engines on {wildcards.dataset} with {wildcards.recipe}"
    shell:
        "python {input.code[0]:q} {params.trees:q} --output {output.checks:q} --evidence"
        " --label {wildcards.dataset}/{wildcards.recipe} --log {log:q}"
