"""Breadcrumbs: records of which image each worker is processing, readable after it was killed.

While a batch runs, it has a file with the names of its sources. At the start of the file is
the number of the image in progress, in a memory page that the worker shares with the file and
that outlives the worker. A file that remains names the image at which the worker died; a file
whose time is old names the image at which the worker hangs.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from pixelmill.core.root import Root

#: Monotonic time in seconds, and number of the source in progress. The sources follow.
_HEAD = struct.Struct("<dq")

#: Number if no source is in progress.
_NONE = -1

#: Separates sources; no file name contains it.
_END = b"\0"

#: How a breadcrumb file is opened: without following a link or waiting for a pipe.
_LOOK = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_LOOK |= getattr(os, "O_BINARY", 0)

#: Largest breadcrumb file: a batch of the longest names.
_MOST_BYTES = 4 * 2**20

#: Encoding of sources. Undecodable bytes, which Python holds as lone surrogates, are kept.
_CODE = ("utf-8", "surrogatepass")


class Breadcrumb(NamedTuple):
    """An image in progress, since when (monotonic seconds), and the rest of its batch."""

    source: str
    since: float
    rest: tuple[str, ...] = ()


@contextlib.contextmanager
def record(folder: str, sources: Iterable[str], name: str = "") -> Iterator[Callable[[int], None]]:
    """Record the progress of a batch while it runs.

    Parameters
    ----------
    folder : str
        Folder of the breadcrumbs.
    sources : iterable of str
        Sources of the batch.
    name : str, optional
        Name of the file; by default, it is made of the process and the thread.

    Yields
    ------
    callable
        To be called with the number of each source before it is processed.
    """
    name = name or f"{os.getpid()}-{threading.get_ident()}"
    head = _HEAD.pack(0.0, _NONE)
    root = Root(folder, follow=False)
    try:
        root.unlink(name)
        file = os.fdopen(root.create(name), "w+b")
        # Without room on the disk, access to the page would be a bus error.
        file.write(head + _END.join(source.encode(*_CODE) for source in sources))
        file.flush()
    except OSError:  # the disk is full, as the images will report
        yield lambda number: None
        return
    with file, mmap.mmap(file.fileno(), len(head)) as page:
        write, now = _HEAD.pack_into, time.monotonic
        yield lambda number: write(page, 0, now(), number)
    with contextlib.suppress(OSError):  # it was removed by somebody else
        root.unlink(name)


def read(folder: str, prefix: str = "") -> list[Breadcrumb]:
    """Read the breadcrumbs whose file names have a prefix.

    Workers may write anything to these files: what is not a breadcrumb is skipped.
    """
    found = (_read_one(entry.path) for entry in _files(folder, prefix))
    return [breadcrumb for breadcrumb in found if breadcrumb is not None]


def _read_one(path: str) -> Breadcrumb | None:
    """Read a breadcrumb; None if the file is gone, or if no image is in progress."""
    try:
        descriptor = os.open(path, _LOOK)
    except OSError:  # its batch has just ended, or it is a link
        return None
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or state.st_size > _MOST_BYTES:
            return None
        content = os.read(descriptor, _MOST_BYTES)
    finally:
        os.close(descriptor)
    if len(content) <= _HEAD.size:  # its batch has just begun
        return None
    since, number = _HEAD.unpack_from(content)
    if number == _NONE:
        return None
    try:
        names = content[_HEAD.size :].decode(*_CODE).split("\0")
        return Breadcrumb(names[number], since, tuple(names[number + 1 :]))
    except (UnicodeDecodeError, IndexError):
        return None


def forget(folder: str, prefix: str) -> None:
    """Remove the breadcrumbs whose file names have a prefix."""
    root = Root(folder, follow=False)
    for entry in _files(folder, prefix):
        with contextlib.suppress(OSError):
            root.unlink(entry.name)


def clear(folder: str) -> None:
    """Create the folder, empty; a link in its place is removed."""
    remove(folder)
    os.mkdir(folder)


def remove(folder: str) -> None:
    """Remove the folder, or a link in its place."""
    above, name = os.path.split(folder)
    Root(above).remove_tree(name)


def _files(folder: str, prefix: str) -> list[os.DirEntry[str]]:
    try:
        return [entry for entry in os.scandir(folder) if entry.name.startswith(prefix)]
    except OSError:  # workers may remove it
        return []
