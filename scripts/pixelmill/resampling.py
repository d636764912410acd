"""Resampling: Pillow's, by vector instructions where they give the same to a level.

Shrinking a small photo is most of its work, and Pillow does it one number at a time.
cykooz-resizer does it eight at a time, outside the GIL. Its two passes are done here in
Pillow's order, so that levels differ by rounding alone: by one at most.
"""

from __future__ import annotations

import math
from typing import Any

import PIL
from PIL import Image

from pixelmill.steps import Box, Size

simd: Any
try:
    import cykooz_resizer as simd
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

#: Kernels that both have: their name there, and how far they reach, in pixels of the
#: result. The box is left out, where a rounded edge is worth a whole pixel.
_KERNELS = {
    "lanczos": ("lanczos3", 3.0),
    "bicubic": ("catmull_rom", 2.0),
    "bilinear": ("bilinear", 1.0),
}

#: Pillow begins with the rows since its version 13, where they lose much more than columns.
_ROWS_MAY_BE_FIRST = int(PIL.__version__.split(".")[0]) >= 13

#: Modes that both hold in memory alike.
_MODES = ("RGB", "L")


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
    left, top, right, bottom = box
    shrinks = size[0] <= right - left and size[1] <= bottom - top
    if simd and vectors and shrinks and filter in _KERNELS and image.mode in _MODES:
        return _by_vectors(image, size, filter, box)
    return image.resize(size, FILTERS[filter], box=box)


def _by_vectors(image: Image.Image, size: Size, filter: str, box: Box) -> Image.Image:
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    reach = _KERNELS[filter][1]
    rows_lose_more = image.height - size[1] > 2 * (image.width - size[0])
    if _ROWS_MAY_BE_FIRST and rows_lose_more:
        first, last = _reached(left, right, reach * width / size[0], image.width)
        image = _one_pass(
            image, (last - first, size[1]), filter, (first, top, last - first, height)
        )
        return _one_pass(image, size, filter, (left - first, 0, width, size[1]))
    first, last = _reached(top, bottom, reach * height / size[1], image.height)
    image = _one_pass(image, (size[0], last - first), filter, (left, first, width, last - first))
    return _one_pass(image, size, filter, (0, top - first, size[0], height))


def _reached(start: float, end: float, reach: float, side: int) -> tuple[int, int]:
    """First row or column that a pass needs, and the one after the last."""
    return max(0, math.floor(start - reach)), min(side, math.ceil(end + reach))


def _one_pass(image: Image.Image, size: Size, filter: str, crop: Box) -> Image.Image:
    """Resample along one side; `crop` is left, top, width and height."""
    made = Image.new(image.mode, size, None)
    kernel = getattr(simd.FilterType, _KERNELS[filter][0])
    options = simd.ResizeOptions(
        resize_alg=simd.ResizeAlg.convolution(kernel),
        crop_box=simd.CropBox(*crop),
    )
    # A resizer is not shared: threads would wait for one another.
    simd.Resizer().resize_pil(image, made, options)
    return made
