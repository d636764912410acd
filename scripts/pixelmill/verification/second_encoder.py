"""Second encoder: the effect of compression on a correct picture, as opposed to an error.

Verification encodes a reference by imagecodecs as a recipe encodes its outputs, and decodes it
again. Only references from which an output differs are encoded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

#: Quality if a recipe gives none, and qualities that represent those that a target may lead to.
_QUALITY, _QUALITIES = 85, (85, 60, 40, 25, 18, 14, *range(11, 0, -1))


def compressed(picture: Array, kind: str, options: Mapping[str, Any]) -> Iterator[Array]:
    """Yield a picture as it is after compression, if that loses something.

    Parameters
    ----------
    picture : ndarray of shape (height, width, 3 or 4), uint8
    kind : str
        jpeg, webp, avif or gif; others lose nothing.
    options : mapping
        ``quality``, ``target``, ``subsampling`` and ``lossless`` as in recipes.
    """
    if picture.dtype != np.uint8 or (kind == "webp" and options.get("lossless")):
        return
    lone = (options.get("quality", _QUALITY),)
    picture = picture.copy()  # a picture of one column may have strides that encoders refuse
    # What an encoder refuses has no such rendering.
    with contextlib.suppress(ValueError, RuntimeError):
        if kind == "gif":
            yield _gif(picture)
        for quality in _QUALITIES if options.get("target") else lone:
            if kind == "jpeg":
                yield _jpeg(picture, quality, options.get("subsampling", "4:2:0"))
            elif kind == "webp":
                yield _webp(picture, quality)
            elif kind == "avif":
                yield _avif(picture, quality)


def _jpeg(picture: Array, quality: int, subsampling: str) -> Array:
    import imagecodecs

    data = imagecodecs.jpeg8_encode(picture, quality, subsampling=subsampling.replace(":", ""))
    return np.asarray(imagecodecs.jpeg8_decode(data))


def _webp(picture: Array, quality: int) -> Array:
    import imagecodecs

    return np.asarray(
        imagecodecs.webp_decode(imagecodecs.webp_encode(picture, quality, lossless=False))
    )


def _avif(picture: Array, quality: int) -> Array:
    import imagecodecs

    data = imagecodecs.avif_encode(
        picture, quality, speed=8, bitspersample=8, pixelformat="420", numthreads=1
    )
    return np.asarray(imagecodecs.avif_decode(data, numthreads=1))


def _gif(picture: Array) -> Array:
    """Return a picture with a palette of 252 colours and alpha of one bit."""
    steps = np.asarray((5, 6, 5), np.float32) / 255
    few = np.rint(np.rint(picture[..., :3] * steps) / steps).astype(np.uint8)
    if picture.shape[2] == 3:
        return few
    return np.dstack([few, np.where(picture[..., 3:] >= 128, 255, 0).astype(np.uint8)])
