"""The steps of a recipe: one small function each, image in, image out.

A step takes an RGB or L image and returns one. To add a step, write its function
here, declare its parameters in the decorator, and test it in
``tests/test_operations.py``; recipes can use it by its name at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from pixelmill.parameters import Choice, Color, Integer, Matrix, Number, Parameter

Box: TypeAlias = tuple[float, float, float, float]
Size: TypeAlias = tuple[int, int]
Function: TypeAlias = Callable[..., Image.Image]

#: Largest side of an output, in pixels: what JPEG can hold.
MAX_SIDE = 65_500

_FILTERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "box": Image.Resampling.BOX,
    "nearest": Image.Resampling.NEAREST,
}


@dataclass(frozen=True)
class StepKind:
    """A step that recipes can name."""

    name: str
    function: Function
    parameters: dict[str, Parameter]


#: All steps by name.
STEPS: dict[str, StepKind] = {}


def step(
    **parameters: Parameter,
) -> Callable[[Function], Function]:
    """Register a function as a step with the parameters that a recipe may give."""

    def register(function: Function) -> Function:
        name = function.__name__
        STEPS[name] = StepKind(name, function, parameters)
        return function

    return register


@step(
    width=Integer(1, MAX_SIDE),
    height=Integer(1, MAX_SIDE),
    fit=Choice(("stretch", "contain", "cover", "pad"), "stretch"),
    filter=Choice(tuple(_FILTERS), "lanczos"),
    color=Color("#ffffff"),
)
def resize(
    image: Image.Image,
    *,
    width: int,
    height: int,
    fit: str,
    filter: str,
    color: str,
    box: Box | None = None,
) -> Image.Image:
    """Resample to a size in pixels.

    Parameters
    ----------
    image : PIL.Image.Image
        RGB or L.
    width, height : int
        Pixels of the result (``stretch``, ``cover``, ``pad``) or of the frame that
        it must fit into (``contain``).
    fit : {"stretch", "contain", "cover", "pad"}
        ``stretch`` ignores the proportions; ``contain`` keeps them inside the
        frame; ``cover`` fills the frame and cuts off what stands over, evenly;
        ``pad`` fits inside and fills the rest with `color`.
    filter : str
        Kernel: lanczos, bicubic, bilinear, hamming, box or nearest.
    color : str
        ``#rrggbb`` of the padding.
    box : tuple of float, optional
        The region of `image` that holds the picture, in its pixels, where a
        shrunken decode rounded the size up.
    """
    left, top, right, bottom = box or (0.0, 0.0, float(image.width), float(image.height))
    source_width, source_height = right - left, bottom - top
    size = resampled_size((source_width, source_height), width, height, fit)
    if fit == "cover":
        scaled_width, scaled_height = scaled_size((source_width, source_height), width, height, fit)
        cut_width = source_width * (1 - width / scaled_width)
        cut_height = source_height * (1 - height / scaled_height)
        left, right = left + cut_width / 2, right - cut_width / 2
        top, bottom = top + cut_height / 2, bottom - cut_height / 2
    # Rounding may lead a hair beyond the edge.
    region = (max(left, 0.0), max(top, 0.0), min(right, image.width), min(bottom, image.height))
    if size != image.size or region != (0, 0, *image.size):
        image = image.resize(size, _FILTERS[filter], box=region)
    if fit != "pad" or size == (width, height):
        return image
    canvas = Image.new("RGB", (width, height), color).convert(image.mode)
    canvas.paste(image, ((width - size[0]) // 2, (height - size[1]) // 2))
    return canvas


def scaled_size(
    source: tuple[float, float], width: int, height: int, fit: str
) -> tuple[float, float]:
    """Size that `resize` scales the whole source to, before it cuts or pads.

    Examples
    --------
    >>> scaled_size((4000, 3000), 300, 300, "cover")
    (400.0, 300)
    """
    if fit == "stretch":
        return width, height
    wider = source[0] * height >= source[1] * width
    if wider == (fit == "cover"):
        return source[0] * height / source[1], height
    return width, source[1] * width / source[0]


def resampled_size(source: tuple[float, float], width: int, height: int, fit: str) -> Size:
    """Size in pixels that `resize` resamples to, before any padding.

    Sides are rounded to the nearest pixel (halves up) and never below one.

    Examples
    --------
    >>> resampled_size((4000, 3000), 256, 256, "contain")
    (256, 192)
    >>> resampled_size((10_000, 10), 100, 100, "pad")
    (100, 1)
    """
    scaled = scaled_size(source, width, height, fit)
    return (
        max(1, min(width, math.floor(scaled[0] + 0.5))),
        max(1, min(height, math.floor(scaled[1] + 0.5))),
    )


@step(radius=Number(0, 1000, 2.0))
def gaussian_blur(image: Image.Image, *, radius: float) -> Image.Image:
    """Blur with a Gaussian of this standard deviation, in pixels."""
    return image.filter(ImageFilter.GaussianBlur(radius))


@step(radius=Number(0, 1000, 2.0), percent=Integer(0, 1000, 150), threshold=Integer(0, 255, 3))
def unsharp_mask(image: Image.Image, *, radius: float, percent: int, threshold: int) -> Image.Image:
    """Sharpen by what a blur of `radius` pixels takes away, where it exceeds `threshold`."""
    return image.filter(ImageFilter.UnsharpMask(radius, percent, threshold))


@step()
def sharpen(image: Image.Image) -> Image.Image:
    """Sharpen with a fixed 3x3 kernel."""
    return image.filter(ImageFilter.SHARPEN)


@step()
def edge_enhance(image: Image.Image) -> Image.Image:
    """Strengthen edges with a fixed 3x3 kernel."""
    return image.filter(ImageFilter.EDGE_ENHANCE)


@step(size=Choice((3, 5, 7), 3))
def median(image: Image.Image, *, size: int) -> Image.Image:
    """Replace each pixel by the median of a square of 3, 5 or 7 pixels."""
    return image.filter(ImageFilter.MedianFilter(size))


@step(
    brightness=Number(0, 100, 1.0),
    contrast=Number(0, 100, 1.0),
    color=Number(0, 100, 1.0),
    sharpness=Number(0, 100, 1.0),
)
def enhance(
    image: Image.Image, *, brightness: float, contrast: float, color: float, sharpness: float
) -> Image.Image:
    """Change brightness, contrast, colour and sharpness by factors, in this order; 1 keeps."""
    for enhancer, factor in (
        (ImageEnhance.Brightness, brightness),
        (ImageEnhance.Contrast, contrast),
        (ImageEnhance.Color, color),
        (ImageEnhance.Sharpness, sharpness),
    ):
        if factor != 1.0:
            image = enhancer(image).enhance(factor)
    return image


@step()
def grayscale(image: Image.Image) -> Image.Image:
    """Turn to grey by ITU-R 601 luma: 0.299 R + 0.587 G + 0.114 B."""
    return image.convert("L")


@step(cutoff=Number(0, 49, 0.0))
def autocontrast(image: Image.Image, *, cutoff: float) -> Image.Image:
    """Stretch each channel to the full range, ignoring `cutoff` percent at each end."""
    return ImageOps.autocontrast(image, cutoff)


@step()
def equalize(image: Image.Image) -> Image.Image:
    """Even out the histogram of each channel."""
    return ImageOps.equalize(image)


@step(matrix=Matrix())
def color_matrix(image: Image.Image, *, matrix: tuple[tuple[float, ...], ...]) -> Image.Image:
    """Multiply each pixel (R, G, B) by a 3x3 matrix; a fourth column is added in levels.

    The product is taken in single precision, rounded to the nearest level and
    clipped to 0..255.
    """
    import numpy as np

    rows = np.asarray(matrix, dtype=np.float32)
    pixels = np.asarray(image.convert("RGB"), dtype=np.float32)
    height, width, channels = pixels.shape
    product = pixels.reshape(-1, channels) @ rows[:, :3].T
    if rows.shape[1] == 4:
        product += rows[:, 3]
    np.rint(product, out=product)
    np.clip(product, 0, 255, out=product)
    return Image.fromarray(product.astype(np.uint8).reshape(height, width, channels))
