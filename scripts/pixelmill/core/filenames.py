"""File names: reversible escapes for tables, and how file systems compare names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

#: Characters that are invisible, or that change how those beside them are shown: control
#: characters and lone surrogates, line separators, marks and overrides of the direction of
#: writing, joiners and spaces of no width, fillers, annotations, and tags. The set is written
#: out, because that of `unicodedata` grows and ledgers know images by their escaped names.
_UNSEEN = (
    "\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e007f"
)
_SPECIAL = re.compile(rf"[\\{_UNSEEN}]")
_ESCAPED = re.compile(r"\\(\\|u[0-9a-f]{4}|U00(?:0[0-9a-f]|10)[0-9a-f]{4})")

#: The same characters, except those that separate lines and columns of a text.
_UNPRINTABLE = re.compile(rf"(?![\n\t])[{_UNSEEN}]")

#: Characters that make a spreadsheet treat a cell as a formula, at its beginning or after a
#: semicolon, which separates cells in some countries; the wide forms count in others.
_FORMULA = "=+\\-@\uff1d\uff0b\uff0d\uff20"
_CODES = "003d|002b|002d|0040|ff1d|ff0b|ff0d|ff20|005c"
_ACTIVE = re.compile(rf"((?:^|;) *)([{_FORMULA}]|\\(?=u(?:{_CODES})))")
_DEFUSED = re.compile(rf"((?:^|;) *)\\u({_CODES})")

#: First characters of the cells that `as_cell` must examine; a quick test for all others.
_SUSPECTS = frozenset(" =+-@\uff1d\uff0b\uff0d\uff20\\")


def escape(name: str) -> str:
    r"""Escape a file name so that it fits on one line of a table, and hides nothing.

    Control characters, undecodable bytes (which Python holds as lone surrogates), and invisible
    characters become ``\uXXXX`` or ``\UXXXXXXXX``; the backslash is doubled.

    Examples
    --------
    >>> print(escape("two\nlines"))
    two\u000alines
    >>> print(escape("photo\u202egpj.exe"))
    photo\u202egpj.exe
    >>> unescape(escape("caf\udce9 \\ new\nline")) == "caf\udce9 \\ new\nline"
    True
    """
    return _SPECIAL.sub(_escape_one, name)


def _escape_one(match: re.Match[str]) -> str:
    character = match[0]
    if character == "\\":
        return r"\\"
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def unescape(text: str) -> str:
    r"""Undo `escape`, and what `as_cell` does to an escaped text.

    Examples
    --------
    >>> unescape(r"two\u000alines")
    'two\nlines'
    """
    if "\\" not in text:
        return text
    return _ESCAPED.sub(lambda m: "\\" if m[1] == "\\" else chr(int(m[1][1:], 16)), text)


def escaped(texts: Sequence[str]) -> Sequence[str]:
    """Escape many names, which takes little time if they are plain ASCII."""
    joined = "".join(texts)
    if joined.isascii() and joined.isprintable() and "\\" not in joined:
        return texts
    return [*map(escape, texts)]


def unescaped(texts: Sequence[str]) -> Sequence[str]:
    """Undo `escape` for many texts, which takes little time if few have a backslash."""
    return [*map(unescape, texts)] if "\\" in "".join(texts) else texts


def printable(text: str) -> str:
    r"""Escape what a terminal or a page would interpret instead of showing it.

    Unlike `escape`, it keeps the backslash and line ends: it is for whole messages, whose names
    may have been escaped before.

    Examples
    --------
    >>> print(printable("\x1b[31mred"))
    \u001b[31mred
    """
    if text.isascii() and text.isprintable():
        return text
    return _UNPRINTABLE.sub(_escape_one, text)


def as_cell(text: str) -> str:
    r"""Escape a cell of a table so that no spreadsheet treats it as a formula.

    A leading ``=``, ``+``, ``-`` or ``@`` becomes ``\uXXXX``, as if `escape` had done it, so
    that `unescape` restores an escaped name. Tabs and line ends are left to `escape`.

    Examples
    --------
    >>> print(as_cell("=1+1.jpg"), as_cell("a=b.jpg"))
    \u003d1+1.jpg a=b.jpg
    """
    if text[:1] in _SUSPECTS or ";" in text:
        return _ACTIVE.sub(lambda m: f"{m[1]}\\u{ord(m[2]):04x}", text)
    return text


def are_cells(texts: Sequence[str]) -> bool:
    """Return whether `as_cell` changes none of some texts, as a look at all of them shows.

    It may be wrong about texts that `as_cell` does not change, never about others.
    """
    return _SUSPECTS.isdisjoint([text[:1] for text in texts]) and ";" not in "".join(texts)


def of_cell(cell: str) -> str:
    r"""Undo `as_cell`.

    Examples
    --------
    >>> of_cell(r"\u003d1+1.jpg")
    '=1+1.jpg'
    """
    if "\\" not in cell:
        return cell
    return _DEFUSED.sub(lambda m: m[1] + chr(int(m[2], 16)), cell)


def collision_key(path: str) -> str:
    """Return a key that is equal for paths that a file system may treat as one.

    File systems may ignore case and Unicode normalization.
    """
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
