"""Reading of source files, ahead of their turn if the disk is slow, and their content digest."""

from __future__ import annotations

import contextlib
import os
import stat

import xxhash

from pixelmill.core.errors import ImageError
from pixelmill.core.regular_files import NOT_REGULAR, TO_READ, check
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.storage.archives import Member, Place
from pixelmill.storage.member import MemberError

#: Number of files that the system is asked to read ahead if reading is slow. With a cold cache, an
#: image of 36 kB took 3.4 ms; with one file ahead 2.3, and with two 2.1, as with a warm cache.
AHEAD = 2

#: Bytes per call for the part of a file that exceeds its expected size.
_PART = 2**20

#: Longest time to read a file that is in memory: seconds, and seconds per byte.
_WARM_READ = (100e-6, 0.5e-9)


def read(path: str, size: int = 0, limits: Limits = Limits()) -> bytes:  # noqa: B008 - frozen
    """Read a file, but never more than the limits allow.

    Parameters
    ----------
    path : str
    size : int
        Expected size in bytes; if it is right, one call reads the file.
    limits : Limits

    Raises
    ------
    ImageError
        If the file cannot be read, is not a regular file, or is too large.
    """
    try:
        # System calls, because `open` makes twice as many, and each releases the GIL.
        descriptor = os.open(path, TO_READ)
        try:
            if 0 < size <= limits.max_bytes:
                data = os.read(descriptor, size + 1)
                if len(data) == size:  # the usual case, which needs no further checks
                    return data
                os.lseek(descriptor, 0, os.SEEK_SET)
            return _read(descriptor, limits)
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        raise ImageError("read", "vanished", str(error.strerror)) from error
    except OSError as error:
        raise ImageError("read", "unreadable", _why(path, error)) from error


def read_place(place: Place, size: int = 0, limits: Limits = Limits()) -> bytes:  # noqa: B008
    """Read a file or a member of an archive.

    Parameters
    ----------
    place : path or Member
    size, limits
        As for `read`.

    Raises
    ------
    ImageError
        As of `read`, or if the archive is damaged, or was changed after it was listed.
    """
    if not isinstance(place, Member):
        return read(os.fspath(place), size, limits)
    limits.check_size(place.spot.size, "read")
    try:
        return place.read()
    except FileNotFoundError as error:
        raise ImageError("read", "vanished", str(error.strerror)) from error
    except MemberError as error:
        raise ImageError("read", error.reason, str(error.strerror)) from error
    except OSError as error:
        raise ImageError("read", "unreadable", str(error.strerror)) from error


def _read(descriptor: int, limits: Limits) -> bytes:
    """Read a file whose size is unknown or has changed."""
    check(descriptor)
    size = os.fstat(descriptor).st_size
    limits.check_size(size, "read")
    parts = [os.read(descriptor, size + 1)]
    size = len(parts[0])
    while more := os.read(descriptor, _PART):
        parts.append(more)
        size += len(more)
        limits.check_size(size, "read")  # the file may grow while it is read
    return b"".join(parts)


def _why(path: str, error: OSError) -> str:
    """Say why a file cannot be read; for a pipe, the message of the system does not."""
    try:
        special = not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        special = False
    return NOT_REGULAR if special else str(error.strerror)


def content_digest(data: bytes) -> str:
    """Digest that shows whether a source changed; it does not protect against forgery.

    XXH3 with 128 bits takes 0.07 ms for 4 MB; BLAKE2b takes 4.3 ms.
    """
    return xxhash.xxh3_128_hexdigest(data)


def is_cold(seconds: float, size: int) -> bool:
    """Whether a file of `size` bytes was read from the disk, according to the time it took.

    Examples
    --------
    >>> is_cold(20e-6, 36_000), is_cold(1e-3, 36_000), is_cold(1e-3, 4_000_000)
    (False, True, False)
    """
    return seconds > _WARM_READ[0] + _WARM_READ[1] * size


def announce(path: str) -> None:
    """Ask the system to read a file ahead, if it supports that."""
    if hasattr(os, "posix_fadvise"):
        with contextlib.suppress(OSError):
            # A file that has become a pipe must not block here, before its breadcrumb is recorded.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_WILLNEED)
            finally:
                os.close(descriptor)
