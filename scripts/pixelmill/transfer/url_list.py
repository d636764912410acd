"""URL lists: images on web servers that a text or a table names."""

from __future__ import annotations

import hashlib
import os
import re
import urllib.parse
from collections.abc import Iterator
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import BinaryIO

from pixelmill.core.errors import UserError, shortened, shown
from pixelmill.core.filenames import collision_key
from pixelmill.core.suggestions import followed, nearest
from pixelmill.dataset.list_files import (
    DELIMITERS,
    MOST_COLUMNS,
    STANDARD_INPUT,
    TABLES,
    Lines,
    cells,
    is_parquet,
    list_name,
    opened_list,
    opened_parquet,
)
from pixelmill.storage import parquet_format
from pixelmill.storage.member import member_path
from pixelmill.transfer.place import Fetched, Item, PermanentError
from pixelmill.transfer.web import LONGEST_URL, Web, parsed

#: Columns of a table that may hold the URLs, as data sets have them. The first of these that a
#: table has is read.
COLUMNS = ("url", "image_url", "photo_image_url", "OriginalURL")

#: The column of a table with the paths in the mirror.
NAMES = "name"

#: Files that are fetched at the same time.
AT_ONCE = 16

#: Suffixes of lists.
_SUFFIXES = (".txt", ".parquet", *TABLES)

#: The most bytes of a part of a name that is made of a URL, and of the whole.
_LONGEST_PART, _LONGEST_NAME = 180, 1000

#: Digits of a digest that tell names apart.
_DIGITS = 12

#: Characters that no name has on some system, or that would make it a hidden one.
_UNSAFE = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f\ufffd]|^\.|[. ]$')

_SUFFIX = re.compile(r"\.\w{1,5}", re.ASCII)

#: The most bytes of a validator that are kept, and the last second that counts as a time.
_LONGEST_VALIDATOR, _LATEST = 1000, 1 << 33


def is_url_list(source: str) -> bool:
    """Whether a path is that of a list, by its suffix.

    Examples
    --------
    >>> is_url_list("images.csv"), is_url_list("-"), is_url_list("photos")
    (True, True, False)
    """
    is_list = source == STANDARD_INPUT or source.lower().endswith(_SUFFIXES)
    return is_list and "://" not in source and not os.path.isdir(source)


class UrlList:
    """Images whose URLs are in a list.

    A text has one URL a line; lines that begin with ``#`` are comments. A table has a header, which
    names the column of the URLs, and may have a column `NAMES` with the paths in the mirror. Where
    there is none, the name is made of host and path; it does not depend on other lines, except for
    a URL whose name an earlier line has.

    A URL that was fetched is not asked for again, unless this is wanted: the image of a URL does
    not change, as a rule.

    Parameters
    ----------
    file : str
        Its path, or ``-`` for standard input.
    column : str
        The column of a table with the URLs; one of `COLUMNS` if it is empty.
    allow_private : bool
        Whether addresses that are not public are asked: those of this machine and its network.
    refresh : bool
        Whether servers are asked if images changed since they were fetched.
    max_bytes : int
        The largest image that is accepted.
    """

    at_once = AT_ONCE

    def __init__(
        self,
        file: str,
        column: str = "",
        allow_private: bool = False,
        refresh: bool = False,
        max_bytes: int = 1_000_000_000,
    ) -> None:
        self.name = file
        self._column, self._refresh = column, refresh
        self._web = Web(allow_private, max_bytes)
        self._allow_private = allow_private

    @property
    def notice(self) -> str:
        """A sentence about what the user should know; empty if there is nothing."""
        if not self._web.proxies or self._allow_private:
            return ""
        return (
            f"The environment names the proxy '{', '.join(self._web.proxies)}': whether names lead "
            "to private addresses is left to it."
        )

    def items(self) -> Iterator[Item]:
        """List the URLs, mixed, so that those of a server are spread.

        Raises
        ------
        UserError
            If the list cannot be read, names no URL, or gives two of them one name.
        """
        digests: dict[str, str] = {}  # by name, as file systems compare it
        found = []
        is_any, first_fault = False, ""
        for line, written, given in self._rows():
            url = written.partition("#")[0][: LONGEST_URL + 1]  # the rest is not sent
            digest = _digest(url)
            name, fault = member_path(given) if given else ("", "")
            is_url = True
            try:
                parsed(url)
                is_any = True
                name = name or _made_name(url, digest[:_DIGITS])
            except PermanentError as error:  # which `fetch` will raise again
                is_url = False
                name = name or f"line {line}"
                first_fault = first_fault or f": that of line {line:,} {error}"
            if fault:  # it will be left out, however many there are
                yield Item(given, -1, "", url)
                continue
            other = digests.get(collision_key(name))
            if other is not None and other != digest:
                if given:
                    raise UserError(
                        f"{list_name(self.name)}, line {line:,}: an earlier line gives the name "
                        f"{shown(given)} to another URL; give each its own."
                    )
                name = _made_name(url, digest) if is_url else f"{name} {digest}"
                other = digests.get(collision_key(name))
            if other is not None:  # an earlier line is the same
                continue
            digests[collision_key(name)] = digest
            found.append((digest, name, url))
        if not is_any:
            raise UserError(
                f"{list_name(self.name)} names no URL that can be fetched{first_fault}; give one a "
                "line, or a table with a column of them, that begins with https:// or http://."
            )
        digests.clear()
        found.sort(reverse=True)
        while found:  # a million take 300 MB
            digest, name, url = found.pop()
            yield Item(name, -1, "" if self._refresh else digest, url)

    def fetch(self, item: Item, file: BinaryIO) -> Fetched | None:
        """Write the image of a URL; None if the server says that the copy is current.

        Raises
        ------
        PermanentError
            If it cannot be fetched: attempts that may help were made before.
        OSError
            If it cannot be written.
        """
        digest, *known = item.known.split("\n") if item.known else ("",)
        is_same = digest == _digest(item.address)
        headers = self._web.fetch(item.address, file, _conditions(known) if is_same else {})
        if headers is None:
            return None
        validators = (_validator(headers, name) for name in ("ETag", "Last-Modified"))
        return Fetched("\n".join([_digest(item.address), *validators]), _modified_ns(headers))

    def _rows(self) -> Iterator[tuple[int, str, str]]:
        """Yield number of the line or of the row, URL, and name if there is one."""
        if is_parquet(self.name):
            yield from self._rows_of_parquet()
            return
        with opened_list(self.name, "URL") as lines:
            first = next(lines, "")
            columns = self._columns(first)
            if columns is None:
                for line, text in lines.texts(first):
                    if not text.lstrip().startswith("#"):
                        yield line, text.strip(), ""
                return
            yield from self._cells(lines, *columns)

    def _rows_of_parquet(self) -> Iterator[tuple[int, str, str]]:
        with opened_parquet(self.name) as file:
            there = parquet_format.text_columns(file)
            known = [self._column] if self._column else COLUMNS
            by_name = {name.casefold(): name for name in reversed(there)}
            column = next((by_name[c.casefold()] for c in known if c.casefold() in by_name), None)
            if column is None:
                told = shortened(", ".join(there)) or "none"
                raise UserError(
                    f"{list_name(self.name)} has no column {' or '.join(known)} of texts; its "
                    f"columns of texts are {told}."
                )
            wanted = [column, *([by_name[NAMES]] if NAMES in by_name else [])]
            for row, (url, *names) in enumerate(parquet_format.texts(file, wanted), 1):
                yield row, (url or "").strip(), (names[0] or "").strip() if names else ""

    def _cells(
        self, lines: Lines, delimiter: str, column: int, names: int
    ) -> Iterator[tuple[int, str, str]]:
        for line, row in lines.rows(delimiter):
            url, name = (row[at].strip() if 0 <= at < len(row) else "" for at in (column, names))
            yield line, url, name

    def _columns(self, first: str) -> tuple[str, int, int] | None:
        """Return delimiter and places of the columns of URLs and names; None for a text."""
        wanted = [name.casefold() for name in ([self._column] if self._column else COLUMNS)]
        headers = [cells(first, delimiter) for delimiter in DELIMITERS]
        for delimiter, header in zip(DELIMITERS, headers, strict=True):
            names = [name.casefold() for name in header]
            for column in wanted:
                if column in names:
                    there = names.index(NAMES) if NAMES in names else -1
                    return delimiter, names.index(column), there
        if not self._column and not self.name.lower().endswith(TABLES):
            return None
        header = max(headers, key=len)[:MOST_COLUMNS]
        known = [self._column] if self._column else COLUMNS
        question = next(filter(None, (nearest(name, known) for name in header)), "")
        if self._column:
            problem = f"there is no column '{self._column}'"
            advice = f"its columns are {shortened(', '.join(header))}."
        else:
            problem = f"{shown(first.strip())} names no column of URLs"
            advice = f"name a column {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]} in the first line."
        if self._column and question:
            question = nearest(self._column, header)
        raise UserError(f"{list_name(self.name)}, line 1: {problem}{followed(question, advice)}")


def _digest(url: str) -> str:
    return hashlib.sha256(url.encode(errors="surrogateescape")).hexdigest()[:32]


def _made_name(url: str, mark: str) -> str:
    """Return the name for a URL: host and path, with a mark if they are not all that it is.

    Examples
    --------
    >>> _made_name("https://Example.org:8080/a/sea%20side.jpg", "9f8e")
    'example.org_8080/a/sea side.jpg'
    >>> _made_name("https://example.org/image.php?id=7", "9f8e")
    'example.org/image-9f8e.php'
    >>> _made_name("https://example.org/photos/7/", "9f8e")
    'example.org/photos/7-9f8e'
    """
    parts = urllib.parse.urlsplit(url)
    host = _safe(parts.netloc.lower())
    pieces = [urllib.parse.unquote(piece) for piece in parts.path.split("/") if piece]
    folders = [_safe(piece) for piece in pieces]
    stem, suffix = os.path.splitext(folders.pop() if folders else "")
    if not _SUFFIX.fullmatch(suffix):
        stem, suffix = stem + suffix, ""
    is_plain = suffix and not parts.query and [*folders, stem + suffix] == pieces
    if not is_plain or len(mark) > _DIGITS:
        stem = f"{stem}-{mark}" if stem else mark
    name = "/".join([host, *folders, stem + suffix])
    if len(name.encode()) > _LONGEST_NAME:
        return f"{host}/{mark}{suffix}"
    return name


def _safe(part: str) -> str:
    """Return a part of a name as every system accepts it."""
    cut = part.encode(errors="replace")[:_LONGEST_PART].decode(errors="ignore")
    if cut != part:  # the suffix is needed
        suffix = os.path.splitext(part)[1]
        cut += suffix if _SUFFIX.fullmatch(suffix) else ""
    return _UNSAFE.sub("_", cut)


def _conditions(known: list[str]) -> dict[str, str]:
    """Return the headers that ask for a file only if it differs from what is known."""
    names = ("If-None-Match", "If-Modified-Since")
    return {name: value for name, value in zip(names, known, strict=False) if value}


def _validator(headers: Message, name: str) -> str:
    """Return what a server calls a version of a file, on one line."""
    value = " ".join(str(headers.get(name, "")).split())
    return value if len(value) <= _LONGEST_VALIDATOR else ""


def _modified_ns(headers: Message) -> int:
    try:
        seconds = int(parsedate_to_datetime(str(headers["Last-Modified"])).timestamp())
    except (ValueError, TypeError, OverflowError):
        return 0
    return seconds * 1_000_000_000 if 0 < seconds < _LATEST else 0
