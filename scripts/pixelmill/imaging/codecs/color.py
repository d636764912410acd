"""Colour: conversion from any mode and any profile to what the steps take.

That is sRGB in mode RGB or L, with alpha RGBA or LA; or I;16, if 16-bit grey is kept.
"""

from __future__ import annotations

from typing import Any

from PIL import Image

#: Modes in which Pillow holds 16-bit grey.
DEEP_GRAY = ("I;16", "I;16L", "I;16B", "I;16N")

#: Modes of grey that outputs can be made from.
GRAY_MODES = ("L", "LA", "I;16")

#: Modes that steps take and return.
WORKING_MODES = ("L", "LA", "RGB", "RGBA")

#: Bytes 16 to 19 of an ICC profile name its colour space (ICC.1:2022, table 15).
_SPACES = {"RGB": b"RGB ", "RGBA": b"RGB ", "L": b"GRAY", "LA": b"GRAY", "CMYK": b"CMYK"}
_SPACES["I;16"] = b"GRAY"


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
        if not _matters(profile, deep):
            return deep, None
        return (_deep_to_srgb(deep, profile or b""), None) if color == "srgb" else (deep, profile)
    image = _expand(image)
    if not _matters(profile, image):
        profile = None
    elif color == "srgb" or image.mode == "CMYK":  # no step takes CMYK
        from pixelmill.imaging.codecs.color_management import to_srgb

        image, profile = to_srgb(image, profile or b""), None
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


def _matters(profile: Any, image: Image.Image) -> bool:
    """Whether an ICC profile is of the image's colour space, and that is not sRGB."""
    if not describes(profile, image):
        return False
    from pixelmill.imaging.codecs.color_management import is_srgb  # most pictures have no profile

    return not is_srgb(profile)


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
        from pixelmill.imaging.codecs.color_management import lab_to_srgb

        return lab_to_srgb(image)
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


def _deep_to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    import numpy as np

    from pixelmill.imaging.codecs.color_management import deep_to_srgb

    return Image.fromarray(deep_to_srgb(np.asarray(image), profile))
