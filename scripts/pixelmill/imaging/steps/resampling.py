"""Resampling: Pillow's, by vector instructions where they give the same to a level.

Shrinking a small photo is most of its work, and Pillow does it one number at a time.
cykooz-resizer does it eight at a time, outside the GIL. Its two passes are done here in
Pillow's order, so that levels differ by rounding alone: by one at most.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import PIL
from PIL import Image, _imaging

from pixelmill.imaging.arrays import behind, kernel, opencv, packed, padded
from pixelmill.imaging.parameters import Box, Size
from pixelmill.imaging.steps.alpha import mixed

simd: Any
try:  # not by the package's own calls: they hold the GIL twice as long
    from cykooz_resizer import rust_lib as simd
except ImportError:  # there is no wheel for every machine
    simd = None

FILTERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "box": Image.Resampling.BOX,
    "nearest": Image.Resampling.NEAREST,
}

#: Kernels that both have: their number there (its FilterType), and how far they reach, in
#: pixels of the result. The box is left out, where a rounded edge is worth a whole pixel.
_KERNELS = {"lanczos": (5, 3.0), "bicubic": (3, 2.0), "bilinear": (2, 1.0)}

_FULL = 255

#: Number of convolution there (its Algorithm), and of what it does not ask for.
_CONVOLUTION, _NOTHING = 2, 0

#: Pillow begins with the rows since its version 13, where they lose much more than columns.
_ROWS_MAY_BE_FIRST = int(PIL.__version__.split(".")[0]) >= 13

#: Sides that are kept, of 8 kB each where 256 pixels are made: to draw one up takes 15
#: microseconds, and a folder has pictures of few sizes.
_SIDES = 512

#: Modes that both hold in memory alike.
_MODES = ("RGB", "L", "F")

#: Kernels with negative weights, whose results may lie outside of 0..255.
_OVERSHOOTING = ("lanczos", "bicubic")


def resample(image: Image.Image, size: Size, filter: str, box: Box, vectors: bool) -> Image.Image:
    """Resample a region of an image to a size.

    Parameters
    ----------
    image : PIL.Image.Image
        Of any mode that Pillow resamples.
    size : tuple of int
        Of the result, in pixels.
    filter : str
        One of `FILTERS`.
    box : tuple of float
        The region, in pixels of `image`.
    vectors : bool
        Use vector instructions where the kernel, the mode and the machine allow.
        Enlarging is left to Pillow: rounding could add up to two levels.

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
    """Resample pixels with alpha in floats: Pillow clips what is premultiplied to 8 bits."""
    import numpy as np

    mode = image.mode
    if image.getchannel("A").getextrema()[0] == _FULL:
        return resample(image.convert(mode[:-1]), size, filter, box, vectors).convert(mode)

    passes = _passes(image.size, size, filter, box) if vectors else None

    def resampled(channel: Any) -> Any:
        if passes is None:
            return np.asarray(Image.fromarray(channel).resize(size, FILTERS[filter], box=box))
        _, middle, first, second = passes
        # Images would be three more copies of each channel: one of the source, two of the result.
        between, made = (np.empty(side[::-1], np.float32) for side in (middle, size))
        source, half, whole = map(_Memory, (channel, between, made))
        _convolve(source, half, whole, _options(filter), first, second)
        return made

    cv2 = opencv()
    *colors, alpha = cv2.split(np.asarray(image))
    *colors, alpha = mixed(colors, alpha / np.float32(_FULL), resampled)
    floats = cv2.merge([*colors, alpha * _FULL])
    return Image.fromarray(cv2.add(floats, (0.0,) * 4, dtype=cv2.CV_8U))  # rounds and clips


def resample_levels(levels: Any, size: Size, filter: str, box: Box) -> Any:
    """Resample a region of levels by vector instructions; parameters as of `resample`.

    Returns
    -------
    ndarray or None
        Levels without padding, the same as of an image; None where Pillow has to do it.
    """
    import numpy as np

    passes = _passes(levels.shape[1::-1], size, filter, box)
    if passes is None:
        return None
    cv2 = opencv()
    gray = levels.ndim == 2
    if kernel is not None and not gray:
        return _by_kernel(levels, size, filter, box, passes[0])
    pixels = levels if gray else behind(levels)
    if pixels is None:
        pixels = behind(padded(levels))
    _, middle, first, second = passes
    between = np.empty((middle[1], middle[0], *pixels.shape[2:]), np.uint8)
    made = np.empty((size[1], size[0], *pixels.shape[2:]), np.uint8)
    _convolve(_Memory(pixels), _Memory(between), _Memory(made), _options(filter), first, second)
    return made if gray else cv2.cvtColor(made, cv2.COLOR_BGRA2BGR)


def _by_kernel(levels: Any, size: Size, filter: str, box: Box, rows_are_first: bool) -> Any:
    import numpy as np

    whole = behind(levels)
    pixels = np.ascontiguousarray(levels) if whole is None else whole
    source = levels.shape[1::-1]
    made = np.empty((size[1], size[0], 4), np.uint8)
    across = _side(size[0], source[0], box[0], box[2], filter)
    down = _side(size[1], source[1], box[1], box[3], filter)
    kernel.resample(pixels, source, made, size, across, down, rows_are_first)
    return packed(made[..., :3])


@functools.lru_cache(maxsize=_SIDES)
def _side(size: int, sources: int, start: float, end: float, filter: str) -> bytes:
    """Places and weights of one side for the kernel: most images are of few sizes."""
    drawn: bytes = kernel.side(size, sources, start, end, int(_KERNELS[filter][1]))
    return drawn


class _Memory:
    """Levels of one or four channels, or floats, as what the resizer asks of an image.

    It reads and writes in their memory. Pillow's own ``frombuffer`` makes a whole image of
    the same: 5 microseconds, where this takes one.
    """

    __slots__ = ("_core", "mode", "size")

    def __init__(self, pixels: Any) -> None:
        # Of all modes with four channels only in this one they are all alike.
        self.mode = "CMYK" if pixels.ndim == 3 else "F" if pixels.itemsize == 4 else "L"
        self.size = pixels.shape[1::-1]
        how = (self.mode, 0, 1)  # rows follow one another, the first one first
        self._core = _imaging.map_buffer(pixels, self.size, "raw", 0, how)

    def load(self) -> None:
        """Do nothing: it is there."""

    def getim(self) -> Any:
        """Return where it lies."""
        return self._core.ptr


def _passes(source: Size, size: Size, filter: str, box: Box) -> tuple[bool, Size, Box, Box] | None:
    """Whether rows are made fewer first, the size then, and each pass's crop.

    A crop is left, top, width and height. None where vector instructions cannot do it: to
    enlarge, and by some kernels.
    """
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    if simd is None or filter not in _KERNELS or size[0] > width or size[1] > height:
        return None
    reach = _KERNELS[filter][1]  # of what lies beyond the region, the second pass needs that much
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
    """Resample in two passes; images, or levels in memory."""
    # A resizer is not shared: threads would wait for one another. Both passes are made
    # ready before: the first leaves nothing of Python in the caches.
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
    """All options but the crop; setting one gives a copy."""
    options = simd.RustResizeOptions()
    return options.set_resize_alg(_CONVOLUTION, _KERNELS[filter][0], _NOTHING).set_use_alpha(False)
