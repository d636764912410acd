"""APNG: compose and write frames according to the standard (PNG 3rd edition, 13.16).

Pillow 13 does not restore the picture before a frame that was blended over it, blends
half-transparent pixels differently, merges equal frames, and cannot write times above 65 s. Its
codec is therefore used only for single frames.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from PIL import Image, ImageChops

from pixelmill.imaging.codecs.color import to_working

_SIGNATURE = b"\x89PNG\r\n\x1a\n"

#: How the region of a frame is cleared before the next one, and how a frame is drawn.
_TO_BACKGROUND, _TO_PREVIOUS = 1, 2
_OVER = 1

_OPAQUE = 255

#: Unit of a delay, as a fraction of a second, if the file states none.
_HUNDREDTHS = 100

#: Frame control chunk (PNG 3rd edition, 11.3.6.2).
_CONTROL = struct.Struct(">IIIIIHHBB")

#: Units that delays are written in, as fractions of a second; the finest possible one is used.
_SCALES = (1000, 100, 10, 1)

#: Largest numerator of a delay.
_MOST = 65_535


class _Control(NamedTuple):
    """The content of a frame control chunk."""

    number: int
    width: int
    height: int
    left: int
    top: int
    delay: int
    scale: int
    dispose: int
    blend: int


def frames(data: bytes) -> list[tuple[Image.Image, float]]:
    """Decode the frames of an APNG, all in one mode: L, LA, RGB or RGBA; with durations in ms.

    Raises
    ------
    EOFError
        If there are fewer frames than the file announces.
    ValueError
        If a frame lies outside of the picture.
    """
    shown, durations, gray = [], [], True
    width, height = struct.unpack(">II", data[16:24])
    canvas = Image.new("RGBA", (width, height))
    for control, parts, head in _regions(data):
        region = (control.left, control.top)
        corner = (control.left + control.width, control.top + control.height)
        if corner[0] > width or corner[1] > height:
            raise ValueError("a frame lies outside of the picture")
        with Image.open(io.BytesIO(_alone(control, parts, head)), formats=("PNG",)) as image:
            image.load()
            frame, _ = to_working(image, color="drop", alpha=True)
        patch = frame.convert("RGBA")
        before = canvas.copy()
        if control.blend == _OVER:
            canvas.alpha_composite(patch, region)
        else:
            canvas.paste(patch, region)
        shown.append(canvas.copy())
        durations.append(1000 * control.delay / (control.scale or _HUNDREDTHS))
        gray = gray and frame.mode in ("L", "LA")
        if control.dispose == _TO_PREVIOUS:
            canvas = before
        elif control.dispose == _TO_BACKGROUND:
            canvas.paste((0, 0, 0, 0), (*region, *corner))
    opaque = all(picture.getchannel("A").getextrema()[0] == _OPAQUE for picture in shown)
    mode = ("L" if gray else "RGB") + ("" if opaque else "A")
    return [(picture.convert(mode), time) for picture, time in zip(shown, durations, strict=True)]


def _regions(data: bytes) -> Iterator[tuple[_Control, list[bytes], bytes]]:
    """The control chunk of each frame, its data, and the chunks that all frames share."""
    shared, announced, data_seen = b"", 0, False
    found: list[tuple[_Control, list[bytes]]] = []
    for name, content in _chunks(data):
        if name == b"acTL":
            (announced,) = struct.unpack(">I", content[:4])
        elif name == b"fcTL":
            found.append((_Control(*_CONTROL.unpack(content)), []))
        elif name in (b"IDAT", b"fdAT"):
            data_seen = True
            if found:  # otherwise it is the image for decoders without APNG
                found[-1][1].append(content[4:] if name == b"fdAT" else content)
        elif not data_seen:  # a frame control chunk may stand before a palette or a profile
            shared += _chunk(name, content)
    if len(found) < announced:
        raise EOFError(f"{len(found)} frames of {announced}")
    for control, parts in found[:announced]:
        yield control, parts, shared


def _alone(control: _Control, parts: list[bytes], shared: bytes) -> bytes:
    """Make a PNG of a single frame; `shared` begins with the header of the file."""
    size = struct.pack(">II", control.width, control.height)
    head = _chunk(b"IHDR", size + shared[16:21])
    return b"".join(
        [_SIGNATURE, head, shared[25:], _chunk(b"IDAT", b"".join(parts)), _chunk(b"IEND", b"")]
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(_SIGNATURE)
    while place + 8 <= len(data):
        length, name = struct.unpack(">I4s", data[place : place + 8])
        yield name, data[place + 8 : place + 8 + length]
        place += 12 + length


def _chunk(name: bytes, content: bytes) -> bytes:
    checked = name + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def assemble(
    pictures: Sequence[Image.Image], times: Sequence[int], plays: int, options: Mapping[str, Any]
) -> bytes:
    """Write an animation; each frame replaces the region that differs from the previous one.

    Parameters
    ----------
    pictures : sequence of PIL.Image.Image
        L, LA, RGB or RGBA, all of one mode and size.
    times : sequence of int
        How long each frame is shown, in ms.
    plays : int
        How often the animation is shown; 0 means for ever.
    options : mapping
        Pillow's options for PNG; a profile or an EXIF block describes all frames.
    """
    first = list(_chunks(_encoded(pictures[0], options)))
    level = {"compress_level": options["compress_level"]}
    parts = [_SIGNATURE, _chunk(*first[0]), _chunk(b"acTL", struct.pack(">II", len(times), plays))]
    parts += [_chunk(*chunk) for chunk in first[1:-1] if chunk[0] != b"IDAT"]
    number = 0
    for turn, (picture, time) in enumerate(zip(pictures, times, strict=True)):
        box = (0, 0, *picture.size)
        chunks = first
        if turn:
            apart = ImageChops.difference(pictures[turn - 1], picture)
            box = apart.getbbox(alpha_only=False) or (0, 0, 1, 1)
            chunks = list(_chunks(_encoded(picture.crop(box), level)))
        scale = next((scale for scale in _SCALES if time * scale <= 1000 * _MOST), 1)
        delay = min(round(time * scale / 1000), _MOST)
        size = box[2] - box[0], box[3] - box[1]
        parts.append(_chunk(b"fcTL", _CONTROL.pack(number, *size, *box[:2], delay, scale, 0, 0)))
        packed = b"".join(content for name, content in chunks if name == b"IDAT")
        if turn:
            number += 1
            parts.append(_chunk(b"fdAT", struct.pack(">I", number) + packed))
        else:
            parts.append(_chunk(b"IDAT", packed))
        number += 1
    return b"".join((*parts, _chunk(b"IEND", b"")))


def _encoded(picture: Image.Image, options: Mapping[str, Any]) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", **options)
    return file.getvalue()
