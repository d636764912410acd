"""Colour: conversion from any mode and any profile to what the steps take.

That is sRGB in mode RGB or L, with alpha RGBA or LA; or I;16, if 16-bit grey is kept.
"""

from __future__ import annotations

import functools
import io
from typing import Any

from PIL import Image, ImageCms

from pixelmill.imaging.arrays import AnyArray

#: Modes in which Pillow holds 16-bit grey.
DEEP_GRAY = ("I;16", "I;16L", "I;16B", "I;16N")

#: Modes of grey that outputs can be made from.
GRAY_MODES = ("L", "LA", "I;16")

#: Modes that steps take and return.
WORKING_MODES = ("L", "LA", "RGB", "RGBA")

#: Bytes 16 to 19 of an ICC profile name its colour space (ICC.1:2022, table 15).
_SPACES = {"RGB": b"RGB ", "RGBA": b"RGB ", "L": b"GRAY", "LA": b"GRAY", "CMYK": b"CMYK"}
_SPACES["I;16"] = b"GRAY"

#: A profile that changes no colour by more than this, in levels, is treated as sRGB.
_SRGB_TOLERANCE = 1

#: Errors for a profile that cannot be read or that cannot be used for a conversion.
_UNUSABLE = (ImageCms.PyCMSError, OSError)

#: Number of colours along each axis that a profile is tested with.
_PROBES = 9


def to_working(
    image: Image.Image,
    *,
    color: str = "srgb",
    depth: int | str = 8,
    alpha: bool = False,
    background: str = "#ffffff",
    mask: Image.Image | None = None,
) -> tuple[Image.Image, bytes | None]:
    """Convert an image of any mode to one that the steps take.

    16-bit grey is scaled to 8 bits, not clipped.

    Parameters
    ----------
    image : PIL.Image.Image
        Loaded; the profile and the transparency are in its ``info``.
    color : {"srgb", "keep", "drop"}
        Convert to sRGB according to the ICC profile, keep the colours and return the profile,
        or ignore the profile.
    depth : {8, "keep"}
        Whether opaque 16-bit grey is kept.
    alpha : bool
        Keep transparency; otherwise it is flattened on `background`.
    background : str
        ``#rrggbb``.
    mask : PIL.Image.Image, optional
        Alpha of 8 bits, for an image whose mode has no room for it.

    Returns
    -------
    image : PIL.Image.Image
    profile : bytes or None
        ICC profile that describes the colours, unless they are sRGB. A profile of grey is
        returned even if the image is in colour: see `pixelmill.imaging.codecs.icc.of_space`.
    """
    profile = None if color == "drop" else image.info.get("icc_profile")
    if image.format == "PPM" and image.mode == "I":  # these are 16 bits, even if all are small
        image = _native(image)
    opaque = mask is None and image.info.get("transparency") is None
    if depth == "keep" and image.mode in DEEP_GRAY and opaque:
        deep = image if image.mode == "I;16" else _native(image)
        if not describes(profile, deep) or is_srgb(profile):
            return deep, None
        return (_deep_to_srgb(deep, profile or b""), None) if color == "srgb" else (deep, profile)
    image = _expand(image)
    if not describes(profile, image) or (profile and is_srgb(profile)):
        profile = None
    elif color == "srgb" or image.mode == "CMYK":  # no step takes CMYK
        image, profile = _to_srgb(image, profile or b""), None
    if image.mode == "CMYK":
        image = image.convert("RGB")
    if mask is not None:
        image = image.copy()
        image.putalpha(mask)
    if not alpha and image.mode in ("LA", "RGBA"):
        image = flatten(image, background)
    return image, profile


def describes(profile: Any, image: Image.Image) -> bool:
    """Whether an ICC profile's colour space is that of the image."""
    return isinstance(profile, bytes) and profile[16:20] == _SPACES.get(image.mode, b"-")


def flatten(image: Image.Image, background: str) -> Image.Image:
    """Flatten an image with alpha on a colour, ``#rrggbb``."""
    canvas = Image.new("RGB", image.size, background)
    if image.mode == "LA":
        if len(set(canvas.getpixel((0, 0)))) > 1:  # type: ignore[arg-type]
            image = image.convert("RGBA")
        else:
            canvas = canvas.convert("L")
    canvas.paste(image.convert(canvas.mode), mask=image.getchannel("A"))
    return canvas


def _expand(image: Image.Image) -> Image.Image:
    """Convert any mode to L, LA, RGB, RGBA or CMYK."""
    mode = image.mode
    transparent = image.info.get("transparency")
    if mode in DEEP_GRAY or mode in ("I", "F"):
        return _scale_gray(image, transparent if isinstance(transparent, int) else None)
    if mode == "RGB" and isinstance(transparent, tuple) and max(transparent) > 255:
        # Pillow reduces 16-bit pixels to their upper bytes, but not the transparent colour.
        image.info["transparency"] = tuple(level >> 8 for level in transparent)
    if mode == "LA" or mode == "RGBA":
        return image
    if mode == "La" or (mode in ("1", "L") and transparent is not None):
        return image.convert("LA")
    if transparent is not None or mode in ("PA", "RGBa"):
        return image.convert("RGBA")
    if mode in ("L", "RGB", "CMYK"):
        return image
    if mode == "1":
        return image.convert("L")
    if mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
        assert converted is not None
        return converted
    return image.convert("RGB")


def _native(image: Image.Image) -> Image.Image:
    """Convert 16-bit grey to this machine's byte order."""
    import numpy as np

    return Image.fromarray(np.asarray(image).astype(np.uint16))


def _scale_gray(image: Image.Image, transparent: int | None = None) -> Image.Image:
    """Scale grey of 16 or 32 bits to 8; with one transparent level, to LA."""
    import numpy as np

    from pixelmill.imaging.codecs.photometric import full_range, to_8_bits

    levels = np.asarray(image)
    clear = levels == transparent if transparent is not None else None
    gray = to_8_bits(full_range(levels, levels.itemsize * 8))
    if clear is None:
        return Image.fromarray(gray)
    return Image.fromarray(np.dstack([gray, np.where(clear, 0, 255).astype(np.uint8)]), "LA")


def deep_to_srgb(array: AnyArray, profile: bytes) -> AnyArray:
    """Convert levels of 16 bits according to a profile; a broken profile changes nothing.

    Pillow converts only 8 bits.

    Parameters
    ----------
    array : ndarray of uint16
        Of shape (height, width) for a grey profile, or (height, width, 3) for one of RGB.
    profile : bytes
        ICC profile of that colour space.

    Returns
    -------
    ndarray of uint16
    """
    import imagecodecs
    import numpy as np

    gray = array.ndim == 2
    # For grey, each level is converted once. Its result is green, which equals red and blue.
    given = np.arange(65536, dtype=np.uint16)[None] if gray else np.ascontiguousarray(array)
    try:
        converted = imagecodecs.cms_transform(
            given,
            profile,
            imagecodecs.cms_profile("srgb"),
            colorspace="gray" if gray else "rgb",
            outcolorspace="rgb",
            outdtype="uint16",
            intent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            # Little CMS would interpolate 65,536 levels of grey from 33, and lose the shadows.
            flags=int(
                ImageCms.Flags.BLACKPOINTCOMPENSATION
                | (ImageCms.Flags.NOOPTIMIZE if gray else ImageCms.Flags.NONE)
            ),
        )
    except (imagecodecs.CmsError, ValueError):
        return array
    return converted[0, :, 1][array] if gray else converted


def _deep_to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    import numpy as np

    return Image.fromarray(deep_to_srgb(np.asarray(image), profile))


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert according to a profile; a broken profile changes nothing."""
    try:
        if image.mode in ("L", "LA"):
            table = _gray_table(profile)
            return image.point([*table, *range(256)] if image.mode == "LA" else table)
        out = "RGB" if image.mode == "CMYK" else image.mode
        converted = ImageCms.applyTransform(image, _transform(profile, image.mode, out))
    except _UNUSABLE:
        return image
    assert converted is not None
    return converted


@functools.lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str, out: str) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        mode,
        out,
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        # Little CMS would interpolate 256 levels of grey from 8, with errors of 10 in the shadows.
        ImageCms.Flags.BLACKPOINTCOMPENSATION
        | (ImageCms.Flags.NOOPTIMIZE if mode == "L" else ImageCms.Flags.NONE),
    )


@functools.lru_cache(maxsize=32)
def _gray_table(profile: bytes) -> list[int]:
    """Level in sRGB for each level of a grey profile."""
    ramp = Image.frombytes("L", (256, 1), bytes(range(256)))
    mapped = ImageCms.applyTransform(ramp, _transform(profile, "L", "RGB"))
    assert mapped is not None
    return list(mapped.tobytes()[1::3])  # green, which equals red and blue


@functools.lru_cache(maxsize=32)
def is_srgb(profile: bytes) -> bool:
    """Whether a profile describes sRGB, whatever its name is.

    This is also True for a profile that cannot be used, because nothing can be converted with it.
    """
    space = profile[16:20]
    try:
        if space == b"GRAY":
            moved = max(abs(level - k) for k, level in enumerate(_gray_table(profile)))
            return moved <= _SRGB_TOLERANCE
        if space != b"RGB ":
            return False
        levels = [round(k * 255 / (_PROBES - 1)) for k in range(_PROBES)]
        colors = bytes(v for r in levels for g in levels for b in levels for v in (r, g, b))
        probes = Image.frombytes("RGB", (_PROBES**3, 1), colors)
        mapped = ImageCms.applyTransform(probes, _transform(profile, "RGB", "RGB"))
    except _UNUSABLE:
        return True
    assert mapped is not None
    moved = max(abs(a - b) for a, b in zip(colors, mapped.tobytes(), strict=True))
    return moved <= _SRGB_TOLERANCE
