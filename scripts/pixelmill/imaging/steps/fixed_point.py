"""Fixed point: weights whose products with levels come out alike on every processor.

Single precision rounds each sum, and some processors multiply and add in one go: the
last bit, and with it a level here and there, would hang on the machine. Weights of few
enough bits leave nothing to round.
"""

from __future__ import annotations

import math
from typing import Any

#: Bits that single precision adds without rounding, less one for what rounding adds.
_PRECISION = 23

#: Bits of a part of 1, as OpenCV counts weights of levels.
_PARTS = 10

#: Bits of the weights along each side of a kernel: with those of a level, 24 for both.
_KERNEL_BITS = 8


def exact(*weights: float) -> tuple[float, ...]:
    """Round weights so that their products with levels are summed without rounding.

    Parameters
    ----------
    *weights : float
        Of levels; the last one is added to the sum, in levels.

    Returns
    -------
    tuple of float
        Numbers that single precision holds.

    Examples
    --------
    >>> [weight * 2**15 for weight in exact(0.5, 0.1, 0.0)]
    [16384.0, 3277.0, 0.0]
    """
    *given, added = map(abs, weights)
    most = max(255 * sum(given) + added, 1.0)
    part = 2.0 ** (math.ceil(math.log2(most)) - _PRECISION)
    return tuple(round(weight / part) * part for weight in weights)


def fixed(rows: tuple[tuple[float, ...], ...]) -> Any:
    """Round a matrix for OpenCV's ``transform`` of levels, so that all its ways agree.

    It multiplies in whole numbers, 1/1024 each; but in single precision the last pixels,
    whose number hangs on the processor's vectors, and by weights of 32 and more. Weights in
    such parts are exact in both, and a quarter of a part keeps halves from being rounded
    up here and down there. Sums of rows are kept, so that grey stays grey.

    Parameters
    ----------
    rows : tuple of tuple of float
        Three weights of levels and, if it is not 0, what is added to their sum, in levels.

    Returns
    -------
    ndarray
        float32, of shape (rows, 4). Products are within 0.9 levels of the given rows', where
        those are 16 at most in sum; beyond, parts are larger.

    Examples
    --------
    >>> (fixed(((0.299, 0.587, 0.114),)) * 1024).tolist()
    [[306.0, 601.0, 117.0, 0.25]]
    """
    import numpy as np

    given = np.array([(*row, 0.0)[:4] for row in rows])
    most = np.maximum(np.abs(given) @ [255, 255, 255, 1], 1)
    part = 2.0 ** np.maximum(-_PARTS, np.ceil(np.log2(most)) - _PRECISION + 1)[:, np.newaxis]
    parts = given / part
    whole = np.rint(parts)
    for row, exactly in zip(whole, parts, strict=True):
        lacking = np.rint(exactly[:3].sum()) - row[:3].sum()
        row[np.argmax((exactly - row)[:3] * lacking)] += lacking
    whole[:, 3] += 0.25
    return (whole * part).astype(np.float32)


def blue_first(rows: Any) -> Any:
    """Order the rows of a matrix, and their weights, as OpenCV has colours.

    Examples
    --------
    >>> import numpy as np
    >>> blue_first(np.array([[1, 2, 3, 0], [4, 5, 6, 0], [7, 8, 9, 0]]))
    array([[9, 8, 7, 0],
           [6, 5, 4, 0],
           [3, 2, 1, 0]])
    """
    ordered = rows[::-1].copy()
    ordered[:, :3] = ordered[:, 2::-1]
    return ordered


def bell(deviation: float, reach: int) -> Any:
    """Weights of a Gaussian along a line, in whole numbers that make up 256.

    Parameters
    ----------
    deviation : float
        Standard deviation, in pixels.
    reach : int
        Pixels on either side of the middle, at most; weights that are nothing are left out.

    Returns
    -------
    ndarray
        float32.

    Examples
    --------
    >>> bell(1.0, 3)
    array([  1.,  14.,  62., 102.,  62.,  14.,   1.], dtype=float32)
    """
    import numpy as np

    heights = [math.exp(-((k / deviation) ** 2) / 2) for k in range(reach + 1)]
    scale = 2**_KERNEL_BITS / (heights[0] + 2 * sum(heights[1:]))
    half: list[int] = []
    left = 0.0  # by rounding: the next one, further in, takes it
    for height in heights[:0:-1]:
        half.append(math.floor(height * scale + left + 0.5))
        left += height * scale - half[-1]
    while len(half) > 1 and not half[0]:
        del half[0]
    middle = 2**_KERNEL_BITS - 2 * sum(half)
    return np.array([*half, middle, *half[::-1]], np.float32)
