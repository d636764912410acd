"""ICO: reduces a file to its best picture.

Of several pictures of the largest size, Pillow takes the one with the fewest bits per pixel.
"""

from __future__ import annotations

import struct

#: Header of a file: reserved, type, number of pictures.
_HEAD = struct.Struct("<HHH")

#: Entry of a picture: sides, colours, reserved, planes, bits per pixel, bytes and offset.
_ENTRY = struct.Struct("<BBBBHHII")

#: The length that a side of 0 stands for, and the rank of a picture that states no depth.
_LARGEST_SIDE, _UNKNOWN_DEPTH = 256, 256


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

    def rank(begin: int) -> tuple[int, int]:
        width, height, colors, _, _, bits, _, _ = _ENTRY.unpack_from(data, begin)
        area = (width or _LARGEST_SIDE) * (height or _LARGEST_SIDE)
        return area, bits or max(colors - 1, 0).bit_length() or _UNKNOWN_DEPTH

    best = max(begins, key=rank)
    entry = data[best : best + _ENTRY.size]
    return _HEAD.pack(reserved, kind, 1) + entry + data[_HEAD.size + _ENTRY.size :]
