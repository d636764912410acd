"""What a run prints: a line for each step, the verdict last, and nothing of Snakemake's insides."""

import json
import os
import signal
import subprocess
import sys

import pytest

from pixelmill.core.errors import STOPPED
from tests.helpers.projects import SMALL, write_config

pytestmark = pytest.mark.slow

#: Words of Snakemake that mean nothing to those who process images.
INSIDES = (
    "Error in rule", "RuleException", "CalledProcessError", "WorkflowError", "Traceback",
    "localrule", "python scripts/", "Select jobs", "jobid", "Logfile",
)  # fmt: skip


def insides(text):
    return [words for words in INSIDES if words in text]


def test_a_first_run_prints_a_line_or_two_for_each_step_and_the_verdict_last(first):
    ran = first[1]
    lines = ran.text.splitlines()
    assert insides(ran.text) == []
    steps = len(ran.jobs)
    numbers = [line.split(":")[0] for line in lines if line.startswith("Step ")]
    assert numbers == [f"Step {number} of {steps}" for number in range(1, steps + 1)]
    assert f"Step {steps} of {steps}: Write the verdict" in lines
    assert len(lines) < 40
    assert lines[-1] == "Success: 12 of 12 images processed."


def test_what_a_failed_run_says_ends_with_why(small, snakemake):
    (small / "pictures/0.jpg").write_text("no image")
    write_config(small, {**SMALL, "failures": {"max_count": 0}})
    ran = snakemake(small, "process")
    assert ran.status == 1
    assert insides(ran.text) == []
    sentence = (
        "Failed: 2 of 3 images processed; 1 failed, more than failures.max_count = 0 allows: "
        "1 is not an image."
    )
    assert ran.text.splitlines()[-1] == sentence
    assert ran.text.count("more than failures.max_count") == 1


def test_a_job_that_fails_says_why_in_a_sentence_and_where_its_log_is(small, snakemake):
    tree = small / "results/mine/light/sequential"
    tree.parent.mkdir(parents=True)
    tree.write_text("a file in the place of a folder")
    ran = snakemake(small, "results/mine/light/sequential/manifest.csv")
    assert ran.status == 1
    assert insides(ran.text) == []
    *_, why = ran.text.splitlines()
    assert str(tree.relative_to(small)) in why


@pytest.mark.slow
def test_a_run_that_does_not_finish_leaves_no_verdict_of_an_earlier_one(small, snakemake):
    verdict = small / "results/verdict.json"
    assert snakemake(small, "process").status == 0
    assert json.loads(verdict.read_text())["state"] == "success"
    (small / "pictures/new.jpg").write_bytes((small / "pictures/0.jpg").read_bytes())
    for lock in (small / "results/mine/light").glob("*/.lock"):
        lock.unlink()
        lock.mkdir()
    assert snakemake(small, "process").status == 1
    written = json.loads(verdict.read_text())
    assert written["state"] == "failure"
    assert written["sentence"].startswith("Failed: the run did not finish")
    assert (small / "results/verdict.txt").read_text() == written["sentence"] + "\n"


def test_the_lines_of_snakemake_are_in_its_log_and_shown_if_asked_for(small, snakemake):
    assert "Select jobs to execute" in snakemake(small, "process", "--verbose").text
    logs = (small / ".snakemake/log").glob("*.snakemake.log")
    assert all("Select jobs to execute" in log.read_text("utf-8") for log in logs)


def test_another_workflow_that_uses_this_one_keeps_its_messages(small, snakemake, tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "config.yaml").write_bytes((small / "config.yaml").read_bytes())
    (small / "pictures").rename(folder / "pictures")
    (folder / "Snakefile").write_text(
        "configfile: 'config.yaml'\n"
        f"module pixelmill:\n    snakefile: {str(small / 'Snakefile')!r}\n    config: config\n"
        "use rule * from pixelmill\n"
    )
    ran = snakemake(folder, "results/mine/catalog.csv")
    assert ran.status == 0, ran.text
    assert "Job 0: Catalog mine" in ran.text


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no signals for groups of processes")
@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_is_answered_by_one_sentence(small, wait_until, times):
    (small / "slow.py").write_text("import time\n\ndef wait(image):\n    time.sleep(60)\n")
    steps = [{"call": {"function": "slow:wait"}}]
    write_config(small, {**SMALL, "recipes": {"light": {"steps": steps}}})
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "process"]
    with subprocess.Popen(
        command,
        cwd=small,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        printed = []
        for line in process.stdout:
            printed.append(line.rstrip())
            if "Process mine" in line:
                break
        tree = small / "results/mine/light/auto"
        wait_until(lambda: list(tree.glob(".crumbs/*")))  # an image is being processed
        for _ in range(times):
            os.killpg(process.pid, signal.SIGINT)
        printed += process.stdout.read().splitlines()
    assert process.returncode != 0
    assert printed[-1] == STOPPED
    assert printed.count(STOPPED) == 1
    assert insides("\n".join(printed)) == []
