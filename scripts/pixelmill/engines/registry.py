"""Registry of engines: a name in, a running engine out."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

from pixelmill.core.errors import UserError
from pixelmill.engines import semaphores
from pixelmill.engines.base import APART, LOCAL, SYNCHRONOUS, Engine, ignore
from pixelmill.engines.local import (
    DaskLocal,
    Futures,
    PrefetchExecutor,
    Sequential,
    synchronous_executor,
)
from pixelmill.engines.processes import end_processes, process_pool, start_server, thread_pool


@contextlib.contextmanager
def open_engine(
    name: str,
    workers: int,
    preload: Sequence[str] = (),
    prepare: Callable[[], None] | None = None,
    meanwhile: Callable[[], None] = lambda: None,
    confine: Callable[[], None] | None = None,
) -> Iterator[Engine]:
    """Start an engine; end it and its workers on leaving, whatever happened.

    Parameters
    ----------
    name : str
        One of `LOCAL`, or `SYNCHRONOUS`, which has one worker.
    workers : int
    preload : sequence of str
        Modules that the work needs, imported once for all workers where the
        platform allows.
    prepare : callable, optional
        Called in each worker process before it begins.
    meanwhile : callable, optional
        Called here while the server of the workers starts.
    confine : callable, optional
        Called, once all worker processes are there, in the thread of this process that
        takes in what they send.

    Raises
    ------
    UserError
        If the name is unknown, or the system refuses what the workers need.
    """
    started = time.perf_counter()
    if name not in (*LOCAL, SYNCHRONOUS):
        raise UserError(f"engine: '{name}' is unknown; allowed are {', '.join(LOCAL)}.")
    if name in APART:
        semaphores.require(name)
        start_server(name, preload)
    if name not in ("sequential", "futures"):
        # Dask imports most of itself when it first runs: that belongs to the start too.
        DaskLocal(synchronous_executor(), 1).run(ignore, [None], ignore)
    meanwhile()
    if name in ("sequential", SYNCHRONOUS):
        alone = Sequential() if name == "sequential" else DaskLocal(synchronous_executor(), 1)
        alone.startup_seconds = time.perf_counter() - started
        yield alone
        return
    threads = name == "threads"
    with _told(name, workers):
        pool = thread_pool(workers) if threads else process_pool(workers, preload, prepare, confine)
    try:
        pooled: Futures | DaskLocal
        if name == "futures":
            pooled = Futures(pool.executor, pool.workers)
        else:
            pooled = DaskLocal(PrefetchExecutor(pool.executor, pool.workers), pool.workers)
        with _told(name, workers):
            pool.wait()
        pooled.startup_seconds = time.perf_counter() - started
        yield pooled
        pool.executor.shutdown()
    except BaseException:
        pool.executor.shutdown(wait=False, cancel_futures=True)
        raise
    finally:
        if not threads:
            end_processes()


@contextlib.contextmanager
def _told(name: str, workers: int) -> Iterator[None]:
    """Say in a sentence that the system refuses what so many workers need."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"engine: '{name}' cannot start with {workers} workers ({error.strerror or error}); "
            "use fewer, or raise the limits that the command ulimit shows."
        ) from error
