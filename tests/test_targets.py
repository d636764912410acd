"""Targets of the workflow do what they say, and a mistake is told in a sentence."""

import csv
import json
import os
import re
import shutil

import pytest
from projects import CODE, COUNT, END, SMALL, edit, is_up_to_date, times_below, write_config

from pixelmill.files import exclusive


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
    assert timing["last_full_pass"]["engine"] == "threads"


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


def test_a_new_benchmark_reruns_the_report_and_what_follows_it(finished, snakemake):
    """And never is a benchmark made for the report's sake."""
    path = finished / "results/mine/light/scaling.json"
    path.write_text('{"images": 9, "repeats": 1, "figures": []}', encoding="utf-8")
    assert snakemake(finished, "all").jobs == sorted(END)
    assert "9 images, start-up aside" in (finished / "results/report/report.html").read_text(
        "utf-8"
    )
    edit(finished / "scripts/pixelmill/measuring.py", "_START_DELAY = 0.5", "_START_DELAY = 0.6")
    assert is_up_to_date(snakemake(finished, "all"))


@pytest.mark.slow
def test_snakemakes_own_report_has_the_verdict_the_tables_and_the_figures(finished, snakemake):
    ran = snakemake(finished, "--report", "out.html", "--cores", "1")
    assert ran.status == 0, ran.text
    page = (finished / "out.html").read_text(encoding="utf-8")
    for words in ("the whole report", "throughput and speedup", "verdict", "mine by light"):
        assert words in page
    for figure in ("throughput", "stages", "latencies", "workers"):
        assert f"demo.intensive.{figure}.svg" in ran.text


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
    assert "mine/light/sequential: 2 of 5 images (2 " in ran.text
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
    assert snakemake(small, "all").status == 0
    stray = small / "results/mine/light/sequential/images/stray.jpg"
    picture(50).save(stray)
    ran = snakemake(small, "all", "--forcerun", "verify_tree")
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
        {"recipes": {"light": {"steps": [{"color_matrix": {}}]}}},
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
