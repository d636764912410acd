"""ICO: reduces a file to its best picture, and decodes that if it is a bitmap.

Of several pictures of the largest size, Pillow takes the one with the fewest bits per pixel. It
also believes what the entry of a bitmap says about bits and bytes, and reads palettes of black and
white wrongly.
"""

from __future__ import annotations

import struct

from PIL import Image

from pixelmill.core.errors import ImageError
from pixelmill.imaging.arrays import Array
from pixelmill.imaging.codecs import bmp
from pixelmill.imaging.codecs.decoded import Frame, Source

#: Header of a file: reserved, type, number of pictures.
_HEAD = struct.Struct("<HHH")

#: Entry of a picture: sides, colours, reserved, planes, bits per pixel, bytes and offset.
_ENTRY = struct.Struct("<BBBBHHII")

#: The length that a side of 0 stands for.
_LARGEST_SIDE = 256

#: Where the header of a bitmap (BITMAPINFOHEADER) has the bits of a pixel, and where that of a PNG
#: has the bits of a sample and the type of colour; samples of a pixel by that type (PNG, 11.2.1).
_BITMAP_BITS, _PNG_BITS = 14, 24
_PNG_SAMPLES = {2: 3, 4: 2, 6: 4}

#: Header of a bitmap up to its compression: its length, width, height, planes, bits, compression.
_BITMAP = struct.Struct("<IiiHHI")

#: The shortest header that icons have, the length of the header of a file, and the compressions
#: that are decoded here: none, and bit fields.
_HEADER, _FILE_HEADER = 40, 14
_COMPRESSIONS = (_RAW, _FIELDS, _ALPHA_FIELDS) = (0, 3, 6)

_MOST_BITS = 32


def best_alone(data: bytes) -> bytes:
    """Keep the largest picture of an icon; of equally large ones, that with the most bits.

    Parameters
    ----------
    data : bytes
        The file.

    Returns
    -------
    bytes
        The same object if there is nothing to choose.
    """
    if len(data) < _HEAD.size:
        return data
    reserved, kind, count = _HEAD.unpack_from(data)
    begins = range(_HEAD.size, _HEAD.size + count * _ENTRY.size, _ENTRY.size)
    if count < 2 or begins.stop > len(data):
        return data

    def rank(begin: int) -> tuple[int, int, int]:
        width, height, _, _, _, bits, _, place = _ENTRY.unpack_from(data, begin)
        area = (width or _LARGEST_SIDE) * (height or _LARGEST_SIDE)
        return area, _bits(data[place : place + _PNG_BITS + 2]), bits

    best = max(begins, key=rank)
    entry = data[best : best + _ENTRY.size]
    return _HEAD.pack(reserved, kind, 1) + entry + data[_HEAD.size + _ENTRY.size :]


def source(data: bytes) -> Source | None:
    """Open the first picture of an icon if it is a bitmap; None if Pillow decodes it.

    Raises
    ------
    ImageError
        If it cannot be decoded.
    """
    if len(data) < _HEAD.size + _ENTRY.size:
        return None
    place = _ENTRY.unpack_from(data, _HEAD.size)[-1]
    inside = data[place:]
    if len(inside) < _HEADER or inside.startswith(b"\x89PNG"):
        return None
    length, width, height, planes, bits, compression = _BITMAP.unpack_from(inside)
    if length < _HEADER or compression not in _COMPRESSIONS:
        return None
    # Below the colours is the mask, which the height counts too.
    head = _BITMAP.pack(length, width, int(height / 2), planes, bits, compression)
    file = b"BM" + bytes(_FILE_HEADER - 2) + head + inside[_BITMAP.size :]
    header = bmp.header(file, every=True)
    if header is None:
        return None
    return Source(header.size, lambda: [Frame(_bitmap(file, header))])


def _bitmap(file: bytes, header: bmp.Header) -> Image.Image:
    """Decode a bitmap of an icon, in mode RGBA.

    As in browsers, the fourth byte of a pixel and bit fields of alpha apply unless they are 0
    everywhere; then, and in all other depths, the mask applies.
    """
    import numpy as np

    picture = bmp.decode(file, header)
    if picture.mode == "RGBA":
        return picture
    (width, height), start = header.size, header.start
    stride = (width * header.bits + 31) // 32 * 4
    alpha: Array | None = None
    if header.bits == _MOST_BITS and header.compression == _RAW:
        alpha = np.frombuffer(file, np.uint8, stride * height, start)[3::4].reshape(height, width)
    if alpha is None or not alpha.any():
        start += stride * height
        stride = (width + 31) // 32 * 4
        missing = start + stride * height - len(file)
        if missing > 0:
            message = f"ICO: {missing:,} bytes of its mask are missing"
            raise ImageError("decode", "truncated", message)
        bits = np.frombuffer(file, np.uint8, stride * height, start).reshape(height, stride)
        alpha = (1 - np.unpackbits(bits, axis=1)[:, :width]) * np.uint8(255)
    picture = picture.convert("RGBA")
    picture.putalpha(Image.fromarray(alpha if header.top_down else alpha[::-1].copy()))
    return picture


def _bits(head: bytes) -> int:
    """Bits of a pixel by the header of the picture itself: an entry often states none."""
    try:
        if head.startswith(b"\x89PNG"):
            return head[_PNG_BITS] * _PNG_SAMPLES.get(head[_PNG_BITS + 1], 1)
        return int.from_bytes(head[_BITMAP_BITS : _BITMAP_BITS + 2], "little")
    except IndexError:  # it is cut off
        return 0
