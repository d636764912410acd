"""SSIM: the structural similarity of two pictures.

Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli: Image Quality Assessment: From Error
Visibility to Structural Similarity. IEEE Transactions on Image Processing 13 (2004), 600-612.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pixelmill.imaging.arrays import AnyArray, opencv

if TYPE_CHECKING:
    from PIL import Image

#: The window: a Gaussian of 11x11 pixels with this standard deviation (section III.B).
_WINDOW, _DEVIATION = 11, 1.5

#: Constants that keep the ratios stable: (K1 L)^2 and (K2 L)^2 for levels of 8 bits.
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

#: Rows that are computed at a time, so that large pictures need little memory.
_ROWS = 256


def ssim(one: Image.Image, other: Image.Image) -> float:
    """Return the mean structural similarity of the luma of two pictures of one size.

    It is the mean of

        (2 m1 m2 + C1) (2 s12 + C2) / ((m1^2 + m2^2 + C1) (s1^2 + s2^2 + C2))

    over all places where the window lies inside the picture; m, s^2 and s12 are the means, the
    variances and the covariance in the window. Pictures that are smaller than the window are
    mirrored at their edges. Luma is that of ITU-R BT.601, rounded to 8 bits.

    Parameters
    ----------
    one, other : PIL.Image.Image
        Without transparency.

    Raises
    ------
    ValueError
        If the sizes differ.

    Examples
    --------
    >>> from PIL import Image
    >>> dark, light = Image.new("L", (16, 16), 100), Image.new("L", (16, 16), 110)
    >>> ssim(dark, dark), round(ssim(dark, light), 4)
    (1.0, 0.9955)
    """
    import numpy as np

    if one.size != other.size:
        raise ValueError(f"pictures of {one.size} and {other.size} cannot be compared")
    first, second = (np.asarray(image.convert("L")) for image in (one, other))
    total, count = 0.0, 0
    for values in _maps(first, second):
        total += float(values.sum())
        count += values.size
    return total / count


def _maps(one: AnyArray, other: AnyArray) -> Iterator[AnyArray]:
    """Yield the similarity of each place, some rows at a time."""
    import numpy as np

    edge = _WINDOW // 2 if min(one.shape) >= _WINDOW else 0
    height, width = one.shape
    for top in range(edge, height - edge, _ROWS):
        bottom = min(top + _ROWS, height - edge)
        rows = slice(top - edge, bottom + edge) if edge else slice(0, height)
        x, y = (picture[rows].astype(np.float64) for picture in (one, other))
        places = (
            slice(edge, edge + bottom - top) if edge else slice(None),
            slice(edge, width - edge),
        )
        x1, y1, xx, yy, xy = (_averaged(values)[places] for values in (x, y, x * x, y * y, x * y))
        m11, m22, m12 = x1 * x1, y1 * y1, x1 * y1
        yield ((2 * m12 + _C1) * (2 * (xy - m12) + _C2)) / (
            (m11 + m22 + _C1) * (xx - m11 + yy - m22 + _C2)
        )


def _averaged(values: AnyArray) -> AnyArray:
    """Average values in the window around each place."""
    averaged: AnyArray = opencv().GaussianBlur(values, (_WINDOW, _WINDOW), _DEVIATION)
    return averaged
