# The report for people, and the verdict, which decides whether the run succeeds.


rule benchmark_report:
    """Write the report from the files of the run."""
    input:
        code=code("benchmark_report.py"),
        templates=[
            os.path.relpath(path)
            for pattern in ("report.*", "charts/*.html")
            for path in sorted((PACKAGE / "report/templates").glob(pattern))
        ],
        timings=expand("{tree}/timing.json", tree=trees(ENGINES)),
        manifests=expand("{tree}/manifest.csv", tree=trees(ENGINES)),
        checks=expand("{tree}/verification.json", tree=trees(ENGINES)),
        comparisons=expand(
            rules.compare_engines.output.checks,
            dataset=RUN["datasets"],
            recipe=RUN["recipes"],
        ),
        inspections=expand(f"{RESULTS}/{{dataset}}/inspection.html", dataset=INSPECTED),
    output:
        page=report(
            f"{RESULTS}/report/report.html",
            caption="../report/report.rst",
            category="Report",
            labels={"what": "the whole report", "format": "HTML"},
        ),
        table=report(
            f"{RESULTS}/report/benchmark.csv",
            caption="../report/benchmark.rst",
            category="Report",
            labels={"what": "throughput and speedup", "format": "CSV"},
        ),
        data=f"{RESULTS}/report/benchmark.json",
        text=f"{RESULTS}/report/report.md",
        figures=report(
            directory(f"{RESULTS}/report/figures"),
            patterns=["{of}.{by}.{figure}.svg"],
            caption="../report/figures.rst",
            category="Figures",
            subcategory="{of} with {by}",
            labels={"figure": "{figure}"},
        ),
    log:
        "logs/report.log",
    benchmark:
        "benchmarks/report.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        folder=subpath(output.page, parent=True),
        trees=trees(ENGINES),
        config=complete_config,
        scaling=measured,
    message:
        "Write the report"
    shell:
        "python {input.code[0]:q} . --trees {params.trees:q} --config {params.config:q}"
        " --output {params.folder:q} --log {log:q}"


rule verdict:
    """Tell whether the run succeeded, and fail if it did not."""
    input:
        code=code("verdict.py"),
        data=rules.benchmark_report.output.data,
        page=rules.benchmark_report.output.page,
    output:
        # Written only if the run succeeded. The verdict itself is not declared, because
        # Snakemake would delete it with the outputs of a failed job.
        done=report(
            f"{RESULTS}/.verdict-ok",
            caption="../report/verdict.rst",
            category="Report",
            labels={"what": "verdict", "format": "text"},
        ),
    log:
        "logs/verdict.log",
    benchmark:
        "benchmarks/verdict.tsv"
    localrule: True
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=5,
    params:
        trees=trees(ENGINES),
        settings=section("failures"),
        text=f"{RESULTS}/verdict.txt",
    message:
        "Write the verdict"
    shell:
        "python {input.code[0]:q} {params.trees:q} --settings {params.settings:q}"
        " --report {input.page:q} --output {params.text:q} --done {output.done:q} --log {log:q}"
