"""Breadcrumbs: which image each worker has in hand, readable after it was killed.

A worker that dies takes its knowledge with it, but not a page that it shares with a
file. Each batch has a file while it runs; one that is left tells at what the worker
died, and one that grows old tells at what it hangs.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

#: Monotonic time in seconds, then length in bytes of the path that follows.
_HEAD = struct.Struct("<dI")

#: Room for a path: the longest that Linux opens, of whose bytes none can be decoded.
_BYTES = 16_384

#: How a path is written: undecodable bytes, which Python holds as lone surrogates, too.
_CODE = ("utf-8", "surrogatepass")


class Crumb(NamedTuple):
    """An image that was in hand, and since when (monotonic seconds)."""

    source: str
    since: float


@contextlib.contextmanager
def trail(folder: str | None, name: str = "") -> Iterator[Callable[[str], None]]:
    """Leave crumbs while a batch runs.

    Parameters
    ----------
    folder : str or None
        Where to; None leaves none.
    name : str, optional
        Of the file; by default the process and thread give it.

    Yields
    ------
    callable
        To be called with each source before it is touched.
    """
    if folder is None:
        yield lambda source: None
        return
    path = os.path.join(folder, name or f"{os.getpid()}-{threading.get_ident()}")
    try:
        file = open(path, "w+b")  # noqa: SIM115
        file.write(bytes(_BYTES))  # a page without room on the disk would be a bus error
        file.flush()
    except OSError:  # the disk is full: the images will say so
        yield lambda source: None
        return
    with file, mmap.mmap(file.fileno(), _BYTES) as page:

        def leave(source: str) -> None:
            name = source.encode(*_CODE)[: _BYTES - _HEAD.size]
            page[: _HEAD.size + len(name)] = _HEAD.pack(time.monotonic(), len(name)) + name

        yield leave
    os.unlink(path)


def read(folder: str, prefix: str = "") -> list[Crumb]:
    """Read the crumbs that lie there, under names that begin so."""
    crumbs = []
    for entry in _files(folder, prefix):
        try:
            with open(entry.path, "rb") as file:
                content = file.read()
        except FileNotFoundError:  # its batch just ended
            continue
        if len(content) >= _HEAD.size:
            since, length = _HEAD.unpack_from(content)
            name = content[_HEAD.size : _HEAD.size + length]
            with contextlib.suppress(UnicodeDecodeError):  # it is being written just now
                if length:
                    crumbs.append(Crumb(name.decode(*_CODE), since))
    return crumbs


def forget(folder: str, prefix: str) -> None:
    """Remove the crumbs whose names begin so."""
    for entry in _files(folder, prefix):
        os.unlink(entry.path)


def clear(folder: str) -> None:
    """Make the folder, empty."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder, exist_ok=True)


def _files(folder: str, prefix: str) -> Iterator[os.DirEntry[str]]:
    return (entry for entry in os.scandir(folder) if entry.name.startswith(prefix))
