"""What all engines share: their names, what they promise, and what each worker must do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

#: Engines that need this machine alone.
LOCAL = ("sequential", "threads", "processes", "futures")

#: Those whose workers are processes.
APART = ("processes", "futures")

#: Names of all engines; the last one is `pixelmill.engines.distributed`'s. `auto` means what
#: `pixelmill.pipeline.engine_choice` says.
ENGINES = (*LOCAL, "distributed")

#: Dask's synchronous scheduler over the same batches: only measured, to tell what handing
#: them out costs.
SYNCHRONOUS = "synchronous"

#: How long a pool may take to start, in seconds, before it is given up.
STARTUP_TIMEOUT = 60.0

#: Inner thread pools that would multiply with our workers.
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "VIPS_CONCURRENCY",
    "OPENCV_FOR_THREADS_NUM",
)

#: Largest result that a worker may send, in bytes: a batch of long names and long errors
#: stays well below it.
MOST_RESULT_BYTES = 32 * 2**20


class Engine(Protocol):
    """Runs work over tasks.

    Attributes
    ----------
    workers : int
    startup_seconds : float
        Until all workers were ready.
    """

    workers: int
    startup_seconds: float

    def run(
        self,
        work: Callable[[Task], Result],
        tasks: Iterable[Task],
        done: Callable[[Result], None],
    ) -> None:
        """Call ``work(task)`` for each task and ``done(result)`` as each one ends.

        `work` and the tasks must be picklable; `done` runs in the calling thread.
        """


def pin_inner_threads() -> None:
    """Give each worker one core: libraries must not start threads of their own.

    To be called before NumPy or OpenCV are imported. Snakemake would have set
    ``OMP_NUM_THREADS`` to the job's threads, for each worker.
    """
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))


def ignore(task: object) -> None:
    """Do nothing: work that only shows that a worker is there."""
