"""Exact resampling: the kernels of recipes in floating point, computed from their formulas.

References are resampled here, without rounding in between. Nothing is shared with the code that
renders images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import cv2
import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

#: A region of a picture: left, top, right and bottom, in pixels, also between them.
Region: TypeAlias = tuple[float, float, float, float]

#: Number of rows of the result that are computed at once.
_ROWS = 8

#: Number of source pixels per pixel of the result that remain when a large picture is first
#: averaged over whole squares. With four, the result changes by less than a level.
_KEPT = 4


def _lanczos(x: Array) -> Array:
    """Windowed sinc with three lobes (Duchon, 1979)."""
    return np.sinc(x) * np.sinc(x / 3)


def _bicubic(x: Array) -> Array:
    """Cubic convolution with a = -1/2 (Keys, 1981)."""
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, far)


def _hamming(x: Array) -> Array:
    """Sinc with a Hamming window (Blackman and Tukey, 1958)."""
    return np.sinc(x) * (0.54 + 0.46 * np.cos(np.pi * x))


#: Kernels as functions of a distance that is not negative, and how far each reaches.
_KERNELS: dict[str, tuple[Callable[[Array], Array], float]] = {
    "lanczos": (_lanczos, 3.0),
    "bicubic": (_bicubic, 2.0),
    "hamming": (_hamming, 1.0),
    "bilinear": (lambda x: 1 - x, 1.0),
    "box": (np.ones_like, 0.5),
    "area": (np.ones_like, 1.0),
}


def resample(
    picture: Array,
    size: tuple[int, int],
    kernel: str,
    region: Region,
    clipped: float | None = None,
) -> Array:
    """Resample a region of a picture.

    Parameters
    ----------
    picture : ndarray of shape (height, width, channels)
        Of any type.
    size : tuple of int
        Width and height of the result, in pixels.
    kernel : str
        lanczos, bicubic, hamming, bilinear, box or nearest; or area, which averages what each
        pixel of the result covers.
    region : tuple of float
    clipped : float, optional
        Clip the rows, which are resampled first, from 0 to this, as implementations in integers
        do. Detail as fine as the pixels then looks different.

    Returns
    -------
    ndarray, float32
        Not clipped: kernels with negative lobes overshoot.
    """
    left, top, right, bottom = region
    if kernel == "nearest":
        across = _nearest(size[0], left, right, picture.shape[1])
        down = _nearest(size[1], top, bottom, picture.shape[0])
        return np.asarray(picture[down][:, across], np.float32)
    picture, (left, top, right, bottom) = _averaged(picture, size, region)
    across = _transposed(_along_rows(_transposed(picture), size[0], kernel, left, right))
    if clipped is not None:
        across = across.clip(0, clipped)
    return _along_rows(across, size[1], kernel, top, bottom)


def _nearest(count: int, start: float, end: float, sources: int) -> Array:
    centers = start + (np.arange(count) + 0.5) * ((end - start) / count)
    return np.asarray(np.clip(np.floor(centers).astype(int), 0, sources - 1))


def _averaged(picture: Array, size: tuple[int, int], region: Region) -> tuple[Array, Region]:
    """Average a very large picture over whole squares, if that makes no visible difference."""
    left, top, right, bottom = region
    factor = int(min((right - left) / size[0], (bottom - top) / size[1]) / _KEPT)
    if factor < 2:
        return picture, region
    columns, rows = (side // factor for side in picture.shape[1::-1])
    if right > columns * factor or bottom > rows * factor:
        # The last squares are incomplete: repeat the pixels at the edges.
        more_rows, more_columns = -picture.shape[0] % factor, -picture.shape[1] % factor
        picture = cv2.copyMakeBorder(picture, 0, more_rows, 0, more_columns, cv2.BORDER_REPLICATE)
        columns, rows = (side // factor for side in picture.shape[1::-1])
    whole = picture[: rows * factor, : columns * factor]
    small = cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)
    small = small.reshape(rows, columns, -1)
    return small, (left / factor, top / factor, right / factor, bottom / factor)


def _transposed(array: Array) -> Array:
    """Exchange rows and columns; many times faster than NumPy does."""
    made = cv2.transpose(np.ascontiguousarray(array))
    return np.asarray(made).reshape(array.shape[1], array.shape[0], -1)


def _along_rows(array: Array, count: int, kernel: str, start: float, end: float) -> Array:
    """Resample the first axis of an array of three."""
    rest = array.shape[1:]
    array = array.reshape(array.shape[0], -1)
    made = np.empty((count, array.shape[1]), np.float32)
    for first, weights, place in _weights(array.shape[0], count, kernel, start, end):
        part = array[place : place + weights.shape[1]].astype(np.float32, copy=False)
        np.matmul(weights, part, out=made[first : first + weights.shape[0]])
    return made.reshape(count, *rest)


def _weights(
    sources: int, count: int, kernel: str, start: float, end: float
) -> Iterator[tuple[int, Array, int]]:
    """Yield weights of some results at a time, with their first row and their first source."""
    weigh, reach = _KERNELS[kernel]
    scale = (end - start) / count
    stretch = max(scale, 1.0)
    centers = start + (np.arange(count) + 0.5) * scale
    lows = np.maximum(np.floor(centers - reach * stretch).astype(int), 0)
    highs = np.minimum(np.ceil(centers + reach * stretch).astype(int) + 1, sources)
    near = lows[:, None] + np.arange((highs - lows).max())
    # Of two pixels at the same distance at the edge of a box, the second one counts.
    distances = np.abs((near + 0.5 - centers[:, None]) / stretch - 1e-9)
    if kernel == "area":
        # The overlap of a pixel of the result with one of the source.
        weights = np.clip((1 + 1 / stretch) / 2 - distances, 0, 1 / stretch)
    else:
        weights = np.where(distances <= reach, weigh(np.minimum(distances, reach)), 0)
    weights[near >= sources] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    # Rows of the result that are computed together take the same part of the source.
    begins = np.repeat(lows[::_ROWS], _ROWS)[:count]
    columns = near - begins[:, None]
    blocks = np.zeros((count, columns.max() + 1), np.float32)
    np.put_along_axis(blocks, columns, weights, axis=1)
    for first in range(0, count, _ROWS):
        some = slice(first, first + _ROWS)
        low = lows[first]
        yield first, blocks[some, : highs[some].max() - low], low
