"""Tones: steps that change each pixel independently of its neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image, ImageFilter, ImageOps

from pixelmill.imaging.arrays import Array, array_of, image_of, opencv
from pixelmill.imaging.parameters import File, Integer, Matrix, Number
from pixelmill.imaging.steps import cube_lut
from pixelmill.imaging.steps.fixed_point import blue_first, round_exact, to_fixed_point
from pixelmill.imaging.steps.registry import ArrayStep, array_step, step

#: Matrix that replaces red, green and blue by the luma of ITU-R 601.
_LUMA = ((0.299, 0.587, 0.114),) * 3

#: Pillow's smoothing kernel, which a sharpness of 0 applies.
_SMOOTH = (1, 1, 1, 1, 5, 1, 1, 1, 1)

#: The sepia matrix in common use: weights of red, green and blue for each of them.
_SEPIA = ((0.393, 0.769, 0.189), (0.349, 0.686, 0.168), (0.272, 0.534, 0.131))


@array_step(
    "color_only",
    examples=[{"brightness": 1.4}, {"contrast": 1.5}, {"color": 2}, {"sharpness": 4}],
    opencv=True,
    brightness=Number(0, 100, 1.0),
    contrast=Number(0, 100, 1.0),
    color=Number(0, 100, 1.0),
    sharpness=Number(0, 100, 1.0),
)
def enhance(*, brightness: float, contrast: float, color: float, sharpness: float) -> ArrayStep:
    """Change brightness, contrast, colour and sharpness by factors, in this order.

    A factor of 1 changes nothing. The result is that of Pillow's ImageEnhance, within one level
    for factors up to 3.

    Parameters
    ----------
    brightness : float
        Factor of each value.
    contrast : float
        Factor of the difference from the mean luma of the image.
    color : float
        Factor of the difference from the luma of the pixel; 0 gives grey.
    sharpness : float
        Factor of the distance to a smoothed image; 0 gives the smoothed image.
    """
    # Pillow blends two images, which holds the GIL.
    add = opencv().addWeighted
    brighter, _ = round_exact(brightness, 0.0)
    spread = [round_exact(contrast, (1 - contrast) * middle) for middle in range(256)]
    colored = _multiplied(_towards(_LUMA, color))
    smooth = [(1 - sharpness) * weight for weight in _SMOOTH]
    smooth[4] += sharpness * sum(_SMOOTH)
    kernel = ImageFilter.Kernel((3, 3), smooth, sum(_SMOOTH))

    def enhanced(array: Array) -> Array:
        made = None  # where the next result may be written
        if brightness != 1.0:  # a lookup table takes twice as long
            array = made = add(array, brighter, array, 0.0, 0.0)
        if contrast != 1.0:
            own, more = spread[_mean_luma(array)]
            array = add(array, own, array, 0.0, more, made)
        if color != 1.0 and array.ndim == 3:
            array = colored(array)
        if sharpness != 1.0:
            array = array_of(image_of(array).filter(kernel))
        return array

    return enhanced


def _towards(rows: tuple[tuple[float, ...], ...], factor: float) -> tuple[tuple[float, ...], ...]:
    """Mix a matrix with the identity; the factor is the share of the identity."""
    return tuple(
        tuple((1 - factor) * entry + factor * (row == column) for column, entry in enumerate(line))
        for row, line in enumerate(rows)
    )


def _mean_luma(array: Array) -> int:
    """Mean luma of all pixels, rounded to a level."""
    blue, green, red, _ = opencv().mean(array)
    if array.ndim == 2:
        return int(blue + 0.5)
    of_red, of_green, of_blue = _LUMA[0]
    return int(of_red * red + of_green * green + of_blue * blue + 0.5)


@step("color_only", examples=[{"gamma": 2.2}, {"gamma": 0.5}], gamma=Number(0.1, 10))
def gamma(image: Image.Image, *, gamma: float) -> Image.Image:
    """Lighten or darken the middle tones; black and white stay as they are.

    Parameters
    ----------
    gamma : float
        Each level, as a fraction of 255, is raised to the power 1 / gamma; values above 1
        lighten.
    """
    return levels(image, black=0, white=255, gamma=gamma)


def _check_levels(params: Mapping[str, Any]) -> None:
    if params["white"] <= params["black"]:
        raise ValueError(f"white as more than black, {params['black']}")


@step(
    "color_only",
    check=_check_levels,
    examples=[{"black": 90, "white": 175}],
    subject="flat",
    black=Integer(0, 254, 0),
    white=Integer(1, 255, 255),
    gamma=Number(0.1, 10, 1.0),
)
def levels(image: Image.Image, *, black: int, white: int, gamma: float) -> Image.Image:
    """Stretch the levels between `black` and `white` to the full range, with a gamma.

    Parameters
    ----------
    black : int
        The level from 0 to 255 that becomes black, like all levels below it.
    white : int
        The level from 0 to 255 that becomes white, like all levels above it.
    gamma : float
        Each stretched level, as a fraction of 255, is raised to the power 1 / gamma.
    """
    parts = (min(max((k - black) / (white - black), 0.0), 1.0) for k in range(256))
    table = [int(255 * part ** (1 / gamma) + 0.5) for part in parts]
    return image.point(table * len(image.getbands()))


@step("color_only", examples=[{"bits": 2}], bits=Integer(1, 8))
def posterize(image: Image.Image, *, bits: int) -> Image.Image:
    """Reduce the number of levels.

    Parameters
    ----------
    bits : int
        Number of bits that each channel keeps.
    """
    return ImageOps.posterize(image, bits)


@step("color_only", subject="flat", cutoff=Number(0, 49, 1.0))
def normalise(image: Image.Image, *, cutoff: float) -> Image.Image:
    """Stretch the luminance to the full range, in all channels alike, so that hues do not change.

    Parameters
    ----------
    cutoff : float
        Share of the pixels that is ignored at each end, in percent.
    """
    return ImageOps.autocontrast(image, cutoff, preserve_tone=True)


@step("color_only", examples=[{"cutoff": 1}], subject="flat", cutoff=Number(0, 49, 0.0))
def autocontrast(image: Image.Image, *, cutoff: float) -> Image.Image:
    """Stretch each channel to the full range.

    Parameters
    ----------
    cutoff : float
        Share of the pixels that is ignored at each end, in percent.
    """
    return ImageOps.autocontrast(image, cutoff)


@step("color_only", subject="flat")
def equalize(image: Image.Image) -> Image.Image:
    """Equalise the histogram of each channel."""
    return ImageOps.equalize(image)


@step("color_only", mode_effect="gray")
def grayscale(image: Image.Image) -> Image.Image:
    """Convert to grey with the luma of ITU-R 601: 0.299 R + 0.587 G + 0.114 B."""
    return image.convert("L")


@array_step(
    "color_only",
    mode_effect="color",
    examples=[{}, {"amount": 0.5}],
    opencv=True,
    amount=Number(0, 1, 1.0),
)
def sepia(*, amount: float) -> ArrayStep:
    """Tint the picture brown, like an old photograph.

    Parameters
    ----------
    amount : float
        From 0, which changes nothing, to 1.
    """
    return _multiplied(_towards(_SEPIA, 1 - amount))


@array_step(
    "color_only",
    mode_effect="color",
    examples=[{"matrix": [[0, 0, 1], [0, 1, 0], [1, 0, 0]]}],
    opencv=True,
    matrix=Matrix(),
)
def color_matrix(*, matrix: tuple[tuple[float, ...], ...]) -> ArrayStep:
    """Multiply each pixel (R, G, B) by a 3x3 matrix; a fourth column is added, in levels.

    Entries are rounded to 1/1024, or more coarsely in rows that add up to more than 16. The
    product is rounded to the nearest level and clipped to 0..255.

    Parameters
    ----------
    matrix : list of list of float
        Rows for red, green and blue.
    """
    return _multiplied(matrix)


def _multiplied(matrix: tuple[tuple[float, ...], ...]) -> ArrayStep:
    """Return a function that multiplies each pixel by a matrix, in one call without the GIL.

    256x256 pixels take 0.03 ms; Pillow takes 0.24.
    """
    cv2 = opencv()
    rows = blue_first(to_fixed_point(matrix))

    def multiplied(array: Array) -> Array:
        if array.ndim == 2:
            array = cv2.cvtColor(array, cv2.COLOR_GRAY2BGR)
        made: Array = cv2.transform(array, rows)
        return made

    return multiplied


@step(
    "color_only",
    mode_effect="color",
    examples=[{"file": "look.cube"}, {"file": "look.cube", "amount": 0.5}],
    file=File("a .cube file", cube_lut.read),
    amount=Number(0, 1, 1.0),
)
def lookup(image: Image.Image, *, file: str, amount: float) -> Image.Image:
    """Replace colours according to a lookup table, such as a film look.

    Parameters
    ----------
    file : str
        A ``.cube`` file with a 3D table (Adobe's Cube LUT Specification 1.0), beside the
        recipe. Colours between its entries are interpolated linearly.
    amount : float
        From 0, which changes nothing, to 1.
    """
    return image.convert("RGB").filter(cube_lut.at(file, amount))
