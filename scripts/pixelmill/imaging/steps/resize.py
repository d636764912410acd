"""Resizing: compute the size that a fit gives, and resample to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from PIL import Image, ImageFilter

from pixelmill.imaging.arrays import AnyArray, image_of
from pixelmill.imaging.parameters import Box, Choice, Color, Flag, Integer, Number, Size
from pixelmill.imaging.steps import canvas
from pixelmill.imaging.steps.alpha import mixed
from pixelmill.imaging.steps.registry import MAX_SIDE, WITH_ALPHA, step
from pixelmill.imaging.steps.resampling import FILTERS, resample, resample_array

#: Standard deviation of the blur behind a padded picture, as a fraction of the frame's longer side.
#: It leaves colours, but no shapes.
BACKDROP_BLUR = 1 / 30

#: The frame of most examples.
_EXAMPLE = {"width": 150, "height": 150}

_WAYS = "width, height, percent, longest or shortest"


def _check(params: Mapping[str, Any]) -> None:
    """Require exactly one way to give the size, and a complete frame if the fit needs one."""
    frame = [key for key in ("width", "height") if params[key] is not None]
    others = [key for key in ("percent", "longest", "shortest") if params[key] is not None]
    if not frame and not others:
        raise ValueError(_WAYS)
    if len(others) + bool(frame) > 1:
        first, second = (frame[:1] + others)[:2]
        raise ValueError(f"either {first} or {second}, not both")
    if params["fit"] in ("cover", "pad") and len(frame) < 2:
        raise ValueError(f"both width and height, which fit: {params['fit']} needs")


def _prepared(**params: Any) -> Callable[[Any, Box | None], Any]:
    """Return `resize` for arrays, with vector instructions if possible, and for images."""
    vectors = params["resampler"] == "simd" and params["fit"] != "pad" and not params["linear"]
    filter, always = params["filter"], constant_size(params)

    def resized(picture: Any, box: Box | None) -> Any:
        if isinstance(picture, Image.Image):
            return resize(picture, box=box, **params)
        if vectors:
            source = picture.shape[1::-1]
            if always is not None:
                size, region = always, box or (0, 0, *source)
            else:
                size, region = _window(source, params, box)
            if size == source and region == (0, 0, *source):
                return picture
            made = resample_array(picture, size, filter, region)
            if made is not None:
                return made
        return resize(image_of(picture), box=box, **params)

    return resized


@step(
    "any_mode",  # Pillow premultiplies by itself
    check=_check,
    size_effect="by_parameters",
    mode_effect="by_parameters",
    examples=[
        {**_EXAMPLE, "fit": "stretch"},
        {**_EXAMPLE, "fit": "contain"},
        {**_EXAMPLE, "fit": "cover"},
        {**_EXAMPLE, "fit": "cover", "gravity": "left"},
        {**_EXAMPLE, "fit": "outside"},
        {**_EXAMPLE, "fit": "pad", "color": "#204060"},
        {**_EXAMPLE, "fit": "pad", "color": "transparent", "gravity": "bottom"},
        {**_EXAMPLE, "fit": "pad", "color": "blur"},
        {"width": 260, "height": 260, "fit": "pad", "upscale": "never", "color": "gray"},
        {"percent": 40},
    ],
    deep=True,
    on_array=_prepared,
    width=Integer(1, MAX_SIDE, None),
    height=Integer(1, MAX_SIDE, None),
    percent=Number(0.1, 1000, None),
    longest=Integer(1, MAX_SIDE, None),
    shortest=Integer(1, MAX_SIDE, None),
    fit=Choice(("stretch", "contain", "cover", "pad", "outside"), "stretch", {"inside": "contain"}),
    gravity=Choice(tuple(canvas.GRAVITIES), "center"),
    color=Color("#ffffff", also=("transparent", "blur")),
    upscale=Choice(("allow", "never"), "allow"),
    filter=Choice(tuple(FILTERS), "lanczos"),
    linear=Flag(False),
    resampler=Choice(("simd", "pillow"), "simd"),
)
def resize(
    image: Image.Image,
    *,
    width: int | None,
    height: int | None,
    percent: float | None,
    longest: int | None,
    shortest: int | None,
    fit: str,
    gravity: str,
    color: str,
    upscale: str,
    filter: str,
    linear: bool,
    resampler: str,
    box: Box | None = None,
) -> Image.Image:
    """Resample to another size.

    Give `width`, `height` or both; or `percent`; or `longest`; or `shortest`. Sides are rounded to
    the nearest pixel, halves up, and have at least one pixel.

    Parameters
    ----------
    image : PIL.Image.Image
        RGB, L, RGBA, LA or I;16. Pixels with alpha are premultiplied.
    width : int, optional
        Width of the frame, in pixels. If given alone, the proportions are kept.
    height : int, optional
        Height of the frame, in pixels. If given alone, the proportions are kept.
    percent : float, optional
        Both sides, in percent of those of the image.
    longest : int, optional
        The longer side, in pixels; the proportions are kept. A smaller picture is enlarged unless
        `upscale` is ``never``.
    shortest : int, optional
        The shorter side, in pixels; the proportions are kept.
    fit : str
        How to fit the image into the frame: ``stretch`` ignores its proportions; ``contain``
        (or ``inside``) gives the largest picture that fits; ``cover`` fills the frame and crops
        the overflow; ``pad`` fits the picture inside and fills the rest of the frame with
        `color`; ``outside`` gives the smallest picture that covers the frame, without cropping.
    gravity : str
        The part that ``cover`` keeps, and the place where ``pad`` puts the picture.
    color : str
        What ``pad`` fills the frame with: a colour; ``transparent`` (the result has alpha); or
        ``blur``, the picture itself, covering the frame and strongly blurred.
    upscale : str
        With ``never``, no side becomes longer: ``cover`` gives a smaller picture, and ``pad``
        fills the frame around the picture.
    filter : str
        The resampling kernel.
    linear : bool
        Resample in linear light (IEC 61966-2-1), so that fine bright detail keeps its
        brightness.
    resampler : str
        ``simd`` shrinks with vector instructions if cykooz-resizer is installed, five times as
        fast as Pillow and within one level of it; ``pillow`` always uses Pillow.
    box : tuple of float, optional
        The region of `image` that holds the picture, in pixels, if a decode at a reduced size
        rounded the size up.
    """
    params = {
        "width": width,
        "height": height,
        "percent": percent,
        "longest": longest,
        "shortest": shortest,
        "fit": fit,
        "gravity": gravity,
        "upscale": upscale,
    }
    vectors = resampler == "simd"
    made = _resample(image, params, box, filter, linear, vectors)
    if width is None or height is None or fit != "pad":
        return made
    if color == "blur":
        cover = {**params, "fit": "cover", "gravity": "center", "upscale": "allow"}
        backdrop = _blurred(_resample(image, cover, box, "bilinear", False, vectors))
        backdrop.paste(made, canvas.offset((width, height), made.size, gravity))
        return backdrop
    place = canvas.offset((width, height), made.size, gravity)
    return canvas.place(made, (width, height), *place, color)


def scaled_size(source: tuple[float, float], params: Mapping[str, Any]) -> tuple[float, float]:
    """Return the size that `resize` scales the whole source to, before cropping or padding.

    Examples
    --------
    >>> scaled_size((4000, 3000), {"width": 300, "height": 300, "fit": "cover"})
    (400.0, 300)
    """
    scaled = _freely_scaled(source, params)
    if params.get("upscale") == "never":
        return min(scaled[0], source[0]), min(scaled[1], source[1])
    return scaled


def needed_size(source: tuple[float, float], params: Mapping[str, Any]) -> tuple[float, float]:
    """Return the size to which a source may be reduced without a visible difference.

    That is the size that it is scaled to, unless a blurred picture behind it is much larger, as
    that of a long strip: of such a picture, one pixel for each standard deviation is visible.

    Examples
    --------
    >>> frame = {"width": 300, "height": 300, "fit": "pad", "color": "blur"}
    >>> needed_size((4000, 3000), frame)
    (300, 225.0)
    >>> needed_size((4000, 40), frame)
    (3000.0, 30.0)
    """
    width, height = scaled_size(source, params)
    if params["fit"] != "pad" or params["color"] != "blur":
        return width, height
    part = min(1.0, 1 / (max(params["width"], params["height"]) * BACKDROP_BLUR))
    covering = scaled_size(source, {**params, "fit": "cover", "upscale": "allow"})
    return max(width, covering[0] * part), max(height, covering[1] * part)


def _freely_scaled(source: tuple[float, float], params: Mapping[str, Any]) -> tuple[float, float]:
    width: Any = params.get("width")
    height: Any = params.get("height")
    fit = params.get("fit", "stretch")
    if fit == "stretch" and width is not None and height is not None:
        return width, height
    if (percent := params.get("percent")) is not None:
        part = Fraction(str(percent)) / 100  # in floats, 32.3 % of 500 would be less than 161.5
        return float(Fraction(source[0]) * part), float(Fraction(source[1]) * part)
    if (longest := params.get("longest")) is not None:
        width, height, fit = longest, longest, "contain"
    if (shortest := params.get("shortest")) is not None:
        width, height, fit = shortest, shortest, "outside"
    if width is None:
        return source[0] * height / source[1], height
    if height is None:
        return width, source[1] * width / source[0]
    wider = source[0] * height >= source[1] * width
    if wider == (fit in ("cover", "outside")):
        return source[0] * height / source[1], height
    return width, source[1] * width / source[0]


def constant_size(params: Mapping[str, Any]) -> Size | None:
    """Return the size that `resize` gives for any source; None if it depends on the source.

    Examples
    --------
    >>> constant_size({"width": 64, "height": 48, "fit": "stretch", "upscale": "allow"})
    (64, 48)
    """
    size = params["width"], params["height"]
    if params["fit"] != "stretch" or params["upscale"] == "never" or None in size:
        return None
    return size


def resampled_size(source: tuple[float, float], params: Mapping[str, Any]) -> Size:
    """Return the size in pixels that `resize` resamples to, before any padding.

    Sides are rounded to the nearest pixel, halves up, and have at least one pixel.

    Examples
    --------
    >>> resampled_size((4000, 3000), {"width": 256, "height": 256, "fit": "contain"})
    (256, 192)
    >>> resampled_size((10_000, 10), {"longest": 100})
    (100, 1)
    """
    width, height = scaled_size(source, params)
    width, height = math.floor(width + 0.5), math.floor(height + 0.5)
    if params.get("fit") == "cover":
        width, height = min(width, params["width"]), min(height, params["height"])
    return max(1, width), max(1, height)


def _window(source: Size, params: Mapping[str, Any], box: Box | None) -> tuple[Size, Box]:
    """Return the size to resample to, and the region of the source to resample."""
    left, top, right, bottom = box or (0.0, 0.0, float(source[0]), float(source[1]))
    width, height = right - left, bottom - top
    size = resampled_size((width, height), params)
    if max(size) > MAX_SIDE:
        raise ValueError(f"{size[0]}x{size[1]} would exceed {MAX_SIDE} pixels a side")
    if params["fit"] == "cover":
        scaled = scaled_size((width, height), params)
        across, down = canvas.GRAVITIES[params["gravity"]]
        cut_width = width * max(0.0, 1 - params["width"] / scaled[0])
        cut_height = height * max(0.0, 1 - params["height"] / scaled[1])
        left, right = left + cut_width * across, right - cut_width * (1 - across)
        top, bottom = top + cut_height * down, bottom - cut_height * (1 - down)
    # Floating-point rounding may lead beyond the edge.
    return size, (max(left, 0.0), max(top, 0.0), min(right, source[0]), min(bottom, source[1]))


def _resample(
    image: Image.Image,
    params: Mapping[str, Any],
    box: Box | None,
    filter: str,
    linear: bool,
    vectors: bool,
) -> Image.Image:
    size, region = _window(image.size, params, box)
    if size == image.size and region == (0, 0, *image.size):
        return image
    if linear and filter != "nearest":
        return _resample_light(image, size, region, filter)
    return resample(image, size, filter, region, vectors)


def _resample_light(image: Image.Image, size: Size, region: Box, filter: str) -> Image.Image:
    """Resample each channel in linear light, as floats."""
    import numpy as np

    full = 65535 if image.mode == "I;16" else 255
    light = to_linear(np.arange(full + 1, dtype=np.float32) / full)

    def resampled(channel: AnyArray) -> AnyArray:
        return np.asarray(Image.fromarray(channel).resize(size, FILTERS[filter], box=region))

    channels = [
        np.ascontiguousarray(c) for c in np.moveaxis(np.atleast_3d(np.asarray(image)), -1, 0)
    ]
    if image.mode not in WITH_ALPHA.values():
        made = [to_srgb(resampled(light[levels])) for levels in channels]
    else:
        *colors, last = channels
        alpha = last.astype(np.float32) / full
        *colors, covered = mixed([light[levels] for levels in colors], alpha, resampled)
        made = [*map(to_srgb, colors), covered]
    levels = np.floor(np.stack(made, axis=-1) * full + 0.5).astype(channels[0].dtype)
    return Image.fromarray(levels[..., 0] if len(made) == 1 else levels)


def to_linear(values: AnyArray) -> AnyArray:
    """Return the linear light of sRGB values, both from 0 to 1 (IEC 61966-2-1)."""
    import numpy as np

    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def to_srgb(light: AnyArray) -> AnyArray:
    """Return the sRGB values of linear light, both from 0 to 1; values outside are clipped."""
    import numpy as np

    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def _blurred(image: Image.Image) -> Image.Image:
    blur = ImageFilter.GaussianBlur(max(image.size) * BACKDROP_BLUR)
    if image.mode == "I;16":  # Pillow blurs only 8 bits, which is enough here
        import numpy as np

        coarse = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
        return Image.fromarray(np.asarray(coarse.filter(blur)) * np.uint16(257))
    if image.mode in WITH_ALPHA.values():
        return (
            image.convert("RGBA").convert("RGBa").filter(blur).convert("RGBA").convert(image.mode)
        )
    return image.filter(blur)
