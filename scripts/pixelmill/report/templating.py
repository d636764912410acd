"""Templating: the templates of pages, and filters that format values and texts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from pixelmill.core.filenames import printable


def environment(autoescape: bool = True) -> jinja2.Environment:
    """Return the templates with the filters below; a missing value is an empty text.

    Parameters
    ----------
    autoescape : bool
        Whether texts are escaped for HTML.
    """
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=autoescape,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.ChainableUndefined,
        finalize=_printable,
    )
    made.filters |= {"number": number, "span": span, "size": size, "plain": plain, "code": code}
    return made


def _printable(value: Any) -> Any:
    """Escape characters that a page would not show, such as marks of direction."""
    return printable(value) if type(value) is str else value


def number(value: Any, digits: int = 0) -> str:
    """Format a number with separators of thousands; return anything else as a text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else str(value)
    return f"{value:,.{digits}f}"


def span(seconds: Any) -> str:
    """Format seconds with three digits, in a suitable unit.

    Examples
    --------
    >>> span(0.00456), span(0.25), span(12.34), span(600)
    ('4.56 ms', '250 ms', '12.3 s', '600 s')
    """
    if not isinstance(seconds, int | float):
        return ""
    value, unit = (1000 * seconds, "ms") if seconds < 1 else (seconds, "s")
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} {unit}"


def size(count: int) -> str:
    """Format a number of bytes.

    Examples
    --------
    >>> size(999), size(37_400), size(12_300_000)
    ('999 bytes', '37 kB', '12.3 MB')
    """
    if count < 1000:
        return f"{count} bytes"
    return f"{count / 1e3:.0f} kB" if count < 1e6 else f"{count / 1e6:.1f} MB"


def code(text: str) -> Markup:
    """Format text between backquotes as code.

    Examples
    --------
    >>> print(code("above all `resize` <b>"))
    above all <code>resize</code> &lt;b&gt;
    """
    return Markup(re.sub(r"(`+)(.+?)\1", r"<code>\2</code>", str(escape(text))))


def plain(text: str) -> str:
    r"""Escape a text for Markdown.

    Examples
    --------
    >>> print(plain("a_b|<i>.jpg"))
    a\_b\|&lt;i&gt;.jpg
    """
    marked = re.sub(r"([\\`*_{}\[\]()#+!|~$@-])", r"\\\1", text)
    return marked.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
