"""YAML errors: where a document is wrong, what is wrong there, and what to do about it.

The parsers say what they expected. These sentences say what people did instead: a tab, a Windows
path in double quotes, a bracket that is not closed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

#: What a plain text cannot begin with, because YAML gives it a meaning.
_SPECIAL = "@`%*&!|>}]"


class Trouble(NamedTuple):
    """What is wrong with a document; line and column count from 0."""

    line: int
    column: int
    what: str


def place(where: str, line: int, column: int) -> str:
    """Name a place in a document; line and column count from 0.

    Examples
    --------
    >>> place("config.yaml", 2, 0)
    'config.yaml, line 3, column 1'
    """
    return f"{where}, line {line + 1}, column {column + 1}"


def explain(error: Exception, text: str) -> Trouble | None:
    r"""Say what is wrong with a document; None if nothing is known about the error.

    Parameters
    ----------
    error : Exception
        Of PyYAML or libyaml, whose words differ.
    text : str
        The document.

    Examples
    --------
    >>> import yaml
    >>> try:
    ...     yaml.safe_load("run:\n\tdatasets: [mine]")
    ... except yaml.YAMLError as error:
    ...     explain(error, "run:\n\tdatasets: [mine]")
    Trouble(line=1, column=0, what='found a tab; indent with spaces only')
    """
    position = getattr(error, "position", None)
    if isinstance(position, int) and position < len(text):
        line = text.count("\n", 0, position)
        column = position - (text.rfind("\n", 0, position) + 1)
        return Trouble(line, column, f"found the character {text[position]!r}; remove it")
    at, begin = _mark(error, "problem_mark"), _mark(error, "context_mark")
    if at is None:
        return None
    lines = [*text.split("\n"), ""]
    tabs = [line for line in (at[0], begin[0] if begin else 0) if "\t" in _indent(lines[line])]
    if tabs:
        return Trouble(tabs[0], lines[tabs[0]].index("\t"), "found a tab; indent with spaces only")
    return _by_words(error, lines, at, begin or at)


def _mark(error: Exception, name: str) -> tuple[int, int] | None:
    mark = getattr(error, name, None)
    return None if mark is None else (mark.line, mark.column)


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _by_words(
    error: Exception, lines: Sequence[str], at: tuple[int, int], begin: tuple[int, int]
) -> Trouble:
    """Explain an error by the words of the parser and the text where it stopped."""
    problem, context = (str(getattr(error, name) or "") for name in ("problem", "context"))
    here = lines[at[0]][at[1] :]
    if "escape" in problem or "hexde" in problem or "hexade" in problem:
        return _escape(lines[at[0]], at)
    if "quoted scalar" in context:
        return Trouble(
            *begin, "the quotation mark has no second one; add it at the end of the text"
        )
    if "flow sequence" in context or "flow mapping" in context:
        one, other = "[]" if "sequence" in context else "{}"
        what = f"after this '{one}', a ',' or the '{other}' is missing"
        return Trouble(*begin, f"{what}; the next thing found is line {at[0] + 1}")
    if "single document" in context or "<document start>" in problem:
        return Trouble(*at, "the document ends before this; remove what is superfluous")
    if "expected ':'" in problem:
        word = lines[begin[0]].strip()
        return Trouble(*begin, f"found {word!r} without a value; write ':' and a space after a key")
    if "mapping values" in problem:
        return _second_colon(lines, at)
    if "alias" in context or "anchor" in context or here[:1] in tuple(_SPECIAL):
        return _special(lines[begin[0]], begin if "alias" in context else at)
    if "undefined alias" in problem or "tag" in problem:
        return _special(lines[at[0]], at)
    if "block" in context:
        return Trouble(
            *at, f"found {_word(here)!r}, which does not fit here; give lines that belong "
            "together the same indentation, and put texts with special characters in quotes",
        )  # fmt: skip
    return Trouble(*at, f"{problem or context}; correct the YAML there")


def _word(text: str) -> str:
    return (text.split() or [""])[0]


def _escape(line: str, at: tuple[int, int]) -> Trouble:
    """A backslash in double quotes, as in the paths of Windows."""
    back = max(line.rfind("\\", 0, at[1] + 1), 0)
    return Trouble(
        at[0],
        back,
        f"found '{line[back : back + 2]}' in double quotes, where '\\' begins an escape; "
        "write '/', or put the path in single quotes",
    )


def _second_colon(lines: Sequence[str], at: tuple[int, int]) -> Trouble:
    """A colon where no key can be: in a text, or after a key that is indented too far."""
    before = lines[at[0]][: at[1]]
    if ": " in before:
        return Trouble(*at, "found a second ':' in this line; put the text that holds it in quotes")
    return Trouble(
        at[0],
        len(_indent(before)),
        f"found the key {before.strip()!r} within the value of the line above; give both the same "
        "indentation, or end the line above with ':'",
    )


def _special(line: str, at: tuple[int, int]) -> Trouble:
    """A character that YAML gives a meaning, at the beginning of a text."""
    word = re.split(r"[,\]}\s]", line[at[1] :])[0] or line[at[1] : at[1] + 1]
    what = f"found {word!r} without quotes, but '{word[:1]}' has a meaning of its own in YAML"
    return Trouble(*at, f"{what}; put the text in quotes")


def find(node: Any, path: str) -> tuple[int, tuple[int, int]] | None:
    """Find the place of a key in a document.

    Parameters
    ----------
    node : yaml.Node
        Root of the composed document.
    path : str
        Begins with the key, such as ``run.engines[0]: found 'x'``.

    Returns
    -------
    depth, (line, column)
        How many keys of the path the document has, and the place of the last of them, counted from
        0; None if it has not even the first.
    """
    depth, mark = 0, None
    while node is not None:
        entry = _entry(node, path)
        if entry is None:
            break
        mark, node, path = entry
        depth += 1
    return None if mark is None else (depth, (mark.line, mark.column))


def _entry(node: Any, path: str) -> tuple[Any, Any, str] | None:
    """Return the mark and the value of the entry that a path begins with, and the rest of it."""
    if node.id == "sequence":
        match = re.match(r"\[(\d+)\]\.?", path)
        if match and int(match[1]) < len(node.value):
            value = node.value[int(match[1])]
            return value.start_mark, value, path[match.end() :]
    if node.id == "mapping":
        for key, value in sorted(node.value, key=lambda pair: -len(str(pair[0].value))):
            name = str(key.value)
            if path.startswith(name) and path[len(name) :][:1] in ("", ".", "[", ":"):
                return key.start_mark, value, path[len(name) :].removeprefix(".")
    return None
