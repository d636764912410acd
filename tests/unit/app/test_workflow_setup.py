"""What the workflow does before Snakemake looks for jobs."""

import os
import sys

import pytest

from pixelmill.app.workflow_setup import COMMAND, command_for, folders_of


@pytest.mark.parametrize(
    ("configfiles", "folders"),
    [
        ([], ["."]),
        (["config.yaml"], ["."]),
        (["settings/config.yaml"], ["settings"]),
        (["one/a.yaml", "two/b.yaml", "config.yaml"], ["two", "one", "."]),
        (["one/a.yaml", "one/b.yaml", "one/config.yaml"], ["one"]),
    ],
)
def test_own_steps_are_searched_beside_the_last_config_first(
    tmp_path, monkeypatch, configfiles, folders
):
    """Its keys override those of the others; the config of the project comes last."""
    monkeypatch.chdir(tmp_path)
    assert folders_of(configfiles) == os.pathsep.join(folders)


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
    monkeypatch.delenv(COMMAND, raising=False)
    if started_by:
        monkeypatch.setenv(COMMAND, started_by)
    assert command_for("verify") == words
