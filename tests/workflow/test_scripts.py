"""Each script runs without a config and without Snakemake, and reports errors in one sentence."""

import csv
import json
import os
import re
import shutil
from argparse import Namespace

import pytest

from pixelmill.app import cli
from pixelmill.core.errors import UserError

SCRIPTS = [
    "benchmark_report.py",
    "catalog.py",
    "clean.py",
    "compare_engines.py",
    "gather.py",
    "gather_catalog.py",
    "generate.py",
    "inspect_images.py",
    "mirror.py",
    "pack_outputs.py",
    "plan.py",
    "process_parallel.py",
    "process_sequential.py",
    "rivals.py",
    "scaling.py",
    "select_images.py",
    "steps.py",
    "upload_outputs.py",
    "verdict.py",
    "verify.py",
    "verify_results.py",
]

#: A config whose images were not processed.
CONFIG = """{"datasets": {"mine": {"folder": "in"}}, "recipes": {"light": {"steps": []}},
 "run": {"datasets": ["mine"], "recipes": ["light"], "engines": [], "production": "auto"},
 "results": "results", "verify": {"scope": "changed", "sample": 9, "min_psnr": 30}}"""

#: Exit status where a check failed, and where the script could not run.
CHECK_FAILED, CANNOT_RUN = 1, 2


def rows_of(table):
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def images(tmp_path, photos):
    return photos(tmp_path / "in", 4)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture(scope="module")
def processed(tmp_path_factory, photos, script):
    """Images that have been processed once."""
    root = tmp_path_factory.mktemp("processed")
    script("process_sequential.py", photos(root / "in", 4), root / "out")
    return root


@pytest.fixture
def made(processed, tmp_path):
    """A copy of them: the folder of the images, and the output tree."""
    shutil.copytree(processed, tmp_path / "copy")
    return tmp_path / "copy/in", tmp_path / "copy/out"


def test_no_script_is_left_out_here(repository):
    assert sorted(path.name for path in (repository / "scripts").glob("*.py")) == SCRIPTS


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_says_what_a_script_does_and_shows_an_example(call, capsys, name):
    with pytest.raises(SystemExit) as done:
        call(name, "--help")
    assert done.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: {name}")
    assert "example:" in text


@pytest.mark.parametrize("name", ["process_parallel.py", "process_sequential.py"])
def test_a_folder_is_processed_with_nothing_but_two_folders_given(script, images, out, name):
    done = script(name, images, out)
    assert done.status == 0
    assert sorted(path.name for path in (out / "images").iterdir()) == [
        f"{number}.jpg" for number in range(4)
    ]
    assert {row["width"] for row in rows_of(out / "manifest.csv")} == {"256"}
    assert done.made == [4]


@pytest.mark.parametrize("engine", ["auto", "threads"])
def test_the_engine_that_was_used_is_reported(call, images, out, engine):
    call("process_parallel.py", images, out, "--engine", engine, "--workers", "2")
    full = json.loads((out / "timing.json").read_text(encoding="utf-8"))["last_full_pass"]
    assert (full["engine"], full["workers"]) == ("threads", 2)


@pytest.mark.parametrize(
    ("asked", "cap", "used", "warning"),
    [
        (None, False, 4, ""),
        (3, True, 3, ""),
        (5, False, 5, "WARNING  root:cli.py:5 workers share 4 cores"),
        (5, True, 4, "INFO     root:cli.py:4 workers, not 5, because only"),
    ],
)
def test_more_workers_than_cores_are_honoured_with_a_warning_unless_the_workflow_asks(
    caplog, monkeypatch, asked, cap, used, warning
):
    monkeypatch.setattr("pixelmill.engines.machine.cores", lambda: 4)
    caplog.set_level("INFO")
    assert cli.count_workers(Namespace(workers=asked, cap_workers=cap)) == used
    (text,) = [re.sub(r":\d+ ", ":", line) for line in caplog.text.splitlines()] or [""]
    assert text.startswith(warning)
    assert bool(text) == bool(warning)


def test_a_recipe_can_be_a_file(call, images, out, tmp_path):
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text("steps: [resize: {width: 9, height: 7}]\noutput: {format: png}\n")
    assert call("process_sequential.py", images, out, "--recipe", recipe) == 0
    assert (out / "images/0.png").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows does not allow such names")
def test_one_bad_image_of_any_name_fails_alone_and_messages_go_to_a_file(
    script, call, images, out, tmp_path, picture
):
    picture(9).save(images / "two\nlines.jpg")
    (images / "bad\nname.jpg").write_bytes(b"\xff\xd8\xff and no more")
    done = script("process_sequential.py", images, out, "--log", tmp_path / "logs/pass.log")
    assert done.status == 0
    assert "WARNING: 1 of 6 images failed (1 corrupt)" in done.text
    assert "make 6: 6 new" in (tmp_path / "logs/pass.log").read_text(encoding="utf-8")
    assert [row["source"] for row in rows_of(out / "failures.csv")] == [r"bad\u000aname.jpg"]
    assert (out / "images/two\nlines.jpg").exists()
    assert call("verify.py", images, out) == 0


def test_verify_ends_with_0_on_success(call, made, caplog):
    caplog.set_level("INFO")
    assert call("verify.py", *made) == 0
    assert "Verified: 4 outputs" in caplog.text


def test_verify_ends_with_1_on_a_fault_and_names_it(script, made, tmp_path):
    (made[1] / "images/2.jpg").unlink()
    done = script("verify.py", *made, "--output", tmp_path / "checks.json")
    assert done.status == CHECK_FAILED
    assert "2.jpg: is in the manifest but does not exist" in done.text
    assert json.loads((tmp_path / "checks.json").read_text())["passed"] is False


def test_verify_keeps_evidence_and_ends_with_0_for_the_workflow(call, made, tmp_path):
    (made[1] / "images/2.jpg").unlink()
    assert call("verify.py", *made, "--evidence", "--output", tmp_path / "checks.json") == 0
    assert json.loads((tmp_path / "checks.json").read_text())["passed"] is False


def test_engines_are_compared_by_hand(call, processed, tmp_path):
    trees = [tmp_path / engine for engine in ("sequential", "threads")]
    for tree in trees:
        shutil.copytree(processed / "out", tree)
    assert call("compare_engines.py", *trees) == 0
    manifest = trees[1] / "manifest.csv"
    manifest.write_text(manifest.read_text().replace(",ok,", ",failed,", 1))
    assert call("compare_engines.py", *trees) == CHECK_FAILED


def test_generated_images_are_as_asked_for(call, out, caplog):
    caplog.set_level("INFO")
    size = ["--width", "30", "40", "--height", "20", "20"]
    assert call("generate.py", out, "--count", "3", *size, "--format", "png") == 0
    assert sorted(path.name for path in out.glob("*.png")) == [f"{n:08d}.png" for n in range(3)]
    assert "generated 3 images, kept 0" in caplog.text


def test_a_catalog_is_made_by_hand(call, images, tmp_path, caplog):
    caplog.set_level("INFO")
    (images / "notes.txt").write_text("no image")
    assert call("catalog.py", images, tmp_path / "catalog.csv") == 0
    assert "4 images; left out: .txt files (1)" in caplog.text
    assert len(rows_of(tmp_path / "catalog.csv")) == 4


@pytest.fixture
def results(processed, tmp_path):
    """Results of a dataset and recipe as the workflow lays them out, not verified yet."""
    shutil.copytree(processed / "out", tmp_path / "results/mine/light/sequential")
    return tmp_path / "results"


def test_a_report_and_a_verdict_are_made_by_hand(call, processed, results, tmp_path):
    tree = results / "mine/light/sequential"
    call("verify.py", processed / "in", tree, "--output", tree / "verification.json")
    assert call("benchmark_report.py", results) == 0
    assert "mine · light" in (results / "report/report.html").read_text("utf-8")
    assert len(rows_of(results / "report/benchmark.csv")) == 1
    assert call("verdict.py", tree, "--output", tmp_path / "verdict.txt") == 0
    *_, place, last = (tmp_path / "verdict.txt").read_text("utf-8").splitlines()
    assert place == f"Images: {tree / 'images'}"
    assert re.fullmatch(r"Success: (\d+) of \1 images processed\.", last)


def test_a_report_is_not_written_through_a_link(call, pixelmill, results, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/report.html").write_text("mine")
    single = results / "mine/light/sequential"
    for folder in (results, single):
        (folder / "report").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"'.*report' is a link, and nothing is written through it"):
        call("benchmark_report.py", results)
    assert "is a link, and nothing is written" in pixelmill("report", single).stderr
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["report.html"]
    assert (tmp_path / "elsewhere/report.html").read_text() == "mine"


@pytest.mark.parametrize(
    ("bounds", "status"),
    [
        ([], 0),
        (["--max-failure-rate", "0"], CHECK_FAILED),
        (["--max-failure-rate", "1"], 0),
        (["--max-failure-rate", "1", "--max-failures", "1"], 0),
        (["--max-failure-rate", "1", "--max-failures", "0"], CHECK_FAILED),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_verdict_depends_on_how_many_images_may_fail(
    call, processed, results, tmp_path, bounds, status
):
    tree = results / "mine/light/sequential"
    call("verify.py", processed / "in", tree, "--output", tree / "verification.json")
    with (tree / "failures.csv").open("a", encoding="utf-8") as file:
        file.write("9.jpg,decode,corrupt,broken\n")
    files = ["--output", tmp_path / "verdict.txt", "--done", tmp_path / "done"]
    assert call("verdict.py", tree, *bounds, *files) == status
    state = "failure" if status else "success with failures"
    verdict = json.loads((tmp_path / "verdict.json").read_text("utf-8"))
    assert (verdict["state"], verdict["images"], verdict["failed"]) == (state, 4, 1)
    assert verdict["sentence"] == (tmp_path / "verdict.txt").read_text("utf-8").splitlines()[-1]
    assert (tmp_path / "done").exists() == (status == 0)


def test_the_verdict_of_an_unverified_tree_is_failed(call, results):
    tree = results / "mine/light/sequential"
    files = ["--output", results / "no.txt", "--done", results / "done"]
    assert call("verdict.py", tree, *files) == CHECK_FAILED
    assert "Not verified yet" in (results / "no.txt").read_text("utf-8")
    assert (results / "no.txt").read_text("utf-8").splitlines()[-1].startswith("Failed: ")
    assert not (results / "done").exists()


def test_all_steps_are_shown_on_one_page(call, tmp_path):
    assert call("steps.py", tmp_path / "steps.html") == 0
    page = (tmp_path / "steps.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") > 10


@pytest.mark.slow
def test_scaling_measures_the_cases_that_were_asked_for(script, images, tmp_path):
    options = ["--images", "2", "--repeats", "1", "--only", "loop-1", "threads-1"]
    done = script("scaling.py", images, *options, "--output", tmp_path / "scaling.json")
    assert done.status == 0
    measured = json.loads((tmp_path / "scaling.json").read_text(encoding="utf-8"))
    assert [row["kind"] for row in measured["figures"]] == ["loop", "threads"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["process_parallel.py", "nowhere", "out"], "The folder 'nowhere' does not exist"),
        (["process_sequential.py", "in", "in/out"], "must not contain one another"),
        (["process_sequential.py", "empty", "out"], "'empty' contains no image"),
        (["process_parallel.py", "in", "out", "--recipe", "heavy"], "recipe: 'heavy' is unknown"),
        (["process_parallel.py", "in", "out", "--recipe", "no.yaml"], "'no.yaml' does not exist"),
        (["process_parallel.py", "in", "out", "--catalog", "no.csv"], "'no.csv' is missing"),
        (["verify.py", "in", "out"], "manifest.csv' is missing"),
        (["compare_engines.py", "out"], "none is named 'sequential'"),
        (["verify_results.py", "--config", CONFIG], "There are no processed images yet; run"),
        (["benchmark_report.py", "out"], "There are no processed images in 'out'"),
        (["scaling.py", "empty"], "nothing to measure"),
        (
            ["rivals.py", "in", "--recipe", "intensive"],
            "Other tools cannot apply this recipe: only one",
        ),
        (["catalog.py", "nowhere", "catalog.csv"], "The folder 'nowhere' does not exist"),
        (["process_parallel.py", "in", "out", "--recipe", "{broken"], "recipe"),
        (["process_parallel.py", "in", "out", "--policy", "[" * 50_000], "--policy: it has maps"),
        (["process_parallel.py", "in", "out", "--policy", "{"], "--policy: the JSON given"),
        (["process_parallel.py", "in", "out", "--policy", "[1]"], "give a map of keys"),
        (
            ["process_parallel.py", "in", "out", "--policy", '{"limits": {"max_pixel": 9}}'],
            "max_pixel",
        ),
        (["process_parallel.py", "in", "out", "--policy", '{"sandbox": 3}'], "sandbox"),
        (["verify.py", "in", "out", "--settings", '{"sampel": 1}'], "sampel"),
        (["verify.py", "in", "out", "--settings", '{"sample": "x"}'], "--settings: sample: 'x'"),
        (["scaling.py", "in", "--settings", "[1]"], "--settings: "),
        (["verdict.py", "out", "--settings", "{"], "--settings: the JSON given"),
        (["generate.py", "out", "--spec", "[" * 50_000], "--spec: it has maps and lists"),
        (["catalog.py", "in", "c.csv", "--selection", "[" * 50_000], "--selection: it has maps"),
        (["plan.py", "--config", "[" * 50_000], "--config: it has maps and lists"),
        (["clean.py", "--config", "[" * 50_000], "--config: it has maps and lists"),
        (["verify_results.py", "--config", "[" * 50_000], "--config: it has maps and lists"),
        (
            ["process_sequential.py", "in", "out", "--recipe", '{"a":' * 20_000],
            "recipe: it has maps",
        ),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_an_impossible_request_gives_one_sentence(
    call, monkeypatch, tmp_path, photos, arguments, sentence
):
    photos(tmp_path / "in", 1)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as refusal:
        call(*arguments)
    assert sentence in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows does not allow such names")
def test_an_error_is_one_line_without_control_characters(script, out, tmp_path):
    marks = "\x1b[31m\u202e\x07\x85"
    options = [out, "--log", "log"]
    done = script("process_sequential.py", f"no{marks}where", *options, cwd=tmp_path)
    assert done.status == CANNOT_RUN
    (line,) = done.text.splitlines()
    assert line.startswith("ERROR: The folder 'no")
    for text in (line, (tmp_path / "log").read_text(encoding="utf-8")):
        for mark in "\x1b\u202e\x07\x85":
            assert mark not in text
            assert f"\\u{ord(mark):04x}" in text


def test_debug_shows_a_traceback(script, tmp_path):
    done = script("process_sequential.py", tmp_path / "nowhere", tmp_path / "out", "--debug")
    assert "Traceback (most recent call last)" in done.text


@pytest.mark.parametrize(
    "arguments",
    [["--workers", "0"], ["--workers", "many"], ["--engine", "gpu"]],
    ids=" ".join,
)
def test_a_wrong_argument_is_refused_before_anything_is_done(call, capsys, images, out, arguments):
    with pytest.raises(SystemExit) as refusal:
        call("process_parallel.py", images, out, *arguments)
    assert refusal.value.code == CANNOT_RUN
    option, value = arguments
    assert f"{option}: found '{value}'; " in capsys.readouterr().err
    assert not out.exists()
