"""Reference: the same picture made by another library, to be compared with ours.

Nothing here is shared with the code that makes images: decoding, orientation and
geometry are OpenCV's, so that an error would have to be made twice to go unseen.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import cv2
import numpy as np
from PIL import Image, ImageCms, ImageOps

Array: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]

#: A picture is not enlarged to more than this, in pixels, only to be cut.
_MOST_PIXELS = 16_000_000

#: Steps that a reference can be made for.
KNOWN_STEPS = ("resize", "crop", "rotate", "flip", "border", "grayscale")

#: Colours that recipes may name; what is transparent is seen on white.
_COLORS = {"white": "#ffffff", "black": "#000000", "gray": "#808080", "transparent": "#ffffff"}

_HALF = Fraction(1, 2)

#: Sources that the two libraries understand differently, by Pillow's mode.
_ODD_MODES = ("CMYK", "YCbCr", "LAB", "HSV", "F", "I", "I;16B", "I;16L", "La", "RGBX")

_ORIENTATION = 0x0112

cv2.setNumThreads(1)
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def can_render(steps: Sequence[tuple[str, Mapping[str, Any]]]) -> bool:
    """Whether a reference exists for these steps: one resize at most, quarter turns only."""
    names = [name for name, _ in steps]
    if not all(name in KNOWN_STEPS for name in names) or names.count("resize") > 1:
        return False
    return all(quarter_turns(params) is not None for name, params in steps if name == "rotate")


def render(
    data: bytes,
    steps: Sequence[tuple[str, Mapping[str, Any]]],
    background: str = "#ffffff",
    by_profile: bool = True,
) -> Array | None:
    """Make the picture that a recipe should give.

    Parameters
    ----------
    data : bytes
        The source file.
    steps : sequence of (str, mapping)
        Steps for which `can_render` holds.
    background : str
        What transparency is seen on, ``#rrggbb``.
    by_profile : bool
        Whether colours are those that an ICC profile means, or as they are stored.

    Returns
    -------
    array of shape (height, width, 3), RGB, or None
        None where OpenCV cannot read the source, or reads it otherwise by design.
    """
    picture = _decode(data, background, by_profile)
    return None if picture is None else _apply(picture, steps)


def second_opinion(
    data: bytes,
    steps: Sequence[tuple[str, Mapping[str, Any]]],
    background: str = "#ffffff",
    by_profile: bool = True,
) -> Array | None:
    """Make the picture anew from what Pillow decodes, by its plainest calls.

    OpenCV reads some rare files wrongly; an output that follows Pillow is not wrong.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            upright = ImageOps.exif_transpose(image)
            deep = np.asarray(upright) if upright.mode.startswith("I;16") else None
            layers = np.asarray(upright.convert("RGBA")).astype(np.float32)
            profile = upright.info.get("icc_profile") if by_profile else None
    except Exception:  # whatever is wrong with it, it is no reference
        return None
    if deep is not None:
        layers[..., :3] = (deep.astype(np.float32) / 257)[..., None]
    return _apply(_in_srgb(blend(layers, background), profile), steps)


def _apply(picture: Array, steps: Sequence[tuple[str, Mapping[str, Any]]]) -> Array:
    for name, params in steps:
        picture = _array(_RENDERERS[name](picture, params))
    return picture


def _decode(data: bytes, background: str, by_profile: bool) -> Array | None:
    """Decode upright, on a colour, as RGB in sRGB."""
    try:
        with Image.open(io.BytesIO(data)) as header:
            mode = header.mode
            turned = header.getexif().get(_ORIENTATION, 1) not in (0, 1)
            jpeg = header.format in ("JPEG", "MPO")
            profile = header.info.get("icc_profile") if by_profile else None
    except Exception:  # whatever is wrong with it, it is no reference
        return None
    if mode in _ODD_MODES or (turned and not jpeg):
        return None
    if profile and profile[16:20] == b"GRAY":
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
        layers = cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA)
        return _in_srgb(blend(layers, background), profile)
    if picture.shape[2] != 3:
        return None
    return _in_srgb(_array(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)), profile)


def _in_srgb(picture: Array, profile: bytes | None) -> Array:
    """Follow an ICC profile, where there is one that can be followed."""
    if not profile or profile[16:20] != b"RGB ":
        return picture
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        seen = ImageCms.profileToProfile(
            Image.fromarray(picture), source, ImageCms.createProfile("sRGB")
        )
    except (ImageCms.PyCMSError, OSError):
        return picture
    return _array(seen)


def _array(picture: Any) -> Array:
    return np.ascontiguousarray(picture, dtype=np.uint8)


def blend(layers: Any, background: str = "#ffffff") -> Array:
    """Put an array of shape (height, width, 4), RGB and alpha in 0..255, on a colour."""
    alpha = layers[..., 3:].astype(np.float32) / 255
    behind = np.asarray([int(background[k : k + 2], 16) for k in (1, 3, 5)], np.float32)
    return _array(np.rint(layers[..., :3] * alpha + behind * (1 - alpha)))


def resized(columns: int, rows: int, params: Mapping[str, Any]) -> tuple[int, int]:
    """Width and height that `resize` must give an image, in exact fractions.

    Examples
    --------
    >>> resized(4000, 3000, {"longest": 300})
    (300, 225)
    """
    if params.get("fit") == "pad":
        return params["width"], params["height"]
    return _resampled(columns, rows, params)


def _resampled(columns: int, rows: int, params: Mapping[str, Any]) -> tuple[int, int]:
    """Width and height of the picture itself, without what `pad` puts around it."""
    across, down = _scales(columns, rows, params)
    size = math.floor(columns * across + _HALF), math.floor(rows * down + _HALF)
    if params.get("fit") == "cover":
        size = min(size[0], params["width"]), min(size[1], params["height"])
    return max(1, size[0]), max(1, size[1])


def _scales(columns: int, rows: int, params: Mapping[str, Any]) -> tuple[Fraction, Fraction]:
    asked = {key: value for key, value in params.items() if value is not None}
    fit = asked.get("fit", "stretch")
    scales = []
    if "width" in asked:
        scales.append(Fraction(asked["width"], columns))
    if "height" in asked:
        scales.append(Fraction(asked["height"], rows))
    if "percent" in asked:
        scales.append(Fraction(str(asked["percent"])) / 100)
    if "longest" in asked:
        scales.append(Fraction(asked["longest"], max(columns, rows)))
    if "shortest" in asked:
        scales.append(Fraction(asked["shortest"], min(columns, rows)))
    if fit in ("contain", "inside", "pad"):
        scales = [min(scales)]
    elif fit in ("cover", "outside"):
        scales = [max(scales)]
    if asked.get("upscale") == "never":
        scales = [min(scale, Fraction(1)) for scale in scales]
    return scales[0], scales[-1]


def _gravity(params: Mapping[str, Any]) -> tuple[Fraction, Fraction]:
    """Parts of the free space to the left and above."""
    name = params.get("gravity", "center")
    across = 0 if "left" in name else 1 if "right" in name else _HALF
    down = 0 if "top" in name else 1 if "bottom" in name else _HALF
    return Fraction(across), Fraction(down)


def _resize(picture: Array, params: Mapping[str, Any]) -> Any:
    rows, columns = picture.shape[:2]
    size = _resampled(columns, rows, params)
    filter, linear = params.get("filter", "lanczos"), bool(params.get("linear"))
    if params.get("fit") == "cover":
        return _covered(picture, size, params)
    made = _scale(picture, size, filter, linear)
    if params.get("fit") != "pad":
        return made
    frame = params["width"], params["height"]
    if params.get("color") == "blur":
        covered = max(Fraction(frame[0], columns), Fraction(frame[1], rows))
        middle = _region(picture, (frame[0] / covered, frame[1] / covered), (_HALF, _HALF))
        # As documented: no shape is left.
        canvas = cv2.GaussianBlur(_scale(middle, frame), (0, 0), max(frame) / 30)
    else:
        canvas = _canvas(frame, params)
    across, down = _gravity(params)
    left, top = int((frame[0] - size[0]) * across), int((frame[1] - size[1]) * down)
    canvas[top : top + size[1], left : left + size[0]] = made
    return canvas


def _covered(picture: Array, size: tuple[int, int], params: Mapping[str, Any]) -> Any:
    rows, columns = picture.shape[:2]
    filter, linear = params.get("filter", "lanczos"), bool(params.get("linear"))
    scale = _scales(columns, rows, params)[0]
    whole = max(size[0], round(columns * scale)), max(size[1], round(rows * scale))
    if scale > 1 and whole[0] * whole[1] <= _MOST_PIXELS:
        # Cut where a pixel is least: half a pixel of a small picture can be seen.
        across, down = _gravity(params)
        left, top = (columns * scale - size[0]) * across, (rows * scale - size[1]) * down
        shift = np.asarray([[1, 0, -left], [0, 1, -top]], np.float32)
        scaled = _scale(picture, whole, filter, linear)
        return cv2.warpAffine(scaled, shift, size, borderMode=cv2.BORDER_REPLICATE)
    keep = min(columns, params["width"] / scale), min(rows, params["height"] / scale)
    return _scale(_region(picture, keep, _gravity(params)), size, filter, linear)


def _region(picture: Array, keep: tuple[Any, Any], gravity: tuple[Fraction, Fraction]) -> Array:
    """Cut out so many columns and rows, rounded to whole ones."""
    rows, columns = picture.shape[:2]
    left, top = (columns - keep[0]) * gravity[0], (rows - keep[1]) * gravity[1]
    return picture[
        round(top) : max(round(top + keep[1]), round(top) + 1),
        round(left) : max(round(left + keep[0]), round(left) + 1),
    ]


def _canvas(frame: tuple[int, int], params: Mapping[str, Any]) -> Array:
    color = params.get("color", "#ffffff")
    color = _COLORS.get(color, color)
    canvas = np.empty((frame[1], frame[0], 3), np.uint8)
    canvas[:] = [int(color[k : k + 2], 16) for k in (1, 3, 5)]
    return canvas


def cropped(columns: int, rows: int, params: Mapping[str, Any]) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of what `crop` keeps; None where nothing is left."""
    across, down = _gravity(params)
    unit = params.get("unit", "pixels")
    x = _kept(columns, params.get("left"), params.get("width"), across, unit)
    y = _kept(rows, params.get("top"), params.get("height"), down, unit)
    return (x[0], y[0], x[1], y[1]) if x and y else None


def _kept(
    side: int, start: Any, length: Any, gravity: Fraction, unit: str
) -> tuple[int, int] | None:
    part = Fraction(side, 100) if unit == "percent" else Fraction(1)

    def pixels(value: Fraction) -> int:
        return math.floor(value * part + _HALF)

    if start is None:
        size = side if length is None else min(side, max(1, pixels(Fraction(str(length)))))
        first = int((side - size) * gravity)
        return first, first + size
    begin = Fraction(str(start))
    if begin * part >= side:
        return None
    first = min(pixels(begin), side - 1)
    last = side if length is None else pixels(begin + Fraction(str(length)))
    return first, min(side, max(last, first + 1))


def _crop(picture: Array, params: Mapping[str, Any]) -> Any:
    box = cropped(picture.shape[1], picture.shape[0], params)
    if box is None:  # then there is no output to compare
        return picture
    return picture[box[1] : box[3], box[0] : box[2]]


def quarter_turns(params: Mapping[str, Any]) -> int | None:
    """How many quarters, 0 to 3, `rotate` turns clockwise; None for any other angle."""
    quarters, rest = divmod(Fraction(str(params["angle"])), 90)
    return None if rest else int(quarters % 4)


def _rotate(picture: Array, params: Mapping[str, Any]) -> Any:
    turned = np.rot90(picture, -(quarter_turns(params) or 0))
    if params.get("expand", True) or turned.shape == picture.shape:
        return turned
    rows, columns = picture.shape[:2]
    # The frame stays: what stands over at two sides is cut, the others are filled.
    canvas = _canvas((columns, rows), params)
    side = min(rows, columns)
    top, left = (rows - side) // 2, (columns - side) // 2
    from_top, from_left = -((rows - columns) // 2), -((columns - rows) // 2)
    canvas[top : top + side, left : left + side] = turned[
        max(0, from_top) : max(0, from_top) + side, max(0, from_left) : max(0, from_left) + side
    ]
    return canvas


def _flip(picture: Array, params: Mapping[str, Any]) -> Any:
    code = {"horizontal": 1, "vertical": 0, "both": -1}[params.get("direction", "horizontal")]
    return cv2.flip(picture, code)


def bordered(columns: int, rows: int, params: Mapping[str, Any]) -> tuple[int, int]:
    """Width and height of an image with its border."""
    top, right, bottom, left = _sides(params)
    return columns + left + right, rows + top + bottom


def _sides(params: Mapping[str, Any]) -> tuple[int, int, int, int]:
    width = params["width"]
    top, right, bottom, left = [width] * 4 if isinstance(width, int) else width
    return top, right, bottom, left


def _border(picture: Array, params: Mapping[str, Any]) -> Any:
    rows, columns = picture.shape[:2]
    top, _, _, left = _sides(params)
    canvas = _canvas(bordered(columns, rows, params), params)
    canvas[top : top + rows, left : left + columns] = picture
    return canvas


def _grayscale(picture: Array, params: Mapping[str, Any]) -> Any:
    return cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


_RENDERERS = {
    "resize": _resize,
    "crop": _crop,
    "rotate": _rotate,
    "flip": _flip,
    "border": _border,
    "grayscale": _grayscale,
}


#: OpenCV's kernels for enlarging that are next to Pillow's; a box repeats pixels too.
_ENLARGING = {
    "bilinear": cv2.INTER_LINEAR,
    "box": cv2.INTER_NEAREST_EXACT,
}


def _scale(
    picture: Array, size: tuple[int, int], filter: str = "lanczos", linear: bool = False
) -> Array:
    if filter == "nearest":
        return _array(cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST_EXACT))
    shrinks = size[0] <= picture.shape[1] and size[1] <= picture.shape[0]
    kernel = cv2.INTER_AREA if shrinks else _ENLARGING.get(filter, cv2.INTER_CUBIC)
    if not linear:
        return _array(cv2.resize(picture, size, interpolation=kernel))
    # IEC 61966-2-1, of levels and back again.
    values = picture.astype(np.float32) / 255
    light = np.where(values > 0.04045, ((values + 0.055) / 1.055) ** 2.4, values / 12.92)
    light = np.clip(cv2.resize(light, size, interpolation=kernel), 0, 1)
    values = np.where(light > 0.0031308, 1.055 * light ** (1 / 2.4) - 0.055, light * 12.92)
    return _array(np.rint(values * 255))
