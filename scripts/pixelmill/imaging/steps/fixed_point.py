"""Fixed point: weights that give the same results on every processor.

Single precision rounds each sum, and some processors multiply and add in one operation, so that
the last bit, and sometimes a level, would depend on the machine. Weights with few enough bits
leave nothing to round.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pixelmill.imaging.arrays import AnyArray

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Bits that single precision adds without rounding, less one for what the rounding of weights adds.
_PRECISION = 23

#: Bits of the fraction of a weight: OpenCV computes with units of 1/1024.
_PARTS = 10

#: Bits of the weights along each side of a kernel; with both sides and 8 bits of a level, 24.
_KERNEL_BITS = 8


def round_exact(*weights: float) -> tuple[float, ...]:
    """Round weights so that their products with pixel values can be summed without rounding.

    Parameters
    ----------
    *weights : float
        Factors of levels; the last one is added to the sum, in levels.

    Returns
    -------
    tuple of float
        Numbers that single precision represents exactly.

    Examples
    --------
    >>> [weight * 2**15 for weight in round_exact(0.5, 0.1, 0.0)]
    [16384.0, 3277.0, 0.0]
    """
    *given, added = map(abs, weights)
    most = max(255 * sum(given) + added, 1.0)
    part = 2.0 ** (math.ceil(math.log2(most)) - _PRECISION)
    return tuple(round(weight / part) * part for weight in weights)


def to_fixed_point(rows: tuple[tuple[float, ...], ...]) -> NDArray[np.float32]:
    """Round a matrix so that all code paths of OpenCV's ``transform`` give the same levels.

    OpenCV multiplies with whole numbers in units of 1/1024. It uses single precision for the
    last pixels, whose number depends on the processor's vectors, and for weights of 32 and
    more. Weights in such units are exact in both, and a quarter of a unit is added so that
    halves are rounded the same way. The sums of rows are kept, so that grey stays grey.

    Parameters
    ----------
    rows : tuple of tuple of float
        Three factors of levels and, optionally, what is added to their sum, in levels.

    Returns
    -------
    ndarray of float32
        Of shape (rows, 4). Products differ by at most 0.9 levels from those of the given rows
        if a row adds up to 16 or less; for larger sums the units are larger.

    Examples
    --------
    >>> (to_fixed_point(((0.299, 0.587, 0.114),)) * 1024).tolist()
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
    rounded: NDArray[np.float32] = (whole * part).astype(np.float32)
    return rounded


def blue_first(rows: AnyArray) -> AnyArray:
    """Reorder the rows and columns of a matrix from red-green-blue to OpenCV's blue-green-red.

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


def gaussian_kernel(deviation: float, reach: int) -> NDArray[np.float32]:
    """Weights of a Gaussian along a line, as whole numbers that add up to 256.

    Parameters
    ----------
    deviation : float
        Standard deviation, in pixels.
    reach : int
        Largest number of pixels on either side of the middle; weights of 0 are left out.

    Returns
    -------
    ndarray of float32

    Examples
    --------
    >>> gaussian_kernel(1.0, 3)
    array([  1.,  14.,  62., 102.,  62.,  14.,   1.], dtype=float32)
    """
    import numpy as np

    heights = [math.exp(-((k / deviation) ** 2) / 2) for k in range(reach + 1)]
    scale = 2**_KERNEL_BITS / (heights[0] + 2 * sum(heights[1:]))
    half: list[int] = []
    left = 0.0  # remainder of rounding, which the next weight further in takes
    for height in heights[:0:-1]:
        half.append(math.floor(height * scale + left + 0.5))
        left += height * scale - half[-1]
    while len(half) > 1 and not half[0]:
        del half[0]
    middle = 2**_KERNEL_BITS - 2 * sum(half)
    return np.array([*half, middle, *half[::-1]], np.float32)
