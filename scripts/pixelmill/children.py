"""Children: processes that host an engine, seen from the process that starts them."""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import shutil
import sys
import time
from collections.abc import Iterator
from multiprocessing.connection import wait
from typing import Any

from pixelmill import breadcrumbs, launch, semaphores
from pixelmill.engines import APART, LOCAL
from pixelmill.entries import Entries
from pixelmill.hosting import Work, modules
from pixelmill.recipe import Recipe

#: How often the age of the crumbs is looked at, in seconds.
_LOOK_INTERVAL = 0.25

#: Time that the workers of a killed child are given to be gone, in seconds.
_END_ALLOWANCE = 10.0


class Child:
    """A process that hosts an engine; it starts before its work need be known.

    Parameters
    ----------
    engine : str
        One of `pixelmill.engines.LOCAL`.
    recipe : Recipe
        What its workers will do.

    Attributes
    ----------
    startup_seconds : float
        Until all of its workers were ready, less the time that it waited for its work.
    overdue : list of str
        Sources at which it hung.

    Raises
    ------
    UserError
        If the engine needs what the system does not have.
    """

    def __init__(self, engine: str, recipe: Recipe) -> None:
        if engine in APART:
            semaphores.require(engine)
        # Children that are killed leave semaphores; Python removes them, and need not say so.
        sys.warnoptions.append("ignore:resource_tracker")
        self.startup_seconds = 0.0
        self.overdue: list[str] = []
        self._scratch = ""
        self._began = time.perf_counter()
        context = multiprocessing.get_context("spawn")
        self._receiver, sender = context.Pipe(duplex=False)
        self._all_gone, lifeline = context.Pipe(duplex=False)
        inbox, self._outbox = context.Pipe(duplex=False)
        self._process = context.Process(
            target=launch.begin,
            args=(sender, lifeline, inbox, engine, modules(recipe)),
            name="pixelmill-host",
        )
        self._process.start()
        for its_own in (sender, lifeline, inbox):
            its_own.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def give(self, work: Work, entries: Entries) -> None:
        """Give it its work; what does not fit into a pipe, when it is there to take it."""
        breadcrumbs.clear(work.crumbs)
        with contextlib.suppress(OSError):  # it died, as will be seen
            self._outbox.send_bytes(pickle.dumps((work, entries)))

    def messages(self, work: Work) -> Iterator[tuple[str, Any]]:
        """Yield what it says of its work until it ends, dies or hangs.

        Yields
        ------
        tuple
            ``ready``, ``batch``, ``refused`` or ``error``, and what `pixelmill.hosting.host`
            says with it.
        """
        waited = 0.0
        look = time.monotonic() + _LOOK_INTERVAL
        while True:
            if time.monotonic() < look and wait([self._receiver], timeout=_LOOK_INTERVAL):
                kind, content = self._hear()
                if kind == "end":
                    return
                if kind == "waited":
                    waited = content
                    continue
                if kind == "ready":
                    self.startup_seconds = time.perf_counter() - self._began - waited
                yield kind, content
                continue
            look = time.monotonic() + _LOOK_INTERVAL
            oldest = time.monotonic() - work.limits.seconds_per_image
            self.overdue += [c.source for c in breadcrumbs.read(work.crumbs) if c.since < oldest]
            if self.overdue:
                return

    def _hear(self) -> tuple[str, Any]:
        """Take what it says next: ``end`` too where it died."""
        try:
            kind, content = self._receiver.recv()
            while kind == "scratch":
                self._scratch = content
                kind, content = self._receiver.recv()
        except (EOFError, OSError, pickle.UnpicklingError):  # perhaps mid-word
            return "end", None
        return kind, content

    def end(self) -> None:
        """Kill it with all its workers, also when it is done: only its folder is left to tidy."""
        if self._receiver.closed:
            return
        self._process.kill()
        self._process.join()
        wait([self._all_gone], timeout=_END_ALLOWANCE)  # workers may be in the midst of a file
        if not self._scratch:  # it may have told of it, to nobody
            self._hear()
        for mine in (self._all_gone, self._receiver, self._outbox):
            mine.close()
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)


def early_child(
    engine: str, recipe: Recipe, certain: bool
) -> contextlib.AbstractContextManager[Child | None]:
    """Start a child before there is a plan, where it is certain what it will be asked for."""
    if certain and engine in LOCAL:
        return Child(engine, recipe)
    return contextlib.nullcontext()
