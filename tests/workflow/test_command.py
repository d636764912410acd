"""The command `pixelmill`: a folder processed in one line, and mistakes told in one."""

import contextlib
import json
import os
import subprocess
import sys

import pytest
import yaml
from PIL import Image


def test_a_folder_is_processed_verified_and_not_processed_again(pixelmill, photos, tmp_path):
    photos(tmp_path / "in", 4, size=(96, 64))
    first = pixelmill("run", "in", "out", "--longest", "48", "--format", "png", fresh=True)
    assert first.returncode == 0, first.stderr
    assert first.stderr.splitlines()[-1] == "Success: 4 of 4 images processed."
    assert first.stdout == ""
    with Image.open(tmp_path / "out/images/0.png") as image:
        assert (image.format, image.size) == ("PNG", (48, 32))
    again = pixelmill("run", "in", "out")  # with the recipe of the first run
    assert again.returncode == 0, again.stderr
    assert "Nothing to do: no image has changed." in again.stderr
    assert pixelmill("verify", "in", "out").returncode == 0
    plan = pixelmill("plan", "in", "out", "--preset", "thumbnails")
    assert "4 recipe changed" in plan.stderr


@pytest.mark.skipif(os.name == "nt", reason="streams are closed by a POSIX shell")
@pytest.mark.parametrize(
    ("command", "redirection", "status"),
    [
        ("steps resize", ">/dev/full", 2),
        ("presets", ">/dev/full 2>&1", 2),
        ("presets", ">&- 2>&-", 0),
        ("presets", "| read line", 0),
    ],
)
def test_output_that_cannot_be_written_is_one_sentence(
    repository, tmp_path, command, redirection, status
):
    error = "ERROR: Standard output cannot be written: No space left on device.\n"
    error *= redirection == ">/dev/full"
    if "/dev/full" in redirection and not os.path.exists("/dev/full"):
        redirection, status, error = "", 0, ""
    line = f'"$PYTHON" -m pixelmill {command} {redirection}; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", line],
        env={
            "PYTHON": sys.executable,
            "PYTHONPATH": str(repository / "scripts"),
            "HOME": str(tmp_path),
        },
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (status, error)


@pytest.mark.slow
def test_a_list_may_come_from_another_program(repository, photos, tmp_path):
    photos(tmp_path / "in", 3)
    done = subprocess.run(
        [sys.executable, "-m", "pixelmill", "run", "in", "out", "--list", "-", "--no-verify"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(repository / "scripts"), "HOME": str(tmp_path)},
        input="./2.jpg\n./0.jpg\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "standard input names 2 of 3 images" in done.stderr
    made = sorted(path.stem for path in (tmp_path / "out/images").iterdir())
    assert made == ["0", "2"]


@pytest.mark.slow
def test_outputs_are_named_after_a_list(pixelmill, photos, tmp_path):
    photos(tmp_path / "in", 3)
    (tmp_path / "shop.csv").write_text("file;sku\n0.jpg;shoes/a\n1.jpg;b\n")
    options = ("in", "out", "--list", "shop.csv", "--names", "sku")
    done = pixelmill("run", *options, "--preset", "thumbnails")
    assert done.returncode == 0, done.stderr
    made = sorted(path.stem for path in (tmp_path / "out/images").rglob("*.*"))
    assert made == ["a", "b"]
    assert "make 0; keep 2" in pixelmill("plan", *options).stderr
    assert pixelmill("verify", *options).returncode == 0
    without = pixelmill("plan", *options[:-2])
    assert "make 2: 2 name changed; keep 0" in without.stderr


def test_lines_of_json_are_all_that_standard_output_gets(pixelmill, photos, tmp_path):
    photos(tmp_path / "in", 2)
    done = pixelmill("run", "in", "out", "--preset", "thumbnails", "--progress", "json")
    states = [json.loads(line) for line in done.stdout.splitlines()]
    assert [state["done"] for state in states if state["stage"] != "verify"][-1] == 2
    assert "{" not in done.stderr


def test_a_run_is_reported_on_one_page(pixelmill, photos, tmp_path):
    photos(tmp_path / "my photos", 3)
    pixelmill("run", "my photos", "out", "--preset", "thumbnails")
    done = pixelmill("report", "out")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out/report/report.html").read_text(encoding="utf-8")
    assert "my photos" in page and "thumbnails" in page
    assert page.count("data:image/jpeg;base64,") >= 2 * 3  # before and after
    assert str(tmp_path) not in page
    assert "snakemake" not in page
    assert "<code>pixelmill scaling SRC</code>" in page
    assert pixelmill("report", "my photos").stderr.endswith(
        "'my photos' holds no results; give the folder that `pixelmill run` wrote to, or the "
        "results of the workflow.\n"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
@pytest.mark.parametrize("name", ["catalog.csv", "catalog.known.csv", "verification.json"])
def test_files_of_others_in_the_folder_of_the_results_are_kept(pixelmill, photos, tmp_path, name):
    photos(tmp_path / "in", 1)
    own = tmp_path / "out" / name
    own.parent.mkdir()
    own.write_text("mine")
    done = pixelmill("run", "in", "out", "--preset", "thumbnails")
    if name.startswith("catalog"):
        assert f"'out/{name}' exists, but no run wrote it" in done.stderr
        assert (done.returncode, own.read_text(), list(own.parent.iterdir())) == (2, "mine", [own])
    else:
        assert f"contains '{name}', which pixelmill did not make" in done.stderr
        assert (done.returncode, (tmp_path / "out/unclaimed" / name).read_text()) == (0, "mine")


def test_a_catalog_of_a_run_that_was_killed_before_its_pass_is_continued(
    pixelmill, photos, tmp_path
):
    photos(tmp_path / "in", 1)
    pixelmill("run", "in", "other", "--preset", "thumbnails", "--no-verify")
    (tmp_path / "out").mkdir()
    for name in ("catalog.csv", "catalog.known.csv"):
        (tmp_path / "other" / name).rename(tmp_path / "out" / name)
    assert pixelmill("run", "in", "out", "--preset", "thumbnails").returncode == 0


def test_a_report_is_not_written_to_the_folder_of_the_images(pixelmill, photos, tmp_path):
    photos(tmp_path / "in", 1)
    photos(tmp_path / "in/figures", 1)
    before = {path: path.read_bytes() for path in (tmp_path / "in").rglob("*.*")}
    pixelmill("run", "in", "out", "--preset", "thumbnails", "--no-verify")
    for folder in ("in", "in/new", "in/figures"):
        done = pixelmill("report", "out", "--output", folder)
        assert done.returncode == 2
        assert "never written to" in done.stderr or "no report wrote it" in done.stderr
    assert {path: path.read_bytes() for path in (tmp_path / "in").rglob("*.*")} == before


@pytest.mark.parametrize("option", ["--list", "--recipe"])
def test_the_log_does_not_replace_what_another_option_reads(pixelmill, photos, tmp_path, option):
    photos(tmp_path / "in", 1)
    (tmp_path / "read").write_text("steps: []\n")
    for name in ("read", tmp_path / "read", "out/../read"):
        (tmp_path / "out").mkdir(exist_ok=True)
        done = pixelmill("run", "in", "out", option, "read", "--log", name)
        assert f"'{name}' is the file that {option} reads; choose another name." in done.stderr
        assert done.returncode == 2
    assert (tmp_path / "read").read_text() == "steps: []\n"


def test_names_that_are_no_text_are_processed_verified_and_reported(pixelmill, photos, tmp_path):
    photos(tmp_path / "in", 1)
    for name in ("in/0.jpg", "in"):
        (tmp_path / name).rename(tmp_path / f"{name}\udcff")
    for command in (["run"], ["plan"], ["verify"]):
        done = pixelmill(*command, "in\udcff", "out\udcff")
        assert done.returncode == 0, done.stderr
    done = pixelmill("report", "out\udcff")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out\udcff/report/report.html").read_text(encoding="utf-8")
    assert 'href="../images/0.jpg%FF.jpg"' in page


@pytest.mark.slow
def test_the_gain_of_more_cores_is_measured(pixelmill, photos, tmp_path):
    photos(tmp_path / "in", 2)
    done = pixelmill("scaling", "in", "--images", "2", "--repeats", "1", "--json", "scaling.json")
    assert done.returncode == 0, done.stderr
    assert "processes" in done.stderr
    assert json.loads((tmp_path / "scaling.json").read_text())["figures"]


def test_several_outputs_take_one_command(pixelmill, photos, tmp_path):
    photos(tmp_path / "in", 1, size=(96, 64))
    done = pixelmill(
        "run", "in", "out", "--output", "large:64:jpeg", "--output", "small:32:webp",
        "--watermark", "Ada", "--save-recipe", "mine.yaml",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "out/images/large/0.jpg") as large:
        assert large.size == (64, 43)
    with Image.open(tmp_path / "out/images/small/0.webp") as small:
        assert small.size == (32, 21)
    saved = yaml.safe_load((tmp_path / "mine.yaml").read_text())
    assert [output["name"] for output in saved["outputs"]] == ["large", "small"]
    assert json.loads((tmp_path / "out/recipe.json").read_text())["recipe"] == saved


def test_a_single_image_is_processed_beside_the_others(pixelmill, photos, tmp_path):
    photos(tmp_path, 2)
    for arguments in (["plan"], ["run"], ["verify"]):
        done = pixelmill(*arguments, "1.jpg", "out", "--format", "png")
        assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "out/images").iterdir()] == ["1.png"]


def test_the_home_folder_is_found_where_no_shell_did_so(pixelmill, photos, tmp_path):
    photos(tmp_path / "in", 1)
    done = pixelmill("run", "~/in", "$HOME/out", "--recipe", "web")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/images/0.jpg").exists()


def test_failures_are_told_with_their_reasons(pixelmill, photos, tmp_path):
    photos(tmp_path / "in", 2)
    (tmp_path / "in/broken.jpg").write_bytes((tmp_path / "in/0.jpg").read_bytes()[:200])
    (tmp_path / "in/text.jpg").write_text("no image")
    done = pixelmill("run", "in", "out")
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1] == (
        "Success with failures: 2 of 4 images processed; 2 failed: 1 truncated, 1 is not an image."
    )


def test_a_config_is_written_for_a_folder_and_never_over_another(pixelmill, photos, tmp_path):
    photos(tmp_path / "in", 2)
    made = pixelmill("init", "in")
    assert "  2 JPEG" in made.stderr
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["run"]["recipes"] == ["web"]
    again = pixelmill("init", "in")
    assert again.returncode == 2
    assert again.stderr.endswith(
        "ERROR: 'config.yaml' exists; remove it, or give another name with --config.\n"
    )


def test_what_informs_is_written_to_standard_output(pixelmill):
    shown = pixelmill("presets", "web")
    assert yaml.safe_load(shown.stdout)["output"]["quality"] == 82
    assert shown.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runn", "in", "out"], "'runn' is not a command; did you mean 'run'?"),
        (["run", "in", "out", "--presett", "web"], "'--presett' is not an option; did you mean"),
        (["run", "in", "out", "--format", "wepb"], "found 'wepb'; did you mean 'webp'?"),
        (["run", "in", "out", "--preset", "wbe"], "--preset: 'wbe' is unknown; did you mean 'web'"),
        (["run", "missing", "out"], "The folder 'missing' does not exist"),
        (["run", "empyt", "out"], "'empyt' does not exist; did you mean 'empty'?"),
        (["run", "in"], "DST, the folder of the results, is missing"),
        (["run", "in", "out", "--engine", "thread"], "did you mean 'threads'?"),
        (["run", "in", "out", "--recipe", "bad.yaml"], "bad.yaml, line 2, column 1: found a tab"),
        (
            ["plan", "in", "out", "--recipe", "step.yaml"],
            "step.yaml, line 1, column 10: steps[0].resise: no such step; did you mean 'resize'?",
        ),
        (["run", "in", "out", "--recipe", "in"], "'in' is a folder; give the path of a YAML file."),
        (["run", "in", "out", "--watermark", "logo.png"], "'logo.png' does not exist"),
        (
            ["run", "in", "out", "--output", "a:9:jepg"],
            "'jepg' is not a format; did you mean 'jpeg'?",
        ),
        (["run", "in", "in/out"], "must not contain one another"),
        (["plan", "in", "in/out"], "must not contain one another"),
        (["plan", "in", "."], "must not contain one another"),
        (["run", "in", "bad.yaml"], "'bad.yaml' is a file; name a folder for the results."),
        (["run", "empty", "out"], "'empty' contains no image"),
        (["plan", "empty", "out"], "'empty' contains no image"),
        (["init", "empty"], "'empty' contains no image"),
        (["run", "bad.yaml", "out"], "'bad.yaml' is not an image"),
        (["workflow", "--configfile", "bad.yaml"], "bad.yaml, line 2, column 1: found a tab"),
        (
            ["verify", "in", "nowhere"],
            "'nowhere' is not a folder; `pixelmill run` creates the results.",
        ),
        (["steps", "resise"], "'resise' is unknown; did you mean 'resize'?"),
    ],
)
def test_a_mistake_is_one_sentence(pixelmill, photos, tmp_path, arguments, message):
    photos(tmp_path / "in", 1)
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.yaml").write_text("steps:\n\t- blur\n")
    (tmp_path / "step.yaml").write_text("steps: [{resise: {width: 9}}]\n")
    done = pixelmill(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="the system has no pseudo-terminals")
@pytest.mark.parametrize(
    ("bad", "env", "color"),
    [
        (0, {"TERM": "xterm"}, "32"),
        (1, {"TERM": "xterm"}, "33"),
        (3, {"TERM": "xterm"}, "31"),
        (1, {"TERM": "dumb"}, None),
        (1, {"TERM": "xterm", "NO_COLOR": "1"}, None),
    ],
    ids=["success in green", "failures in yellow", "failure in red", "dumb", "no colour"],
)
def test_the_last_line_has_a_colour_on_a_terminal(repository, photos, tmp_path, bad, env, color):
    photos(tmp_path / "in", 3)
    for number in range(bad):
        (tmp_path / f"in/{number}.jpg").write_text("no image")
    reading, writing = os.openpty()
    env = {"PYTHONPATH": str(repository / "scripts"), "PATH": "", **env}
    command = [sys.executable, "-m", "pixelmill", "run", "in", "out", "--no-verify"]
    with subprocess.Popen(command, cwd=tmp_path, env=env, stderr=writing) as process:
        os.close(writing)
        shown = b""
        with contextlib.suppress(OSError):  # the end of a terminal, on Linux
            while part := os.read(reading, 2**16):
                shown += part
    os.close(reading)
    last = shown.decode().splitlines()[-1]
    beginning = f"\x1b[{color}m" if color else ""
    assert last.startswith((f"{beginning}Success", f"{beginning}Failed: ")), last
    assert last.endswith("\x1b[0m") == bool(color)
    assert process.returncode == (bad == 3)


def test_a_folder_is_inspected_and_split(pixelmill, photos, tmp_path):
    photos(tmp_path / "photos", 6)
    (tmp_path / "photos/copy.jpg").write_bytes((tmp_path / "photos/2.jpg").read_bytes())
    done = pixelmill("inspect", "photos", "out", "--split", "train=0.5", "test=0.5")
    assert done.returncode == 0, done.stderr
    told = done.stderr.splitlines()
    assert "7 images, 7 measured now, 0 failed" in told
    assert "Duplicate: 2 in 1 group" in told
    assert told[-1] == "Page: out/inspection.html"
    assert {"metrics.csv", "findings.csv", "splits.csv", "inspection.html"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }
    again = pixelmill("inspect", "photos", "out", "--threshold", "dark=255").stderr
    assert "7 images, 0 measured now, 0 failed" in again
    assert "Dark: 7" in again


def test_images_of_a_list_are_inspected(pixelmill, photos, tmp_path):
    photos(tmp_path / "photos", 6)
    (tmp_path / "some.txt").write_text("1.jpg\n3.jpg\n", encoding="utf-8")
    first = pixelmill("inspect", "photos", "out", "--list", "some.txt")
    assert "2 images, 2 measured now, 0 failed" in first.stderr
    assert len((tmp_path / "out/metrics.csv").read_text(encoding="utf-8").splitlines()) == 3
    assert "6 images, 4 measured now" in pixelmill("inspect", "photos", "out").stderr
    refused = pixelmill("inspect", "photos", "out", "--list", "some.txt")
    assert (refused.returncode, "add --allow-removals" in refused.stderr) == (2, True)
    options = ("--list", "some.txt", "--allow-removals")
    assert "2 images, 0 measured now" in pixelmill("inspect", "photos", "out", *options).stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--threshold", "blured=3"], "did you mean 'blurred'?"),
        (["--threshold", "blurred"], "found 'blurred'; give a name and a number"),
        (["--split", "train=0.8"], "--split: the sum is 0.8"),
    ],
)
def test_a_mistake_in_an_inspection_is_told_before_it_begins(
    pixelmill, photos, tmp_path, options, told
):
    photos(tmp_path / "photos", 1)
    done = pixelmill("inspect", "photos", "out", *options)
    assert done.returncode == 2
    assert told in done.stderr
    assert not (tmp_path / "out").exists()
