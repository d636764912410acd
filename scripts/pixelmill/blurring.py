"""Blurring: Pillow's Gaussian, by OpenCV where that gives the very same levels.

Pillow approximates a Gaussian by three box filters along each side, of fractional
length and rounded to levels each time (Gwosdek et al., "Theoretical foundations of
Gaussian convolution by extended box filtering", 2011). Such a filter is a short kernel,
which OpenCV convolves with vector instructions: 256x256 pixels take 0.3 to 0.6 ms, not 2.1.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any

from PIL import ImageFilter

from pixelmill.levels import from_levels, levels_of, opencv

#: Box filters along each side.
_PASSES = 3

#: Bits behind the point of Pillow's weights.
_PILLOW_BITS = 24

#: Bits behind the point of OpenCV's weights here, and what is added to round halves up, as
#: Pillow does. Single precision holds every sum of levels times weights, in whatever order.
_ROUNDINGS = ((16, 0.0), (15, 2.0**-16))

#: Longest box for which a kernel is looked for: pixels on either side of the middle.
_MOST_RADIUS = 3


def gaussian(levels: Any, radius: float) -> Any:
    """Blur as Pillow's GaussianBlur does.

    Parameters
    ----------
    levels : ndarray
        uint8, (height, width) or (height, width, channels).
    radius : float
        Standard deviation, in pixels.

    Examples
    --------
    >>> import numpy as np
    >>> gaussian(np.array([[0, 0, 240, 0, 0]], np.uint8), 0.5)
    array([[  1,  25, 187,  25,   1]], dtype=uint8)
    """
    found = _kernel(radius)
    if found is None:
        return _by_pillow(levels, radius)
    cv2 = opencv()
    kernel, more = found
    edge = cv2.BORDER_REPLICATE
    for shape in ((1, -1), (-1, 1)):
        for _ in range(_PASSES):
            levels = cv2.filter2D(levels, -1, kernel.reshape(shape), delta=more, borderType=edge)
    return levels


def _by_pillow(levels: Any, radius: float) -> Any:
    premultiplied = levels.ndim == 3 and levels.shape[2] == 4
    image = from_levels(levels, "RGBa" if premultiplied else None)
    return levels_of(image.filter(ImageFilter.GaussianBlur(radius)))


@functools.lru_cache(maxsize=512)
def _kernel(radius: float) -> tuple[Any, float] | None:
    """Find what makes OpenCV round each sum as Pillow does: weights, and what to add.

    Looked for once: threads would wait for each other meanwhile.
    """
    import numpy as np

    reach, inner, outer = _weights(radius)
    if reach > _MOST_RADIUS:
        return None
    # Every sum that levels can have: of those in the box, and of the two at its ends.
    sums = np.arange(255 * (2 * reach + 1) + 1)[:, np.newaxis], np.arange(2 * 255 + 1)
    exact = sums[0] * inner + sums[1] * outer
    wanted = ((exact + (1 << (_PILLOW_BITS - 1))) >> _PILLOW_BITS).astype(np.float32)
    inside, ends = (part.astype(np.float32) for part in sums)
    for (bits, more), *off in itertools.product(_ROUNDINGS, (0, 1, -1, 2), (0, 1, -1, 2)):
        whole = [(w >> (_PILLOW_BITS - bits)) + k for w, k in zip((inner, outer), off, strict=True)]
        near = np.array(whole, np.float32) / (1 << bits)
        for every in (13, 1):  # most are wrong soon
            made = inside[::every] * near[0] + (ends[::every] * near[1] + np.float32(more))
            if (np.rint(made) != wanted[::every, ::every]).any():
                break
        else:
            return np.array([near[1], *[near[0]] * (2 * reach + 1), near[1]]), more
    return None


def _weights(radius: float) -> tuple[int, int, int]:
    """Whole pixels on either side of Pillow's box, and its weights: inside, and at its ends.

    In single precision, as there, or the last bits would be others (its BoxBlur.c).
    """
    import numpy as np

    one = np.float32
    variance = one(one(radius) * one(radius) / one(_PASSES))
    length = one(np.sqrt(12.0 * float(variance) + 1.0))
    whole = one(np.floor((float(length) - 1.0) / 2.0))
    beyond = one((2 * whole + 1) * (whole * (whole + 1) - 3 * variance))
    beyond = one(beyond / (6 * (variance - (whole + 1) * (whole + 1))))
    half_length = one(whole + beyond)
    reach = int(half_length)
    inner = int(one(1 << _PILLOW_BITS) / one(half_length * 2 + 1))
    return reach, inner, ((1 << _PILLOW_BITS) - (2 * reach + 1) * inner) // 2
