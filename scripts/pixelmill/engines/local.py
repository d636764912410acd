"""Engines within one process's reach: a plain loop, Dask's local scheduler, bare futures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from concurrent.futures import wait as wait_for_futures
from typing import Any

from pixelmill.engines.base import Result, Task


class Sequential:
    """A plain loop: no Dask, no pool."""

    def __init__(self) -> None:
        self.workers = 1
        self.startup_seconds = 0.0

    def run(
        self,
        work: Callable[[Task], Result],
        tasks: Iterable[Task],
        done: Callable[[Result], None],
    ) -> None:
        """Do the work; see `pixelmill.engines.base.Engine`."""
        for task in tasks:
            done(work(task))


class DaskLocal:
    """Dask's local scheduler over an executor of ours, kept warm from first to last."""

    def __init__(self, executor: Any, workers: int) -> None:
        self.workers = workers
        self.startup_seconds = 0.0
        self._executor = executor  # with `_max_workers`, as Dask asks for it

    def run(
        self,
        work: Callable[[Task], Result],
        tasks: Iterable[Task],
        done: Callable[[Result], None],
    ) -> None:
        """Do the work; see `pixelmill.engines.base.Engine`."""
        from dask.callbacks import Callback
        from dask.local import get_async

        tasks = list(tasks)
        # The scheduler itself, as its front end takes 6 ms to look for something to optimise.
        # Independent tasks run in descending order of their keys.
        graph = {f"batch-{len(tasks) - rank:09d}": (work, task) for rank, task in enumerate(tasks)}

        def posttask(key: str, result: Any, dsk: Any, state: Any, worker: Any) -> None:
            state["cache"][key] = None  # or Dask would keep every result to the end
            done(result)

        with Callback(posttask=posttask):  # type: ignore[no-untyped-call]
            get_async(  # type: ignore[no-untyped-call]
                self._executor.submit, self._executor._max_workers, graph, list(graph)
            )


def synchronous_executor() -> Any:
    """Dask's own: what its synchronous scheduler is made of."""
    from dask.local import SynchronousExecutor

    return SynchronousExecutor()


class PrefetchExecutor(Executor):
    """Take twice as many tasks as there are workers, so that one always waits for each.

    Dask hands out no more than ``_max_workers`` at once, and a worker would wait for
    its next batch while the main thread looks at the last one.
    """

    def __init__(self, executor: Executor, workers: int) -> None:
        self._inner = executor
        self._max_workers = 2 * workers

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Hand a task on."""
        return self._inner.submit(function, *args, **kwargs)


class Futures:
    """`concurrent.futures` alone; the difference to Dask's scheduler is what Dask costs."""

    def __init__(self, executor: Executor, workers: int) -> None:
        self.workers = workers
        self.startup_seconds = 0.0
        self._executor = executor

    def run(
        self,
        work: Callable[[Task], Result],
        tasks: Iterable[Task],
        done: Callable[[Result], None],
    ) -> None:
        """Do the work; see `pixelmill.engines.base.Engine`."""
        pending: set[Future[Result]] = set()
        remaining = iter(tasks)
        while True:
            for task in remaining:
                pending.add(self._executor.submit(work, task))
                if len(pending) >= 2 * self.workers:
                    break
            if not pending:
                return
            finished, pending = wait_for_futures(pending, return_when="FIRST_COMPLETED")
            for future in finished:
                done(future.result())
