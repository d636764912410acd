"""Engines: ways to run one function over batches, on one core or on all of them.

All take the same work and give back the same stream of results, in whatever order
they end. Only this module and `pixelmill.cluster` know Dask.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures import wait as wait_for_futures
from typing import Any, Protocol, TypeVar

from pixelmill import semaphores
from pixelmill.core import streams
from pixelmill.core.errors import UserError
from pixelmill.core.safe_path import python_path
from pixelmill.memory import keep_freed

Task = TypeVar("Task")
Result = TypeVar("Result")

#: Engines that need this machine alone.
LOCAL = ("sequential", "threads", "processes", "futures")

#: Those whose workers are processes.
APART = ("processes", "futures")

#: Names of all engines; the last one is `pixelmill.cluster`'s. `auto` means what
#: `pixelmill.choice` says.
ENGINES = (*LOCAL, "distributed")

#: Dask's synchronous scheduler over the same batches: only measured, to tell what handing
#: them out costs.
SYNCHRONOUS = "synchronous"

#: Windows waits for no more than 63 handles at once, of which a pool uses two.
MOST_WINDOWS_PROCESSES = 61

#: Longest path of a socket on Linux, in bytes (unix(7)).
_LONGEST_SOCKET = 107

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
        _DaskLocal(_synchronous_executor(), 1).run(_ignore, [None], _ignore)
    meanwhile()
    if name in ("sequential", SYNCHRONOUS):
        alone = _Sequential() if name == "sequential" else _DaskLocal(_synchronous_executor(), 1)
        alone.startup_seconds = time.perf_counter() - started
        yield alone
        return
    threads = name == "threads"
    with _told(name, workers):
        if threads:
            pool = _thread_pool(workers)
        else:
            pool = _process_pool(workers, preload, prepare, confine)
    try:
        pooled: _Futures | _DaskLocal
        if name == "futures":
            pooled = _Futures(pool.executor, pool.workers)
        else:
            pooled = _DaskLocal(_Ahead(pool.executor, pool.workers), pool.workers)
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
            _end_processes()


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


class _Sequential:
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
        for task in tasks:
            done(work(task))


class _DaskLocal:
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


def _synchronous_executor() -> Any:
    """Dask's own: what its synchronous scheduler is made of."""
    from dask.local import SynchronousExecutor

    return SynchronousExecutor()


class _Ahead(Executor):
    """Take twice as many tasks as there are workers, so that one always waits for each.

    Dask hands out no more than ``_max_workers`` at once, and a worker would wait for
    its next batch while the main thread looks at the last one.
    """

    def __init__(self, executor: Executor, workers: int) -> None:
        self._inner = executor
        self._max_workers = 2 * workers

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._inner.submit(function, *args, **kwargs)


class _Futures:
    """`concurrent.futures` alone: the yardstick for what Dask costs."""

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


class _Pool:
    """An executor whose workers are starting."""

    def __init__(self, executor: Executor, workers: int, ready: Sequence[Future[None]]) -> None:
        self.executor = executor
        self.workers = workers
        self._ready = ready

    def wait(self) -> None:
        for future in self._ready:
            future.result(STARTUP_TIMEOUT)


def _thread_pool(workers: int) -> _Pool:
    executor = ThreadPoolExecutor(workers, thread_name_prefix="pixelmill")
    return _Pool(executor, workers, [])


def _process_pool(
    workers: int,
    preload: Sequence[str],
    prepare: Callable[[], None] | None,
    confine: Callable[[], None] | None,
) -> _Pool:
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
    ready = [executor.submit(_ignore, None) for _ in range(workers)]
    if confine is not None:
        # None is done before the barrier is passed: the pool's thread will call this.
        ready[0].add_done_callback(lambda future: confine())
    # Workers start one by one as tasks are submitted and none is idle: the barrier
    # keeps each from being idle until all are there.
    threading.Thread(target=_pass, args=(barrier,), daemon=True).start()
    return _Pool(executor, workers, ready)


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


def _ignore(task: object) -> None:
    return None


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


def _end_processes() -> None:
    for child in multiprocessing.active_children():
        child.kill()
    for child in multiprocessing.active_children():
        child.join()
