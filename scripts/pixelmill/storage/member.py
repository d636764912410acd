"""What the formats of archives share: what is listed of a member, and views of its content."""

from __future__ import annotations

import errno
import io
import re
from collections.abc import Callable, Iterator
from typing import IO, BinaryIO, NamedTuple

from pixelmill.core.errors import UserError
from pixelmill.core.filenames import escape

#: Where a member is that is listed but cannot be read, in place of an offset.
NOWHERE = -1

#: Longest name that file systems accept, and longest path of a member, in bytes.
_LONGEST_NAME, _LONGEST_PATH = 255, 4096

#: Names that are absolute on some system.
_ABSOLUTE = re.compile(r"/|[A-Za-z]:")


class MemberError(OSError):
    """A member of an archive cannot be read.

    Parameters
    ----------
    message : str
    reason : str
        A key of `pixelmill.core.reasons.REASONS`. Damage counts as unreadable: the archive may
        have been changed since it was listed, so that nothing is known about the member.
    """

    def __init__(self, message: str, reason: str = "unreadable") -> None:
        super().__init__(errno.EIO, message)
        self.reason = reason


class Listed(NamedTuple):
    """A member as an archive lists it.

    Attributes
    ----------
    name : str
        As it is stored; undecodable bytes are lone surrogates, as in names of files.
    kind : str
        Empty for a file, else what it is instead: "folders", "links", or "special files".
    size : int
        Of its content, in bytes.
    mtime_ns : int
    mark : int
        A number that differs if the content does, as far as the archive tells.
    offset : int
        Where the format finds it in the archive, in bytes; never 0, and `NOWHERE` if it cannot be
        read.
    """

    name: str
    kind: str
    size: int
    mtime_ns: int
    mark: int
    offset: int


class Spot(NamedTuple):
    """What a format needs to read a member: its size, its mark and its offset."""

    size: int
    mark: int
    offset: int


class ArchiveFormat(NamedTuple):
    """A format of archives whose members can be read in any order.

    Attributes
    ----------
    members : callable
        Lists an open archive by its path. Raises UserError if it is damaged.
    stream : callable
        Returns a member of an open archive as a file, which closes the archive.
    content : callable
        Returns the content of a member of an open archive, checked as far as the format allows.
    """

    members: Callable[[BinaryIO, str], Iterator[Listed]]
    stream: Callable[[BinaryIO, Spot], BinaryIO]
    content: Callable[[BinaryIO, Spot], bytes]


def damaged(path: str, why: str) -> UserError:
    """Return the error for an archive that cannot be listed."""
    return UserError(
        f"The archive '{escape(path)}' {why}; copy or download it again, or leave it out."
    )


def member_path(name: str) -> tuple[str, str]:
    r"""Return the path of a member as if it were unpacked, and why that is impossible, if it is.

    Examples
    --------
    >>> member_path("./a//b.jpg")
    ('a/b.jpg', '')
    >>> member_path("../b.jpg")[1], member_path("a\\b.jpg")[1]
    ('members that lead out of the archive', 'members with a backslash in their names')
    """
    if "\0" in name:
        return "", "members with impossible names"
    if "\\" in name:  # a separator or a character, depending on the program
        return "", "members with a backslash in their names"
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or _ABSOLUTE.match(name):
        return "", "members that lead out of the archive"
    path = "/".join(parts)
    if not path.isascii() or len(path) > _LONGEST_NAME:
        sizes = [len(part.encode("utf-8", "surrogateescape")) for part in parts]
        if max(sizes) > _LONGEST_NAME or sum(sizes) + len(sizes) > _LONGEST_PATH:
            return "", "members with too long names"
    return path, "" if path else "members with impossible names"


def exactly(file: IO[bytes], size: int) -> bytes:
    """Read a number of bytes, or as many as there are."""
    data = file.read(size)
    if len(data) == size:  # nearly always
        return data
    parts = [data]
    missing = size - len(data)
    while missing and (data := file.read(missing)):
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)


class Part(io.RawIOBase):
    """A part of an open file as a file of its own.

    Parameters
    ----------
    file : BinaryIO
        Closed with the part.
    start, size : int
        Where the part is, in bytes.
    """

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file = file
        self._start = start
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position, which may lie behind the end."""
        base = (0, self._position, self._size)[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer as far as the part goes."""
        size = min(len(buffer), self._size - self._position)
        data = self._at(self._position, size) if size > 0 else b""
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _at(self, position: int, size: int) -> bytes:
        self._file.seek(self._start + position)
        return self._file.read(size)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
