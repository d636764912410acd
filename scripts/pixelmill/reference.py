"""Reference: the same picture made by another library, to be compared with ours.

Nothing here is shared with the code that makes images: decoding, orientation and
geometry are OpenCV's, so that an error would have to be made twice to go unseen.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import cv2
import numpy as np
from PIL import Image

Array: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]

#: Both pictures are reduced to at most this side, in pixels: what is left is what a
#: person sees at a glance, whatever the kernel and the compression.
SIDE = 64

#: Steps that a reference can be made for.
KNOWN_STEPS = ("resize", "grayscale")

#: Sources that the two libraries understand differently, by Pillow's mode.
_ODD_MODES = ("CMYK", "YCbCr", "LAB", "HSV", "F", "I", "I;16B", "I;16L", "La", "RGBX")

_ORIENTATION = 0x0112

cv2.setNumThreads(1)
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def can_render(steps: Sequence[tuple[str, Mapping[str, Any]]]) -> bool:
    """Whether a reference exists for these steps: at most one resize, first."""
    names = [name for name, _ in steps]
    return all(name in KNOWN_STEPS for name in names) and "resize" not in names[1:]


def render(data: bytes, steps: Sequence[tuple[str, Mapping[str, Any]]]) -> Array | None:
    """Make the picture that a recipe should give.

    Parameters
    ----------
    data : bytes
        The source file.
    steps : sequence of (str, mapping)
        Steps for which `can_render` holds.

    Returns
    -------
    array of shape (height, width, 3), RGB, or None
        None where OpenCV cannot read the source, or reads it otherwise by design.
    """
    picture = _decode(data)
    if picture is None:
        return None
    for name, params in steps:
        if name == "resize":
            picture = _resize(picture, params)
        elif name == "grayscale":
            gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
            picture = _array(cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB))
    return picture


def _decode(data: bytes) -> Array | None:
    """Decode upright, on white, as RGB."""
    try:
        with Image.open(io.BytesIO(data)) as header:
            mode = header.mode
            turned = header.getexif().get(_ORIENTATION, 1) not in (0, 1)
            jpeg = header.format in ("JPEG", "MPO")
    except Exception:  # whatever is wrong with it, it is no reference
        return None
    if mode in _ODD_MODES or (turned and not jpeg):
        return None
    buffer = np.frombuffer(data, np.uint8)
    try:
        picture: Any = cv2.imdecode(buffer, cv2.IMREAD_COLOR if jpeg else cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if picture is None:
        return None
    if picture.dtype == np.uint16:
        picture = ((picture.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if picture.dtype != np.uint8:
        return None
    if picture.ndim == 2:
        return _array(cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB))
    if picture.shape[2] == 4:
        alpha = picture[..., 3:].astype(np.float32) / 255
        blended = picture[..., :3] * alpha + 255 * (1 - alpha)
        picture = np.rint(blended).astype(np.uint8)
    return _array(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)) if picture.shape[2] == 3 else None


def _array(picture: Any) -> Array:
    return np.ascontiguousarray(picture, dtype=np.uint8)


def _resize(picture: Array, params: Mapping[str, Any]) -> Array:
    width, height, fit = params["width"], params["height"], params.get("fit", "stretch")
    rows, columns = picture.shape[:2]
    if fit == "cover":
        scale = min(columns / width, rows / height)
        keep_rows, keep_columns = height * scale, width * scale
        top, left = (rows - keep_rows) / 2, (columns - keep_columns) / 2
        picture = picture[
            round(top) : max(round(top + keep_rows), round(top) + 1),
            round(left) : max(round(left + keep_columns), round(left) + 1),
        ]
    size = (width, height)
    if fit in ("contain", "pad"):
        size = contained(columns, rows, width, height)
    picture = _scale(picture, size, nearest=params.get("filter") == "nearest")
    if fit == "pad":
        color = params.get("color", "#ffffff")
        canvas = np.empty((height, width, 3), np.uint8)
        canvas[:] = [int(color[k : k + 2], 16) for k in (1, 3, 5)]
        top, left = (height - size[1]) // 2, (width - size[0]) // 2
        canvas[top : top + size[1], left : left + size[0]] = picture
        picture = canvas
    return picture


def contained(columns: float, rows: float, width: int, height: int) -> tuple[int, int]:
    """Width and height of a picture made as large as fits into a frame."""
    if columns * height >= rows * width:
        return width, max(1, min(height, math.floor(rows * width / columns + 0.5)))
    return max(1, min(width, math.floor(columns * height / rows + 0.5))), height


def _scale(picture: Array, size: tuple[int, int], nearest: bool = False) -> Array:
    shrinks = size[0] <= picture.shape[1] and size[1] <= picture.shape[0]
    kernel = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return _array(
        cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST_EXACT if nearest else kernel)
    )


def reduce(picture: Array) -> Array:
    """Reduce to a quarter, and to at most `SIDE` pixels, by averaging.

    Small pictures too, because kernels and JPEG's chroma differ most in single pixels.
    """
    longest = max(picture.shape[:2])
    most = min(SIDE, max(1, longest // 4))
    size = tuple(max(1, round(side * most / longest)) for side in picture.shape[1::-1])
    return _array(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))


def psnr(a: Array, b: Array) -> float:
    """Peak signal-to-noise ratio of two arrays of one shape, in dB; equal ones give 100.

    10 log10(255^2 / MSE), ITU-T J.340.
    """
    error = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
    return 100.0 if error == 0 else min(100.0, 10 * math.log10(255**2 / error))


def explain(output: Array, expected: Array, least: float) -> str:
    """Say what is wrong with an output, where a simple cause makes it right again."""
    if output.shape == expected.shape and psnr(output[..., ::-1], expected) >= least:
        return "channels are swapped"
    for quarter_turns in range(4):
        for mirrored in (False, True):
            turned = np.rot90(output, quarter_turns)
            turned = turned[:, ::-1] if mirrored else turned
            if turned.shape == expected.shape and psnr(turned, expected) >= least:
                how = "mirrored" if mirrored else f"turned by {90 * quarter_turns} degrees"
                return f"wrong orientation: {how}"
    return "does not look like its source"
