"""Supervision: rendering goes on in a child, and what kills the child is found out.

The child hosts the engine. Where it or one of its workers dies or hangs, breadcrumbs
say which images were in hand. Each of these is tried once more, alone in a fresh
process with limits of time and memory; what still fails is recorded and left in
peace, and a new child goes on with the rest. So an image costs one image on every
engine, also on those that share one process.
"""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pixelmill import breadcrumbs
from pixelmill.batching import batches
from pixelmill.children import Child
from pixelmill.cluster import open_cluster
from pixelmill.entries import Entries, Entry
from pixelmill.errors import UserError
from pixelmill.hosting import Work
from pixelmill.jobs import Outcome, Stretch, unpack
from pixelmill.remote import Remote
from pixelmill.trials import try_alone

log = logging.getLogger(__name__)

#: Children that may die before the machine is blamed, not the images.
MOST_REBUILDS = 20

#: Reasons that hold only where an image fails alone too: another one may have taken the
#: memory, or the worker with it.
DOUBTFUL = ("out_of_memory", "crashed")

#: Name of the page on what the workers of a cluster did, beside the tables.
PERFORMANCE = "performance.html"


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
    troubled : bool
        Whether a child died, or images had to be tried alone.
    """

    workers: int = 0
    seconds: float = 0.0
    stretches: list[Stretch] = field(default_factory=list)
    troubled: bool = False


class _Pending:
    """Images of which nobody knows yet what becomes of them."""

    def __init__(self, entries: Entries) -> None:
        self._entries = entries
        self._flags = bytearray(b"\1" * len(entries))
        self._count = len(entries)

    def __len__(self) -> int:
        return self._count

    def get(self, source: str) -> Entry | None:
        """Entry of a source; None where it is known what became of it."""
        number = self._entries.find(source)
        return self._entries[number] if number is not None and self._flags[number] else None

    def remove(self, source: str) -> None:
        """Note that it is known."""
        number = self._entries.find(source)
        if number is None or not self._flags[number]:
            raise KeyError(source)
        self._flags[number] = 0
        self._count -= 1

    def rest(self) -> Entries:
        """Entries of all that are left."""
        return self._entries.where(self._flags, 1)


def _nothing() -> None:
    pass


def render(
    work: Work,
    entries: Entries,
    done: Callable[[list[Outcome]], None],
    meanwhile: Callable[[], None] = _nothing,
    early: Child | None = None,
) -> Started:
    """Render images, whatever they do to the process that has them in hand.

    Parameters
    ----------
    work : Work
    entries : Entries
        What to make, sorted by path.
    done : callable
        Called with the outcomes of each batch, in this process.
    meanwhile : callable, optional
        Called here once while the first child goes on by itself.
    early : Child, optional
        The first child, where it was started before.

    Raises
    ------
    UserError
        If children keep dying, or a cluster cannot do the work.
    """
    pending = _Pending(entries)
    started = Started()
    if work.engine == "distributed" and pending:
        _run_cluster(work, pending, done, started)
        return started
    deaths = 0
    while pending:
        with early or Child(work.engine, work.renderer.recipe) as child:
            early = None
            child.give(work, pending.rest())
            meanwhile()
            meanwhile = _nothing
            _follow(child, work, pending, done, started)
        if not pending:
            break
        suspects = child.overdue or [crumb.source for crumb in breadcrumbs.read(work.crumbs)]
        deaths += 1
        started.troubled = True
        if deaths > MOST_REBUILDS:
            raise UserError(
                f"More than {MOST_REBUILDS} worker processes died. If failures.csv does not "
                "explain it, look at the machine's memory and disk; what is done is kept, and the "
                "same run again goes on."
            )
        _settle(suspects, work, pending, done)
    return started


def _follow(
    child: Child,
    work: Work,
    pending: _Pending,
    done: Callable[[list[Outcome]], None],
    started: Started,
) -> None:
    """Take in what a child does, until it ends, dies or hangs."""
    last = time.perf_counter()
    for kind, content in child.messages(work):
        if kind == "ready":
            started.workers = content
        elif kind == "refused":
            raise UserError(content)
        elif kind == "error":
            log.debug("%s", content[1])
            raise RuntimeError(content[0])
        else:
            _settle(_take(content, pending, done, started), work, pending, done)
            last = time.perf_counter()
    child.end()
    started.seconds += child.startup_seconds
    if not pending:  # what came after the last batch was the end of the workers
        started.seconds += time.perf_counter() - last


def _run_cluster(
    work: Work,
    pending: _Pending,
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
            batches(pending.rest(), work.outputs, engine.workers, work.rate),
            lambda content: doubtful.extend(_take(content, pending, done, started)),
        )
    _settle(doubtful, work, pending, done)


def _take(
    content: bytes,
    pending: _Pending,
    done: Callable[[list[Outcome]], None],
    started: Started,
) -> list[str]:
    """Take in what became of a batch; return which of its sources to try alone."""
    outcomes, stretch = unpack(content)
    started.stretches.append(stretch)
    certain = [outcome for outcome in outcomes if outcome.reason not in DOUBTFUL]
    for outcome in certain:
        pending.remove(outcome.source)
    done(certain)
    doubtful = [outcome.source for outcome in outcomes if outcome.reason in DOUBTFUL]
    started.troubled |= bool(doubtful)
    return doubtful


def _settle(
    sources: Sequence[str],
    work: Work,
    pending: _Pending,
    done: Callable[[list[Outcome]], None],
) -> None:
    """Try images alone and take in what became of them."""
    found = filter(None, map(pending.get, sources))
    suspects = [work.outputs.job(entry) for entry in found]
    for outcome in try_alone(work.renderer, work.limits, work.workers, suspects, work.confinement):
        pending.remove(outcome.source)
        done([outcome])
