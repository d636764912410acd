"""What all engines share: their interface, their workers, and what each worker must set up."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

Task = TypeVar("Task")
Result = TypeVar("Result")

#: Longest time that a pool may take to start, in seconds.
STARTUP_TIMEOUT = 60.0

#: Tasks that are handed out per worker: one in progress, and one so that the worker need not
#: wait for the next while the main thread handles the last result.
TASKS_PER_WORKER = 2

#: Thread pools of libraries, which would multiply with our workers.
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "VIPS_CONCURRENCY",
    "OPENCV_FOR_THREADS_NUM",
)

#: Largest result that a worker may send, in bytes. A batch of long names and long error
#: messages stays well below it.
MOST_RESULT_BYTES = 32 * 2**20


class Pool(NamedTuple):
    """The workers of an engine on this machine.

    Attributes
    ----------
    executor : concurrent.futures.Executor
    workers : int
    window : int
        How many tasks to hand out at once.
    ready : sequence of Future
        One per worker that is still starting; done when the worker is ready.
    """

    executor: Executor
    workers: int
    window: int
    ready: Sequence[Future[None]] = ()

    def wait(self) -> None:
        """Wait until all workers are ready."""
        for future in self.ready:
            future.result(STARTUP_TIMEOUT)


class Engine(Protocol):
    """Runs a function over tasks.

    Attributes
    ----------
    workers : int
    startup_seconds : float
        Time until all workers were ready.
    """

    workers: int
    startup_seconds: float

    def run(
        self,
        work: Callable[[Task], Result],
        tasks: Iterable[Task],
        on_result: Callable[[Result], None],
    ) -> None:
        """Call ``work(task)`` for each task, and ``on_result(result)`` as each one ends.

        `work` and the tasks must be picklable; `on_result` is called in the calling thread.
        """


def pin_inner_threads() -> None:
    """Keep libraries from starting threads of their own, so that each worker uses one core.

    Must be called before NumPy or OpenCV are imported. Snakemake sets ``OMP_NUM_THREADS`` to
    the number of threads of the job, which would apply to each worker.
    """
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))


def ignore(task: object) -> None:
    """Do nothing: a task that only shows that a worker is ready."""
