"""Zip archives: members are found through the central directory, and checked by their CRCs.

Source: APPNOTE.TXT 6.3.10 of PKWARE, whose sections the comments name. Members are stored or
deflated; the content of all others, and of encrypted ones, is unsupported.
"""

from __future__ import annotations

import datetime
import functools
import io
import itertools
import operator
import stat
import struct
import zlib
from array import array
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from pixelmill.storage.member import (
    NOWHERE,
    ArchiveFormat,
    Listed,
    MemberError,
    Part,
    Spot,
    damaged,
    exactly,
)

#: End of the central directory (4.3.16), and of a large one (4.3.14 and 4.3.15).
_END, _END_MARK = struct.Struct("<4s4H2LH"), b"PK\5\6"
_END_64, _END_64_MARK = struct.Struct("<4sQ2H2L4Q"), b"PK\6\6"
_LOCATOR, _LOCATOR_MARK = struct.Struct("<4sLQL"), b"PK\6\7"

#: Longest comment behind the end of the central directory, in bytes.
_LONGEST_COMMENT = 0xFFFF

#: A header of the central directory (4.3.12), and the one before a member's data (4.3.7).
_ENTRY, _ENTRY_MARK = struct.Struct("<4sBB5H3L5H2L"), b"PK\1\2"
_LOCAL, _LOCAL_MARK = struct.Struct("<4s5H3L2H"), b"PK\3\4"

#: Flags (4.4.4): encrypted, encrypted by certificates, and names in UTF-8.
_ENCRYPTED, _STRONGLY_ENCRYPTED, _UTF8 = 1 << 0, 1 << 6, 1 << 11

#: Methods of compression (4.4.5).
_STORED, _DEFLATED = 0, 8

#: Systems (4.4.2) whose attributes have the mode of a file and whose names are bytes: Unix, macOS.
_UNIX = (3, 19)

#: Extra fields (4.5.3, 4.6.9, and Info-ZIP's extended timestamp).
_ZIP64, _UNICODE_PATH, _TIMESTAMP = 0x0001, 0x7075, 0x5455

#: Values that stand for those of the extra field of large archives.
_LARGE, _LARGE_COUNT = 0xFFFFFFFF, 0xFFFF

#: The largest size that fits into 63 bits; no file has it.
_LARGEST = 2**63 - 1

#: Bytes of a central directory that are read at once.
_BLOCK = 2**20

#: Compressed bytes that are read at once, and the most that they may become at once.
_COMPRESSED, _INFLATED = 2**16, 2**18

#: Bytes that are kept of a member that is read in parts: all of nearly any image.
_KEPT = 2**25

#: How many times as large as its data a deflated member may be (258 bytes by two bits).
_MOST_INFLATED = 1032

#: Deflate enlarges what it cannot compress by less than a thousandth (RFC 1951, 3.2.4). Data that
#: are longer than this many times their content, and these bytes, only waste time.
_MOST_EXPANSION, _SLACK = 2, 2**20


def _members(file: BinaryIO, path: str) -> Iterator[Listed]:
    start, size, moved, count = _directory(file, path)
    directory = io.BufferedReader(Part(file, start, size), _BLOCK)
    begins, ends, found, left = array("Q"), array("Q"), 0, size
    while len(header := directory.read(_ENTRY.size)) == _ENTRY.size:
        mark, _, system, _, flags, method, time, date, crc, packed, length, *others = _ENTRY.unpack(
            header
        )
        name_size, extra_size, comment_size, _, _, attributes, offset = others
        rest = name_size + extra_size + comment_size
        left -= _ENTRY.size + rest
        if mark != _ENTRY_MARK or left < 0:
            break
        data = directory.read(rest)
        name = data[:name_size]
        extra = _fields(data[name_size : name_size + extra_size]) if extra_size else {}
        if _LARGE in (packed, length, offset):
            length, packed, offset = _large(extra.get(_ZIP64, b""), length, packed, offset)
        found += 1
        begin = moved + offset
        end = begin + _LOCAL.size + name_size + packed
        if end > start:
            raise damaged(path, "lists a member that ends behind all members")
        begins.append(begin)
        ends.append(end)
        # One that is larger than its data can be would be read from those of others.
        is_possible = length <= packed * (1 if method == _STORED else _MOST_INFLATED)
        mode = attributes >> 16 if system in _UNIX else 0
        yield Listed(
            _name(name, flags & _UTF8 or system in _UNIX, extra.get(_UNICODE_PATH, b"")),
            _kind(name, mode),
            min(length, _LARGEST),
            _mtime_ns(date, time, extra.get(_TIMESTAMP, b"")),
            crc,
            begin + len(_LOCAL_MARK) if is_possible else NOWHERE,  # never 0
        )
    if left or found % (_LARGE_COUNT + 1) != count % (_LARGE_COUNT + 1):
        raise damaged(path, "has a damaged list of members")
    if _overlap(begins, ends, start):
        raise damaged(path, "has members that overlap, which no program packs")


def _overlap(begins: Sequence[int], ends: Sequence[int], stop: int) -> bool:
    """Whether parts of a file overlap each other, or what begins at `stop`.

    Examples
    --------
    >>> _overlap([0, 5], [5, 9], 9), _overlap([5, 0], [9, 5], 9), _overlap([0, 4], [5, 9], 9)
    (False, False, True)
    """

    def are_apart(begins: Sequence[int], ends: Sequence[int]) -> bool:
        following = itertools.chain(itertools.islice(begins, 1, None), [stop])
        return all(map(operator.le, ends, following))

    # In the order of the archive, as nearly always; sorting a million takes 100 MB.
    return not (are_apart(begins, ends) or are_apart(sorted(begins), sorted(ends)))


def _directory(file: BinaryIO, path: str) -> tuple[int, int, int, int]:
    """Find the central directory.

    Returns
    -------
    start, size : int
        Where it is, in bytes.
    moved : int
        How much later everything is than the archive says, because something precedes it.
    count : int
        Number of its entries.
    """
    whole = file.seek(0, io.SEEK_END)
    tail_start = max(0, whole - _LONGEST_COMMENT - _END.size)
    file.seek(tail_start)
    tail = exactly(file, whole - tail_start)
    place = _end(tail)
    if place < 0:
        raise damaged(path, "is not a zip archive, or its end is missing")
    stop = tail_start + place
    _, disk, first_disk, here, count, size, start, _ = _END.unpack_from(tail, place)
    large = _end_64(file, stop)
    if large is not None:
        stop, (disk, first_disk, here, count, size, start) = large
    if disk or first_disk or here != count:
        raise damaged(path, "is one part of a divided archive, whose parts must be joined first")
    moved = stop - size - start
    if moved < 0:
        raise damaged(path, "has no list of members where it should be")
    return start + moved, size, moved, count


def _end(tail: bytes) -> int:
    """Return where the end of the directory is: where its comment is the rest; -1 if nowhere."""
    place = tail.rfind(_END_MARK, 0, len(tail) - _END.size + len(_END_MARK))
    while place >= 0 and place + _END.size + _END.unpack_from(tail, place)[-1] != len(tail):
        place = tail.rfind(_END_MARK, 0, place)
    return place


def _end_64(file: BinaryIO, stop: int) -> tuple[int, tuple[int, ...]] | None:
    """Return where the end of a large directory is, and what it says; None if there is none."""
    if stop < _LOCATOR.size + _END_64.size:
        return None
    file.seek(stop - _LOCATOR.size - _END_64.size)
    data = exactly(file, _END_64.size + _LOCATOR.size)
    end = _END_64.unpack_from(data)
    if end[0] != _END_64_MARK or not data[_END_64.size :].startswith(_LOCATOR_MARK):
        return None
    return stop - _LOCATOR.size - _END_64.size, end[4:]


def _fields(extra: bytes) -> dict[int, bytes]:
    """Split the extra field of a member (4.5.1); of equal fields, the first one counts."""
    found: dict[int, bytes] = {}
    place = 0
    while place + 4 <= len(extra):
        key, size = struct.unpack_from("<HH", extra, place)
        found.setdefault(key, extra[place + 4 : place + 4 + size])
        place += 4 + size
    return found


def _large(field: bytes, *values: int) -> list[int]:
    """Replace the values that stand for others with those of an extra field (4.5.3)."""
    given = (int.from_bytes(field[k : k + 8], "little") for k in range(0, len(field) - 7, 8))
    return [next(given, _LARGE) if value == _LARGE else value for value in values]


def _name(name: bytes, is_unicode: object, unicode_path: bytes) -> str:
    """Decode a name, by the extra field for names (4.6.9) if it belongs to it.

    Programs on Unix store the bytes of a name as they are, often without the flag for UTF-8.
    Bytes that are not UTF-8 become what they would as names of files on Linux.
    """
    if unicode_path and unicode_path[:5] == b"\1" + struct.pack("<L", zlib.crc32(name)):
        name, is_unicode = unicode_path[5:], True
    if name.isascii():
        return name.decode("ascii")
    # Appendix D
    return name.decode("utf-8", "surrogateescape") if is_unicode else name.decode("cp437")


def _kind(name: bytes, mode: int) -> str:
    if name.endswith(b"/") or stat.S_ISDIR(mode):
        return "folders"
    if stat.S_ISLNK(mode):
        return "links"
    return "special files" if stat.S_IFMT(mode) not in (0, stat.S_IFREG) else ""


def _mtime_ns(date: int, time: int, timestamp: bytes) -> int:
    """Return the time of modification; that of MS-DOS (4.4.6), which has no zone, counts as UTC."""
    if timestamp[:1] and timestamp[0] & 1 and len(timestamp) >= 5:
        return int.from_bytes(timestamp[1:5], "little", signed=True) * 10**9
    return _dos_time_ns(date, time)


@functools.lru_cache(maxsize=1024)  # neighbours often have one time
def _dos_time_ns(date: int, time: int) -> int:
    try:
        moment = datetime.datetime(
            1980 + (date >> 9), date >> 5 & 15, date & 31,
            time >> 11, time >> 5 & 63, (time & 31) * 2, tzinfo=datetime.UTC,
        )  # fmt: skip
    except ValueError:  # there is no such day
        return 0
    return int(moment.timestamp()) * 10**9


def _open(file: BinaryIO, spot: Spot) -> tuple[int, int]:
    """Return where the data of a member begin, and how they are compressed."""
    if spot.offset == NOWHERE:
        raise MemberError("it is listed as larger than its data can be: the archive is damaged")
    begin = spot.offset - len(_LOCAL_MARK)
    header = b""
    if begin >= 0:
        file.seek(begin)
        header = exactly(file, _LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(_LOCAL_MARK):
        raise MemberError("it is not where the archive lists it: the archive is damaged or changed")
    _, _, flags, method, _, _, _, _, _, name_size, extra_size = _LOCAL.unpack(header)
    if flags & (_ENCRYPTED | _STRONGLY_ENCRYPTED):
        raise MemberError("it is encrypted; pack it without a password", "unsupported")
    if method not in (_STORED, _DEFLATED):
        message = f"it is compressed by method {method}; pack it by deflate, or uncompressed"
        raise MemberError(message, "unsupported")
    return begin + _LOCAL.size + name_size + extra_size, method


def _inflate(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield the content of a deflated member (RFC 1951) in parts, and never more than its size."""
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    taken = made = 0
    pending = b""
    while not inflating.eof:
        if not pending:
            pending = file.read(_COMPRESSED)
            taken += len(pending)
            if not pending or taken > _MOST_EXPANSION * made + _SLACK:
                raise MemberError("its compressed data do not end")
        try:
            part = inflating.decompress(pending, _INFLATED)
        except zlib.error as error:
            raise MemberError(f"its compressed data are damaged: {error}") from error
        pending = inflating.unconsumed_tail
        made += len(part)
        if made > size:
            raise MemberError(f"it has more than the {size:,} bytes that the archive lists")
        yield part
    if made < size:
        raise MemberError(f"it has {made:,} bytes, not the {size:,} that the archive lists")


class _Inflated(Part):
    """The content of a deflated member, which is inflated as far as it is read.

    Only the end of what was inflated is kept; what precedes it is inflated again if it is read.
    """

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        super().__init__(file, start, size)
        self._begin()

    def _begin(self) -> None:
        self._file.seek(self._start)
        self._parts = _inflate(self._file, self._size)
        self._first, self._made = 0, bytearray()  # where in the content it begins

    def _at(self, position: int, size: int) -> bytes:
        if position < self._first:
            self._begin()
        while self._first + len(self._made) < position + size:
            part = next(self._parts, None)
            if part is None:  # an earlier read has failed
                raise MemberError("its compressed data are damaged")
            self._made += part
            if len(self._made) > 2 * _KEPT and position >= self._first + _KEPT:
                del self._made[:_KEPT]
                self._first += _KEPT
        return bytes(self._made[position - self._first :][:size])


def _stream(file: BinaryIO, spot: Spot) -> BinaryIO:
    start, method = _open(file, spot)
    view = Part if method == _STORED else _Inflated
    return io.BufferedReader(view(file, start, spot.size))


def _content(file: BinaryIO, spot: Spot) -> bytes:
    start, method = _open(file, spot)
    file.seek(start)
    if method == _STORED:
        data = exactly(file, spot.size)
    else:
        made = io.BytesIO()  # joining the parts would take the memory twice
        made.writelines(_inflate(file, spot.size))
        data = made.getvalue()
    if zlib.crc32(data) != spot.mark:
        raise MemberError("its CRC differs: the archive is damaged or changed")
    return data


ZIP = ArchiveFormat(_members, _stream, _content)
