"""Picture metrics: numbers that describe what a picture looks like.

All of them are computed from one histogram of reduced luma, sums over pixels and small copies, so
that a picture of 512 pixels takes a fraction of a millisecond. The kernel or OpenCV do the work
without the GIL.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import cached_property, partial
from typing import NamedTuple, TypeAlias

import numpy as np

from pixelmill.imaging import arrays
from pixelmill.imaging.arrays import AnyArray, Array, as_bgr, opencv
from pixelmill.inspection.measuring import hashes, pixel_sums
from pixelmill.inspection.metrics import COLORS, LONGEST_SIDE, PERCENTILES

#: Luma from which a pixel counts as clipped: lossy formats miss pure white and black by a little.
_WHITE, _BLACK = 253, 2

#: Largest difference of luma within a uniform border; compression adds some levels of noise.
_BORDER_LEVELS = 10

#: Smallest side of a picture in which blocks of JPEG can be seen.
_FEWEST = 24

#: Smallest side of a picture that has pixels with four neighbours.
_LAPLACIAN = 3

#: Added to both differences that `blockiness` divides, in levels, so that a flat picture has 1.
_HALF_LEVEL = 0.5

#: Significant digits of a metric; more would only record the noise of coding.
_DIGITS = 6

#: A value of a metric; None if it does not apply.
Value: TypeAlias = "int | float | str | None"


def measure(pixels: Array, names: Iterable[str]) -> dict[str, Value]:
    """Measure a picture.

    Parameters
    ----------
    pixels : ndarray of uint8
        The upright picture in sRGB at full size, of shape (height, width) or (height, width,
        channels) with 1 to 4 channels: grey, grey and alpha, or colours, blue first
        (`pixelmill.imaging.arrays`), without and with alpha. Alpha is composed on white.
    names : iterable of str
        Of `pixelmill.inspection.metrics.METRICS`; those that are not known from the picture are
        left out.

    Returns
    -------
    dict of str to int, float, str or None
        None if a metric does not apply, such as the blocks of a reduced picture.

    Examples
    --------
    >>> measure(np.array([[0, 255]], np.uint8), ["luma_mean", "luma_p50", "clipped_shadows"])
    {'luma_mean': 127.5, 'luma_p50': 0, 'clipped_shadows': 0.5}
    """
    picture = _Picture(pixels)
    return {name: _rounded(_FORMULAS[name](picture)) for name in names if name in _FORMULAS}


def _rounded(value: Value) -> Value:
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value


class _Moments(NamedTuple):
    """Means of the channels, of their squares, and of the squares of their differences."""

    means: tuple[float, float, float]
    squares: tuple[float, float, float]
    red_green: float
    red_blue: float
    green_blue: float


class _Picture:
    """A picture, and what several metrics are computed from."""

    def __init__(self, pixels: Array) -> None:
        pixels = np.ascontiguousarray(as_bgr(hashes.uniform(pixels)))
        self.alpha = pixels[..., 3] if pixels.shape[2:] == (4,) else None
        self.shown = pixels if self.alpha is None else on_white(pixels)
        self.is_reduced = max(pixels.shape[:2]) > LONGEST_SIDE

    @cached_property
    def luma(self) -> Array:
        """Luma according to Rec. 601, rounded, and reduced to `LONGEST_SIDE`."""
        luma = self.shown if self.shown.ndim == 2 else hashes.luma_of(self.shown)
        return reduced(luma) if self.is_reduced else luma

    @cached_property
    def colors(self) -> Array:
        """The picture, reduced by a whole number unless it is less than twice `LONGEST_SIDE`."""
        factor = max(self.shown.shape[:2]) // LONGEST_SIDE
        return arrays.reduced(self.shown, factor) if factor > 1 else self.shown

    @cached_property
    def histogram(self) -> AnyArray:
        """Number of pixels of each luma."""
        return pixel_sums.histogram(self.luma)

    @cached_property
    def luma_mean(self) -> float:
        return float(self.histogram @ _LEVELS) / self.luma.size

    @cached_property
    def percentiles(self) -> dict[int, int]:
        """The lowest level that at least so many percent of the pixels do not exceed."""
        least = -(-self.luma.size * _PERCENTS // 100)
        levels = self.histogram.cumsum().searchsorted(least)
        return dict(zip(PERCENTILES, levels.tolist(), strict=True))

    @cached_property
    def halved(self) -> hashes.Halved:
        """What the perceptual hashes are computed from."""
        return hashes.halved(self.luma)

    @cached_property
    def moments(self) -> _Moments:
        """Moments of the channels from exact integer sums."""
        size = self.colors.shape[0] * self.colors.shape[1]
        if self.colors.ndim == 2:
            mean = opencv().sumElems(self.colors)[0] / size
            square = pixel_sums.sum_of_squares(self.colors) / size
            return _Moments((mean,) * 3, (square,) * 3, 0.0, 0.0, 0.0)
        sums = pixel_sums.color_sums(self.colors)
        return _Moments(
            (sums.red / size, sums.green / size, sums.blue / size),
            (sums.red_squared / size, sums.green_squared / size, sums.blue_squared / size),
            *(sums.green_red / size, sums.blue_red / size, sums.blue_green / size),
        )


_LEVELS = np.arange(256, dtype=np.int64)
_SQUARES = _LEVELS**2
_PERCENTS = np.array(PERCENTILES)


def reduced(luma: Array) -> Array:
    """Return grey whose longer side is `LONGEST_SIDE`, which must be less than that of `luma`.

    Each pixel is the mean of its area if the picture is at least twice as large. Otherwise, it is
    interpolated linearly, from the same pixels with similar weights, because OpenCV averages parts
    of pixels five times as slowly.
    """
    height, width = luma.shape
    ratio = max(width, height) / LONGEST_SIDE
    size = max(1, round(width / ratio)), max(1, round(height / ratio))
    if ratio < 2 and pixel_sums.kernel is not None:
        made = np.empty(size[::-1], np.uint8)
        pixel_sums.kernel.interpolate(luma, (width, height), made, size)
        return made
    cv2 = opencv()
    how = cv2.INTER_AREA if ratio >= 2 else cv2.INTER_LINEAR_EXACT
    return np.asarray(cv2.resize(luma, size, interpolation=how))


def on_white(pixels: Array) -> Array:
    """Compose a picture with alpha, not premultiplied, on white; rounded.

    Examples
    --------
    >>> on_white(np.array([[[0, 100, 255, 128]]], np.uint8))
    array([[[127, 177, 255]]], dtype=uint8)
    """
    cv2 = opencv()
    alpha = np.ascontiguousarray(pixels[..., 3])
    covered = cv2.multiply(
        cv2.cvtColor(pixels, cv2.COLOR_BGRA2BGR), cv2.merge([alpha] * 3), scale=1 / 255
    )
    return np.asarray(cv2.add(covered, cv2.merge([255 - alpha] * 3)))


def _luma_std(picture: _Picture) -> float:
    mean_square = float(picture.histogram @ _SQUARES) / picture.luma.size
    return math.sqrt(max(0.0, mean_square - picture.luma_mean**2))


def _luma_percentile(picture: _Picture, percent: int) -> int:
    return picture.percentiles[percent]


def _channel_mean(picture: _Picture, number: int) -> float:
    return picture.moments.means[number] / 255


def _channel_std(picture: _Picture, number: int) -> float:
    mean, square = picture.moments.means[number], picture.moments.squares[number]
    return math.sqrt(max(0.0, square - mean**2)) / 255


def _colorfulness(picture: _Picture) -> float:
    """Return the measure M(3) of Hasler and Suesstrunk, "Measuring colourfulness" (2003).

    With rg = R - G and yb = (R + G) / 2 - B, it is the root of the summed variances of both plus
    0.3 times the distance of their means from 0. The mean of yb² follows from those of the
    squared differences of the channels: (2 (R - B)² + 2 (G - B)² - (R - G)²) / 4.
    """
    moments = picture.moments
    red, green, blue = moments.means
    rg, yb = red - green, (red + green) / 2 - blue
    square = (2 * moments.red_blue + 2 * moments.green_blue - moments.red_green) / 4
    variance = max(0.0, moments.red_green - rg**2 + square - yb**2)
    return math.sqrt(variance) + 0.3 * math.hypot(rg, yb)


def _entropy(picture: _Picture) -> float:
    """Return the entropy of the histogram of luma (Shannon 1948), 0 to 8."""
    shares = picture.histogram[picture.histogram > 0] / picture.luma.size
    return max(0.0, -float(shares @ np.log2(shares)))


def _sharpness(picture: _Picture) -> float | None:
    """Return the variance of the Laplacian of four neighbours (Pech-Pacheco et al. 2000)."""
    height, width = picture.luma.shape
    if min(height, width) < _LAPLACIAN:
        return None
    total, squares = pixel_sums.laplacian(picture.luma)
    size: int = (height - 2) * (width - 2)
    return max(0.0, squares / size - (total / size) ** 2)


def _blockiness(picture: _Picture) -> float | None:
    """Return how much larger the steps between 8x8 blocks are than those within.

    Both kinds of differences are those of Wang, Sheikh and Bovik, "No-reference perceptual quality
    assessment of JPEG compressed images" (2002). Blocks are counted from the left or top edge or,
    if the picture was turned, from the opposite one; the grid with the larger steps counts.
    """
    height, width = picture.luma.shape
    if picture.is_reduced or min(height, width) < _FEWEST:
        return None
    at_edges = within = 0.0
    for sums, lines, length in zip(
        pixel_sums.steps(picture.luma).tolist(), (width - 1, height - 1), (height, width),
        strict=True,
    ):  # fmt: skip
        grids = (pixel_sums.BLOCK - 1, lines % pixel_sums.BLOCK)
        found = [(sums[first], len(range(first, lines, pixel_sums.BLOCK))) for first in grids]
        edges, count = max(found, key=lambda one: one[0] / one[1])
        at_edges += edges / (count * length)
        within += (sum(sums) - edges) / ((lines - count) * length)
    return (at_edges / 2 + _HALF_LEVEL) / (within / 2 + _HALF_LEVEL)


def _clipped_highlights(picture: _Picture) -> float:
    return int(picture.histogram[_WHITE:].sum()) / picture.luma.size


def _clipped_shadows(picture: _Picture) -> float:
    return int(picture.histogram[: _BLACK + 1].sum()) / picture.luma.size


def _transparent(picture: _Picture) -> float:
    if picture.alpha is None:
        return 0.0
    return 1 - int(np.count_nonzero(picture.alpha == 255)) / picture.alpha.size


def _border(picture: _Picture) -> float:
    """Return the share of the area that uniform rows and columns at the edges take."""
    rest = picture.luma
    for _ in range(4):
        rest = rest[_uniform_lines(rest) :]
        if not rest.size:
            return 1.0
        rest = rest[::-1].T  # turns the next side to the top
    return 1 - rest.size / picture.luma.size


def _uniform_lines(lines: Array) -> int:
    """Number of rows from the first one on whose levels are those of the first one."""
    low, high = map(int, opencv().minMaxLoc(lines[0])[:2])
    if high - low > _BORDER_LEVELS:  # no border, as in most pictures
        return 0
    middle = (low + high) // 2
    span = _BORDER_LEVELS - _BORDER_LEVELS // 2
    inside = opencv().inRange(np.ascontiguousarray(lines), middle - span, middle + span)
    other = np.flatnonzero(inside.min(axis=1) == 0)
    return int(other[0]) if other.size else len(lines)


_FORMULAS: dict[str, Callable[[_Picture], Value]] = {
    "luma_mean": lambda picture: picture.luma_mean,
    "luma_std": _luma_std,
    **{f"luma_p{p}": partial(_luma_percentile, percent=p) for p in PERCENTILES},
    **{f"{color}_mean": partial(_channel_mean, number=k) for k, color in enumerate(COLORS)},
    **{f"{color}_std": partial(_channel_std, number=k) for k, color in enumerate(COLORS)},
    "colorfulness": _colorfulness,
    "entropy": _entropy,
    "sharpness": _sharpness,
    "blockiness": _blockiness,
    "clipped_highlights": _clipped_highlights,
    "clipped_shadows": _clipped_shadows,
    "transparent": _transparent,
    "border": _border,
    "dhash": lambda picture: hashes.dhash(picture.halved),
    "phash": lambda picture: hashes.phash(picture.halved),
}
