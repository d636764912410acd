"""Colour management: conversion to sRGB according to ICC profiles."""

from __future__ import annotations

import functools
import io

from PIL import Image, ImageCms

from pixelmill.imaging.arrays import AnyArray

#: A profile that changes no colour by more than this, in levels, is treated as sRGB.
_SRGB_TOLERANCE = 1

#: Errors for a profile that cannot be read or that cannot be used for a conversion.
_UNUSABLE = (ImageCms.PyCMSError, OSError)

#: Number of colours along each axis that a profile is tested with.
_PROBES = 9


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
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


def lab_to_srgb(image: Image.Image) -> Image.Image:
    """Convert CIE L*a*b*, as Pillow decodes it from TIFF."""
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    assert converted is not None
    return converted


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
