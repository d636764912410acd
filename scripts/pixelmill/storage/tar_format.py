"""Tar archives: members are found by walking from header to header.

Sources: POSIX.1-2024, pax, "ustar Interchange Format" and "pax Header Block"; GNU tar 1.35, "Basic
Tar Format". A tar has no checksums of contents. The mark of a member is therefore that of the
whole archive: if its size or times change, all members may have changed.
"""

from __future__ import annotations

import functools
import hashlib
import io
import os
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from pixelmill.core.errors import UserError, shown
from pixelmill.core.filenames import escape
from pixelmill.core.files import changed_ns
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

#: Headers and contents begin at multiples of this number of bytes.
BLOCK = 512

_NOTHING = bytes(BLOCK)

#: Types of members: files, and what is left out. Others count as special files.
_FILES, _GNU_SPARSE, _HARD_LINK = b"0\0" + b"7", b"S", ord("1")
_LEFT_OUT = {ord("1"): "links", ord("2"): "links", ord("5"): "folders"}

#: Types that describe the next member: long names of GNU, pax headers, and one for all that follow.
_LONG_NAME, _LONG_LINK, _PAX, _PAX_FOR_ALL = ord("L"), ord("K"), ord("x"), ord("g")

#: Types whose size is not that of data behind their headers: links, devices, folders and pipes.
_WITHOUT_DATA = b"123456"

#: Largest description of a member that is read, in bytes; names take up to 4,096 of them.
_LONGEST_HEADER = 2**20

#: The most headers that describe one member; no program writes more than four.
_MOST_DESCRIPTIONS = 16

#: The most hard links that are remembered until their targets are found; others are left out.
_MOST_LINKS = 100_000

#: The longest names, in characters, that are remembered; none that is longer can be unpacked.
_LONGEST_PATH = 4096

#: The last second that fits into 64 bits in nanoseconds, whatever its fraction.
_LAST_SECOND = 9 * 10**9

_RECORD = re.compile(rb"(\d{1,7}) ([^=]{1,255})=")
_SECONDS = re.compile(rb"(-?\d{1,12})(?:\.(\d{1,9})\d*)?")

#: What a file begins with that is a compressed tar.
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


def _mark(file: BinaryIO) -> int:
    """Return the mark of all members of an open archive."""
    state = os.fstat(file.fileno())
    return _mark_of(state.st_size, state.st_mtime_ns, changed_ns(state))


@functools.lru_cache(maxsize=64)
def _mark_of(size: int, modified: int, changed: int) -> int:
    text = f"{size} {modified} {changed}"
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1  # the ledger holds 63 bits


def _members(file: BinaryIO, path: str) -> Iterator[Listed]:
    """List an archive; a hard link to another member is listed as that member by another name."""
    links: dict[str, str] = {}
    for listed, target in _walk(file, path):
        is_short = len(listed.name) <= _LONGEST_PATH and len(target) <= _LONGEST_PATH
        if target and is_short and len(links) < _MOST_LINKS:
            links[listed.name] = target
        else:
            links.pop(listed.name, None)  # a later member with its name takes its place
            yield listed
    yield from _linked(file, path, links) if links else ()


def _linked(file: BinaryIO, path: str, links: dict[str, str]) -> Iterator[Listed]:
    """Yield what the last hard link with each name stands for.

    That is the member that had the name of its target when the link was unpacked: a later member
    with that name does not change what was linked.
    """
    wanted = set(links.values())
    there: dict[str, Listed] = {}  # what has a wanted name so far
    made: dict[str, Listed] = {}
    for listed, target in _walk(file, path):
        if target:
            linked = there.get(target)
            if linked:
                listed = linked._replace(name=listed.name, mtime_ns=listed.mtime_ns)
            if listed.name in links:
                made[listed.name] = listed
        if listed.name in wanted and not listed.kind:
            there[listed.name] = listed
    yield from made.values()


def _walk(file: BinaryIO, path: str) -> Iterator[tuple[Listed, str]]:
    """Yield the members in their order, each with the name that it links to, if it does."""
    mark, whole = _mark(file), os.fstat(file.fileno()).st_size
    position, descriptions, is_complete = 0, 0, False
    given: dict[bytes, bytes] = {}
    while position < whole:
        file.seek(position)
        header = exactly(file, BLOCK)
        if header == _NOTHING:
            is_complete = True
            break
        if len(header) < BLOCK or not _is_header(header):
            _refuse_compressed(header, path)
            raise damaged(path, _why_no_header(header, position))
        try:
            size, seconds = _number(header[124:136]), _number(header[136:148])
        except ValueError as error:
            raise damaged(path, f"has a damaged header at byte {position:,}") from error
        kind = header[156]
        position += BLOCK
        if kind in (_LONG_NAME, _LONG_LINK, _PAX, _PAX_FOR_ALL):
            descriptions += 1
            if not 0 <= size <= _LONGEST_HEADER or descriptions > _MOST_DESCRIPTIONS:
                raise damaged(path, f"describes a member at too great length at byte {position:,}")
            data = exactly(file, size)
            if kind in (_LONG_NAME, _LONG_LINK):
                key = b"path" if kind == _LONG_NAME else b"linkpath"
                given[key] = data.partition(b"\0")[0]
            elif kind == _PAX:
                given.update(_records(data, path))
            position += _padded(size)
            continue
        sparse = kind in _GNU_SPARSE or any(key.startswith(b"GNU.sparse.") for key in given)
        if kind in _GNU_SPARSE:
            position = _behind_map(file, header, position)
        if b"size" in given:
            size = _decimal(given[b"size"], path)
        name = given.get(b"path") or _name(header)
        data_size = 0 if kind in _WITHOUT_DATA else size
        if data_size < 0:
            raise damaged(path, f"has a member of a negative size at byte {position - BLOCK:,}")
        if _padded(data_size) > whole - position:
            named = shown(name.decode("utf-8", "backslashreplace"))
            raise damaged(path, f"ends before its member {named} does")
        listed = Listed(
            given.get(b"GNU.sparse.name", name).decode("utf-8", "surrogateescape"),
            _kind(kind, name),
            data_size,
            _mtime_ns(given.get(b"mtime"), seconds),
            mark,
            NOWHERE if sparse else position,
        )
        target = b""
        if kind == _HARD_LINK:
            target = given.get(b"linkpath") or header[157:257].partition(b"\0")[0]
        yield listed, target.decode("utf-8", "surrogateescape")
        position += _padded(data_size)
        given, descriptions = {}, 0
    if descriptions:
        raise damaged(path, "ends before its last member")
    if not is_complete:
        raise damaged(path, "has no mark of its end, as if it had been cut off")


def _is_header(header: bytes) -> bool:
    """Whether the checksum of a header is right; old programs added signed bytes."""
    try:
        noted = _number(header[148:156])
    except ValueError:
        return False
    # The noted checksum itself counts as spaces.
    total = _sum(header[:256]) + _sum(header[256:]) - _sum(header[148:156]) + 8 * ord(" ")
    if noted == total:
        return True
    return noted == total - 256 * sum(byte > 127 for byte in header[:148] + header[156:])


def _sum(data: bytes) -> int:
    """Add at most 256 bytes: the lower half of Adler-32 is one more than that, modulo 65,521."""
    return (zlib.adler32(data) & 0xFFFF) - 1


def begins_as_tar(beginning: bytes) -> bool:
    """Whether a file that begins so may be a tar: with a header, or the mark of its end."""
    block = beginning[:BLOCK]
    return len(block) == BLOCK and (block == _NOTHING or _is_header(block))


def compression_of(beginning: bytes) -> str:
    """Return by what a file that begins so is compressed; nothing if it is not.

    Examples
    --------
    >>> compression_of(b"BZh91AY&SY"), compression_of(b"photos/1.jpg")
    ('bzip2', '')
    """
    found = (name for start, name in _COMPRESSED.items() if beginning.startswith(start))
    return next(found, "")


def _refuse_compressed(header: bytes, path: str) -> None:
    name = compression_of(header)
    if name:
        raise UserError(
            f"The archive '{escape(path)}' is compressed by {name}, so that its members cannot "
            "be found; decompress it."
        )


def _why_no_header(header: bytes, position: int) -> str:
    if position == 0:
        return "is not a tar archive"
    return f"has a damaged header at byte {position:,}"


def _number(field: bytes) -> int:
    """Read a number in octal digits, or in binary if they were not enough (GNU)."""
    if field[0] in (0x80, 0xFF):
        return int.from_bytes(field[1:], "big") - (256 ** (len(field) - 1) if field[0] & 1 else 0)
    digits = field[:-1]
    if digits.isdigit() and field[-1] in b"\0 ":  # nearly always
        return int(digits, 8)
    return int(field.partition(b"\0")[0].strip() or b"0", 8)


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _name(header: bytes) -> bytes:
    name = header[:100].partition(b"\0")[0]
    if header[257:263] == b"ustar\0" and header[345]:
        return header[345:500].partition(b"\0")[0] + b"/" + name
    return name


def _kind(kind: int, name: bytes) -> str:
    if kind in _FILES or kind in _GNU_SPARSE:
        return "folders" if name.endswith(b"/") else ""
    return _LEFT_OUT.get(kind, "special files")


def _records(data: bytes, path: str) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keywords of a pax header with their values: ``length keyword=value``, newline."""
    place = 0
    while place < len(data) and data[place]:
        found = _RECORD.match(data, place)
        end = place + int(found[1]) if found else 0
        if found is None or not found.end() < end <= len(data):
            raise damaged(path, "has a damaged pax header")
        yield found[2], data[found.end() : end - 1]
        place = end


def _decimal(text: bytes, path: str) -> int:
    if not re.fullmatch(rb"\d{1,18}", text):
        raise damaged(path, "has a damaged pax header")
    return int(text)


def _mtime_ns(pax: bytes | None, seconds: int) -> int:
    """Return the time of modification, with the fraction that a pax header may have."""
    fraction = 0
    found = _SECONDS.fullmatch(pax) if pax else None
    if found:
        seconds = int(found[1])
        fraction = int((found[2] or b"0").ljust(9, b"0"))
        fraction = -fraction if found[1].startswith(b"-") else fraction
    return seconds * 10**9 + fraction if abs(seconds) < _LAST_SECOND else 0


def _behind_map(file: BinaryIO, header: bytes, position: int) -> int:
    """Return where the data of an old sparse member begin: behind the rest of its map."""
    more = header[482]
    while more:
        block = exactly(file, BLOCK)
        position += BLOCK
        more = block[504] if len(block) == BLOCK else 0
    return position


def _check(file: BinaryIO, spot: Spot) -> None:
    if spot.offset == NOWHERE:
        raise MemberError("it is sparse; pack it without the option --sparse", "unsupported")
    if _mark(file) != spot.mark:
        raise MemberError("the archive was changed after it was listed; run the same command again")


def _stream(file: BinaryIO, spot: Spot) -> BinaryIO:
    _check(file, spot)
    return io.BufferedReader(Part(file, spot.offset, spot.size))


def _content(file: BinaryIO, spot: Spot) -> bytes:
    _check(file, spot)
    file.seek(spot.offset)
    data = exactly(file, spot.size)
    if len(data) < spot.size:
        raise MemberError("the archive ends before it does")
    return data


TAR = ArchiveFormat(_members, _stream, _content)
