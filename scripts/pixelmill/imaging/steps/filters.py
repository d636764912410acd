"""Filters: steps that mix each pixel with its neighbours."""

from __future__ import annotations

import functools
import math

from PIL import Image, ImageFilter

from pixelmill.imaging.arrays import Array, opencv
from pixelmill.imaging.parameters import Choice, Integer, Number
from pixelmill.imaging.steps.fixed_point import round_exact
from pixelmill.imaging.steps.gaussian import gaussian
from pixelmill.imaging.steps.registry import ArrayStep, array_step, step

#: Sides of the squares that non-local means compares and searches, in pixels: those of Buades,
#: Coll and Morel (2011), as in OpenCV.
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
    """Sharpen by adding the difference between the picture and a blurred copy.

    Parameters
    ----------
    radius : float
        Standard deviation of the blur, in pixels.
    percent : int
        Share of the difference that is added, in percent.
    threshold : int
        Differences of at most this many levels are ignored.
    """
    if not radius:
        return lambda array: array
    cv2 = opencv()  # Pillow's UnsharpMask holds the GIL after its blur
    blur = gaussian(radius)
    own, other, _ = round_exact(1 + percent / 100, -percent / 100, 0.0)
    below = cv2.THRESH_BINARY_INV

    def sharpened(array: Array) -> Array:
        blurred = blur(array)
        difference = cv2.absdiff(array, blurred)
        # Results are written over their operands: three arrays fit into the caches, five do not.
        sharp = cv2.addWeighted(array, own, blurred, other, 0, blurred)
        _, alike = cv2.threshold(difference, threshold, 255, below, difference)
        made: Array = cv2.copyTo(array, alike, sharp)
        return made

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
    """Replace each pixel with the median of a square around it.

    Parameters
    ----------
    size : int
        Side of the square, in pixels.
    """
    # Pillow's MedianFilter gives the same result, but holds the GIL.
    return functools.partial(opencv().medianBlur, ksize=size)


@array_step(
    "premultiplied",
    examples=[{"strength": 25}],
    subject="noisy",
    opencv=True,
    strength=Number(0, 100, 5.0),
)
def denoise(*, strength: float) -> ArrayStep:
    """Remove noise by non-local means, the mean of places that look alike.

    This is slow: about two seconds per megapixel on one core.

    Parameters
    ----------
    strength : float
        Standard deviation of the noise to be removed, in levels; higher values also remove
        detail.
    """
    # With all channels together, noise of 10 levels leaves 38.5 dB; fastNlMeansDenoisingColored
    # leaves 35.9.
    cv2 = opencv()

    def denoised(array: Array) -> Array:
        deviation = strength
        if array.ndim == 3:
            deviation *= math.sqrt(3 / array.shape[2])  # OpenCV takes the mean over all channels
        made: Array = cv2.fastNlMeansDenoising(array, None, deviation, _PATCH, _SEARCH)
        return made

    return denoised
