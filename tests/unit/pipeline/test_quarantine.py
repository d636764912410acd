"""A suspected image is tried alone, and is recorded as failed only if it caused the crash."""

import os
import sys
from dataclasses import replace

import pytest

from pixelmill.core.errors import TreeError, UserError
from pixelmill.core.jobs import Job
from pixelmill.core.tables import read_table
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.recipe_parser import parse
from pixelmill.imaging.renderer import Renderer
from pixelmill.imaging.steps.process_state import SpoiledError
from pixelmill.pipeline.child_processes import ChildProcesses
from pixelmill.pipeline.quarantine import DeathCounter, Quarantine, _how_it_ended
from tests.helpers.passes import process_folder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals end processes on POSIX alone")

ENDS = {
    "fine": ("return image", "ok", ""),
    "raises": ("raise ValueError('no')", "failed", "step_failed"),
    "raises a user's error": (
        "from pixelmill.core.errors import TreeError; raise TreeError('no')",
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
    """A quarantine of images whose names tell a step what to do."""

    def __init__(self, folder, photo, body):
        (folder / "in").mkdir()
        self._image = photo(20, 20)
        self._folder = folder
        (folder / "own.py").write_text(f"def step(image):\n    {body}\n", encoding="utf-8")
        recipe = parse({"steps": [{"call": {"function": "own:step"}}]}, folder=str(folder))
        self.limits = Limits(seconds_per_image=1)
        (folder / "out").mkdir()
        self.renderer = Renderer(str(folder / "in"), str(folder / "out"), recipe, self.limits)

    def job(self, name, size=(20, 20)):
        path = self._folder / "in" / name
        self._image.resize(size).save(path)
        return Job(name, (f"{path.stem}.jpg",), path.stat().st_size, mtime_ns=5)

    def run(self, jobs, workers=1, deaths=None):
        outcomes = []
        with ChildProcesses() as children:
            quarantine = Quarantine(
                children, self.renderer, self.limits, workers, deaths or DeathCounter()
            )
            quarantine.run(jobs, outcomes.append)
        return outcomes


@pytest.mark.parametrize("how", ENDS)
def test_the_end_of_a_process_is_described(tmp_path, photo, how):
    body, status, reason = ENDS[how]
    tried = Tried(tmp_path, photo, body)
    job = tried.job("a.png")
    (outcome,) = tried.run([job])
    assert (outcome.bytes_in, outcome.mtime_ns) == (job.bytes, 5)
    assert (outcome.source, outcome.status, outcome.reason) == ("a.png", status, reason)
    assert outcome.digest
    assert (tmp_path / "out/a.jpg").exists() == (status == "ok")


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (None, "crashed", "its process stopped answering"),
        (0, "crashed", "its process ended by exit status 0"),
        (3, "crashed", "its process ended by exit status 3"),
        (-9, "out_of_memory", "killed by the system: signal 9"),
        (-11, "crashed", "its process ended by signal 11"),
    ],
)
def test_the_status_of_a_process_gives_a_reason(status, reason, words):
    assert _how_it_ended(status) == (reason, words)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux alone")
def test_an_image_that_is_tried_alone_has_the_memory_of_the_limits(tmp_path, photo):
    tells = "import resource; raise ValueError(resource.getrlimit(resource.RLIMIT_FSIZE))"
    tried = Tried(tmp_path, photo, tells)
    (outcome,) = tried.run([tried.job("a.png")])
    assert f"({tried.limits.memory_mb * 2**20}, " in outcome.message


#: Kills its process at images of a height.
KILLS = "import os; image.height == 30 and os.abort(); return image"


@pytest.mark.usefixtures("started_children")
@pytest.mark.parametrize("workers", [1, 2])
def test_only_killing_images_are_recorded_as_crashed(tmp_path, photo, workers):
    tried = Tried(tmp_path, photo, KILLS)
    jobs = [tried.job(f"{n}.png", (20, 30 if n % 3 == 1 else 20)) for n in range(15)]
    deaths = DeathCounter()
    outcomes = tried.run(iter(jobs), workers, deaths)
    reasons = {outcome.source: outcome.reason for outcome in outcomes}
    assert reasons == {f"{n}.png": "crashed" if n % 3 == 1 else "" for n in range(15)}
    assert deaths.explained == 5


def test_a_crash_caused_by_an_earlier_image_is_not_blamed_on_the_next(tmp_path, photo):
    """The first image makes the process die while it is processing the second one."""
    body = (
        "import os, time; first = image.height == 30; "
        "first and setattr(os, 'bomb', 1); "
        "not first and hasattr(os, 'bomb') and os.abort(); return image"
    )
    tried = Tried(tmp_path, photo, body)
    jobs = [tried.job("0.png", (20, 30)), tried.job("1.png"), tried.job("2.png")]
    assert [outcome.status for outcome in tried.run(jobs)] == ["ok"] * 3


#: Fails for lack of memory at images of a height, except for the first one of its process.
CROWDED = (
    "import os; crowded = hasattr(os, 'seen'); os.seen = 1\n"
    "    if image.height == 30 and crowded: raise MemoryError\n"
    "    if image.height == 40: raise MemoryError\n"
    "    return image"
)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_image_that_lacks_memory_beside_others_gets_its_own_process(tmp_path, photo, workers):
    tried = Tried(tmp_path, photo, CROWDED)
    heights = [20, 30, 20, 40, 30, 20, 40, 20]
    jobs = [tried.job(f"{n}.png", (20, height)) for n, height in enumerate(heights)]
    deaths = DeathCounter()
    reasons = {outcome.source: outcome.reason for outcome in tried.run(jobs, workers, deaths)}
    assert reasons == {
        f"{n}.png": "out_of_memory" if height == 40 else "" for n, height in enumerate(heights)
    }
    assert deaths.explained == 2
    for n, height in enumerate(heights):
        assert (tmp_path / f"out/{n}.jpg").exists() == (height != 40)


def test_images_that_lack_memory_beside_others_do_not_count_as_deaths(tmp_path, photo):
    """More than twenty deaths that no image explains would stop the pass."""
    tried = Tried(tmp_path, photo, CROWDED)
    jobs = [tried.job(f"{n}.png", (20, 30)) for n in range(80)]
    assert [outcome.reason for outcome in tried.run(jobs)] == [""] * 80


class Spoiling(Renderer):
    """Takes from its process for good what the next image needs, whatever it makes."""

    def render(self, job):
        raise SpoiledError("a step lowered RLIMIT_NOFILE for good")


@pytest.mark.parametrize("workers", [1, 2])
def test_however_many_spoil_their_process_no_process_died_of_it(tmp_path, photo, workers):
    """Each ends its process in order, and the next image gets another one."""
    tried = Tried(tmp_path, photo, "return image")
    tried.renderer = Spoiling(str(tmp_path / "in"), str(tmp_path / "out"), tried.renderer.recipe)
    jobs = [tried.job(f"{n}.png") for n in range(30)]
    outcomes = tried.run(jobs, workers)
    assert sorted(outcome.source for outcome in outcomes) == sorted(job.source for job in jobs)
    assert {(o.stage, o.reason, o.message) for o in outcomes} == {
        ("steps", "step_failed", "a step lowered RLIMIT_NOFILE for good")
    }


@pytest.mark.parametrize("engine", ["sequential", "threads"])
def test_only_the_image_of_a_batch_that_lacked_memory_is_tried_alone(tmp_path, photo, engine):
    """The outcomes of the other images of the batch are certain."""
    tried = Tried(tmp_path, photo, CROWDED)
    heights = [20, 20, 30, 20, 40, 20]
    for n, height in enumerate(heights):
        tried.job(f"{n}.png", (20, height))
    recipe = tried.renderer.recipe
    done = process_folder(str(tmp_path / "in"), str(tmp_path / "tree"), recipe, engine, 1)
    assert (done.images, done.failed) == (6, 1)
    (failure,) = read_table(tmp_path / "tree/failures.csv")
    assert (failure["source"], failure["reason"]) == ("4.png", "out_of_memory")
    made = {path.name for path in (tmp_path / "tree/images").iterdir()}
    assert made == {"0.jpg", "1.jpg", "2.jpg", "3.jpg", "5.jpg"}


class Refusing(Renderer):
    """Raises an error about a path that must not be followed, for every image."""

    def render(self, job):
        raise TreeError("'out' is a link.")


def test_a_path_that_must_not_be_followed_ends_the_quarantine(tmp_path, photo):
    tried = Tried(tmp_path, photo, "return image")
    tried.renderer = Refusing(str(tmp_path / "in"), str(tmp_path / "out"), tried.renderer.recipe)
    with pytest.raises(TreeError, match="'out' is a link"):
        tried.run([tried.job("a.png")])


def test_without_suspects_no_process_starts(tmp_path, photo):
    assert Tried(tmp_path, photo, "return image").run([]) == []


def test_deaths_that_an_image_explains_never_stop_a_pass():
    deaths = DeathCounter()
    for _ in range(200):
        deaths.count()
        deaths.explain()


def test_deaths_in_a_row_that_no_image_explains_stop_a_pass():
    deaths = DeathCounter()
    for _ in range(20):
        deaths.count()
    with pytest.raises(UserError, match="More than 20 worker processes died in a row"):
        deaths.count()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems need long to start a process")
def test_a_child_that_is_never_ready_stops_a_pass(tmp_path, photo):
    tried = Tried(tmp_path, photo, "return image")
    tried.limits = replace(tried.limits, memory_mb=None)  # that it cannot set
    with pytest.raises(UserError, match="died in a row"):
        tried.run([tried.job("a.png")])
