# What people look at: the report, and the verdict that decides how the run ends.


rule benchmark_report:
    input:
        code=code("benchmark_report.py"),
        template=[os.path.relpath(ROOT / "scripts/pixelmill/templates/report.html")],
        timings=expand("{tree}/timing.json", tree=trees(ENGINES)),
        manifests=expand("{tree}/manifest.csv", tree=trees(ENGINES)),
        checks=expand("{tree}/verification.json", tree=trees(ENGINES)),
        comparisons=expand(
            rules.compare_engines.output.checks,
            dataset=RUN["datasets"],
            recipe=RUN["recipes"],
        ),
    output:
        page=report(
            f"{RESULTS}/report/report.html",
            caption="../report/report.rst",
            category="Results",
            labels={"what": "report"},
        ),
        table=report(
            f"{RESULTS}/report/benchmark.csv",
            caption="../report/benchmark.rst",
            category="Results",
            labels={"what": "table"},
        ),
        data=f"{RESULTS}/report/benchmark.json",
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
        config=as_json(CONFIG),
    message:
        "Write the report"
    shell:
        "python {input.code[0]:q} . --trees {params.trees:q} --config {params.config:q}"
        " --output {params.folder:q} --log {log:q}"


rule verdict:
    input:
        code=code("verdict.py"),
        data=rules.benchmark_report.output.data,
        page=rules.benchmark_report.output.page,
    output:
        text=f"{RESULTS}/verdict.txt",
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
        max_rate=lookup(dpath="failures/max_rate", within=CONFIG),
        max_count=max_count(),
    message:
        "Judge"
    shell:
        "python {input.code[0]:q} {params.trees:q} --max-failure-rate {params.max_rate}"
        " {params.max_count}"
        " --report {input.page:q} --output {output.text:q} --log {log:q}"
