"""`pixelmill workflow` is Snakemake on the workflow that comes with pixelmill."""

import os
import shlex
import subprocess
import sys

import pytest

from pixelmill.app import workflow_command
from pixelmill.app.workflow_command import check, command
from pixelmill.app.workflow_targets import COMMAND
from pixelmill.core.errors import UserError
from pixelmill.core.project import PROJECT


def test_it_runs_this_pythons_snakemake_on_the_snakefile(repository):
    assert command(["--cores", "2", "all"]) == [
        sys.executable, "-P", "-m", "snakemake", "--snakefile", str(repository / "Snakefile"),
        "--cores", "2", "all",
    ]  # fmt: skip


@pytest.mark.parametrize("given", [["--cores=2"], ["-c", "2"], ["--jobs", "9"], ["--profile", "p"]])
def test_a_given_number_of_cores_is_kept(given):
    assert "all" not in command([*given, "plan"])


def test_no_module_of_the_current_folder_is_imported(tmp_path, repository):
    for name in ("snakemake", "json", "yaml", "dask"):
        (tmp_path / f"{name}.py").write_text(f"open('imported {name}', 'w')\n")
    main = "from pixelmill.app.workflow_command import run; run(['--dry-run', 'plan'])"
    subprocess.run(
        [sys.executable, "-P", "-c", main],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(repository / "scripts")},
        capture_output=True,
        check=False,
    )
    assert not list(tmp_path.glob("imported*"))


def test_all_cores_are_used_if_no_number_is_given():
    assert command(["plan"])[-3:] == ["--cores", "all", "plan"]
    for option in ("--cores", "-c"):
        assert command(["plan", option])[-4:] == [
            str(PROJECT / "Snakefile"), "plan", option, "all",
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--configfile", "later.yaml", "all"], "later.yaml, line 2, column 1: found a tab"),
        (["--configfile=later.yaml"], "later.yaml, line 2, column 1: found a tab"),
        (["--configfile", "good.yaml", "ltaer.yaml"], "'ltaer.yaml' does not exist; did you mean"),
        (["--directory", "there"], "there/config.yaml is empty"),
        (["--config", "results"], "--config: found 'results'; write KEY=VALUE"),
        (["--coers", "1"], "'--coers' is not an option of Snakemake; did you mean '--cores'?"),
    ],
)
def test_a_mistake_is_told_before_snakemake_starts(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "there/config.yaml").touch()
    (tmp_path / "later.yaml").write_text("run:\n\tdatasets: [a]\n")
    (tmp_path / "good.yaml").write_text("results: out\n")
    with pytest.raises(UserError) as refusal:
        check(arguments)
    assert str(refusal.value).startswith(message)


def test_right_arguments_are_accepted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.yaml").write_text("results: out\n")
    check(["all", "-n", "--configfile", "good.yaml", "--config", "results=out", "--cores", "2"])
    check(["all", "--rerun-triggers", "mtime"])


def test_the_workflow_learns_how_a_user_started_it(monkeypatch):
    """So that it can print a command that the user can repeat."""
    monkeypatch.setattr(os, "environ", os.environ.copy())  # it is changed for the child
    os.environ.pop(COMMAND, None)
    starting = {"nt": "subprocess.call"}.get(os.name, "os.execv")
    monkeypatch.setattr(f"pixelmill.app.workflow_command.{starting}", lambda *arguments: 0)
    assert workflow_command.run(["verify", "--config", "results=a b"]) == 0
    told = ["pixelmill", "workflow", "verify", "--config", "results=a b"]
    assert shlex.split(os.environ[COMMAND]) == told
