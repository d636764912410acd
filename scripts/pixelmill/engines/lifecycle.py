"""Lifecycle of engines on this machine: start one, and end it with all its workers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

from pixelmill.core.errors import UserError
from pixelmill.engines import semaphores
from pixelmill.engines.base import Engine
from pixelmill.engines.local import inline_pool
from pixelmill.engines.processes import (
    end_processes,
    import_all,
    process_pool,
    start_method,
    start_server,
    thread_pool,
)
from pixelmill.engines.registry import engine_spec


def start_early(preload: Sequence[str]) -> None:
    """Start the server that the workers of an engine are forked from, if there will be one.

    The server imports what they need while this process does something else. It does not import
    Dask, which a few tasks do without.

    Parameters
    ----------
    preload : sequence of str
        As for `open_engine`.
    """
    if start_method() == "forkserver":
        start_server(preload)


@contextlib.contextmanager
def open_engine(
    name: str,
    workers: int,
    preload: Sequence[str] = (),
    prepare: Callable[[], None] | None = None,
    while_starting: Callable[[], None] = lambda: None,
    confine: Callable[[], None] | None = None,
    fork: bool = False,
) -> Iterator[Engine]:
    """Start an engine; on exit, end it and its workers, even after an error.

    Parameters
    ----------
    name : str
        An engine of `pixelmill.engines.registry` that needs no cluster.
    workers : int
        How many workers to start; engines that run inline have one.
    preload : sequence of str
        Modules that the work needs. They are imported once for all workers that are forked.
    prepare : callable, optional
        Called in each worker process before its first task.
    while_starting : callable, optional
        Called in this process while the workers start.
    confine : callable, optional
        Called once all worker processes exist, in the thread of this process that receives
        their results.
    fork : bool
        Whether worker processes may be copies of this process, which are ready sooner. They are
        if it has only one thread.

    Raises
    ------
    UserError
        If there is no such engine, or the system refuses what the workers need.
    """
    started = time.perf_counter()
    spec = engine_spec(name)
    if spec.create is None:
        raise ValueError(f"'{name}' needs a cluster; see pixelmill.engines.distributed")
    method = ""
    if spec.pool == "processes":
        semaphores.require(name)
        if fork:
            import_all(preload)
        method = start_method(fork)
        if method == "forkserver":
            start_server(preload)
    if method != "fork":
        while_starting()
    with _explain_refusal(name, workers):
        if spec.pool == "processes":
            pool = process_pool(method, workers, preload, prepare, confine)
        elif spec.pool == "threads":
            pool = thread_pool(workers)
        else:
            pool = inline_pool()
    try:
        if method == "fork":  # what it creates is not copied into the workers
            while_starting()
        engine = spec.create(pool)
        with _explain_refusal(name, workers):
            pool.wait()
        engine.startup_seconds = time.perf_counter() - started
        yield engine
        pool.executor.shutdown()
    except BaseException:
        pool.executor.shutdown(wait=False, cancel_futures=True)
        raise
    finally:
        if spec.pool == "processes":
            end_processes()


@contextlib.contextmanager
def _explain_refusal(name: str, workers: int) -> Iterator[None]:
    """Raise a `UserError` if the system refuses what so many workers need."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"engine: '{name}' cannot start with {workers} workers ({error.strerror or error}); "
            "use fewer, or raise the limits that the command ulimit shows."
        ) from error
