"""Second SSIM: the structural similarity of two pictures, computed apart from `imaging`.

It follows section III.B of Wang et al., Image Quality Assessment (2004), with variances as means of
squared differences from the mean, and with luma in floating point.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import cv2
import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

#: Weights of red, green and blue in luma (ITU-R BT.601, 2.5.1).
_LUMA = np.asarray((0.299, 0.587, 0.114), np.float32)

#: Distance of the edge of the window from its middle, and its standard deviation, in pixels.
_RADIUS, _DEVIATION = 5, 1.5


def luma_ssim(one: Array, other: Array) -> float:
    """Return the mean structural similarity of the luma of two pictures of one size.

    Parameters
    ----------
    one, other : ndarray of shape (height, width, 3), uint8

    Examples
    --------
    >>> dark, light = np.full((16, 16, 3), 100, np.uint8), np.full((16, 16, 3), 110, np.uint8)
    >>> round(luma_ssim(dark, dark), 4), round(luma_ssim(dark, light), 4)
    (1.0, 0.9955)
    """
    x, y = (picture.astype(np.float32) @ _LUMA for picture in (one, other))
    mx, my = _mean(x), _mean(y)
    sxx, syy, sxy = _mean(x * x) - mx**2, _mean(y * y) - my**2, _mean(x * y) - mx * my
    luminance = (2 * mx * my + 2.55**2) / (mx**2 + my**2 + 2.55**2)
    structure = (2 * sxy + 7.65**2) / (sxx + syy + 7.65**2)
    inner = slice(_RADIUS, -_RADIUS) if min(x.shape) > 2 * _RADIUS else slice(None)
    return float((luminance * structure)[inner, inner].mean())


def _mean(values: Array) -> Array:
    offsets = np.arange(-_RADIUS, _RADIUS + 1)
    weights = np.exp(-(offsets**2) / (2 * _DEVIATION**2))
    weights /= weights.sum()
    return np.asarray(cv2.sepFilter2D(values, cv2.CV_32F, weights, weights))
