"""Each job declares what its result depends on, and its command hands all of it to the script.

Nothing is processed here: Snakemake is told that all files were made, and which inputs, parameters
and commands it recorded is compared with what the jobs need.
"""

import json
import os
import re
import shlex
import shutil

import pytest
import yaml
from PIL import Image

from pixelmill.app.cleanup import clean
from pixelmill.app.config import complete
from pixelmill.dataset import outputs_state
from tests.helpers.projects import CODE, RESIZE, SMALL, copied, is_up_to_date, write_config
from tests.workflow.test_workflow import OTHER_PILLOW, OWN_STEP

pytestmark = pytest.mark.slow

#: Of the recipe `own`, an own step and a file that another step reads.
OWN = {"steps": [{"call": {"function": "my_steps:change"}}, {"watermark": {"image": "mark.png"}}]}

CONFIG = {
    "datasets": {"mine": {"folder": "pictures", "exclude": ["draft*", "</script>*"]}},
    "recipes": {"light": {"steps": [RESIZE]}, "own": OWN},
    # The baseline may be listed too.
    "run": {
        "datasets": ["mine"],
        "recipes": ["light", "own"],
        "engines": ["threads", "sequential"],
    },
}


def jobs_of(folder):
    """What Snakemake recorded of each job, by the name of its log."""
    records = (path.read_text("utf-8") for path in (folder / ".snakemake/metadata").iterdir())
    jobs = map(json.loads, records)
    return {job["log"][0].removeprefix("logs/").removesuffix(".log"): job for job in jobs}


#: What is in files that are read before any job starts.
READ = {
    "verification.json": '{"passed": true, "token": "known"}',
    "splits.csv": "source,split\n0.jpg,train\n",
}


def pretend_run(folder, snakemake, targets):
    """Make Snakemake record that it made the files of all targets; most of them are empty."""
    lines = snakemake(folder, "--summary", *targets).text.partition("output_file\t")[2].splitlines()
    for path in (folder / line.split("\t")[0] for line in lines[1:] if "\t" in line):
        path.parent.mkdir(parents=True, exist_ok=True)
        text = READ.get(path.name, "")
        path.mkdir() if path.name == "figures" else path.write_text(text, encoding="utf-8")
        if path.name == "manifest.csv" and "shards" not in path.parts:
            (path.parent / "images").mkdir()
            outputs_state.record(str(path.parent), [], "known")
    ran = snakemake(folder, "--touch", "--forceall", *targets)
    assert ran.status == 0, ran.text
    for name in jobs_of(folder):
        benchmark = folder / f"benchmarks/{name}.tsv"
        benchmark.parent.mkdir(parents=True, exist_ok=True)
        benchmark.touch()


@pytest.fixture(scope="module")
def pretended(new_project, tmp_path_factory, snakemake):
    """Function that makes a project that Snakemake takes for one whose targets were made."""

    def make(config, *targets):
        folder = new_project(tmp_path_factory.mktemp("pretended") / "project", config, count=2)
        (folder / "my_steps.py").write_text(OWN_STEP, encoding="utf-8")
        Image.new("RGB", (4, 4)).save(folder / "mark.png")
        pretend_run(folder, snakemake, targets)
        return folder

    return make


TARGETS = ("all", "process", "scaling", "rivals", "steps")


@pytest.fixture(scope="module")
def whole(pretended):
    """A project in which everything was made, in one part."""
    return pretended(CONFIG, *TARGETS)


SHARDS = ("1-of-2", "2-of-2")

#: The table that Snakemake knows a tree by.
DIVIDED_TREE = "results/mine/own/sequential/manifest.csv"


@pytest.fixture(scope="module")
def divided(pretended):
    """A project in which one tree was made in shards."""
    return pretended({**CONFIG, "scale": {"shards": len(SHARDS)}}, DIVIDED_TREE)


@pytest.fixture
def project(whole, tmp_path):
    """A copy of the project in one part, which a test may change."""
    return copied(whole, tmp_path / "project")


def inputs_of(job):
    """Inputs of a job apart from the code."""
    return {path for path in job["input"] if not path.startswith("scripts/")}


TREE = "results/mine/{}/{}"
CATALOG = "results/mine/catalog.csv"
OWN_FILES = {"my_steps.py", "mark.png"}
RECIPES, ENGINES = ("light", "own"), ("sequential", "threads")
TREES = [TREE.format(recipe, engine) for recipe in RECIPES for engine in ENGINES]
PRODUCTION = [TREE.format(recipe, "auto") for recipe in RECIPES]
COMPARISONS = {f"results/mine/{recipe}/comparison.json" for recipe in RECIPES}

#: Inputs of each job, by the name of its log.
INPUTS = {
    "mine/catalog": set(),
    "mine/light/scaling": {CATALOG},
    "mine/light/rivals": {CATALOG},
    "mine/own/scaling": {CATALOG, *OWN_FILES},
    **{f"mine/light/{engine}": {CATALOG} for engine in (*ENGINES, "auto")},
    **{f"mine/own/{engine}": {CATALOG, *OWN_FILES} for engine in (*ENGINES, "auto")},
    **{
        f"mine/{recipe}/{engine}.verify": {CATALOG, f"{TREE.format(recipe, engine)}/manifest.csv"}
        for recipe in RECIPES
        for engine in (*ENGINES, "auto")
    },
    **{
        f"mine/{recipe}/compare": {f"{TREE.format(recipe, e)}/manifest.csv" for e in ENGINES}
        for recipe in RECIPES
    },
    "report": COMPARISONS
    | {
        f"{tree}/{name}"
        for tree in TREES
        for name in ("timing.json", "manifest.csv", "verification.json")
    },
    "verdict": {"results/report/benchmark.json", "results/report/report.html"},
    "process": {f"{tree}/verification.json" for tree in PRODUCTION},
    "steps": set(),
}


def test_every_job_has_these_inputs_and_no_others(whole):
    assert {name: inputs_of(job) for name, job in jobs_of(whole).items()} == INPUTS


def test_jobs_of_shards_have_these_inputs_and_no_others(divided):
    tables = {shard: f"results/mine/shards/{shard}/catalog.csv" for shard in SHARDS}
    parts = {DIVIDED_TREE.replace("manifest", f"shards/{shard}/manifest") for shard in SHARDS}
    assert {name: inputs_of(job) for name, job in jobs_of(divided).items()} == {
        **{f"mine/shards/{shard}.catalog": set() for shard in SHARDS},
        "mine/catalog": set(tables.values()),
        **{f"mine/own/sequential/{shard}": {tables[shard], *OWN_FILES} for shard in SHARDS},
        "mine/own/sequential": {CATALOG, *parts},
    }


def templates_of(job):
    return {os.path.basename(path) for path in job["input"] if "/templates/" in path}


def test_pages_have_their_templates_as_inputs(whole, repository):
    templates = repository / "scripts/pixelmill/report/templates"
    charts = {path.name for path in (templates / "charts").iterdir()}
    jobs = jobs_of(whole)
    assert templates_of(jobs["report"]) == {
        "report.html",
        "report.css",
        "report.js",
        "report.md",
        *charts,
    }
    assert templates_of(jobs["steps"]) == {"steps.html"}


def command_of(job):
    """Script, arguments and options of a command; sections of the config as data."""
    python, script, *words = shlex.split(job["shellcmd"])
    assert python == "python"
    arguments, options = [], {}
    place = arguments
    for word in words:
        if word.startswith("--"):
            place = options[word] = []
        else:
            place.append(json.loads(word) if word.startswith("{") else word)
    return script.removeprefix("scripts/"), arguments, options


#: The sections that the config does not set.
DEFAULTS = complete({})

POLICY = {
    **{key: DEFAULTS[key] for key in ("limits", "removals", "collisions", "durable", "sandbox")},
    "run": {"check_outputs": False, "retry_failed": []},
    "failures": {"stop_on_first": False},
}

#: What the commands of a recipe have in common.
OF_OWN = {"--recipe": [OWN], "--steps-folder": ["."]}

ALL_CORES = {"--workers": ["2"], "--cap-workers": []}

PASS = {
    **OF_OWN, "--catalog": [CATALOG], "--policy": [POLICY], "--label": ["mine/own"],
    "--token": ["known"],
}  # fmt: skip

SELECTION = {"include": [], "exclude": ["draft*", "</script>*"]}

MEASURED = {"--catalog": [CATALOG], "--settings": [DEFAULTS["benchmark"]], **ALL_CORES}

#: Script, arguments and options of jobs, by the names of their logs; the log is an option of all.
COMMANDS = {
    "mine/catalog": (
        "catalog.py", ["pictures", CATALOG], {"--selection": [SELECTION], "--shard": ["1-of-1"]},
    ),
    "mine/own/sequential": (
        "process_sequential.py", ["pictures", TREE.format("own", "sequential")], PASS,
    ),
    "mine/own/threads": (
        "process_parallel.py", ["pictures", TREE.format("own", "threads")],
        {**PASS, "--engine": ["threads"], **ALL_CORES},
    ),
    "mine/own/threads.verify": (
        "verify.py", ["pictures", TREE.format("own", "threads")],
        {
            **OF_OWN, "--catalog": [CATALOG], "--settings": [DEFAULTS["verify"]],
            "--sandbox": ["auto"], "--output": [TREE.format("own", "threads/verification.json")],
            "--token": ["known"], "--evidence": [], "--beside": [],
            "--label": ["mine/own/threads"], **ALL_CORES,
        },
    ),
    "mine/own/compare": (
        "compare_engines.py", [TREE.format("own", engine) for engine in ENGINES],
        {
            "--output": ["results/mine/own/comparison.json"], "--evidence": [],
            "--label": ["mine/own"],
        },
    ),
    "mine/own/scaling": (
        "scaling.py", ["pictures"],
        {**OF_OWN, **MEASURED, "--output": ["results/mine/own/scaling.json"]},
    ),
    "mine/light/rivals": (
        "rivals.py", ["pictures"],
        {
            **OF_OWN, **MEASURED, "--recipe": [CONFIG["recipes"]["light"]],
            "--output": ["results/mine/light/rivals.json"],
        },
    ),
    "verdict": (
        "verdict.py", TREES,
        {
            "--settings": [DEFAULTS["failures"]], "--report": ["results/report/report.html"],
            "--output": ["results/verdict.txt"], "--done": ["results/.verdict-ok"],
        },
    ),
    "process": (
        "verdict.py", PRODUCTION,
        {
            "--settings": [DEFAULTS["failures"]], "--output": ["results/verdict.txt"],
            "--done": ["results/.verdict-process-ok"],
        },
    ),
    "steps": ("steps.py", ["results/report/steps.html"], {}),
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_hands_over_everything_that_the_job_is_about(whole, name):
    script, arguments, options = COMMANDS[name]
    found = command_of(jobs_of(whole)[name])
    assert found == (script, arguments, {**options, "--log": [f"logs/{name}.log"]})


def test_the_report_is_about_all_trees_and_shows_the_whole_config(whole):
    script, arguments, options = command_of(jobs_of(whole)["report"])
    assert (script, arguments) == ("benchmark_report.py", ["."])
    (config,) = options["--config"]
    assert {key: config[key] for key in CONFIG} | {"recipes": CONFIG["recipes"]} == {
        **CONFIG, "run": {**DEFAULTS["run"], **CONFIG["run"]},
    }  # fmt: skip
    assert config.keys() == DEFAULTS.keys()
    assert options["--trees"] == TREES
    assert options["--output"] == ["results/report"]


def test_no_parameter_can_end_a_script_of_the_report_of_snakemake(whole):
    """Snakemake writes them into the page as they are."""
    parameters = {name: "".join(map(str, job["params"])) for name, job in jobs_of(whole).items()}
    assert "draft*" in parameters["mine/catalog"] and "draft*" in parameters["report"]
    assert [name for name, text in parameters.items() if "</" in text] == []


def test_commands_of_shards_name_their_part_of_the_images(divided):
    jobs = jobs_of(divided)
    for shard in SHARDS:
        table = f"results/mine/shards/{shard}/catalog.csv"
        _, arguments, options = command_of(jobs[f"mine/shards/{shard}.catalog"])
        assert arguments == ["pictures", table]
        assert (options["--shard"], options["--selection"]) == ([shard], [SELECTION])
        _, arguments, options = command_of(jobs[f"mine/own/sequential/{shard}"])
        assert arguments == ["pictures", TREE.format("own", "sequential")]
        assert options == {
            **PASS, "--catalog": [table], "--engine": ["sequential"], "--shard": [shard],
            "--selection": [SELECTION], "--label": [f"mine/own/{shard}"], **ALL_CORES,
            "--log": [f"logs/mine/own/sequential/{shard}.log"],
        }  # fmt: skip
    assert command_of(jobs["mine/catalog"])[1] == [CATALOG, "2"]
    _, arguments, options = command_of(jobs["mine/own/sequential"])
    assert arguments == [TREE.format("own", "sequential"), "2", CATALOG]
    assert options["--token"] == ["known"]


#: A dataset that is inspected, split and selected, one that is generated, and their packed outputs.
SPLIT = {"ratios": {"train": 0.5, "test": 0.5}, "seed": 3}
GENERATE = {"count": 2, "width": [9, 9], "height": [9, 9]}
CHOSEN = {
    "datasets": {
        "mine": {
            "folder": "pictures", "split": SPLIT, "select": "width < 1000", "on_duplicate": "first",
            "list": {"file": "results/mine/splits.csv", "where": {"split": "train"}},
        },
        "made": {"generate": GENERATE},
    },
    "recipes": {"light": {"steps": [RESIZE]}},
    "run": {
        "datasets": ["mine", "made"], "recipes": ["light"], "engines": [], "production": "threads",
    },
    "findings": {"blurred": 15},
    "metrics": True,
    "pack": {"format": "zip", "bytes": "1M"},
    "destination": "s3://bucket/prefix",
    "removals": {"max_rate": 0.25},
    "durable": True,
    "sandbox": "off",
}  # fmt: skip

CHOSEN_TARGETS = ("all", "process", "inspect", "pack", "upload")


@pytest.fixture(scope="module")
def chosen(pretended):
    """A project whose images were inspected, selected and packed."""
    return pretended(CHOSEN, *CHOSEN_TARGETS)


def in_mine(name):
    return f"results/mine/{name}"


PAGES = {f"results/{dataset}/inspection.html" for dataset in ("mine", "made")}
SELECTED = in_mine("selected.csv")

#: Inputs of jobs of this project, by the name of their log.
CHOSEN_INPUTS = {
    "made/generate": set(),
    "made/catalog": {"results/made/generated.json"},
    "made/inspect": {"results/made/catalog.csv"},
    "mine/inspect": {CATALOG},
    "mine/split": {in_mine("findings.csv")},
    "mine/select": {CATALOG, in_mine("findings.csv"), in_mine("splits.csv")},
    "mine/light/sequential": {SELECTED},
    "mine/light/threads": {SELECTED},
    "mine/light/threads.verify": {SELECTED, in_mine("light/threads/manifest.csv")},
    "mine/light/pack": {in_mine("light/threads/manifest.csv")},
    "mine/light/upload": {in_mine("light/packed/packed.csv")},
    "made/light/pack": {"results/made/light/threads/manifest.csv"},
    "process": PAGES
    | {f"results/{dataset}/light/threads/verification.json" for dataset in ("mine", "made")},
}

CHOSEN_POLICY = {**POLICY, "durable": True, "sandbox": "off", "removals": {"max_rate": 0.25}}

#: Script, arguments and options of jobs of this project.
CHOSEN_COMMANDS = {
    "made/generate": (
        "generate.py", ["resources/made"],
        {
            "--spec": [complete({"datasets": CHOSEN["datasets"] | {"mine": {"generate": GENERATE}}})
                       ["datasets"]["made"]["generate"]],
            "--done": ["results/made/generated.json"], **ALL_CORES,
        },
    ),
    "mine/inspect": (
        "inspect_images.py", ["pictures", "results/mine"],
        {
            "--catalog": [CATALOG], "--policy": [CHOSEN_POLICY], "--settings": [{"blurred": 15}],
            "--label": ["mine"], **ALL_CORES,
        },
    ),
    "mine/split": (
        "select_images.py", ["results/mine"],
        {"--split": [SPLIT], "--settings": [{"blurred": 15}], "--label": ["mine"]},
    ),
    "mine/select": (
        "select_images.py", ["results/mine"],
        {
            "--catalog": [CATALOG], "--select": ["width < 1000"], "--on-duplicate": ["first"],
            "--list": [in_mine("splits.csv")], "--where": ["split=train"], "--source": ["pictures"],
            "--settings": [{"blurred": 15}], "--label": ["mine"],
        },
    ),
    "mine/light/pack": (
        "pack_outputs.py", [in_mine("light/threads"), in_mine("light/packed")],
        {
            "--bytes=1000000": [], "--format=zip": [], "--durable": [], "--label": ["mine/light"],
            **ALL_CORES,
        },
    ),
    "mine/light/upload": (
        "upload_outputs.py", [in_mine("light/packed"), "s3://bucket/prefix/mine/light"],
        {
            "--settings": [{"max_rate": 0.25}], "--output": [in_mine("light/uploaded.json")],
            "--label": ["mine/light"],
        },
    ),
}  # fmt: skip


def test_jobs_of_chosen_images_have_these_inputs(chosen):
    jobs = jobs_of(chosen)
    assert {name: inputs_of(jobs[name]) for name in CHOSEN_INPUTS} == CHOSEN_INPUTS
    assert inputs_of(jobs["report"]) >= PAGES


@pytest.mark.parametrize("name", CHOSEN_COMMANDS)
def test_a_command_for_chosen_images_hands_over_everything_that_the_job_is_about(chosen, name):
    script, arguments, options = command_of(jobs_of(chosen)[name])
    options.pop("--token", None)  # of generated images; it is another one in each run
    expected_script, expected_arguments, expected = CHOSEN_COMMANDS[name]
    assert (script, arguments) == (expected_script, expected_arguments)
    assert options == {**expected, "--log": [f"logs/{name}.log"]}


def test_passes_and_checks_get_the_policy_of_the_config(chosen):
    jobs = jobs_of(chosen)
    for name in ("mine/light/sequential", "mine/light/threads"):
        assert command_of(jobs[name])[2]["--policy"] == [CHOSEN_POLICY]
    assert command_of(jobs["mine/light/threads.verify"])[2]["--sandbox"] == ["off"]


def processing(recipe):
    """Messages of the jobs that process the images with a recipe."""
    made = f"Process mine with {recipe}"
    return [f"{made}, one image after another", f"{made} on threads", f"{made} on auto"]


def measuring(recipe):
    return f"Measure the speedup of engines on mine with {recipe}"


def verifying(*recipes):
    trees = [(recipe, engine) for recipe in recipes for engine in (*ENGINES, "auto")]
    return [f"Verify mine with {recipe} on {engine}" for recipe, engine in trees]


def following(*recipes):
    """Messages of the jobs that follow those that process the images."""
    compared = [f"Compare the engines on mine with {recipe}" for recipe in recipes]
    return [*verifying(*recipes), *compared, *ENDS]


REPORTS = ["Write the report", "Write the verdict"]
ENDS = [*REPORTS, "Write the verdict on the images of the production engine"]
RIVALS = "Measure other tools on mine with light"

#: Sections of the config: a change, and the jobs that it concerns.
SECTIONS = {
    "recipes": (
        {"recipes": {**CONFIG["recipes"], "light": {"steps": [RESIZE], "output": {"quality": 5}}}},
        [*processing("light"), measuring("light"), RIVALS, *following("light")],
    ),
    "limits": (
        {"limits": {"max_pixels": 77}},
        [*processing("light"), *processing("own"), *following(*RECIPES)],
    ),
    "verify": ({"verify": {"sample": 7}}, [*verifying(*RECIPES), *ENDS]),
    "failures": ({"failures": {"max_rate": 0.3}}, ENDS),
    "benchmark": (
        {"benchmark": {"images": 77}}, [measuring("light"), measuring("own"), RIVALS, *REPORTS],
    ),
}  # fmt: skip


@pytest.mark.parametrize("section", SECTIONS)
def test_a_changed_section_of_the_config_concerns_these_jobs(project, snakemake, section):
    change, jobs = SECTIONS[section]
    write_config(project, {**CONFIG, **change})
    assert snakemake(project, "--dry-run", *TARGETS).jobs == sorted(jobs)


def test_nothing_changed_concerns_no_job(project, snakemake):
    assert is_up_to_date(snakemake(project, "--dry-run", *TARGETS))


@pytest.mark.parametrize("file", sorted(OWN_FILES))
def test_a_file_that_a_step_needs_concerns_all_that_is_made_or_measured_by_it(
    project, snakemake, file
):
    with (project / file).open("ab") as appended:
        appended.write(b"\n")
    ran = snakemake(project, "--dry-run", *TARGETS)
    assert ran.jobs == sorted([*processing("own"), measuring("own"), *following("own")])


#: Messages of all jobs that render images, and of those that follow.
RENDERING = [
    *processing("light"), *processing("own"), *map(measuring, RECIPES), RIVALS,
    *following(*RECIPES),
]  # fmt: skip


@pytest.fixture
def other_pillow(tmp_path):
    """An environment with another version of Pillow."""
    folder, text = OTHER_PILLOW
    (tmp_path / "other" / folder).mkdir(parents=True)
    (tmp_path / "other" / folder / "METADATA").write_text(text, encoding="utf-8")
    return {**os.environ, "PYTHONPATH": str(tmp_path / "other")}


def test_another_version_of_a_library_concerns_all_that_is_made_measured_or_shown_by_it(
    project, snakemake, other_pillow
):
    ran = snakemake(project, "--dry-run", *TARGETS, env=other_pillow)
    assert ran.jobs == sorted([*RENDERING, "Show every step on a picture"])


def test_another_version_of_a_library_concerns_all_inspections_and_what_follows(
    chosen, snakemake, tmp_path, other_pillow
):
    project = copied(chosen, tmp_path / "project")
    ran = snakemake(project, "--dry-run", in_mine("splits.csv"), env=other_pillow)
    assert ran.jobs == ["Inspect the images of mine", "Split the images of mine"]


def test_another_selection_of_files_concerns_the_catalog_and_all_that_follows(project, snakemake):
    write_config(project, {**CONFIG, "datasets": {"mine": {"folder": "pictures"}}})
    ran = snakemake(project, "--dry-run", *TARGETS)
    assert ran.jobs == sorted(["Catalog mine", *RENDERING])


def test_every_command_with_a_recipe_searches_own_steps_beside_all_config_files(project, snakemake):
    (project / "settings").mkdir()
    (project / "settings/more.yaml").write_text("durable: true\n", encoding="utf-8")
    options = ("--dry-run", "--printshellcmds", "--configfile", "settings/more.yaml")
    ran = snakemake(project, *TARGETS, "verify", "plan", *options)
    commands = re.findall(r"^Shell command: python scripts/(\S+) (.*)$", ran.text, re.MULTILINE)
    searched = [
        (script, dict(re.findall(r"(--\S+) (\S+)", options)).get("--steps-folder"))
        for script, options in commands
        if " --recipe " in options or script in ("verify_results.py", "plan.py")
    ]
    everywhere = os.pathsep.join(("settings", "."))
    assert sorted(searched) == sorted(
        (script, everywhere)
        for script in [
            *["process_sequential.py", "process_parallel.py", "process_parallel.py"] * 2,
            *["verify.py"] * 6, *["scaling.py"] * 2, "rivals.py", "verify_results.py", "plan.py",
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("engine", "options"),
    [
        ("distributed", " --scheduler tls://host:1 --tls ca.pem cert.pem key.pem --policy"),
        ("threads", " --cap-workers  --policy"),
    ],
)
def test_only_a_cluster_is_told_where_its_scheduler_is(small, snakemake, engine, options):
    tls = {"ca": "ca.pem", "cert": "cert.pem", "key": "key.pem"}
    write_config(small, {**SMALL, "scale": {"scheduler": "tls://host:1", "tls": tls}})
    target = f"results/mine/light/{engine}/manifest.csv"
    ran = snakemake(small, "--dry-run", "--printshellcmds", target)
    assert options in ran.text


@pytest.mark.parametrize("kind", ["whole", "divided"])
def test_clean_removes_the_outputs_logs_and_benchmarks_of_all_jobs(
    request, tmp_path, repository, monkeypatch, kind
):
    made = request.getfixturevalue(kind)
    project = shutil.copytree(made, tmp_path / "project", ignore=shutil.ignore_patterns("scripts"))
    rules = "".join(path.read_text("utf-8") for path in repository.glob("workflow/rules/*.smk"))
    of_the_run = re.findall(r"\"logs/([^{}\"]+)\.log\"", rules)
    assert {"verify", "plan"} < set(of_the_run)
    for name in (*of_the_run, *jobs_of(made)):
        log = project / f"logs/{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
    for table in project.rglob("manifest.csv"):
        table.write_text("output\n", encoding="utf-8")
    monkeypatch.chdir(project)
    removed, left = clean(complete(yaml.safe_load((project / "config.yaml").read_text("utf-8"))))
    assert (removed > len(jobs_of(made)), left) == (True, [])
    assert {path.name for path in project.iterdir()} == {
        *CODE, "config.yaml", "pictures", *OWN_FILES, ".snakemake",
    } - {"scripts"}  # fmt: skip
