"""Colour conversion: from any colour space to sRGB, with Little CMS.

Verification converts by imagecodecs' build of Little CMS. It is the same library as Pillow's
ImageCms wraps, in another build; there is no second implementation of ICC profiles that is
as widely used.
"""

from __future__ import annotations

import functools
import struct
from typing import Any, TypeAlias

import numpy as np

from pixelmill.verification import color_descriptions
from pixelmill.verification.file_structure import Notes
from pixelmill.verification.second_samples import Samples

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

#: Names of colour spaces in the header of a profile (ICC.1:2022, table 15).
_SPACES = {"gray": b"GRAY", "rgb": b"RGB ", "cmyk": b"CMYK"}

#: Number of levels along each axis with which a profile is tried.
_PROBES = 9

#: Largest difference of colours that look the same, in levels: a formula and a profile of the
#: same colours are rounded differently.
_ALIKE = 3


def in_rgb(samples: Samples, notes: Notes, color: str = "srgb") -> Array:
    """Convert samples to RGB with straight alpha, of the same depth.

    Parameters
    ----------
    samples : Samples
    notes : Notes
        How the file describes its colours; a profile is ignored if it is of another space or
        broken.
    color : {"srgb", "keep", "drop"}
        Convert to sRGB, or leave the colours as stored. Inks are always converted: by their
        profile, unless it is dropped, or else by the plain formula.

    Returns
    -------
    ndarray of shape (height, width, 3 or 4)

    Raises
    ------
    UndecodableError
        If the colours are described in a way that has no conversion.
    """
    levels, alpha = samples.levels, None
    if samples.alpha:
        levels, alpha = levels[..., :-1], levels[..., -1]
    if samples.space == "cmyk":
        rgb = None
        if color != "drop" and notes.profile and changes_colors(notes.profile, "cmyk"):
            rgb = _converted(np.ascontiguousarray(levels), notes.profile, "cmyk")
        rgb = _without_inks(levels) if rgb is None else rgb
    else:
        rgb = _in_srgb(levels, notes, samples.space) if color == "srgb" else levels
    if rgb.shape[2] == 1:
        rgb = np.repeat(rgb, 3, axis=2)
    if alpha is None or (alpha == np.iinfo(alpha.dtype).max).all():
        return np.ascontiguousarray(rgb)
    return np.dstack([rgb, alpha])


def _in_srgb(array: Array, notes: Notes, space: str) -> Array:
    """Convert according to the best description of the colours in the file."""
    described = None
    if notes.kind == "png":
        described = color_descriptions.of_png(notes.colors)
    elif notes.profile is None and b"nclx" in notes.colors:
        primaries, transfer = struct.unpack_from(">HH", notes.colors[b"nclx"])
        described = color_descriptions.by_code_points(primaries, transfer)
    if described is not None and described != color_descriptions.SRGB:
        if array.shape[2] == 1:
            described = described._replace(primaries=color_descriptions.SRGB.primaries)
        return color_descriptions.in_srgb(array, described)
    profile = notes.profile
    if described is None and profile and changes_colors(profile, space):
        converted = _converted(np.ascontiguousarray(array), profile, space)
        return array if converted is None else converted
    return array


@functools.lru_cache(maxsize=64)
def changes_colors(profile: bytes, space: str) -> bool:
    """Whether a profile can be used for a space, and differs from sRGB."""
    if profile[16:20] != _SPACES[space]:
        return False
    if space == "cmyk":
        return True
    probes = np.arange(256, dtype=np.uint8).reshape(1, -1, 1) if space == "gray" else _grid()
    seen = _converted(np.ascontiguousarray(probes), profile, space)
    # Rounding may cause a difference of one level.
    return seen is not None and bool(np.abs(seen.astype(int) - probes).max() > 1)


def described_alike(one: tuple[Notes, bool], other: tuple[Notes, bool]) -> bool:
    """Whether two files describe their colours so that the same levels look the same.

    Parameters
    ----------
    one, other : tuple of (Notes, bool)
        How a file describes its colours, and whether it stores grey. If only one does, only
        levels of grey are compared, because grey may be stored as colours.

    Raises
    ------
    UndecodableError
        If the colours are described in a way that has no conversion.
    """
    gray = one[1] or other[1]
    probes = np.arange(256, dtype=np.uint8).reshape(1, -1, 1) if gray else _grid()
    seen = []
    for notes, stores_gray in (one, other):
        levels = probes if stores_gray or not gray else np.repeat(probes, 3, axis=2)
        converted = _in_srgb(levels, notes, "gray" if stores_gray else "rgb")
        seen.append(np.broadcast_to(converted, (*converted.shape[:2], 3)).astype(int))
    return bool(np.abs(seen[0] - seen[1]).max() <= _ALIKE)


def _grid() -> Array:
    """Return colours of the whole cube."""
    ramp = np.linspace(0, 255, _PROBES).round().astype(np.uint8)
    return np.stack(np.meshgrid(ramp, ramp, ramp), axis=-1).reshape(1, -1, 3)


def _converted(array: Array, profile: bytes, space: str) -> Array | None:
    """Convert to sRGB, relative colorimetric; None if the profile cannot be used."""
    import imagecodecs

    flags = int(imagecodecs.CMS.FLAGS.BLACKPOINTCOMPENSATION)
    if space == "gray":
        flags |= imagecodecs.CMS.FLAGS.NOOPTIMIZE
    try:
        seen = imagecodecs.cms_transform(
            array[..., 0] if space == "gray" else array,
            profile,
            _srgb(),
            colorspace=space,
            outcolorspace="rgb",
            intent=imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC,
            flags=flags,
        )
    except (imagecodecs.CmsError, ValueError):
        return None
    return np.asarray(seen)


@functools.cache
def _srgb() -> bytes:
    import imagecodecs

    return bytes(imagecodecs.cms_profile("srgb"))


def _without_inks(inks: Array) -> Array:
    """Convert inks without a profile: each absorbs its share of the light."""
    full = int(np.iinfo(inks.dtype).max)
    left = full - inks.astype(np.uint32)
    return ((left[..., :3] * left[..., 3:] + full // 2) // full).astype(inks.dtype)
