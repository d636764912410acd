"""Pools of threads and processes: how workers start, and how they end with their parent."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

from pixelmill.core import streams
from pixelmill.core.safe_path import python_path
from pixelmill.engines.base import STARTUP_TIMEOUT, TASKS_PER_WORKER, Pool, ignore
from pixelmill.engines.malloc import keep_freed

#: Windows waits for at most 63 handles at once, of which a pool uses two.
MOST_WINDOWS_PROCESSES = 61

#: Longest path of a socket on Linux, in bytes (unix(7)).
_LONGEST_SOCKET = 107

#: Number of the call that asks Linux for a signal when the parent dies (prctl(2)).
_PR_SET_PDEATHSIG = 1


def start_server(preload: Sequence[str]) -> None:
    """Start the server from which workers are forked; see `start_method`.

    The server imports the modules once for all workers. This call does not wait for it.

    Parameters
    ----------
    preload : sequence of str
        Names of the modules that the workers need.
    """
    from multiprocessing import forkserver

    os.environ["PYTHONPATH"] = python_path()  # for the server to find this package
    multiprocessing.get_context("forkserver").set_forkserver_preload([*preload])
    forkserver.ensure_running()


def thread_pool(workers: int) -> Pool:
    """Start a pool of threads."""
    executor = ThreadPoolExecutor(workers, thread_name_prefix="pixelmill")
    return Pool(executor, workers, TASKS_PER_WORKER * workers)


def process_pool(
    method: str,
    workers: int,
    preload: Sequence[str],
    prepare: Callable[[], None] | None,
    confine: Callable[[], None] | None,
) -> Pool:
    """Start a pool of processes; see `pixelmill.engines.lifecycle.open_engine`."""
    if os.name == "nt" and workers > MOST_WINDOWS_PROCESSES:
        warnings.warn(f"Windows allows {MOST_WINDOWS_PROCESSES} processes at most", stacklevel=2)
        workers = MOST_WINDOWS_PROCESSES
    context = multiprocessing.get_context(method)
    barrier = context.Barrier(workers + 1)
    executor = ProcessPoolExecutor(
        workers,
        mp_context=context,
        initializer=_start_worker,
        initargs=(barrier, tuple(preload), prepare),
    )
    ready = [executor.submit(ignore, None) for _ in range(workers)]
    if confine is not None:
        # No task ends before the barrier opens, so the callback runs in the pool's own thread.
        ready[0].add_done_callback(lambda future: confine())
    # The executor starts a worker only if a task is submitted and none is idle. The barrier
    # keeps each worker busy until all of them exist.
    threading.Thread(target=_wait_at, args=(barrier,), daemon=True).start()
    return Pool(executor, workers, TASKS_PER_WORKER * workers, ready)


def start_method(fork: bool = False) -> str:
    """Return how worker processes are started: ``fork``, ``forkserver`` or ``spawn``.

    They are forked from this process only if it has no other thread, because a fork deadlocks if
    another thread holds a lock of a library. The fork server needs a socket in the folder for
    temporary files, whose path must be short.

    Parameters
    ----------
    fork : bool
        Whether workers may be copies of this process.
    """
    if fork and sys.platform == "linux":
        with os.scandir("/proc/self/task") as threads:
            if sum(1 for _ in threads) == 1:
                return "fork"
    config = getattr(multiprocessing.current_process(), "_config", {})
    folder = config.get("tempdir") or os.path.join(tempfile.gettempdir(), "pymp-12345678")
    socket = os.path.join(folder, "listener-12345678")
    if sys.platform == "linux" and len(os.fsencode(socket)) <= _LONGEST_SOCKET:
        return "forkserver"
    return "spawn"


def _wait_at(barrier: Any) -> None:
    with contextlib.suppress(threading.BrokenBarrierError):
        barrier.wait(STARTUP_TIMEOUT)


def _start_worker(barrier: Any, preload: Sequence[str], prepare: Callable[[], None] | None) -> None:
    """Prepare a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    streams.secure()
    die_with_parent()
    keep_freed()
    import_all(preload)  # has no effect if the worker was forked
    if prepare is not None:
        prepare()
    barrier.wait(STARTUP_TIMEOUT)


def import_all(modules: Sequence[str]) -> None:
    """Import modules by their names."""
    for module in modules:
        importlib.import_module(module)


def die_with_parent() -> None:
    """Make this worker process end when its parent ends, however that happens."""
    ask_to_die_with_parent()
    threading.Thread(target=_watch_parent, daemon=True).start()


def end_with(parent: int) -> None:
    """Make this process end when its parent ends, however that happens.

    Parameters
    ----------
    parent : int
        Process ID of the parent.
    """
    if sys.platform == "linux":
        ask_to_die_with_parent()
        if os.getppid() != parent:  # it has ended already
            os._exit(1)
    else:
        threading.Thread(target=_exit_after, args=(parent,), daemon=True).start()


def ask_to_die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends, on Linux."""
    if sys.platform == "linux":
        import ctypes

        # A thread cannot act while C code holds the GIL; the kernel can.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _watch_parent() -> None:
    from multiprocessing.connection import wait

    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _exit_after(parent: int) -> None:
    import psutil

    with contextlib.suppress(psutil.Error):
        psutil.Process(parent).wait()  # type: ignore[no-untyped-call]
    os._exit(1)


def end_processes() -> None:
    """Kill all worker processes of this process, and wait until they have ended."""
    for child in multiprocessing.active_children():
        child.kill()
    for child in multiprocessing.active_children():
        child.join()
