"""Resampling: with Pillow, or with vector instructions if the result is the same to a level.

Shrinking is most of the work on a small photo, and Pillow computes one number at a time.
cykooz-resizer computes eight at a time, without the GIL. Its two passes are done in Pillow's order
here, so that results differ only by rounding, by one level at most.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import PIL
from PIL import Image, _imaging

from pixelmill.imaging.arrays import AnyArray, Array, as_bgr, as_bgra, kernel, opencv
from pixelmill.imaging.parameters import Box, Size
from pixelmill.imaging.steps.alpha import mixed

simd: Any
try:  # the package's Python functions hold the GIL twice as long
    from cykooz_resizer import rust_lib as simd
except ImportError:  # there are machines without a wheel
    simd = None

FILTERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "box": Image.Resampling.BOX,
    "nearest": Image.Resampling.NEAREST,
}

#: Kernels of both libraries: the number in cykooz-resizer (FilterType), and the reach in pixels of
#: the result. The box is missing, because rounding at its edge makes a difference of a whole pixel.
_KERNELS = {"lanczos": (5, 3.0), "bicubic": (3, 2.0), "bilinear": (2, 1.0)}

_FULL = 255

#: Number of convolution in cykooz-resizer (Algorithm), and of an option that it does not use.
_CONVOLUTION, _NOTHING = 2, 0

#: Since version 13, Pillow begins with the rows if they lose much more than the columns.
_ROWS_MAY_BE_FIRST = int(PIL.__version__.split(".")[0]) >= 13

#: Number of sides whose weights are cached, 8 kB each for 256 pixels. Computing one takes 15
#: microseconds, and most folders have pictures of few sizes.
_SIDES = 512

#: Modes that both libraries lay out in memory in the same way.
_MODES = ("RGB", "L", "F")

#: Kernels with negative weights, whose results may lie outside 0..255.
_OVERSHOOTING = ("lanczos", "bicubic")


def resample(image: Image.Image, size: Size, filter: str, box: Box, vectors: bool) -> Image.Image:
    """Resample a region of an image to a size.

    Parameters
    ----------
    image : PIL.Image.Image
        In any mode that Pillow resamples.
    size : tuple of int
        Size of the result, in pixels.
    filter : str
        One of `FILTERS`.
    box : tuple of float
        The region, in pixels of `image`.
    vectors : bool
        Use vector instructions if the kernel, the mode and the machine allow it. Pillow
        enlarges, because rounding could add up to two levels.

    Examples
    --------
    >>> photo = Image.linear_gradient("L")
    >>> resample(photo, (16, 16), "lanczos", (0, 0, 256, 256), vectors=True).getpixel((0, 8))
    136
    """
    if image.mode in ("RGBA", "LA") and filter in _OVERSHOOTING:
        return _resample_alpha(image, size, filter, box, vectors)
    passes = _passes(image.size, size, filter, box) if vectors and image.mode in _MODES else None
    if passes is not None:
        _, middle, first, second = passes
        between, made = (Image.new(image.mode, side, None) for side in (middle, size))
        _convolve(image, between, made, _options(filter), first, second)
        return made
    return image.resize(size, FILTERS[filter], box=box)


def _resample_alpha(
    image: Image.Image, size: Size, filter: str, box: Box, vectors: bool
) -> Image.Image:
    """Resample pixels with alpha as floats, because Pillow clips premultiplied pixels."""
    import numpy as np

    mode = image.mode
    if image.getchannel("A").getextrema()[0] == _FULL:
        return resample(image.convert(mode[:-1]), size, filter, box, vectors).convert(mode)

    passes = _passes(image.size, size, filter, box) if vectors else None

    def resampled(channel: AnyArray) -> AnyArray:
        if passes is None:
            return np.asarray(Image.fromarray(channel).resize(size, FILTERS[filter], box=box))
        _, middle, first, second = passes
        # Images would need three more copies of each channel.
        between, made = (np.empty(side[::-1], np.float32) for side in (middle, size))
        source, half, whole = map(_Pixels, (channel, between, made))
        _convolve(source, half, whole, _options(filter), first, second)
        return made

    cv2 = opencv()
    *colors, alpha = cv2.split(np.asarray(image))
    *colors, alpha = mixed(colors, alpha / np.float32(_FULL), resampled)
    floats = cv2.merge([*colors, alpha * _FULL])
    return Image.fromarray(cv2.add(floats, (0.0,) * 4, dtype=cv2.CV_8U))  # rounds and clips


def resample_array(array: Array, size: Size, filter: str, box: Box) -> Array | None:
    """Resample a region of an array with vector instructions; parameters are those of `resample`.

    Returns
    -------
    ndarray or None
        An array without padding, with the pixels that `resample` gives; None if Pillow must
        resample.
    """
    import numpy as np

    passes = _passes((array.shape[1], array.shape[0]), size, filter, box)
    if passes is None:
        return None
    gray = array.ndim == 2
    if kernel is not None and not gray:
        return _by_kernel(array, size, filter, box, passes[0])
    pixels = array if gray else as_bgra(array)
    _, middle, first, second = passes
    between = np.empty((middle[1], middle[0], *pixels.shape[2:]), np.uint8)
    made = np.empty((size[1], size[0], *pixels.shape[2:]), np.uint8)
    _convolve(_Pixels(pixels), _Pixels(between), _Pixels(made), _options(filter), first, second)
    return made if gray else as_bgr(made[..., :3])


def _by_kernel(array: Array, size: Size, filter: str, box: Box, rows_are_first: bool) -> Array:
    import numpy as np

    pixels = np.ascontiguousarray(as_bgr(array))
    source = array.shape[1::-1]
    made = np.empty((size[1], size[0], 3), np.uint8)
    across = _side(size[0], source[0], box[0], box[2], filter)
    down = _side(size[1], source[1], box[1], box[3], filter)
    kernel.resample(pixels, source, made, size, across, down, rows_are_first)
    return made


@functools.lru_cache(maxsize=_SIDES)
def _side(size: int, sources: int, start: float, end: float, filter: str) -> bytes:
    """Positions and weights along one side, for the kernel."""
    drawn: bytes = kernel.side(size, sources, start, end, int(_KERNELS[filter][1]))
    return drawn


class _Pixels:
    """An array of one or four channels, or of floats, with the interface of an image.

    The resizer reads and writes its memory. Pillow's ``frombuffer`` makes a complete image, in 5
    microseconds instead of one.
    """

    __slots__ = ("_core", "mode", "size")

    def __init__(self, pixels: AnyArray) -> None:
        # CMYK is the only mode whose four channels are treated alike.
        self.mode = "CMYK" if pixels.ndim == 3 else "F" if pixels.itemsize == 4 else "L"
        self.size = pixels.shape[1::-1]
        how = (self.mode, 0, 1)  # contiguous rows, from the top
        self._core = _imaging.map_buffer(pixels, self.size, "raw", 0, how)

    def load(self) -> None:
        """Do nothing: the pixels are in memory."""

    def getim(self) -> Any:
        """Return the address of the pixels."""
        return self._core.ptr


def _passes(source: Size, size: Size, filter: str, box: Box) -> tuple[bool, Size, Box, Box] | None:
    """Whether rows are reduced first, the size after the first pass, and the crop of each pass.

    A crop is left, top, width and height. None if vector instructions are not used: for
    enlarging, and for some kernels.
    """
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    if simd is None or filter not in _KERNELS or size[0] > width or size[1] > height:
        return None
    reach = _KERNELS[filter][1]  # how much the second pass needs outside the region
    if _ROWS_MAY_BE_FIRST and source[1] - size[1] > 2 * (source[0] - size[0]):  # as Pillow does
        beyond = reach * width / size[0]
        first = max(0, math.floor(left - beyond))
        kept = min(source[0], math.ceil(right + beyond)) - first
        rows, columns = (first, top, kept, height), (left - first, 0, width, size[1])
        return True, (kept, size[1]), rows, columns
    beyond = reach * height / size[1]
    first = max(0, math.floor(top - beyond))
    kept = min(source[1], math.ceil(bottom + beyond)) - first
    columns, rows = (left, first, width, kept), (0, top - first, size[0], height)
    return False, (size[0], kept), columns, rows


def _convolve(source: Any, between: Any, made: Any, options: Any, first: Box, second: Box) -> None:
    """Resample in two passes; takes images or `_Pixels`."""
    # A shared resizer would make threads wait for each other. Both passes are prepared first,
    # because the first one evicts Python's data from the caches.
    resize = simd.RustResizer().resize_pil
    image, half, whole = map(simd.PilImageWrapper, (source, between, made))
    options_of_first, options_of_second = (
        options.set_crop_box(*first),
        options.set_crop_box(*second),
    )
    resize(image, half, options_of_first)
    resize(half, whole, options_of_second)


@functools.cache
def _options(filter: str) -> Any:
    """All options except the crop; setting an option returns a copy."""
    options = simd.RustResizeOptions()
    return options.set_resize_alg(_CONVOLUTION, _KERNELS[filter][0], _NOTHING).set_use_alpha(False)
