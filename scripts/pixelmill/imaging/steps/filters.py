"""Filters: steps that mix each pixel with its neighbours."""

from __future__ import annotations

import functools
import math
from typing import Any

from PIL import Image, ImageFilter

from pixelmill.imaging.arrays import opencv
from pixelmill.imaging.parameters import Choice, Integer, Number
from pixelmill.imaging.steps.fixed_point import exact
from pixelmill.imaging.steps.gaussian import gaussian
from pixelmill.imaging.steps.registry import ArrayStep, array_step, step

#: Sides of the squares that non-local means compares and searches, in pixels: those
#: of Buades, Coll and Morel (2011), whom OpenCV follows.
_PATCH, _SEARCH = 7, 21


@array_step("premultiplied", examples=[{"radius": 4}], opencv=True, radius=Number(0, 1000, 2.0))
def gaussian_blur(*, radius: float) -> ArrayStep:
    """Blur with a Gaussian.

    Parameters
    ----------
    radius : float
        Standard deviation, in pixels.
    """
    return gaussian(radius)


@array_step(
    "apart",
    examples=[{"radius": 3, "percent": 250}],
    subject="soft",
    opencv=True,
    radius=Number(0, 1000, 2.0),
    percent=Integer(0, 1000, 150),
    threshold=Integer(0, 255, 3),
)
def unsharp_mask(*, radius: float, percent: int, threshold: int) -> ArrayStep:
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
    if not radius:
        return lambda levels: levels
    cv2 = opencv()  # Pillow's UnsharpMask holds the GIL after its blur
    blur = gaussian(radius)
    own, other, _ = exact(1 + percent / 100, -percent / 100, 0.0)
    below = cv2.THRESH_BINARY_INV

    def sharpened(levels: Any) -> Any:
        blurred = blur(levels)
        apart = cv2.absdiff(levels, blurred)
        # Each takes the place of what it is made of: three arrays fit into the caches, not five.
        sharp = cv2.addWeighted(levels, own, blurred, other, 0, blurred)
        _, alike = cv2.threshold(apart, threshold, 255, below, apart)
        return cv2.copyTo(levels, alike, sharp)

    return sharpened


@step("apart", subject="soft")
def sharpen(image: Image.Image) -> Image.Image:
    """Sharpen with a fixed 3x3 kernel."""
    return image.filter(ImageFilter.SHARPEN)


@step("apart", subject="soft")
def edge_enhance(image: Image.Image) -> Image.Image:
    """Strengthen edges with a fixed 3x3 kernel."""
    return image.filter(ImageFilter.EDGE_ENHANCE)


@array_step(
    "premultiplied",
    examples=[{"size": 3}],
    subject="speckled",
    opencv=True,
    size=Choice((3, 5, 7), 3),
)
def median(*, size: int) -> ArrayStep:
    """Replace each pixel by the median of a square around it.

    Parameters
    ----------
    size : int
        Side of the square, in pixels.
    """
    # Pillow's MedianFilter gives the same, but holds the GIL.
    return functools.partial(opencv().medianBlur, ksize=size)


@array_step(
    "premultiplied",
    examples=[{"strength": 25}],
    subject="noisy",
    opencv=True,
    strength=Number(0, 100, 5.0),
)
def denoise(*, strength: float) -> ArrayStep:
    """Take away noise by non-local means: the mean of places that look alike.

    Slow: about two seconds a megapixel and core.

    Parameters
    ----------
    strength : float
        Standard deviation of the noise to be taken away, in levels; more takes away
        detail too.
    """
    # All channels together: 38.5 dB on noise of 10 levels; fastNlMeansDenoisingColored 35.9.
    cv2 = opencv()

    def denoised(levels: Any) -> Any:
        deviation = strength
        if levels.ndim == 3:
            deviation *= math.sqrt(3 / levels.shape[2])  # OpenCV takes the mean over all channels
        return cv2.fastNlMeansDenoising(levels, None, deviation, _PATCH, _SEARCH)

    return denoised
