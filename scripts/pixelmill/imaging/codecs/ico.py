"""ICO: a file with its best picture alone.

Pillow takes the largest picture, but of several of that size the one of the fewest bits.
"""

from __future__ import annotations

import struct

#: Head of a file: reserved, kind, number of pictures.
_HEAD = struct.Struct("<HHH")

#: Entry of a picture: sides, colours, reserved, planes, bits a pixel, bytes and offset.
_ENTRY = struct.Struct("<BBBBHHII")

#: What a side of 0 means, and how deep a picture is that does not tell.
_LARGEST_SIDE, _UNKNOWN_DEPTH = 256, 256


def best_alone(data: bytes) -> bytes:
    """Leave of an icon's pictures the largest, and of equally large ones that of most bits.

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

    def rank(begin: int) -> tuple[int, int]:
        width, height, colors, _, _, bits, _, _ = _ENTRY.unpack_from(data, begin)
        area = (width or _LARGEST_SIDE) * (height or _LARGEST_SIDE)
        return area, bits or max(colors - 1, 0).bit_length() or _UNKNOWN_DEPTH

    best = max(begins, key=rank)
    entry = data[best : best + _ENTRY.size]
    return _HEAD.pack(reserved, kind, 1) + entry + data[_HEAD.size + _ENTRY.size :]
