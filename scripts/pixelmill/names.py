"""Names of files: written reversibly into tables, and chosen for outputs."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

#: Longest file name, in bytes, that every common file system takes.
MAX_NAME_BYTES = 255

#: Bytes that a character takes at most in a file name.
_MOST_BYTES = 4

#: What looks like the suffix of a format, after something that bears it.
_SUFFIX = re.compile(r"(?<=[^/])\.[A-Za-z][A-Za-z0-9]{1,4}\Z")

_SPECIAL = re.compile(r"[\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ESCAPED = re.compile(r"\\(\\|u[0-9a-f]{4})")


def escape(name: str) -> str:
    r"""Write a file name so that it fits on one line of any table.

    Control characters and undecodable bytes (which Python holds as lone
    surrogates) become ``\uXXXX``, the backslash is doubled.

    Examples
    --------
    >>> print(escape("two\nlines"))
    two\u000alines
    >>> unescape(escape("caf\udce9 \\ new\nline")) == "caf\udce9 \\ new\nline"
    True
    """
    return _SPECIAL.sub(_escape_one, name)


def _escape_one(match: re.Match[str]) -> str:
    character = match[0]
    return r"\\" if character == "\\" else f"\\u{ord(character):04x}"


def unescape(text: str) -> str:
    r"""Undo `escape`.

    Examples
    --------
    >>> unescape(r"two\u000alines")
    'two\nlines'
    """
    if "\\" not in text:
        return text
    return _ESCAPED.sub(lambda m: "\\" if m[1] == "\\" else chr(int(m[1][1:], 16)), text)


def name_outputs(sources: Iterable[str], suffix: str | Callable[[str], str]) -> dict[str, str]:
    """Give each source the path of its output, without collisions.

    Two paths collide when a file system that ignores case or Unicode
    normalization would take them for one. The plain name goes to the source that
    already bears the suffix, else to the first by path; the others keep their own
    suffix before the new one.

    Parameters
    ----------
    sources : iterable of str
        Relative paths with ``/``.
    suffix : str or callable
        Suffix of the outputs, with its dot; or what gives that of a source.

    Returns
    -------
    dict
        Output path by source.

    Examples
    --------
    >>> name_outputs(["a.gif", "a.png", "b/c.PNG"], ".jpg")
    {'a.gif': 'a.jpg', 'a.png': 'a.png.jpg', 'b/c.PNG': 'b/c.jpg'}
    >>> name_outputs(["a.bmp", "a.jpg"], ".jpg")
    {'a.bmp': 'a.bmp.jpg', 'a.jpg': 'a.jpg'}
    """
    ordered = sorted(sources)
    suffix_of = suffix if callable(suffix) else lambda _: suffix
    # Folders keep their names: no file may bear one.
    taken = {
        identity(str(parent))
        for folder in {source.rpartition("/")[0] for source in ordered}
        for parent in (PurePosixPath(folder), *PurePosixPath(folder).parents)
    }
    outputs = {source: _with_suffix(source, suffix_of(source)) for source in ordered}
    firsts: dict[str, str] = {}
    colliding: dict[str, list[str]] = {}  # few, so that a million names cost little
    for source, candidate in outputs.items():
        known_as = identity(candidate)
        first = firsts.setdefault(known_as, source)
        if first != source:
            colliding.setdefault(known_as, [first]).append(source)
    rest = [source for known_as, source in firsts.items() if known_as in taken]
    for known_as, group in colliding.items():
        if known_as in taken:
            rest.extend(group[1:])
            continue
        winner = next((s for s in group if s.lower().endswith(suffix_of(s).lower())), group[0])
        rest.extend(source for source in group if source != winner)
    for source in sorted(rest):
        suffix = suffix_of(source)
        candidate, tries = _fit(source + suffix, source), 0
        while identity(candidate) in taken or identity(candidate) in firsts:
            mark = _short_digest(source + "/" * tries)
            candidate, tries = _fit(f"{source}.{mark}{suffix}", source), tries + 1
        taken.add(identity(candidate))
        outputs[source] = candidate
    return outputs


def first_collision(
    sources: Iterable[str], suffix: str | Callable[[str], str]
) -> tuple[str, str] | None:
    """Two sources whose outputs would bear one name; None where all differ.

    Examples
    --------
    >>> first_collision(["a.gif", "A.png"], ".jpg")
    ('A.png', 'a.gif')
    """
    suffix_of = suffix if callable(suffix) else lambda _: suffix
    seen: dict[str, str] = {}
    for source in sorted(sources):
        other = seen.setdefault(identity(_with_suffix(source, suffix_of(source))), source)
        if other != source:
            return other, source
    return None


def _with_suffix(source: str, suffix: str) -> str:
    # Only a real suffix is replaced: "IMG.2024-05-01" keeps its whole name.
    known = _SUFFIX.search(source)
    return _fit((source[: known.start()] if known else source) + suffix, source)


def _fit(output: str, source: str) -> str:
    """Shorten a name over the limit; a digest of the source keeps it unique."""
    if len(output) * _MOST_BYTES <= MAX_NAME_BYTES:  # as nearly all are
        return output
    parent, slash, name = output.rpartition("/")
    if len(os.fsencode(name)) <= MAX_NAME_BYTES:
        return output
    suffix = PurePosixPath(name).suffix
    tail = f"~{_short_digest(source)}{suffix}"
    stem = name[: -len(suffix)]
    while len(os.fsencode(stem + tail)) > MAX_NAME_BYTES:
        stem = stem[:-1]
    return f"{parent}{slash}{stem}{tail}"


def identity(path: str) -> str:
    """What a file system that ignores case or Unicode normalization knows a path by."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _short_digest(text: str) -> str:
    return hashlib.blake2b(escape(text).encode(), digest_size=4).hexdigest()
