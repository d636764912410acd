"""Snakemake runs exactly the jobs whose inputs, code or parameters changed."""

import json
import os
import sys

import pytest
import yaml

from tests.conftest import run
from tests.helpers.dated import dated
from tests.helpers.projects import (
    CONFIG,
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


def test_from_nothing_every_job_runs_once_with_its_log_and_its_benchmark(first):
    folder, ran = first
    assert ran.status == 0, ran.text
    start = ["Generate the images of demo", "Catalog demo", "Catalog mine"]
    assert ran.jobs == sorted([*start, *EVERY_CHAIN, *END])
    assert sorted(ran.made) == [4, 4, 8, 8]
    assert len(list((folder / "logs").rglob("*.log"))) == len(ran.jobs)
    assert len(list((folder / "benchmarks").rglob("*.tsv"))) == len(ran.jobs)


def test_a_run_ends_with_a_verdict_a_report_and_a_table(first):
    results = first[0] / "results"
    text = (results / "verdict.txt").read_text(encoding="utf-8")
    assert text.splitlines()[-1] == "Success: 12 of 12 images processed."
    verdict = json.loads((results / "verdict.json").read_text("utf-8"))
    assert (verdict["state"], verdict["images"], verdict["failed"]) == ("success", 12, 0)
    assert len(verdict["trees"]) == 4
    assert "</html>" in (results / "report/report.html").read_text(encoding="utf-8")
    table = (results / "report/benchmark.csv").read_text(encoding="utf-8").splitlines()
    assert table[0].startswith(FIRST_TEN)
    assert len(table) == 1 + 4
    assert json.loads((results / "report/benchmark.json").read_text("utf-8"))["passed"]


def test_no_file_that_is_passed_on_contains_a_path(first, tmp_path_factory):
    for path in (first[0] / "results").rglob("*.*"):
        if path.suffix in (".csv", ".json", ".txt", ".html"):
            assert str(tmp_path_factory.getbasetemp()) not in path.read_text(encoding="utf-8"), path


def turned(value):
    """The same config with the keys of every map in another order."""
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    return [turned(entry) for entry in value] if isinstance(value, list) else value


def test_a_second_run_has_nothing_to_do_on_more_cores_with_keys_in_another_order_elsewhere(
    finished, snakemake, tmp_path
):
    text = yaml.safe_dump(turned(CONFIG), sort_keys=False)
    assert text != (finished / "config.yaml").read_text(encoding="utf-8")
    (finished / "config.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "some/where").mkdir(parents=True)
    moved = finished.rename(tmp_path / "some/where/else")
    assert is_up_to_date(snakemake(moved, "--dry-run", "--cores", "1", "all"))


def test_edited_code_of_the_report_reruns_the_report_and_the_verdict(finished, snakemake):
    edited = {
        "scripts/pixelmill/report/collect.py": ("MOST_FAILURES = 2000", "MOST_FAILURES = 2001"),
        "scripts/pixelmill/report/templates/report.html": ("pixelmill report", "the report"),
    }
    for file, (old, new) in edited.items():
        edit(finished / file, old, new)
    ran = snakemake(finished, "--dry-run", "all")
    assert ran.jobs == sorted(END)
    assert all(file in ran.text for file in edited)  # each of them is a reason


@pytest.mark.slow
def test_edited_code_of_a_step_reruns_all_processing_and_a_comment_makes_no_image(
    finished, snakemake
):
    file = finished / "scripts/pixelmill/imaging/steps/filters.py"
    command = [sys.executable, "scripts/process_sequential.py", "pictures"]
    command += ["results/mine/light/sequential", "--recipe", json.dumps({"steps": [RESIZE]})]
    edit(file, "ImageFilter.SHARPEN)", "ImageFilter.SHARPEN)  # a comment")
    assert run(command, cwd=finished).made == [0]
    edit(file, "ImageFilter.SHARPEN)", "ImageFilter.DETAIL)")
    assert snakemake(finished, "--dry-run", "all").jobs == sorted([*EVERY_CHAIN, *END])
    assert "make 8: 8 code changed" in run(command, cwd=finished).text


#: What a package's folder of metadata is called, and holds, where another Pillow is installed.
OTHER_PILLOW = ("pillow_simd-99.0.dist-info", "Metadata-Version: 2.1\nName: x\nVersion: 99.0\n")


def test_another_version_of_a_library_reruns_all_processing(finished, snakemake, tmp_path):
    """Snakemake cannot detect it itself."""
    folder, text = OTHER_PILLOW
    (tmp_path / "other" / folder).mkdir(parents=True)
    (tmp_path / "other" / folder / "METADATA").write_text(text, encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "other")}
    ran = snakemake(finished, "--dry-run", "all", env=env)
    assert ran.jobs == sorted([*EVERY_CHAIN, *END])


@pytest.mark.slow
def test_images_that_come_go_and_change_rerun_their_dataset_and_are_made_alone(
    finished, snakemake, picture
):
    pictures, tree = finished / "pictures", finished / "results/mine/light/threads"
    others = times_below(finished / "results/demo")
    before = times_below(tree / "images")
    picture(50).save(pictures / "new.jpg")
    own = chain("mine", "light")
    assert snakemake(finished, "--dry-run", "all").jobs == sorted(["Catalog mine", *own, *END])
    picture(51).save(pictures / "3.jpg")
    (pictures / "4.jpg").unlink()
    (pictures / "5.jpg").touch()
    ran = snakemake(finished, "results/mine/light/threads/manifest.csv")
    assert ran.jobs == ["Catalog mine", "Process mine with light on threads"]
    assert ran.made == [2]
    after = times_below(tree / "images")
    assert {path.name for path in after} == {path.name for path in pictures.iterdir()}
    changed = {path.name for path, time in after.items() if before.get(path) != time}
    assert changed == {"new.jpg", "3.jpg"}
    assert times_below(finished / "results/demo") == others


@pytest.mark.slow
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
    """The small project with a second recipe, whose step is beside the config."""
    own = {"own": {"steps": [RESIZE, {"call": {"function": "my_steps:change"}}]}}
    write_config(small, {**SMALL, "recipes": {**SMALL["recipes"], **own}})
    (small / "my_steps.py").write_text(OWN_STEP, encoding="utf-8")
    return small


@pytest.mark.slow
def test_a_recipe_and_an_own_step_that_are_edited_rerun_what_is_made_by_them(
    with_own_step, snakemake
):
    targets = [f"results/mine/{recipe}/sequential/manifest.csv" for recipe in ("light", "own")]
    assert snakemake(with_own_step, *targets).made == [3, 3]
    edit(with_own_step / "my_steps.py", "255 - level", "level // 2")
    asked = snakemake(with_own_step, "--dry-run", *targets)
    assert asked.jobs == ["Process mine with own, one image after another"]
    edit(with_own_step / "my_steps.py", "level // 2", "255 - level")
    light = "recipes={light: {output: {quality: 5}}}"
    asked = snakemake(with_own_step, "--dry-run", *targets, "--config", light)
    assert asked.jobs == ["Process mine with light, one image after another"]


def test_an_own_step_is_found_beside_a_config_file_on_the_command_line(with_own_step, snakemake):
    (with_own_step / "settings").mkdir()
    for name in ("config.yaml", "my_steps.py"):
        (with_own_step / name).rename(with_own_step / "settings" / name)
    write_config(with_own_step, SMALL)
    target = ["results/mine/own/sequential/manifest.csv", "--configfile", "settings/config.yaml"]
    ran = snakemake(with_own_step, "--dry-run", *target)
    assert ran.status == 0, ran.text
    assert ran.jobs == ["Catalog mine", "Process mine with own, one image after another"]


@pytest.mark.slow
def test_quiet_prints_nothing_on_success(small, snakemake):
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
        "results/.verdict-ok",
"""


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_catalog_has_dates_if_a_recipe_names_outputs_by_them(small, snakemake):
    (small / "pictures/dated.jpg").write_bytes(dated("2024:02:29 23:59:58"))
    config = yaml.safe_load((small / "config.yaml").read_text(encoding="utf-8"))
    config["recipes"]["light"]["output"] = {"path": "{taken:%Y/%m}/{name}"}
    write_config(small, config)
    ran = snakemake(small, "process")
    assert ran.status == 0, ran.text
    (images,) = (small / "results").rglob("images")
    assert (images / "2024/02/dated.jpg").exists()
    assert (images / "undated/0.jpg").exists()
    table = small / "results/mine/catalog.csv"
    assert ",20240229235958\n" in table.read_text(encoding="utf-8")
    assert is_up_to_date(snakemake(small, "process"))
    config["recipes"]["light"]["output"] = {"path": "{name}"}
    write_config(small, config)
    ran = snakemake(small, "process")
    assert ran.status == 0, ran.text
    assert "Catalog mine" in ran.jobs
    assert "taken" not in table.read_text(encoding="utf-8")
    assert (images / "dated.jpg").exists()


def test_braces_in_a_config_are_no_wildcards(small, snakemake):
    config = yaml.safe_load((small / "config.yaml").read_text(encoding="utf-8"))
    config["recipes"]["light"]["output"] = {"path": "{folder}/{stem}-{width}.{ext}"}
    write_config(small, config)
    planned = snakemake(small, "all", "--dry-run")
    assert planned.status == 0, planned.text
    assert "Write the report" in planned.jobs
