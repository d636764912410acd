"""A host process may start before its work is known, and never blocks its parent."""

import os
import signal
import tempfile
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from pixelmill.app.config import named_recipe
from pixelmill.dataset.catalog_table import refresh
from pixelmill.dataset.entries import Entries, Entry
from pixelmill.dataset.file_names import LEDGER
from pixelmill.dataset.output_names import Outputs
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.renderer import Renderer
from pixelmill.pipeline import breadcrumbs, child_processes, host_process
from pixelmill.pipeline.breadcrumbs import Breadcrumb
from pixelmill.pipeline.child_processes import ChildProcesses, Message
from pixelmill.pipeline.host import Work, modules
from pixelmill.pipeline.host_process import HostProcess, early_host, start_early
from pixelmill.pipeline.messages import MalformedError, unpack

pytestmark = pytest.mark.usefixtures("started_children")

RECIPE = named_recipe("light")

MODULES = modules(RECIPE)


@pytest.fixture
def work(tmp_path, photos):
    """Function that returns the work of an engine over five photos, them, and their outputs."""
    source = photos(tmp_path / "in", 5, (40, 30))
    (tmp_path / "out").mkdir()
    entries = refresh(str(tmp_path / "catalog.csv"), str(source)).entries

    def give(engine):
        renderer = Renderer(str(source), str(tmp_path / "out"), RECIPE)
        breadcrumb_dir = str(tmp_path / "breadcrumbs")
        work = Work(renderer, engine, 2, Limits(), breadcrumb_dir, seconds_per_image=None)
        return work, entries, Outputs(entries, RECIPE)

    return give


@pytest.fixture
def children():
    with ChildProcesses() as children:
        yield children


def still_expected():
    return False


def test_a_host_that_gets_its_work_later_does_it(work, children):
    with HostProcess(children, MODULES) as child:
        its_work, entries, outputs = work("processes")
        child.give(its_work, entries, outputs)
        received = list(child.messages(its_work, still_expected))
    assert received[0] == ("ready", b"2")
    assert {kind for kind, _ in received[1:]} == {"batch"}
    jobs = {entry.path: outputs.job(entry) for entry in entries}
    assert sum(len(unpack(content, jobs.get, [""])[0]) for _, content in received[1:]) == 5
    assert child.startup_seconds > 0
    assert child.overdue == []


#: A replacement of a child process that prints given messages.
PROGRAM = (
    "import os, sys; sys.path.insert(0, {folder!r}); "
    "from pixelmill.pipeline.messages import Channel; channel = Channel(1); "
)


def test_waiting_for_work_is_not_part_of_the_start_up(work, children, monkeypatch):
    says = "channel.send('waited', 101.5); channel.send('ready', 2); os.read(0, 1)"
    monkeypatch.setattr(child_processes, "_BEGIN", PROGRAM + says)
    seconds = iter([1000.0, 1104.0])  # when it was started, and when it was ready
    clock = SimpleNamespace(perf_counter=lambda: next(seconds), monotonic=time.monotonic)
    monkeypatch.setattr(host_process, "time", clock)
    its_work, _, outputs = work("threads")
    with HostProcess(children, MODULES) as child:
        child.give(its_work, Entries(), outputs)
        assert next(child.messages(its_work, still_expected)) == ("ready", b"2")
    assert child.startup_seconds == 2.5


def test_a_killed_host_reports_nothing(work, children):
    child = HostProcess(children, MODULES)
    child.process.process.kill()
    its_work, entries, outputs = work("threads")
    child.give(its_work, entries, outputs)
    assert list(child.messages(its_work, still_expected)) == []
    child.end()


@pytest.mark.skipif(os.name == "nt", reason="Windows stops no processes")
def test_a_host_that_is_stopped_before_it_took_its_work_does_not_block_its_parent(
    work, children, monkeypatch
):
    monkeypatch.setattr(host_process, "START_ALLOWANCE", 0.3)
    its_work, _, outputs = work("threads")
    with HostProcess(children, MODULES) as child:
        child.process.process.send_signal(signal.SIGSTOP)
        many = Entries(Entry(f"{'long' * 50}-{n}.jpg", 1, 0, "jpeg") for n in range(5000))
        child.give(its_work, many, outputs)  # more than a pipe holds
        assert list(child.messages(its_work, still_expected)) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows stops no processes")
def test_a_silent_host_is_given_up(work, children, monkeypatch):
    monkeypatch.setattr(host_process, "QUIET_ALLOWANCE", 0.2)
    its_work, entries, outputs = work("threads")
    its_work = replace(its_work, limits=Limits(seconds_per_image=0.2))
    with HostProcess(children, MODULES) as child:
        child.give(its_work, entries, outputs)
        received = child.messages(its_work, still_expected)
        assert next(received)[0] == "ready"
        child.process.process.send_signal(signal.SIGSTOP)
        assert {kind for kind, _ in received} <= {"batch"}


class Host(HostProcess):
    """A host that is ready after a time, and then says nothing; its time passes at once.

    Parameters
    ----------
    ready : float
        Seconds until it is ready.
    began : callable
        Returns for a moment when the image that is then in progress was begun; None if none is.
    """

    def __init__(self, monkeypatch, ready, began):
        self.now, self._ready, self._began_at = 0.0, ready, began
        self._told = []
        clock = SimpleNamespace(monotonic=lambda: self.now, perf_counter=lambda: self.now)
        monkeypatch.setattr(host_process, "time", clock)
        monkeypatch.setattr(breadcrumbs, "read", self.read)
        super().__init__(SimpleNamespace(start=lambda *given, **named: None), ())

    def read(self, folder):
        began = self._began_at(self.now)
        return [] if began is None else [Breadcrumb("a.jpg", began)]

    def _receive(self, seconds):
        assert seconds >= 0 and self.now < 1000
        if self.now <= self._ready < self.now + seconds:
            self.now, self._ready = self._ready, float("inf")
            self._told += [Message(None, "waited", b"0"), Message(None, "ready", b"2")]
        if self._told:
            return self._told.pop(0)
        self.now += seconds
        return None


#: What is in progress, when a host is ready, and when it is given up: 120 seconds after its start,
#: 30 after the last sign of life, or as soon as an image took more than 20.
SILENCES = {
    "it is never ready": (float("inf"), lambda now: None, 120, []),
    "it begins no image": (5.5, lambda now: None, 35.5, []),
    "it begins image after image": (0.1, lambda now: now - 19 if now <= 500 else None, 530, []),
    "an image takes too long": (0.1, lambda now: 40 if now > 40 else now, 60, ["a.jpg"]),
    "an image began in the future": (0.1, lambda now: now + 1, 0, ["a.jpg"]),
}


@pytest.mark.parametrize("what", SILENCES)
def test_a_host_is_given_up_when_it_shows_no_sign_of_life_any_more(monkeypatch, what):
    """A batch may take any time: while its images come and go, nothing is said."""
    ready, began, ended, overdue = SILENCES[what]
    host = Host(monkeypatch, ready, began)
    its_work = SimpleNamespace(limits=Limits(seconds_per_image=20), breadcrumb_dir="breadcrumbs")
    kinds = [kind for kind, _ in host.messages(its_work, still_expected)]
    assert kinds == ([] if what == "it is never ready" else ["ready"])
    assert ended <= host.now <= ended + 2 * host_process._LOOK_INTERVAL
    assert [one.source for one in host.overdue] == overdue


#: What a child may write instead of its messages.
LIES = {
    "batches before it is ready": "channel.send('waited', 0.0); channel.send('batch', [])",
    "an unknown kind": "channel.send('hello')",
    "ready twice": "channel.send('waited', 0); [channel.send('ready', 2) for _ in range(2)]",
    "times that are none": "channel.send('waited', 'long')",
}


@pytest.mark.parametrize("lie", LIES)
def test_an_invalid_message_of_a_host_is_refused(lie, work, children, monkeypatch):
    program = PROGRAM + LIES[lie] + "; os.read(0, 1)"
    monkeypatch.setattr(child_processes, "_BEGIN", program)
    its_work, *_ = work("threads")
    with HostProcess(children, MODULES) as child, pytest.raises(MalformedError):
        list(child.messages(its_work, still_expected))


@pytest.mark.parametrize("engine", ["auto", "sequential", "processes"])
def test_a_host_starts_before_its_work_is_known_and_leaves_nothing(tmp_path, engine, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / "out"
    with early_host(str(folder), engine) as child:
        assert child.process.process.poll() is None
    assert child.process.process.poll() is not None
    assert list(tmp_path.iterdir()) == []


def test_no_host_starts_early_if_there_may_be_nothing_to_do(tmp_path):
    (tmp_path / LEDGER).touch()
    with early_host(str(tmp_path)) as child:
        assert child is None


def test_no_host_starts_for_a_cluster(tmp_path):
    with early_host(str(tmp_path), "distributed") as child:
        assert child is None


def test_engines_that_use_dask_import_it_while_they_wait():
    started = []
    children = SimpleNamespace(
        start=lambda *given, modules, if_idle: started.append((modules, if_idle))
    )
    for engine in ("auto", "threads", "processes", "sequential", "futures"):
        start_early(children, engine, ("json",))
    dask = ("dask.callbacks", "dask.local")
    assert started == [(("json",), dask)] * 3 + [(("json",), ())] * 2
