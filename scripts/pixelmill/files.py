"""Files that are whole or absent: temporary names, atomic writes, locks, tables."""

from __future__ import annotations

import contextlib
import csv
import errno
import itertools
import json
import os
import re
import secrets
import stat
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import IO, Any

from pixelmill import regular_files
from pixelmill.errors import TreeError, UserError
from pixelmill.names import as_cell, escape, of_cell

#: Every temporary file bears this pattern, so that a sweep can tell it from a user's.
TEMPORARY = re.compile(r"\.pixelmill-[0-9a-f-]+\.tmp")


#: How long to wait for a lock, in seconds: a run whose parent was killed ends by itself.
LOCK_PATIENCE = 3.0

#: Enough for the tables of some ten thousand failures.
RESERVE_BYTES = 2**20

_DISK_ERRNOS = {errno.ENOSPC, errno.EROFS, errno.EIO, errno.EACCES, getattr(errno, "EDQUOT", -1)}
_DISK_ERRORS = {os.strerror(code) for code in _DISK_ERRNOS}

#: Most characters of a line of a table: those of a path, and some numbers.
_LONGEST_LINE = 1_000_000

#: Refuses to open a link, if the system can.
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)

#: Of this process on this machine: a number alone could meet its like from another one.
_TOKEN = secrets.token_hex(4)

# Python's own limit, 131,072 characters, would end a report over one long cell.
csv.field_size_limit(2**31 - 1)

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
            raise UserError(_cannot_write(path, error.strerror or str(error))) from error
        raise


def open_log(path: str) -> int:
    """Open a log file, empty, to append to it, by its descriptor; its folder is made.

    Raises
    ------
    UserError
        If it cannot be written, or is a link: what it leads to would be lost.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | _NO_LINK
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
    with os.fdopen(os.open(path, os.O_RDWR | _NO_LINK), "rb") as file:
        return _lock_for_sweeps(file)


def _lock_for_sweeps(file: IO[Any]) -> bool:
    """Say that a temporary file is being written, or find that nobody says so."""
    return os.name == "nt" or _lock(file.fileno(), together=False)


def write_json(path: str | os.PathLike[str], value: object) -> None:
    """Write JSON, atomically and in a fixed form."""
    with atomic(path) as file:
        json.dump(value, file, indent=1, sort_keys=False, allow_nan=False)
        file.write("\n")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read JSON that pixelmill wrote."""
    with open(regular_files.opened(path), encoding="utf-8") as file:
        return json.load(file)


def write_table(
    path: str | os.PathLike[str], header: Sequence[str], rows: Iterable[Sequence[object]]
) -> None:
    """Write a CSV table, atomically; no text in it is a formula to a spreadsheet."""
    with atomic(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(
            [as_cell(cell) if isinstance(cell, str) else cell for cell in row] for row in rows
        )


def read_table(path: str | os.PathLike[str]) -> list[dict[str, str]]:
    """Read a CSV table that pixelmill wrote, one dict a row.

    Raises
    ------
    UserError
        If the table is not there.
    """
    return list(iterate_table(path))


def iterate_table(path: str | os.PathLike[str]) -> Iterator[dict[str, str]]:
    """Read a CSV table as `read_table` does, row by row."""
    try:
        descriptor = regular_files.opened(path)
    except FileNotFoundError as error:
        raise UserError(
            f"The table '{path}' is missing; run the step that makes it first."
        ) from error
    except OSError as error:
        raise UserError(f"The table '{path}' cannot be read: {error.strerror}.") from error
    with open(descriptor, encoding="utf-8", newline="") as file:
        lines = iter(partial(file.readline, _LONGEST_LINE), "")
        try:
            for row in csv.DictReader(lines):
                yield {key: cell and of_cell(cell) for key, cell in row.items()}
        except (csv.Error, UnicodeDecodeError, AttributeError) as error:
            raise UserError(f"The table '{path}' is none of pixelmill's: {error}.") from error


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


@contextlib.contextmanager
def exclusive(folder: str | os.PathLike[str], together: bool = False) -> Iterator[None]:
    """Hold a folder for this process alone; the system lets go of it when we die.

    Parameters
    ----------
    folder : path
    together : bool
        Share it with others that say so too (not on Windows, which has no such lock:
        there it is not held).

    Raises
    ------
    UserError
        If another process holds it, or its lock file is a link.
    """
    path = os.path.join(folder, ".lock")
    try:
        os.makedirs(folder, exist_ok=True)
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o666), "r+b")
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise TreeError(f"The lock '{path}' is a link; remove it, then run again.") from error
        raise UserError(_cannot_write(folder, error.strerror)) from error
    with file:
        patience = time.monotonic() + LOCK_PATIENCE
        while not _lock(file.fileno(), together):
            if time.monotonic() > patience:
                raise UserError(
                    f"Another run is writing to '{folder}'; wait for it to end, or stop it."
                )
            time.sleep(0.1)
        yield


def _lock(descriptor: int, together: bool) -> bool:
    try:
        if os.name == "nt":
            import msvcrt

            if not together:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            kind = fcntl.LOCK_SH if together else fcntl.LOCK_EX
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


class Reserve:
    """A little of the disk, kept to be able to say that it is full.

    Parameters
    ----------
    folder : str
        On the disk that is written to.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path = os.path.join(folder, ".reserve")

    def __enter__(self) -> Reserve:
        self.release()  # of a killed run, or a link to a file that must stay as it is
        try:
            with open(self._path, "xb") as file:
                _occupy(file, RESERVE_BYTES)
        except OSError as error:
            self.release()
            raise UserError(_cannot_write(self._folder, error.strerror)) from error
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def release(self) -> None:
        """Give it back."""
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    def check(self, messages: Iterable[str]) -> None:
        """Look whether writing failed for a reason that all images share.

        Raises
        ------
        UserError
            If the disk is full or cannot be written.
        """
        for message in messages:
            if message in _DISK_ERRORS:
                raise UserError(_cannot_write(self._folder, message))


def _occupy(file: IO[bytes], size: int) -> None:
    """Take room on the disk; zeros take none where the file system compresses."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, size)
            return
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
    file.write(bytes(size))


def _cannot_write(path: object, why: str | None) -> str:
    return (
        f"'{path}' cannot be written: {why}; make room or mend it, then run the same again. "
        "What is done is kept."
    )


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
