"""Seen colours: RGB in sRGB of levels in any colour space, by Little CMS.

Verification converts by imagecodecs' build of Little CMS. It is the same library as Pillow's
ImageCms wraps, in another build; there is no second implementation of ICC profiles that is
as widely used.
"""

from __future__ import annotations

import functools
from typing import Any, TypeAlias

import numpy as np

from pixelmill.second_samples import Samples

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

#: What the header of a profile calls the spaces (ICC.1:2022, table 15).
_SPACES = {"gray": b"GRAY", "rgb": b"RGB ", "cmyk": b"CMYK"}

#: Levels along each axis that a profile is tried on.
_PROBES = 9


def in_rgb(samples: Samples, profile: bytes | None, color: str = "srgb") -> Array:
    """Convert samples to RGB with straight alpha, of the same depth.

    Parameters
    ----------
    samples : Samples
    profile : bytes or None
        The ICC profile of the file; ignored if it is of another space or broken.
    color : {"srgb", "keep", "drop"}
        Convert to sRGB by the profile, or leave the colours as stored. Inks are always
        converted: by their profile, unless it is dropped, or else by the plain formula.

    Returns
    -------
    ndarray of shape (height, width, 3 or 4)
    """
    levels, alpha = samples.levels, None
    if samples.alpha:
        levels, alpha = levels[..., :-1], levels[..., -1]
    follows = color == "srgb" or (color == "keep" and samples.space == "cmyk")
    rgb = None
    if follows and profile and changes_colors(profile, samples.space):
        rgb = _converted(np.ascontiguousarray(levels), profile, samples.space)
    if rgb is None:
        rgb = _without_inks(levels) if samples.space == "cmyk" else levels
    if rgb.shape[2] == 1:
        rgb = np.repeat(rgb, 3, axis=2)
    if alpha is None or (alpha == np.iinfo(alpha.dtype).max).all():
        return np.ascontiguousarray(rgb)
    return np.dstack([rgb, alpha])


@functools.lru_cache(maxsize=64)
def changes_colors(profile: bytes, space: str) -> bool:
    """Whether a profile can be used for a space, and means anything but sRGB."""
    if profile[16:20] != _SPACES[space]:
        return False
    if space == "cmyk":
        return True
    ramp = np.linspace(0, 255, _PROBES).round().astype(np.uint8)
    if space == "gray":
        probes = np.arange(256, dtype=np.uint8).reshape(1, -1, 1)
    else:
        probes = np.stack(np.meshgrid(ramp, ramp, ramp), axis=-1).reshape(1, -1, 3)
    seen = _converted(np.ascontiguousarray(probes), profile, space)
    # A level is what rounding may move.
    return seen is not None and bool(np.abs(seen.astype(int) - probes).max() > 1)


def _converted(levels: Array, profile: bytes, space: str) -> Array | None:
    """Levels in sRGB, relative colorimetric; None if the profile cannot be used."""
    import imagecodecs

    flags = int(imagecodecs.CMS.FLAGS.BLACKPOINTCOMPENSATION)
    if space == "gray":
        flags |= imagecodecs.CMS.FLAGS.NOOPTIMIZE
    try:
        seen = imagecodecs.cms_transform(
            levels[..., 0] if space == "gray" else levels,
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
    """Colours of inks without a profile: what each leaves of the light."""
    full = int(np.iinfo(inks.dtype).max)
    left = full - inks.astype(np.uint32)
    return ((left[..., :3] * left[..., 3:] + full // 2) // full).astype(inks.dtype)
