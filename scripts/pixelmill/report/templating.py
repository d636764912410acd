"""Templating: the templates of pages, and filters that format values and texts."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from pixelmill.core.filenames import printable
from pixelmill.report.comparison import digits_of
from pixelmill.report.palette import color_of

_TEMPLATES = Path(__file__).parent / "templates"


@functools.cache
def environment(autoescape: bool = True) -> jinja2.Environment:
    """Return the templates with the filters below; a missing value is an empty text.

    Parameters
    ----------
    autoescape : bool
        Whether texts are escaped for HTML.
    """
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=autoescape,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.ChainableUndefined,
        finalize=_printable,
    )
    filters = (number, span, size, plain, code, throughput, pixels)
    made.filters |= {function.__name__: function for function in filters} | {"color": color_of}
    return made


def source(name: str) -> str:
    """Return a file of the templates as it is, such as a script of a page."""
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _printable(value: Any) -> Any:
    """Escape characters that a page would not show, such as marks of direction."""
    return printable(value) if type(value) is str else value


def number(value: Any, digits: int = 0) -> str:
    """Format a number with separators of thousands; return anything else as a text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else str(value)
    return f"{value:,.{digits}f}"


def throughput(value: Any) -> str:
    """Format images per second with at least three digits.

    Examples
    --------
    >>> throughput(4.1234), throughput(41.2), throughput(1234.5), throughput(None)
    ('4.12', '41.2', '1,234', '')
    """
    return number(value, digits_of(value)) if isinstance(value, int | float) else ""


def pixels(count: int) -> str:
    """Format a number of pixels.

    Examples
    --------
    >>> pixels(4096), pixels(92_412), pixels(12_000_000)
    ('4,096 pixels', '0.09 megapixels', '12.0 megapixels')
    """
    if count < 10_000:
        return f"{count:,} pixels"
    return (
        f"{count / 1e6:.2f} megapixels" if count < 10_000_000 else f"{count / 1e6:.1f} megapixels"
    )


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
