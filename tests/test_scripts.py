"""Each script runs by hand: no config, no Snakemake, errors in one sentence."""

import csv
import json
import os
import shutil

import pytest

from pixelmill.provenance import cores

SCRIPTS = [
    "benchmark_report.py",
    "catalog.py",
    "clean.py",
    "compare_engines.py",
    "gather.py",
    "gather_catalog.py",
    "generate.py",
    "plan.py",
    "process_parallel.py",
    "process_sequential.py",
    "rivals.py",
    "scaling.py",
    "steps.py",
    "verdict.py",
    "verify.py",
    "verify_results.py",
]

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
    """Images that were processed once."""
    root = tmp_path_factory.mktemp("processed")
    script("process_sequential.py", photos(root / "in", 4), root / "out")
    return root


@pytest.fixture
def made(processed, tmp_path):
    """A copy of them: where the images lie, and what was made."""
    shutil.copytree(processed, tmp_path / "copy")
    return tmp_path / "copy/in", tmp_path / "copy/out"


def test_no_script_is_left_out_here(repository):
    assert sorted(path.name for path in (repository / "scripts").glob("*.py")) == SCRIPTS


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_says_what_a_script_does_and_shows_an_example(script, name):
    done = script(name, "--help")
    assert done.status == 0
    assert done.text.startswith(f"usage: {name}")
    assert "example:" in done.text


@pytest.mark.parametrize("name", ["process_parallel.py", "process_sequential.py"])
def test_a_folder_is_processed_with_nothing_but_two_folders_given(script, images, out, name):
    done = script(name, images, out)
    assert done.status == 0
    assert sorted(path.name for path in (out / "images").iterdir()) == [
        f"{number}.jpg" for number in range(4)
    ]
    assert {row["width"] for row in rows_of(out / "manifest.csv")} == {"256"}
    assert done.made == [4]


@pytest.mark.parametrize(
    ("engine", "used"),
    [("auto", "threads"), ("threads", "threads")],
)
def test_the_engine_that_was_used_is_told(script, images, out, engine, used):
    script("process_parallel.py", images, out, "--engine", engine, "--workers", "2")
    full = json.loads((out / "timing.json").read_text(encoding="utf-8"))["last_full_pass"]
    assert (full["engine"], full["workers"]) == (used, 2)


def test_more_workers_than_cores_are_honoured_with_a_warning(script, images, out):
    many = cores() + 1
    done = script("process_parallel.py", images, out, "--engine", "threads", "--workers", many)
    full = json.loads((out / "timing.json").read_text(encoding="utf-8"))["last_full_pass"]
    assert full["workers"] == many
    assert f"WARNING: {many} workers share {cores()} cores" in done.text


def test_more_workers_than_cores_are_not_used_where_the_workflow_asks(script, images, out):
    options = ["--engine", "threads", "--workers", cores() + 1, "--cap-workers"]
    done = script("process_parallel.py", images, out, *options)
    full = json.loads((out / "timing.json").read_text(encoding="utf-8"))["last_full_pass"]
    assert full["workers"] == cores()
    assert "WARNING" not in done.text


def test_a_recipe_can_be_a_file(script, images, out, tmp_path):
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text("steps: [resize: {width: 9, height: 7}]\noutput: {format: png}\n")
    assert script("process_sequential.py", images, out, "--recipe", recipe).status == 0
    assert (out / "images/0.png").exists()


def test_one_bad_image_costs_one_image(script, images, out):
    (images / "broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    done = script("process_sequential.py", images, out)
    assert done.status == 0
    assert "WARNING: 1 of 5 images failed (1 corrupt)" in done.text
    assert [row["source"] for row in rows_of(out / "failures.csv")] == ["broken.jpg"]


def test_messages_also_go_to_a_file(script, images, out, tmp_path):
    script("process_sequential.py", images, out, "--log", tmp_path / "logs/pass.log")
    assert "make 4: 4 new" in (tmp_path / "logs/pass.log").read_text(encoding="utf-8")


def test_verify_ends_well_where_all_is_well(script, made):
    done = script("verify.py", *made)
    assert done.status == 0
    assert "Verified: 4 outputs" in done.text


def test_verify_ends_with_1_on_a_fault_and_names_it(script, made, tmp_path):
    (made[1] / "images/2.jpg").unlink()
    done = script("verify.py", *made, "--output", tmp_path / "checks.json")
    assert done.status == CHECK_FAILED
    assert "2.jpg: is in the manifest and not there" in done.text
    assert json.loads((tmp_path / "checks.json").read_text())["passed"] is False


def test_verify_keeps_evidence_and_ends_with_0_where_the_workflow_asks(script, made, tmp_path):
    (made[1] / "images/2.jpg").unlink()
    done = script("verify.py", *made, "--evidence", "--output", tmp_path / "checks.json")
    assert done.status == 0
    assert json.loads((tmp_path / "checks.json").read_text())["passed"] is False


def test_engines_are_compared_by_hand(script, processed, tmp_path):
    trees = [tmp_path / engine for engine in ("sequential", "threads")]
    for tree in trees:
        shutil.copytree(processed / "out", tree)
    assert script("compare_engines.py", *trees).status == 0
    manifest = trees[1] / "manifest.csv"
    manifest.write_text(manifest.read_text().replace(",ok,", ",failed,", 1))
    assert script("compare_engines.py", *trees).status == CHECK_FAILED


def test_generated_images_are_as_asked_for(script, out):
    size = ["--width", "30", "40", "--height", "20", "20"]
    done = script("generate.py", out, "--count", "3", *size, "--format", "png")
    assert done.status == 0
    assert sorted(path.name for path in out.glob("*.png")) == [f"{n:08d}.png" for n in range(3)]
    assert "generated 3 images, kept 0" in done.text


def test_a_catalog_is_made_by_hand(script, images, tmp_path):
    (images / "notes.txt").write_text("no image")
    done = script("catalog.py", images, tmp_path / "catalog.csv")
    assert "4 images; left out: other files (1)" in done.text
    assert len(rows_of(tmp_path / "catalog.csv")) == 4


@pytest.fixture
def results(processed, tmp_path):
    """Results of a dataset and recipe as the workflow lays them out, not verified yet."""
    shutil.copytree(processed / "out", tmp_path / "results/mine/light/sequential")
    return tmp_path / "results"


def test_a_report_and_a_verdict_are_made_by_hand(script, processed, results, tmp_path):
    tree = results / "mine/light/sequential"
    script("verify.py", processed / "in", tree, "--output", tree / "verification.json")
    assert script("benchmark_report.py", results).status == 0
    assert "mine · light" in (results / "report/report.html").read_text("utf-8")
    assert len(rows_of(results / "report/benchmark.csv")) == 1
    done = script("verdict.py", tree, "--output", tmp_path / "verdict.txt")
    assert done.status == 0
    said = (tmp_path / "verdict.txt").read_text("utf-8")
    assert said.endswith(f"\nImages: {tree / 'images'}. All is well.\n")


def test_a_verdict_on_a_tree_that_was_not_verified_is_that_it_is_not_well(script, results):
    done = script("verdict.py", results / "mine/light/sequential", "--output", results / "no.txt")
    assert done.status == CHECK_FAILED
    assert "Not verified yet" in done.text
    assert not (results / "no.txt").exists()


def test_all_steps_are_shown_on_one_page(script, tmp_path):
    assert script("steps.py", tmp_path / "steps.html").status == 0
    page = (tmp_path / "steps.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") > 10


@pytest.mark.slow
def test_scaling_measures_the_arms_that_were_asked_for(script, images, tmp_path):
    options = ["--images", "2", "--repeats", "1", "--only", "loop-1", "threads-1"]
    done = script("scaling.py", images, *options, "--output", tmp_path / "scaling.json")
    assert done.status == 0
    measured = json.loads((tmp_path / "scaling.json").read_text(encoding="utf-8"))
    assert [row["kind"] for row in measured["figures"]] == ["loop", "threads"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["process_parallel.py", "nowhere", "out"], "The folder 'nowhere' does not exist"),
        (["process_sequential.py", "in", "in/out"], "lie in one another"),
        (["process_sequential.py", "empty", "out"], "'empty' holds no image"),
        (["process_parallel.py", "in", "out", "--recipe", "heavy"], "recipe: 'heavy' is unknown"),
        (["process_parallel.py", "in", "out", "--recipe", "no.yaml"], "'no.yaml' cannot be read"),
        (["process_parallel.py", "in", "out", "--catalog", "no.csv"], "'no.csv' is missing"),
        (["verify.py", "in", "out"], "manifest.csv' is missing"),
        (["compare_engines.py", "out"], "none is named 'sequential'"),
        (["benchmark_report.py", "out"], "No processed images lie in 'out'"),
        (["scaling.py", "empty"], "nothing to measure"),
        (["rivals.py", "in", "--recipe", "intensive"], "No rival does this recipe: only one"),
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
def test_what_cannot_be_done_is_said_in_one_sentence(script, tmp_path, photos, arguments, sentence):
    photos(tmp_path / "in", 1)
    (tmp_path / "empty").mkdir()
    done = script(*arguments, cwd=tmp_path)
    assert done.status == CANNOT_RUN
    (line,) = done.text.splitlines()
    assert line.startswith("ERROR: ")
    assert sentence in line
    assert "Unexpected" not in line


def test_a_traceback_is_shown_on_demand(script, tmp_path):
    done = script("process_sequential.py", tmp_path / "nowhere", tmp_path / "out", "--debug")
    assert "Traceback (most recent call last)" in done.text


@pytest.mark.parametrize(
    "arguments",
    [["--workers", "0"], ["--workers", "many"], ["--engine", "gpu"]],
    ids=" ".join,
)
def test_a_wrong_argument_is_refused_before_anything_is_done(script, images, out, arguments):
    done = script("process_parallel.py", images, out, *arguments)
    assert done.status == CANNOT_RUN
    assert "error: argument" in done.text
    assert not out.exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows does not allow such names")
def test_names_that_no_terminal_can_show_are_processed(script, images, out, picture):
    picture(9).save(images / "two\nlines.jpg")
    (images / "bad\nname.jpg").write_bytes(b"\xff\xd8\xff and no more")
    assert script("process_sequential.py", images, out).status == 0
    done = script("verify.py", images, out)
    assert done.status == 0
    assert (out / "images/two\nlines.jpg").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows does not allow such names")
@pytest.mark.parametrize("mark", ["\x1b[31m", "\u202e", "\x07", "\x85"], ids=ascii)
def test_no_name_is_obeyed_by_a_terminal(script, out, tmp_path, mark):
    done = script("process_sequential.py", f"no{mark}where", out, "--log", "log", cwd=tmp_path)
    assert done.status == CANNOT_RUN
    for text in (done.text, (tmp_path / "log").read_text(encoding="utf-8")):
        assert mark not in text
        assert f"\\u{ord(mark[0]):04x}" in text
