"""Arrays: pictures as levels, and how they share memory with images.

Levels are uint8, (height, width) for grey or (height, width, 3) for colours, blue first as
OpenCV has them, which encodes them as they are. What is to be resampled has four bytes a
pixel behind three channels, as Pillow's images have: `padded` levels are a view that leaves
out the fourth. Decoders give those, but where there is a kernel that does not ask for them.
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

kernel: Any

try:  # resamples in one call to the bytes of cykooz-resizer, where a compiler made it (envs/kernel)
    import pixelmill_kernel as kernel  # type: ignore[no-redef]
except ImportError:
    kernel = None

#: Orientations that swap width and height (EXIF 2.32, 4.6.4.1.4).
SWAPPING = (5, 6, 7, 8)

#: Mode of the image of levels, by their channels.
_MODES = {(): "L", (3,): "RGB", (4,): "RGBA"}

#: Order of the bytes of levels, by the mode of their image, as Pillow names it.
_ORDERS = {"RGB": "BGR", "RGBA": "BGRA", "RGBa": "BGRa"}

#: How to turn levels upright, once rows and columns were swapped where they must be: 0 flips
#: over the middle row, 1 over the middle column, -1 over both.
_FLIPS = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}


@functools.cache
def opencv() -> Any:
    """Import OpenCV, which lets go of the GIL, and keep its work to the thread that calls it."""
    import cv2

    cv2.setNumThreads(1)  # the engines' workers use the cores
    return cv2


def levels_of(image: Image.Image) -> Any:
    """Levels of an image; of RGBA and RGBa with four channels.

    Examples
    --------
    >>> levels_of(Image.new("RGB", (1, 1), (10, 20, 30)))
    array([[[30, 20, 10]]], dtype=uint8)
    """
    import numpy as np

    order = _ORDERS.get(image.mode)
    if order is None:
        return np.asarray(image)
    pixels = np.frombuffer(image.tobytes("raw", order), np.uint8)
    return pixels.reshape(image.height, image.width, len(order))


def from_levels(levels: Any, mode: str | None = None) -> Image.Image:
    """Make an image of levels, in a mode that they cannot tell where it is RGBa."""
    mode = mode or _MODES[levels.shape[2:]]
    whole = behind(levels)
    if whole is not None:
        return Image.frombytes(mode, levels.shape[1::-1], whole, "raw", "BGRX")
    order = _ORDERS.get(mode, mode)
    return Image.frombuffer(mode, levels.shape[1::-1], levels, "raw", order, 0, 1)


def behind(levels: Any) -> Any:
    """Return the four channels behind padded levels; None where nothing is padded.

    Examples
    --------
    >>> gray = levels_of(Image.new("L", (4, 3)))
    >>> colors = levels_of(Image.new("RGB", (4, 3)))
    >>> behind(padded(colors)).shape, behind(colors), behind(padded(gray))
    ((3, 4, 4), None, None)
    """
    if levels.ndim == 3 and levels.shape[2] == 3:
        whole = levels.base  # of what OpenCV and Pillow made that need be no array
        if getattr(whole, "shape", None) == (*levels.shape[:2], 4):
            return whole
    return None


def packed(levels: Any) -> Any:
    """Levels without padding, as OpenCV takes them."""
    whole = behind(levels)
    return levels if whole is None else opencv().cvtColor(whole, opencv().COLOR_BGRA2BGR)


def padded(levels: Any) -> Any:
    """Levels with four bytes a pixel where they have three channels."""
    if levels.ndim == 2 or behind(levels) is not None:
        return levels
    return opencv().cvtColor(levels, opencv().COLOR_BGR2BGRA)[..., :3]


def upright(levels: Any, orientation: int) -> Any:
    """Turn levels, or any array of pixels, as their orientation asks (EXIF 2.32, 4.6.4.1.4)."""
    whole = behind(levels)
    if whole is not None:
        return upright(whole, orientation)[..., :3]
    if orientation in SWAPPING:
        levels = opencv().transpose(levels)
    if orientation in _FLIPS:
        levels = opencv().flip(levels, _FLIPS[orientation])
    return levels


def reduced(levels: Any, factor: int) -> Any:
    """Average blocks of `factor` times `factor` pixels; blocks at the edges may be smaller.

    As Pillow's ``Image.reduce``, to a level. By two, 12 megapixels take 6 ms, by way of
    an image 19.

    Examples
    --------
    >>> import numpy as np
    >>> reduced(np.array([[10, 20, 40], [30, 40, 60]], np.uint8), 2)
    array([[25, 50]], dtype=uint8)
    """
    import numpy as np

    cv2 = opencv()
    whole = behind(levels)
    if whole is not None:
        return reduced(whole, factor)[..., :3]
    height, width = levels.shape[:2]
    rows, columns = height // factor, width // factor
    made = np.empty((-(-height // factor), -(-width // factor), *levels.shape[2:]), np.uint8)
    for down in (slice(0, rows), slice(rows, made.shape[0])):
        for across in (slice(0, columns), slice(columns, made.shape[1])):
            block = levels[
                down.start * factor : min(height, down.stop * factor),
                across.start * factor : min(width, across.stop * factor),
            ]
            size = across.stop - across.start, down.stop - down.start
            if min(size):
                averaged = cv2.resize(block, size, interpolation=cv2.INTER_AREA)
                made[down, across] = averaged.reshape(made[down, across].shape)
    return made
