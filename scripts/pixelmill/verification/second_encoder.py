"""Second encoder: the effect of compression on a correct picture, as opposed to an error.

Verification encodes a reference by imagecodecs as a recipe encodes its outputs, and decodes it
again. Only references from which an output differs are encoded.
"""

from __future__ import annotations

import contextlib
import heapq
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

#: Number of colours of a GIF, one index being that of transparent pixels.
_COLORS = 255

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
    """Return a picture with alpha of one bit, and as many colours as a GIF has."""
    if picture.shape[2] == 3:
        return _few_colors(picture)
    shown = picture[..., 3:] >= 128
    picture = picture * shown  # what is transparent needs no colour of its own
    return np.dstack([_few_colors(picture[..., :3]), np.where(shown, 255, 0).astype(np.uint8)])


def _few_colors(picture: Array) -> Array:
    """Reduce a picture of shape (height, width, 3) to the colours of a GIF by median cut.

    Colours that differ in their lowest two bits only are averaged first, to save time.

    Source: P. Heckbert, "Color image quantization for frame buffer display", SIGGRAPH 1982.
    """
    codes = (picture >> 2).astype(np.intp) @ np.asarray((1 << 12, 1 << 6, 1))
    every = np.bincount(codes.ravel())
    found = np.flatnonzero(every)
    counts, places = every[found], np.cumsum(every > 0) - 1
    colors = np.stack(
        [
            np.bincount(codes.ravel(), layer.ravel())[found] / counts
            for layer in np.moveaxis(picture, 2, 0)
        ],
        axis=1,
    )
    boxes = [_box(colors, np.arange(len(found)))]
    while len(boxes) < min(_COLORS, len(found)):
        _, _, box = heapq.heappop(boxes)
        layer = int(np.ptp(colors[box], axis=0).argmax())
        box = box[np.argsort(colors[box, layer], kind="stable")]
        half = int(np.searchsorted(np.cumsum(counts[box]), counts[box].sum() / 2))
        middle = min(max(1, half), len(box) - 1)
        for part in (box[:middle], box[middle:]):
            heapq.heappush(boxes, _box(colors, part))
    for _, _, box in boxes:
        colors[box] = np.average(colors[box], axis=0, weights=counts[box])
    return np.asarray(np.rint(colors).astype(np.uint8)[places[codes]])


def _box(colors: Array, indices: Array) -> tuple[float, int, Array]:
    """Return a box of colours as an entry of a heap, the one with the longest side first."""
    return -float(np.ptp(colors[indices], axis=0).max()), int(indices[0]), indices
