"""ICO: reduces a file to its best picture.

Of several pictures of the largest size, Pillow takes the one with the fewest bits per pixel.
"""

from __future__ import annotations

import struct

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


def _bits(head: bytes) -> int:
    """Bits of a pixel by the header of the picture itself: an entry often states none."""
    try:
        if head.startswith(b"\x89PNG"):
            return head[_PNG_BITS] * _PNG_SAMPLES.get(head[_PNG_BITS + 1], 1)
        return int.from_bytes(head[_BITMAP_BITS : _BITMAP_BITS + 2], "little")
    except IndexError:  # it is cut off
        return 0
