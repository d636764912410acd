"""Arrays: pictures as NumPy arrays, and how they share memory with images.

An array is uint8, of shape (height, width) for grey or (height, width, 3) for colour, blue first
as in OpenCV, which encodes it without a conversion. Resampling needs four bytes per pixel, as
Pillow's images have: a padded array is a view of the first three channels of such pixels. Decoders
return padded arrays, unless there is a kernel that needs no padding.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeAlias

from PIL import Image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    #: Pixels of 8 bits per channel.
    Array: TypeAlias = NDArray[np.uint8]

    #: Numbers of any type.
    AnyArray: TypeAlias = NDArray[Any]
else:  # NumPy is imported with the first array
    Array = AnyArray = Any

#: The version of the kernel's functions that are called; another one is not used.
_INTERFACE = 2

kernel: Any

try:  # resamples in one call to the bytes of cykooz-resizer, if it was compiled (envs/kernel)
    import pixelmill_kernel as kernel  # type: ignore[no-redef]
except ImportError:
    kernel = None
if getattr(kernel, "INTERFACE", None) != _INTERFACE:
    kernel = None

#: Orientations that swap width and height (EXIF 2.32, 4.6.4.1.4).
SWAPPING = (5, 6, 7, 8)

#: Mode of the image of an array, by its channels.
_MODES = {(): "L", (3,): "RGB", (4,): "RGBA"}

#: Order of the bytes in an array, by the mode of its image, with Pillow's names.
_ORDERS = {"RGB": "BGR", "RGBA": "BGRA", "RGBa": "BGRa"}

#: How to turn an array upright after rows and columns were swapped if necessary: 0 flips it
#: vertically, 1 horizontally, -1 both ways.
_FLIPS = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}


@functools.cache
def opencv() -> Any:
    """Import OpenCV, and keep its work in the thread that calls it."""
    import cv2

    cv2.setNumThreads(1)  # the engines' workers use the cores
    return cv2


def array_of(image: Image.Image) -> Array:
    """Return the pixels of an image; those of RGBA and RGBa have four channels.

    Examples
    --------
    >>> array_of(Image.new("RGB", (1, 1), (10, 20, 30)))
    array([[[30, 20, 10]]], dtype=uint8)
    """
    import numpy as np

    order = _ORDERS.get(image.mode)
    if order is None:
        return np.asarray(image)
    pixels = np.frombuffer(image.tobytes("raw", order), np.uint8)
    return pixels.reshape(image.height, image.width, len(order))


def image_of(array: Array, mode: str | None = None) -> Image.Image:
    """Make an image of an array; `mode` is needed for RGBa, which the array does not show."""
    mode = mode or _MODES[array.shape[2:]]
    size = array.shape[1], array.shape[0]
    base = padded_base(array)
    if base is not None:
        return Image.frombytes(mode, size, base, "raw", "BGRX")
    order = _ORDERS.get(mode, mode)
    return Image.frombuffer(mode, size, array, "raw", order, 0, 1)


def padded_base(array: Array) -> Array | None:
    """Return the four channels that a padded array is a view of; None for other arrays.

    Examples
    --------
    >>> colors = array_of(Image.new("RGB", (4, 3)))
    >>> padded_base(as_bgra(colors)[..., :3]).shape, padded_base(colors)
    ((3, 4, 4), None)
    """
    base = array.base
    if base is None or array.shape[2:] != (3,):  # an array with its own memory has no padding
        return None
    # Arrays of OpenCV and Pillow may be views of something else than an array.
    return base if getattr(base, "shape", None) == (*array.shape[:2], 4) else None


def as_bgr(array: Array) -> Array:
    """Return an array without padding, as OpenCV needs it."""
    base = padded_base(array)
    return array if base is None else opencv().cvtColor(base, opencv().COLOR_BGRA2BGR)


def as_bgra(array: Array) -> Array:
    """Return an array of three channels with four bytes per pixel."""
    base = padded_base(array)
    return opencv().cvtColor(array, opencv().COLOR_BGR2BGRA) if base is None else base


def upright(array: AnyArray, orientation: int) -> AnyArray:
    """Turn an array of pixels as an orientation says (EXIF 2.32, 4.6.4.1.4)."""
    base = padded_base(array)
    if base is not None:
        return upright(base, orientation)[..., :3]
    if orientation in SWAPPING:
        array = opencv().transpose(array)
    if orientation in _FLIPS:
        array = opencv().flip(array, _FLIPS[orientation])
    return array


def reduced(array: Array, factor: int) -> Array:
    """Average blocks of `factor` times `factor` pixels; blocks at the edges may be smaller.

    The result is that of Pillow's ``Image.reduce``, to a level. Reducing 12 megapixels by two
    takes 6 ms; through an image, it takes 19.

    Examples
    --------
    >>> import numpy as np
    >>> reduced(np.array([[10, 20, 40], [30, 40, 60]], np.uint8), 2)
    array([[25, 50]], dtype=uint8)
    """
    import numpy as np

    cv2 = opencv()
    base = padded_base(array)
    if base is not None:
        return reduced(base, factor)[..., :3]
    height, width = array.shape[:2]
    rows, columns = height // factor, width // factor
    if height % factor == width % factor == 0:
        return np.asarray(cv2.resize(array, (columns, rows), interpolation=cv2.INTER_AREA))
    made = np.empty((-(-height // factor), -(-width // factor), *array.shape[2:]), np.uint8)
    for down in (slice(0, rows), slice(rows, made.shape[0])):
        for across in (slice(0, columns), slice(columns, made.shape[1])):
            block = array[
                down.start * factor : min(height, down.stop * factor),
                across.start * factor : min(width, across.stop * factor),
            ]
            size = across.stop - across.start, down.stop - down.start
            if min(size):
                averaged = cv2.resize(block, size, interpolation=cv2.INTER_AREA)
                made[down, across] = averaged.reshape(made[down, across].shape)
    return made
