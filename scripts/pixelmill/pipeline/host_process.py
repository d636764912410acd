"""Host process: the child process that runs an engine, seen from the process that starts it."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable, Iterator

from pixelmill.dataset.entries import Entries
from pixelmill.engines import semaphores
from pixelmill.engines.registry import LOCAL, has_processes
from pixelmill.pipeline import breadcrumbs, messages
from pixelmill.pipeline.child_processes import ChildProcesses, Message
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
    engine : str
        One of `pixelmill.engines.registry.LOCAL`.
    modules : tuple of str
        Names of the modules that its workers need.

    Attributes
    ----------
    startup_seconds : float
        Time until all of its workers were ready, without the time that it waited for its work.
    overdue : list of Breadcrumb
        Images at which it hangs.

    Raises
    ------
    UserError
        If the engine needs something that the system lacks.
    """

    def __init__(self, children: ChildProcesses, engine: str, modules: tuple[str, ...]) -> None:
        if has_processes(engine):
            semaphores.require(engine)
        self.startup_seconds = 0.0
        self.overdue: list[breadcrumbs.Breadcrumb] = []
        self._began = time.perf_counter()
        self._inbox: queue.Queue[Message] = queue.Queue(1)
        self.process = children.start("host", self._inbox, engine=engine, modules=modules)

    def __enter__(self) -> HostProcess:
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def give(self, work: Work, entries: Entries) -> None:
        """Send the work to the process; does not wait until it is read."""
        breadcrumbs.clear(work.breadcrumb_dir)
        self.process.give((work, entries))

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


def early_child(
    children: ChildProcesses, engine: str, modules: tuple[str, ...], certain: bool
) -> contextlib.AbstractContextManager[HostProcess | None]:
    """Start a host process before the plan is made, if it is certain that it will be needed."""
    if certain and engine in LOCAL:
        return HostProcess(children, engine, modules)
    return contextlib.nullcontext()
