"""Second encoder: the effect of compression on a correct picture, as opposed to an error.

Verification encodes a reference by imagecodecs as a recipe encodes its outputs, and decodes it
again. Only references from which an output differs are encoded.
"""

from __future__ import annotations

import bisect
import contextlib
import functools
import heapq
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

#: Number of colours of a GIF, one index being that of transparent pixels.
_COLORS = 255

#: Quality if a recipe gives none, and qualities that represent those that a target may lead to, in
#: files that do not state theirs.
_QUALITY, _QUALITIES = 85, (85, 60, 40, 25, 18, 14, *range(11, 0, -1))


#: The table for luma of ITU-T T.81, K.1, in the order in which files have it.
_LUMA = bytes((
    16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37,
    29, 40, 58, 51, 61, 60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87,
    95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99,
))  # fmt: skip


@functools.cache
def _qualities_by_table() -> dict[bytes, int]:
    """Return the qualities of libjpeg by their tables for luma (jcparam.c)."""
    found = {}
    for quality in range(1, 101):
        percent = 5000 // quality if quality < 50 else 200 - 2 * quality
        table = np.clip((np.frombuffer(_LUMA, np.uint8).astype(int) * percent + 50) // 100, 1, 255)
        found[table.astype(np.uint8).tobytes()] = quality
    return found


def _stated_quality(output: bytes) -> int | None:
    """Return the quality by which a JPEG was encoded; None if its tables are others.

    On pictures of much noise, a few steps of quality make a large difference.
    """
    begin = output.find(_FIRST_TABLE)
    table = output[begin + len(_FIRST_TABLE) :][:64] if begin >= 0 else b""
    return _qualities_by_table().get(table)


#: Marker of quantization tables, the size of a segment with one or two, and a table of bytes with
#: the number 0 (ITU-T T.81, B.2.4.1).
_FIRST_TABLE = b"\xff\xdb\x00\x43\x00"


def compressed(
    picture: Array, kind: str, options: Mapping[str, Any], output: bytes = b""
) -> Iterator[Array]:
    """Yield a picture as it is after compression, if that loses something.

    Parameters
    ----------
    picture : ndarray of shape (height, width, 3 or 4), uint8
    kind : str
        jpeg, webp, avif or gif; others lose nothing.
    options : mapping
        ``quality``, ``target``, ``subsampling`` and ``lossless`` as in recipes.
    output : bytes, optional
        The file, which shows the quality that a target has led to.
    """
    if picture.dtype != np.uint8 or (kind == "webp" and options.get("lossless")):
        return
    picture = picture.copy()  # a picture of one column may have strides that encoders refuse
    # What an encoder refuses has no such rendering.
    with contextlib.suppress(ValueError, RuntimeError):
        if kind == "gif":
            yield _gif(picture)
        if kind not in _CODECS:
            return
        encode, decode = _CODECS[kind]
        for quality, pace in _qualities(picture, kind, options, output):
            yield np.asarray(decode(encode(picture, quality, pace, options)))


def _qualities(
    picture: Array, kind: str, options: Mapping[str, Any], output: bytes
) -> Iterator[tuple[int, int]]:
    """Yield qualities by which an output may have been encoded, each with the speed of the encoder.

    Those of which it takes longer to find or to encode them come last: few pictures need them.
    """
    has_target = bool(options.get("target"))
    stated = _stated_quality(output) if kind == "jpeg" and has_target else None
    found = _QUALITIES if has_target else (options.get("quality", _QUALITY),)
    for quality in found if stated is None else (stated, *found):
        yield quality, _FAST
    if has_target and stated is None and output:
        found = _by_size(picture, kind, options, len(output))
    elif kind != "avif":
        return
    for quality in found:
        yield quality, _USUAL


def _by_size(picture: Array, kind: str, options: Mapping[str, Any], size: int) -> tuple[int, ...]:
    """Return the quality by which the file is about as large as the output, and those around it."""
    encode, _ = _CODECS[kind]

    def measured(quality: int) -> int:
        return len(encode(picture, quality, _USUAL, options))

    near = 1 + bisect.bisect_left(range(1, 100), size, key=measured)
    return (near, max(1, near - 1), min(100, near + 1), max(1, near - 2))


#: Speeds of the encoder of AVIF: one that does for most pictures, and the one that recipes use,
#: without which pictures of much noise differ.
_FAST, _USUAL = 8, 6


def _encode_jpeg(picture: Array, quality: int, _: int, options: Mapping[str, Any]) -> bytes:
    import imagecodecs

    subsampling = options.get("subsampling", "4:2:0").replace(":", "")
    return bytes(imagecodecs.jpeg8_encode(picture, quality, subsampling=subsampling))


def _encode_webp(picture: Array, quality: int, *_: object) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.webp_encode(picture, quality, lossless=False))


def _encode_avif(picture: Array, quality: int, speed: int, _: Mapping[str, Any]) -> bytes:
    import imagecodecs

    return bytes(
        imagecodecs.avif_encode(
            picture, quality, speed=speed, bitspersample=8, pixelformat="420", numthreads=1
        )
    )


def _decode_jpeg(data: bytes) -> Any:
    import imagecodecs

    return imagecodecs.jpeg8_decode(data)


def _decode_webp(data: bytes) -> Any:
    import imagecodecs

    return imagecodecs.webp_decode(data)


def _decode_avif(data: bytes) -> Any:
    import imagecodecs

    return imagecodecs.avif_decode(data, numthreads=1)


_CODECS: dict[str, tuple[Callable[..., bytes], Callable[[bytes], Any]]] = {
    "jpeg": (_encode_jpeg, _decode_jpeg),
    "webp": (_encode_webp, _decode_webp),
    "avif": (_encode_avif, _decode_avif),
}


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
