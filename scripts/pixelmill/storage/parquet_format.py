"""Parquet files with a column of images, as Hugging Face `datasets` writes them.

The rows are the members. Sources: Apache Parquet format 2.12, "File format" and ``parquet.thrift``;
`datasets` 4, feature ``Image``: a struct with the fields ``bytes`` and ``path``. The mark of a row
is a digest of its content, because all contents are read anyway when the rows are listed.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

from pixelmill.core.errors import UserError, shown
from pixelmill.core.filenames import escape
from pixelmill.storage import parquet_pages, thrift
from pixelmill.storage.member import (
    ArchiveFormat,
    Listed,
    MemberError,
    Spot,
    damaged,
    exactly,
    member_path,
)
from pixelmill.storage.parquet_pages import LARGEST_FILE, MOST_EXPANSION, Chunk, PageError

#: First and last bytes of a file, and those of one whose footer is encrypted.
_MAGIC, _ENCRYPTED = b"PAR1", b"PARE"

#: The largest footer that is read, in bytes, and the most rows of a file: what they take is claimed
#: by few bytes.
_LARGEST_FOOTER, MOST_ROWS = 2**26, 10_000_000

#: What is read of a footer.
_ELEMENT: thrift.Fields = {1: {}, 3: {}, 4: {}, 5: {}, 6: {}, 10: {}}
_CHUNK: thrift.Fields = {1: {}, 3: {4: {}, 5: {}, 7: {}, 9: {}, 11: {}}, 8: {}}
_FOOTER: thrift.Fields = {2: _ELEMENT, 3: {}, 4: {1: _CHUNK, 3: {}}}

#: Fields of an element of the schema: its physical type, whether it may be missing or repeated, its
#: name, the number of fields in it, and two that are there if bytes are a text or a number.
_TYPE, _REPETITION, _NAME, _CHILDREN, _MEANINGS = 1, 3, 4, 5, (6, 10)
_BYTES, _REQUIRED, _OPTIONAL = 6, 0, 1

#: What a row counts at least, in bytes, so that none is free.
_LEAST = 64

#: How deep fields are nested at most.
_DEEPEST = 64

#: The most columns that a message names.
_MOST_NAMED = 6

#: Digits of the number of a row, so that names sort as rows do, and the suffix of a path.
_DIGITS, _SUFFIX = 8, re.compile(r"\.\w{1,8}\Z", re.ASCII)

#: Longest path of a row that is looked at, in bytes.
_LONGEST_PATH = 4096


class _Column(NamedTuple):
    """A field that has values.

    Attributes
    ----------
    names : tuple of str
        Of the fields that lead to it.
    number : int
        Among the columns.
    level : int
        How many of these fields may be missing.
    has_bytes, is_binary, is_single : bool
        Whether its values are bytes, whether these are no text, and whether no field is repeated.
    """

    names: tuple[str, ...]
    number: int
    level: int
    has_bytes: bool
    is_binary: bool
    is_single: bool


def text_columns(file: BinaryIO) -> list[str]:
    """Return the names of the columns of texts, or of bytes, that are not within others.

    Raises
    ------
    PageError
        If it is not a Parquet file, or is damaged.
    """
    with _damage():
        return [column.names[0] for column in _texts(file)]


def texts(file: BinaryIO, names: Sequence[str]) -> Iterator[tuple[str | None, ...]]:
    """Yield the texts of each row in some columns, None where one is missing.

    Parameters
    ----------
    file : file object
    names : sequence of str
        Of `text_columns`.

    Raises
    ------
    PageError
        If it is damaged, or written in a way that is not read.
    """
    with _damage():
        by_name = {column.names[0]: column for column in _texts(file)}
        end = file.seek(0, io.SEEK_END)
        allowed = MOST_EXPANSION * end
        for group in _footer(file)[4]:
            if group[3]:
                chunks = (_chunk(group, by_name[name], end) for name in names)
                columns = (parquet_pages.values(file, chunk) for chunk in chunks)
                for row in zip(*columns, strict=True):
                    allowed -= _LEAST + sum(len(value.content) for value in row if value)
                    if allowed < 0:
                        raise _becomes_too_large()
                    yield tuple(value and _text(value.content) for value in row)


def _texts(file: BinaryIO) -> Iterator[_Column]:
    found = _columns(_footer(file)[2])
    return (
        column
        for column in found
        if column.has_bytes and column.is_single and len(column.names) == 1
    )


def _text(content: memoryview) -> str:
    return bytes(content).decode("utf-8", "surrogateescape")


@contextlib.contextmanager
def _damage() -> Iterator[None]:
    """Turn what a damaged footer causes into an error that says so."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise PageError("has a damaged footer") from error


def _members(file: BinaryIO, path: str) -> Iterator[Listed]:
    parquet_pages.forget()
    try:
        with _damage():
            footer = _footer(file)
            images, paths = _chosen(list(_columns(footer[2])))
            yield from _rows(file, footer[4], images, paths)
    except PageError as error:
        if error.advice:
            raise UserError(f"The archive '{escape(path)}' {error}; {error.advice}.") from error
        raise damaged(path, str(error)) from error
    finally:
        parquet_pages.forget()


def _footer(file: BinaryIO) -> dict[int, Any]:
    whole = file.seek(0, io.SEEK_END)
    file.seek(0)
    first = exactly(file, len(_MAGIC))
    file.seek(max(0, whole - 8))
    tail = exactly(file, 8)
    if _ENCRYPTED in (first, tail[4:]):
        raise PageError("is encrypted", "write it without encryption")
    if first != _MAGIC or tail[4:] != _MAGIC:
        raise PageError("is not a Parquet file, or its end is missing")
    if whole > LARGEST_FILE:
        raise PageError(f"has {whole:,} bytes", f"divide it into files of {LARGEST_FILE:,} at most")
    size = int.from_bytes(tail[:4], "little")
    if not 0 < size <= min(whole - 12, _LARGEST_FOOTER):
        raise PageError("has no footer where it should be")
    file.seek(whole - 8 - size)
    try:
        footer, _ = thrift.struct(exactly(file, size), _FOOTER)
    except thrift.ThriftError as error:
        raise PageError("has a damaged footer") from error
    rows = footer[3]
    if rows > MOST_ROWS:
        raise PageError(f"has {rows:,} rows", f"divide it into files of {MOST_ROWS:,} at most")
    if rows < 0 or sum(group[3] for group in footer[4]) != rows:
        raise PageError("has a damaged footer")
    return footer


def _columns(schema: Sequence[dict[int, Any]]) -> Iterator[_Column]:
    """Yield the columns of a schema, each element of which is followed by its fields."""
    above: list[list[Any]] = [[schema[0].get(_CHILDREN, 0), (), 0, True]]
    number = 0
    for element in itertools.islice(schema, 1, None):
        while above and not above[-1][0]:
            above.pop()
        if not 0 < len(above) <= _DEEPEST:
            raise PageError("has a damaged footer")
        above[-1][0] -= 1
        _, names, level, is_single = above[-1]
        names = (*names, element[_NAME].decode("utf-8", "replace"))
        repetition = element.get(_REPETITION, _REQUIRED)
        level += repetition == _OPTIONAL
        is_single = is_single and repetition in (_REQUIRED, _OPTIONAL)
        if element.get(_CHILDREN):
            above.append([element[_CHILDREN], names, level, is_single])
            continue
        has_bytes = element.get(_TYPE) == _BYTES
        is_binary = has_bytes and not any(map(element.__contains__, _MEANINGS))
        yield _Column(names, number, level, has_bytes, is_binary, is_single)
        number += 1
    if any(left for left, *_ in above):
        raise PageError("has a damaged footer")


def _chosen(columns: Sequence[_Column]) -> tuple[_Column, _Column | None]:
    """Return the column of images, and that of their paths if there is one."""
    by_names = {column.names: column for column in columns if column.is_single}
    structs = [
        (column, by_names[name, "path"])
        for (name, *rest), column in by_names.items()
        if rest == ["bytes"] and column.is_binary and (name, "path") in by_names
    ]
    plain = [(c, None) for names, c in by_names.items() if len(names) == 1 and c.is_binary]
    found: Sequence[tuple[_Column, _Column | None]] = structs or plain
    if len(found) == 1:
        return found[0]
    if found:
        names = [column.names[0] for column, _ in found]
        raise PageError(
            f"has several columns that may hold images: {_told(names)}", "write one of them"
        )
    names = list(dict.fromkeys(column.names[0] for column in columns))
    raise PageError(
        "has no column of bytes, or of bytes with their paths, that may hold images; its columns "
        f"are {_told(names) or 'none'}",
        "write the content of the image files as one",
    )


def _told(names: Sequence[str]) -> str:
    told = ", ".join(map(shown, names[:_MOST_NAMED]))
    return f"{told} and others" if len(names) > _MOST_NAMED else told


def _rows(
    file: BinaryIO,
    groups: Sequence[dict[int, Any]],
    images: _Column,
    paths: _Column | None,
) -> Iterator[Listed]:
    whole = left = file.seek(0, io.SEEK_END)
    allowed = MOST_EXPANSION * whole
    row, taken = 0, set[str]()
    for group in groups:
        if not group[3]:  # its chunks may have no place
            continue
        chunk = _chunk(group, images, whole)
        left -= chunk.stop - chunk.start
        if left < 0:
            raise PageError("has row groups that overlap, which no program writes")
        found = parquet_pages.values(file, chunk)
        named: Iterator[parquet_pages.Value | None] = itertools.repeat(None, group[3])
        if paths:
            named = parquet_pages.values(file, _chunk(group, paths, whole))
        for image, given in zip(found, named, strict=True):
            allowed -= _LEAST
            if allowed < 0:
                raise _becomes_too_large()
            if image is None:
                yield Listed(str(row), "rows without an image", 0, 0, 0, 0)
            else:
                allowed -= len(image.content)
                name = _name(given.content if given else b"", row, taken)
                taken.add(name)
                yield Listed(name, "", len(image.content), 0, image.digest, image.place)
            row += 1


def _becomes_too_large() -> PageError:
    return PageError(f"becomes more than {MOST_EXPANSION:,} times as large")


def _chunk(group: dict[int, Any], column: _Column, end: int) -> Chunk:
    found = group[1][column.number]
    if 8 in found or 3 not in found:
        raise PageError(
            f"has the encrypted column {shown(column.names[0])}", "write it in the clear"
        )
    if 1 in found:
        raise PageError("has its data in another file", "write it as one file")
    about = found[3]
    start = about[9]
    if 0 < about.get(11, 0) < start:  # its dictionary
        start = about[11]
    if not (len(_MAGIC) <= start <= start + about[7] <= end and about[5] == group[3] >= 0):
        raise PageError("has a damaged footer")
    return Chunk(start, start + about[7], about[4], group[3], column.level)


def _name(path: bytes | memoryview, row: int, taken: set[str]) -> str:
    """Return the path of a row if no earlier row has it, else the number of the row.

    Names therefore stay the same if rows are appended.

    Examples
    --------
    >>> _name(b"a/b.jpg", 7, set()), _name(b"a/b.jpg", 7, {"a/b.jpg"}), _name(b"", 7, set())
    ('a/b.jpg', '00000007.jpg', '00000007')
    >>> _name(b"../b.jpg", 7, {"00000007.jpg"})
    '00000007_.jpg'
    """
    text = bytes(path[: _LONGEST_PATH + 1]).decode("utf-8", "surrogateescape")
    name, fault = member_path(text)
    if not fault and name not in taken:
        return name
    suffix = found[0] if (found := _SUFFIX.search(text)) else ""
    stem = f"{row:0{_DIGITS}d}"
    while stem + suffix in taken:
        stem += "_"
    return stem + suffix


def _stream(file: BinaryIO, spot: Spot) -> BinaryIO:
    with file:
        return io.BytesIO(_read(file, spot))


def _read(file: BinaryIO, spot: Spot) -> bytes:
    try:
        return parquet_pages.content(file, spot.offset, spot.size)
    except PageError as error:
        raise MemberError(f"its row cannot be read: the archive {error}") from error


def _content(file: BinaryIO, spot: Spot) -> bytes:
    data = _read(file, spot)
    if len(data) != spot.size or parquet_pages.digest(data) != spot.mark:
        raise MemberError("its row has another content: the archive is damaged or changed")
    return data


PARQUET = ArchiveFormat(_members, _stream, _content)
