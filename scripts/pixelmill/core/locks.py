"""Locks: only one process at a time works in a folder.

No library offers what is needed here: filelock has no shared lock that the system releases when
a process dies, and portalocker follows links and needs pywin32 for shared locks on Windows.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator

from pixelmill.core.errors import TreeError, UserError, cannot_write

#: How long to wait for a lock, in seconds: a run whose parent was killed ends by itself.
LOCK_PATIENCE = 3.0

#: Refuses to open a link, on systems that support this.
NO_LINK = getattr(os, "O_NOFOLLOW", 0)


@contextlib.contextmanager
def exclusive(folder: str | os.PathLike[str], together: bool = False) -> Iterator[None]:
    """Lock a folder for this process; the system releases the lock when the process ends.

    Parameters
    ----------
    folder : path
    together : bool
        Share it with others that do the same. On Windows, which has no shared locks, it is then
        not locked.

    Raises
    ------
    UserError
        If another process has locked it, or if its lock file is a link.
    """
    path = os.path.join(folder, ".lock")
    try:
        os.makedirs(folder, exist_ok=True)
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK, 0o666), "r+b")
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise TreeError(f"The lock '{path}' is a link; remove it, then run again.") from error
        if error.strerror is None:  # of a pipe or a device
            raise TreeError(f"The lock '{path}' is no file; remove it, then run again.") from error
        raise UserError(cannot_write(folder, error.strerror)) from error
    with file:
        patience = time.monotonic() + LOCK_PATIENCE
        while not try_lock(file.fileno(), together):
            if time.monotonic() > patience:
                raise UserError(
                    f"Another run is writing to '{folder}'; wait for it to end, or stop it."
                )
            time.sleep(0.1)
        yield


def try_lock(descriptor: int, together: bool) -> bool:
    """Lock an open file, unless another process has locked it; return whether it is locked."""
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
