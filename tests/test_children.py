"""A child may start before its work is known, and leaves nothing whenever it is ended."""

import multiprocessing
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from pixelmill import engines
from pixelmill.catalog import refresh
from pixelmill.children import Child, early_child
from pixelmill.config import named_recipe
from pixelmill.destinations import Outputs
from pixelmill.hosting import Work
from pixelmill.jobs import unpack
from pixelmill.limits import Limits
from pixelmill.transform import Renderer

RECIPE = named_recipe("light")


@pytest.fixture
def work(tmp_path, photos):
    """Function that gives an engine's work over five photos, and their entries."""
    source = photos(tmp_path / "in", 5, (40, 30))
    entries = refresh(str(tmp_path / "catalog.csv"), str(source)).entries

    def give(engine):
        renderer = Renderer(str(source), str(tmp_path / "out"), RECIPE)
        outputs = Outputs(entries, RECIPE)
        crumbs = str(tmp_path / "crumbs")
        return Work(renderer, outputs, engine, 2, Limits(), crumbs, rate=None), entries

    return give


@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_time_that_it_waits_for_its_work_is_no_part_of_its_start(engine, work):
    with Child(engine, RECIPE) as child:
        time.sleep(4)
        its_work, entries = work(engine)
        child.give(its_work, entries)
        said = list(child.messages(its_work))
    assert said[0] == ("ready", 2)
    assert {kind for kind, _ in said[1:]} == {"batch"}
    assert sum(len(unpack(content)[0]) for _, content in said[1:]) == 5
    assert 0 < child.startup_seconds < 3
    assert child.overdue == []


@pytest.fixture
def scratch(monkeypatch):
    """Folder for temporary files, of a path that a server's socket can have."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(tempfile, "tempdir", None)
        monkeypatch.setenv("TMPDIR", folder)
        # A child would go on with what this process made of earlier tests.
        monkeypatch.delitem(multiprocessing.current_process()._config, "tempdir", raising=False)
        yield Path(folder)


@pytest.mark.skipif(
    engines._start_method() != "forkserver", reason="this system has no server that forks"
)
def test_one_that_was_given_no_work_leaves_nothing(scratch, wait_until):
    child = Child("processes", RECIPE)
    host = psutil.Process(child._process.pid)
    wait_until(lambda: host.children() and list(scratch.iterdir()))
    time.sleep(0.5)  # until it has told of its folder
    members = [host, *host.children(recursive=True)]
    child.end()
    assert psutil.wait_procs(members, timeout=10)[1] == []
    assert list(scratch.iterdir()) == []
    child.end()  # again, as who began it does


def test_one_that_was_killed_says_nothing_of_its_work(work):
    child = Child("threads", RECIPE)
    child._process.kill()
    its_work, entries = work("threads")
    child.give(its_work, entries)
    assert list(child.messages(its_work)) == []
    child.end()


def test_it_starts_early_only_where_the_engine_and_the_work_are_certain():
    with early_child("auto", RECIPE, certain=True) as child:
        assert child is None
    with early_child("threads", RECIPE, certain=False) as child:
        assert child is None
    with early_child("threads", RECIPE, certain=True) as child:
        assert psutil.pid_exists(child._process.pid)
