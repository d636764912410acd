"""Outputs that were lost or altered are noticed before Snakemake looks for jobs, and made again."""

import re
import shlex

import pytest

from tests.helpers.projects import (
    SMALL,
    copied,
    is_up_to_date,
    times_below,
)

TREE = "results/mine/light/auto"

JOBS = [
    "Process mine with light on auto",
    "Verify mine with light on auto",
    "Write the verdict on the images of the production engine",
]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run_once(new_project, tmp_path_factory, snakemake):
    """A project after its first run of `process`, and after a second one."""
    folder = new_project(tmp_path_factory.mktemp("processed") / "project", SMALL, count=4)
    ran = snakemake(folder, "process")
    assert ran.status == 0, ran.text
    return folder


@pytest.fixture
def processed(run_once, tmp_path):
    """A copy of it that a test may change."""
    return copied(run_once, tmp_path / "project")


@pytest.fixture
def images(processed):
    return processed / TREE / "images"


def lose(images):
    (images / "1.jpg").unlink()


def cut(images):
    (images / "1.jpg").write_bytes((images / "1.jpg").read_bytes()[:100])


def lose_and_cut(images):
    (images / "0.jpg").unlink()
    cut(images)


def alter(images):
    """Change a byte in the middle of an output: its size stays."""
    content = bytearray((images / "1.jpg").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (images / "1.jpg").write_bytes(content)


def contents(images):
    return {path.name: path.read_bytes() for path in images.iterdir()}


def test_a_run_after_the_first_has_nothing_to_do(processed, snakemake):
    assert is_up_to_date(snakemake(processed, "process"))


@pytest.mark.parametrize(
    ("damage", "made", "reason"),
    [
        (lose, 1, "3 outputs were found, not 4"),
        (cut, 1, "outputs were altered"),
        (lose_and_cut, 2, "3 outputs were found, not 4"),
    ],
    ids=["lost", "cut", "lost and cut"],
)
def test_the_target_process_repairs_what_was_lost_or_altered_and_only_that(
    processed, images, snakemake, damage, made, reason
):
    before, times = contents(images), times_below(images)
    damage(images)
    ran = snakemake(processed, "process")
    assert (ran.status, ran.jobs, ran.made) == (0, JOBS, [made]), ran.text
    assert reason in ran.text
    assert contents(images) == before
    kept = {path for path, time in times_below(images).items() if times[path] == time}
    assert len(kept) == 4 - made
    assert is_up_to_date(snakemake(processed, "process"))


def test_unfinished_files_and_a_lost_folder_are_noticed_too(processed, images, snakemake):
    before = contents(images)
    (images / ".pixelmill-0a-1-2.tmp").write_bytes(b"unfinished")
    assert snakemake(processed, "process").jobs == JOBS
    assert contents(images) == before
    for path in images.iterdir():
        path.unlink()
    images.rmdir()
    assert snakemake(processed, "process").made == [4]
    assert contents(images) == before
    assert is_up_to_date(snakemake(processed, "process"))


def test_looking_changes_nothing_in_runs_that_only_ask(processed, images, snakemake):
    lose(images)
    before = times_below(processed / "results")
    asked = snakemake(processed, "--dry-run", "process")
    assert asked.jobs == JOBS
    assert "3 outputs were found, not 4" in asked.text
    assert snakemake(processed, "--lint").status == 0
    assert times_below(processed / "results") == before


@pytest.mark.parametrize("damage", [lose, alter], ids=["lost", "altered, of the same size"])
def test_the_remedy_that_verify_prints_repairs_exactly_that_when_pasted(
    processed, images, snakemake, damage
):
    before, times = contents(images), times_below(images)
    damage(images)
    found = snakemake(processed, "verify", "--config", "durable=false")
    assert found.status != 0
    assert found.jobs == ["Verify the existing outputs"]
    assert "Failed: 1 of 1 output trees did not pass verification; " in found.text
    command = re.search(r"to repair what a run can, run: (snakemake .*)", found.text)[1]
    program, *words = shlex.split(command)
    assert program == "snakemake"
    assert "durable=false" in words  # the options stay as they were given
    assert f"{TREE}/verification.json" in words
    ran = snakemake(processed, *words)
    assert (ran.status, ran.jobs, ran.made) == (0, JOBS[:2], [1]), ran.text
    assert contents(images) == before
    changed = {path.name for path, time in times_below(images).items() if times[path] != time}
    assert changed == {"1.jpg"}
    verified = snakemake(processed, "verify")
    assert (verified.status, verified.jobs) == (0, found.jobs)
    assert "Success: 1 of 1 output trees verified." in verified.text
    snakemake(processed, "process")  # the verdict on the repaired tree
    assert is_up_to_date(snakemake(processed, "process"))


def test_files_of_others_are_for_their_owner_to_move(processed, images, snakemake):
    (images / "notes.txt").write_text("mine")
    found = snakemake(processed, "verify")
    assert found.status != 0
    assert "extra: pixelmill did not make these files: move them elsewhere" in found.text
    assert "to repair" not in found.text
    assert (images / "notes.txt").exists()


@pytest.mark.parametrize("damage", [lose, alter], ids=["lost", "altered, of the same size"])
def test_a_tree_of_shards_is_repaired_too(new_project, tmp_path, snakemake, damage):
    divided = {**SMALL, "scale": {"shards": 2}}
    folder = new_project(tmp_path / "project", divided, count=4)
    images = folder / TREE / "images"
    assert snakemake(folder, "process").status == 0
    assert is_up_to_date(snakemake(folder, "process"))
    before = contents(images)
    damage(images)
    if damage is alter:
        assert snakemake(folder, "verify").status != 0
    ran = snakemake(folder, "process")
    assert ran.status == 0, ran.text
    assert sum(ran.made) == 1
    assert contents(images) == before
    assert is_up_to_date(snakemake(folder, "process"))
