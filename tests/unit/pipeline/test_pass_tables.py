"""What a pass writes to its tables and to the log."""

import os
import platform
import re
import shutil
from pathlib import Path

import pytest

from pixelmill.dataset import catalog_table, outputs_state
from tests.helpers.processed import COUNT, Tree, add, change, filled, nothing, touch

#: Keys of a pass in timing.json that others rely on.
TIMING_KEYS = {
    "seconds",
    "startup_seconds",
    "images",
    "failed",
    "bytes_in",
    "bytes_out",
    "megapixels_in",
    "workers",
    "engine",
    "catalog",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory, photos):
    return filled(tmp_path_factory.mktemp("made"), photos)


@pytest.fixture
def tree(made, tmp_path):
    return Tree(shutil.copytree(made, tmp_path / "tree"))


def test_the_manifest_does_not_depend_on_times(made, tmp_path):
    other = Tree(tmp_path)
    shutil.copytree(made / "in", other.source)
    for path in other.source.rglob("*.jpg"):
        os.utime(path, ns=(1, 1))
    other.process()
    manifests = [root / "manifest.csv" for root in (other.target, made / "out")]
    assert manifests[0].read_bytes() == manifests[1].read_bytes()


def test_timing_has_the_fields_that_readers_rely_on(made):
    timing = Tree(made).timing()
    assert timing.keys() == {"last_pass", "last_full_pass"}
    assert timing["last_pass"].keys() >= TIMING_KEYS
    assert timing["last_pass"] == timing["last_full_pass"]
    assert timing["last_pass"]["seconds"] >= timing["last_pass"]["startup_seconds"]


def test_timing_sums_up_what_was_read_and_written(made):
    full = Tree(made).timing()["last_full_pass"]
    sources = [path for path in (made / "in").rglob("*.jpg") if path.is_file()]
    assert full["bytes_in"] == sum(path.stat().st_size for path in sources)
    assert full["bytes_out"] == sum(map(len, Tree(made).outputs().values()))
    assert full["megapixels_in"] == pytest.approx((COUNT - 1) * 96 * 64 / 1e6)
    assert (full["images"], full["failed"], full["workers"]) == (COUNT, 1, 1)


@pytest.mark.parametrize(("happens", "images"), [(nothing, 0), (change, 1)])
def test_a_partial_pass_is_never_recorded_as_a_full_one(tree, picture, happens, images):
    full = tree.timing()["last_full_pass"]
    happens(tree, picture)
    tree.process()
    timing = tree.timing()
    assert timing["last_pass"]["images"] == images
    assert timing["last_full_pass"] == full


def test_an_interrupted_first_pass_leaves_no_full_pass(tree):
    """As after a killed run: its images exist, but its pass is not recorded."""
    for path in (tree.target / "timing.json", *tree.target.glob("ledger.*")):
        path.unlink()
    shutil.rmtree(tree.images)
    half = Tree(tree.target.parent)
    table = tree.target / "half.csv"
    catalog_table.write(table, catalog_table.read(tree.target / "catalog.csv")[:3])
    half.process(catalog=str(table))
    tree.process()
    assert tree.timing()["last_pass"]["images"] == COUNT - 3
    assert tree.timing()["last_full_pass"]["images"] == 3


@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_a_pass_records_the_engine_and_workers_that_it_used(tree, engine):
    """A plain loop that replaced an engine must not count as a full pass of that engine."""
    shutil.rmtree(tree.images)
    tree.process(engine, 2)
    told = tree.timing()["last_pass"]
    assert (told["engine"], told["workers"]) in {("sequential", 1), (engine, 2)}


def test_passes_over_other_sets_have_another_digest(tree, picture):
    before = tree.timing()["last_pass"]["catalog"]
    touch(tree, picture)
    tree.process()
    assert tree.timing()["last_pass"]["catalog"] == before
    add(tree, picture)
    tree.process()
    assert tree.timing()["last_pass"]["catalog"] != before


@pytest.mark.parametrize("name", ["manifest.csv", "failures.csv", "timing.json"])
def test_no_file_that_is_passed_on_names_this_machine(made, name):
    text = (made / "out" / name).read_text(encoding="utf-8")
    assert platform.node() not in re.findall(r"[\w.-]+", text)
    assert str(made) not in text
    assert str(Path.home()) not in text


def test_a_pass_tells_its_plan_and_records_the_token_of_its_outputs(tree, picture, caplog):
    add(tree, picture)
    (tree.source / "notes.txt").touch()
    with caplog.at_level("INFO", "pixelmill"):
        tree.process(token="of the workflow")
    assert outputs_state.token(str(tree.target)) == "of the workflow"
    assert "Left out: .txt files (1)" in caplog.messages
    assert "make 1: 1 new; keep 6; remove 0" in caplog.messages
