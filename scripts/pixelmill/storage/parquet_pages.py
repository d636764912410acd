"""Pages of Parquet: the values of a column, each with its place, by which it is read alone later.

Source: Apache Parquet format 2.12, "Data Pages", "Encodings" and "Compression". Values are bytes in
the encodings PLAIN and dictionary; the column has no lists. Images are read in any order, so that
it matters how much must be decompressed for one: of a page that is not compressed, nothing; of one
by Snappy, the fragments that hold it; of any other page, all of it.
"""

from __future__ import annotations

import itertools
import os
import struct
import zlib
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple, overload

import xxhash

from pixelmill.storage import snappy_fragments, thrift
from pixelmill.storage.member import exactly
from pixelmill.storage.snappy_fragments import FRAGMENT

#: Codecs of the format. In a place, the number of LZO, which is not read, stands for a page by
#: Snappy that is read by its fragments.
_STORED, _SNAPPY, _GZIP, _LZO, _BROTLI, _OLD_LZ4, _ZSTD, _LZ4 = range(8)
_FRAGMENTS = _LZO
_NOT_READ = {_LZO: "LZO", _OLD_LZ4: "an old LZ4"}

#: Types of pages, and encodings: values one after the other, or their numbers in a dictionary.
_DATA, _DICTIONARY, _DATA_2 = 0, 2, 3
_PLAIN, _DICTIONARIES, _RUNS = 0, (2, 8), 3
_ENCODINGS = {5: "DELTA_BINARY_PACKED", 6: "DELTA_LENGTH_BYTE_ARRAY", 7: "DELTA_BYTE_ARRAY"}

#: What is read of the header of a page (``parquet.thrift``), and the most bytes that it takes:
#: its statistics may hold the smallest and the largest value.
_HEADER: thrift.Fields = {
    1: {}, 2: {}, 3: {},
    5: {1: {}, 2: {}, 3: {}},
    7: {1: {}, 2: {}},
    8: {1: {}, 4: {}, 5: {}, 6: {}, 7: {}},
}  # fmt: skip
_LONGEST_HEADER = 2**18

#: Bytes in which a header ends as a rule, and the most values that one has.
_SHORT_HEADER, _MOST_IN_HEADER = 2**10, 1000

#: The most pages of a chunk that bring no values; they take a few bytes each.
_MOST_IDLE = 1000

#: The largest page, in bytes, and the largest one that is decompressed for each of its images.
LARGEST_PAGE, LARGEST_WHOLE = 2**28, 2**27

#: How many times as large as a file its rows may be, and what a small column may become besides:
#: data that become more only waste time.
MOST_EXPANSION, _SLACK = 2000, 2**16

#: Bits of a place: where in the file, a number there, whether levels precede the values, and how.
_REST_BITS, _LEVEL_BIT, _HOW_BITS = 20, 3, 3
_REST_SHIFT = _LEVEL_BIT + 1
_POSITION_SHIFT = _REST_SHIFT + _REST_BITS

#: The largest file whose places fit into 63 bits, and the most values whose numbers do.
LARGEST_FILE, _MOST_NUMBERED = 2 ** (63 - _POSITION_SHIFT), 2**_REST_BITS

_SIZE = struct.Struct("<I")

_WRITE = "write it again with the encoding PLAIN, and compressed by Snappy or not at all"


class PageError(ValueError):
    """A column cannot be read.

    Parameters
    ----------
    why : str
    advice : str, optional
        What to do, if nothing is damaged.
    """

    def __init__(self, why: str, advice: str = "") -> None:
        super().__init__(why)
        self.advice = advice


class Chunk(NamedTuple):
    """The part of a column that belongs to a row group.

    Attributes
    ----------
    start, stop : int
        Where its pages are in the file.
    codec : int
        The number of the compression.
    rows : int
    level : int
        How many of the fields above a value, and itself, may be missing.
    """

    start: int
    stop: int
    codec: int
    rows: int
    level: int


class Value(NamedTuple):
    """A value of a column: its content, a digest of 63 bits, and its place, which is never 0."""

    content: memoryview
    digest: int
    place: int


def digest(content: bytes | memoryview) -> int:
    """Return 63 bits by which contents differ; they do not protect against forgery."""
    return xxhash.xxh3_64_intdigest(content) >> 1


def values(file: BinaryIO, chunk: Chunk) -> Iterator[Value | None]:
    """Yield the value of each row; None if it is missing.

    Raises
    ------
    PageError
    """
    position, left = chunk.start, chunk.rows
    allowed = MOST_EXPANSION * (chunk.stop - chunk.start) + _SLACK
    dictionary: Sequence[Value] = ()
    idle = 0
    while left > 0:
        page = _page(file, position, chunk.codec, chunk.stop)
        position = page.stop
        allowed -= page.size
        if allowed < 0:
            raise PageError(f"becomes more than {MOST_EXPANSION:,} times as large")
        idle += not page.total or page.kind not in (_DATA, _DATA_2)
        if idle > _MOST_IDLE:
            raise PageError(f"has more than {_MOST_IDLE:,} pages without rows")
        if page.kind == _DICTIONARY:
            if dictionary:
                raise PageError("has two dictionaries for the same rows")
            dictionary = _Dictionary(file, page)
        elif page.kind in (_DATA, _DATA_2):
            if page.total > left:
                raise PageError("has more values than rows")
            left -= page.total
            yield from _read(file, page, chunk.level, dictionary)


def content(file: BinaryIO, place: int, size: int) -> bytes:
    """Return a value by its place.

    Raises
    ------
    PageError
        If it cannot be there.
    """
    how = place & (1 << _HOW_BITS) - 1
    rest = place >> _REST_SHIFT & _MOST_NUMBERED - 1
    position = place >> _POSITION_SHIFT
    if position < 0:
        raise PageError("has no row there")
    if how in (_STORED, _FRAGMENTS):
        file.seek(position)
        if how == _STORED:
            return exactly(file, size)
        return _of_fragments(exactly(file, snappy_fragments.largest(rest + size)), rest, size)
    page = _page(file, position, how, LARGEST_FILE)
    if page.size > LARGEST_WHOLE:  # by Snappy, and not listed
        raise _too_large_as_a_whole(page.size)
    data, start = _decompressed(file, page, bool(place >> _LEVEL_BIT & 1))
    begin, size = next(itertools.islice(_plain(data, start), rest, None), (0, 0))
    return data[begin : begin + size]


class _Page(NamedTuple):
    """The header of a page.

    Attributes
    ----------
    position, stop : int
        Where it begins, and where the next page does.
    kind, total, encoding : int
        Its type, how many values it has, missing ones included, and how they are encoded.
    body : int
        Where its values begin, compressed, behind levels if these are apart.
    size : int
        Of the body, uncompressed.
    codec : int
    levels : int or None
        Bytes of the levels in front of the body; None if they are compressed with it.
    """

    position: int
    stop: int
    kind: int
    total: int
    encoding: int
    body: int
    size: int
    codec: int
    levels: int | None


def _page(file: BinaryIO, position: int, codec: int, end: int) -> _Page:
    """Read the header of a page."""
    try:
        header, length = _header(file, position, end)
        kind, size, packed = (header[field] for field in (1, 2, 3))
        levels = None
        body, encoding = position + length, _PLAIN
        if kind == _DATA:
            total, encoding, level_encoding = (header[5][field] for field in (1, 2, 3))
            if level_encoding != _RUNS:
                raise PageError("has levels of an old encoding", _WRITE)
        elif kind == _DATA_2:
            part = header[8]
            total, encoding = part[1], part[4]
            levels = part[5]
            if not 0 <= levels <= min(size, packed) or part[6]:
                raise PageError("has a damaged page")
            codec = codec if part.get(7, True) else _STORED
            size, body = size - levels, body + levels
        elif kind == _DICTIONARY:
            total, encoding = header[7][1], header[7][2]
        else:
            total = 0
    except (KeyError, TypeError, thrift.ThriftError) as error:
        raise PageError("has a damaged page") from error
    stop = position + length + packed
    if min(total, size, packed) < 0 or stop > end:
        raise PageError("has a damaged page")
    if size > LARGEST_PAGE or packed > LARGEST_PAGE:
        raise PageError(
            f"has a page of {max(size, packed):,} bytes, where at most {LARGEST_PAGE:,} are read",
            "write it again in smaller row groups",
        )
    if size > LARGEST_WHOLE and codec not in (_STORED, _SNAPPY):
        raise _too_large_as_a_whole(size)
    return _Page(position, stop, kind, total, encoding, body, size, codec, levels)


def _header(file: BinaryIO, position: int, end: int) -> tuple[dict[int, Any], int]:
    """Read the structure of a header; nearly all of them are short."""
    file.seek(position)
    data = exactly(file, max(0, min(_SHORT_HEADER, end - position)))
    try:
        return thrift.struct(data, _HEADER, _MOST_IN_HEADER)
    except thrift.ThriftError:
        if len(data) < _SHORT_HEADER:
            raise
    data += exactly(file, max(0, min(_LONGEST_HEADER, end - position) - len(data)))
    return thrift.struct(data, _HEADER, _MOST_IN_HEADER)


def _too_large_as_a_whole(size: int) -> PageError:
    return PageError(
        f"has a page of {size:,} bytes, which would be decompressed for each image",
        "write it again, compressed by Snappy or not at all, or in smaller row groups",
    )


class _Dictionary(Sequence[Value]):
    """The values of a page to which others refer by their numbers; a million take 30 MB.

    Parameters
    ----------
    file : BinaryIO
    page : _Page
    """

    def __init__(self, file: BinaryIO, page: _Page) -> None:
        if page.encoding not in (_PLAIN, *_DICTIONARIES):
            raise PageError("has a damaged dictionary")
        if page.total > _MOST_NUMBERED:
            raise PageError(
                f"has a dictionary of {page.total:,} values, where at most {_MOST_NUMBERED:,} are "
                "read",
                "write it again without dictionaries",
            )
        data, start = _decompressed(file, page, False)
        self._data = memoryview(data)
        self._begins, self._ends = array("Q"), array("Q")
        self._digests, self._places = array("Q"), array("Q")
        found = _spots(file, page, False, data, start)
        for begin, size, place in itertools.islice(found, page.total):
            self._begins.append(begin)
            self._ends.append(begin + size)
            self._digests.append(digest(self._data[begin : begin + size]))
            self._places.append(place)
        if len(self) < page.total:
            raise PageError("has a damaged dictionary")

    def __len__(self) -> int:
        return len(self._begins)

    @overload
    def __getitem__(self, number: int) -> Value: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Value]: ...
    def __getitem__(self, number: int | slice) -> Value | Sequence[Value]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        content = self._data[self._begins[number] : self._ends[number]]
        return Value(content, self._digests[number], self._places[number])


def _read(
    file: BinaryIO, page: _Page, level: int, dictionary: Sequence[Value]
) -> Iterator[Value | None]:
    """Yield the value of each row of a page."""
    has_levels = level > 0 and page.levels is None
    there: Iterator[bool] = itertools.repeat(True, page.total)
    if level > 0:
        there = (found == level for found in _levels(file, page, level))
    if page.encoding == _PLAIN:
        found = _placed(file, page, has_levels)
    elif page.encoding in _DICTIONARIES:
        found = _numbered(file, page, has_levels, dictionary)
    else:
        name = _ENCODINGS.get(page.encoding, str(page.encoding))
        raise PageError(f"has values of the encoding {name}, which is not read", _WRITE)
    for is_there in there:
        if not is_there:
            yield None
        elif (value := next(found, None)) is None:
            raise PageError("has fewer values than rows")
        else:
            yield value


def _levels(file: BinaryIO, page: _Page, level: int) -> Iterator[int]:
    if page.levels is None:
        data, start = _decompressed(file, page, True)
        data = data[_SIZE.size : start]
    else:
        file.seek(page.body - page.levels)
        data = exactly(file, page.levels)
    return _runs(data, 0, level.bit_length(), page.total)


def _numbered(
    file: BinaryIO, page: _Page, has_levels: bool, dictionary: Sequence[Value]
) -> Iterator[Value]:
    """Yield values by their numbers in the dictionary."""
    data, start = _decompressed(file, page, has_levels)
    width = data[start] if start < len(data) else 0
    if width > 32:
        raise PageError("has a damaged page")
    for number in _runs(data, start + 1, width, page.total):
        if number >= len(dictionary):
            raise PageError("has a value that is missing from its dictionary")
        yield dictionary[number]


def _runs(data: bytes, position: int, width: int, count: int) -> Iterator[int]:
    """Yield numbers that are encoded as run lengths and packed bits ("RLE hybrid").

    Examples
    --------
    >>> list(_runs(bytes([6, 1, 3, 0b10001000]), 0, 1, 8))
    [1, 1, 1, 0, 0, 0, 1, 0]
    """
    if not width:  # the only number is 0
        yield from itertools.repeat(0, count)
        return
    size, mask = (width + 7) // 8, (1 << width) - 1
    while count > 0:
        try:
            head, position = thrift.varint(data, position)
        except (IndexError, thrift.ThriftError) as error:
            raise PageError("has a damaged page") from error
        if not head & 1:
            end = position + size
            number, repeats = int.from_bytes(data[position:end], "little"), head >> 1
            run: Iterator[int] = itertools.repeat(number, min(repeats, count))
        else:
            repeats = (head >> 1) * 8
            end = position + (head >> 1) * width
            run = itertools.islice(_unpacked(data, position, end, width, mask), count)
        if end > len(data) or not repeats:
            raise PageError("has a damaged page")
        yield from run
        position, count = end, count - repeats


def _unpacked(data: bytes, position: int, end: int, width: int, mask: int) -> Iterator[int]:
    for begin in range(position, end, width):
        bits = int.from_bytes(data[begin : begin + width], "little")
        for _ in range(8):
            yield bits & mask
            bits >>= width


def _plain(data: bytes, start: int) -> Iterator[tuple[int, int]]:
    """Yield begin and size of values that follow one another, each behind its size."""
    whole = len(data)
    while start < whole:
        begin = start + _SIZE.size
        size = _SIZE.unpack_from(data, start)[0] if begin <= whole else whole
        start = begin + size
        if start > whole:
            raise PageError("has a value that ends behind its page")
        yield begin, size


def _placed(file: BinaryIO, page: _Page, has_levels: bool) -> Iterator[Value]:
    """Yield the values of a page, each with its place."""
    data, start = _decompressed(file, page, has_levels)
    view = memoryview(data)
    for begin, size, place in _spots(file, page, has_levels, data, start):
        found = view[begin : begin + size]
        yield Value(found, digest(found), place)


def _spots(
    file: BinaryIO, page: _Page, has_levels: bool, data: bytes, start: int
) -> Iterator[tuple[int, int, int]]:
    """Yield begin and size of each value in the body of a page, and its place."""
    fragments = _fragments(file, page) if page.codec == _SNAPPY else None
    if fragments is None and page.codec == _SNAPPY and page.size > LARGEST_WHOLE:
        raise _too_large_as_a_whole(page.size)
    for number, (begin, size) in enumerate(_plain(data, start)):
        if page.codec == _STORED:
            place = _place(page.body + begin, 0, False, _STORED)
        elif fragments is not None:
            part, skipped = divmod(begin, FRAGMENT)
            # An empty value may be where the last fragment ends.
            position = fragments[min(part, len(fragments) - 1)]
            place = _place(page.body + position, skipped, False, _FRAGMENTS)
        elif number < _MOST_NUMBERED:
            place = _place(page.position, number, has_levels, page.codec)
        else:
            raise PageError(
                f"has a page of more than {_MOST_NUMBERED:,} values", "write it again, uncompressed"
            )
        yield begin, size, place


def _place(position: int, rest: int, has_levels: bool, how: int) -> int:
    return position << _POSITION_SHIFT | rest << _REST_SHIFT | has_levels << _LEVEL_BIT | how


def _fragments(file: BinaryIO, page: _Page) -> array[int] | None:
    file.seek(page.body)
    try:
        return snappy_fragments.starts(exactly(file, page.stop - page.body))
    except snappy_fragments.SnappyError as error:
        raise PageError("has a page that cannot be decompressed") from error


def _of_fragments(data: bytes, skipped: int, size: int) -> bytes:
    """Return a value from the compressed data that begin with its first fragment."""
    import imagecodecs

    try:
        needed = snappy_fragments.beginning(data, skipped + size)
        made = bytes(imagecodecs.snappy_decode(needed)) if size else b""
    except (snappy_fragments.SnappyError, RuntimeError) as error:
        raise PageError("has a page that cannot be decompressed") from error
    return made[skipped : skipped + size]


#: The page that this process decompressed last, by its file and place, and where its values begin:
#: neighbours are often read one after the other.
_last: tuple[object, bytes, int] = (None, b"", 0)


def forget() -> None:
    """Forget the last page: before a listing, the file may have been rewritten a moment ago."""
    global _last
    _last = None, b"", 0


def _decompressed(file: BinaryIO, page: _Page, has_levels: bool) -> tuple[bytes, int]:
    """Return the body of a page, and where in it the values begin."""
    global _last
    state = os.fstat(file.fileno())
    key = state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, page, has_levels
    last = _last
    if last[0] == key:
        return last[1:]
    forget()  # two pages would take twice the memory
    del last
    file.seek(page.body)
    packed = exactly(file, page.stop - page.body)
    data = _decompress(packed, page.codec, page.size)
    start = 0
    if has_levels:
        start = _SIZE.size + (_SIZE.unpack_from(data)[0] if len(data) >= _SIZE.size else 0)
    if len(data) != page.size or start > len(data):
        raise PageError("has a damaged page")
    if page.size <= LARGEST_WHOLE:
        _last = key, data, start
    return data, start


def _decompress(packed: bytes, codec: int, size: int) -> bytes:
    """Decompress a page, to no more than its size."""
    if codec == _STORED:
        return packed
    if codec in _NOT_READ or codec not in range(_LZ4 + 1):
        name = _NOT_READ.get(codec, str(codec))
        raise PageError(f"is compressed by {name}, which is not read", _WRITE)
    if not size:
        return b""
    import imagecodecs

    try:
        if codec == _SNAPPY:
            if snappy_fragments.uncompressed_size(packed)[0] != size:
                raise snappy_fragments.SnappyError("it becomes another number of bytes")
            return bytes(imagecodecs.snappy_decode(packed))
        if codec == _GZIP:
            return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(packed, size + 1)
        if codec == _LZ4:
            return bytes(imagecodecs.lz4_decode(packed, header=False, out=size))
        decode = imagecodecs.brotli_decode if codec == _BROTLI else imagecodecs.zstd_decode
        return bytes(decode(packed, out=size))
    except (RuntimeError, ValueError, zlib.error) as error:
        raise PageError("has a page that cannot be decompressed") from error
