"""Unknown targets, and a missing number of cores, give one sentence."""

import argparse
import sys

import pytest

from pixelmill.app import workflow_targets
from pixelmill.core.errors import UserError

RULES = workflow_targets.Rules(
    ("all", "process", "report"), ("catalog", "verify_tree"), lambda path: path == "results/a.csv"
)


@pytest.fixture
def started(monkeypatch):
    def start(*arguments):
        monkeypatch.setattr(sys, "argv", ["/somewhere/snakemake", *arguments])

    return start


def test_the_command_line_to_use_is_shown_where_the_cores_are_missing(started):
    started("process", "--config", "results=my out")
    message = r"run: snakemake --cores all process --config 'results=my out'$"
    with pytest.raises(UserError, match=message):
        workflow_targets.require_cores(None)
    workflow_targets.require_cores(1)


def parser():
    made = argparse.ArgumentParser()
    made.add_argument("targets", nargs="*")
    made.add_argument("--cores")
    for option in ("--forcerun", "--until", "--omit-from"):
        made.add_argument(option, nargs="+")
    made.add_argument("--jobname")
    return made


def check(started, *arguments):
    started(*arguments)
    workflow_targets.check(RULES, parser)


@pytest.mark.parametrize(
    "arguments",
    [
        ["all", "report"],
        ["results/a.csv", "."],
        ["--jobname", "mine", "all"],  # the value of an option
        ["all", "--forcerun", "verify_tree", "process"],
        ["all", "--until", "catalog"],
    ],
    ids=" ".join,
)
def test_right_targets_are_accepted(started, arguments):
    check(started, *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["proces"],
            "'proces' is not a target; did you mean 'process'? Targets are all, process, re",
        ),
        (
            ["zzz"],
            "'zzz' is not a target; targets are all, process, report, or the path of a file to",
        ),
        (
            ["catalog"],
            "'catalog' is not a target, because it is done for each dataset; targets are",
        ),
        (["results/b.csv"], "'results/b.csv' is not a target"),
        (["all", "repotr"], "'repotr' is not a target; did you mean 'report'?"),
        (["all", "--forcerun", "catalgo"], "'catalgo' is not a target; did you mean 'catalog'?"),
        (["all", "--omit-from", "repotr"], "'repotr' is not a target; did you mean 'report'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_unknown_target_is_told_with_the_nearest_one(started, arguments, message):
    with pytest.raises(UserError) as refusal:
        check(started, *arguments)
    assert str(refusal.value).startswith(message)


def test_the_parser_is_not_made_where_no_word_can_be_unknown(started):
    started("--cores", "2", "-n", "process", "--config", "a=b")
    workflow_targets.check(RULES, None)


@pytest.mark.parametrize(
    ("arguments", "started_by", "words"),
    [
        (["--cores", "2", "verify"], None, ["snakemake", "--cores", "2", None]),
        (
            ["verify", "--config", "results=a b"],
            None,
            ["snakemake", None, "--config", "results=a b"],
        ),
        (
            ["--snakefile", "somewhere", "--cores", "all", "verify"],
            "pixelmill workflow verify",
            ["pixelmill", "workflow", None],
        ),
        (["all", "--until", "x"], None, ["snakemake", "--cores", "all", None]),
        (["verify", "--until", "verify"], None, ["snakemake", "--cores", "all", None]),
    ],
    ids=["target last", "target first", "pixelmill", "other target", "ambiguous"],
)
def test_the_command_of_a_run_serves_for_other_targets(monkeypatch, arguments, started_by, words):
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/snakemake", *arguments])
    monkeypatch.delenv(workflow_targets.COMMAND, raising=False)
    if started_by:
        monkeypatch.setenv(workflow_targets.COMMAND, started_by)
    assert workflow_targets.command_for("verify") == words
