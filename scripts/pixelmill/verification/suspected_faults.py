"""Suspected faults: the errors that image processors make, looked for one by one.

A fault is found if the expected picture with that fault fits an output much better than the
expected picture itself. So compression and resampling, which fit no fault better, cannot be
taken for one, and a fault is found even if it changes little of a picture.

All functions take levels of 0 to 255 as float32, of shape (height, width, 3 or 4), with the
colours multiplied by alpha.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, TypeAlias

import cv2
import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

#: Mean square of the errors below which nothing is suspected: two levels.
_UNSUSPICIOUS = 2.0**2

#: The same of single pixels: six levels, as compression leaves.
_COMPRESSED = 6.0**2

#: Mean square of the errors of a good explanation: 30 dB.
_GOOD = 65.0

#: How much smaller the errors of a fault must be: four times in squares, 6 dB.
_BETTER = 4.0

#: The same of a displacement, which changes only edges: 3 dB.
_BETTER_DISPLACED = 2.0

#: Fewest pixels by which a fault is recognized: of fewer, many fit.
_FEWEST = 8

#: Standard deviation of levels below which a picture is of one colour, which many faults fit.
_VARIED = 4.0

#: Least displacement that is suspected, in pixels.
_LEAST_SHIFT = 0.75

#: Pixels a side that are looked at where all would be many.
_SAMPLED = 96

#: Part of a pixel's colour below which it is not divided by alpha.
_LEAST_PART = np.float32(1 / 255)

#: Exponents of a wrong gamma.
_GAMMAS = (2.2, 1 / 2.2, 1.8, 1 / 1.8, 1.4, 1 / 1.4)


def found(output: Array, expected: Array) -> str | None:
    """Name the fault that explains a reduced output of the same shape, if there is one."""
    return _best(output, expected, itertools.chain(_recolored(expected), _turned(expected)))


def of_colors(output: Array, expected: Array) -> str | None:
    """Name a fault of the colours that explains single pixels, as those of thin lines."""
    rows, columns = (1 + side // _SAMPLED for side in output.shape[:2])
    expected = expected[::rows, ::columns]
    output = output[::rows, ::columns]
    return _best(output, expected, _recolored(expected), _COMPRESSED)


def _best(
    output: Array,
    expected: Array,
    faulty: Iterator[tuple[str, Array]],
    unsuspicious: float = _UNSUSPICIOUS,
) -> str | None:
    error = float(np.mean((output - expected) ** 2))
    if error <= unsuspicious or output.shape[0] * output.shape[1] < _FEWEST:
        return None
    if float(expected[..., :3].std(axis=(0, 1)).max()) < _VARIED:
        return None
    best, name = min(error / _BETTER, _GOOD), None
    for words, picture in faulty:
        if picture.shape == output.shape:
            left = float(np.mean((output - picture) ** 2))
            if left < best:
                best, name = left, words
    return name


def _recolored(expected: Array) -> Iterator[tuple[str, Array]]:
    """Yield the expected picture with each fault of the colours."""
    colors, alpha = expected[..., :3], expected[..., 3:]
    part = alpha / 255 if alpha.shape[2] else np.float32(1)
    straight = colors / np.maximum(part, _LEAST_PART)
    for order in itertools.permutations(range(3)):
        if order != (0, 1, 2):
            yield "channels are swapped", np.dstack([colors[..., list(order)], alpha])
    full = alpha if alpha.shape[2] else np.float32(255)
    yield "colours are inverted", np.dstack([full - colors, alpha])
    for gamma in _GAMMAS:
        bent = 255 * (straight.clip(0, 255) / 255) ** np.float32(gamma) * part
        yield "gamma is wrong", np.dstack([bent, alpha])
    luma = colors @ np.asarray((0.299, 0.587, 0.114), np.float32)
    yield "colours are lost", np.dstack([luma, luma, luma, alpha])


def _turned(expected: Array) -> Iterator[tuple[str, Array]]:
    for quarter_turns in range(4):
        for mirrored in (False, True):
            turned_ = np.rot90(expected, -quarter_turns)
            turned_ = turned_[:, ::-1] if mirrored else turned_
            if quarter_turns or mirrored:
                how = "mirrored" if mirrored else f"turned by {90 * quarter_turns} degrees"
                yield f"wrong orientation: {how}", turned_


def turned(output: Array, expected: Array) -> str | None:
    """Name the orientation by which an output of another shape fits."""
    for name, faulty in _turned(expected):
        if faulty.shape == output.shape and float(np.mean((output - faulty) ** 2)) < _GOOD:
            return name
    return None


def of_alpha(output: Array, expected: Array) -> str | None:
    """Name what is wrong with the alpha of an output, pixel by pixel, if anything is."""
    if output.shape[2] == 3:
        return None
    alpha = expected[..., 3]
    if (alpha < 128).sum() >= _FEWEST and (output[..., 3] > 254).all():
        return "transparency is lost"
    # Of what a GIF shows in full or not at all, nothing tells how its colours were multiplied.
    shown = output[..., 3]
    partly = (alpha > 25) & (alpha < 230) & (shown > 25) & (shown < 230)
    if partly.sum() < _FEWEST:
        return None
    colors, part = expected[partly][:, :3], alpha[partly][:, None] / 255
    error = float(np.mean((output[partly][:, :3] - colors) ** 2))
    if error <= _UNSUSPICIOUS:
        return None
    for name, faulty in (
        ("colours are multiplied by alpha twice", colors * part),
        ("colours are divided by alpha twice", (colors / part).clip(0, 255)),
    ):
        if float(np.mean((output[partly][:, :3] - faulty) ** 2)) * _BETTER < error:
            return name
    return None


def displaced(output: Array, expected: Array) -> str | None:
    """Look for a displacement by phase correlation, and confirm it by what it explains."""
    output, expected = output[..., :3], expected[..., :3]
    rows, columns = output.shape[:2]
    if min(rows, columns) < 8 or float(np.mean((output - expected) ** 2)) <= _UNSUSPICIOUS:
        return None
    one, two = (np.ascontiguousarray(layers.mean(axis=2)) for layers in (expected, output))
    window = cv2.createHanningWindow((columns, rows), cv2.CV_32F)
    (across, down), _ = cv2.phaseCorrelate(one - one.mean(), two - two.mean(), window)
    if max(abs(across), abs(down)) < _LEAST_SHIFT or not np.isfinite([across, down]).all():
        return None
    x, y = round(across), round(down)
    if 2 * abs(x) >= columns or 2 * abs(y) >= rows:
        return None
    inside = slice(max(0, y), rows + min(0, y)), slice(max(0, x), columns + min(0, x))
    before = slice(max(0, -y), rows - max(0, y)), slice(max(0, -x), columns - max(0, x))
    error = float(np.mean((two[inside] - one[inside]) ** 2))
    left = float(np.mean((two[inside] - one[before]) ** 2))
    if left * _BETTER_DISPLACED < error:
        return f"is displaced by {abs(x)} pixels across and {abs(y)} down"
    return None
