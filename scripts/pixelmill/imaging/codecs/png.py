"""PNG: removes chunks that cannot improve the picture, but could prevent it from being decoded.

Decoders refuse a whole picture for a text that decompresses to too much, or for a wrong checksum of
a comment. According to the standard, they should skip such chunks (PNG 3rd edition, 13.2).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pixelmill.core.errors import ImageError

if TYPE_CHECKING:
    from PIL import Image

#: Largest size of a decompressed profile or text that is kept, in bytes.
MOST_UNPACKED = 4 * 2**20

_HEAD = struct.Struct(">I4s")
_SIGNATURE_BYTES, _AROUND = 8, 12

#: Offset of the colour type in the header chunk, which is always the first.
COLOR_TYPE = 25

#: Bit in the first letter of a chunk's name that is set if a decoder may skip the chunk.
_ANCILLARY = 0x20

#: Chunks of animations, with their smallest and largest size in bytes. Their order matters, and
#: they hold no texts.
_OF_FRAMES = {b"acTL": (8, 8), b"fcTL": (26, 26), b"fdAT": (4, 2**31 - 1)}

#: The header: width, height, bits, colour type, methods of compression, filter, interlace.
_IHDR = struct.Struct(">IIBBBBB")

#: Bits of a channel or of a palette's index that each colour type may have.
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}

#: Largest size of a palette in bytes.
_LARGEST_PALETTE = 3 * 256

#: Offset of width and height in the header chunk; largest values of disposal and blending.
_SIZE = 16
_MOST_DISPOSE, _MOST_BLEND = 2, 1

#: Sizes in bytes of the chunks that have a fixed size.
_SIZES = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4, b"pHYs": 9}

#: Chunks that describe the colours; they must precede the palette and the pixels.
_OF_COLORS = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM")

#: Chunks that must precede the pixels (PNG 3rd edition, 5.6).
_BEFORE_PIXELS = (*_OF_COLORS, b"tRNS", b"pHYs")

#: Bytes of a transparent colour, by colour type; a palette has one byte per colour.
_TRANSPARENT = {0: 2, 2: 6}
_PALETTE = 3

#: Keywords of texts that hold EXIF, and with it the orientation.
_KEYWORDS = (b"Raw profile type exif",)

#: Largest factor by which data grow when they are decompressed.
_MOST_GROWTH = 1032

_Content: TypeAlias = "memoryview[int]"


class Chunk(NamedTuple):
    """A chunk: its name, and the offsets in the file where it begins and ends."""

    name: bytes
    begin: int
    end: int


def lean(data: bytes, still: bool = False) -> bytes:
    """Remove chunks from a PNG that are not needed or are invalid.

    Texts are removed, except those that may hold the orientation. Chunks that a decoder may skip
    are removed if they have a wrong checksum, a malformed value or a wrong position, occur again,
    or are unknown. Critical chunks stay as they are, correct or not.

    Parameters
    ----------
    data : bytes
        The file.
    still : bool
        Whether only one picture is wanted. If anything is wrong with an animation, it is then
        removed (PNG 3rd edition, 4.9: decoders show the static image).

    Returns
    -------
    bytes
        The same object if nothing had to be removed.
    """
    view = memoryview(data)
    color_type = data[COLOR_TYPE] if len(data) > COLOR_TYPE else 0
    palette, pixels = -1, False  # number of colours in the palette, -1 before it
    out: list[Chunk] = []
    frames: list[Chunk] = []
    seen: set[bytes] = set()
    for chunk in chunks(data):
        name = chunk.name
        if name == b"PLTE":
            palette = (chunk.end - chunk.begin - _AROUND) // 3
        elif name == b"IDAT":
            pixels = True
        if not name[0] & _ANCILLARY or not name.isalpha():
            continue
        misplaced = (
            (pixels and name in _BEFORE_PIXELS)
            or (palette >= 0 and name in _OF_COLORS)
            or (palette < 0 and name == b"tRNS" and color_type == _PALETTE)
        )
        content = view[chunk.begin : chunk.end]
        if name in _OF_FRAMES:
            frames.append(chunk)
        elif misplaced or name in seen or not _is_sound(name, content, color_type, palette):
            out.append(chunk)
        else:
            seen.add(name)  # the standard allows only one of most kinds; one is kept of each
    if still and frames and not _is_animation(data, frames):
        out = sorted((*out, *frames), key=lambda chunk: chunk.begin)
    if not out:
        return data
    begins = [0, *(chunk.end for chunk in out)]
    ends = [*(chunk.begin for chunk in out), len(data)]
    return b"".join(view[begin:end] for begin, end in zip(begins, ends, strict=True))


def with_masked_levels(data: bytes) -> bytes:
    """Clear the bits of the transparent level or colour that exceed the depth.

    They must be ignored (PNG 3rd edition, 11.3.1.1), but Pillow compares them.
    """
    depth, color_type = data[COLOR_TYPE - 1], data[COLOR_TYPE]
    if depth == 16 or color_type not in _TRANSPARENT:
        return data
    for name, begin, end in chunks(data):
        if name == b"IDAT":
            break
        if name == b"tRNS":
            form = f">{_TRANSPARENT[color_type] // 2}H"
            levels = struct.unpack_from(form, data, begin + _HEAD.size)
            content = name + struct.pack(form, *(level & (1 << depth) - 1 for level in levels))
            checked = content + struct.pack(">I", zlib.crc32(content))
            return data[: begin + 4] + checked + data[end:]
    return data


def _is_animation(data: bytes, chunks: Sequence[Chunk]) -> bool:
    """Whether the chunks of an animation are valid, complete and in order."""
    width, height = struct.unpack_from(">II", data, _SIZE)
    view = memoryview(data)
    announced, found, number = -1, 0, 0
    for name, begin, end in chunks:
        if not _is_sound(name, view[begin:end], 0, 0) or (name == b"acTL") != (announced < 0):
            return False
        (first,) = struct.unpack_from(">I", data, begin + _HEAD.size)
        if name == b"acTL":
            announced = first
            continue
        if first != number:
            return False
        number += 1
        if name == b"fcTL":
            found += 1
            region = struct.unpack_from(">IIII4xBB", data, begin + _HEAD.size + 4)
            across, down, left, top, dispose, blend = region
            if not (0 < across <= width - left and 0 < down <= height - top):
                return False
            if dispose > _MOST_DISPOSE or blend > _MOST_BLEND:
                return False
    return announced == found


def check(data: bytes) -> None:
    """Refuse a PNG whose critical chunks violate the standard.

    Pillow, for example, decodes a picture without its palette in other colours. The checksums of
    pixels are left to the decoder.

    Raises
    ------
    ImageError
        In stage ``decode``: ``corrupt``, or ``unsupported`` for what the standard does not have.
    """
    palette = False
    for name, begin, end in chunks(data):
        if name[0] & _ANCILLARY:
            continue
        content = data[begin + _HEAD.size : end - 4]
        if name == b"IDAT":
            if data[COLOR_TYPE] == _PALETTE and not palette:
                raise ImageError("decode", "corrupt", "the palette (PLTE) is missing")
            break
        if name not in (b"IHDR", b"PLTE"):
            if not name.isalpha():
                raise ImageError("decode", "corrupt", f"a chunk has the impossible name {name!r}")
            message = f"the chunk '{name.decode()}' may not be skipped, and its meaning is unknown"
            raise ImageError("decode", "unsupported", message)
        if zlib.crc32(data[begin + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            message = f"the checksum of the chunk {name.decode()} is wrong"
            raise ImageError("decode", "corrupt", message)
        if name == b"IHDR":
            _check_header(content)
        else:
            palette = True
            if len(content) % 3 or not 0 < len(content) <= _LARGEST_PALETTE:
                message = f"the palette (PLTE) has {len(content)} bytes"
                raise ImageError("decode", "corrupt", message)


def _check_header(content: bytes) -> None:
    """Refuse an invalid header (IHDR; PNG 3rd edition, 11.2.1)."""
    if len(content) != _IHDR.size:
        raise ImageError("decode", "corrupt", f"the header (IHDR) has {len(content)} bytes")
    width, height, depth, color, *methods = _IHDR.unpack(content)
    if not width or not height:
        raise ImageError("decode", "corrupt", f"the header (IHDR) says {width}x{height} pixels")
    if depth not in _DEPTHS.get(color, ()):
        message = f"colour type {color} with {depth} bits (IHDR) is none of PNG's"
        raise ImageError("decode", "corrupt", message)
    if methods[0] or methods[1] or methods[2] > 1:
        message = "methods {} of compression, filter and interlace (IHDR) are unknown"
        raise ImageError("decode", "unsupported", message.format(", ".join(map(str, methods))))


def color_chunks(data: bytes) -> dict[bytes, bytes]:
    """Contents of the chunks that describe the colours, by name, in the result of `lean`."""
    found = {}
    for name, begin, end in chunks(data):
        if name in (b"IDAT", b"PLTE"):
            break
        if name in _OF_COLORS:
            found[name] = data[begin + _HEAD.size : end - 4]
    return found


def chunks(data: bytes) -> Iterator[Chunk]:
    """Complete chunks before the end chunk."""
    place = _SIGNATURE_BYTES
    while place + _AROUND <= len(data):
        length, name = _HEAD.unpack_from(data, place)
        end = place + _AROUND + length
        if end > len(data) or name == b"IEND":
            break
        yield Chunk(name, place, end)
        place = end


def _is_sound(name: bytes, chunk: _Content, color_type: int, colors: int) -> bool:
    content = chunk[_HEAD.size : -4]
    if name in _SIZES:
        sound = len(content) == _SIZES[name]
    elif name in _OF_FRAMES:
        least, most = _OF_FRAMES[name]
        sound = least <= len(content) <= most
    elif name == b"tRNS" and color_type == _PALETTE:
        sound = 0 < len(content) <= colors
    elif name == b"tRNS":
        sound = len(content) == _TRANSPARENT.get(color_type)
    elif name in _UNPACKED:
        sound = _UNPACKED[name](bytes(content))
    else:
        sound = name == b"eXIf"
    return sound and zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")


def _profile(content: bytes) -> bool:
    _, separator, packed = content.partition(b"\0")
    return bool(separator) and packed[:1] == b"\0" and _unpacks(packed[1:])


def _plain_text(content: bytes) -> bool:
    return content.partition(b"\0")[0] in _KEYWORDS


def _packed_text(content: bytes) -> bool:
    keyword, _, packed = content.partition(b"\0")
    return keyword in _KEYWORDS and packed[:1] == b"\0" and _unpacks(packed[1:])


def _international_text(content: bytes) -> bool:
    keyword, _, rest = content.partition(b"\0")
    if keyword not in _KEYWORDS:
        return False
    *_, text = rest[2:].split(b"\0", 2)
    return rest[:1] == b"\0" or (rest[:2] == b"\1\0" and _unpacks(text))


def _unpacks(packed: bytes) -> bool:
    """Whether a compressed value is intact and not too large."""
    if len(packed) * _MOST_GROWTH <= MOST_UNPACKED:
        return True  # a decoder with the same limit skips what is wrong
    unpacking = zlib.decompressobj()
    try:
        unpacking.decompress(packed, MOST_UNPACKED)
    except zlib.error:
        return False
    return not unpacking.unconsumed_tail


_TEXTS: dict[bytes, Callable[[bytes], bool]] = {
    b"tEXt": _plain_text,
    b"zTXt": _packed_text,
    b"iTXt": _international_text,
}

#: Functions that check chunks whose value may be compressed.
_UNPACKED = {b"iCCP": _profile, **_TEXTS}


#: Factors that scale grey of 2 and 4 bits to 8 bits, by Pillow's raw modes.
_SHALLOW = {"L;2": 85, "L;4": 17}


def scale_transparency(image: Image.Image) -> None:
    """Scale the transparent level of a PNG like the pixels, which Pillow does not do."""
    level = image.info.get("transparency")
    if image.format == "PNG" and image.mode == "L" and isinstance(level, int):
        image.info["transparency"] = level * _SHALLOW.get(raw_mode(image), 1)


def raw_mode(image: Image.Image) -> str:
    """Pillow's name for how the pixels of an opened file are stored; empty if there is none."""
    tiles = getattr(image, "tile", None)
    raw = tiles[0][3] if tiles else None
    return raw if isinstance(raw, str) else ""
