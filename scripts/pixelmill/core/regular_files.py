"""Regular files: opened without waiting, and read within bounds.

The end of a pipe may never come, and a device may have none.
"""

from __future__ import annotations

import errno
import os
import stat

#: Flags to open a file for reading: in binary mode on Windows, and without waiting for the other
#: end of a pipe, also if the file was replaced by one since it was cataloged.
TO_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)

#: Message about a pipe, a folder or a device.
NOT_REGULAR = "it is not a regular file"


def opened(path: str | os.PathLike[str]) -> int:
    """Open a regular file for reading, without waiting for anything else such as a pipe.

    Returns
    -------
    int
        Its descriptor.

    Raises
    ------
    OSError
        If it cannot be opened, or is not a regular file.
    """
    descriptor = os.open(path, TO_READ)
    try:
        check(descriptor)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def check(descriptor: int) -> None:
    """Check that a descriptor is that of a regular file.

    Raises
    ------
    OSError
        If it is not.
    """
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, NOT_REGULAR)


def content(path: str | os.PathLike[str], most: int) -> bytes:
    """Return the content of a regular file.

    Parameters
    ----------
    path : path
    most : int
        The largest size in bytes that is accepted.

    Raises
    ------
    OSError
        If it cannot be read, is not a regular file, or is larger.
    """
    with os.fdopen(opened(path), "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes")
    return data
