"""Disk: a full one is noticed while there is still room to say so."""

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
            raise UserError(cannot_write(self._folder, error.strerror)) from error
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
                raise UserError(cannot_write(self._folder, message))


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
