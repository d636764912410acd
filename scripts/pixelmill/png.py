"""PNG: a file without the chunks that cannot better its picture, and could spoil it.

Decoders refuse a whole picture for a text that unpacks to too much, or for a wrong
checksum of a note. The standard has them skip such chunks (PNG 3rd edition, 13.2).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Container
from typing import TypeAlias

#: Most that a profile or a text that is kept may unpack to, in bytes.
MOST_UNPACKED = 4 * 2**20

_HEAD = struct.Struct(">I4s")
_SIGNATURE_BYTES, _AROUND = 8, 12

#: Where the header chunk, always the first, has the type of colours.
_COLOR_TYPE = 25

#: Bit of a chunk's first letter that is set where a decoder may skip it.
_ANCILLARY = 0x20

#: Chunks of animations: their order is what holds them together, and they bear no texts.
_OF_FRAMES = (b"acTL", b"fcTL", b"fdAT")

#: Bytes of chunks that have one size alone.
_SIZES = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4, b"pHYs": 9}

#: Bytes of a transparent colour, by the type of colours: for a palette, one for each colour.
_TRANSPARENT: dict[int, Container[int]] = {0: (2,), 2: (6,), 3: range(1, 257)}

#: Texts that tell of the picture's orientation.
_KEYWORDS = (b"XML:com.adobe.xmp", b"Raw profile type exif")

#: How much more deflate can make of a byte, at most.
_MOST_GROWTH = 1032

_Content: TypeAlias = "memoryview[int]"


def lean(data: bytes) -> bytes:
    """Leave out of a PNG the chunks that are not needed, or not sound.

    Texts are left out, but for those that may tell the orientation; so are chunks that
    may be skipped and have a wrong checksum or a malformed value, or are unknown. What
    a picture cannot do without stays as it is, right or wrong.

    Parameters
    ----------
    data : bytes
        The file.

    Returns
    -------
    bytes
        The same object where nothing had to be left out.
    """
    view = memoryview(data)
    place, begin = _SIGNATURE_BYTES, 0
    kept: list[memoryview] = []
    seen: set[bytes] = set()
    while place + _AROUND <= len(data):
        length, name = _HEAD.unpack_from(data, place)
        end = place + _AROUND + length
        if end > len(data) or name == b"IEND":
            break
        if name[0] & _ANCILLARY and name not in _OF_FRAMES and name.isalpha():
            if name in seen or not _is_sound(name, view[place:end], data[_COLOR_TYPE]):
                kept.append(view[begin:place])
                begin = end
            else:
                seen.add(name)  # one of each is all that the standard allows, or we keep
        place = end
    return b"".join((*kept, view[begin:])) if kept else data


def _is_sound(name: bytes, chunk: _Content, color_type: int) -> bool:
    content = chunk[_HEAD.size : -4]
    if name in _SIZES:
        sound = len(content) == _SIZES[name]
    elif name == b"tRNS":
        sound = len(content) in _TRANSPARENT.get(color_type, ())
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
    """Whether a deflated value is whole and not too large."""
    if len(packed) * _MOST_GROWTH <= MOST_UNPACKED:
        return True  # a decoder that is not allowed more finds out what is wrong, and goes on
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

#: What tells whether a chunk is sound whose value may be packed.
_UNPACKED = {b"iCCP": _profile, **_TEXTS}
