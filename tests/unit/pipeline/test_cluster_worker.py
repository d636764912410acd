"""A cluster worker finds what killed the previous one, and ends itself if an image hangs."""

import os
import pickle
import signal
import subprocess
import sys
import threading

import pytest
from PIL import Image

from pixelmill.app.config import named_recipe
from pixelmill.core.errors import TreeError
from pixelmill.core.jobs import Batch, Job, failed
from pixelmill.imaging import fingerprint
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.renderer import Renderer
from pixelmill.imaging.steps import custom
from pixelmill.pipeline import breadcrumbs
from pixelmill.pipeline.cluster_worker import ClusterWorker, _Alarm
from pixelmill.pipeline.messages import refused, split, unpack
from tests.helpers.faults import POISON, RECIPE, STEPS

#: Runs a batch as a worker does, in a process that may die.
WORKER = """
import pickle, sys
remote, batch = pickle.load(open(sys.argv[1], "rb"))
remote(batch)
"""


@pytest.fixture
def folder(tmp_path):
    """Folder of the breadcrumbs."""
    breadcrumbs.clear(str(tmp_path / "breadcrumbs"))
    return tmp_path / "breadcrumbs"


@pytest.fixture
def remote(tmp_path, folder, photos):
    """The work over four pictures and four killing ones."""
    photos(tmp_path / "src", 4)
    for name, (height, _, _) in POISON.items():
        Image.new("RGB", (64, height)).save(tmp_path / "src" / f"{name}.jpg")
    (tmp_path / "my_steps.py").write_text(STEPS)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    recipe = named_recipe(str(tmp_path / "recipe.yaml"))
    limits = Limits(seconds_per_image=0.5)
    (tmp_path / "out").mkdir()
    renderer = Renderer(str(tmp_path / "src"), str(tmp_path / "out"), recipe, limits)
    return ClusterWorker(renderer, str(folder))


@pytest.fixture
def die(tmp_path, repository, remote):
    """Function that runs a batch in a process that dies; returns its exit status."""

    def do(batch):
        (tmp_path / "work").write_bytes(pickle.dumps((remote, batch)))
        return subprocess.run(
            [sys.executable, "-c", WORKER, tmp_path / "work"],
            cwd=repository / "scripts", capture_output=True, text=True, check=False,
        )  # fmt: skip

    return do


def batch_of(*names):
    return Batch([Job(f"{name}.jpg", (f"{name}.jpg",)) for name in names])


def done_by(remote, batch):
    kind, content = split(remote(batch))
    assert kind == "batch"
    outcomes, _ = unpack(content, {job.source: job for job in batch.jobs}.get, [""])
    return {outcome.source.removesuffix(".jpg"): outcome.reason for outcome in outcomes}


def test_a_batch_is_rendered_and_leaves_no_breadcrumb(tmp_path, folder, remote):
    assert done_by(remote, batch_of(0, 1)) == {"0": "", "1": ""}
    assert (tmp_path / "out/1.jpg").exists()
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_an_undecodable_name_is_handled_like_any_other(tmp_path, remote):
    odd = os.fsdecode(b"\xff")
    (tmp_path / "src/0.jpg").rename(tmp_path / "src" / f"{odd}.jpg")
    assert done_by(remote, Batch([Job(f"{odd}.jpg", ("odd.jpg",))])) == {odd: ""}


def test_the_next_worker_finds_the_image_that_killed_the_last_one(folder, remote, die):
    batch = batch_of(0, "segfault", 1, "abort", 2)
    assert die(batch).returncode == -signal.SIGSEGV
    assert done_by(remote, batch_of(3)) == {"3": ""}, "another batch is not concerned"
    crashed = {"segfault": "crashed", "abort": "crashed"}
    assert done_by(remote, batch) == {"0": "", "1": "", "2": "", **crashed}
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_a_worker_that_hangs_ends_itself_and_logs_its_stack(remote, die):
    batch = batch_of(0, "hang", 1)
    ended = die(batch)
    assert ended.returncode == 1
    assert "my_steps.py" in ended.stderr
    assert done_by(remote, batch) == {"0": "", "hang": "timed_out", "1": ""}


class Timer:
    """A replacement of `faulthandler` that records whether this process would be ended."""

    def __init__(self):
        self.seconds, self.times_set = None, 0

    def dump_traceback_later(self, seconds, exit):
        assert exit
        self.seconds, self.times_set = seconds, self.times_set + 1

    def cancel_dump_traceback_later(self):
        self.seconds = None


@pytest.fixture
def timer(monkeypatch):
    made = Timer()
    monkeypatch.setattr("pixelmill.pipeline.cluster_worker.faulthandler", made)
    monkeypatch.setattr("pixelmill.pipeline.cluster_worker._ALARM", _Alarm())
    return made


def test_a_worker_that_waits_for_its_next_batch_is_not_ended(remote, timer):
    for number in range(3):
        assert done_by(remote, batch_of(number)) == {str(number): ""}
        assert timer.times_set == number + 1
        assert timer.seconds is None


def test_a_worker_whose_run_ends_in_the_middle_of_a_batch_is_not_ended(
    folder, remote, timer, monkeypatch
):
    def render(self, job):
        breadcrumbs.remove(str(folder))
        return failed(job, "read", "vanished", "gone", "")

    monkeypatch.setattr(Renderer, "render", render)
    with pytest.raises(FileNotFoundError):
        remote(batch_of(0, 1))
    assert (timer.times_set, timer.seconds) == (1, None)


def test_the_image_in_progress_for_longest_ends_a_worker(timer):
    """The longest of several threads counts, as long as any has an image."""
    alarm, both_wound, may_stop = _Alarm(), threading.Barrier(2), threading.Event()

    def other():
        alarm.wind(100.0)
        both_wound.wait(60)
        may_stop.wait(60)
        alarm.stop()

    thread = threading.Thread(target=other)
    thread.start()
    both_wound.wait(60)
    alarm.wind(500.0)
    assert 90 < timer.seconds < 110
    may_stop.set()
    thread.join()
    assert 490 < timer.seconds < 510
    alarm.stop()
    assert timer.seconds is None


def test_a_path_that_must_not_be_followed_ends_the_run(remote, monkeypatch):
    def refuse(self, job):
        raise TreeError("no")

    monkeypatch.setattr(Renderer, "render", refuse)
    kind, content = split(remote(batch_of(0)))
    assert kind == "refused"
    assert type(refused(content)) is TreeError


def test_a_worker_whose_run_is_over_makes_nothing_more(tmp_path, folder, remote):
    folder.rmdir()
    with pytest.raises(FileNotFoundError):
        remote(batch_of(0))
    assert not (tmp_path / "out/0.jpg").exists()


@pytest.mark.parametrize("name", ["src", "out"])
def test_a_folder_that_is_not_shared_is_reported(tmp_path, remote, name):
    assert remote.trouble() == ""
    (tmp_path / name).rename(tmp_path / "moved")
    told = f"does not see '{tmp_path / name}': all workers must share the file system"
    assert remote.trouble() == told


def test_another_decoder_is_reported(remote, monkeypatch):
    """It decides which images can be read."""
    before = remote._software["pillow-heif"]
    monkeypatch.setattr(fingerprint, "extra_decoders", lambda: "pillow-heif 0.1")
    assert remote.trouble() == (
        f"has pillow-heif 0.1, but this machine has {before}; install the same versions on both"
    )


def test_a_worker_that_outlives_a_run_loads_own_steps_anew(remote):
    assert done_by(remote, batch_of(0)) == {"0": ""}
    assert custom.load.cache_info().currsize > 0
    pickle.loads(pickle.dumps(remote))
    assert custom.load.cache_info().currsize == 0
