"""Filters: steps that mix each pixel with its neighbours."""

from __future__ import annotations

import functools
import math
from typing import Any

from PIL import Image, ImageFilter

from pixelmill.parameters import Choice, Integer, Number
from pixelmill.steps import from_array, opencv, step

#: Sides of the squares that non-local means compares and searches, in pixels: those
#: of Buades, Coll and Morel (2011), whom OpenCV follows.
_PATCH, _SEARCH = 7, 21


@step("premultiplied", radius=Number(0, 1000, 2.0))
def gaussian_blur(image: Image.Image, *, radius: float) -> Image.Image:
    """Blur with a Gaussian.

    Parameters
    ----------
    radius : float
        Standard deviation, in pixels.
    """
    return image.filter(ImageFilter.GaussianBlur(radius))


@step(
    "premultiplied",
    opencv=True,
    radius=Number(0, 1000, 2.0),
    percent=Integer(0, 1000, 150),
    threshold=Integer(0, 255, 3),
)
def unsharp_mask(image: Image.Image, *, radius: float, percent: int, threshold: int) -> Image.Image:
    """Sharpen by what a blur takes away.

    Parameters
    ----------
    radius : float
        Standard deviation of the blur, in pixels.
    percent : int
        How much of the difference is added, in percent.
    threshold : int
        Differences of this many levels or fewer are left alone.
    """
    import numpy as np

    cv2 = opencv()  # Pillow's UnsharpMask gives the same, but holds the GIL after its blur
    pixels = np.asarray(image)
    blurred = np.asarray(image.filter(ImageFilter.GaussianBlur(radius)))
    table = _added(percent, threshold)
    lighter = cv2.LUT(cv2.subtract(pixels, blurred), table)
    darker = cv2.LUT(cv2.subtract(blurred, pixels), table)
    return from_array(cv2.subtract(cv2.add(pixels, lighter), darker), image.mode)


@functools.lru_cache(maxsize=8)
def _added(percent: int, threshold: int) -> Any:
    """Levels to add for each difference; made once, or threads would wait for each other."""
    import numpy as np

    difference = np.arange(256)
    added = np.where(difference > threshold, difference * percent // 100, 0)
    return np.minimum(added, 255).astype(np.uint8)


@step("premultiplied")
def sharpen(image: Image.Image) -> Image.Image:
    """Sharpen with a fixed 3x3 kernel."""
    return image.filter(ImageFilter.SHARPEN)


@step("premultiplied")
def edge_enhance(image: Image.Image) -> Image.Image:
    """Strengthen edges with a fixed 3x3 kernel."""
    return image.filter(ImageFilter.EDGE_ENHANCE)


@step("premultiplied", opencv=True, size=Choice((3, 5, 7), 3))
def median(image: Image.Image, *, size: int) -> Image.Image:
    """Replace each pixel by the median of a square around it.

    Parameters
    ----------
    size : int
        Side of the square, in pixels.
    """
    import numpy as np

    # Pillow's MedianFilter gives the same, but holds the GIL.
    return from_array(opencv().medianBlur(np.asarray(image), size), image.mode)


@step("premultiplied", opencv=True, strength=Number(0, 100, 5.0))
def denoise(image: Image.Image, *, strength: float) -> Image.Image:
    """Take away noise by non-local means: the mean of places that look alike.

    Slow: about two seconds a megapixel and core.

    Parameters
    ----------
    strength : float
        Standard deviation of the noise to be taken away, in levels; more takes away
        detail too.
    """
    import numpy as np

    # All channels together: 38.5 dB on noise of 10 levels; fastNlMeansDenoisingColored 35.9.
    pixels = np.asarray(image)
    if pixels.ndim == 3:
        strength *= math.sqrt(3 / pixels.shape[2])  # OpenCV takes the mean over all channels
    made = opencv().fastNlMeansDenoising(pixels, None, strength, _PATCH, _SEARCH)
    return from_array(made, image.mode)
