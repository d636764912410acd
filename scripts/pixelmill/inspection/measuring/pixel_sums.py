"""Pixel sums: exact sums over a picture of at most 1,024 pixels on each side.

The kernel (envs/kernel) sums up in one pass over the pixels. Without it, OpenCV gives the same
numbers: it computes sums of squares of bytes exactly, and several times as fast as a filter.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np

from pixelmill.imaging import arrays
from pixelmill.imaging.arrays import AnyArray, Array, opencv

#: The functions for measuring; None if the kernel is not installed.
kernel: Any = arrays.kernel

#: Side of a block of JPEG in pixels.
BLOCK = 8

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


def color_sums(colors: Array) -> ColorSums:
    """Sum up a picture in colour, blue first.

    Examples
    --------
    >>> color_sums(np.array([[[1, 2, 5], [0, 0, 1]]], np.uint8))[2:6]
    (6, 1, 4, 26)
    """
    if kernel is not None:
        return ColorSums(*_sums(kernel.color_sums, colors, 9).tolist())
    cv2 = opencv()
    height, width = colors.shape[:2]
    room = np.empty((3, height * width + _APART), np.uint8)[:, : height * width]
    channels = [plane.reshape(height, width) for plane in room]
    cv2.split(colors, channels)
    sums = map(int, cv2.sumElems(colors)[:3])
    squares = map(sum_of_squares, channels)
    differences = itertools.starmap(sum_of_squares, itertools.combinations(channels, 2))
    return ColorSums(*sums, *squares, *differences)


def histogram(luma: Array) -> AnyArray:
    """Count the pixels of each level."""
    if kernel is not None:
        return _sums(kernel.histogram, luma, 256)
    counts = opencv().calcHist([luma], [0], None, [256], [0, 256])
    return np.ravel(counts).astype(np.int64)


def laplacian(luma: Array) -> tuple[int, int]:
    """Sum up the Laplacian of four neighbours, where all of them exist, and its squares.

    With c for the pixel in the middle of the neighbours p, the square of their sum less 4 c is 4
    times the sum of all (c - p)² less the sum of (p - q)² over the six pairs.

    Parameters
    ----------
    luma : ndarray of uint8
        Shape (height, width), at least 3 times 3 pixels.

    Examples
    --------
    >>> laplacian(np.array([[0, 1, 0], [2, 9, 3], [0, 4, 0]], np.uint8))
    (-26, 676)
    """
    if kernel is not None:
        total, squared = _sums(kernel.laplacian, luma, 2).tolist()
        return total, squared
    center = luma[1:-1, 1:-1]
    neighbors = (luma[:-2, 1:-1], luma[2:, 1:-1], luma[1:-1, :-2], luma[1:-1, 2:])
    squared = 4 * sum(sum_of_squares(center, part) for part in neighbors)
    squared -= sum(itertools.starmap(sum_of_squares, itertools.combinations(neighbors, 2)))
    return _outer_less_inner(luma[:, 1:-1]) + _outer_less_inner(luma.T[:, 1:-1]), squared


def steps(luma: Array) -> AnyArray:
    """Sum up the absolute differences of neighbours.

    Parameters
    ----------
    luma : ndarray of uint8
        Shape (height, width), at least 2 times 2 pixels.

    Returns
    -------
    ndarray
        Shape (2, 8): those between columns, by the number of the left one modulo 8, and those
        between rows, by that of the upper one.

    Examples
    --------
    >>> steps(np.array([[0, 5, 7], [0, 5, 6]], np.uint8))[0].tolist()
    [10, 3, 0, 0, 0, 0, 0, 0]
    """
    if kernel is not None:
        return _sums(kernel.steps, luma, 2 * BLOCK).reshape(2, BLOCK)
    cv2 = opencv()
    found = np.zeros((2, BLOCK), np.int64)
    for axis, difference in enumerate(
        (cv2.absdiff(luma[:, 1:], luma[:, :-1]), cv2.absdiff(luma[1:], luma[:-1]))
    ):
        sums = cv2.reduce(difference, axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S).ravel()
        found[axis] = np.bincount(_PHASES[: sums.size], sums, BLOCK)
    return found


_PHASES = np.arange(1024) % BLOCK


def _sums(function: Any, pixels: Array, count: int) -> AnyArray:
    """Call a function of the kernel that writes so many sums."""
    made = np.empty(count, np.int64)
    function(pixels, pixels.shape[1::-1], made)
    return made


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
