"""SVG: a canvas, axes and numbers for charts, which take their text colour from the page.

A library for charts takes more than a second to import; a report shows half a dozen simple charts.
Coordinates are pixels of the page, from the upper left corner.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from pixelmill.core.filenames import printable

#: Size of texts, in pixels, and the mean width of a character relative to it; wide fonts included.
TEXT = 13
_CHARACTER = 0.58

#: Opacity of secondary lines and texts.
SOFT = 0.72
_GRID = 0.16


class Canvas:
    """A drawing of a given size.

    Parameters
    ----------
    width, height : float
        In pixels.

    Examples
    --------
    >>> canvas = Canvas(100, 20)
    >>> canvas.circle(5, 10, 4, "#0072b2", "threads: 25 images/s")
    >>> print(canvas.svg("One point."))  # doctest: +NORMALIZE_WHITESPACE
    <svg role="img" aria-label="One point." viewBox="0 0 100 20"><circle cx="5" cy="10" r="4"
    fill="#0072b2"><title>threads: 25 images/s</title></circle></svg>
    """

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self._parts: list[str] = []

    def svg(self, description: str) -> Markup:
        """Return the drawing with a description of what is seen, for screen readers."""
        size = f"0 0 {number(self.width)} {number(self.height)}"
        head = f'<svg role="img" aria-label="{_text(description)}" viewBox="{size}">'
        return Markup(head + "".join(self._parts) + "</svg>")

    def line(
        self,
        points: Iterable[tuple[float, float]],
        color: str = "currentColor",
        width: float = 1,
        opacity: float = 1,
        dash: str = "",
        title: str = "",
    ) -> None:
        """Draw a line through points."""
        path = "L".join(f"{number(x)} {number(y)}" for x, y in points)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self._add(
            f'path d="M{path}" fill="none" stroke="{color}" stroke-width="{number(width)}"'
            f'{dashed}{_opacity(opacity)} stroke-linejoin="round"',
            title,
        )

    def area(self, points: Sequence[tuple[float, float]], color: str, opacity: float) -> None:
        """Fill the area between points."""
        path = "L".join(f"{number(x)} {number(y)}" for x, y in points)
        self._add(f'path d="M{path}Z" fill="{color}"{_opacity(opacity)}', "")

    def bar(
        self, x: float, y: float, width: float, height: float, color: str, title: str = ""
    ) -> None:
        """Draw a filled rectangle."""
        box = f'x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}"'
        self._add(f'rect {box} fill="{color}"', title)

    def bars(
        self, spans: Iterable[tuple[float, float]], y: float, height: float, color: str, title: str
    ) -> None:
        """Draw many bars of one row, given by their ends, as one element, which stays small."""
        tall = number(height)
        path = "".join(
            f"M{number(start)} {number(y)}h{number(max(0.4, end - start))}v{tall}"
            f"h{number(-max(0.4, end - start))}z"
            for start, end in spans
        )
        self._add(f'path d="{path}" fill="{color}"', title)

    def circle(
        self, x: float, y: float, radius: float, color: str, title: str = "", picture: str = ""
    ) -> None:
        """Draw a dot; `picture` is the id of an image of the page that belongs to it."""
        place = f'cx="{number(x)}" cy="{number(y)}" r="{number(radius)}"'
        shown = f' data-picture="{picture}"' * bool(picture)
        self._add(f'circle {place} fill="{color}"{shown}', title)

    def text(
        self,
        x: float,
        y: float,
        content: str,
        anchor: str = "start",
        size: float = TEXT,
        bold: bool = False,
        opacity: float = 1,
        turned: bool = False,
    ) -> None:
        """Write a text whose middle is at `y`; `anchor` is ``start``, ``middle`` or ``end``."""
        weight = ' font-weight="600"' if bold else ""
        place = f'x="{number(x)}" y="{number(y)}"'
        turn = f' transform="rotate(-90 {number(x)} {number(y)})"' if turned else ""
        self._parts.append(
            f'<text {place} dy=".35em" text-anchor="{anchor}" font-size="{number(size)}"{weight}'
            f'{_opacity(opacity)}{turn} fill="currentColor">{_text(content)}</text>'
        )

    def _add(self, element: str, title: str) -> None:
        if title:
            name = element.split(" ", 1)[0]
            self._parts.append(f"<{element}><title>{_text(title)}</title></{name}>")
        else:
            self._parts.append(f"<{element}/>")


@dataclass(frozen=True)
class Scale:
    """Maps values to pixels, on a linear or logarithmic scale.

    Examples
    --------
    >>> scale = Scale(0, 10, 100, 200)
    >>> scale(0), scale(5), scale.ticks(3)
    (100.0, 150.0, [0, 5, 10])
    >>> Scale(1, 100, 0, 200, log=True)(10)
    100.0
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int) -> list[float]:
        """Return at most so many round values, or all powers of ten if there are few."""
        if not self.log:
            return linear_ticks(self.low, self.high, most)
        return log_ticks(self.low, self.high, most)


def linear_ticks(low: float, high: float, most: int) -> list[float]:
    """Return round values between two values, at most `most` of them.

    Examples
    --------
    >>> linear_ticks(0, 47, 6), linear_ticks(0, 1, 6)
    ([0, 10, 20, 30, 40], [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    """
    if high <= low:
        return [low]
    power = math.floor(math.log10((high - low) / max(1, most))) - 1
    for step in (k * 10 ** (power + more) for more in range(4) for k in (1, 2, 5)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            break
    values = [k * step for k in range(first, last + 1)]
    return [round(v, 12) for v in values] if step < 1 else [round(v) for v in values]


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Return 1, 2, 5, 10, ... between two values, or only powers of ten if those are too many.

    Examples
    --------
    >>> log_ticks(0.8, 30, 6), log_ticks(0.8, 3000, 6)
    ([1, 2, 5, 10, 20], [1, 10, 100, 1000])
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 5), (1, 3), (1,)):
        values = [k * 10**p if p >= 0 else k / 10**-p for p in powers for k in digits]
        found = [value for value in values if low * 0.999 <= value <= high * 1.001]
        if len(found) <= most:
            break
    return found[:: -(-len(found) // max(1, most))] if found else [low]


def x_axis(canvas: Canvas, scale: Scale, y: float, top: float, label: str, most: int = 6) -> None:
    """Draw a horizontal axis with a grid up to `top`, the values below it, and its label."""
    for value in scale.ticks(most):
        x = scale(value)
        canvas.line([(x, top), (x, y)], opacity=_GRID)
        canvas.text(x, y + 12, short(value), "middle", 12, opacity=SOFT)
    write_below(canvas, (scale.start + scale.end) / 2, y + 31, label)


def write_below(canvas: Canvas, x: float, y: float, label: str) -> None:
    """Write the label of an axis, centred at `x` as far as the canvas allows."""
    half = text_width(label, 12) / 2
    canvas.text(max(half, min(x, canvas.width - half)), y, label, "middle", 12, opacity=SOFT)


def y_axis(
    canvas: Canvas, scale: Scale, x: float, right: float, label: str, values: Sequence[float] = ()
) -> None:
    """Draw a vertical axis with a grid from `x` to `right`, and its label above it."""
    for value in values or scale.ticks(6):
        y = scale(value)
        canvas.line([(x, y), (right, y)], opacity=_GRID)
        canvas.text(x - 7, y, short(value), "end", 12, opacity=SOFT)
    canvas.text(x, min(scale.start, scale.end) - 16, label, "start", 12, opacity=SOFT)


def legend(
    canvas: Canvas, entries: Sequence[tuple[str, str]], x: float, y: float, dashes: Sequence[str]
) -> float:
    """Draw a legend of names with colours in rows, and return its lower end."""
    left = x
    for (name, color), dash in zip(entries, dashes, strict=True):
        needed = 24 + text_width(name) + 16
        if left > x and left + needed > canvas.width:
            left, y = x, y + 20
        if dash == "square":
            canvas.bar(left, y - 6, 12, 12, color)
        else:
            canvas.line([(left, y), (left + 18, y)], color, 2.5, dash=dash)
        canvas.text(left + (18 if dash == "square" else 24), y, name)
        left += needed
    return y + 14


def text_width(text: str, size: float = TEXT) -> float:
    """Estimate the width of a text in pixels; most texts are narrower."""
    return len(text) * size * _CHARACTER


def short(value: float) -> str:
    """Format a number with three significant digits.

    Examples
    --------
    >>> short(4.5678), short(0.05), short(12345.0), short(99.96), short(20)
    ('4.57', '0.05', '12,345', '100', '20')
    """
    return f"{value:,.0f}" if abs(value) >= 99.95 else f"{value:.3g}"


def number(value: float) -> str:
    """Format a coordinate in a tenth of a pixel, which keeps the page small.

    Examples
    --------
    >>> number(12.0), number(0.26), number(-3.14159)
    ('12', '0.3', '-3.1')
    """
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text


def _opacity(value: float) -> str:
    return "" if value == 1 else f' opacity="{value:g}"'


def _text(content: str) -> str:
    return str(escape(printable(content)))
