"""How the system confines processes, and what is reported if it cannot."""

import errno
import multiprocessing
import os
import queue
import struct
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from pixelmill.core import landlock, safe_path, sandbox, seccomp
from pixelmill.core.sandbox import Confinement
from pixelmill.engines.lifecycle import open_engine
from tests.helpers.sandboxed import needs_sandbox, tree_of


@pytest.mark.slow
def test_the_engine_distributed_says_that_it_is_not_confined(tmp_path, photos, script):
    source = photos(tmp_path / "source", 2)
    options = ("--engine", "distributed", "--workers", "1")
    done = script("process_parallel.py", source, tmp_path / "tree", *options)
    assert done.status == 0, done.text
    assert done.text.count("the workers of the engine distributed are not confined") == 1


def write_from(path):
    """Try to write, in the current thread."""
    try:
        Path(path).write_text("x")
    except PermissionError:
        return "refused"
    return "wrote"


def await_byte(pipe):
    with open(pipe, "rb", buffering=0) as file:
        file.read(1)


def host(sender, path, pipe):
    """Confine a process with workers; return what its threads and its workers can write."""
    confinement = Confinement(())
    opened = os.open(pipe, os.O_RDWR)
    confine = partial(sandbox.confine_thread, confinement, has_workers=True)
    with open_engine("futures", 2, confine=confine) as engine:
        sandbox.confine_process(confinement, has_workers=True)
        taking_in = queue.Queue()
        waiting = engine._pool.executor.submit(await_byte, pipe)
        waiting.add_done_callback(lambda _: taking_in.put(write_from(path)))
        os.write(opened, b"x")  # not before: else this thread would call back
        sender.send((taking_in.get(), write_from(path)))
        sender.send(engine._pool.executor.submit(write_from, path).result())


@needs_sandbox
@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_the_process_that_has_the_workers_is_confined_itself(tmp_path, monkeypatch, method):
    """It can nevertheless end its workers and remove their semaphores."""
    scratch = tmp_path / ("deep" * 30 if method == "spawn" else "tmp")
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))  # the fork server's socket needs a short path
    os.mkfifo(tmp_path / "pipe")
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(
        target=host, args=(sender, str(tmp_path / "new"), str(tmp_path / "pipe"))
    )
    child.start()
    sender.close()
    assert receiver.recv() == ("refused", "refused")
    assert receiver.recv() == "wrote"  # from a worker that was not confined
    child.join()
    assert child.exitcode == 0


#: Runs a script after this process has lost a system call, as in a container.
WITHOUT = """
import errno, os, runpy, sys
sys.path.insert(0, {library!r})
from pixelmill.core import seccomp
seccomp._install(seccomp.program({refused}, {{}}, {{}}))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@needs_sandbox
@pytest.mark.slow
@pytest.mark.parametrize(
    ("refused", "why"),
    [
        ([444], "only partly confined: this kernel, processor or container has no Landlock"),
        ([317], "only partly confined: this kernel, processor or container has no filter"),
        ([317, 444], "are not confined: this kernel, processor or container does not allow it"),
    ],
    ids=["Landlock", "seccomp", "both"],
)
@pytest.mark.parametrize("engine", ["sequential", "processes"])
def test_work_continues_if_the_system_cannot_confine_anything(
    tmp_path, photos, repository, engine, refused, why
):
    source = photos(tmp_path / "source", 2)
    program = WITHOUT.format(library=safe_path.LIBRARY, refused=refused)
    command = [sys.executable, "-c", program, repository / "scripts/process_parallel.py"]
    command += [source, tmp_path / "tree", "--engine", engine, "--workers", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("confined") == 1 and why in done.stderr
    assert len(tree_of(tmp_path / "tree")) == 2


def test_the_report_says_what_was_not_confined():
    off = "The workers were not confined: the config has 'sandbox: off'."
    assert sandbox.remark("off") == off
    lacking = sandbox.shortcoming()
    assert sandbox.remark("auto").lower() == (f"{lacking}." if lacking else "").lower()
    if not lacking:
        assert "distributed" in sandbox.remark("auto", ["distributed"])


def run_filter(program, number, architecture=0xC000003E, arguments=()):
    """Evaluate a filter as the kernel does; return the action."""
    data = struct.pack("=IIQ6Q", number, architecture, 0, *arguments, *[0] * (6 - len(arguments)))
    word, at = 0, 0
    while True:
        code, if_true, if_false, operand = program[at]
        at += 1
        if code == 0x20:
            (word,) = struct.unpack_from("=I", data, operand)
        elif code in (0x15, 0x35):
            at += if_true if (word == operand if code == 0x15 else word >= operand) else if_false
        else:
            return operand


ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM


def test_the_filter_refuses_by_number_argument_and_processor():
    program = seccomp.program([41, 59], {16: (1, [0x5412, 7])}, {62: (0, [123])})
    expected = {
        (0,): ALLOW, (41,): REFUSE, (59,): REFUSE, (60,): ALLOW, (1000,): ALLOW,
        # ioctl by its request, kill by its process
        (16, 0xC000003E, (9, 0x5412)): REFUSE, (16, 0xC000003E, (9, 7)): REFUSE,
        (16, 0xC000003E, (0x5412, 8)): ALLOW,
        (62, 0xC000003E, (123, 9)): ALLOW, (62, 0xC000003E, (124, 123)): REFUSE,
        (62, 0xC000003E, (2**64 - 1, 9)): REFUSE,
        # the calls of x32, of 32-bit programs, and of another processor
        (0x40000000,): REFUSE, (0x40000000 + 520,): REFUSE,
        (5, 0x40000003): REFUSE, (41, 0xC00000B7): ALLOW,
    }  # fmt: skip
    assert {call: run_filter(program, *call) for call in expected} == expected


def restricted(sender, known):
    """Restrict a thread as a kernel of a version can; return whether a rename still works."""
    landlock.version = lambda: known
    sandbox.confine_thread(Confinement((), (os.getcwd(),)))
    os.mkdir("made")
    Path("made/a").write_text("x")
    os.replace("made/a", "made/b")
    try:
        Path("../outside").write_text("x")
    except PermissionError:
        sender.send("refused")
    else:
        sender.send("wrote")


@needs_sandbox
@pytest.mark.parametrize("known", range(1, landlock.version() + 1))
def test_every_kernel_version_gets_the_rights_that_it_supports(tmp_path, monkeypatch, known):
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=restricted, args=(sender, known))
    child.start()
    sender.close()
    assert receiver.recv() == "refused"
    child.join()
    assert child.exitcode == 0
