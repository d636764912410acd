"""`pixelmill workflow` is Snakemake on the workflow that comes with pixelmill."""

import sys

import pytest

from pixelmill.app.workflow_command import command


def test_it_runs_this_pythons_snakemake_on_the_snakefile(repository):
    assert command(["--cores", "2", "all"]) == [
        sys.executable, "-m", "snakemake", "--snakefile", str(repository / "Snakefile"),
        "--cores", "2", "all",
    ]  # fmt: skip


@pytest.mark.parametrize("given", [["--cores=2"], ["-c", "2"], ["--jobs", "9"], ["--profile", "p"]])
def test_a_given_number_of_cores_is_kept(given):
    assert "all" not in command([*given, "plan"])


def test_all_cores_are_used_if_no_number_is_given():
    assert command(["plan"])[-3:] == ["--cores", "all", "plan"]
