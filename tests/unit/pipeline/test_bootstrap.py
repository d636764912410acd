"""A child process starts quickly, and is told by its parent what to do."""

import json
import multiprocessing
import os
import pickle
import queue
import subprocess
import sys
from multiprocessing import util
from multiprocessing.synchronize import SemLock
from types import SimpleNamespace

import pytest

from pixelmill.engines import processes
from pixelmill.pipeline import bootstrap, messages
from pixelmill.pipeline.child_processes import ChildProcesses

pytestmark = pytest.mark.usefixtures("started_children")

HEAVY = {
    "dataclasses",  # its import takes 6 ms; named tuples suffice
    "PIL",
    "numpy",
    "cv2",
    "dask",
    "yaml",
    "pixelmill.pipeline.host",
    "pixelmill.imaging.renderer",
}


@pytest.fixture
def imported(repository):
    """Function that returns the names of all modules that a new interpreter has after a program."""

    def run(*lines):
        program = "\n".join([*lines, "import json, sys", "print(json.dumps(list(sys.modules)))"])
        command = [sys.executable, "-c", program]
        done = subprocess.run(
            command, cwd=repository / "scripts", check=True, stdout=subprocess.PIPE
        )
        return set(json.loads(done.stdout))

    return run


def test_the_bootstrap_imports_little(imported):
    assert not HEAVY & imported("import pixelmill.pipeline.bootstrap")


def test_a_script_imports_little_before_it_starts_its_host(imported):
    found = imported(
        "from pixelmill.app import cli, command, launcher",
        "from pixelmill.pipeline import host_process",
    )
    assert not (HEAVY - {"dataclasses"}) & found
    few = imported(
        "from pixelmill.app import cli, launcher", "import pixelmill.pipeline.host_process"
    )
    assert not {"dataclasses", "secrets", "pixelmill.core.sandbox"} & few
    assert not {name for name in found if name.startswith("pixelmill.imaging")}


#: What takes the parent long to import, and it needs only later, or for a config.
LATER = {"numpy", "cv2", "dask", "jsonschema", "importlib.metadata", "psutil"}


def test_a_parent_imports_little_before_its_host_gets_its_work(imported):
    assert not LATER & imported(
        "from pixelmill.app import cli, config",
        "from pixelmill.engines.machine import cores",
        "from pixelmill.pipeline import runner",
        "config.named_recipe('light'), cores()",
    )


def test_a_host_imports_no_colour_management_and_no_fonts_before_they_are_needed(imported):
    rare = {"PIL.ImageCms", "PIL.ImageFont", "dask"}
    assert not rare & imported("from pixelmill.pipeline import host")


#: In a process of its own: this one may have a server already.
PROGRAM = """
import multiprocessing, sys
from pixelmill.engines import processes

def tell(sender):
    sender.send(list(sys.modules))

if __name__ == "__main__":
    processes.start_server(["pixelmill.pipeline.host", "dask.local"])
    context = multiprocessing.get_context("forkserver")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=tell, args=(sender,))
    child.start()
    print({"pixelmill.pipeline.host", "dask.local"} <= set(receiver.recv()))
    child.join()
"""


@pytest.mark.skipif(
    processes.start_method() != "forkserver", reason="this system has no server that forks"
)
def test_workers_find_their_modules_imported(tmp_path, repository):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(repository / "scripts")}
    command = [sys.executable, program]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    assert done.stdout == b"True\n"


def test_a_host_reports_how_long_it_waited_for_its_work(monkeypatch):
    clock, sent = [1000.0], []

    def orders():
        clock[0] += 50.5
        yield pickle.dumps("work")
        yield pickle.dumps("images")

    def has_order(seconds):
        clock[0] += 2
        return False

    def run(channel, work, images, stay):
        sent.append((work, images()))

    channel = SimpleNamespace(send=lambda *words: sent.append(words))
    monkeypatch.setattr(bootstrap, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    monkeypatch.setattr("pixelmill.pipeline.host.run_host", run)
    bootstrap._run_host(channel, orders(), has_order, ())
    assert sent == [("waited", 52.5), ("work", "images")]


@pytest.mark.parametrize(
    ("is_there", "expected"), [(False, [["json"], ["dask"]]), (True, [["json"]])]
)
def test_a_host_imports_the_library_of_its_engine_only_if_its_work_is_not_there(
    is_there, expected, monkeypatch
):
    imported = []
    monkeypatch.setattr(bootstrap, "import_all", imported.append)
    monkeypatch.setattr("pixelmill.pipeline.host.libraries", lambda: ())
    monkeypatch.setattr("pixelmill.pipeline.host.run_host", lambda *given: None)
    channel = SimpleNamespace(send=lambda *words: None)
    orders = iter([pickle.dumps("work")])
    bootstrap._run_host(channel, orders, lambda seconds: is_there, ["json"], ["dask"])
    assert imported == expected


def test_a_pipe_says_whether_work_has_arrived():
    reader, writer = os.pipe()
    try:
        assert not bootstrap._is_readable(reader, 0) or os.name == "nt"
        os.write(writer, b"work")
        assert bootstrap._is_readable(reader, 60)
    finally:
        os.close(reader)
        os.close(writer)


def test_unreadable_work_ends_only_the_host(capfd):
    inbox = queue.Queue()
    with ChildProcesses() as children:
        child = children.start("host", inbox, modules=())
        messages.write(child.process.stdin.fileno(), b"no pickle")
        assert [inbox.get(timeout=60).kind for _ in range(2)] == ["waited", "gone"]
        assert child.wait() == 1
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="tells the folders by POSIX names")
def test_a_host_imports_from_the_path_of_its_parent_and_not_from_its_folder(
    tmp_path, monkeypatch, capfd
):
    """A module that was planted in a folder of images must not be run."""
    (tmp_path / "pickle.py").write_text("print('planted')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    inbox = queue.Queue()
    with ChildProcesses() as children:
        child = children.start("host", inbox, modules=())
        child.give(None)
        while inbox.get(timeout=60).kind != "gone":
            pass
    assert "planted" not in "".join(capfd.readouterr())


def test_what_multiprocessing_leaves_has_names_that_the_parent_knows(tmp_path, monkeypatch):
    process = multiprocessing.current_process()
    monkeypatch.setattr(process, "_config", dict(process._config))
    bootstrap._name_leftovers("0123", str(tmp_path))
    assert util.get_temp_dir() == str(tmp_path)
    if sys.platform == "linux":
        assert SemLock._make_name().startswith("/pixelmill-0123-")


#: Numbers of closed files are used again; a copy of a copy must not close those.
COPIES = """
import os
from pixelmill.pipeline.bootstrap import _close_in_copies

def is_open(descriptor):
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True

def in_a_copy(work):
    pid = os.fork()
    if pid == 0:
        os._exit(0 if work() else 1)
    return os.waitpid(pid, 0)[1] == 0

def copy():
    closed = not is_open(ends[0]) and not is_open(ends[1])
    again = os.pipe()
    return closed and ends == again and in_a_copy(lambda: is_open(again[0]) and is_open(again[1]))

ends = os.pipe()
_close_in_copies(*ends)
print(in_a_copy(copy), is_open(ends[0]), is_open(ends[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_copies_of_a_host_have_no_part_in_its_messages(repository):
    done = subprocess.run(
        [sys.executable, "-c", COPIES], cwd=repository / "scripts", check=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert done.stdout == b"True True True\n"
