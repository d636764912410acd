"""Reference: the picture that a recipe should give, rendered independently of `imaging`.

The source comes from `pixelmill.verification.second_decoder`, and kernels are computed in floating
point from their formulas, so that only an error made twice could pass unnoticed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import cv2
import numpy as np

from pixelmill.verification.exact_resampling import Region, resample
from pixelmill.verification.expected_geometry import (
    bordered,
    cropped,
    gravity,
    quarter_turns,
    resampled,
    scales,
    sides,
)

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

#: Colours that recipes may name.
_COLORS = {"white": "#ffffff", "black": "#000000", "gray": "#808080"}

_HALF = Fraction(1, 2)

#: Alpha below which the colour of a pixel is invisible.
_LEAST_ALPHA = 1 / 1024

#: Weights of red, green and blue in luma (ITU-R BT.601, 2.5.1).
_LUMA = np.asarray((0.299, 0.587, 0.114), np.float32)

cv2.setNumThreads(1)
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def render(
    picture: Array, steps: Sequence[tuple[str, Mapping[str, Any]]], kernel: str | None = None
) -> Array:
    """Render the picture that a recipe should give.

    Parameters
    ----------
    picture : ndarray of shape (height, width, 3 or 4)
        uint8 or uint16, RGB with straight alpha.
    steps : sequence of (str, mapping)
        Steps for which `pixelmill.verification.expected_geometry.can_render` holds.
    kernel : str, optional
        A kernel in place of that of the recipe; ``area`` is the one that OpenCV shrinks with,
        and ``clipped`` that of the recipe with levels clipped between rows and columns.

    Returns
    -------
    ndarray of the same type, of shape (height, width, 3 or 4)
    """
    for name, params in steps:
        if name == "resize" and kernel is not None and params.get("filter") != "nearest":
            other = {"clipped": True} if kernel == "clipped" else {"filter": kernel}
            params = {**params, **other}
        picture = np.ascontiguousarray(_RENDERERS[name](picture, params))
    return picture


def blend(layers: Array, background: str) -> Array:
    """Blend a picture, with or without alpha, with a background colour, ``#rrggbb``."""
    if layers.shape[2] == 3:
        return layers
    full = int(np.iinfo(layers.dtype).max)
    alpha = layers[..., 3:].astype(np.float32) / full
    behind = np.asarray(_levels(background, full)[:3], np.float32)
    return np.rint(layers[..., :3] * alpha + behind * (1 - alpha)).astype(layers.dtype)


def _levels(color: str, full: int) -> list[int]:
    """Return red, green, blue and alpha of a colour that is written as in a recipe."""
    if color == "transparent":
        return [0, 0, 0, 0]
    color = _COLORS.get(color, color)
    return [*(int(color[k : k + 2], 16) * full // 255 for k in (1, 3, 5)), full]


def _canvas(frame: tuple[int, int], color: str, picture: Array) -> Array:
    """Make a canvas of a colour and of the type of a picture, with alpha if either has it."""
    channels = 4 if color == "transparent" else picture.shape[2]
    canvas = np.empty((frame[1], frame[0], channels), picture.dtype)
    canvas[:] = _levels(color, int(np.iinfo(picture.dtype).max))[:channels]
    return canvas


def _placed(picture: Array, canvas: Array, left: int, top: int) -> Array:
    """Paste a picture with its alpha into a canvas."""
    rows, columns = picture.shape[:2]
    region = canvas[top : top + rows, left : left + columns]
    region[..., 3:] = np.iinfo(canvas.dtype).max
    region[..., : picture.shape[2]] = picture
    return canvas


def _resize(picture: Array, params: Mapping[str, Any]) -> Array:
    rows, columns = picture.shape[:2]
    size = resampled(columns, rows, params)
    region: Region = (0.0, 0.0, float(columns), float(rows))
    if params.get("fit") == "cover":
        region = _covering(columns, rows, params)
    made = _scale(picture, size, region, params)
    if params.get("fit") != "pad":
        return made
    frame = params["width"], params["height"]
    color = params.get("color", "#ffffff")
    if color == "blur":
        cover = {"width": frame[0], "height": frame[1], "fit": "cover"}
        behind = _scale(picture, frame, _covering(columns, rows, cover), {"filter": "bilinear"})
        # So strong that no shape remains, as documented.
        canvas = np.asarray(cv2.GaussianBlur(behind, (0, 0), max(frame) / 30))
    else:
        canvas = _canvas(frame, color, made)
    across, down = gravity(params)
    left, top = int((frame[0] - size[0]) * across), int((frame[1] - size[1]) * down)
    return _placed(made, canvas, left, top)


def _covering(columns: int, rows: int, params: Mapping[str, Any]) -> Region:
    """Return the region of a picture that fills a frame."""
    scale = scales(columns, rows, params)[0]
    width = min(Fraction(columns), params["width"] / scale)
    height = min(Fraction(rows), params["height"] / scale)
    across, down = gravity(params)
    left, top = (columns - width) * across, (rows - height) * down
    return float(left), float(top), float(left + width), float(top + height)


def _scale(
    picture: Array, size: tuple[int, int], region: Region, params: Mapping[str, Any]
) -> Array:
    """Resample a region, with colours weighted by alpha, and in linear light on request."""
    kernel, clips = params.get("filter", "lanczos"), params.get("clipped", False)
    if size == picture.shape[1::-1] and region == (0, 0, *size):
        return picture
    full = int(np.iinfo(picture.dtype).max)
    linear = bool(params.get("linear")) and kernel != "nearest"
    if not linear and picture.shape[2] == 3:
        made = resample(picture, size, kernel, region, full if clips else None)
        return _rounded(made, picture.dtype)
    values = picture.astype(np.float32) / full
    if linear:
        values[..., :3] = _to_light(values[..., :3])
    if picture.shape[2] == 4:
        values[..., :3] *= values[..., 3:]
    made = resample(values, size, kernel, region, 1.0 if clips else None)
    if picture.shape[2] == 4:
        made[..., :3] /= np.maximum(made[..., 3:], _LEAST_ALPHA)
    if linear:
        made[..., :3] = _from_light(np.clip(made[..., :3], 0, 1))
    return _rounded(made * full, picture.dtype)


def _rounded(values: Array, kind: Any) -> Array:
    return np.asarray(np.rint(np.clip(values, 0, np.iinfo(kind).max)), dtype=kind)


def _to_light(values: Array) -> Array:
    """Convert sRGB values to linear light (IEC 61966-2-1, 5.2)."""
    return np.where(values > 0.04045, ((values + 0.055) / 1.055) ** 2.4, values / 12.92)


def _from_light(light: Array) -> Array:
    """Convert linear light to sRGB values (IEC 61966-2-1, 5.2)."""
    return np.where(light > 0.0031308, 1.055 * light ** (1 / 2.4) - 0.055, light * 12.92)


def _crop(picture: Array, params: Mapping[str, Any]) -> Array:
    box = cropped(picture.shape[1], picture.shape[0], params)
    if box is None:  # there is no output to compare
        return picture
    return picture[box[1] : box[3], box[0] : box[2]]


def _rotate(picture: Array, params: Mapping[str, Any]) -> Array:
    turned = np.rot90(picture, -(quarter_turns(params) or 0))
    if params.get("expand", True) or turned.shape == picture.shape:
        return turned
    rows, columns = picture.shape[:2]
    # The frame keeps its size: two sides are cut off, the other two are filled.
    canvas = _canvas((columns, rows), params.get("color", "#ffffff"), picture)
    side = min(rows, columns)
    top, left = (rows - side) // 2, (columns - side) // 2
    from_top, from_left = max(0, -((rows - columns) // 2)), max(0, -((columns - rows) // 2))
    cut = turned[from_top : from_top + side, from_left : from_left + side]
    return _placed(cut, canvas, left, top)


def _flip(picture: Array, params: Mapping[str, Any]) -> Array:
    direction = params.get("direction", "horizontal")
    down = -1 if direction in ("vertical", "both") else 1
    across = -1 if direction in ("horizontal", "both") else 1
    return picture[::down, ::across]


def _border(picture: Array, params: Mapping[str, Any]) -> Array:
    rows, columns = picture.shape[:2]
    top, _, _, left = sides(params)
    color = params.get("color", "#ffffff")
    return _placed(picture, _canvas(bordered(columns, rows, params), color, picture), left, top)


def _grayscale(picture: Array, params: Mapping[str, Any]) -> Array:
    gray = _rounded(picture[..., :3] @ _LUMA, picture.dtype)
    return np.dstack([gray, gray, gray, picture[..., 3:]])


_RENDERERS = {
    "resize": _resize,
    "crop": _crop,
    "rotate": _rotate,
    "flip": _flip,
    "border": _border,
    "grayscale": _grayscale,
}
