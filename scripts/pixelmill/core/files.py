"""Files that are whole or absent: temporary names, atomic writes, sweeps, walks."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import secrets
import stat
from collections import deque
from collections.abc import Callable, Iterator
from typing import IO, Any

from pixelmill.core.errors import UserError, cannot_write
from pixelmill.core.filenames import escape
from pixelmill.core.locks import NO_LINK, try_lock

#: Every temporary file bears this pattern, so that a sweep can tell it from a user's.
TEMPORARY = re.compile(r"\.pixelmill-[0-9a-f-]+\.tmp")

#: Most characters of a line of a table: those of a path, and some numbers.
_LONGEST_LINE = 1_000_000

#: Of this process on this machine: a number alone could meet its like from another one.
_TOKEN = secrets.token_hex(4)

_COUNT = itertools.count()


def temporary_beside(path: str) -> str:
    """Name a temporary file in the folder of `path`, short and used by nobody else."""
    unique = f"{_TOKEN}-{os.getpid():x}-{next(_COUNT):x}"  # a forked process has the same token
    name = max(path.rfind("/"), path.rfind(os.sep)) + 1
    return f"{path[:name]}.pixelmill-{unique}.tmp"


def write_all(descriptor: int, data: bytes) -> None:
    """Write to an open file by the system's own calls; a full disk says so at once."""
    done = os.write(descriptor, data)
    while done < len(data):  # a disk that fills up takes a part first
        done += os.write(descriptor, memoryview(data)[done:])


@contextlib.contextmanager
def atomic(path: str | os.PathLike[str], mode: str = "w") -> Iterator[IO[Any]]:
    r"""Open a file that appears under its name only when it is complete.

    Parameters
    ----------
    path : path
        Where the file goes; its folder is made.
    mode : {"w", "wb"}
        Text is UTF-8 with ``\n`` line ends.

    Raises
    ------
    UserError
        If it cannot be written.
    """
    path = os.fspath(path)
    temporary = temporary_beside(path)
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        # A new file: what stands there under this name, a link even, is not written through.
        with open(temporary, mode.replace("w", "x"), **text) as file:  # type: ignore[call-overload]
            _lock_for_sweeps(file)
            yield file
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise UserError(cannot_write(path, error.strerror or str(error))) from error
        raise


def open_log(path: str) -> int:
    """Open a log file, empty, to append to it, by its descriptor; its folder is made.

    Raises
    ------
    UserError
        If it cannot be written, or is a link: what it leads to would be lost.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | NO_LINK
    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        descriptor = os.open(path, flags, 0o666)
        state = os.fstat(descriptor)
        if stat.S_ISREG(state.st_mode) and state.st_nlink > 1:  # as in a backup by hard links
            os.close(descriptor)
            os.unlink(path)
            descriptor = os.open(path, flags | os.O_EXCL, 0o666)
        elif stat.S_ISREG(state.st_mode):
            os.ftruncate(descriptor, 0)
    except OSError as error:
        why = "it is a link" if error.errno == errno.ELOOP else error.strerror
        raise UserError(
            f"--log: '{path}' cannot be written: {why}; give another file, or correct the path."
        ) from error
    return descriptor


def sweep(folder: str | os.PathLike[str]) -> None:
    """Remove the temporary files in a folder that nobody is writing any more."""
    for entry in os.scandir(folder):
        if TEMPORARY.fullmatch(entry.name):
            with contextlib.suppress(OSError):  # gone, or of a writer on Windows
                if not entry.is_file(follow_symlinks=False) or _nobody_writes(entry.path):
                    os.unlink(entry.path)


def _nobody_writes(path: str) -> bool:
    with os.fdopen(os.open(path, os.O_RDWR | NO_LINK), "rb") as file:
        return _lock_for_sweeps(file)


def _lock_for_sweeps(file: IO[Any]) -> bool:
    """Say that a temporary file is being written, or find that nobody says so."""
    return os.name == "nt" or try_lock(file.fileno(), together=False)


def free_name(path: str) -> str:
    """Name that nothing bears yet: the path itself, or with a number behind it."""
    name = path
    number = 1
    while os.path.lexists(name):
        number += 1
        name = f"{path}-{number}"
    return name


def lies_in(inner: str | os.PathLike[str], outer: str | os.PathLike[str]) -> bool:
    """Whether a path is the other one or lies below it, links followed."""
    outer = os.path.realpath(outer)
    try:
        return os.path.commonpath([os.path.realpath(inner), outer]) == outer
    except ValueError:  # on different drives
        return False


def modified_ns(state: os.stat_result) -> int:
    """When a file was modified, in nanoseconds that 64 bits hold, as the ledger has them.

    Some file systems know times before 1677 and after 2262, which count as the first and
    the last moment between.
    """
    return min(max(state.st_mtime_ns, -_LAST_MOMENT), _LAST_MOMENT)


def changed_ns(state: os.stat_result) -> int:
    """When a file's content or state last changed, in nanoseconds that 64 bits hold.

    No program can set this time back, as it can the time of modification. 0 on Windows,
    where the field holds the time of creation.
    """
    if os.name == "nt":
        return 0
    return min(max(state.st_ctime_ns, -_LAST_MOMENT), _LAST_MOMENT)


#: The last moment that 64 bits hold, in nanoseconds since 1970.
_LAST_MOMENT = 2**63 - 1


def walk(
    root: str | os.PathLike[str], enter: Callable[[str], bool] = lambda folder: True
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Walk a tree with one scandir a folder, links not followed.

    Parameters
    ----------
    root : path
    enter : callable, optional
        Whether to open a folder, by its path below `root` with ``/`` at its end.

    Yields
    ------
    relative : str
        Path below `root`, with ``/``; they come sorted.
    entry : os.DirEntry
        Of everything that is no folder.
    """
    pending = [("", _listed(root))]
    while pending:
        prefix, entries = pending[-1]
        if not entries:
            pending.pop()
            continue
        entry = entries.popleft()  # each keeps its state once asked, and is let go of here
        if entry.is_dir(follow_symlinks=False):
            folder = f"{prefix}{entry.name}/"
            if enter(folder):
                pending.append((folder, _listed(entry.path, folder)))
        else:
            yield prefix + entry.name, entry


def _listed(folder: str | os.PathLike[str], relative: str = "") -> deque[os.DirEntry[str]]:
    """What lies in a folder, in the order of the paths that begin with it."""
    try:
        return deque(sorted(os.scandir(folder), key=_place))
    except FileNotFoundError:
        return deque()
    except OSError as error:  # to go on would take its images for removed
        remedy = f"exclude it by '{escape(relative)}*', or let it be read" * bool(relative)
        raise UserError(
            f"The folder '{escape(os.fspath(folder))}' cannot be read: {error.strerror}; "
            f"{remedy or 'let it be read'}."
        ) from error


def _place(entry: os.DirEntry[str]) -> str:
    return entry.name + "/" if entry.is_dir(follow_symlinks=False) else entry.name
