"""Judges of the matrix: what other libraries read, and whether a cell is right or wrong."""

import contextlib
import itertools
import subprocess

import cv2
import imagecodecs
import numpy as np

from tests.helpers.drawn import (
    TURNED,
)
from tests.helpers.imaging import MAGICK, psnr
from tests.helpers.matrix_cells import opaque

#: PSNR above which two pictures are considered equal, in dB.
ALIKE = 30


#: The same for a picture and its lossy encoding.
LOSSY = 24


#: Mean level of the background on which pictures with alpha are compared.
GROUND = 128


# Readings of other libraries.


def rgba(levels):
    """8-bit RGBA of the result of a library, red first; None if there is no result."""
    if levels is None:
        return None
    levels = np.asarray(levels)
    if levels.dtype == np.bool_:
        levels = levels * 255
    scale = {"uint16": 257, "uint32": 2**24 + 65793}.get(levels.dtype.name, 1)
    levels = np.nan_to_num(levels.astype(float)) * (255 if levels.dtype.kind == "f" else 1) / scale
    levels = levels[..., None] if levels.ndim == 2 else levels
    if levels.shape[2] in (1, 2):
        levels = np.dstack([levels[..., :1]] * 3 + [levels[..., 1:]])
    return levels if levels.shape[2] == 4 else opaque(levels)


def by_magick(cell):
    if MAGICK is None:
        return None
    options = ("-auto-orient", "-colorspace", "sRGB", "-depth", "8")
    done = subprocess.run(
        [MAGICK, f"{cell.format}:-[0]", *options, "png32:-"],
        input=cell.data, capture_output=True, check=False,
    )  # fmt: skip
    return rgba(imagecodecs.png_decode(done.stdout)) if done.returncode == 0 else None


def by_opencv(cell):
    levels = cv2.imdecode(np.frombuffer(cell.data, np.uint8), cv2.IMREAD_UNCHANGED)
    if levels is None or levels.dtype.kind == "i":
        return None
    if levels.ndim == 3:
        levels = levels[..., [2, 1, 0, 3][: levels.shape[2]]]
    return rgba(levels if cell.format == "tiff" else upright(levels, cell.orientation))


def by_imagecodecs(cell):
    if cell.format == "tiff":
        levels = imagecodecs.tiff_decode(cell.data, asrgb=True) / 255
        if levels.shape[2] == 4:  # multiplied by alpha
            levels[..., :3] = np.clip(levels[..., :3] / np.maximum(levels[..., 3:], 1 / 255), 0, 1)
        return rgba(levels)
    decode = getattr(imagecodecs, f"{cell.format}_decode", None)
    return rgba(upright(decode(cell.data), cell.orientation)) if decode else None


def upright(levels, orientation):
    turned = {6: 8, 8: 6}.get(orientation, orientation)
    return TURNED[turned](levels if levels.ndim == 3 else levels[..., None])


OTHERS = {"ImageMagick": by_magick, "OpenCV": by_opencv, "imagecodecs": by_imagecodecs}


def alike(a, b, least=ALIKE):
    """Whether two pictures look the same on a grey background, and have the same alpha."""
    if a is None or b is None or a.shape != b.shape:
        return False
    views = []
    for levels in (a, b):
        share = levels[..., 3:] / 255
        seen = levels[..., :3] * share + GROUND * (1 - share)
        views.append(np.clip(np.dstack([seen, levels[..., 3]]), 0, 255))
    return psnr(*views) >= least


def judge(cell, made):
    """Classify a cell as right, refused or wrong, with the reason."""
    reasons = {value for value in made.values() if isinstance(value, str)}
    if len(reasons) == 1 and all(isinstance(value, str) for value in made.values()):
        return "refused", reasons.pop()
    if reasons:
        return "wrong", f"one backend refuses it: {reasons.pop()}"
    opinions = {}
    for name, read in OTHERS.items():
        with contextlib.suppress(Exception):  # it does not know this kind
            opinions[name] = read(cell)
    first = next(iter(made.values()))
    differing = [name for name, levels in made.items() if not alike(levels, first)]
    if differing:
        return "wrong", f"{differing[0]} differs from the others"
    agreeing = [name for name, levels in opinions.items() if alike(first, levels)]
    least = LOSSY if cell.lossy else ALIKE
    if cell.drawn is not None and not alike(first, cell.drawn, least):
        return "wrong", f"not what was drawn; {', '.join(agreeing) or 'nobody'} has the same"
    if cell.drawn is None and not agreeing:
        return "wrong", f"nobody of {', '.join(opinions)} has the same"
    kind = {0: "right by the drawing alone", 1: "right by one other"}.get(len(agreeing), "right")
    others = [levels for name, levels in opinions.items() if name not in agreeing]
    if len(agreeing) < 2 and any(alike(*pair) for pair in itertools.combinations(others, 2)):
        return "right by the drawing, against two others", ""
    return kind, ""
