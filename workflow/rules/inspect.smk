# What the images of a dataset are: their metrics, what is odd about some, and a page about them.


rule inspect_dataset:
    """Measure the images of a dataset, and find what is odd about some."""
    input:
        code=code("inspect_images.py"),
        templates=[
            os.path.relpath(PACKAGE / "report/templates" / name)
            for name in ("inspection.html", "report.js", "report.css")
        ],
        catalog=rules.catalog.output.table,
    output:
        metrics=f"{RESULTS}/{{dataset}}/metrics.csv",
        findings=f"{RESULTS}/{{dataset}}/findings.csv",
        statistics=f"{RESULTS}/{{dataset}}/statistics.json",
        page=report(
            f"{RESULTS}/{{dataset}}/inspection.html",
            caption="../report/inspection.rst",
            category="Report",
            labels={"what": "the images of {dataset}", "format": "HTML"},
        ),
    log:
        "logs/{dataset}/inspect.log",
    benchmark:
        "benchmarks/{dataset}/inspect.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: workflow.cores
    resources:
        mem_mb=lambda wildcards, threads: 500 + 500 * threads,
        runtime=600,
    params:
        folder=folder,
        target=subpath(output.metrics, parent=True),
        software=lambda wildcards: as_json(rendering_software(opencv=True)),
        policy=policy(),
        settings=section("findings"),
    message:
        "Inspect the images of {wildcards.dataset}"
    shell:
        "python {input.code[0]:q} {params.folder:q} {params.target:q}"
        " --catalog {input.catalog:q} --policy {params.policy:q} --settings {params.settings:q}"
        " --workers {threads} --cap-workers --label {wildcards.dataset} --log {log:q}"


rule inspect:
    """Measure the images of all datasets, and find what is odd about some; writes no image."""
    input:
        expand(rules.inspect_dataset.output.page, dataset=RUN["datasets"]),
        expand(f"{RESULTS}/{{dataset}}/splits.csv", dataset=SPLIT),
    localrule: True


rule select_images:
    """Choose the images of a dataset to process by a list and by what they are."""
    input:
        code=code("select_images.py"),
        catalog=rules.catalog.output.table,
        findings=findings,
        listed=image_list,
    output:
        table=f"{RESULTS}/{{dataset}}/selected.csv",
        left_out=f"{RESULTS}/{{dataset}}/left_out.csv",
    log:
        "logs/{dataset}/select.log",
    benchmark:
        "benchmarks/{dataset}/select.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        target=subpath(output.table, parent=True),
        options=selecting,
        settings=section("findings"),
    message:
        "Select images of {wildcards.dataset}"
    shell:
        "python {input.code[0]:q} {params.target:q} --catalog {input.catalog:q} {params.options}"
        " --settings {params.settings:q} --label {wildcards.dataset} --log {log:q}"


rule split_dataset:
    """Split the images of a dataset into parts, such as training and test."""
    input:
        code=code("select_images.py"),
        findings=rules.inspect_dataset.output.findings,
    output:
        # What was assigned before stays: the script reads the table before it writes it.
        table=update(f"{RESULTS}/{{dataset}}/splits.csv"),
    log:
        "logs/{dataset}/split.log",
    benchmark:
        "benchmarks/{dataset}/split.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        target=subpath(output.table, parent=True),
        split=lambda wildcards: as_json(CONFIG["datasets"][wildcards.dataset]["split"]),
        settings=section("findings"),
    message:
        "Split the images of {wildcards.dataset}"
    shell:
        "python {input.code[0]:q} {params.target:q} --split {params.split:q}"
        " --settings {params.settings:q} --label {wildcards.dataset} --log {log:q}"
