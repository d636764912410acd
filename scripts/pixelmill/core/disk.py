"""Disk: a reserve of space, so that a full disk can still be reported."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable
from typing import IO

from pixelmill.core.errors import UserError, cannot_write

#: Enough for the tables of some ten thousand failures.
RESERVE_BYTES = 2**20

_DISK_ERRNOS = {errno.ENOSPC, errno.EROFS, errno.EIO, errno.EACCES, getattr(errno, "EDQUOT", -1)}
_DISK_ERRORS = {os.strerror(code) for code in _DISK_ERRNOS}


class Reserve:
    """Space on the disk that is kept free for reporting that the disk is full.

    Parameters
    ----------
    folder : str
        A folder on the disk.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path = os.path.join(folder, ".reserve")

    def __enter__(self) -> Reserve:
        self.release()  # left by a killed run, or a link to a file that must not change
        try:
            with open(self._path, "xb") as file:
                _occupy(file, RESERVE_BYTES)
        except OSError as error:
            self.release()
            raise UserError(cannot_write(self._folder, error.strerror)) from error
        return self

    def __exit__(self, *error: object) -> None:
        self.release()

    def release(self) -> None:
        """Free the space."""
        with contextlib.suppress(OSError):
            os.unlink(self._path)

    def check(self, messages: Iterable[str]) -> None:
        """Check whether writing failed for a reason that concerns all images.

        Raises
        ------
        UserError
            If the disk is full or cannot be written.
        """
        for message in messages:
            if message in _DISK_ERRORS:
                raise UserError(cannot_write(self._folder, message))


def _occupy(file: IO[bytes], size: int) -> None:
    """Occupy space on the disk; zeros occupy none if the file system compresses."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, size)
            return
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
    file.write(bytes(size))
