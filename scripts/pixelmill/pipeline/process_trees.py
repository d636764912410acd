"""The end of processes with everything that they started.

An own step may start processes, have them start others, and detach them from its session. Each
child therefore has a marker in its environment, which everything that it starts inherits; and
while children run, Linux makes this process the parent of their orphans (a "subreaper"). When a
child ends, everything with its marker is killed.

Other systems have no subreapers: there, the descendants that a child has when it ends are killed,
and a process whose parents ended before is missed. On Linux, a process is missed if it clears its
environment and leaves its session and its parents; if such a process ends by itself, it may stay
a zombie for as long as this process lives.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator

log = logging.getLogger(__name__)

#: Marks a child and everything that it starts: token of the run, number of the child.
VARIABLE = "PIXELMILL_OFFSPRING"

#: How long killed processes may take to disappear, in seconds.
END_ALLOWANCE = 10.0

#: How often it is checked whether they have, in seconds.
_LOOK_INTERVAL = 0.002

#: The most processes that a message names.
_MOST_NAMED = 10

#: Numbers of these operations on Linux (prctl.h).
_PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 36, 37


class _Subreaper:
    """Makes this process the parent of orphaned descendants, while anybody needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before = 0

    def enter(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1 and sys.platform == "linux":
                import ctypes

                before = ctypes.c_int()
                prctl = ctypes.CDLL(None).prctl
                prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(before))
                self._before = before.value
                prctl(_PR_SET_CHILD_SUBREAPER, 1)

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users and sys.platform == "linux":
                import ctypes

                ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, self._before)


subreaper = _Subreaper()


@functools.cache
def adopt_orphans() -> None:
    """Make orphans of this process's children its own children, until it ends.

    A worker that was started for a run also leaves the session of the run, because a step may
    kill its whole process group.
    """
    subreaper.enter()
    if VARIABLE in os.environ and sys.platform == "linux":
        with contextlib.suppress(PermissionError):  # it already has its own
            os.setsid()


def end_all(
    marker: str, processes: Iterable[subprocess.Popen[bytes]], below: Iterable[int] = ()
) -> None:
    """Kill children with a marker and everything that they started, and wait until they are gone.

    Parameters
    ----------
    marker : str
    processes : iterable of subprocess.Popen
        The children.
    below : iterable of int
        Numbers of processes that came from children that have ended.
    """
    processes = list(processes)
    if sys.platform != "linux":
        _end_trees(processes)
        return
    end = time.monotonic() + END_ALLOWANCE
    sessions = {process.pid for process in processes}  # each has its own
    known = set(below)
    for process in processes:
        if process.poll() is None:  # not reaped, so its number is not reused
            known |= {process.pid, *descendants(process.pid)}
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
    while True:
        here = set(children_of(os.getpid()))
        ours = {
            pid
            for pid in here
            if pid in known or _has_marker(pid, marker) or _session_of(pid) in sessions
        }
        for pid in list(ours):
            ours |= descendants(pid)
        known |= ours
        for pid in ours:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        gone = [process.poll() is not None for process in processes]
        for pid in ours & here - {process.pid for process in processes}:
            with contextlib.suppress(OSError):
                os.waitpid(pid, os.WNOHANG)
        if not ours and all(gone):
            return
        if time.monotonic() > end:
            some = ", ".join(map(str, sorted(ours)[:_MOST_NAMED]))
            log.warning("%d processes have not ended after they were killed: %s", len(ours), some)
            return
        time.sleep(_LOOK_INTERVAL)


def _end_trees(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """Kill processes and the descendants that they have at this moment."""
    import psutil

    members = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(process.pid)  # type: ignore[no-untyped-call]
            members += root.children(recursive=True)  # type: ignore[no-untyped-call]
        process.kill()
        process.wait()
    for member in members:
        with contextlib.suppress(psutil.Error):
            member.kill()
    psutil.wait_procs(members, timeout=END_ALLOWANCE)  # type: ignore[no-untyped-call]


def descendants(pid: int) -> set[int]:
    """Return the numbers of all descendants of a process; none if the system does not tell."""
    found: set[int] = set()
    pending = [pid]
    while pending:
        new = set(children_of(pending.pop())) - found
        found |= new
        pending += new
    return found


def children_of(pid: int) -> Iterator[int]:
    """Yield the numbers of the children of a process on Linux, including ended ones."""
    tasks: list[str] = []
    with contextlib.suppress(OSError), os.scandir(f"/proc/{pid}/task") as found:
        tasks = [task.path for task in found]
    for task in tasks:  # they may end at any moment
        with contextlib.suppress(OSError), open(f"{task}/children", "rb") as file:
            yield from map(int, file.read().split())


def _has_marker(pid: int, marker: str) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return f"{VARIABLE}={marker}".encode() in file.read().split(b"\0")
    except OSError:
        return False


def is_of_multiprocessing(pid: int) -> bool:
    """Whether `multiprocessing` started a process, apart from the resource tracker of this one."""
    from multiprocessing import resource_tracker

    if pid == getattr(resource_tracker._resource_tracker, "_pid", None):
        return False
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"multiprocessing" in file.read()
    except OSError:
        return False


def _session_of(pid: int) -> int | None:
    with contextlib.suppress(OSError):
        return os.getsid(pid)
    return None


def kill_marked(token: str) -> None:
    """Kill the processes of a run that was itself killed; they belong to the init process now.

    Parameters
    ----------
    token : str
        Token of the run, with which their markers begin.
    """
    import psutil

    found = []
    for process in psutil.process_iter():  # type: ignore[no-untyped-call]
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(VARIABLE, "").startswith(f"{token}-"):
                process.kill()  # psutil checks that the number was not reused
                found.append(process)
    psutil.wait_procs(found, timeout=END_ALLOWANCE)  # type: ignore[no-untyped-call]
