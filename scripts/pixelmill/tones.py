"""Tones: steps that change the colour of each pixel by itself."""

from __future__ import annotations

from PIL import Image, ImageEnhance, ImageOps

from pixelmill.parameters import Matrix, Number
from pixelmill.steps import step


@step(
    "kept",
    brightness=Number(0, 100, 1.0),
    contrast=Number(0, 100, 1.0),
    color=Number(0, 100, 1.0),
    sharpness=Number(0, 100, 1.0),
)
def enhance(
    image: Image.Image, *, brightness: float, contrast: float, color: float, sharpness: float
) -> Image.Image:
    """Change brightness, contrast, colour and sharpness by factors, in this order; 1 keeps.

    Parameters
    ----------
    brightness : float
        Factor of each level.
    contrast : float
        Factor of the distance to the image's mean luma.
    color : float
        Factor of the distance to the pixel's own luma; 0 gives grey.
    sharpness : float
        Factor of the distance to a smoothed image; 0 gives that one.
    """
    for enhancer, factor in (
        (ImageEnhance.Brightness, brightness),
        (ImageEnhance.Contrast, contrast),
        (ImageEnhance.Color, color),
        (ImageEnhance.Sharpness, sharpness),
    ):
        if factor != 1.0:
            image = enhancer(image).enhance(factor)
    return image


@step("kept")
def grayscale(image: Image.Image) -> Image.Image:
    """Turn to grey by ITU-R 601 luma: 0.299 R + 0.587 G + 0.114 B."""
    return image.convert("L")


@step("kept", cutoff=Number(0, 49, 0.0))
def autocontrast(image: Image.Image, *, cutoff: float) -> Image.Image:
    """Stretch each channel to the full range.

    Parameters
    ----------
    cutoff : float
        Part of the pixels that is ignored at each end, in percent.
    """
    return ImageOps.autocontrast(image, cutoff)


@step("kept")
def equalize(image: Image.Image) -> Image.Image:
    """Even out the histogram of each channel."""
    return ImageOps.equalize(image)


@step("kept", matrix=Matrix())
def color_matrix(image: Image.Image, *, matrix: tuple[tuple[float, ...], ...]) -> Image.Image:
    """Multiply each pixel (R, G, B) by a 3x3 matrix; a fourth column is added in levels.

    The product is taken in single precision, rounded to the nearest level and
    clipped to 0..255.

    Parameters
    ----------
    matrix : tuple of tuple of float
        Rows for red, green and blue.
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
