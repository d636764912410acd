"""The steps of the OpenCV backend, as functions of arrays, blue first.

OpenCV and NumPy are imported with the first step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pixelmill.imaging.arrays import AnyArray
from pixelmill.imaging.steps import canvas
from pixelmill.imaging.steps.alpha import filled
from pixelmill.imaging.steps.fixed_point import blue_first, to_fixed_point
from pixelmill.imaging.steps.resize import resampled_size, scaled_size

#: All steps that a recipe with ``backend: opencv`` may use, by name.
OPENCV_STEPS: dict[str, Callable[..., AnyArray]] = {}

#: Kernels by name. Those that are missing here are replaced by the area filter for shrinking,
#: because OpenCV's wider kernels do not average.
_KERNELS = {"nearest": "INTER_NEAREST_EXACT", "bilinear": "INTER_LINEAR", "box": "INTER_AREA"}
_NOT_AVERAGING = ("nearest", "bilinear")
_ENLARGING = {"bicubic": "INTER_CUBIC", "lanczos": "INTER_LANCZOS4"}

#: Largest side of the square of a median in 16 bits.
_MOST_DEEP_MEDIAN = 5


def _step(function: Callable[..., AnyArray]) -> Callable[..., AnyArray]:
    OPENCV_STEPS[function.__name__] = function
    return function


def check(name: str, params: Mapping[str, Any], deep: bool = False) -> None:
    """Refuse what OpenCV does not support.

    Parameters
    ----------
    name : str
    params : mapping
        Parameters of the step.
    deep : bool
        Whether pictures may have 16 bits.

    Raises
    ------
    ValueError
        With what OpenCV supports, or does not.
    """
    if name != "call" and name not in OPENCV_STEPS:
        raise ValueError(f"it has {', '.join(OPENCV_STEPS)} and call")
    if deep and name == "call":
        raise ValueError("own steps work on 8 bits; set depth: 8")
    if deep and (name == "equalize" or (name == "median" and params["size"] > _MOST_DEEP_MEDIAN)):
        raise ValueError("it does that in 8 bits only; set depth: 8")
    if name != "resize":
        return
    if params["filter"] == "hamming":
        raise ValueError("it has no filter hamming")
    if params["resampler"] == "pillow":
        raise ValueError("it has no resampler pillow")
    if params["linear"] or params["color"] in ("blur", "transparent"):
        raise ValueError("it has no linear light, and no blurred or transparent padding")


@_step
def resize(picture: AnyArray, region: tuple[float, float] | None = None, **params: Any) -> AnyArray:
    """Resample to a size; see `pixelmill.imaging.steps.resize.resize`.

    `region` is the width and height of the part of the picture that holds the source, in pixels,
    if a decode at a reduced size rounded the size up.
    """
    cover = params["fit"] == "cover"
    if region is not None and cover:  # this loses less than half a pixel
        picture, region = picture[: int(region[1]), : int(region[0])], None
    source = region or picture.shape[1::-1]
    if cover and max(scaled_size(source, params)[k] / source[k] for k in (0, 1)) < 1:
        picture, cover = _covered(picture, params), False
    # OpenCV cannot resize a region whose edges lie between pixels. The picture is therefore cropped
    # to whole pixels, before or after resizing, whichever has the smaller pixels.
    size = resampled_size(source, {**params, "fit": "outside"} if cover else params)
    if size != picture.shape[1::-1] or region is not None:
        name = params["filter"]
        picture = _premultiplied(picture, lambda p: _scaled(p, size, region, name))
    frame = (params["width"], params["height"])
    if cover:
        left, top = (-place for place in canvas.offset(frame, size, params["gravity"]))
        left, top = max(0, left), max(0, top)
        return picture[top : top + frame[1], left : left + frame[0]]
    if params["fit"] != "pad" or size == frame:
        return picture
    left, top = canvas.offset(frame, size, params["gravity"])
    right, bottom = frame[0] - size[0] - left, frame[1] - size[1] - top
    return _framed(picture, (top, bottom, left, right), params["color"])


def _scaled(
    picture: AnyArray, size: tuple[int, int], region: tuple[float, float] | None, name: str
) -> AnyArray:
    """Scale a picture with a filter so that a region of it becomes the result."""
    width, height = region or picture.shape[1::-1]
    shorter, lower = size[0] <= width, size[1] <= height
    if shorter != lower and name not in _NOT_AVERAGING:
        # OpenCV averages areas only if no side grows: the side that shrinks comes first.
        between = (size[0], height) if shorter else (width, size[1])
        picture = _scaled_at_once(picture, between, region, "INTER_AREA")
        region = region and between
        shorter = lower = False
    kernel = _KERNELS.get(name) or ("INTER_AREA" if shorter and lower else _ENLARGING[name])
    made = _scaled_at_once(picture, size, region, kernel)
    return made[: size[1], : size[0]]


def _scaled_at_once(
    picture: AnyArray, size: tuple[float, float], region: tuple[float, float] | None, kernel: str
) -> AnyArray:
    import cv2
    import numpy as np

    interpolation = getattr(cv2, kernel)
    if region is None:
        return np.asarray(
            cv2.resize(picture, (int(size[0]), int(size[1])), interpolation=interpolation)
        )
    # With factors instead of a size, OpenCV scales the pixels beyond the region too.
    across, down = (part / whole for part, whole in zip(size, region, strict=True))
    made = cv2.resize(picture, None, fx=across, fy=down, interpolation=interpolation)
    return np.asarray(made)


def _covered(picture: AnyArray, params: Mapping[str, Any]) -> AnyArray:
    """Crop to the proportions of the frame."""
    rows, columns = picture.shape[:2]
    width, height = scaled_size((columns, rows), params)
    keep = round(columns * params["width"] / width), round(rows * params["height"] / height)
    keep = max(1, min(keep[0], columns)), max(1, min(keep[1], rows))
    across, down = canvas.GRAVITIES[params["gravity"]]
    left, top = round((columns - keep[0]) * across), round((rows - keep[1]) * down)
    return picture[top : top + keep[1], left : left + keep[0]]


def _framed(picture: AnyArray, sides: tuple[int, int, int, int], color: str) -> AnyArray:
    """Add a border of a colour; `sides` are top, bottom, left and right, in pixels."""
    import cv2
    import numpy as np

    red, green, blue = (int(color[k : k + 2], 16) for k in (1, 3, 5))
    if picture.ndim == 2 and not red == green == blue:
        picture = np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
    full = _per_level(picture)
    fill = [blue * full, green * full, red * full, 255 * full]
    return np.asarray(cv2.copyMakeBorder(picture, *sides, cv2.BORDER_CONSTANT, value=fill))


def _per_level(picture: AnyArray) -> int:
    """How many levels of a picture correspond to one of 0 to 255, the unit of parameters."""
    import numpy as np

    return int(np.iinfo(picture.dtype).max) // 255


def _premultiplied(picture: AnyArray, mix: Callable[[Any], Any]) -> AnyArray:
    """Mix neighbouring pixels so that the colour of transparent ones does not show."""
    import numpy as np

    if picture.ndim == 2 or picture.shape[2] != 4:
        return np.asarray(mix(picture))
    full = np.iinfo(picture.dtype).max
    alpha = picture[..., 3:].astype(np.float32) / full
    mixed = np.asarray(mix(np.dstack([picture[..., :3] * alpha, alpha])), dtype=np.float32)
    seen = np.maximum(mixed[..., 3:], 1 / full)
    result = np.dstack([mixed[..., :3] / seen, mixed[..., 3:] * full])
    return np.asarray(np.clip(np.rint(result), 0, full), dtype=picture.dtype)


def _colors(picture: AnyArray, change: Callable[[Any], Any]) -> AnyArray:
    """Change colours and keep alpha; hidden pixels get the nearest visible colour."""
    import numpy as np

    if picture.ndim == 2 or picture.shape[2] != 4:
        return np.asarray(change(picture))
    return np.dstack([change(filled(picture)), picture[..., 3]])


@_step
def flip(picture: AnyArray, *, direction: str) -> AnyArray:
    """Mirror; see `pixelmill.imaging.steps.geometry.flip`."""
    import cv2
    import numpy as np

    return np.asarray(cv2.flip(picture, {"horizontal": 1, "vertical": 0, "both": -1}[direction]))


@_step
def gaussian_blur(picture: AnyArray, *, radius: float) -> AnyArray:
    """Blur with a Gaussian of this standard deviation, in pixels."""
    import cv2

    if not radius:
        return picture
    return _premultiplied(picture, lambda p: cv2.GaussianBlur(p, (0, 0), radius))


@_step
def unsharp_mask(picture: AnyArray, *, radius: float, percent: int, threshold: int) -> AnyArray:
    """Sharpen; see `pixelmill.imaging.steps.filters.unsharp_mask`."""
    import cv2
    import numpy as np

    def sharpen(p: Any) -> Any:
        blurred = cv2.GaussianBlur(p, (0, 0), max(radius, 1e-3))
        sharp = cv2.addWeighted(p, 1 + percent / 100, blurred, -percent / 100, 0)
        least = threshold * _per_level(p)
        return np.where(cv2.absdiff(p, blurred) > least, sharp, p) if threshold else sharp

    return _colors(picture, sharpen)


@_step
def median(picture: AnyArray, *, size: int) -> AnyArray:
    """Replace each pixel with the median of a square of `size` pixels."""
    import cv2

    return _colors(picture, lambda p: cv2.medianBlur(p, size))


@_step
def grayscale(picture: AnyArray) -> AnyArray:
    """Convert to grey with the luma of ITU-R 601."""
    import cv2
    import numpy as np

    if picture.ndim == 2:
        return picture
    gray = np.asarray(cv2.cvtColor(picture[..., :3], cv2.COLOR_BGR2GRAY))
    if picture.shape[2] == 3:
        return gray
    return np.dstack([gray, gray, gray, picture[..., 3]])


@_step
def equalize(picture: AnyArray) -> AnyArray:
    """Equalise the histogram of each channel."""
    import cv2
    import numpy as np

    if picture.ndim == 2:
        return np.asarray(cv2.equalizeHist(picture))
    return _colors(picture, lambda p: np.dstack([cv2.equalizeHist(p[..., k]) for k in range(3)]))


@_step
def color_matrix(picture: AnyArray, *, matrix: tuple[tuple[float, ...], ...]) -> AnyArray:
    """Multiply each pixel by a matrix; see `pixelmill.imaging.steps.tones.color_matrix`."""
    import cv2
    import numpy as np

    if picture.ndim == 2:
        picture = np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
    rows = to_fixed_point(matrix)
    if picture.dtype == np.uint16:
        rows = np.array([(*row, 0.0)[:4] for row in matrix], np.float32)
        rows[:, 3] *= _per_level(picture)
    return _colors(picture, lambda p: cv2.transform(p, blue_first(rows)))
