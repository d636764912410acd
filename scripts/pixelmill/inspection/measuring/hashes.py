"""Hashes of pictures: two that are near for similar pictures, one that is equal for equal pixels.

The perceptual hashes are those of the package imagehash 4.3, which others compute too.
"""

from __future__ import annotations

import functools

import numpy as np
import xxhash

from pixelmill.imaging.arrays import AnyArray, Array, opencv, padded_base, reduced
from pixelmill.inspection.measuring import pixel_sums

#: Sides of a hash in bits, and of the picture whose low frequencies make a `phash`.
_SIDE, _PHASH_SIDE = 8, 32

#: A picture is halved while its shorter side has at least so many pixels, because Lanczos reads
#: each pixel many times. Hashes of smaller pictures are exactly those of imagehash.
_HALVED = 192

#: Reach of the Lanczos filter, in pixels of the result.
_REACH = 3

#: Number of sizes and results whose weights are kept, 5 to 50 kB each.
_SIZES = 1024

#: Frequencies are compared in whole millionths, so that those that are equal but for the order of
#: additions give the same bits with each library.
_MILLION = 1e6

#: Rows of a picture that are converted and digested at once, so that all pixels are not copied.
_ROWS = 256


def uniform(pixels: Array) -> Array:
    """Return grey of any shape as (height, width), and grey with alpha as colours with alpha.

    Examples
    --------
    >>> uniform(np.zeros((2, 3, 1), np.uint8)).shape, uniform(np.zeros((2, 3, 2), np.uint8)).shape
    ((2, 3), (2, 3, 4))
    """
    if pixels.shape[2:] == (1,):
        return pixels[..., 0]
    if pixels.shape[2:] == (2,):
        gray, alpha = opencv().split(np.ascontiguousarray(pixels))
        return np.asarray(opencv().merge([gray, gray, gray, alpha]))
    return pixels


def perceptual(luma: Array) -> tuple[str, str]:
    """Hash a picture by small copies of its luma: `dhash` and `phash`.

    Parameters
    ----------
    luma : ndarray of uint8
        Shape (height, width), at most 512 pixels each.

    Returns
    -------
    tuple of str
        64 bits each, as 16 hexadecimal digits.

    Examples
    --------
    >>> perceptual(np.tile(np.arange(0, 90, 10, dtype=np.uint8), (8, 1)))[0]
    'ffffffffffffffff'
    """
    if pixel_sums.kernel is not None:
        one, other = pixel_sums.kernel.hashes(luma, luma.shape[::-1], _cosines())
        return f"{one:016x}", f"{other:016x}"
    nine, square = copies(luma)
    return dhash(nine), phash(square)


def copies(luma: Array) -> tuple[AnyArray, AnyArray]:
    """Resample luma to 9x8 and to 32x32 levels with Pillow's Lanczos filter.

    A picture is halved before while its shorter side has at least 192 pixels.
    """
    height, width = map(float, luma.shape)
    while min(luma.shape) >= _HALVED:
        luma, width, height = reduced(luma, 2), width / 2, height / 2
    picture = luma.astype(np.float64), width, height
    return (
        _resized(*picture, _SIDE + 1, _SIDE),
        _resized(*picture, _PHASH_SIDE, _PHASH_SIDE),
    )


def dhash(levels: AnyArray) -> str:
    """Hash 8 rows of 9 pixels by whether brightness rises from left to right.

    The method is that of Krawetz, "Kind of like that" (2013), as ``imagehash.dhash`` has it. The
    bits are those of one row after the other, the highest one first.
    """
    return _hex(levels[:, 1:] > levels[:, :-1])


def phash(levels: AnyArray) -> str:
    """Hash 32 times 32 pixels by which of their 64 lowest frequencies are above the median.

    The frequencies are those of the cosine transform of type II, as in ``imagehash.phash``. The
    first bit is that of the mean.
    """
    cosines = _cosines()
    frequencies = np.rint(cosines @ levels @ cosines.T * _MILLION)
    ordered = np.sort(frequencies, axis=None)
    median = (ordered[ordered.size // 2 - 1] + ordered[ordered.size // 2]) / 2
    return _hex(frequencies > median)


@functools.cache
def _cosines() -> AnyArray:
    """The first 8 rows of the cosine transform of type II of 32 values, not normalized."""
    places = np.arange(_PHASH_SIDE) + 0.5
    return 2 * np.cos(np.pi / _PHASH_SIDE * np.outer(np.arange(_SIDE), places))


def _resized(
    luma: AnyArray, extent_across: float, extent_down: float, width: int, height: int
) -> AnyArray:
    """Resample levels as Pillow does, of which the extent is less than the array after an odd side.

    Pillow rounds after each pass, and begins with the rows if they lose much more than the columns.
    """
    across = _weights(luma.shape[1], extent_across, width)
    down = _weights(luma.shape[0], extent_down, height)
    if extent_down - height > 2 * max(extent_across - width, 0):
        return _levels(_levels(down @ luma) @ across.T)
    return _levels(down @ _levels(luma @ across.T))


def _levels(values: AnyArray) -> AnyArray:
    """Round halves up to whole levels, and clip, in place."""
    values += 0.5
    np.floor(values, out=values)
    np.maximum(values, 0, out=values)
    np.minimum(values, 255, out=values)
    return values


@functools.lru_cache(maxsize=_SIZES)
def _weights(size: int, extent: float, result: int) -> AnyArray:
    """Weights of Pillow's Lanczos filter (Resample.c).

    They are rounded to multiples of 2**-22 as there, so that sums in double precision are exact,
    and hashes do not depend on the order in which a library adds.

    Parameters
    ----------
    size : int
        Number of pixels.
    extent : float
        Their part that is resampled, from the first one on, in pixels.
    result : int
        Number of pixels of the result.

    Returns
    -------
    ndarray of float64
        Shape (result, size).
    """
    scale = extent / result
    stretch = max(scale, 1.0)
    reach = _REACH * stretch
    rows = np.arange(result)[:, None]
    centers = (rows + 0.5) * scale
    first = np.maximum(np.floor(centers - reach + 0.5), 0).astype(np.intp)
    last = np.minimum(np.floor(centers + reach + 0.5), size)
    places = first + np.arange(int(2 * reach) + 2)  # as many as any row needs
    x = (places - centers + 0.5) * (np.pi / _REACH / stretch)
    x[x == 0] = 1e-9  # the filter is 1 there, as it is nearby
    sine = np.sin(x)
    square = sine * sine
    near = square * (3 - 4 * square)  # sin(x) sin(3 x)
    near /= x * x  # less a factor, which the sum removes
    near *= (np.abs(x) < np.pi) & (places < last)
    near *= 2**22 / near.sum(axis=1, keepdims=True)
    weights = np.zeros((result, size + places.shape[1]))
    weights[rows, places] = np.rint(near) / 2**22
    return weights[:, :size]


def _hex(bits: AnyArray) -> str:
    return np.packbits(bits).tobytes().hex()


def pixel_digest(pixels: Array) -> str:
    """Digest the pixels of a picture, whatever the format of its file.

    Grey equals the same grey as colours, and an opaque picture with alpha equals the same picture
    without. The colour of pixels that are fully transparent does not count, because some formats
    do not keep it. It is XXH3 with 128 bits of width, height and channels as text, such as
    ``640 480 3``, and of the rows, blue first.

    Parameters
    ----------
    pixels : ndarray of uint8
        The upright picture at full size, of shape (height, width) or (height, width, channels)
        with 1 to 4 channels: grey, grey and alpha, or colours, blue first, without and with alpha.

    Returns
    -------
    str
        32 hexadecimal digits.

    Examples
    --------
    >>> gray = np.array([[7]], np.uint8)
    >>> pixel_digest(gray) == pixel_digest(np.array([[[7, 7, 7, 255]]], np.uint8))
    True
    """
    cv2 = opencv()
    height, width = pixels.shape[:2]
    pixels = uniform(pixels)
    has_alpha = pixels.shape[2:] == (4,) and int(pixels[..., 3].min()) < 255
    digest = xxhash.xxh3_128(f"{width} {height} {4 if has_alpha else 3}".encode())
    base = padded_base(pixels)
    pixels = pixels if base is None else base
    is_copied = pixels.shape[2:] != (3,) or not pixels.flags.c_contiguous
    step = _ROWS if is_copied else height
    for top in range(0, height, step):
        rows = pixels[top : top + step]
        if rows.ndim == 2:
            rows = cv2.cvtColor(rows, cv2.COLOR_GRAY2BGR)
        elif has_alpha:
            rows = cv2.copyTo(rows, np.ascontiguousarray(rows[..., 3]))
        elif pixels.shape[2] == 4:
            rows = cv2.cvtColor(rows, cv2.COLOR_BGRA2BGR)
        digest.update(np.ascontiguousarray(rows).data)
    return digest.hexdigest()
