"""Standard streams that always exist, and whose failure affects nothing else.

A service manager may start a program with some of them closed, the reader of a pipe may be gone,
and the disk of a log may be full. None of this is a reason to stop working.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import IO, Any


def secure() -> None:
    """Open closed standard streams, and keep all of them from raising errors.

    Without this, the next file that is opened takes the place of a closed stream, and everything
    that is printed goes into it.
    """
    reopen()
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = tolerant(1, sys.stdout)
    sys.stderr = tolerant(2, sys.stderr)


def reopen() -> None:
    """Open closed standard streams on the null device."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            _open_nothing(number)


def tolerant(descriptor: int, like: IO[str] | None) -> io.TextIOWrapper:
    """Return a text stream that drops what cannot be written.

    Parameters
    ----------
    descriptor : int
        Where to write; it is left open.
    like : text file or None
        Stream that is flushed first, and whose encoding is used.
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
    """A file that accepts everything, and drops what the system does not accept."""

    def write(self, data: Any, /) -> int:
        try:
            written = super().write(data)
        except OSError:
            written = 0
        return written or len(data)


@contextlib.contextmanager
def written_completely() -> Iterator[None]:
    """Exit with a sentence if standard output does not take all that is printed inside.

    The reader of a pipe may end early, as ``head`` does; that is no error.
    """
    reopen()
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
    except OSError as error:
        _discard_output()
        sys.stderr = tolerant(2, sys.stderr)
        sys.stderr.write(f"ERROR: Standard output cannot be written: {error.strerror}.\n")
        sys.exit(2)


def _discard_output() -> None:
    """Let what is still buffered go nowhere; Python would try to write it at its exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_nothing(number: int) -> None:
    opened = os.open(os.devnull, os.O_RDWR)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)
    os.set_inheritable(number, True)
