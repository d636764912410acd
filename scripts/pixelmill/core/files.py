"""Files that are whole or absent: temporary names, atomic writes, clean-up, walks."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import stat
from collections import deque
from collections.abc import Callable, Iterator
from typing import IO, Any

from pixelmill.core.errors import UserError, cannot_write
from pixelmill.core.filenames import escape
from pixelmill.core.locks import NO_LINK, try_lock

#: Pattern of the names of temporary files, by which they differ from a user's files.
TEMPORARY = re.compile(r"\.pixelmill-[0-9a-f-]+\.tmp")

#: The most characters in a line of a table: a path and some numbers.
_LONGEST_LINE = 1_000_000

#: Identifies this process: a process number could be that of a process on another machine.
_TOKEN = os.urandom(4).hex()

_COUNT = itertools.count()


def temporary_beside(path: str) -> str:
    """Return a short, unique name for a temporary file in the folder of `path`."""
    unique = f"{_TOKEN}-{os.getpid():x}-{next(_COUNT):x}"  # a forked process has the same token
    name = max(path.rfind("/"), path.rfind(os.sep)) + 1
    return f"{path[:name]}.pixelmill-{unique}.tmp"


def write_all(descriptor: int, data: bytes) -> None:
    """Write all data to an open file with system calls; a full disk raises an error at once."""
    done = os.write(descriptor, data)
    while done < len(data):  # a disk that becomes full writes a part first
        done += os.write(descriptor, memoryview(data)[done:])


@contextlib.contextmanager
def atomic(path: str | os.PathLike[str], mode: str = "w") -> Iterator[IO[Any]]:
    r"""Open a file that appears under its name only when it is complete.

    Parameters
    ----------
    path : path
        The file; its folder is created.
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
        # A new file, so that an existing file or link of this name is not written to.
        with open(temporary, mode.replace("w", "x"), **text) as file:  # type: ignore[call-overload]
            lock_for_sweeps(file)
            yield file
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError):
            raise UserError(cannot_write(path, error.strerror or str(error))) from error
        raise


def open_log(path: str) -> int:
    """Open a log file, emptied, for appending; return its descriptor. Its folder is created.

    Raises
    ------
    UserError
        If it cannot be written, or is a link, whose target would be lost.
    """
    no_wait = getattr(os, "O_NONBLOCK", 0)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | NO_LINK | no_wait
    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        descriptor = os.open(path, flags, 0o666)
        state = os.fstat(descriptor)
        if stat.S_ISREG(state.st_mode) and state.st_nlink > 1:  # as in a backup with hard links
            os.close(descriptor)
            os.unlink(path)
            descriptor = os.open(path, flags | os.O_EXCL, 0o666)
        elif stat.S_ISREG(state.st_mode):
            os.ftruncate(descriptor, 0)
        if no_wait:
            os.set_blocking(descriptor, True)  # for a pipe that is read, a line at a time
    except OSError as error:
        whys = {errno.ELOOP: "it is a link", errno.ENXIO: "it is a pipe that no program reads"}
        why = whys.get(error.errno or 0, error.strerror)
        raise UserError(
            f"--log: '{path}' cannot be written: {why}; give another file, or correct the path."
        ) from error
    return descriptor


def sweep(folder: str | os.PathLike[str]) -> None:
    """Remove the temporary files in a folder that no process is writing."""
    for entry in os.scandir(folder):
        if TEMPORARY.fullmatch(entry.name):
            with contextlib.suppress(OSError):  # gone, or being written on Windows
                if not entry.is_file(follow_symlinks=False) or _nobody_writes(entry.path):
                    os.unlink(entry.path)


def _nobody_writes(path: str) -> bool:
    with os.fdopen(os.open(path, os.O_RDWR | NO_LINK), "rb") as file:
        return lock_for_sweeps(file)


def lock_for_sweeps(file: IO[Any]) -> bool:
    """Mark a temporary file as being written, or find that no process has marked it."""
    return os.name == "nt" or try_lock(file.fileno(), together=False)


def free_name(path: str) -> str:
    """Return a name that is not in use: the path itself, or the path followed by a number."""
    name = path
    number = 1
    while os.path.lexists(name):
        number += 1
        name = f"{path}-{number}"
    return name


def is_inside(inner: str | os.PathLike[str], outer: str | os.PathLike[str]) -> bool:
    """Return whether a path is the same folder as another one, or lies below it.

    Links are followed. Two paths may also name one folder because it is mounted twice, or
    because the file system ignores case: then its device and inode are the same.
    """
    inner, outer = os.path.realpath(inner), os.path.realpath(outer)
    with contextlib.suppress(ValueError):  # on different drives
        if os.path.commonpath([inner, outer]) == outer:
            return True
    while not _is_same(inner, outer):
        above = os.path.dirname(inner)
        if above == inner:
            return False
        inner = above
    return True


def _is_same(path: str, other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False


def modified_ns(state: os.stat_result) -> int:
    """Return the modification time in nanoseconds, limited to 64 bits, as the ledger holds it.

    Some file systems have times before 1677 or after 2262.
    """
    return _limited(state.st_mtime_ns)


def changed_ns(state: os.stat_result) -> int:
    """Return the time of the last change of content or state, in nanoseconds limited to 64 bits.

    No program can set this time, unlike the modification time. It is 0 on Windows, where the
    field holds the time of creation.
    """
    if os.name == "nt":
        return 0
    return _limited(state.st_ctime_ns)


def _limited(moment: int) -> int:
    if -_LAST_MOMENT <= moment <= _LAST_MOMENT:
        return moment
    return _LAST_MOMENT if moment > 0 else -_LAST_MOMENT


#: The last moment that fits into 64 bits, in nanoseconds since 1970.
_LAST_MOMENT = 2**63 - 1


def walk(
    root: str | os.PathLike[str], enter: Callable[[str], bool] = lambda folder: True
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Walk over a tree with one scandir per folder; links are not followed.

    Parameters
    ----------
    root : path
    enter : callable, optional
        Whether to open a folder, given by its path below `root` with ``/`` at its end.

    Yields
    ------
    relative : str
        Path below `root`, with ``/``; the paths are sorted.
    entry : os.DirEntry
        Of everything that is not a folder.
    """
    pending = [("", _listed(root))]
    while pending:
        prefix, entries = pending[-1]
        if not entries:
            pending.pop()
            continue
        entry = entries.popleft()  # an entry caches its state, so release it
        if entry.is_dir(follow_symlinks=False):
            folder = f"{prefix}{entry.name}/"
            if enter(folder):
                pending.append((folder, _listed(entry.path, folder)))
        else:
            yield prefix + entry.name, entry


def walk_unordered(root: str | os.PathLike[str]) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Walk over a tree as `walk` does, in no order.

    A folder of a million files takes 250 MB to be sorted, and next to nothing here.
    """
    pending = [("", os.fspath(root))]
    while pending:
        relative, folder = pending.pop()
        with _readable(folder, relative), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append((f"{relative}{entry.name}/", entry.path))
                else:
                    yield relative + entry.name, entry


def _listed(folder: str | os.PathLike[str], relative: str = "") -> deque[os.DirEntry[str]]:
    """Return the content of a folder, in the order of the paths below it."""
    with _readable(folder, relative):
        return deque(sorted(os.scandir(folder), key=_place))
    return deque()


@contextlib.contextmanager
def _readable(folder: str | os.PathLike[str], relative: str) -> Iterator[None]:
    """Explain why a folder cannot be read; one that is missing is taken for empty."""
    try:
        yield
    except FileNotFoundError:
        return
    except OSError as error:  # if it were skipped, its images would count as removed
        remedy = f"exclude it with '{escape(relative)}*', or " * bool(relative)
        raise UserError(
            f"The folder '{escape(os.fspath(folder))}' cannot be read: {error.strerror}; "
            f"{remedy}correct its permissions."
        ) from error


def _place(entry: os.DirEntry[str]) -> str:
    return entry.name + "/" if entry.is_dir(follow_symlinks=False) else entry.name
