"""Snakemake runs exactly the jobs whose inputs, code or parameters changed, and no others."""

import csv
import itertools
import json
import os
import re
import shutil

import pytest
import yaml

from pixelmill.files import exclusive

#: What a user needs of the repository, besides a config.
CODE = ("Snakefile", "workflow", "scripts", "profiles", "envs")

COUNT = 8

RESIZE = {"resize": {"width": 96, "height": 72}}

CONFIG = {
    "datasets": {
        "mine": {"folder": "pictures"},
        "demo": {"generate": {"count": 4, "width": [120, 160], "height": [120, 160]}},
    },
    "recipes": {
        "light": {"steps": [RESIZE]},
        "intensive": {
            "steps": [
                RESIZE,
                {"gaussian_blur": {"radius": 1.0}},
                {"color_matrix": {"matrix": [[0.9, 0.1, 0], [0, 1, 0], [0, 0.1, 0.9]]}},
            ]
        },
    },
    "run": {
        "datasets": ["mine", "demo"],
        "recipes": ["light", "intensive"],
        "engines": ["threads"],
    },
}

#: The same with as few jobs as there can be.
SMALL = {
    "datasets": {"mine": {"folder": "pictures"}},
    "recipes": {"light": {"steps": [RESIZE]}},
    "run": {"datasets": ["mine"], "recipes": ["light"], "engines": []},
}

END = ["Write the report", "Judge"]

FIRST_TEN = (
    "dataset,recipe,engine,workers,images,seconds,"
    "images_per_second,megapixels_per_second,speedup,efficiency"
)


def processing(dataset, recipe):
    """Messages of the jobs that make the images of a dataset by a recipe."""
    made = f"Process {dataset} by {recipe}"
    return [f"{made}, one image after another", f"{made} with threads"]


def chain(dataset, recipe):
    """Messages of the jobs that make and check the images of a dataset by a recipe."""
    verified = [f"Verify {dataset} by {recipe} with {e}" for e in ("sequential", "threads")]
    compared = f"Compare the engines on {dataset} by {recipe}"
    return [*processing(dataset, recipe), *verified, compared]


EVERY_CHAIN = [
    job
    for dataset, recipe in itertools.product(["mine", "demo"], ["light", "intensive"])
    for job in chain(dataset, recipe)
]


def write_config(folder, config):
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def times_below(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def is_up_to_date(ran):
    return ran.status == 0 and ran.jobs == [] and "Nothing to be done" in ran.text


@pytest.fixture(scope="module")
def new_project(repository, photos):
    """Function that makes a folder with the code, a config and some pictures."""

    def make(folder, config, count=COUNT):
        folder.mkdir()
        for part in CODE:
            copy = shutil.copytree if (repository / part).is_dir() else shutil.copy2
            copy(repository / part, folder / part)
        write_config(folder, config)
        photos(folder / "pictures", count, size=(160, 120))
        return folder

    return make


@pytest.fixture(scope="module")
def first(new_project, tmp_path_factory, snakemake):
    """A project that was run once from nothing, and how that went."""
    folder = new_project(tmp_path_factory.mktemp("first") / "project", CONFIG)
    return folder, snakemake(folder, "all")


@pytest.fixture
def finished(first, tmp_path):
    """A copy of the finished project, to change something in."""
    return shutil.copytree(first[0], tmp_path / "project")


@pytest.fixture
def small(new_project, tmp_path):
    """A fresh project of few jobs."""
    return new_project(tmp_path / "project", SMALL, count=3)


def test_from_nothing_every_job_runs_once(first):
    _, ran = first
    assert ran.status == 0
    start = ["Generate the images of demo", "Catalog demo", "Catalog mine"]
    assert ran.jobs == sorted([*start, *EVERY_CHAIN, *END])
    assert sorted(ran.made) == [4, 4, 4, 4, 8, 8, 8, 8]


def test_a_run_ends_with_a_verdict_a_report_and_a_table(first):
    results = first[0] / "results"
    assert (results / "verdict.txt").read_text(encoding="utf-8").endswith("All is well.\n")
    assert "</html>" in (results / "report/report.html").read_text(encoding="utf-8")
    table = (results / "report/benchmark.csv").read_text(encoding="utf-8").splitlines()
    assert table[0].startswith(FIRST_TEN)
    assert len(table) == 1 + 8
    assert json.loads((results / "report/benchmark.json").read_text("utf-8"))["passed"]


def test_every_job_has_its_log_and_its_benchmark(first):
    folder, ran = first
    assert len(list((folder / "logs").rglob("*.log"))) == len(ran.jobs)
    assert len(list((folder / "benchmarks").rglob("*.tsv"))) == len(ran.jobs)


def test_no_file_that_is_passed_on_tells_where_it_was_made(first, tmp_path_factory):
    for path in (first[0] / "results").rglob("*.*"):
        if path.suffix in (".csv", ".json", ".txt", ".html"):
            assert str(tmp_path_factory.getbasetemp()) not in path.read_text(encoding="utf-8"), path


def test_a_second_run_has_nothing_to_do(finished, snakemake):
    assert is_up_to_date(snakemake(finished, "all"))


def turned(value):
    """The same config with every map's keys in another order."""
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    return [turned(entry) for entry in value] if isinstance(value, list) else value


def test_another_number_of_cores_order_of_keys_or_place_reruns_nothing(
    finished, snakemake, tmp_path
):
    text = yaml.safe_dump(turned(CONFIG), sort_keys=False)
    assert text != (finished / "config.yaml").read_text(encoding="utf-8")
    (finished / "config.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "some/where").mkdir(parents=True)
    moved = finished.rename(tmp_path / "some/where/else")
    assert is_up_to_date(snakemake(moved, "--cores", "1", "all"))


def test_an_edited_recipe_reruns_what_is_made_by_it(finished, snakemake):
    edit(finished / "config.yaml", "- 0.9", "- 0.8")
    ran = snakemake(finished, "--dry-run", "all")
    assert ran.jobs == sorted([*chain("mine", "intensive"), *chain("demo", "intensive"), *END])


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("scripts/pixelmill/report.py", "MOST_FAILURES = 50", "MOST_FAILURES = 51"),
        ("scripts/pixelmill/templates/report.html", "pixelmill report", "the report"),
    ],
    ids=["code", "template"],
)
def test_edited_code_of_the_report_reruns_the_report_and_the_verdict(
    finished, snakemake, file, old, new
):
    edit(finished / file, old, new)
    assert snakemake(finished, "--dry-run", "all").jobs == sorted(END)


def test_edited_code_of_a_step_reruns_all_processing(finished, snakemake):
    edit(finished / "scripts/pixelmill/filters.py", "ImageFilter.SHARPEN", "ImageFilter.DETAIL")
    assert snakemake(finished, "--dry-run", "all").jobs == sorted([*EVERY_CHAIN, *END])


@pytest.mark.parametrize(
    ("new", "made"),
    [("ImageFilter.DETAIL)", COUNT), ("ImageFilter.SHARPEN)  # a comment", 0)],
    ids=["code", "a comment"],
)
def test_a_step_that_is_edited_makes_images_again_and_a_comment_none(
    finished, snakemake, new, made
):
    edit(finished / "scripts/pixelmill/filters.py", "ImageFilter.SHARPEN)", new)
    ran = snakemake(finished, "results/mine/light/sequential/manifest.csv")
    assert ran.jobs == ["Process mine by light, one image after another"]
    assert ran.made == [made]


def test_a_new_image_reruns_its_dataset_and_no_other(finished, snakemake, picture):
    picture(50).save(finished / "pictures/new.jpg")
    ran = snakemake(finished, "--dry-run", "all")
    own = [*chain("mine", "light"), *chain("mine", "intensive")]
    assert ran.jobs == sorted(["Catalog mine", *own, *END])


@pytest.mark.parametrize(
    ("happens", "made"),
    [
        (lambda path, picture: picture(50).save(path.with_name("new.jpg")), 1),
        (lambda path, picture: picture(50).save(path), 1),
        (lambda path, picture: path.unlink(), 0),
        (lambda path, picture: path.touch(), 0),
    ],
    ids=["new", "changed", "removed", "touched"],
)
def test_only_images_that_changed_are_made(finished, snakemake, picture, happens, made):
    before = times_below(finished / "results/demo")
    happens(finished / "pictures/3.jpg", picture)
    ran = snakemake(finished, "results/mine/light/threads/manifest.csv")
    assert ran.jobs == ["Catalog mine", "Process mine by light with threads"]
    assert ran.made == [made]
    outputs = {path.name for path in (finished / "results/mine/light/threads/images").iterdir()}
    assert outputs == {path.name for path in (finished / "pictures").iterdir()}
    assert times_below(finished / "results/demo") == before


def test_an_image_that_was_generated_and_deleted_is_made_again(finished, snakemake):
    image = finished / "resources/demo/00000002.jpg"
    before = image.read_bytes()
    image.unlink()
    ran = snakemake(finished, "results/demo/catalog.csv")
    assert ran.jobs == ["Catalog demo", "Generate the images of demo"]
    assert "generated 1 images, kept 3" in ran.text
    assert image.read_bytes() == before


@pytest.mark.slow
def test_a_larger_count_generates_the_new_ones_only(finished, snakemake):
    edit(finished / "config.yaml", "count: 4", "count: 6")
    ran = snakemake(finished, "results/demo/catalog.csv")
    assert "generated 2 images, kept 4" in ran.text


def test_it_runs_from_elsewhere_without_an_activated_environment(
    small, repository, snakemake, tmp_path
):
    """With the code where it was installed and nothing but a config in the folder of the data."""
    for part in CODE:
        remove = shutil.rmtree if (small / part).is_dir() else os.unlink
        remove(small / part)
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    env["PATH"] = os.defpath
    ran = snakemake(small, "all", code=repository, cwd=tmp_path, env=env)
    assert ran.status == 0, ran.text
    assert (small / "results/verdict.txt").exists()


@pytest.mark.slow
def test_folders_may_have_names_that_a_shell_would_take_apart(small, snakemake):
    (small / "pictures").rename(small / "it's my (best) pictures")
    mine = {"mine": {"folder": "it's my (best) pictures"}}
    write_config(small, {**SMALL, "datasets": mine, "results": "my $HOME results"})
    assert snakemake(small, "all").status == 0
    assert (small / "my $HOME results/report/report.html").exists()


def test_a_config_file_on_the_command_line_goes_before_the_one_beside(small, snakemake, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text("results: elsewhere\nrun: {engines: [futures]}\n", encoding="utf-8")
    ran = snakemake(small, "--dry-run", "all", "--configfile", other)
    assert "Process mine by light with futures" in ran.jobs
    assert "elsewhere/verdict.txt" in ran.text


@pytest.mark.parametrize(
    "values",
    [
        ["run={engines: [futures]}"],
        ["failures={max_rate: 0.5}", "recipes={light: {output: {quality: 5}}}", "durable=true"],
    ],
    ids=["words", "numbers and truths"],
)
def test_any_key_can_be_set_on_the_command_line(small, snakemake, values):
    ran = snakemake(small, "--dry-run", "all", "--config", *values)
    assert ran.status == 0, ran.text


def test_the_target_process_makes_images_by_the_production_engine_alone(finished, snakemake):
    ran = snakemake(finished, "process", "--config", "run={datasets: [mine], recipes: [light]}")
    assert ran.status == 0
    assert ran.jobs == [
        "Judge the images made by the production engine",
        "Process mine by light with auto",
        "Verify mine by light with auto",
    ]
    assert (finished / "results/verdict-process.txt").exists()
    timing = json.loads((finished / "results/mine/light/auto/timing.json").read_text("utf-8"))
    assert timing["last_full_pass"]["engine"] == "processes"


def test_the_target_verify_always_looks_and_is_content_where_all_is_well(finished, snakemake):
    ran = snakemake(finished, "verify")
    assert ran.status == 0
    assert ran.jobs == ["Verify what stands there"]
    assert "All is well." in ran.text


def test_the_target_verify_says_what_to_run_where_nothing_was_processed(small, snakemake):
    ran = snakemake(small, "verify")
    assert ran.status != 0
    assert "No processed images are there yet; run 'snakemake --cores all' first." in ran.text
    assert "Traceback" not in ran.text


def test_the_target_verify_finds_a_fault_and_names_the_remedy(finished, snakemake):
    (finished / "results/mine/light/threads/images/3.jpg").unlink()
    ran = snakemake(finished, "verify")
    assert ran.status != 0
    assert "3.jpg: is in the manifest and not there" in ran.text
    assert "missing: make them again: 'snakemake " in ran.text


@pytest.mark.slow
def test_the_remedy_mends_the_fault(finished, snakemake):
    (finished / "results/mine/light/threads/images/3.jpg").unlink()
    remedy = re.search(r"make them again: 'snakemake (.*?)'", snakemake(finished, "verify").text)[1]
    assert snakemake(finished, *remedy.split()).status == 0
    assert (finished / "results/mine/light/threads/images/3.jpg").exists()
    assert snakemake(finished, "verify").status == 0


def test_the_target_report_writes_the_report_alone(finished, snakemake):
    (finished / "results/report/report.html").unlink()
    assert snakemake(finished, "--dry-run", "report").jobs == ["Write the report"]


def test_the_target_plan_says_what_would_be_done_and_does_nothing(finished, snakemake, picture):
    picture(50).save(finished / "pictures/new.jpg")
    (finished / "pictures/3.jpg").unlink()
    before = times_below(finished / "results")
    ran = snakemake(finished, "plan")
    assert ran.jobs == ["Say what would be done, and why"]
    assert "mine/light/threads: make 1: 1 new; keep 7; remove 1" in ran.text
    assert "demo/light/threads: make 0; keep 4; remove 0" in ran.text
    after = times_below(finished / "results")
    assert {path: time for path, time in after.items() if path.suffix != ".sqlite-journal"} == {
        path: time for path, time in before.items() if path.suffix != ".sqlite-journal"
    }


@pytest.mark.slow
def test_the_target_scaling_measures_what_a_dataset_selects(small, snakemake):
    mine = {"mine": {"folder": "pictures", "exclude": ["2.jpg"]}}
    write_config(small, {**SMALL, "datasets": mine, "benchmark": {"images": 99, "repeats": 1}})
    ran = snakemake(small, "scaling", "--cores", "1")
    assert ran.status == 0
    assert ran.jobs == ["Catalog mine", "Measure what parallelism wins on mine by light"]
    measured = json.loads((small / "results/mine/light/scaling.json").read_text("utf-8"))
    assert (measured["images"], measured["repeats"]) == (2, 1)


@pytest.mark.slow
def test_the_target_steps_shows_every_step(finished, snakemake):
    assert snakemake(finished, "steps").status == 0
    assert "gaussian_blur" in (finished / "results/report/steps.html").read_text("utf-8")


def test_the_target_clean_leaves_what_the_user_brought(finished, snakemake):
    ran = snakemake(finished, "clean")
    assert ran.status == 0
    left = {path.name for path in finished.iterdir() if path.name != ".snakemake"}
    assert left == {*CODE, "config.yaml", "pictures"}
    assert len(list((finished / "pictures").iterdir())) == COUNT


def test_too_many_failed_images_decide_and_their_evidence_is_kept(small, snakemake):
    for number in range(2):
        (small / f"pictures/broken{number}.jpg").write_bytes(b"\xff\xd8\xff and no more")
    ran = snakemake(small, "all")
    assert ran.status != 0
    assert "mine/light/sequential: 2 of 5 images failed" in ran.text
    assert "more than failures.max_rate = 0.01 allows" in ran.text
    results = small / "results"
    assert (results / "report/report.html").exists()
    with (results / "mine/light/sequential/failures.csv").open(encoding="utf-8") as file:
        assert [row["source"] for row in csv.DictReader(file)] == ["broken0.jpg", "broken1.jpg"]
    assert not (results / "verdict.txt").exists()
    write_config(small, {**SMALL, "failures": {"max_rate": 0.5}})
    assert snakemake(small, "--dry-run", "all").jobs == sorted(END)


@pytest.mark.slow
def test_a_failed_check_keeps_its_evidence_and_passes_once_it_is_mended(small, snakemake, picture):
    stray = small / "results/mine/light/sequential/images/stray.jpg"
    stray.parent.mkdir(parents=True)
    picture(50).save(stray)
    ran = snakemake(small, "all")
    assert ran.status != 0
    assert "extra: stray.jpg: is there and not in the manifest" in ran.text
    page = (small / "results/report/report.html").read_text(encoding="utf-8")
    assert "stray.jpg" in page
    assert not (small / "results/verdict.txt").exists()
    stray.unlink()
    again = snakemake(small, "all")
    assert again.status == 0, again.text
    assert "Verify mine by light with sequential" in again.jobs


@pytest.mark.slow
def test_two_runs_in_one_folder_do_not_meet(small, snakemake):
    with exclusive(small / ".snakemake/pixelmill"):
        ran = snakemake(small, "all")
    assert ran.status != 0
    assert "Another Snakemake works in this folder" in ran.text
    assert ran.jobs == []


OWN_STEP = """
def change(image):
    return image.point(lambda level: 255 - level)
"""


@pytest.fixture
def with_own_step(small):
    """The small project with a second recipe, whose step stands beside the config."""
    own = {"own": {"steps": [RESIZE, {"call": {"function": "my_steps:change"}}]}}
    write_config(small, {**SMALL, "recipes": {**SMALL["recipes"], **own}})
    (small / "my_steps.py").write_text(OWN_STEP, encoding="utf-8")
    return small


def test_an_own_step_that_is_edited_reruns_its_recipe_alone(with_own_step, snakemake):
    target = [f"results/mine/{recipe}/sequential/manifest.csv" for recipe in ("light", "own")]
    assert snakemake(with_own_step, *target).made == [3, 3]
    before = times_below(with_own_step / "results/mine/light")
    edit(with_own_step / "my_steps.py", "255 - level", "level // 2")
    again = snakemake(with_own_step, *target)
    assert again.jobs == ["Process mine by own, one image after another"]
    assert again.made == [3]
    assert times_below(with_own_step / "results/mine/light") == before


def test_an_own_step_is_found_beside_a_config_file_on_the_command_line(with_own_step, snakemake):
    (with_own_step / "settings").mkdir()
    for name in ("config.yaml", "my_steps.py"):
        (with_own_step / name).rename(with_own_step / "settings" / name)
    write_config(with_own_step, SMALL)
    target = ["results/mine/own/sequential/manifest.csv", "--configfile", "settings/config.yaml"]
    ran = snakemake(with_own_step, "--dry-run", *target)
    assert ran.status == 0, ran.text
    assert ran.jobs == ["Catalog mine", "Process mine by own, one image after another"]


def test_the_workflow_has_no_lint(small, snakemake):
    ran = snakemake(small, "--lint")
    assert ran.status == 0
    assert "Congratulations" in ran.text


MISTAKES = {
    "unknown key": ({"recipies": {}}, "recipies: unknown key"),
    "wrong type": ({"run": {"datasets": "mine"}}, "run.datasets: found 'mine'; give a list."),
    "unknown recipe": ({"run": {"recipes": ["heavy"]}}, "run.recipes: 'heavy' is not defined"),
    "unknown engine": ({"run": {"engines": ["gpu"]}}, "run.engines[0]: found 'gpu'"),
    "unknown step": (
        {"recipes": {"light": {"steps": ["blur"]}}},
        "recipes.light.steps[0].blur: no such step",
    ),
    "missing parameter": (
        {"recipes": {"light": {"steps": ["color_matrix"]}}},
        "recipes.light.steps[0].color_matrix.matrix: missing",
    ),
    "missing folder": (
        {"datasets": {"mine": {"folder": "picturs"}}},
        "datasets.mine.folder: 'picturs' is no folder",
    ),
    "folder in the results": ({"results": "."}, "datasets.mine.folder: 'pictures' lies inside"),
    "reserved name": ({"recipes": {"report": {"steps": []}}}, "recipes.report: this name is"),
    "name with a space": (
        {"datasets": {"my photos": {"folder": "pictures"}}},
        "datasets: the name 'my photos' is not allowed",
    ),
}


@pytest.mark.parametrize(("change", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_the_config_stops_before_any_job_with_a_sentence(
    small, snakemake, change, sentence
):
    config = {**SMALL, **change}
    if "run" in change:
        config["run"] = {**SMALL["run"], **change["run"]}
    write_config(small, config)
    ran = snakemake(small, "all")
    assert ran.status != 0
    assert ran.jobs == []
    assert "Traceback" not in ran.text
    (line,) = [line for line in ran.text.splitlines() if sentence in line]
    assert line.endswith(".")
    assert not (small / "results").exists()
