"""Image file directories: the tags of EXIF and TIFF, copied as bytes.

Values are neither decoded nor encoded, so that texts in any character set and numbers of any type
stay as they are (TIFF 6.0, section 2; BigTIFF; EXIF 3.0, 4.6.2).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

from pixelmill.imaging.codecs.spans import ReadAt, Span

#: Types of values that this module writes.
BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 1, 2, 3, 4, 5, 7

#: Bytes of one value, and of the numbers that it consists of, by its type.
_TYPES = {
    BYTE: (1, 1), ASCII: (1, 1), SHORT: (2, 2), LONG: (4, 4), RATIONAL: (8, 4), 6: (1, 1),
    UNDEFINED: (1, 1), 8: (2, 2), 9: (4, 4), 10: (8, 4), 11: (4, 4), 12: (8, 8), 13: (4, 4),
    16: (8, 8), 17: (8, 8), 18: (8, 8), 129: (1, 1),
}  # fmt: skip

#: Letters of `struct` for the types of unsigned integers.
_INTEGERS = {BYTE: "B", SHORT: "H", LONG: "I", 13: "I"}

#: Types of 64 bits in BigTIFF: the type of 32 bits that replaces each, and the letters of both.
_WIDE = {16: (LONG, "Q", "I"), 17: (9, "q", "i"), 18: (13, "Q", "I")}

#: Tags of the first directory that point to others.
_CAMERA, _GPS = 0x8769, 0x8825

#: OECF, SpatialFrequencyResponse, CFAPattern, DeviceSettingDescription and
#: SourceExposureTimesOfCompositeImage (EXIF 3.0, 4.6.6 and 4.6.7).
_OWN_FORM = (0x8828, 0xA20C, 0xA302, 0xA40B, 0xA462)

#: Beginning of a comment in UTF-16, in the byte order of the block (EXIF 3.0, 4.6.6.5).
_UTF_16 = b"UNICODE\0"

_HEADERS = {b"II*\0": ("<", False), b"MM\0*": (">", False),
            b"II+\0": ("<", True), b"MM\0+": (">", True)}  # fmt: skip


class Field(NamedTuple):
    """The content of a tag: its type and the bytes of its values."""

    kind: int
    value: bytes


#: Fields of a directory by tag.
Table: TypeAlias = Mapping[int, Field]


@dataclass(frozen=True)
class Tags:
    """The directories of an EXIF block, or of the first page of a TIFF.

    Attributes
    ----------
    order : {"<", ">"}
        Byte order of the values, in the notation of `struct`.
    main, camera, gps : mapping of int to Field
        IFD0, and the EXIF and GPS directories that it points to. Pointers are left out.
    """

    order: str = "<"
    main: Table = field(default_factory=dict)
    camera: Table = field(default_factory=dict)
    gps: Table = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.main or self.camera or self.gps)


def short(order: str, value: int) -> Field:
    """Return a field with one 16-bit number."""
    return Field(SHORT, struct.pack(f"{order}H", value))


def read(data: bytes, main_only: bool = False) -> Tags:
    """Read the directories of an EXIF block or of a TIFF.

    A field whose type is unknown, or whose value lies outside of the data, is skipped.
    Thumbnails (IFD1), further pages and the interoperability directory are not read.

    Parameters
    ----------
    data : bytes
        From the TIFF header on, without the prefix ``Exif``.
    main_only : bool
        Do not read the EXIF and GPS directories.

    Raises
    ------
    ValueError
        If the data do not begin with a TIFF header, or if the values of a directory together are
        longer than the data, so that some of them must overlap.
    """
    if data[:4] not in _HEADERS:
        raise ValueError("there is no TIFF header")
    order, big = _HEADERS[data[:4]]
    begin = _unpacked(data, f"{order}{'Q' if big else 'I'}", 8 if big else 4)
    main = dict(_fields(data, begin, order, big))
    pointers = [integer(order, main.pop(tag, None)) for tag in (_CAMERA, _GPS)]
    camera, gps = (
        {} if main_only or not place else dict(_fields(data, place, order, big))
        for place in pointers
    )
    return Tags(order, main, camera, gps)


#: Fields of a directory that are looked at, and bytes of a value, by `find`.
_MOST_FIELDS, _MOST_VALUE = 4_096, 256


def find(read_at: ReadAt, span: Span, path: Sequence[int]) -> Field | None:
    """Find a field of an EXIF block or of a TIFF without reading all of it.

    Parameters
    ----------
    read_at : callable
        Reads a number of bytes at a place of the file.
    span : tuple of int
        Where the TIFF header is, and where the block ends.
    path : sequence of int
        Tags of the fields that point to its directory, and its own tag.

    Returns
    -------
    Field or None
        None if there is none, or if it is longer than some words.

    Raises
    ------
    IndexError, ValueError
        If the block is broken.
    """
    mark = read_at(span[0], 4)
    if mark not in _HEADERS:
        raise ValueError("there is no TIFF header")
    order, big = _HEADERS[mark]
    size = 8 if big else 4
    place = _unpacked(read_at(span[0] + size, size), f"{order}{'Q' if big else 'I'}", 0)
    found = None
    for tag in path:
        found = _field_in(read_at, span, place, tag, order, big) if place else None
        place = integer(order, found) or 0
    return found


def _field_in(
    read_at: ReadAt, span: Span, place: int, tag: int, order: str, big: bool
) -> Field | None:
    """Read a field of the directory at an offset in a block."""
    begin, end = span
    offset, count, room = ("Q", "Q", 8) if big else ("I", "H", 4)
    head = read_at(begin + place, struct.calcsize(count))
    entry = struct.Struct(f"{order}HH{offset}{room}s")
    first = begin + place + len(head)
    stated = min(_unpacked(head, order + count, 0), _MOST_FIELDS)
    number = max(0, min(stated, (end - first) // entry.size))
    for known, kind, values, value in _entries(read_at, first, number, entry):
        size = _TYPES.get(kind, (0, 0))[0] * values
        if known != tag or not 0 < size <= _MOST_VALUE:
            continue
        where = _unpacked(value, order + offset, 0)
        if size > room and where + size > end - begin:
            continue
        value = value[:size] if size <= room else read_at(begin + where, size)
        return _narrow(Field(kind, value), order)
    return None


def _entries(
    read_at: ReadAt, first: int, number: int, entry: struct.Struct
) -> Iterator[tuple[Any, ...]]:
    """Yield the entries of a directory, which may state more of them than the file has."""
    try:
        table = read_at(first, number * entry.size)
    except IndexError:
        for place in range(first, first + number * entry.size, entry.size):
            yield entry.unpack(read_at(place, entry.size))
        raise
    yield from entry.iter_unpack(table)


def integer(order: str, found: Field | None) -> int | None:
    """Return the first value of a field; None if there is none, or no unsigned integer."""
    if found is None or found.kind not in _INTEGERS:
        return None
    return _unpacked(found.value, order + _INTEGERS[found.kind], 0)


def _fields(data: bytes, begin: int, order: str, big: bool) -> Iterator[tuple[int, Field]]:
    entry = struct.Struct(f"{order}HH{'Q' if big else 'I'}")
    room = 8 if big else 4  # bytes of a value that are stored in the table itself
    head = 8 if big else 2
    if begin + head > len(data):
        return
    count = _unpacked(data, f"{order}{'Q' if big else 'H'}", begin)
    last = len(data) - entry.size - room
    seen: set[int] = set()
    total = 0
    for place in range(begin + head, last + 1, entry.size + room)[:count]:
        tag, kind, number = entry.unpack_from(data, place)
        size = _TYPES.get(kind, (0, 0))[0] * number
        where = place + entry.size
        if size > room:
            where = _unpacked(data, f"{order}{'Q' if big else 'I'}", where)
        if not size or where + size > len(data) or tag in seen:
            continue
        total += size
        if total > len(data):
            raise ValueError("the values of a directory overlap")
        found = _narrow(Field(kind, bytes(data[where : where + size])), order)
        if found is not None:
            seen.add(tag)
            yield tag, found


def _narrow(found: Field, order: str) -> Field | None:
    """Return a field of 64-bit integers as one of 32 bits; None if they are too large."""
    if found.kind not in _WIDE:
        return found
    kind, wide, narrow = _WIDE[found.kind]
    try:
        count = len(found.value) // 8
        values = struct.unpack(f"{order}{count}{wide}", found.value)
        return Field(kind, struct.pack(f"{order}{count}{narrow}", *values))
    except struct.error:
        return None


def _unpacked(data: bytes, form: str, place: int) -> int:
    try:
        (value,) = struct.unpack_from(form, data, place)
    except struct.error as error:
        raise ValueError("the data end within a directory") from error
    return int(value)


def write(tags: Tags) -> bytes:
    """Return directories as an EXIF block, from its TIFF header on, in their byte order."""
    head = b"II*\0" if tags.order == "<" else b"MM\0*"
    return head + struct.pack(f"{tags.order}I", 8) + _directories(tags, 8)


def extension(tiff: bytes, tags: Tags) -> tuple[bytes, bytes]:
    """Return the bytes that add tags to a TIFF, while its pixels and tags stay as they are.

    The new first directory follows at the end of the file and replaces the old one, whose bytes
    remain unused.

    Parameters
    ----------
    tiff : bytes
        A file of one page; not a BigTIFF.
    tags : Tags
        Those that the file already has are left out.

    Returns
    -------
    tail : bytes
        To be appended to the file.
    head : bytes
        To be written over the first bytes of the file.

    Raises
    ------
    ValueError
        If the file is not of this kind.
    """
    own = read(tiff)
    if _HEADERS[tiff[:4]][1]:
        raise ValueError("tags can be added to no BigTIFF")
    tags = in_order(tags, own.order)
    padding = bytes(len(tiff) % 2)
    begin = len(tiff) + len(padding)
    both = {
        name: {**getattr(tags, name), **getattr(own, name)} for name in ("main", "camera", "gps")
    }
    directories = _directories(Tags(own.order, **both), begin)
    return padding + directories, tiff[:4] + struct.pack(f"{own.order}I", begin)


def first_directory(data: bytes, offset: int) -> bytes:
    """Return a file whose first directory is another one of its own.

    Parameters
    ----------
    data : bytes
        A TIFF.
    offset : int
        Of `offsets`.
    """
    order, big = _HEADERS[data[:4]]
    place, form = (8, "Q") if big else (4, "I")
    return data[:place] + struct.pack(order + form, offset) + data[place + struct.calcsize(form) :]


def offsets(data: bytes) -> Iterator[int]:
    """Yield the offset of each directory of a TIFF: one for each page.

    Raises
    ------
    ValueError
        If the data end within a directory, or if directories follow each other in a circle.
    """
    order, big = _HEADERS[data[:4]]
    number, offset, entry = ("Q", "Q", 20) if big else ("H", "I", 12)
    place = _unpacked(data, order + offset, 8 if big else 4)
    seen: set[int] = set()
    while place:
        if place in seen:
            raise ValueError("its directories follow each other in a circle")
        seen.add(place)
        count = _unpacked(data, order + number, place)
        yield place
        place = _unpacked(data, order + offset, place + struct.calcsize(number) + entry * count)


def field_at(data: bytes, place: int, tag: int) -> Field | None:
    """Return a field of the directory at one of `offsets`; None if it has none."""
    order, big = _HEADERS[data[:4]]
    return dict(_fields(data, place, order, big)).get(tag)


#: Tags of the offsets of strips and tiles.
_PIXELS = (273, 324)


def joined(files: Sequence[bytes]) -> bytes:
    """Join files of one page to one file; their pixels are copied as they are.

    Parameters
    ----------
    files : sequence of bytes
        TIFFs of the same byte order, whose offsets of strips are LONGs; not BigTIFFs.

    Raises
    ------
    ValueError
        If the file would be larger than a TIFF can be.
    """
    order = _HEADERS[files[0][:4]][0]
    whole = bytearray()
    link = 4  # the place of the offset of the next directory
    for file in files:
        whole += bytes(len(whole) % 2)
        base, tags = len(whole), read(file)
        whole += file + bytes(len(file) % 2)
        main = {
            tag: _moved(field, order, base) if tag in _PIXELS else field
            for tag, field in tags.main.items()
        }
        begin = len(whole)
        whole += _directories(replace(tags, main=main), begin)
        if len(whole) >= 2**32:
            raise ValueError("a TIFF of more than 4 GB")
        struct.pack_into(f"{order}I", whole, link, begin)
        (count,) = struct.unpack_from(f"{order}H", whole, begin)
        link = begin + 2 + 12 * count
    return bytes(whole)


def _moved(found: Field, order: str, by: int) -> Field:
    """Return offsets that point so many bytes further."""
    letter = _INTEGERS[found.kind]
    count = len(found.value) // _TYPES[found.kind][0]
    values = struct.unpack(f"{order}{count}{letter}", found.value)
    return Field(LONG, struct.pack(f"{order}{count}I", *(value + by for value in values)))


def in_order(tags: Tags, order: str) -> Tags:
    """Return the same tags with values in another byte order.

    A few tags of the camera hold numbers in their own form, which depends on the byte order. They
    are left out if it changes.
    """
    if tags.order == order:
        return tags
    tables = (
        {tag: found._replace(value=_reversed(found)) for tag, found in table.items()
         if tag not in _OWN_FORM}
        for table in (tags.main, tags.camera, tags.gps)
    )  # fmt: skip
    return Tags(order, *tables)


def _reversed(found: Field) -> bytes:
    """Reverse the bytes of each number of a value, and of each character of UTF-16."""
    size, begin = _TYPES[found.kind][1], 0
    if found.kind == UNDEFINED and found.value.startswith(_UTF_16):
        size, begin = 2, len(_UTF_16)
    turned = bytearray(found.value)
    end = begin + (len(turned) - begin) // size * size
    for k in range(size):
        turned[begin + k : end : size] = found.value[begin + size - 1 - k : end : size]
    return bytes(turned)


def _directories(tags: Tags, begin: int) -> bytes:
    """The bytes of the directories IFD0, EXIF and GPS, for an offset in a file."""
    below = {tag: t for tag, t in ((_CAMERA, tags.camera), (_GPS, tags.gps)) if t}
    pointer = Field(LONG, bytes(4))
    place = begin + len(_directory({**tags.main, **dict.fromkeys(below, pointer)}, 0, tags.order))
    pointers, parts = {}, []
    for tag, table in below.items():
        pointers[tag] = pointer._replace(value=struct.pack(f"{tags.order}I", place))
        parts.append(_directory(table, place, tags.order))
        place += len(parts[-1])
    return _directory({**tags.main, **pointers}, begin, tags.order) + b"".join(parts)


def _directory(table: Table, begin: int, order: str) -> bytes:
    """The bytes of a directory and its values; offsets are even, as TIFF requires."""
    place = begin + 2 + 12 * len(table) + 4
    entries, values = [struct.pack(f"{order}H", len(table))], []
    for tag, (kind, value) in sorted(table.items()):
        inside = value.ljust(4, b"\0")
        if len(value) > 4:
            inside = struct.pack(f"{order}I", place)
            values.append(value + bytes(len(value) % 2))
            place += len(values[-1])
        count = len(value) // _TYPES[kind][0]
        entries.append(struct.pack(f"{order}HHI", tag, kind, count) + inside)
    return b"".join([*entries, bytes(4), *values])
