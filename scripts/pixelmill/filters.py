"""Filters: steps that mix each pixel with its neighbours."""

from __future__ import annotations

from PIL import Image, ImageFilter

from pixelmill.parameters import Choice, Integer, Number
from pixelmill.steps import step


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
    return image.filter(ImageFilter.UnsharpMask(radius, percent, threshold))


@step("premultiplied")
def sharpen(image: Image.Image) -> Image.Image:
    """Sharpen with a fixed 3x3 kernel."""
    return image.filter(ImageFilter.SHARPEN)


@step("premultiplied")
def edge_enhance(image: Image.Image) -> Image.Image:
    """Strengthen edges with a fixed 3x3 kernel."""
    return image.filter(ImageFilter.EDGE_ENHANCE)


@step("premultiplied", size=Choice((3, 5, 7), 3))
def median(image: Image.Image, *, size: int) -> Image.Image:
    """Replace each pixel by the median of a square around it.

    Parameters
    ----------
    size : int
        Side of the square, in pixels.
    """
    return image.filter(ImageFilter.MedianFilter(size))
