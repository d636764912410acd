"""Pools of workers: how their threads and processes start, and end with their parent."""

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
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

from pixelmill.core import streams
from pixelmill.core.safe_path import python_path
from pixelmill.engines.base import STARTUP_TIMEOUT, ignore
from pixelmill.engines.malloc import keep_freed

#: Windows waits for no more than 63 handles at once, of which a pool uses two.
MOST_WINDOWS_PROCESSES = 61

#: Longest path of a socket on Linux, in bytes (unix(7)).
_LONGEST_SOCKET = 107


def start_server(name: str, preload: Sequence[str]) -> None:
    """Begin to start what the workers of an engine are forked from, where they are.

    It imports their modules, once for all of them, and goes on by itself.
    """
    context = multiprocessing.get_context(_start_method())
    if context.get_start_method() == "forkserver":
        from multiprocessing import forkserver

        os.environ["PYTHONPATH"] = python_path()  # the server finds this package there
        # Also what unpickles Dask's tasks.
        context.set_forkserver_preload([*preload, *(["dask.local"] if name == "processes" else [])])
        forkserver.ensure_running()


class Pool:
    """An executor whose workers are starting."""

    def __init__(self, executor: Executor, workers: int, ready: Sequence[Future[None]]) -> None:
        self.executor = executor
        self.workers = workers
        self._ready = ready

    def wait(self) -> None:
        """Wait until all workers are there."""
        for future in self._ready:
            future.result(STARTUP_TIMEOUT)


def thread_pool(workers: int) -> Pool:
    """Start a pool of threads."""
    executor = ThreadPoolExecutor(workers, thread_name_prefix="pixelmill")
    return Pool(executor, workers, [])


def process_pool(
    workers: int,
    preload: Sequence[str],
    prepare: Callable[[], None] | None,
    confine: Callable[[], None] | None,
) -> Pool:
    """Start a pool of processes; see `pixelmill.engines.registry.open_engine`."""
    if os.name == "nt" and workers > MOST_WINDOWS_PROCESSES:
        warnings.warn(f"Windows allows {MOST_WINDOWS_PROCESSES} processes at most", stacklevel=2)
        workers = MOST_WINDOWS_PROCESSES
    context = multiprocessing.get_context(_start_method())
    barrier = context.Barrier(workers + 1)
    executor = ProcessPoolExecutor(
        workers,
        mp_context=context,
        initializer=_start_worker,
        initargs=(barrier, tuple(preload), prepare),
    )
    ready = [executor.submit(ignore, None) for _ in range(workers)]
    if confine is not None:
        # None is done before the barrier is passed: the pool's thread will call this.
        ready[0].add_done_callback(lambda future: confine())
    # Workers start one by one as tasks are submitted and none is idle: the barrier
    # keeps each from being idle until all are there.
    threading.Thread(target=_pass, args=(barrier,), daemon=True).start()
    return Pool(executor, workers, ready)


def _start_method() -> str:
    """How worker processes start.

    Never by fork: it deadlocks where a library holds a lock in another thread. The fork
    server needs a socket in the folder for temporary files, whose path has to be short.
    """
    config = getattr(multiprocessing.current_process(), "_config", {})
    folder = config.get("tempdir") or os.path.join(tempfile.gettempdir(), "pymp-12345678")
    socket = os.path.join(folder, "listener-12345678")
    if sys.platform == "linux" and len(os.fsencode(socket)) <= _LONGEST_SOCKET:
        return "forkserver"
    return "spawn"


def _pass(barrier: Any) -> None:
    with contextlib.suppress(threading.BrokenBarrierError):
        barrier.wait(STARTUP_TIMEOUT)


def _start_worker(barrier: Any, preload: Sequence[str], prepare: Callable[[], None] | None) -> None:
    """Prepare a worker process: Ctrl-C is its parent's, and so is its life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    streams.secure()
    die_with_parent()
    keep_freed()
    for module in preload:  # at once where the fork server has them
        importlib.import_module(module)
    if prepare is not None:
        prepare()
    barrier.wait(STARTUP_TIMEOUT)


def die_with_parent() -> None:
    """End this worker process when its parent ends, however that does."""
    ask_to_die_with_parent()
    threading.Thread(target=_watch_parent, daemon=True).start()


def end_with(parent: int) -> None:
    """End this process when its parent, of this number, ends, however that does."""
    if sys.platform == "linux":
        ask_to_die_with_parent()
        if os.getppid() != parent:  # it ended before
            os._exit(1)
    else:
        threading.Thread(target=_outlive, args=(parent,), daemon=True).start()


def ask_to_die_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends, if it is Linux."""
    if sys.platform == "linux":
        import ctypes

        # A thread cannot act while C code holds the GIL; the kernel can.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


#: Number of the call that asks Linux for a signal when the parent dies.
_PR_SET_PDEATHSIG = 1


def _watch_parent() -> None:
    from multiprocessing.connection import wait

    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _outlive(parent: int) -> None:
    import psutil

    with contextlib.suppress(psutil.Error):
        psutil.Process(parent).wait()  # type: ignore[no-untyped-call]
    os._exit(1)


def end_processes() -> None:
    """Kill all worker processes of this process, and wait for their end."""
    for child in multiprocessing.active_children():
        child.kill()
    for child in multiprocessing.active_children():
        child.join()
