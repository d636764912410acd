"""Suggestions: what somebody may have meant by a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: The fewest letters of a name that are looked for within others.
_PART = 4


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a question about the nearest right name, or nothing.

    Examples
    --------
    >>> nearest("wbe", ["web", "archive"])
    "; did you mean 'web'?"
    >>> nearest("blur", ["resize", "gaussian_blur"])
    "; did you mean 'gaussian_blur'?"
    >>> nearest("x", ["web"])
    ''
    """
    near = close(name, known)
    return f"; did you mean '{near}'?" if near else ""


def close(name: str, known: Iterable[str]) -> str | None:
    """Return the nearest right name; None if all are quite different.

    Examples
    --------
    >>> close("WBE", ["web", "archive"])
    'web'
    """
    name, names = name.lower(), list(known)
    near = difflib.get_close_matches(name, names, n=1)
    holding = [word for word in names if len(name) >= _PART and name in word]
    return next(iter(near or holding), None)


def followed(question: str, advice: str) -> str:
    """Continue a sentence with a question, or with nothing, and with advice.

    Examples
    --------
    >>> followed("; did you mean 'web'?", "give a name.")
    "; did you mean 'web'? Give a name."
    >>> followed("", "give a name.")
    '; give a name.'
    """
    return f"{question} {advice[0].upper()}{advice[1:]}" if question else f"; {advice}"


def allowed(name: object, known: Iterable[str]) -> str:
    """Say which names are allowed, after a question about the nearest one.

    Examples
    --------
    >>> "found 'wbe'" + allowed("wbe", ["web", "archive"])
    "found 'wbe'; did you mean 'web'? Allowed are web, archive."
    >>> "found 3" + allowed(3, ["web", "archive"])
    'found 3; allowed are web, archive.'
    """
    names = list(known)
    question = nearest(name, names) if isinstance(name, str) else ""
    return followed(question, f"allowed are {', '.join(names) or 'none'}.")


def unknown(name: str, known: Iterable[str]) -> str:
    """Say that a name is unknown, with the nearest right one and all others.

    Examples
    --------
    >>> unknown("wbe", ["web", "archive"])
    "'wbe' is unknown; did you mean 'web'? Known are web and archive."
    >>> unknown("x", ["web"])
    "'x' is unknown. Known are web."
    """
    names = list(known)
    *first, last = names
    listed = f"{', '.join(first)} and {last}" if first else last
    question = nearest(name, names) or "."
    return f"'{name}' is unknown{question} Known are {listed}."
