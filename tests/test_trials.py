"""An image that may have ended its process is tried alone, and only its own doing is its fault."""

import os
import sys
from dataclasses import replace

import pytest

from pixelmill.errors import TreeError, UserError
from pixelmill.jobs import Job
from pixelmill.limits import Limits
from pixelmill.offspring import Offspring
from pixelmill.recipe import parse
from pixelmill.transform import Renderer
from pixelmill.trials import MOST_DEATHS, Deaths, Trials

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals end processes on POSIX alone")

ENDS = {
    "fine": ("return image", "ok", ""),
    "raises": ("raise ValueError('no')", "failed", "step_failed"),
    "raises a user's error": (
        "from pixelmill.errors import TreeError; raise TreeError('no')",
        "failed",
        "step_failed",
    ),
    "exits": ("import os; os._exit(3)", "failed", "crashed"),
    "exits in order": ("import os; os._exit(0)", "failed", "crashed"),
    "aborts": ("import os; os.abort()", "failed", "crashed"),
    "is killed": ("import os; os.kill(os.getpid(), 9)", "failed", "out_of_memory"),
    "ends its parent": (
        "import os, time; os.kill(os.getppid(), 6); time.sleep(60)",
        "failed",
        "crashed",
    ),
    "sleeps": ("import time; time.sleep(60)", "failed", "timed_out"),
    "holds the interpreter": (
        "import re; re.match('(a+)+$', 'a' * 40 + 'b')",
        "failed",
        "timed_out",
    ),
    "stops": ("import os; os.kill(os.getpid(), 19)", "failed", "timed_out"),
    "takes all memory": ("return bytearray(10**13)", "failed", "out_of_memory"),
}


class Tried:
    """Trials of images whose names tell a step what to do."""

    def __init__(self, folder, photo, body):
        (folder / "in").mkdir()
        self._image = photo(20, 20)
        self._folder = folder
        (folder / "own.py").write_text(f"def step(image):\n    {body}\n", encoding="utf-8")
        recipe = parse({"steps": [{"call": {"function": "own:step"}}]}, folder=str(folder))
        self.limits = Limits(seconds_per_image=2)
        (folder / "out").mkdir()
        self.renderer = Renderer(str(folder / "in"), str(folder / "out"), recipe, self.limits)

    def job(self, name, size=(20, 20)):
        path = self._folder / "in" / name
        self._image.resize(size).save(path)
        return Job(name, (f"{path.stem}.jpg",), path.stat().st_size, mtime_ns=5)

    def run(self, jobs, workers=1, deaths=None):
        outcomes = []
        with Offspring() as offspring:
            trials = Trials(offspring, self.renderer, self.limits, workers, deaths or Deaths())
            trials.run(jobs, outcomes.append)
        return outcomes


@pytest.mark.parametrize("how", ENDS)
def test_how_it_ends_is_told(tmp_path, photo, how):
    body, status, reason = ENDS[how]
    tried = Tried(tmp_path, photo, body)
    job = tried.job("a.png")
    (outcome,) = tried.run([job])
    assert (outcome.bytes_in, outcome.mtime_ns) == (job.bytes, 5)
    assert (outcome.source, outcome.status, outcome.reason) == ("a.png", status, reason)
    assert outcome.digest
    assert (tmp_path / "out/a.jpg").exists() == (status == "ok")


#: Kills its process at images of a height.
KILLS = "import os; image.height == 30 and os.abort(); return image"


@pytest.mark.parametrize("workers", [1, 2])
def test_each_that_kills_is_blamed_and_no_other(tmp_path, photo, workers):
    tried = Tried(tmp_path, photo, KILLS)
    jobs = [tried.job(f"{n}.png", (20, 30 if n % 3 == 1 else 20)) for n in range(15)]
    reasons = {outcome.source: outcome.reason for outcome in tried.run(iter(jobs), workers)}
    assert reasons == {f"{n}.png": "crashed" if n % 3 == 1 else "" for n in range(15)}


def test_what_an_image_left_is_not_the_fault_of_the_next(tmp_path, photo):
    """The process dies while it has the second image in hand, of what the first one did."""
    body = (
        "import os, time; first = image.height == 30; "
        "first and setattr(os, 'bomb', 1); "
        "not first and hasattr(os, 'bomb') and os.abort(); return image"
    )
    tried = Tried(tmp_path, photo, body)
    jobs = [tried.job("0.png", (20, 30)), tried.job("1.png"), tried.job("2.png")]
    assert [outcome.status for outcome in tried.run(jobs)] == ["ok"] * 3


class Refusing(Renderer):
    """Meets a path that must not be followed, whatever it makes."""

    def render(self, job):
        raise TreeError("'out' is a link.")


def test_a_path_that_must_not_be_followed_ends_the_trials(tmp_path, photo):
    tried = Tried(tmp_path, photo, "return image")
    tried.renderer = Refusing(str(tmp_path / "in"), str(tmp_path / "out"), tried.renderer.recipe)
    with pytest.raises(TreeError, match="'out' is a link"):
        tried.run([tried.job("a.png")])


def test_nothing_to_try_starts_nothing(tmp_path, photo):
    assert Tried(tmp_path, photo, "return image").run([]) == []


def test_deaths_that_an_image_explains_never_stop_a_pass():
    deaths = Deaths()
    for _ in range(10 * MOST_DEATHS):
        deaths.count()
        deaths.explain()


def test_deaths_in_a_row_that_no_image_explains_stop_a_pass():
    deaths = Deaths()
    for _ in range(MOST_DEATHS):
        deaths.count()
    with pytest.raises(UserError, match="More than 20 worker processes died in a row"):
        deaths.count()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems need long to start a process")
def test_a_child_that_is_never_ready_stops_a_pass(tmp_path, photo):
    tried = Tried(tmp_path, photo, "return image")
    tried.limits = replace(tried.limits, memory_mb=None)  # that it cannot set
    with pytest.raises(UserError, match="died in a row"):
        tried.run([tried.job("a.png")])
