"""Suspected faults: the errors that image processors make, tested one by one.

A fault is found if the expected picture with that fault explains what differs: it fits the output
much better than the expected picture itself, and the difference contains the fault to its full
extent, not a fraction of it. Compression and resampling do not explain a fault in this sense, so
they are not mistaken for one, and a fault is found even if it changes little of a picture.

Functions take arrays of 0 to 255 as float32, of shape (height, width, 3 or 4), with the colours
multiplied by alpha, unless they say otherwise.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import cv2
import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

#: A picture with a fault, and the words for the fault.
Faulty: TypeAlias = tuple[str, Array]

#: Mean square error of reduced pictures up to which nothing is suspected: that of two levels.
_UNSUSPICIOUS = 2.0**2

#: The same for single pixels: six levels, as compression causes.
_COMPRESSED = 6.0**2

#: Largest mean square error of a good explanation: 30 dB.
_GOOD = 65.0

#: How many times smaller the mean square error must be with a fault: twice, 3 dB.
_BETTER = 2.0

#: The same for faults that compression and resampling resemble, such as pale colours and
#: pictures that hardly change if they are turned: four times, 6 dB.
_MUCH_BETTER = 4.0

#: The same for a displacement, which changes only edges: twice, 3 dB.
_BETTER_DISPLACED = 2.0

#: How much of a fault the difference must contain, as the slope of its regression on the change
#: that the fault makes: 1 for exactly the fault, 0 for what has nothing to do with it.
_EXTENT = (0.6, 1.5)

#: Fewest pixels by which a fault is recognised; many faults fit fewer pixels.
_FEWEST = 8

#: Standard deviation below which a picture has a single colour, which many faults fit.
_VARIED = 2.0

#: Smallest displacement that is suspected, in pixels.
_LEAST_SHIFT = 0.75

#: Number of pixels a side that are examined if there are more.
_SAMPLED = 96

#: Exponents of a wrong gamma.
_GAMMAS = (2.2, 1 / 2.2, 1.8, 1 / 1.8, 1.4, 1 / 1.4)


def found(output: Array, expected: Array, bent: Iterable[Array]) -> str | None:
    """Name the fault that explains a reduced output of the same shape, if there is one.

    Parameters
    ----------
    output, expected : ndarray
    bent : iterable of ndarray
        The expected picture with each wrong gamma, see `with_wrong_gammas`.
    """
    return _best(output, expected, itertools.chain(_recolored(expected, bent), _turned(expected)))


def of_colors(output: Array, expected: Array, bent: Iterable[Array]) -> str | None:
    """Name a fault of the colours that explains single pixels, as those of thin lines."""
    rows, columns = (1 + side // _SAMPLED for side in output.shape[:2])
    return _best(
        output[::rows, ::columns],
        expected[::rows, ::columns],
        _recolored(expected[::rows, ::columns], (one[::rows, ::columns] for one in bent)),
        _COMPRESSED,
    )


def _best(
    output: Array,
    expected: Array,
    faulty: Iterator[Faulty],
    unsuspicious: float = _UNSUSPICIOUS,
) -> str | None:
    difference = output - expected
    error = float(np.mean(difference**2))
    if error <= unsuspicious or output.shape[0] * output.shape[1] < _FEWEST:
        return None
    if float(expected[..., :3].std(axis=(0, 1)).max()) < _VARIED:
        return None
    best, name = _GOOD, None
    for words, picture in faulty:
        if picture.shape == output.shape:
            left = float(np.mean((output - picture) ** 2))
            better = _BETTER if words in _UNLIKE_COMPRESSION else _MUCH_BETTER
            if left < min(best, error / better) and _is_whole(difference, picture - expected):
                best, name = left, words
    return name


def _is_whole(difference: Array, change: Array) -> bool:
    """Whether a difference contains the change of a fault to its full extent."""
    energy = float(np.sum(change**2))
    return energy > 0 and _EXTENT[0] <= float(np.sum(difference * change)) / energy <= _EXTENT[1]


_SWAPPED, _INVERTED, _GAMMA = "channels are swapped", "colours are inverted", "gamma is wrong"

#: Faults that neither compression nor resampling resembles.
_UNLIKE_COMPRESSION = (_SWAPPED, _INVERTED, _GAMMA)


def _recolored(expected: Array, bent: Iterable[Array]) -> Iterator[Faulty]:
    """Yield the expected picture with each fault of the colours."""
    colors, alpha = expected[..., :3], expected[..., 3:]
    for order in itertools.permutations(range(3)):
        if order != (0, 1, 2):
            yield _SWAPPED, np.dstack([colors[..., list(order)], alpha])
    full = alpha if alpha.shape[2] else np.float32(255)
    yield _INVERTED, np.dstack([full - colors, alpha])
    yield from ((_GAMMA, picture) for picture in bent)
    luma = colors @ np.asarray((0.299, 0.587, 0.114), np.float32)
    yield "colours are lost", np.dstack([luma, luma, luma, alpha])


def with_wrong_gammas(picture: Array) -> Iterator[Array]:
    """Yield a picture with each wrong gamma.

    Parameters
    ----------
    picture : ndarray of shape (height, width, 3 or 4)
        uint8 or uint16, RGB with straight alpha.
    """
    full = int(np.iinfo(picture.dtype).max)
    for gamma in _GAMMAS:
        table = np.rint(full * (np.arange(full + 1) / full) ** gamma).astype(picture.dtype)
        yield np.dstack([table[picture[..., :3]], picture[..., 3:]])


def _turned(expected: Array) -> Iterator[Faulty]:
    for quarter_turns in range(4):
        for mirrored in (False, True):
            turned_ = np.rot90(expected, -quarter_turns)
            turned_ = turned_[:, ::-1] if mirrored else turned_
            if quarter_turns or mirrored:
                how = "mirrored" if mirrored else f"turned by {90 * quarter_turns} degrees"
                yield f"wrong orientation: {how}", turned_


def turned(output: Array, expected: Array) -> str | None:
    """Name the orientation in which an output of another shape fits."""
    for name, faulty in _turned(expected):
        if faulty.shape == output.shape and float(np.mean((output - faulty) ** 2)) < _GOOD:
            return name
    return None


def of_alpha(output: Array, expected: Array) -> str | None:
    """Name the fault of the alpha of an output, pixel by pixel, if there is one."""
    if output.shape[2] == 3:
        return None
    alpha = expected[..., 3]
    if (alpha < 128).sum() >= _FEWEST and (output[..., 3] > 254).all():
        return "transparency is lost"
    # A GIF shows a pixel fully or not at all, which does not reveal how colours were multiplied.
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
        if float(np.mean((output[partly][:, :3] - faulty) ** 2)) * _MUCH_BETTER < error:
            return name
    return None


def _brightness(colors: Array) -> Array:
    """Return the mean of three channels; ten times as fast as by ``mean``."""
    return np.asarray((colors[..., 0] + colors[..., 1] + colors[..., 2]) / 3)


def displaced(output: Array, expected: Array) -> str | None:
    """Find a displacement by phase correlation, and confirm that it explains the difference."""
    output, expected = output[..., :3], expected[..., :3]
    rows, columns = output.shape[:2]
    if min(rows, columns) < 8 or float(np.mean((output - expected) ** 2)) <= _UNSUSPICIOUS:
        return None
    one, two = (_brightness(layers) for layers in (expected, output))
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
