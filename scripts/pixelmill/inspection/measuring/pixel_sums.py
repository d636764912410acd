"""Pixel sums: exact sums over a picture of at most 1,024 pixels on each side.

The kernel (envs/kernel) sums up in one call for colours and one for luma. Without it, OpenCV gives
the same numbers: it computes sums of squares of bytes exactly, and several times as fast as a
filter.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from pixelmill.imaging import arrays
from pixelmill.imaging.arrays import AnyArray, Array, opencv
from pixelmill.inspection.metrics import PERCENTILES

#: The functions for measuring; None if the kernel is not installed.
kernel: Any = arrays.kernel

#: Side of a block of JPEG in pixels.
BLOCK = 8

#: Largest difference of luma within a uniform border; compression adds some levels of noise.
_BORDER_LEVELS = 10

_PERCENTS = bytes(PERCENTILES)

#: Bytes between the channels of a picture. Without them, channels of, for example, 512x384 pixels
#: begin at multiples of 4 KiB and share lines of the cache, which makes splitting twice as slow.
_APART = 1088


class ColorSums(NamedTuple):
    """Sums of the channels, of their squares, and of the squares of their differences."""

    blue: int
    green: int
    red: int
    blue_squared: int
    green_squared: int
    red_squared: int
    blue_green: int
    blue_red: int
    green_red: int


class LumaSums(NamedTuple):
    """Sums over luma.

    Attributes
    ----------
    histogram : ndarray of int64
        The number of pixels of each level.
    levels, squares : int
        The levels, and their squares.
    laplacian, laplacian_squares : int
        The Laplacian of four neighbours, where all of them exist, and its squares.
    steps_across, steps_down : list of int
        Absolute differences between columns, by the number of the left one modulo 8, and between
        rows, by that of the upper one.
    inside : int
        Number of pixels without uniform rows and columns at the edges.
    percentiles : list of int
        The lowest levels that at least so many percent of the pixels do not exceed.
    """

    histogram: AnyArray
    levels: int
    squares: int
    laplacian: int
    laplacian_squares: int
    steps_across: list[int]
    steps_down: list[int]
    inside: int
    percentiles: list[int]


def luma_of(colors: Array) -> Array:
    """Return the luma of colours, blue first, according to Rec. 601, rounded."""
    return np.asarray(opencv().cvtColor(colors, opencv().COLOR_BGR2GRAY))


def color_sums(colors: Array) -> tuple[Array, ColorSums]:
    """Return the luma of a picture in colour, blue first, and its sums.

    Examples
    --------
    >>> luma, sums = color_sums(np.array([[[1, 2, 5], [0, 0, 1]]], np.uint8))
    >>> luma.tolist(), sums[2:6]
    ([[3, 0]], (6, 1, 4, 26))
    """
    height, width = colors.shape[:2]
    if kernel is not None:
        luma, made = np.empty((height, width), np.uint8), np.empty(9, np.int64)
        kernel.color_sums(colors, (width, height), luma, made)
        return luma if _has_luma_of_opencv() else luma_of(colors), ColorSums(*made.tolist())
    cv2 = opencv()
    room = np.empty((3, height * width + _APART), np.uint8)[:, : height * width]
    channels = [plane.reshape(height, width) for plane in room]
    cv2.split(colors, channels)
    sums = map(int, cv2.sumElems(colors)[:3])
    squares = map(sum_of_squares, channels)
    differences = itertools.starmap(sum_of_squares, itertools.combinations(channels, 2))
    return luma_of(colors), ColorSums(*sums, *squares, *differences)


@functools.cache
def _has_luma_of_opencv() -> bool:
    """Whether the kernel and OpenCV, which has code of its own for some processors, round alike.

    Another precision changes one of several hundred colours. Here are 65,536 of all kinds.
    """
    numbers = np.arange(1 << 16, dtype=np.uint32) * np.uint32(2654435761)  # scattered
    colors = numbers.view(np.uint8).reshape(256, 256, 4)[..., 1:].copy()
    luma = np.empty((256, 256), np.uint8)
    kernel.color_sums(colors, (256, 256), luma, np.empty(9, np.int64))
    return np.array_equal(luma, luma_of(colors))


def luma_sums(luma: Array) -> LumaSums:
    """Sum up luma.

    Examples
    --------
    >>> sums = luma_sums(np.array([[0, 1, 0], [2, 9, 3], [0, 4, 0]], np.uint8))
    >>> sums.laplacian, sums.laplacian_squares, sums.steps_down[:3]
    (-26, 676, [13, 10, 0])
    """
    if kernel is not None:
        made = np.empty(284, np.int64)
        kernel.luma_sums(luma, luma.shape[::-1], _BORDER_LEVELS, _PERCENTS, made)
        levels, squares, total, squared, *rest = made[256:].tolist()
        histogram, across, down, inside = made[:256], rest[:8], rest[8:16], rest[16]
        percentiles = rest[17:]
    else:
        counts = opencv().calcHist([luma], [0], None, [256], [0, 256])
        histogram = np.ravel(counts).astype(np.int64)
        levels, squares = (np.arange(256) ** [[1], [2]] @ histogram).tolist()
        total, squared = _laplacian(luma)
        across, down = _steps(luma)
        inside = _inside(luma)
        least = [-(-luma.size * percent // 100) for percent in PERCENTILES]
        percentiles = histogram.cumsum().searchsorted(least).tolist()
    steps = across, down
    return LumaSums(histogram, levels, squares, total, squared, *steps, inside, percentiles)


def _laplacian(luma: Array) -> tuple[int, int]:
    """Sum up the Laplacian of four neighbours, and its squares.

    With c for the pixel in the middle of the neighbours p, the square of their sum less 4 c is 4
    times the sum of all (c - p)² less the sum of (p - q)² over the six pairs.
    """
    if min(luma.shape) < 3:
        return 0, 0
    center = luma[1:-1, 1:-1]
    neighbors = (luma[:-2, 1:-1], luma[2:, 1:-1], luma[1:-1, :-2], luma[1:-1, 2:])
    squared = 4 * sum(sum_of_squares(center, part) for part in neighbors)
    squared -= sum(itertools.starmap(sum_of_squares, itertools.combinations(neighbors, 2)))
    return _outer_less_inner(luma[:, 1:-1]) + _outer_less_inner(luma.T[:, 1:-1]), squared


def _steps(luma: Array) -> Iterator[list[int]]:
    cv2 = opencv()
    for axis, (one, other) in enumerate(((luma[:, 1:], luma[:, :-1]), (luma[1:], luma[:-1]))):
        sums = np.zeros((1, 0))
        if one.size:
            sums = cv2.reduce(cv2.absdiff(one, other), axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S)
        yield np.bincount(_PHASES[: sums.size], sums.ravel(), BLOCK).astype(np.int64).tolist()


_PHASES = np.arange(1024) % BLOCK


def _inside(rest: Array) -> int:
    """Number of pixels that remain without uniform rows and columns at the edges."""
    for _ in range(4):
        rest = rest[_uniform_lines(rest) :]
        if not rest.size:
            return 0
        rest = rest[::-1].T  # turns the next side to the top
    return rest.size


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


def _outer_less_inner(lines: Array) -> int:
    """Sum of second differences along columns, of which only the rows at the edges remain."""
    total = opencv().sumElems
    first, second, last_but_one, last = (int(total(lines[k])[0]) for k in (0, 1, -2, -1))
    return first - second - last_but_one + last


def sum_of_squares(*levels: Array) -> int:
    """Sum up the squares of levels, or of the differences of two arrays of them.

    OpenCV's sum is exact, but on some processors it returns the square of the root.

    Examples
    --------
    >>> sum_of_squares(np.full((1, 2), 255, np.uint8))
    130050
    """
    return round(float(opencv().norm(*levels, opencv().NORM_L2SQR)))
