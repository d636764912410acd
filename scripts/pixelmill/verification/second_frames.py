"""Second reading of animations: every frame as it is shown, composed as standards say.

imagecodecs decodes the picture that each frame holds; where it lies, what becomes of it and
how long it is shown is read off the bytes here. What was never drawn on is transparent.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from pixelmill.verification.file_structure import (
    find_box,
    gif_frames,
    picture_track,
    png_chunks,
    riff_chunks,
)
from pixelmill.verification.second_png import decoded
from pixelmill.verification.second_samples import UndecodableError
from pixelmill.verification.second_sizes import clean_aperture, track_aperture

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

#: Frames, and the duration of each in ms.
Movie: TypeAlias = tuple[list[Array], list[float]]

#: Largest number of frames in a table that is accepted.
_MOST_FRAMES = 100_000

_KEEP, _TO_BACKGROUND, _TO_PREVIOUS = "keep", "background", "previous"


@dataclass(frozen=True)
class _Patch:
    """What one frame draws: RGBA at a position, and how that region is disposed of afterwards."""

    picture: Array
    left: int
    top: int
    duration: float
    disposal: str
    over: bool


def _composed(size: tuple[int, int], patches: Iterator[_Patch], most: int | None) -> Movie:
    """Draw patches on a canvas of a width and height, one after the other."""
    shown: list[Array] = []
    durations = []
    canvas: Array | None = None
    for patch in patches:
        if canvas is None:
            canvas = np.zeros((size[1], size[0], 4), patch.picture.dtype)
        region = (
            slice(patch.top, min(size[1], patch.top + patch.picture.shape[0])),
            slice(patch.left, min(size[0], patch.left + patch.picture.shape[1])),
        )
        before = canvas[region].copy()
        drawn = patch.picture[: before.shape[0], : before.shape[1]]
        canvas[region] = _over(drawn, before) if patch.over else drawn
        shown.append(_opaque(canvas.copy()))
        durations.append(patch.duration)
        if patch.disposal == _TO_BACKGROUND:
            canvas[region] = 0
        elif patch.disposal == _TO_PREVIOUS:
            canvas[region] = before
        if len(shown) == most:
            break
    if not shown:
        raise UndecodableError("it holds no frame")
    return shown, durations


def _over(above: Array, below: Array) -> Array:
    """Composite with the operation *over* and straight alpha (PNG 3rd edition, 13.16)."""
    alpha = above[..., 3]
    if ((alpha == 0) | (alpha == np.iinfo(alpha.dtype).max)).all():
        return np.where(alpha[..., None] > 0, above, below)
    full = float(np.iinfo(above.dtype).max)
    a, b = (layer[..., 3:].astype(np.float64) / full for layer in (above, below))
    together = a + b * (1 - a)
    colors = above[..., :3] * a + below[..., :3] * (b * (1 - a))
    colors = colors / np.maximum(together, 1e-9)
    return np.rint(np.dstack([colors, together * full])).astype(above.dtype)


def _opaque(layers: Array) -> Array:
    """Remove alpha if nothing is transparent."""
    full = np.iinfo(layers.dtype).max
    return np.ascontiguousarray(layers[..., :3]) if (layers[..., 3] == full).all() else layers


def _with_alpha(array: Any) -> Array:
    """Turn grey or colours, with or without alpha, into RGBA."""
    array = np.asarray(array)
    array = array[..., None] if array.ndim == 2 else array
    channels = array.shape[2]
    colors = array[..., :3] if channels > 2 else np.repeat(array[..., :1], 3, axis=2)
    if channels in (2, 4):
        return np.dstack([colors, array[..., -1]])
    full = np.full(array.shape[:2], np.iinfo(array.dtype).max, array.dtype)
    return np.dstack([colors, full])


def gif(data: bytes, most: int | None = None) -> Movie:
    """Return the first `most` frames of a GIF (GIF89a, sections 18 to 23)."""
    width, height, packed = struct.unpack_from("<HHB", data, 6)
    palette = data[13 : 13 + (6 << (packed & 7))] if packed & 0x80 else b""
    patches = _gif_patches(data, palette)
    first = next(patches, None)
    if first is None:
        raise UndecodableError("it holds no frame")
    # Decoders enlarge the canvas to hold the first frame, and no other.
    width = max(width, first.left + first.picture.shape[1])
    height = max(height, first.top + first.picture.shape[0])
    return _composed((width, height), itertools.chain([first], patches), most)


def _gif_patches(data: bytes, shared: bytes) -> Iterator[_Patch]:
    for place, end, control in gif_frames(data):
        left, top, width, height, packed = struct.unpack_from("<HHHHB", data, place)
        start = place + 9
        palette = shared
        if packed & 0x80:
            palette = data[start : start + (6 << (packed & 7))]
            start += len(palette)
        interlaced = bytes([packed & 0x40])
        picture = _gif_picture((width, height), palette, interlaced + data[start:end])
        flags, delay, clear = struct.unpack("<BHB", control)
        if flags & 1:
            picture[picture[..., 4] == clear, 3] = 0
        disposal = {2: _TO_BACKGROUND, 3: _TO_PREVIOUS}.get(flags >> 2 & 7, _KEEP)
        picture = np.ascontiguousarray(picture[..., :4])
        yield _Patch(picture, left, top, 10.0 * delay, disposal, over=True)


def _gif_picture(size: tuple[int, int], palette: bytes, rest: bytes) -> Array:
    """Decode one picture of a GIF to RGBA, and its indices as a fifth channel."""
    import imagecodecs

    if not palette:
        raise UndecodableError("GIF without a palette")
    head = struct.pack("<6sHHBBB", b"GIF89a", *size, 0xF7, 0, 0)
    alone = head + palette.ljust(768, b"\0") + struct.pack("<BHHHH", 0x2C, 0, 0, *size) + rest
    indices = np.asarray(imagecodecs.gif_decode(alone + b";", index=0, asrgb=False))
    indices = indices.reshape(size[1], size[0])
    colors = np.frombuffer(palette.ljust(768, b"\0"), np.uint8).reshape(256, 3)[indices]
    return np.dstack([colors, np.full_like(indices, 255), indices])


def png(data: bytes, most: int | None = None) -> Movie:
    """Return the first `most` frames of an APNG (PNG 3rd edition, 11.3.7.5 to 11.3.7.7)."""
    chunks = list(png_chunks(data))
    size = struct.unpack_from(">II", chunks[0][1])
    names = [name for name, _ in chunks]
    heads = [content for name, content in chunks if name == b"acTL"]
    # A file that does not follow 11.3.7.1 is a still picture.
    if len(heads) != 1 or names.index(b"acTL") > names.index(b"IDAT"):
        return [], []
    (count,) = struct.unpack_from(">I", heads[0])
    if not 0 < count < 2**31:
        return [], []
    return _composed((size[0], size[1]), _png_patches(chunks, count), most)


def _png_patches(chunks: list[tuple[bytes, bytes]], count: int) -> Iterator[_Patch]:
    head = chunks[0][1]
    shared = {name: content for name, content in chunks if name in (b"PLTE", b"tRNS")}
    controls: list[tuple[bytes, list[bytes]]] = []
    for name, content in chunks:
        if name == b"fcTL":
            controls.append((content, []))
        elif name in (b"IDAT", b"fdAT") and controls:
            controls[-1][1].append(content[4:] if name == b"fdAT" else content)
    if len(controls) < count:
        raise UndecodableError(f"APNG with {len(controls)} frames of {count}")
    for number, (control, parts) in enumerate(controls[:count]):
        _, width, height, left, top, delay, unit, disposal, blend = struct.unpack(
            ">IIIIIHHBB", control
        )
        alone = {b"IHDR": struct.pack(">II", width, height) + head[8:], **shared}
        picture = _with_alpha(decoded(alone, b"".join(parts)))
        # The first frame has nothing to go back to: its region becomes transparent.
        after = {1: _TO_BACKGROUND, 2: _TO_PREVIOUS if number else _TO_BACKGROUND}
        duration = 1000 * delay / (unit or 100)
        yield _Patch(picture, left, top, duration, after.get(disposal, _KEEP), blend == 1)


def webp(data: bytes, most: int | None = None) -> Movie:
    """Return the first `most` frames of a WebP (RFC 9649, 2.7.1)."""
    import imagecodecs

    chunks = list(riff_chunks(data))
    if not any(name == b"ANMF" for name, _ in chunks):
        return [np.asarray(imagecodecs.webp_decode(data))], [0.0]
    (extended,) = (content for name, content in chunks if name == b"VP8X")
    size = _u24(extended, 4) + 1, _u24(extended, 7) + 1
    frames = (content for name, content in chunks if name == b"ANMF")
    return _composed(size, map(_webp_patch, frames), most)


def _webp_patch(content: bytes) -> _Patch:
    import imagecodecs

    left, top, width, height, duration = (_u24(content, 3 * k) for k in range(5))
    flags = content[15]
    parts = [
        (name, part)
        for name, part in riff_chunks(content, 16)
        if name in (b"ALPH", b"VP8 ", b"VP8L")
    ]
    if parts[0][0] == b"ALPH":
        sides = struct.pack("<I", width)[:3] + struct.pack("<I", height)[:3]
        parts.insert(0, (b"VP8X", b"\x10\0\0\0" + sides))
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(part)) + part + bytes(len(part) % 2) for name, part in parts
    )
    alone = b"RIFF" + struct.pack("<I", len(body)) + body
    picture = _with_alpha(imagecodecs.webp_decode(alone, hasalpha=True))
    disposal = _TO_BACKGROUND if flags & 1 else _KEEP
    return _Patch(picture, 2 * left, 2 * top, float(duration), disposal, not flags & 2)


def _u24(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 3], "little")


def avif(data: bytes, most: int | None = None) -> Movie:
    """Return the first `most` frames of an AVIF sequence, and none for a still picture.

    OpenCV decodes them: asked for one frame of a sequence, imagecodecs 2026.3.6 writes beyond
    its memory.
    """
    import cv2

    durations = _track_durations(data)[:most]
    if not durations:
        return [], []
    animation = cv2.imdecodeanimation(np.frombuffer(data, np.uint8), 0, len(durations))[1]
    if len(animation.frames) != len(durations):
        raise UndecodableError("AVIF sequence that OpenCV does not decode")
    order = [2, 1, 0, 3]
    frames = [np.asarray(frame)[..., order[: frame.shape[2]]] for frame in animation.frames]
    rows, columns = frames[0].shape[:2]
    left, top, right, bottom = clean_aperture((columns, rows), track_aperture(data))
    frames = [np.ascontiguousarray(frame[top:bottom, left:right]) for frame in frames]
    return [_opaque(frame) if frame.shape[2] == 4 else frame for frame in frames], durations


def _track_durations(data: bytes) -> list[float]:
    """Return the duration of each sample of the first track of pictures, in ms.

    ISO/IEC 14496-12, 8.6.1.2.
    """
    track = picture_track(data)
    if track is None:
        return []
    head = find_box(track, b"mdia", b"mdhd") or b""
    table = find_box(track, b"mdia", b"minf", b"stbl", b"stts") or b""
    (scale,) = struct.unpack_from(">I", head, 20 if head[0] == 1 else 12)
    (runs,) = struct.unpack_from(">I", table, 4)
    found: list[float] = []
    for number in range(runs):
        count, delta = struct.unpack_from(">II", table, 8 + 8 * number)
        if len(found) + count > _MOST_FRAMES:
            raise UndecodableError(f"AVIF sequence of more than {_MOST_FRAMES:,} frames")
        found += [1000 * delta / scale] * count
    return found


#: Functions that read the frames of each format; still PNG and AVIF have none.
READERS: dict[str, Callable[[bytes, int | None], Movie]] = {
    "gif": gif,
    "png": png,
    "webp": webp,
    "avif": avif,
}
