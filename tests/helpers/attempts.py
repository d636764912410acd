"""An own step that attempts what an exploited decoder might do, for `test_sandbox.py`.

It lies beside no config; the tests copy it there.
"""

import ctypes
import errno
import fcntl
import json
import multiprocessing
import os
import resource
import socket
import stat
import subprocess
import sys
from pathlib import Path

#: Request to type a character into a terminal, and to set the flags of a file.
TIOCSTI, FS_IOC_SETFLAGS = 0x5412, 0x40086602


def parent():
    """The process that started this one, even if there is a fork server in between."""
    started = multiprocessing.parent_process()
    return started.pid if started else os.getppid()


def connect(family, kind, address):
    with socket.socket(family, kind) as opened:
        opened.connect(address)


def execute_in_a_fork():
    child = os.fork()
    if child == 0:
        try:
            os.execv(sys.executable, [sys.executable, "--version"])
        except BaseException:
            os._exit(1)
    if os.waitpid(child, 0)[1]:
        raise PermissionError


def call(function, *arguments):
    """Call a function of the C library; it fails with its own error."""
    if getattr(ctypes.CDLL(None, use_errno=True), function)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def read_memory_of_parent():
    vector = (ctypes.c_void_p * 2)(None, ctypes.c_void_p(0))
    call("process_vm_readv", parent(), vector, 0, vector, 0, 0)


def make_shared_memory():
    """Create a System V shared memory segment, and remove it."""
    library = ctypes.CDLL(None, use_errno=True)
    segment = library.shmget(0, 4096, 0o600)
    if segment < 0:
        raise OSError(ctypes.get_errno(), "shmget")
    library.shmctl(segment, 0, None)


def make_file_by_openat2(path):
    """Make a file whose rights no filter of system calls can see."""
    how = (ctypes.c_uint64 * 3)(os.O_CREAT | os.O_WRONLY, 0o4755, 0)  # struct open_how
    call("syscall", 437, -100, os.fsencode(path), how, ctypes.sizeof(how))


def request(number, path):
    """Send an ioctl request with a file that is open for reading."""
    with open(path, "rb") as file:
        try:
            fcntl.ioctl(file, number, bytes(8))
        except OSError as error:
            if error.errno == errno.EPERM:
                raise


def attempts(root, source, tree, library, port):
    """All attempts by name; each raises an `OSError` if it is refused."""
    source, outside, tree = Path(source), Path(root, "outside"), Path(tree)
    images, photo = tree / "images", Path(source, "0.jpg")
    return {
        "write into the source": lambda: (source / "new").write_text("x"),
        "open a source to write": lambda: open(photo, "r+b").close(),
        "truncate a source": lambda: os.truncate(photo, photo.stat().st_size),
        "move a source": lambda: os.rename(photo, source / "moved") or os.rename(
            source / "moved", photo
        ),
        "link to a source": lambda: os.link(photo, images / "hard"),
        "set the rights of a source": lambda: os.chmod(photo, 0o644),
        "set the owner of a source": lambda: os.chown(photo, os.getuid(), os.getgid()),
        "set the times of a source": lambda: os.utime(photo, (5, 5)),
        "set an attribute of a source": lambda: os.setxattr(photo, "user.test", b"x"),
        "set flags of a source": lambda: request(FS_IOC_SETFLAGS, photo),
        "type into a terminal": lambda: request(TIOCSTI, photo),
        "write another tree": lambda: (outside / "images/0.jpg").write_text("x"),
        "remove another tree's file": lambda: (outside / "images/old").unlink(),
        "make a folder elsewhere": lambda: (outside / "folder").mkdir(),
        "read a secret": lambda: (outside / "secret").read_text(),
        "list a folder": lambda: list(outside.iterdir()),
        "make a symbolic link": lambda: (images / "soft").symlink_to(outside),
        "make a program that runs as its owner": lambda: os.close(
            os.open(images / "owner", os.O_CREAT | os.O_WRONLY, 0o4755)
        ),
        "make a program that runs as its group": lambda: os.mknod(
            images / "group", stat.S_IFREG | 0o2755
        ),
        "make a file by openat2": lambda: make_file_by_openat2(images / "other"),
        "make memory that is a file": lambda: os.close(os.memfd_create("memory")),
        "make a pipe": lambda: os.mkfifo(images / "pipe"),
        "open the ledger": lambda: open(tree / "ledger.sqlite", "r+b").close(),
        "read the ledger": lambda: open(tree / "ledger.sqlite", "rb").close(),
        "write the manifest": lambda: (tree / "manifest.csv").write_text("x"),
        "open the library to write": lambda: open(
            Path(library, "pixelmill/__init__.py"), "r+b"
        ).close(),
        "open this step to write": lambda: open(__file__, "r+b").close(),
        "connect by TCP": lambda: connect(
            socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", port)
        ),
        "connect by UDP": lambda: connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", port)),
        "connect by a Unix socket": lambda: connect(
            socket.AF_UNIX, socket.SOCK_STREAM, os.path.relpath(outside / "socket")
        ),
        "run a program": lambda: subprocess.run([sys.executable, "--version"], check=True),
        "spawn a program": lambda: os.waitpid(
            os.posix_spawn(sys.executable, [sys.executable, "--version"], {}), 0
        ),
        "execute a program": execute_in_a_fork,
        "signal the parent": lambda: os.kill(parent(), 0),
        "read the parent's environment": lambda: open(f"/proc/{parent()}/environ", "rb").close(),
        "change the priority of the parent": lambda: os.setpriority(
            os.PRIO_PROCESS, parent(), os.getpriority(os.PRIO_PROCESS, parent())
        ),
        "bind the parent to processors": lambda: os.sched_setaffinity(
            parent(), os.sched_getaffinity(parent())
        ),
        "make memory that outlives the run": make_shared_memory,
        "read the parent's memory": read_memory_of_parent,
        "read the parent's limits": lambda: resource.prlimit(parent(), resource.RLIMIT_NOFILE),
    }  # fmt: skip


def step(image, root, source, tree, library, port):
    """Record which attempts succeed, in a file beside the images."""
    found = {}
    for name, attempt in attempts(root, source, tree, library, port).items():
        try:
            attempt()
            found[name] = "succeeded"
        except OSError as error:
            found[name] = f"{type(error).__name__}: {error}"
    Path(tree, "images", "found.json").write_text(json.dumps(found))
    return image
