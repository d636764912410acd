"""Host process: the child process that runs an engine, seen from the process that starts it.

This module imports little, so that a script can start a host before it does anything else.
"""

from __future__ import annotations

import contextlib
import os
import queue
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from pixelmill.dataset.file_names import LEDGER
from pixelmill.engines import semaphores
from pixelmill.engines.registry import AUTO, ENGINES, LOCAL, has_processes
from pixelmill.pipeline import breadcrumbs, messages
from pixelmill.pipeline.child_processes import ChildProcesses, Message

if TYPE_CHECKING:
    from pixelmill.dataset.entries import Entries
    from pixelmill.dataset.output_names import Outputs
    from pixelmill.pipeline.host import Work

#: How often the age of the breadcrumbs is checked, in seconds.
_LOOK_INTERVAL = 0.25

#: How long a host process may take until its workers are ready, in seconds; a pool has 60.
START_ALLOWANCE = 120.0

#: How long a host process may send nothing while no image is in progress, in seconds, beyond the
#: limit of an image. After that, it was stopped, or its workers wait for one that is gone.
QUIET_ALLOWANCE = 10.0

#: For each kind of message, the kinds that may precede it.
_AFTER = {
    "waited": ("",),
    "ready": ("waited",),
    "batch": ("ready", "batch"),
    "refused": ("waited", "ready", "batch"),
    "error": ("waited", "ready", "batch"),
}


class HostProcess:
    """A process that hosts an engine. It can be started before its work is known.

    Parameters
    ----------
    children : ChildProcesses
        Starts it.
    modules : tuple of str
        Names of modules that it imports before it reads its work, besides those of every host.
    if_idle : tuple of str
        Names of modules that it imports if its work does not arrive soon after.

    Attributes
    ----------
    children : ChildProcesses
    startup_seconds : float
        Time until all of its workers were ready, without the time that it waited for its work.
    overdue : list of Breadcrumb
        Images at which it hangs.
    """

    def __init__(
        self, children: ChildProcesses, modules: tuple[str, ...], if_idle: tuple[str, ...] = ()
    ) -> None:
        self.children = children
        self.startup_seconds = 0.0
        self.overdue: list[breadcrumbs.Breadcrumb] = []
        self._began = time.perf_counter()
        self._inbox: queue.Queue[Message] = queue.Queue(1)
        self.process = children.start("host", self._inbox, modules=modules, if_idle=if_idle)

    def __enter__(self) -> HostProcess:
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def give(self, work: Work, entries: Entries, outputs: Outputs) -> None:
        """Send the work and its images to the process; does not wait until they are read.

        Raises
        ------
        UserError
            If the engine needs something that the system lacks.
        """
        if has_processes(work.engine):
            semaphores.require(work.engine)
        breadcrumbs.clear(work.breadcrumb_dir)
        self.process.give(work, (entries, outputs))

    def messages(self, work: Work, finished: Callable[[], bool]) -> Iterator[tuple[str, bytes]]:
        """Yield the messages of the process until it ends, dies or hangs.

        Parameters
        ----------
        work : Work
        finished : callable
            Whether no more messages are expected.

        Yields
        ------
        tuple
            ``ready``, ``batch``, ``refused`` or ``error``, with the unchecked content that
            `pixelmill.pipeline.host.run_host` sends with it.

        Raises
        ------
        MalformedError
            If a message is out of turn.
        """
        waited = 0.0
        before = ""
        now = time.monotonic()
        look, patience = now + _LOOK_INTERVAL, now + START_ALLOWANCE
        allowance = QUIET_ALLOWANCE + work.limits.seconds_per_image
        while True:
            message = self._receive(min(look, patience) - now)
            if message is not None:
                if message.kind in ("end", "broken", "gone"):
                    return
                if before not in _AFTER.get(message.kind, ()):
                    raise messages.MalformedError(f"{message.kind[:20]!r} out of turn")
                before = message.kind
                if message.kind == "waited":
                    waited = messages.number(message.content)
                elif message.kind == "ready":
                    self.startup_seconds = max(0.0, time.perf_counter() - self._began - waited)
                if message.kind != "waited":
                    yield message.kind, message.content
                    if finished():  # a worker whose step started a thread would never end
                        return
                    patience = time.monotonic() + allowance
            now = time.monotonic()
            if now >= look:
                found = breadcrumbs.read(work.breadcrumb_dir)
                now = time.monotonic()
                look = now + _LOOK_INTERVAL
                oldest = now - work.limits.seconds_per_image
                self.overdue += [
                    breadcrumb for breadcrumb in found if not oldest <= breadcrumb.since <= now
                ]
                if self.overdue:
                    return
                if found:
                    patience = now + allowance
            if now >= patience:
                return

    def _receive(self, seconds: float) -> Message | None:
        with contextlib.suppress(queue.Empty):
            return self._inbox.get(timeout=max(0.0, seconds))
        return None

    def end(self) -> None:
        """Kill the process and everything that came from it, also if it is done."""
        self.process.end()


def start_early(children: ChildProcesses, engine: str, modules: Iterable[str]) -> HostProcess:
    """Start a host before its work is known.

    Parameters
    ----------
    children : ChildProcesses
        Starts it.
    engine : str
        The engine that is asked for, perhaps `AUTO`.
    modules : iterable of str
        Modules that the workers need.
    """
    dask = ENGINES["processes" if engine == AUTO else engine].modules
    return HostProcess(children, tuple(modules), if_idle=dask)


@contextlib.contextmanager
def early_host(
    folder: str, engine: str = AUTO, renderer: str = "pixelmill.imaging.renderer"
) -> Iterator[HostProcess | None]:
    """Start a host before its work is known, if a folder has no ledger: then there is work.

    The host imports what it needs while this process finds out what there is to do.

    Parameters
    ----------
    folder : str
        Where the ledger will be.
    engine : str
        The engine that is asked for.
    renderer : str
        Module of the renderer.

    Yields
    ------
    HostProcess or None
        For `pixelmill.pipeline.runner.process`. What it does not take ends here.
    """
    if engine not in (AUTO, *LOCAL) or os.path.lexists(os.path.join(folder, LEDGER)):
        yield None
        return
    with ChildProcesses(withhold=True, is_early=True) as children:
        yield start_early(children, engine, (renderer,))
