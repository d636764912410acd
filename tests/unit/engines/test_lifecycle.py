"""All engines run any work in the same way and in order, and leave nothing behind."""

import contextlib
import multiprocessing
import operator
import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import psutil
import pytest

from pixelmill.core.errors import UserError
from pixelmill.engines import lifecycle, local, processes
from pixelmill.engines.base import pin_inner_threads
from pixelmill.engines.lifecycle import open_engine
from pixelmill.engines.registry import ENGINES, LOCAL, has_processes

INLINE = [name for name in LOCAL if ENGINES[name].pool == "inline"]
PARALLEL = [name for name in LOCAL if name not in INLINE]
WITH_PROCESSES = list(filter(has_processes, LOCAL))


class Opaque:
    """A result with weak references; Dask must not look into it."""

    def __init__(self, value):
        self.value = value


def square(number):
    return number * number


def started_at(number):
    return number, time.monotonic()


def started_in(task):
    return threading.get_ident()


def process_id(task):
    return os.getpid()


def meet(folder):
    """Wait for another worker, so that no worker takes all tasks."""
    (folder / str(os.getpid())).touch()
    end = time.monotonic() + 60
    while len(list(folder.iterdir())) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    return os.getpid()


def refuse_seven(number):
    if number == 7:
        raise ValueError("seven is refused")
    return number


def results_of(engine, work, tasks):
    results = []
    engine.run(work, tasks, results.append)
    return results


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill_all(pids):
    """Kill all processes, in case a test failed."""
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(pid).kill()


@pytest.fixture(autouse=True, params=["few tasks", "as if there were many"])
def few_tasks(request, monkeypatch):
    """Engines hand out few tasks without Dask, but must do the same with it."""
    if request.param != "few tasks":
        monkeypatch.setattr(local, "FEW_TASKS", 0)


@pytest.fixture(scope="module", params=LOCAL)
def engine(request):
    """An engine of two workers for all that leaves it as it was, and its name."""
    with open_engine(request.param, 2) as opened:
        yield opened, request.param


def test_every_engine_gives_every_result_once_in_repeated_and_empty_runs(engine):
    for numbers in (range(20), [], [3], [4]):
        assert sorted(results_of(engine[0], square, numbers)) == [n * n for n in numbers]


def test_results_arrive_in_the_calling_thread(engine):
    threads = set()
    engine[0].run(square, range(5), lambda result: threads.add(threading.get_ident()))
    assert threads == {threading.get_ident()}


def test_work_is_spread_over_all_worker_processes_or_stays_in_this_one(engine, tmp_path):
    opened, name = engine
    if name in WITH_PROCESSES:
        pids = set(results_of(opened, meet, [tmp_path] * 2))
        assert len(pids) == 2
        assert os.getpid() not in pids
    else:
        assert set(results_of(opened, process_id, [0] * 4)) == {os.getpid()}


def test_workers_leave_ctrl_c_to_their_parent(engine):
    opened, name = engine
    if name in WITH_PROCESSES:
        handlers = results_of(opened, signal.getsignal, [signal.SIGINT] * 4)
        assert set(handlers) == {signal.SIG_IGN}


def test_an_engine_says_how_many_workers_it_has_and_how_long_they_took_to_start(engine):
    opened, name = engine
    assert opened.workers == (1 if name in INLINE else 2)
    assert opened.startup_seconds > 0


@pytest.mark.parametrize(("name", "workers"), [("threads", 1), ("processes", 4), ("futures", 3)])
def test_an_engine_has_as_many_workers_as_were_asked_for(name, workers):
    with open_engine(name, workers) as engine:
        assert engine.workers == workers
        assert sorted(results_of(engine, square, range(20))) == [n * n for n in range(20)]


def test_dasks_synchronous_scheduler_is_an_engine_with_one_worker():
    with open_engine("synchronous", 4) as engine:
        assert engine.workers == 1
        assert results_of(engine, started_in, range(5)) == [threading.get_ident()] * 5


@pytest.mark.parametrize("name", LOCAL)
def test_with_one_worker_tasks_start_in_the_order_given(name):
    """Dask would order them by descending key, that is, by name."""
    with open_engine(name, 1) as engine:
        began = results_of(engine, started_at, range(30))
    assert [number for number, _ in sorted(began, key=operator.itemgetter(1))] == list(range(30))


@pytest.mark.parametrize("name", [name for name in LOCAL if name != "processes"])
def test_results_are_released_as_they_arrive(name):
    """A million outcomes must not be kept until the end."""
    living, most = weakref.WeakSet(), 0

    def done(result):
        nonlocal most
        living.add(result)
        most = max(most, len(living))

    with open_engine(name, 2) as engine:
        engine.run(Opaque, range(200), done)
    assert most < 50


@pytest.mark.parametrize("name", [*LOCAL, "synchronous"])
def test_what_is_done_while_an_engine_starts_is_done_once_and_before_it_is_ready(name):
    threads = []
    with open_engine(name, 2, while_starting=lambda: threads.append(threading.get_ident())):
        assert threads == [threading.get_ident()]


@pytest.mark.parametrize("name", INLINE)
def test_an_inline_engine_has_one_worker_whatever_was_asked_for(name):
    with open_engine(name, 8) as engine:
        assert engine.workers == 1


@pytest.mark.parametrize("name", WITH_PROCESSES)
def test_no_worker_outlives_the_engine(name, tmp_path, wait_until):
    with open_engine(name, 2) as engine:
        pids = set(results_of(engine, meet, [tmp_path] * 2))
    wait_until(lambda: not any(map(alive, pids)))


@pytest.mark.parametrize(
    ("name", "error"), [("processes", KeyboardInterrupt), ("futures", RuntimeError)]
)
def test_no_worker_outlives_an_error(name, error, tmp_path, wait_until):
    pids = set()
    with pytest.raises(error), open_engine(name, 2) as engine:
        pids.update(results_of(engine, meet, [tmp_path] * 2))
        raise error
    wait_until(lambda: not any(map(alive, pids)))


@pytest.mark.parametrize("name", WITH_PROCESSES)
def test_no_worker_that_is_busy_outlives_an_error(name, wait_until):
    def done(result):
        raise RuntimeError

    before = set(multiprocessing.active_children())
    with pytest.raises(RuntimeError), open_engine(name, 2) as engine:
        pids = [child.pid for child in {*multiprocessing.active_children()} - before]
        engine.run(time.sleep, [0, 600, 600], done)
    assert len(pids) == 2
    try:
        wait_until(lambda: not any(map(alive, pids)), seconds=30)
    finally:
        kill_all(pids)


@pytest.mark.parametrize("name", PARALLEL)
def test_no_thread_outlives_the_engine(name, wait_until):
    before = set(threading.enumerate())
    with open_engine(name, 2) as engine:
        results_of(engine, square, range(10))
    wait_until(lambda: set(threading.enumerate()) <= before)


@pytest.mark.parametrize("name", LOCAL)
def test_an_error_of_the_work_arrives_as_it_is(name):
    with pytest.raises(ValueError, match="seven is refused"), open_engine(name, 2) as engine:
        results_of(engine, refuse_seven, range(10))


@pytest.mark.parametrize("name", LOCAL)
def test_an_error_of_the_receiver_ends_the_run(name):
    def done(result):
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"), open_engine(name, 2) as engine:
        engine.run(square, range(10), done)


@pytest.mark.parametrize("name", [name for name in PARALLEL if name not in WITH_PROCESSES])
def test_after_an_error_no_thread_begins_another_task_or_outlives_the_engine(name, wait_until):
    begun, released = [], threading.Event()

    def work(number):
        begun.append(number)
        if number:
            released.wait(60)

    def done(result):
        raise RuntimeError

    before = set(threading.enumerate())
    try:
        with pytest.raises(RuntimeError) as kept, open_engine(name, 2) as engine:
            engine.run(work, range(9), done)
        released.set()
        wait_until(lambda: set(threading.enumerate()) <= before)
    finally:
        released.set()
    assert len(begun) <= 3, kept


@pytest.mark.parametrize("lacking", ["threads", "processes"])
def test_what_the_system_refuses_to_start_is_told_in_a_sentence(monkeypatch, lacking):
    def refuse(*given):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(lifecycle, "start_server", lambda modules: None)
    monkeypatch.setattr(lifecycle, "process_pool", refuse)
    monkeypatch.setattr(lifecycle, "thread_pool", refuse)
    with pytest.raises(UserError) as refusal:
        open_engine(lacking, 900).__enter__()
    assert str(refusal.value) == (
        f"engine: '{lacking}' cannot start with 900 workers (Resource temporarily unavailable); "
        "use fewer, or raise the limits that the command ulimit shows."
    )


def test_an_unknown_engine_is_refused_with_the_names_of_the_known_ones():
    with pytest.raises(UserError, match="'gpu' is unknown; allowed are sequential, threads"):
        open_engine("gpu", 2).__enter__()


def test_an_engine_that_needs_a_cluster_is_not_opened_here():
    with pytest.raises(ValueError, match="'distributed' needs a cluster"):
        open_engine("distributed", 2).__enter__()


PROGRAM = """
import json, os, sys, time
from pixelmill.engines.lifecycle import open_engine
from pixelmill.engines.base import pin_inner_threads
from multiprocessing import active_children

if __name__ == "__main__":
    pin_inner_threads()
    with open_engine(sys.argv[1], 2) as engine:
        {body}
"""


def program(tmp_path, body):
    """A program that opens an engine and that its workers can import."""
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.format(body=body), encoding="utf-8")
    return path


def test_the_settings_of_each_library_allow_one_inner_thread(monkeypatch):
    libraries = {
        "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS", "VIPS_CONCURRENCY", "OPENCV_FOR_THREADS_NUM",
    }  # fmt: skip
    for name in libraries:
        monkeypatch.setenv(name, "28")
    pin_inner_threads()
    assert {name: os.environ[name] for name in libraries} == dict.fromkeys(libraries, "1")


@pytest.fixture
def library(repository):
    """An environment in which a program finds the library, with Snakemake's thread settings."""
    scripts = str(repository / "scripts")
    return {**os.environ, "PYTHONPATH": scripts, "OMP_NUM_THREADS": "28"}


@pytest.mark.parametrize("name", PARALLEL)
def test_each_worker_has_one_inner_thread(name, tmp_path, library):
    path = program(tmp_path, "engine.run(os.getenv, ['OMP_NUM_THREADS'] * 4, print)")
    done = subprocess.run(
        [sys.executable, path, name], env=library, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1"] * 4


@pytest.mark.parametrize("name", WITH_PROCESSES)
def test_workers_die_with_a_parent_that_is_killed(name, tmp_path, library, start, wait_until):
    path = program(
        tmp_path,
        "print(json.dumps([child.pid for child in active_children()]), flush=True);"
        "engine.run(time.sleep, [600] * 2, print)",
    )
    parent = start(
        [sys.executable, path, name], env=library, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    pids = [int(pid) for pid in parent.stdout.readline().strip(b"[]\n").split(b",")]
    family = {*pids, *(child.pid for child in psutil.Process(parent.pid).children(recursive=True))}
    assert len(pids) == 2 and all(map(alive, pids))
    parent.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    try:
        wait_until(lambda: not any(map(alive, family)), seconds=30)
    finally:
        kill_all(family)


def test_processes_start_where_the_folder_for_temporary_files_has_a_long_path(
    tmp_path, photos, script
):
    scratch = tmp_path / ("deep" * 20)
    scratch.mkdir()
    options = ("--engine", "processes", "--workers", "2")
    done = script(
        "process_parallel.py", photos(tmp_path / "src", 4), tmp_path / "out", *options,
        env={**os.environ, "TMPDIR": str(scratch)},
    )  # fmt: skip
    assert done.status == 0, done.text


@pytest.mark.skipif(sys.platform != "linux", reason="workers are spawned elsewhere")
@pytest.mark.parametrize(
    ("folder", "method"),
    [("/" + 88 * "a", "forkserver"), ("/" + 89 * "a", "spawn"), ("/" + 45 * "é", "spawn")],
    ids=["short", "long", "long in bytes"],
)
def test_workers_are_spawned_where_the_socket_of_a_server_has_too_long_a_path(
    monkeypatch, folder, method
):
    process = multiprocessing.current_process()
    monkeypatch.setattr(process, "_config", {**process._config, "tempdir": folder})
    assert processes.start_method() == method


METHODS = """
import threading
from pixelmill.engines.processes import start_method
alone = start_method(fork=True), start_method()
done = threading.Event()
other = threading.Thread(target=done.wait)
other.start()
print(*alone, start_method(fork=True))
done.set()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="workers are spawned elsewhere")
def test_only_a_process_with_one_thread_is_forked_and_only_if_it_may_be(repository):
    done = subprocess.run(
        [sys.executable, "-c", METHODS], cwd=repository / "scripts", check=True,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert done.stdout.split() == ["fork", "forkserver", "forkserver"]


EARLY = """
from multiprocessing import forkserver
from pixelmill.engines.lifecycle import open_engine, start_early

def is_imported(module):
    import sys
    return module in sys.modules

if __name__ == "__main__":
    start_early(["colorsys"])
    server = forkserver._forkserver._forkserver_pid
    with open_engine("processes", 2, ["colorsys"]) as engine:
        engine.run(is_imported, ["colorsys", "dask.local"], print)
    print(server == forkserver._forkserver._forkserver_pid)
"""


@pytest.mark.skipif(processes.start_method() != "forkserver", reason="there is no fork server")
def test_workers_come_from_the_server_that_was_started_early(tmp_path, repository):
    program = tmp_path / "program.py"
    program.write_text(EARLY, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(repository / "scripts")}
    done = subprocess.run(
        [sys.executable, program], env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    *imported, is_the_same = done.stdout.split()
    assert (sorted(imported), is_the_same) == (["False", "True"], "True")


FEW = """
import sys
from pixelmill.engines.lifecycle import open_engine

with open_engine("threads", 2) as engine:
    for tasks in (16, 17):
        engine.run(abs, range(tasks), lambda result: None)
        print("dask" in sys.modules)
"""


def test_dask_is_imported_for_more_than_eight_tasks_a_worker(repository):
    done = subprocess.run(
        [sys.executable, "-c", FEW], cwd=repository / "scripts", check=True,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert done.stdout.split() == ["False", "True"]
