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
        elif code in (0x15, 0x35, 0x45):
            is_true = {0x15: word == operand, 0x35: word >= operand, 0x45: word & operand}[code]
            at += if_true if is_true else if_false
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


X86_64 = 0xC000003E

#: Calls that no confined process needs: their numbers (``asm/unistd_64.h``) and arguments.
NEVER_ALLOWED = {
    "truncate": (76,), "chmod": (90,), "fchmod": (91,), "chown": (92,), "fchown": (93,),
    "lchown": (94,), "fchownat": (260,), "fchmodat": (268,), "fchmodat2": (452,),
    "setxattr": (188,), "fsetxattr": (190,), "setxattrat": (463,), "removexattr": (197,),
    "file_setattr": (469,), "ptrace": (101,), "process_vm_readv": (310,),
    "process_vm_writev": (311,), "pidfd_open": (434,), "pidfd_getfd": (438,), "shmget": (29,),
    "mq_open": (240,), "setpriority": (141,), "sched_setaffinity": (203,), "mount": (165,),
    "unshare": (272,), "setns": (308,), "keyctl": (250,), "bpf": (321,), "userfaultfd": (323,),
    "io_uring_setup": (425,), "perf_event_open": (298,), "open_by_handle_at": (304,),
    "memfd_create": (319,), "memfd_secret": (447,), "openat2": (437,),
    "type into the terminal": (16, 0, 0x5412), "paste into the console": (16, 0, 0x541C),
    "set flags of a file": (16, 0, 0x40086602), "set more of them": (16, 0, 0x401C5820),
    "limit another process": (302, 1), "open as another user": (2, 0, 0, 0o4755),
    "create as another group": (85, 0, 0o2755), "mknod as another user": (133, 0, 0o4755),
    "openat as another user": (257, 0, 0, 0, 0o4755), "mknodat as both": (259, 0, 0, 0o6755),
}  # fmt: skip

#: Calls that rendering needs.
ALWAYS_ALLOWED = {
    "read": (0,), "mmap": (9,), "clone": (56,), "exit": (60,), "socketpair": (53,),
    "size of the terminal": (16, 0, 0x5413), "limit itself": (302, 0),
    "open": (2, 0, 0, 0o644), "create": (85, 0, 0o755), "openat": (257, 0, 0, 0, 0o666),
    "mknodat": (259, 0, 0, 0o777), "kill itself": (62, os.getpid()),
    "signal itself": (234, os.getpid()),
}  # fmt: skip

#: Calls that are allowed for a purpose.
PROGRAMS = {"execve": (59,), "execveat": (322,)}
SOCKETS = {"socket": (41,), "connect": (42,), "bind": (49,), "listen": (50,), "accept4": (288,)}
FILE_TIMES = {"utime": (132,), "utimes": (235,), "futimesat": (261,), "utimensat": (280,)}
OTHERS = {"kill": (62, 1), "tgkill": (234, 1), "tkill": (200, 1), "rt_sigqueueinfo": (129, 1),
          "rt_tgsigqueueinfo": (297, 1), "pidfd_send_signal": (424, 1)}  # fmt: skip
PURPOSES = {**PROGRAMS, **SOCKETS, **FILE_TIMES, **OTHERS}


@pytest.mark.parametrize(
    ("given", "has_workers", "allowed"),
    [
        ({}, False, {}),
        ({}, True, OTHERS),
        ({"execute": True}, False, PROGRAMS | OTHERS),  # a program may start others, and end them
        ({"network": True}, False, SOCKETS),
        ({"times": True}, False, FILE_TIMES),
    ],
    ids=["nothing", "workers", "execute", "network", "times"],
)
def test_a_confined_process_can_make_the_calls_that_it_needs(
    monkeypatch, given, has_workers, allowed
):
    installed = []
    monkeypatch.setattr(landlock, "version", lambda: 0)
    monkeypatch.setattr(seccomp, "available", lambda: True)
    monkeypatch.setattr(seccomp, "_install", installed.append)
    sandbox.confine_process(Confinement((), **given), has_workers)
    (program,) = installed
    calls = {**NEVER_ALLOWED, **ALWAYS_ALLOWED, **PURPOSES}
    found = {
        name for name, (number, *arguments) in calls.items()
        if run_filter(program, number, X86_64, arguments) == ALLOW
    }  # fmt: skip
    assert found == {*ALWAYS_ALLOWED, *allowed}


def test_files_are_added_to_those_of_the_library_for_a_purpose():
    def added(has_workers=False, **given):
        plain = dict(Confinement(()).rules(has_workers=False))
        return dict(Confinement((), **given).rules(has_workers)).keys() - plain

    assert "/usr" in added(execute=True) and "/etc/resolv.conf" not in added(execute=True)
    assert "/etc/resolv.conf" in added(network=True) and "/usr" not in added(network=True)
    assert added(times=True) == set()
    assert added(has_workers=True) == {"/dev/shm"}


def test_modules_and_libraries_can_be_loaded_from_wherever_the_interpreter_finds_them(monkeypatch):
    monkeypatch.setattr(sys, "path", ["", "/modules"])
    monkeypatch.setattr(sys, "pycache_prefix", "/compiled")
    monkeypatch.setenv("LD_LIBRARY_PATH", os.pathsep.join(("/some", "", "/libraries")))
    found = {*sandbox.interpreter_paths()}
    places = {"/modules", "/compiled", "/some", "/libraries", sys.prefix, sys.base_prefix}
    assert places | {safe_path.LIBRARY} <= found
    assert "" not in found  # the current folder


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux confines")
@pytest.mark.parametrize(
    ("files", "calls", "what"),
    [
        (6, True, ""),
        (0, True, "only partly confined: this kernel, processor or container has no Landlock"),
        (6, False, "only partly confined: this kernel, processor or container has no filter"),
        (0, False, "not confined: this kernel, processor or container does not allow it"),
    ],
)
def test_what_the_system_cannot_confine_is_told_by_a_pass_and_by_the_report(
    monkeypatch, caplog, files, calls, what
):
    caplog.set_level("INFO")
    monkeypatch.setattr(landlock, "version", lambda: files)
    monkeypatch.setattr(seccomp, "available", lambda: calls)
    sandbox.Sandbox().confine([], [])
    for text in (caplog.text, sandbox.remark("auto")):
        assert what in text and bool(text) == bool(what)
    on_cluster = sandbox.remark("auto", ["distributed"])
    assert (what or "The workers of the engine distributed are not") in on_cluster


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
