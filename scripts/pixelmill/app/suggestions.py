"""Suggestions: what somebody may have meant by a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a question about the nearest right name, or nothing.

    Examples
    --------
    >>> nearest("wbe", ["web", "archive"])
    "; did you mean 'web'?"
    >>> nearest("x", ["web"])
    ''
    """
    near = difflib.get_close_matches(name.lower(), list(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


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
