"""Breadcrumbs: which image each worker is processing, readable after it was killed.

A worker that dies takes its knowledge with it, but not a page that it shares with a
file. Each batch has a file of its sources while it runs, with the number of the one in
hand before them; one that is left tells at what the worker died, and one that grows old
tells at what it hangs.
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

#: Monotonic time in seconds and number of the source in hand. The sources follow.
_HEAD = struct.Struct("<dq")

#: Number where none is in hand.
_NONE = -1

#: What stands between sources, and can be in none.
_END = b"\0"

#: How a crumb is opened to be read: no link is followed, and no pipe waited for.
_LOOK = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_LOOK |= getattr(os, "O_BINARY", 0)

#: Largest file of crumbs: a batch of the longest names.
_MOST_BYTES = 4 * 2**20

#: How sources are written: undecodable bytes, which Python holds as lone surrogates, too.
_CODE = ("utf-8", "surrogatepass")


class Crumb(NamedTuple):
    """An image that was in hand, since when (monotonic seconds), and the rest of its batch."""

    source: str
    since: float
    rest: tuple[str, ...] = ()


@contextlib.contextmanager
def trail(folder: str, sources: Iterable[str], name: str = "") -> Iterator[Callable[[int], None]]:
    """Leave crumbs while a batch runs.

    Parameters
    ----------
    folder : str
        Where to.
    sources : iterable of str
        Those of the batch.
    name : str, optional
        Of the file; by default the process and thread give it.

    Yields
    ------
    callable
        To be called with the number of each source before it is touched.
    """
    name = name or f"{os.getpid()}-{threading.get_ident()}"
    head = _HEAD.pack(0.0, _NONE)
    root = Root(folder, follow=False)
    try:
        root.unlink(name)
        file = os.fdopen(root.create(name), "w+b")
        # A page without room on the disk would be a bus error.
        file.write(head + _END.join(source.encode(*_CODE) for source in sources))
        file.flush()
    except OSError:  # the disk is full: the images will say so
        yield lambda number: None
        return
    with file, mmap.mmap(file.fileno(), len(head)) as page:
        write, now = _HEAD.pack_into, time.monotonic
        yield lambda number: write(page, 0, now(), number)
    with contextlib.suppress(OSError):  # someone removed it
        root.unlink(name)


def read(folder: str, prefix: str = "") -> list[Crumb]:
    """Read the crumbs that lie there, under names that begin so.

    Workers write them, and may write what they want: what is no crumb is passed over.
    """
    found = (_read_one(entry.path) for entry in _files(folder, prefix))
    return [crumb for crumb in found if crumb is not None]


def _read_one(path: str) -> Crumb | None:
    """Read a crumb; None if there is none any more, or no image is in hand."""
    try:
        descriptor = os.open(path, _LOOK)
    except OSError:  # its batch just ended, or it is a link
        return None
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode) or state.st_size > _MOST_BYTES:
            return None
        content = os.read(descriptor, _MOST_BYTES)
    finally:
        os.close(descriptor)
    if len(content) <= _HEAD.size:  # it just begins
        return None
    since, number = _HEAD.unpack_from(content)
    if number == _NONE:
        return None
    try:
        names = content[_HEAD.size :].decode(*_CODE).split("\0")
        return Crumb(names[number], since, tuple(names[number + 1 :]))
    except (UnicodeDecodeError, IndexError):
        return None


def forget(folder: str, prefix: str) -> None:
    """Remove the crumbs whose names begin so."""
    root = Root(folder, follow=False)
    for entry in _files(folder, prefix):
        with contextlib.suppress(OSError):
            root.unlink(entry.name)


def clear(folder: str) -> None:
    """Make the folder, empty; a link in its place is removed."""
    remove(folder)
    os.mkdir(folder)


def remove(folder: str) -> None:
    """Remove the folder, or a link in its place."""
    above, name = os.path.split(folder)
    Root(above).remove_tree(name)


def _files(folder: str, prefix: str) -> list[os.DirEntry[str]]:
    try:
        return [entry for entry in os.scandir(folder) if entry.name.startswith(prefix)]
    except OSError:  # whoever may write there may remove it
        return []
