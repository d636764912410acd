"""The steps that the OpenCV backend has: arrays in, arrays out, blue first.

Importing this costs nothing: OpenCV and NumPy come with the first step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from pixelmill.imaging.steps import canvas
from pixelmill.imaging.steps.alpha import filled
from pixelmill.imaging.steps.fixed_point import blue_first, fixed
from pixelmill.imaging.steps.resize import resampled_size, scaled_size

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
else:
    Array = Any

#: All steps by name; a recipe whose backend is opencv may use these.
OPENCV_STEPS: dict[str, Callable[..., Array]] = {}

#: Kernels by name. For making smaller, where OpenCV's wider kernels do not average,
#: all but the two that people choose for what they are give way to its area filter.
_KERNELS = {"nearest": "INTER_NEAREST_EXACT", "bilinear": "INTER_LINEAR", "box": "INTER_AREA"}
_ENLARGING = {"bicubic": "INTER_CUBIC", "lanczos": "INTER_LANCZOS4"}

#: Largest side of the square that OpenCV takes a median of in 16 bits.
_MOST_DEEP_MEDIAN = 5


def _step(function: Callable[..., Array]) -> Callable[..., Array]:
    OPENCV_STEPS[function.__name__] = function
    return function


def check(name: str, params: Mapping[str, Any], deep: bool = False) -> None:
    """Refuse what OpenCV has not.

    Parameters
    ----------
    name : str
    params : mapping
        Of the step.
    deep : bool
        Whether pictures may have 16 bits.

    Raises
    ------
    ValueError
        With what it has, or has not.
    """
    if name != "call" and name not in OPENCV_STEPS:
        raise ValueError(f"it has {', '.join(OPENCV_STEPS)} and call")
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
def resize(picture: Array, region: tuple[float, float] | None = None, **params: Any) -> Array:
    """Resample to a size; see `pixelmill.imaging.steps.resize.resize`.

    `region` is how much of the picture, in pixels from its first one, is of the source,
    where a shrunken decode rounded its size up.
    """
    import cv2

    cover = params["fit"] == "cover"
    if region is not None and cover:  # less than half a pixel is lost
        picture, region = picture[: int(region[1]), : int(region[0])], None
    source = region or picture.shape[1::-1]
    if cover and max(scaled_size(source, params)[k] / source[k] for k in (0, 1)) < 1:
        picture, cover = _covered(picture, params), False
    # OpenCV resizes no region whose edges lie between pixels: it is cut, to whole ones,
    # where pixels are least.
    size = resampled_size(source, {**params, "fit": "outside"} if cover else params)
    shrinks = size[0] <= source[0] and size[1] <= source[1]
    name = params["filter"]
    kernel = _KERNELS.get(name) or ("INTER_AREA" if shrinks else _ENLARGING[name])
    if size != picture.shape[1::-1] or region is not None:
        interpolation = getattr(cv2, kernel)
        picture = _premultiplied(picture, lambda p: _scaled(p, size, region, interpolation))
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
    picture: Array, size: tuple[int, int], region: tuple[float, float] | None, interpolation: int
) -> Array:
    """Scale a picture, of which only a region becomes the result."""
    import cv2
    import numpy as np

    if region is None:
        return np.asarray(cv2.resize(picture, size, interpolation=interpolation))
    # Told the scales and no size, OpenCV scales what lies beyond the region too.
    across, down = (part / whole for part, whole in zip(size, region, strict=True))
    made = cv2.resize(picture, None, fx=across, fy=down, interpolation=interpolation)
    return np.asarray(made[: size[1], : size[0]])


def _covered(picture: Array, params: Mapping[str, Any]) -> Array:
    """Cut off what would stand over the frame."""
    rows, columns = picture.shape[:2]
    width, height = scaled_size((columns, rows), params)
    keep = round(columns * params["width"] / width), round(rows * params["height"] / height)
    keep = max(1, min(keep[0], columns)), max(1, min(keep[1], rows))
    across, down = canvas.GRAVITIES[params["gravity"]]
    left, top = round((columns - keep[0]) * across), round((rows - keep[1]) * down)
    return picture[top : top + keep[1], left : left + keep[0]]


def _framed(picture: Array, sides: tuple[int, int, int, int], color: str) -> Array:
    """Put a border of a colour around: top, bottom, left, right, in pixels."""
    import cv2
    import numpy as np

    red, green, blue = (int(color[k : k + 2], 16) for k in (1, 3, 5))
    if picture.ndim == 2 and not red == green == blue:
        picture = np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
    full = _per_level(picture)
    fill = [blue * full, green * full, red * full, 255 * full]
    return np.asarray(cv2.copyMakeBorder(picture, *sides, cv2.BORDER_CONSTANT, value=fill))


def _per_level(picture: Array) -> int:
    """How many levels of a picture are one of 0 to 255, which parameters are given in."""
    import numpy as np

    return int(np.iinfo(picture.dtype).max) // 255


def _premultiplied(picture: Array, mix: Callable[[Any], Any]) -> Array:
    """Mix neighbours without letting the colour of what is transparent shine through."""
    import numpy as np

    if picture.ndim == 2 or picture.shape[2] != 4:
        return np.asarray(mix(picture))
    full = np.iinfo(picture.dtype).max
    alpha = picture[..., 3:].astype(np.float32) / full
    mixed = np.asarray(mix(np.dstack([picture[..., :3] * alpha, alpha])), dtype=np.float32)
    seen = np.maximum(mixed[..., 3:], 1 / full)
    result = np.dstack([mixed[..., :3] / seen, mixed[..., 3:] * full])
    return np.asarray(np.clip(np.rint(result), 0, full), dtype=picture.dtype)


def _colors(picture: Array, change: Callable[[Any], Any]) -> Array:
    """Change colours and leave alpha as it is; hidden pixels have the nearest seen colour."""
    import numpy as np

    if picture.ndim == 2 or picture.shape[2] != 4:
        return np.asarray(change(picture))
    return np.dstack([change(filled(picture)), picture[..., 3]])


@_step
def flip(picture: Array, *, direction: str) -> Array:
    """Mirror; see `pixelmill.imaging.steps.geometry.flip`."""
    import cv2
    import numpy as np

    return np.asarray(cv2.flip(picture, {"horizontal": 1, "vertical": 0, "both": -1}[direction]))


@_step
def gaussian_blur(picture: Array, *, radius: float) -> Array:
    """Blur with a Gaussian of this standard deviation, in pixels."""
    import cv2

    if not radius:
        return picture
    return _premultiplied(picture, lambda p: cv2.GaussianBlur(p, (0, 0), radius))


@_step
def unsharp_mask(picture: Array, *, radius: float, percent: int, threshold: int) -> Array:
    """Sharpen by what a blur takes away; see `pixelmill.imaging.steps.filters.unsharp_mask`."""
    import cv2
    import numpy as np

    def sharpen(p: Any) -> Any:
        blurred = cv2.GaussianBlur(p, (0, 0), max(radius, 1e-3))
        sharp = cv2.addWeighted(p, 1 + percent / 100, blurred, -percent / 100, 0)
        least = threshold * _per_level(p)
        return np.where(cv2.absdiff(p, blurred) > least, sharp, p) if threshold else sharp

    return _colors(picture, sharpen)


@_step
def median(picture: Array, *, size: int) -> Array:
    """Replace each pixel by the median of a square of `size` pixels."""
    import cv2

    return _colors(picture, lambda p: cv2.medianBlur(p, size))


@_step
def grayscale(picture: Array) -> Array:
    """Turn to grey by ITU-R 601 luma."""
    import cv2
    import numpy as np

    if picture.ndim == 2:
        return picture
    gray = np.asarray(cv2.cvtColor(picture[..., :3], cv2.COLOR_BGR2GRAY))
    if picture.shape[2] == 3:
        return gray
    return np.dstack([gray, gray, gray, picture[..., 3]])


@_step
def equalize(picture: Array) -> Array:
    """Even out the histogram of each channel."""
    import cv2
    import numpy as np

    if picture.ndim == 2:
        return np.asarray(cv2.equalizeHist(picture))
    return _colors(picture, lambda p: np.dstack([cv2.equalizeHist(p[..., k]) for k in range(3)]))


@_step
def color_matrix(picture: Array, *, matrix: tuple[tuple[float, ...], ...]) -> Array:
    """Multiply each pixel by a matrix; see `pixelmill.imaging.steps.tones.color_matrix`."""
    import cv2
    import numpy as np

    if picture.ndim == 2:
        picture = np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
    rows = fixed(matrix)
    if picture.dtype == np.uint16:
        rows = np.array([(*row, 0.0)[:4] for row in matrix], np.float32)
        rows[:, 3] *= _per_level(picture)
    return _colors(picture, lambda p: cv2.transform(p, blue_first(rows)))
