"""Supervision: rendering goes on in a child, and what kills the child is found out.

The child hosts the engine. Where it or one of its workers dies or hangs, breadcrumbs
say which images were in hand. Each of these is tried once more, alone in a fresh
process with limits of time and memory; what still fails is recorded and left in
peace, and a new child goes on with the rest. So an image costs one image on every
engine, also on those that share one process.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import multiprocessing
import multiprocessing.util
import os
import pickle
import secrets
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any

from pixelmill import breadcrumbs
from pixelmill.catalog import Entry
from pixelmill.cluster import Cluster, open_cluster
from pixelmill.engines import die_with_parent, open_engine
from pixelmill.errors import UserError
from pixelmill.limits import Limits
from pixelmill.memory import keep_freed
from pixelmill.plan import batches
from pixelmill.remote import Remote
from pixelmill.transform import Batch, Job, Outcome, Renderer, Stretch
from pixelmill.trials import try_alone

log = logging.getLogger(__name__)

#: Children that may die before the machine is blamed, not the images.
MOST_REBUILDS = 20

#: Reasons that hold only where an image fails alone too: another one may have taken the
#: memory, or the worker with it.
DOUBTFUL = ("out_of_memory", "crashed")

#: Name of the page on what the workers of a cluster did, beside the tables.
PERFORMANCE = "performance.html"

#: How often the age of the crumbs is looked at, in seconds.
_LOOK_INTERVAL = 0.25

#: Time that the workers of a killed child are given to be gone, in seconds.
_END_ALLOWANCE = 10.0


@dataclass(frozen=True)
class Work:
    """What is to be rendered, and how.

    Attributes
    ----------
    renderer : Renderer
    outputs : mapping
        Paths of the outputs by source.
    engine : str
    workers : int
    limits : Limits
    crumbs : str
        Folder for breadcrumbs.
    rate : float or None
        Mean seconds of an image, where some were measured.
    cluster : Cluster
        Where the workers of the engine ``distributed`` are.
    """

    renderer: Renderer
    outputs: Mapping[str, tuple[str, ...]]
    engine: str
    workers: int
    limits: Limits
    crumbs: str
    rate: float | None
    cluster: Cluster = field(default_factory=Cluster)


@dataclass
class Started:
    """How the engine started and went on.

    Attributes
    ----------
    workers : int
    seconds : float
        Until all workers were ready, and until all were gone again, over all children.
    stretches : list of Stretch
        When each worker was busy.
    """

    workers: int = 0
    seconds: float = 0.0
    stretches: list[Stretch] = field(default_factory=list)


def _nothing() -> None:
    pass


def render(
    work: Work,
    entries: Sequence[Entry],
    done: Callable[[list[Outcome]], None],
    meanwhile: Callable[[], None] = _nothing,
) -> Started:
    """Render images, whatever they do to the process that has them in hand.

    Parameters
    ----------
    work : Work
    entries : sequence of Entry
        What to make.
    done : callable
        Called with the outcomes of each batch, in this process.
    meanwhile : callable, optional
        Called here once while the first child starts.

    Raises
    ------
    UserError
        If children keep dying, or a cluster cannot do the work.
    """
    pending = {entry.path: entry for entry in entries}
    started = Started()
    if work.engine == "distributed" and pending:
        _run_cluster(work, pending, done, started)
        return started
    deaths = 0
    while pending:
        overdue = _run_child(work, list(pending.values()), pending, done, started, meanwhile)
        meanwhile = _nothing
        if not pending:
            break
        suspects = overdue or [crumb.source for crumb in breadcrumbs.read(work.crumbs)]
        deaths += 1
        if deaths > MOST_REBUILDS:
            raise UserError(
                f"More than {MOST_REBUILDS} worker processes died. If failures.csv does not "
                "explain it, look at the machine's memory and disk; what is done is kept, and the "
                "same run again goes on."
            )
        _settle(suspects, work, pending, done)
    return started


def _run_child(
    work: Work,
    entries: Sequence[Entry],
    pending: dict[str, Entry],
    done: Callable[[list[Outcome]], None],
    started: Started,
    meanwhile: Callable[[], None],
) -> list[str]:
    """Run one child until it ends or dies; return what it hung at."""
    breadcrumbs.clear(work.crumbs)
    # Children that are killed leave semaphores; Python removes them, and need not say so.
    sys.warnoptions.append("ignore:resource_tracker")
    began = last = time.perf_counter()
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    all_gone, lifeline = context.Pipe(duplex=False)
    child = context.Process(
        target=_host, args=(sender, lifeline, work, entries), name="pixelmill-host"
    )
    child.start()
    sender.close()
    lifeline.close()
    overdue: list[str] = []
    scratch = ""
    try:
        meanwhile()
        for kind, content in _messages(receiver, work, overdue):
            if kind == "ready":
                started.workers, scratch = content
                started.seconds += time.perf_counter() - began
            elif kind == "error":
                log.debug("%s", content[1])
                raise RuntimeError(content[0])
            elif kind == "batch":
                _settle(_take(content, pending, done, started), work, pending, done)
                last = time.perf_counter()
    finally:
        child.kill()  # also when it is done: all that is left to tidy is its folder
        child.join()
        wait([all_gone], timeout=_END_ALLOWANCE)  # its workers may be in the midst of a file
        all_gone.close()
        receiver.close()
        if scratch:
            shutil.rmtree(scratch, ignore_errors=True)
    if not pending:  # what came after the last batch was the end of the workers
        started.seconds += time.perf_counter() - last
    return overdue


def _run_cluster(
    work: Work,
    pending: dict[str, Entry],
    done: Callable[[list[Outcome]], None],
    started: Started,
) -> None:
    """Let a cluster do it; its workers find out themselves at what they die."""
    # Its own, so that workers of a run that was killed see that it is over.
    folder = os.path.abspath(os.path.join(work.crumbs, secrets.token_hex(8)))
    breadcrumbs.clear(work.crumbs)
    os.mkdir(folder, 0o700)  # what lies there is unpickled, there and here
    report = os.path.join(os.path.dirname(work.crumbs), PERFORMANCE)
    doubtful: list[str] = []
    with open_cluster(work.cluster, work.workers, folder, report) as engine:
        started.workers, started.seconds = engine.workers, engine.startup_seconds
        engine.run(
            Remote(work.renderer, folder),
            batches(list(pending.values()), work.outputs, engine.workers, work.rate),
            lambda content: doubtful.extend(_take(content, pending, done, started)),
        )
    _settle(doubtful, work, pending, done)


def _take(
    content: bytes,
    pending: dict[str, Entry],
    done: Callable[[list[Outcome]], None],
    started: Started,
) -> list[str]:
    """Take in what became of a batch; return which of its sources to try alone."""
    outcomes, stretch = pickle.loads(content)
    started.stretches.append(stretch)
    certain = [outcome for outcome in outcomes if outcome.reason not in DOUBTFUL]
    for outcome in certain:
        del pending[outcome.source]
    done(certain)
    return [outcome.source for outcome in outcomes if outcome.reason in DOUBTFUL]


def _settle(
    sources: Sequence[str],
    work: Work,
    pending: dict[str, Entry],
    done: Callable[[list[Outcome]], None],
) -> None:
    """Try images alone and take in what became of them."""
    suspects = [
        (pending[source], Job(source, work.outputs[source]))
        for source in sources
        if source in pending
    ]
    for outcome in try_alone(work.renderer, work.limits, work.workers, suspects):
        del pending[outcome.source]
        done([outcome])


def _messages(receiver: Connection, work: Work, overdue: list[str]) -> Iterator[tuple[str, Any]]:
    """Yield what the child says, until it ends or hangs."""
    look = time.monotonic() + _LOOK_INTERVAL
    while True:
        if time.monotonic() < look and wait([receiver], timeout=_LOOK_INTERVAL):
            try:
                message = receiver.recv()
            except (EOFError, OSError, pickle.UnpicklingError):  # it died, perhaps mid-word
                return
            if message[0] == "end":
                return
            yield message
            continue
        look = time.monotonic() + _LOOK_INTERVAL
        oldest = time.monotonic() - work.limits.seconds_per_image
        overdue += [c.source for c in breadcrumbs.read(work.crumbs) if c.since < oldest]
        if overdue:
            return


def _host(sender: Connection, lifeline: Connection, work: Work, entries: Sequence[Entry]) -> None:
    """Run the engine in this process, and say what becomes of each batch.

    Nothing is ever sent through the lifeline: this process and its workers hold it, so
    that it ends when the last of them does.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    die_with_parent()
    apart = work.engine in ("processes", "futures")
    prepare = partial(_prepare_worker, work.limits, work.renderer, lifeline)
    modules = ["pixelmill.transform", *(["cv2"] if work.renderer.recipe.uses_opencv else [])]
    # The folder of a caller that has engines of its own would be shared with it.
    inherited = getattr(multiprocessing.current_process(), "_config", {}).get("tempdir")
    try:
        if not apart:
            keep_freed()
            work.limits.cap_memory(work.workers)
            work.renderer.warm_up()
        gc.freeze()  # or all modules are searched for garbage once, for 25 ms of some image's time
        todo: list[Batch] = []

        def cut() -> None:
            todo.extend(batches(entries, work.outputs, work.workers, work.rate))

        with open_engine(
            work.engine, work.workers, modules, prepare if apart else None, cut
        ) as engine:
            scratch = multiprocessing.util.get_temp_dir() if apart and not inherited else ""
            sender.send(("ready", (engine.workers, scratch)))
            engine.run(
                _Packed(work.renderer, work.crumbs),
                todo,
                lambda outcomes: sender.send(("batch", outcomes)),
            )
        sender.send(("end", None))
    except BrokenExecutor:
        os._exit(1)  # the crumbs tell the rest
    except Exception as error:
        import traceback

        with contextlib.suppress(OSError):
            text = f"{type(error).__name__}: {error}"
            sender.send(("error", (text, traceback.format_exc())))


def _prepare_worker(limits: Limits, renderer: Renderer, lifeline: Connection) -> None:
    """Make a worker ready; its pool keeps these arguments, and so the lifeline, to its end."""
    limits.cap_memory(1)
    renderer.warm_up()
    gc.freeze()


class _Packed:
    """The work of a worker: a batch in, its outcomes out as bytes that the host passes on."""

    def __init__(self, renderer: Renderer, crumbs: str) -> None:
        self._renderer = renderer
        self._crumbs = crumbs

    def __call__(self, batch: Batch) -> bytes:
        with breadcrumbs.trail(self._crumbs) as leave:
            began = time.time()
            outcomes = self._renderer(batch, leave)
            worker = f"{os.getpid()}-{threading.get_ident()}"
            return pickle.dumps((outcomes, Stretch(worker, began, time.time(), len(outcomes))))
