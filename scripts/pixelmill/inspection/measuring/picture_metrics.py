"""Picture metrics: numbers that describe what a picture looks like.

All of them are computed from one histogram of reduced luma, sums over pixels and small copies, so
that a picture of 512 pixels takes a fraction of a millisecond. The kernel or OpenCV do the work
without the GIL.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np

from pixelmill.imaging import arrays
from pixelmill.imaging.arrays import Array, as_bgr, opencv
from pixelmill.inspection.measuring import hashes, pixel_sums
from pixelmill.inspection.measuring.pixel_sums import LumaSums
from pixelmill.inspection.metrics import COLORS, LONGEST_SIDE, PERCENTILES, Origin, names_from

#: Luma from which a pixel counts as clipped: lossy formats miss pure white and black by a little.
_WHITE, _BLACK = 253, 2

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

_NAMES = names_from(Origin.PICTURE)


def measure(pixels: Array) -> dict[str, Value]:
    """Measure a picture.

    Parameters
    ----------
    pixels : ndarray of uint8
        The upright picture in sRGB at full size, of shape (height, width) or (height, width,
        channels) with 1 to 4 channels: grey, grey and alpha, or colours, blue first
        (`pixelmill.imaging.arrays`), without and with alpha. Alpha is composed on white.

    Returns
    -------
    dict of str to int, float, str or None
        The metrics of `pixelmill.inspection.metrics.METRICS` that are known from the picture. None
        if a metric does not apply, such as the blocks of a reduced picture.

    Examples
    --------
    >>> found = measure(np.array([[0, 255]], np.uint8))
    >>> found["luma_mean"], found["luma_p50"], found["clipped_shadows"]
    (127.5, 0, 0.5)
    """
    pixels = np.ascontiguousarray(as_bgr(hashes.uniform(pixels)))
    alpha = pixels[..., 3] if pixels.shape[2:] == (4,) else None
    shown = pixels if alpha is None else on_white(pixels)
    luma, colors = _luma_and_colors(shown)
    is_reduced = max(luma.shape) > LONGEST_SIDE
    if is_reduced:
        luma = reduced(luma)
    sums = pixel_sums.luma_sums(luma)
    dhash, phash = hashes.perceptual(luma)
    found: dict[str, Value] = {
        **_of_levels(sums, luma.size),
        **colors,
        "sharpness": _sharpness(sums, *luma.shape),
        "blockiness": None if is_reduced else _blockiness(sums, *luma.shape),
        "transparent": 0.0 if alpha is None else 1 - np.count_nonzero(alpha == 255) / alpha.size,
        "border": 1 - sums.inside / luma.size,
        "dhash": dhash,
        "phash": phash,
    }
    return {
        name: float(f"{value:.{_DIGITS}g}") if isinstance(value := found[name], float) else value
        for name in _NAMES
    }


def _luma_and_colors(shown: Array) -> tuple[Array, dict[str, Value]]:
    """Return luma at full size, and the metrics of colours.

    Colours are reduced by a whole number unless the picture is less than twice `LONGEST_SIDE`.
    """
    factor = max(shown.shape[:2]) // LONGEST_SIDE
    colors = arrays.reduced(shown, factor) if factor > 1 else shown
    size = colors.shape[0] * colors.shape[1]
    if colors.ndim == 2:
        total = int(opencv().sumElems(colors)[0])
        squared = pixel_sums.sum_of_squares(colors)
        return shown, _of_colors(3 * (total,) + 3 * (squared,) + (0, 0, 0), size)
    luma, sums = pixel_sums.color_sums(colors)
    return pixel_sums.luma_of(shown) if factor > 1 else luma, _of_colors(sums, size)


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


_OF_PERCENTS = [f"luma_p{percent}" for percent in PERCENTILES]
_OF_CHANNELS = [f"{color}_{statistic}" for statistic in ("mean", "std") for color in COLORS]


def _of_levels(sums: LumaSums, size: int) -> dict[str, Value]:
    """Return the metrics that follow from the numbers of pixels of each luma.

    The entropy is that of Shannon (1948), 0 to 8.
    """
    mean = sums.levels / size
    shares = sums.histogram[sums.histogram > 0] / size
    return {
        "luma_mean": mean,
        "luma_std": math.sqrt(max(0.0, sums.squares / size - mean**2)),
        **dict(zip(_OF_PERCENTS, sums.percentiles, strict=True)),
        "entropy": max(0.0, -float(shares @ np.log2(shares))),
        "clipped_highlights": sum(sums.histogram[_WHITE:].tolist()) / size,
        "clipped_shadows": sum(sums.histogram[: _BLACK + 1].tolist()) / size,
    }


def _of_colors(sums: tuple[int, ...], size: int) -> dict[str, Value]:
    """Return the means and deviations of the channels, and colourfulness.

    The latter is the measure M(3) of Hasler and Suesstrunk, "Measuring colourfulness" (2003). With
    rg = R - G and yb = (R + G) / 2 - B, it is the root of the summed variances of both plus 0.3
    times the distance of their means from 0. The mean of yb² follows from those of the squared
    differences of the channels: (2 (R - B)² + 2 (G - B)² - (R - G)²) / 4.
    """
    blue, green, red, *squares, blue_green, blue_red, green_red = [one / size for one in sums]
    means = red, green, blue
    stds = [math.sqrt(max(0.0, squares[2 - k] - means[k] ** 2)) for k in range(3)]
    rg, yb = red - green, (red + green) / 2 - blue
    square = (2 * blue_red + 2 * blue_green - green_red) / 4
    variance = max(0.0, green_red - rg**2 + square - yb**2)
    shares = [level / 255 for level in (*means, *stds)]
    return {
        **dict(zip(_OF_CHANNELS, shares, strict=True)),
        "colorfulness": math.sqrt(variance) + 0.3 * math.hypot(rg, yb),
    }


def _sharpness(sums: LumaSums, height: int, width: int) -> float | None:
    """Return the variance of the Laplacian of four neighbours (Pech-Pacheco et al. 2000)."""
    if min(height, width) < _LAPLACIAN:
        return None
    size = (height - 2) * (width - 2)
    return max(0.0, sums.laplacian_squares / size - (sums.laplacian / size) ** 2)


def _blockiness(sums: LumaSums, height: int, width: int) -> float | None:
    """Return how much larger the steps between 8x8 blocks are than those within.

    Both kinds of differences are those of Wang, Sheikh and Bovik, "No-reference perceptual quality
    assessment of JPEG compressed images" (2002). Blocks are counted from the left or top edge or,
    if the picture was turned, from the opposite one; the grid with the larger steps counts.
    """
    if min(height, width) < _FEWEST:
        return None
    at_edges = within = 0.0
    for steps, lines, length in (
        (sums.steps_across, width - 1, height),
        (sums.steps_down, height - 1, width),
    ):
        grids = (pixel_sums.BLOCK - 1, lines % pixel_sums.BLOCK)
        found = [(steps[first], len(range(first, lines, pixel_sums.BLOCK))) for first in grids]
        edges, count = max(found, key=lambda one: one[0] / one[1])
        at_edges += edges / (count * length)
        within += (sum(steps) - edges) / ((lines - count) * length)
    return (at_edges / 2 + _HALF_LEVEL) / (within / 2 + _HALF_LEVEL)
