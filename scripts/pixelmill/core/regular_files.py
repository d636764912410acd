"""Regular files: opened without waiting, and read within bounds.

A pipe has no end that would come by itself, and a device may have none at all.
"""

from __future__ import annotations

import errno
import os
import stat

#: How a file is opened to be read: as it is, also on Windows, and without waiting for the
#: other end of what is a pipe, or became one since it was catalogued.
TO_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)

#: What is said of a pipe, a folder or a device.
NOT_REGULAR = "it is no regular file"


def opened(path: str | os.PathLike[str]) -> int:
    """Open a regular file to read it; of anything else, such as a pipe, never wait for a byte.

    Returns
    -------
    int
        Its descriptor.

    Raises
    ------
    OSError
        If it cannot be opened, or is something else.
    """
    descriptor = os.open(path, TO_READ)
    try:
        check(descriptor)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def check(descriptor: int) -> None:
    """Refuse what is no regular file.

    Raises
    ------
    OSError
    """
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, NOT_REGULAR)


def content(path: str | os.PathLike[str], most: int) -> bytes:
    """Content of a regular file.

    Parameters
    ----------
    path : path
    most : int
        Most bytes that it may have.

    Raises
    ------
    OSError
        If it cannot be read, is something else, or is longer.
    """
    with os.fdopen(opened(path), "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes")
    return data
