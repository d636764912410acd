"""Snakemake runs exactly the jobs whose inputs, code or parameters changed, and no others."""

import json

import pytest
import yaml
from projects import (
    CONFIG,
    COUNT,
    END,
    EVERY_CHAIN,
    RESIZE,
    SMALL,
    chain,
    edit,
    is_up_to_date,
    times_below,
    write_config,
)

FIRST_TEN = (
    "dataset,recipe,engine,workers,images,seconds,"
    "images_per_second,megapixels_per_second,speedup,efficiency"
)


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


def test_quiet_says_nothing_where_all_goes_well(small, snakemake):
    ran = snakemake(small, "process", "--quiet", "all")
    assert ran.status == 0
    assert [line for line in ran.text.splitlines() if not line.startswith("Using")] == []


MODULE = """
module pixelmill:
    snakefile:
        {snakefile!r}
    config:
        config


use rule * from pixelmill as images_*


rule thumbnails:
    default_target: True
    input:
        "results/verdict.txt",
"""


def test_another_workflow_can_use_this_one_as_a_module(small, snakemake, tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    pictures = {"mine": {"folder": str(small / "pictures")}}
    (folder / "config.json").write_text(json.dumps({**SMALL, "datasets": pictures}))
    text = MODULE.format(snakefile=str(small / "Snakefile"))
    (folder / "Snakefile").write_text(f"configfile: 'config.json'\n{text}")
    ran = snakemake(folder)
    assert ran.status == 0, ran.text
    assert (folder / "results/report/report.html").exists()
    assert snakemake(folder).jobs == []
