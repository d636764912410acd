"""Standard streams that are always there, and whose failure costs nothing else.

A service manager may start us with some of them closed, the reader of a pipe may be gone,
and the disk behind a log may be full. None of this is a reason to stop working.
"""

from __future__ import annotations

import io
import os
import sys
from typing import IO, Any


def secure() -> None:
    """Open what is closed of the standard streams, and let none of them raise.

    Without this, the next file that is opened takes the place of a closed stream, and
    whatever is printed goes into it.
    """
    reopen()
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = tolerant(1, sys.stdout)
    sys.stderr = tolerant(2, sys.stderr)


def reopen() -> None:
    """Open what is closed of the standard streams on nothing."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            _open_nothing(number)


def tolerant(descriptor: int, like: IO[str] | None) -> io.TextIOWrapper:
    """Open a stream to print to that drops what cannot be written.

    Parameters
    ----------
    descriptor : int
        Where to; it is left open.
    like : text file or None
        Stream whose encoding it gets, after what waits there to be written.
    """
    encoding = getattr(like, "encoding", None) or "utf-8"
    try:
        if like is not None:
            like.flush()
    except (OSError, ValueError):
        pass
    return io.TextIOWrapper(
        io.BufferedWriter(_Tolerant(descriptor, "w", closefd=False)),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=True,
    )


class _Tolerant(io.FileIO):
    """A file that takes everything, and forgets what the system does not take."""

    def write(self, data: Any, /) -> int:
        try:
            written = super().write(data)
        except OSError:
            written = 0
        return written or len(data)


def _open_nothing(number: int) -> None:
    opened = os.open(os.devnull, os.O_RDWR)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)
    os.set_inheritable(number, True)
