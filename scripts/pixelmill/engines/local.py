"""Engines on this machine: a plain loop, Dask's local scheduler, and bare futures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from concurrent.futures import wait as wait_for_futures
from typing import Any

from pixelmill.engines.base import Pool, Result, Task

#: The most tasks per worker that are handed out without Dask.
FEW_TASKS = 8


def needs_dask(tasks: int, workers: int) -> bool:
    """Return whether Dask is worth its import for a number of tasks."""
    return tasks > FEW_TASKS * workers


class LocalEngine:
    """An engine over a pool.

    Parameters
    ----------
    pool : Pool
    """

    def __init__(self, pool: Pool) -> None:
        self.workers = pool.workers
        self.startup_seconds = 0.0
        self._pool = pool


class Sequential(LocalEngine):
    """A plain loop in the calling thread, without Dask and without an executor."""

    def run(
        self,
        work: Callable[[Task], Result],
        tasks: Iterable[Task],
        on_result: Callable[[Result], None],
    ) -> None:
        """Run the tasks; see `pixelmill.engines.base.Engine`."""
        for task in tasks:
            on_result(work(task))


class DaskLocal(LocalEngine):
    """Dask's local scheduler over a pool that is started once.

    A few tasks are handed out without it, and do without its import, which takes 45 ms.
    """

    def run(
        self,
        work: Callable[[Task], Result],
        tasks: Iterable[Task],
        on_result: Callable[[Result], None],
    ) -> None:
        """Run the tasks; see `pixelmill.engines.base.Engine`."""
        tasks = list(tasks)
        if not needs_dask(len(tasks), self.workers):
            Futures(self._pool).run(work, tasks, on_result)
            return
        from dask.callbacks import Callback
        from dask.local import get_async

        # `get_async` is called directly, because `compute` takes 6 ms to look for something to
        # optimise. Independent tasks run in descending order of their keys.
        graph = {f"batch-{len(tasks) - rank:09d}": (work, task) for rank, task in enumerate(tasks)}

        def posttask(key: str, result: Any, dsk: Any, state: Any, worker: Any) -> None:
            state["cache"][key] = None  # otherwise Dask keeps every result until the end
            on_result(result)

        with Callback(posttask=posttask):  # type: ignore[no-untyped-call]
            get_async(  # type: ignore[no-untyped-call]
                self._pool.executor.submit, self._pool.window, graph, list(graph)
            )


class Futures(LocalEngine):
    """`concurrent.futures` alone: the difference from `DaskLocal` is the cost of Dask."""

    def run(
        self,
        work: Callable[[Task], Result],
        tasks: Iterable[Task],
        on_result: Callable[[Result], None],
    ) -> None:
        """Run the tasks; see `pixelmill.engines.base.Engine`."""
        pending: set[Future[Result]] = set()
        remaining = iter(tasks)
        while True:
            for task in remaining:
                pending.add(self._pool.executor.submit(work, task))
                if len(pending) >= self._pool.window:
                    break
            if not pending:
                return
            finished, pending = wait_for_futures(pending, return_when="FIRST_COMPLETED")
            for future in finished:
                on_result(future.result())


class InlineExecutor(Executor):
    """Runs each task at once, in the thread that submits it."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a task and return its future, which is done."""
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


def inline_pool() -> Pool:
    """Return the pool of engines that work in the calling thread."""
    return Pool(InlineExecutor(), workers=1, window=1)
