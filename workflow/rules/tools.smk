# Targets besides `all`: `process` for everyday use, and those that only inspect or measure.


rule process:
    """Process and verify all datasets with the production engine: for everyday use."""
    input:
        code=code("verdict.py"),
        checks=expand("{tree}/verification.json", tree=trees(RUN["production"])),
        pages=expand(rules.inspect_dataset.output.page, dataset=INSPECTED),
    output:
        done=f"{RESULTS}/.verdict-process-ok",
    log:
        "logs/process.log",
    benchmark:
        "benchmarks/process.tsv"
    localrule: True
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        trees=trees(RUN["production"]),
        settings=section("failures"),
        text=f"{RESULTS}/verdict.txt",
    message:
        "Write the verdict on the images of the production engine"
    shell:
        "python {input.code[0]:q} {params.trees:q} --settings {params.settings:q}"
        " --output {params.text:q} --done {output.done:q} --log {log:q}"


rule report:
    """Write results/report/report.html from what was processed."""
    input:
        rules.benchmark_report.output.page,
    localrule: True


rule verify:
    """Check the existing outputs, and name what repairs them."""
    input:
        code=code("verify_results.py"),
    log:
        "logs/verify.log",
    conda:
        "../../envs/environment.yaml"
    threads: workflow.cores
    resources:
        mem_mb=lambda wildcards, threads: 500 + 500 * threads,
        runtime=120,
    params:
        config=complete_config,
        steps_folder=BASE,
        command=as_json(workflow_targets.command_for("verify")),
    message:
        "Verify the existing outputs"
    shell:
        "python {input.code[0]:q} --config {params.config:q} --steps-folder {params.steps_folder:q}"
        " --command {params.command:q} --workers {threads} --cap-workers --log {log:q}"


rule plan:
    """Show which images would be processed, and why."""
    input:
        code=code("plan.py"),
    log:
        "logs/plan.log",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        config=complete_config,
        steps_folder=BASE,
    message:
        "Show what would be done, and why"
    shell:
        "python {input.code[0]:q} --config {params.config:q} --steps-folder {params.steps_folder:q}"
        " --log {log:q}"


rule measure:
    """Measure engines, or other programs, on a dataset with a recipe."""
    input:
        code=code("scaling.py"),
        own_steps=own_steps,
        catalog=images,
    output:
        samples=f"{RESULTS}/{{dataset}}/{{recipe}}/scaling.json",
    log:
        "logs/{dataset}/{recipe}/scaling.log",
    benchmark:
        "benchmarks/{dataset}/{recipe}/scaling.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: workflow.cores
    resources:
        mem_mb=lambda wildcards, threads: 500 + 500 * threads,
        runtime=240,
    params:
        folder=folder,
        recipe=recipe,
        software=software,
        steps_folder=BASE,
        settings=section("benchmark"),
    message:
        "Measure the speedup of engines on {wildcards.dataset} with {wildcards.recipe}"
    shell:
        "python {input.code[0]:q} {params.folder:q} --recipe {params.recipe:q}"
        " --catalog {input.catalog:q}"
        " --steps-folder {params.steps_folder:q} --settings {params.settings:q}"
        " --output {output.samples:q}"
        " --workers {threads} --cap-workers --log {log:q}"


rule scaling:
    """Measure the speedup of engines with 1, 2, 4, ... workers; takes minutes."""
    input:
        expand(
            rules.measure.output.samples,
            dataset=RUN["datasets"],
            recipe=RUN["recipes"],
        ),
    localrule: True


use rule measure as measure_rivals with:
    input:
        code=code("rivals.py"),
        own_steps=own_steps,
        catalog=images,
    output:
        samples=f"{RESULTS}/{{dataset}}/{{recipe}}/rivals.json",
    log:
        "logs/{dataset}/{recipe}/rivals.log",
    benchmark:
        "benchmarks/{dataset}/{recipe}/rivals.tsv"
    message:
        "Measure other tools on {wildcards.dataset} with {wildcards.recipe}"


rule rivals:
    """Measure other programs on the same files; takes minutes."""
    input:
        expand(
            rules.measure_rivals.output.samples,
            dataset=RUN["datasets"],
            recipe=comparable_recipes(),
        ),
    localrule: True


rule steps:
    """Show every step on a picture, in results/report/steps.html."""
    input:
        code=code("steps.py"),
        template=[os.path.relpath(PACKAGE / "report/templates/steps.html")],
    output:
        page=f"{RESULTS}/report/steps.html",
    log:
        "logs/steps.log",
    benchmark:
        "benchmarks/steps.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=5,
    params:
        software=lambda wildcards: as_json(rendering_software()),
    message:
        "Show every step on a picture"
    shell:
        "python {input.code[0]:q} {output.page:q} --log {log:q}"


rule clean:
    """Remove results, generated images and logs."""
    input:
        code=code("clean.py"),
    log:
        ".snakemake/log/clean.log",
    localrule: True
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=60,
    params:
        config=complete_config,
    message:
        "Remove results, generated images and logs"
    shell:
        "python {input.code[0]:q} --config {params.config:q} --log {log:q}"
