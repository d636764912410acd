"""APNG: every frame as it is shown, composed by the standard (PNG 3rd edition, 13.16).

Pillow 13 does not bring back what stood before a frame that was blended over it, and
mixes half-clear pixels by another rule; its decoder is used for the frames alone.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from PIL import Image

from pixelmill.color import to_working

_SIGNATURE = b"\x89PNG\r\n\x1a\n"

#: What becomes of a frame's region before the next one, and how a frame gets there.
_TO_BACKGROUND, _TO_PREVIOUS = 1, 2
_OVER = 1

_OPAQUE = 255

#: Fraction of a second that a delay is in where the file says none.
_HUNDREDTHS = 100


class _Control(NamedTuple):
    """A frame control chunk, but for its durations."""

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
        If fewer are there than were announced.
    ValueError
        If one lies outside of the picture.
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
    """What each frame says of itself, its data, and the chunks that it shares with others."""
    shared, announced = b"", 0
    found: list[tuple[_Control, list[bytes]]] = []
    for name, content in _chunks(data):
        if name == b"acTL":
            (announced,) = struct.unpack(">I", content[:4])
        elif name == b"fcTL":
            found.append((_Control(*struct.unpack(">IIIIIHHBB", content)), []))
        elif name in (b"IDAT", b"fdAT"):
            if found:  # else it is the image for those that know no APNG
                found[-1][1].append(content[4:] if name == b"fdAT" else content)
        elif not found:
            shared += _chunk(name, content)
    if len(found) < announced:
        raise EOFError(f"{len(found)} frames of {announced}")
    for control, parts in found[:announced]:
        yield control, parts, shared


def _alone(control: _Control, parts: list[bytes], shared: bytes) -> bytes:
    """Make a PNG of one frame alone; `shared` begins with the header of all."""
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
