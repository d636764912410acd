"""GIF: every frame as browsers show it, composed according to GIF89a.

Pillow fills areas that no frame covers with a colour, enlarges the canvas for a frame that reaches
beyond it, and clears to the background colour, which no browser shows. Its decoder is therefore
used only for the colour indices of single frames.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from PIL import Image

from pixelmill.imaging.arrays import Array
from pixelmill.imaging.codecs import sequences
from pixelmill.imaging.codecs.decoded import DecodeOptions, Frame, Source
from pixelmill.imaging.codecs.frame_timing import as_shown, in_units
from pixelmill.imaging.parameters import Size

#: Logical screen descriptor: width, height, flags, background colour index, aspect (GIF89a, 18).
_SCREEN = struct.Struct("<HHBBB")

#: Image descriptor: left, top, width, height, flags (GIF89a, 20).
_IMAGE = struct.Struct("<HHHHB")

#: Graphic control extension: flags, delay in 1/100 s, transparent colour index (GIF89a, 23).
_CONTROL = struct.Struct("<BHB")

_SIGNATURE_BYTES = 6

#: Block labels (GIF89a, appendix A).
_EXTENSION, _DESCRIPTOR, _TRAILER = 0x21, 0x2C, 0x3B
_CONTROL_LABEL, _APPLICATION_LABEL = 0xF9, 0xFF

#: Applications whose extension states how often an animation is repeated; 0 means for ever.
_LOOPING = (b"NETSCAPE2.0", b"ANIMEXTS1.0")

#: Flags of descriptors: a colour table follows, and rows are interlaced.
_HAS_TABLE, _INTERLACED = 0x80, 0x40

#: Disposal methods: clear the region of the frame, or restore its previous content. Some encoders
#: write 4 for the latter, and browsers accept it.
_TO_BACKGROUND, _TO_PREVIOUS = (2,), (3, 4)

_COLORS = 256
_GRAYS = bytes(level for level in range(_COLORS) for _ in range(3))

#: Largest number that a delay and a loop count can hold.
_MOST = 65_535

#: Unit of times that are written, in ms, and the fewest units that a frame is shown for: browsers
#: show a frame of one unit for ten.
_UNIT, _LEAST = 10, 2


class _Frame(NamedTuple):
    """One image of a GIF; `coded` is its LZW code size followed by its data sub-blocks."""

    left: int
    top: int
    width: int
    height: int
    interlaced: bool
    table: bytes
    coded: bytes
    disposal: int
    transparent: int | None
    milliseconds: int


@dataclass(frozen=True)
class Gif:
    """The structure of a GIF file.

    Attributes
    ----------
    size : tuple of int
        Width and height in pixels of the logical screen, enlarged to hold the first
        frame, as all decoders do.
    frames : tuple
    complete : bool
        Whether the last frame that begins has its descriptor and its colour table.
    plays : int or None
        How often the animation is shown; 0 means for ever, None that the file does not say.
    """

    size: Size
    frames: tuple[_Frame, ...]
    complete: bool
    plays: int | None


def source(data: bytes, options: DecodeOptions) -> Source:
    """Open a GIF; its frames are RGBA, or RGB if all of them are opaque.

    Raises
    ------
    EOFError
        If the file ends before its first frame.
    ValueError
        If it has no frame, or if no frame or the screen has a size.
    """
    parsed = parse(data)

    def frames() -> list[Frame]:
        images, times = [], []
        for image, time in pictures(parsed):
            images.append(image)
            times.append(time)
            if options.animation != "all":
                break
        images = sequences.without_needless_alpha(images)
        shown = zip(images, as_shown(times), strict=True)
        return [Frame(image, milliseconds=time) for image, time in shown]

    return Source(
        parsed.size,
        frames,
        frame_count=len(parsed.frames),
        drawn_pixels=sum(frame.width * frame.height for frame in parsed.frames),
        plays=parsed.plays,
    )


def parse(data: bytes) -> Gif:
    """Read the structure of a GIF; no pixel is decoded.

    A missing trailer is accepted, and so is the end of the file after the descriptor of a frame;
    `pictures` checks whether its pixels are complete.

    Raises
    ------
    EOFError
        If the file ends before its first frame.
    ValueError
        If it has no frame, or if no frame or the screen has a size.
    """
    if len(data) < _SIGNATURE_BYTES + _SCREEN.size:
        raise EOFError("the GIF ends within its header")
    width, height, flags, _, _ = _SCREEN.unpack_from(data, _SIGNATURE_BYTES)
    shared, place = _table(data, _SIGNATURE_BYTES + _SCREEN.size, flags)
    frames: list[_Frame] = []
    plays: int | None = None
    control, complete = (0, 0, 0), True
    while place < len(data) and data[place] != _TRAILER:
        label, place = data[place], place + 1
        if label == _EXTENSION:
            kind = data[place : place + 1]
            content, place = _sub_blocks(data, place + 1)
            if kind == bytes([_CONTROL_LABEL]) and len(content) >= _CONTROL.size:
                control = _CONTROL.unpack_from(content)
            elif kind == bytes([_APPLICATION_LABEL]) and plays is None:
                plays = _plays(content)
        elif label == _DESCRIPTOR:
            frame, place = _frame(data, place, shared, control)
            if frame is None:
                complete = False
                break
            frames.append(frame)
            control = (0, 0, 0)
        # Decoders skip any other byte.
    if not frames and place < len(data) and complete:
        raise ValueError("the GIF has no frame")
    if not frames:
        raise EOFError("the GIF ends before its first frame")
    if not any(frame.width and frame.height for frame in frames):
        raise ValueError("no frame of the GIF has a size")
    first = frames[0]  # also if it has no area, as in browsers
    size = max(width, first.left + first.width), max(height, first.top + first.height)
    if 0 in size:
        raise ValueError("the screen of the GIF has no size")
    return Gif(size, tuple(frames), complete, plays)


def pictures(gif: Gif) -> Iterator[tuple[Image.Image, int]]:
    """Compose the frames of a GIF.

    Yields
    ------
    image : PIL.Image.Image
        RGBA, of the size of the GIF; transparent where nothing was drawn or where it was
        cleared.
    milliseconds : int
        How long the frame is shown according to the file.

    Raises
    ------
    OSError, EOFError
        If the pixels of a frame are incomplete.
    """
    import numpy as np

    width, height = gif.size
    canvas = np.zeros((height, width, 4), np.uint8)
    for frame in gif.frames:
        region = canvas[
            min(frame.top, height) : frame.top + frame.height,
            min(frame.left, width) : frame.left + frame.width,
        ]
        before = region.copy()
        if frame.width and frame.height:
            colors = _colors(frame)[_indices(frame)[: region.shape[0], : region.shape[1]]]
            np.copyto(region, colors, where=colors[..., 3:] > 0)
        yield Image.fromarray(canvas.copy()), frame.milliseconds
        if frame.disposal in _TO_BACKGROUND:
            region[...] = 0
        elif frame.disposal in _TO_PREVIOUS:
            region[...] = before
    if not gif.complete:
        raise EOFError("the GIF ends within a frame")


def _colors(frame: _Frame) -> Array:
    """RGBA of each index; indices beyond the colour table are black, as in browsers.

    Without a table, the standard leaves the colours to the decoder; here they are greys.
    """
    import numpy as np

    colors = np.zeros((_COLORS, 4), np.uint8)
    listed = np.frombuffer(frame.table or _GRAYS, np.uint8).reshape(-1, 3)
    colors[: len(listed), :3] = listed
    colors[:, 3] = 255
    if frame.transparent is not None:
        colors[frame.transparent] = 0
    return colors


def _indices(frame: _Frame) -> Array:
    """Colour indices of a frame, decoded by Pillow from a GIF of that frame alone."""
    import numpy as np

    flags = _INTERLACED if frame.interlaced else 0
    size = frame.width, frame.height
    head = b"GIF89a" + _SCREEN.pack(*size, 0, 0, 0)
    descriptor = bytes([_DESCRIPTOR]) + _IMAGE.pack(0, 0, *size, flags)
    alone = io.BytesIO(head + descriptor + frame.coded + bytes([_TRAILER]))
    with Image.open(alone, formats=("GIF",)) as image:
        return np.asarray(image)  # without a colour table, its mode is L


def _table(data: bytes, place: int, flags: int) -> tuple[bytes, int]:
    """Colour table that the flags of a descriptor announce, and the offset after it."""
    end = place + 3 * 2 ** ((flags & 7) + 1) if flags & _HAS_TABLE else place
    return data[place:end], end


def _frame(
    data: bytes, place: int, shared: bytes, control: tuple[int, int, int]
) -> tuple[_Frame | None, int]:
    """Read a frame and the offset after it; None instead of a frame that is cut off."""
    if place + _IMAGE.size > len(data):
        return None, place
    left, top, width, height, flags = _IMAGE.unpack_from(data, place)
    table, place = _table(data, place + _IMAGE.size, flags)
    if place >= len(data):
        return None, place
    _, end = _sub_blocks(data, place + 1)
    settings, hundredths, index = control
    frame = _Frame(
        left, top, width, height, bool(flags & _INTERLACED), table or shared, data[place:end],
        disposal=settings >> 2 & 7,
        transparent=index if settings & 1 else None,
        milliseconds=10 * hundredths,
    )  # fmt: skip
    return frame, end


def _sub_blocks(data: bytes, place: int) -> tuple[bytes, int]:
    """Content of data sub-blocks (GIF89a, 15), and the offset after their terminator."""
    parts = []
    while place < len(data) and (length := data[place]):
        parts.append(data[place + 1 : place + 1 + length])
        place += 1 + length
    return b"".join(parts), place + 1


def _plays(content: bytes) -> int | None:
    """How often an animation is shown according to an application extension."""
    if content[:11] not in _LOOPING or len(content) < 14 or content[11] & 7 != 1:
        return None
    repeats = int.from_bytes(content[12:14], "little")
    return repeats + 1 if repeats else 0


def assemble(frames: Sequence[Image.Image], times: Sequence[int], plays: int) -> bytes:
    """Write an animation; each frame is complete, and is cleared before the next one.

    Parameters
    ----------
    frames : sequence of PIL.Image.Image
        L, LA, RGB or RGBA, all of one size. Each gets its own colour table.
    times : sequence of int
        How long each frame is shown, in ms.
    plays : int
        How often the animation is shown; 0 means for ever.
    """
    parts = [b"GIF89a", _SCREEN.pack(*frames[0].size, 0, 0, 0)]
    if plays != 1:
        repeats = min(max(plays - 1, 0), _MOST)
        label = bytes([_EXTENSION, _APPLICATION_LABEL, len(_LOOPING[0])]) + _LOOPING[0]
        parts.append(label + b"\3\1" + repeats.to_bytes(2, "little") + b"\0")
    hundredths = in_units(as_shown(times), _UNIT, _LEAST)
    for frame, time in zip(frames, hundredths, strict=True):
        picture, transparent = indexed(frame)
        file = io.BytesIO()
        picture.save(file, "GIF", interlace=0, optimize=False)
        alone = parse(file.getvalue()).frames[0]
        settings = _TO_BACKGROUND[0] << 2 | (transparent is not None)
        control = _CONTROL.pack(settings, min(time, _MOST), transparent or 0)
        parts.append(bytes([_EXTENSION, _CONTROL_LABEL, len(control)]) + control + b"\0")
        flags = _HAS_TABLE | (len(alone.table) // 3).bit_length() - 2
        parts.append(bytes([_DESCRIPTOR]) + _IMAGE.pack(0, 0, *picture.size, flags))
        parts += [alone.table, alone.coded]
    return b"".join((*parts, bytes([_TRAILER])))


def indexed(image: Image.Image) -> tuple[Image.Image, int | None]:
    """Reduce a picture to a colour table, and return the index that is transparent.

    A GIF has no half-transparent pixels; pixels with an alpha of 128 or more become opaque.
    """
    if image.mode not in ("LA", "RGBA"):
        return (image if image.mode == "L" else _quantized(image, _COLORS)), None
    clear = image.getchannel("A").point([255] * 128 + [0] * 128)
    picture = _quantized(image.convert("RGB"), _COLORS - 1)
    colors = picture.getpalette() or []
    transparent = len(colors) // 3
    picture.putpalette([*colors, 0, 0, 0])
    picture.paste(transparent, mask=clear)
    return picture, transparent


def _quantized(image: Image.Image, colors: int) -> Image.Image:
    return image.convert("P", palette=Image.Palette.ADAPTIVE, colors=colors)
