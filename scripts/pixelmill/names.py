"""Names of files: written reversibly into tables, and told apart as file systems do."""

from __future__ import annotations

import re
import unicodedata

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


def identity(path: str) -> str:
    """What a file system that ignores case or Unicode normalization knows a path by."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
