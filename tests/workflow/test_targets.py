"""The targets of the workflow do what they say, and mistakes give one sentence."""

import csv
import json
import os
import re
import shutil

import pytest

from pixelmill.core.locks import exclusive
from tests.helpers.projects import CODE, COUNT, END, SMALL, edit, times_below, write_config


@pytest.mark.slow
def test_it_runs_from_elsewhere_without_an_activated_environment(
    small, repository, snakemake, tmp_path
):
    """The folder of the data contains only a config, and the code is elsewhere."""
    for part in CODE:
        remove = shutil.rmtree if (small / part).is_dir() else os.unlink
        remove(small / part)
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    env["PATH"] = os.defpath
    ran = snakemake(small, "all", code=repository, cwd=tmp_path, env=env, fresh=True)
    assert ran.status == 0, ran.text
    assert (small / "results/verdict.json").exists()


@pytest.mark.slow
def test_folders_may_have_names_with_shell_characters(small, snakemake):
    (small / "pictures").rename(small / "it's my (best) pictures")
    mine = {"mine": {"folder": "it's my (best) pictures"}}
    write_config(small, {**SMALL, "datasets": mine, "results": "my $HOME results"})
    assert snakemake(small, "all").status == 0
    assert (small / "my $HOME results/report/report.html").exists()


@pytest.mark.slow
def test_a_config_file_and_keys_on_the_command_line_take_precedence(small, snakemake, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text("results: elsewhere\nrun: {engines: [futures]}\n", encoding="utf-8")
    values = [
        "failures={max_rate: 0.5, max_count: 0}",
        "recipes={light: {output: {quality: 5}}}",
        "verify={scope: all}",
        "durable=true",
        "collisions=error",
        "limits={max_pixels: 77}",
        "removals={max_rate: 0.25}",
        "sandbox=off",
        "run={check_outputs: true, retry_failed: [timed_out]}",
    ]
    options = ["--configfile", other, "--config", *values]
    ran = snakemake(small, "--dry-run", "--printshellcmds", "all", *options)
    assert ran.status == 0, ran.text
    assert "Process mine with light on futures" in ran.jobs
    (policy,) = set(re.findall(r"--policy '(.*?)' --token", ran.text))
    assert json.loads(policy) == {
        "limits": {**json.loads(policy)["limits"], "max_pixels": 77},
        "removals": {"max_rate": 0.25},
        "collisions": "error",
        "durable": True,
        "sandbox": "off",
        "run": {"check_outputs": True, "retry_failed": ["timed_out"]},
        "failures": {"stop_on_first": False},
    }
    for words in (
        "elsewhere/verdict.txt", '"max_rate": 0.5', '"max_count": 0', '"quality": 5',
        '"scope": "all"', "--sandbox off",
    ):  # fmt: skip
        assert words in ran.text, words


@pytest.mark.slow
def test_the_target_process_uses_only_the_production_engine(finished, snakemake):
    ran = snakemake(finished, "process", "--config", "run={datasets: [mine], recipes: [light]}")
    assert ran.status == 0
    assert ran.jobs == [
        "Process mine with light on auto",
        "Verify mine with light on auto",
        "Write the verdict on the images of the production engine",
    ]
    verdict = json.loads((finished / "results/verdict.json").read_text("utf-8"))
    assert [tree["engine"] for tree in verdict["trees"]] == ["auto"]
    timing = json.loads((finished / "results/mine/light/auto/timing.json").read_text("utf-8"))
    assert timing["last_full_pass"]["engine"] == "threads"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["scaling.json", "rivals.json"])
def test_a_new_benchmark_reruns_the_report_but_a_report_runs_no_benchmark(
    finished, snakemake, name
):
    path = finished / "results/mine/light" / name
    path.write_text('{"images": 9, "repeats": 1, "figures": []}', encoding="utf-8")
    edit(
        finished / "scripts/pixelmill/benchmark/worker.py",
        "_START_DELAY = 0.5",
        "_START_DELAY = 0.6",
    )
    ran = snakemake(finished, "--dry-run", "report")
    assert ran.jobs == ["Write the report"]
    assert "measuring.py" not in ran.text
    assert snakemake(finished, "--dry-run", "all").jobs == sorted(END)


@pytest.mark.slow
def test_snakemakes_own_report_has_the_verdict_the_tables_and_the_figures(finished, snakemake):
    ran = snakemake(finished, "--report", "out.html", "--cores", "1")
    assert ran.status == 0, ran.text
    page = (finished / "out.html").read_text(encoding="utf-8")
    for words in ("the whole report", "throughput and speedup", "verdict", "mine with light"):
        assert words in page
    for figure in ("throughput", "stages", "latencies", "workers"):
        assert f"demo.light.{figure}.svg" in ran.text
    # The front page has the table and the chart of the throughput.
    assert "Last full pass of each engine" in page
    assert "Throughput of mine with light" in page
    assert "Dot plot: sequential" in page


@pytest.mark.slow
def test_the_target_plan_says_what_would_be_done_and_does_nothing(finished, snakemake, picture):
    picture(50).save(finished / "pictures/new.jpg")
    (finished / "pictures/3.jpg").unlink()
    before = times_below(finished / "results")
    ran = snakemake(finished, "plan")
    assert ran.jobs == ["Show what would be done, and why"]
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
    assert ran.jobs == ["Catalog mine", "Measure the speedup of engines on mine with light"]
    measured = json.loads((small / "results/mine/light/scaling.json").read_text("utf-8"))
    assert (measured["images"], measured["repeats"]) == (2, 1)


@pytest.mark.slow
def test_the_target_steps_shows_every_step(finished, snakemake):
    assert snakemake(finished, "steps").status == 0
    assert "gaussian_blur" in (finished / "results/report/steps.html").read_text("utf-8")


@pytest.mark.slow
def test_the_target_clean_leaves_what_the_user_brought(finished, snakemake):
    ran = snakemake(finished, "clean")
    assert ran.status == 0
    left = {path.name for path in finished.iterdir() if path.name != ".snakemake"}
    assert left == {*CODE, "config.yaml", "pictures"}
    assert len(list((finished / "pictures").iterdir())) == COUNT


@pytest.mark.slow
def test_too_many_failed_images_decide_and_their_evidence_is_kept(small, snakemake):
    for number in range(2):
        (small / f"pictures/broken{number}.jpg").write_bytes(b"\xff\xd8\xff and no more")
    write_config(small, {**SMALL, "failures": {"max_count": 1}})
    ran = snakemake(small, "all")
    assert ran.status != 0
    sentence = (
        "Failed: 3 of 5 images processed; 2 failed, more than failures.max_count = 1 allows: "
        "2 damaged."
    )
    assert sentence in ran.text.splitlines()
    results = small / "results"
    page = (results / "report/report.html").read_text("utf-8")
    assert "The run failed" in page and sentence.removeprefix("Failed: ") in page
    assert (results / "verdict.txt").read_text("utf-8").splitlines()[-1] == sentence
    verdict = json.loads((results / "verdict.json").read_text("utf-8"))
    assert (verdict["state"], verdict["sentence"]) == ("failure", sentence)
    with (results / "mine/light/sequential/failures.csv").open(encoding="utf-8") as file:
        assert [row["source"] for row in csv.DictReader(file)] == ["broken0.jpg", "broken1.jpg"]
    assert not (results / ".verdict-ok").exists()
    assert snakemake(small, "all").status != 0  # the same again: the verdict is not forgotten
    write_config(small, SMALL)
    again = snakemake(small, "all")
    assert (again.status, again.jobs) == (0, sorted(END))
    assert "Success with failures: 3 of 5 images processed; 2 failed: 2 damaged." in again.text
    assert json.loads((results / "verdict.json").read_text("utf-8"))["state"] != "failure"


@pytest.mark.slow
def test_a_failed_check_keeps_its_evidence_and_passes_once_it_is_mended(small, snakemake, picture):
    assert snakemake(small, "all").status == 0
    stray = small / "results/mine/light/sequential/images/stray.jpg"
    picture(50).save(stray)
    ran = snakemake(small, "all", "--forcerun", "verify_tree")
    assert ran.status != 0
    assert "extra: stray.jpg: exists but is not in the manifest" in ran.text
    page = (small / "results/report/report.html").read_text(encoding="utf-8")
    assert "stray.jpg" in page
    verdict = json.loads((small / "results/verdict.json").read_text("utf-8"))
    assert verdict["state"] == "failure"
    assert "extra: stray.jpg: exists but is not in the manifest" in verdict["wrong"][0]
    stray.unlink()
    again = snakemake(small, "all")
    assert again.status == 0, again.text
    assert "Verify mine with light on sequential" in again.jobs


@pytest.mark.slow
def test_two_runs_in_one_folder_exclude_each_other(small, snakemake):
    with exclusive(small / ".snakemake/pixelmill"):
        ran = snakemake(small, "all")
    assert ran.status != 0
    assert "Another Snakemake is running in this folder" in ran.text
    assert ran.jobs == []


def test_the_workflow_has_no_lint(small, snakemake):
    ran = snakemake(small, "--lint")
    assert ran.status == 0
    assert "Congratulations" in ran.text


def test_a_mistake_in_the_config_stops_before_any_job_with_a_sentence(small, snakemake):
    """One example; the tests of `config.complete` cover all mistakes."""
    write_config(small, {**SMALL, "run": {**SMALL["run"], "engines": ["gpu"]}})
    ran = snakemake(small, "all")
    assert ran.status != 0
    assert ran.jobs == []
    assert "Traceback" not in ran.text
    (line,) = [line for line in ran.text.splitlines() if "run.engines[0]: found 'gpu'" in line]
    assert line.endswith(".")
    assert not (small / "results").exists()
