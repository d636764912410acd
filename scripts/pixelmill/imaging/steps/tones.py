"""Tones: steps that change the colour of each pixel by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PIL import Image, ImageFilter, ImageOps

from pixelmill.imaging.arrays import from_levels, levels_of, opencv
from pixelmill.imaging.parameters import File, Integer, Matrix, Number
from pixelmill.imaging.steps import cube_lut
from pixelmill.imaging.steps.fixed_point import blue_first, exact, fixed
from pixelmill.imaging.steps.registry import ArrayStep, array_step, step

#: Each of red, green and blue as the luma of ITU-R 601.
_LUMA = ((0.299, 0.587, 0.114),) * 3

#: Pillow's kernel that smooths, which sharpness 0 gives.
_SMOOTH = (1, 1, 1, 1, 5, 1, 1, 1, 1)

#: Sepia in common use: each of red, green and blue as a sum of all three.
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
    """Change brightness, contrast, colour and sharpness by factors, in this order; 1 keeps.

    As Pillow's ImageEnhance does, within one level for factors up to 3.

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
    # Pillow's own blends two images, which holds the GIL.
    add = opencv().addWeighted
    brighter, _ = exact(brightness, 0.0)
    spread = [exact(contrast, (1 - contrast) * middle) for middle in range(256)]
    colored = _multiplied(_towards(_LUMA, color))
    smooth = [(1 - sharpness) * weight for weight in _SMOOTH]
    smooth[4] += sharpness * sum(_SMOOTH)
    kernel = ImageFilter.Kernel((3, 3), smooth, sum(_SMOOTH))

    def enhanced(levels: Any) -> Any:
        made = None  # where to put what comes next
        if brightness != 1.0:  # a table takes twice as long
            levels = made = add(levels, brighter, levels, 0.0, 0.0)
        if contrast != 1.0:
            own, more = spread[_mean_luma(levels)]
            levels = add(levels, own, levels, 0.0, more, made)
        if color != 1.0 and levels.ndim == 3:
            levels = colored(levels)
        if sharpness != 1.0:
            levels = levels_of(from_levels(levels).filter(kernel))
        return levels

    return enhanced


def _towards(rows: tuple[tuple[float, ...], ...], factor: float) -> tuple[tuple[float, ...], ...]:
    """Mix a matrix, where the factor is 0, with the identity, where it is 1."""
    return tuple(
        tuple((1 - factor) * entry + factor * (row == column) for column, entry in enumerate(line))
        for row, line in enumerate(rows)
    )


def _mean_luma(levels: Any) -> int:
    """Mean of all pixels' luma, rounded to a level."""
    blue, green, red, _ = opencv().mean(levels)
    if levels.ndim == 2:
        return int(blue + 0.5)
    of_red, of_green, of_blue = _LUMA[0]
    return int(of_red * red + of_green * green + of_blue * blue + 0.5)


@step("color_only", examples=[{"gamma": 2.2}, {"gamma": 0.5}], gamma=Number(0.1, 10))
def gamma(image: Image.Image, *, gamma: float) -> Image.Image:
    """Lighten or darken the middle tones; black and white stay.

    Parameters
    ----------
    gamma : float
        Each level, as a part of 255, is taken to the power 1 / gamma: above 1 lightens.
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
    """Stretch the levels between two to the full range, with a gamma.

    Parameters
    ----------
    black : int
        The level, of 0..255, that becomes black, as all below it do.
    white : int
        The level, of 0..255, that becomes white, as all above it do.
    gamma : float
        Each stretched level, as a part of 255, is taken to the power 1 / gamma.
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
        How many bits of each channel are kept.
    """
    return ImageOps.posterize(image, bits)


@step("color_only", subject="flat", cutoff=Number(0, 49, 1.0))
def normalise(image: Image.Image, *, cutoff: float) -> Image.Image:
    """Stretch the luminance to the full range, all channels alike, so that colours keep.

    Parameters
    ----------
    cutoff : float
        Part of the pixels that is ignored at each end, in percent.
    """
    return ImageOps.autocontrast(image, cutoff, preserve_tone=True)


@step("color_only", examples=[{"cutoff": 1}], subject="flat", cutoff=Number(0, 49, 0.0))
def autocontrast(image: Image.Image, *, cutoff: float) -> Image.Image:
    """Stretch each channel to the full range.

    Parameters
    ----------
    cutoff : float
        Part of the pixels that is ignored at each end, in percent.
    """
    return ImageOps.autocontrast(image, cutoff)


@step("color_only", subject="flat")
def equalize(image: Image.Image) -> Image.Image:
    """Even out the histogram of each channel."""
    return ImageOps.equalize(image)


@step("color_only", mode_effect="gray")
def grayscale(image: Image.Image) -> Image.Image:
    """Turn to grey by ITU-R 601 luma: 0.299 R + 0.587 G + 0.114 B."""
    return image.convert("L")


@array_step(
    "color_only",
    mode_effect="color",
    examples=[{}, {"amount": 0.5}],
    opencv=True,
    amount=Number(0, 1, 1.0),
)
def sepia(*, amount: float) -> ArrayStep:
    """Tint brown, as old photographs are.

    Parameters
    ----------
    amount : float
        From 0, the image's own colours, to 1.
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
    """Multiply each pixel (R, G, B) by a 3x3 matrix; a fourth column is added in levels.

    Entries are rounded to 1/1024 (those of rows that add up to more than 16, to more), the
    product to the nearest level, and clipped to 0..255.

    Parameters
    ----------
    matrix : list of list of float
        Rows for red, green and blue.
    """
    return _multiplied(matrix)


def _multiplied(matrix: tuple[tuple[float, ...], ...]) -> ArrayStep:
    """Return what multiplies each pixel by a matrix, in one call outside the GIL.

    256x256 pixels take 0.03 ms, in 16 bits 0.08 and four calls; by Pillow 0.24.
    """
    cv2 = opencv()
    rows = blue_first(fixed(matrix))

    def multiplied(levels: Any) -> Any:
        if levels.ndim == 2:
            levels = cv2.cvtColor(levels, cv2.COLOR_GRAY2BGR)
        return cv2.transform(levels, rows)

    return multiplied


@step(
    "color_only",
    mode_effect="color",
    examples=[{"file": "look.cube"}, {"file": "look.cube", "amount": 0.5}],
    file=File("a .cube file", cube_lut.read),
    amount=Number(0, 1, 1.0),
)
def lookup(image: Image.Image, *, file: str, amount: float) -> Image.Image:
    """Replace colours by a lookup table, as film looks and gradings come.

    Parameters
    ----------
    file : str
        A ``.cube`` file with a 3D table (Adobe's Cube LUT Specification 1.0); beside
        the recipe. Between its entries colours are interpolated linearly.
    amount : float
        From 0, the image's own colours, to 1.
    """
    return image.convert("RGB").filter(cube_lut.at(file, amount))
