"""Build TIFF files of every layout, including those that no library writes."""

import lzma
import struct
import zlib

import imagecodecs
import numpy as np

#: Compressions by the value of their tag, and what encodes a strip or tile.
ENCODERS = {
    1: bytes,
    5: imagecodecs.lzw_encode,
    8: zlib.compress,
    32773: imagecodecs.packbits_encode,
    32946: zlib.compress,
    34925: lzma.compress,
    50000: imagecodecs.zstd_encode,
}

#: Types of tags: bytes as text or as they are, numbers of 16 and 32 bits,
#: and fractions, each of two numbers.
ASCII, UNDEFINED, SHORT, LONG, RATIONAL = 2, 7, 3, 4, 5

_LETTERS = {SHORT: "H", LONG: "I", RATIONAL: "I"}


def tiff(
    samples,
    *,
    photometric,
    bits=8,
    format=1,
    extra=(),
    planar=1,
    order="<",
    big=False,
    compression=1,
    predictor=1,
    fill=1,
    tile=None,
    rows=None,
    tags=(),
    size=None,
    count=None,
):
    """A TIFF of one page.

    Samples are an array of shape (height, width, samples); `tile` is the side of a tile, `rows`
    the rows of a strip; `tags` are further ones, each as (code, type, values); `size` and `count`
    are what the tags say where an array holds blocks of samples. The directory stands before
    the pixels.
    """
    planes = [samples] if planar == 1 else np.split(samples, samples.shape[2], axis=2)
    pieces = [piece for plane in planes for piece in _pieces(plane, tile, rows or len(plane))]
    width, height = size or samples.shape[1::-1]
    count = count or samples.shape[2]
    packed = [
        _reversed(ENCODERS[compression](_packed(piece, bits, order, predictor)), fill)
        for piece in pieces
    ]
    entries = [
        (256, LONG, [width]), (257, LONG, [height]), (258, SHORT, [bits] * count),
        (259, SHORT, [compression]), (262, SHORT, [photometric]), (277, SHORT, [count]),
        (284, SHORT, [planar]), (339, SHORT, [format] * count), *tags,
    ]  # fmt: skip
    if extra:
        entries.append((338, SHORT, list(extra)))
    if fill != 1:
        entries.append((266, SHORT, [fill]))
    if predictor != 1:
        entries.append((317, SHORT, [predictor]))
    lengths = list(map(len, packed))
    if tile:
        entries += [(322, LONG, [tile]), (323, LONG, [tile]), (325, LONG, lengths)]
    else:
        entries += [(278, LONG, [rows or height]), (279, LONG, lengths)]

    def head(start):
        offsets = [start + sum(lengths[:number]) for number in range(len(lengths))]
        placed = (324 if tile else 273, LONG, offsets)
        return _head(sorted([*entries, placed]), order, big)

    return head(len(head(0))) + b"".join(packed)


def retyped(data, tag, kind, order, big):
    """Store the numbers of a tag as single bytes of a type."""
    number, room, size = ("Q", 8, 20) if big else ("I", 4, 12)
    begin = 24 if big else 10
    while struct.unpack_from(order + "H", data, begin)[0] != tag:
        begin += size
    _, old, count = struct.unpack_from(order + "HH" + number, data, begin)
    letter, width = {3: ("H", 2), 4: ("I", 4)}[old]
    place = begin + size - room
    if count * width > room:
        place = struct.unpack_from(order + number, data, place)[0]
    values = bytes(struct.unpack_from(f"{order}{count}{letter}", data, place))
    head = struct.pack(order + "HH" + number, tag, kind, count)
    if count <= room:
        return data[:begin] + head + values.ljust(room, b"\0") + data[begin + size :]
    moved = head + struct.pack(order + number, len(data))
    return data[:begin] + moved + data[begin + size :] + values


def _pieces(plane, tile, rows):
    height, width = plane.shape[:2]
    if not tile:
        return [plane[top : top + rows] for top in range(0, height, rows)]
    padded = np.pad(plane, ((0, -height % tile), (0, -width % tile), (0, 0)))
    return [
        padded[top : top + tile, left : left + tile]
        for top in range(0, height, tile)
        for left in range(0, width, tile)
    ]


def _packed(piece, bits, order, predictor):
    if predictor == 2:
        piece = np.diff(piece, axis=1, prepend=piece[:, :1] * 0)
    if predictor == 3:
        coded = imagecodecs.floatpred_encode(np.ascontiguousarray(piece), axis=1)
        return coded.tobytes()
    if bits in (8, 16, 32, 64):
        return piece.astype(piece.dtype.newbyteorder(order)).tobytes()
    rows = piece.reshape(len(piece), -1)
    if bits == 24:
        four = rows.astype(order + "u4").view(np.uint8).reshape(*rows.shape, 4)
        return (four[..., :3] if order == "<" else four[..., 1:]).tobytes()
    split = rows.astype(np.uint32)[..., None] >> np.arange(bits - 1, -1, -1, dtype=np.uint32) & 1
    return np.packbits(split.astype(np.uint8).reshape(len(rows), -1), axis=1).tobytes()


def _reversed(data, fill):
    return data if fill == 1 else bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)


def _head(entries, order, big):
    """Everything before the pixels: the header, the directory and what it refers to."""
    mark = b"II" if order == "<" else b"MM"
    header = struct.pack(order + "2sHHHQ", mark, 43, 8, 0, 16) if big else b""
    header = header or struct.pack(order + "2sHI", mark, 42, 8)
    number, room, entry = ("Q", 8, 20) if big else ("I", 4, 12)
    table = struct.pack(order + ("Q" if big else "H"), len(entries))
    place = len(header) + len(table) + entry * len(entries) + room
    behind = b""
    for code, kind, values in entries:
        content = values if isinstance(values, bytes) else b""
        content = content or struct.pack(f"{order}{len(values)}{_LETTERS[kind]}", *values)
        table += struct.pack(
            order + "HH" + number, code, kind, len(values) // (1 + (kind == RATIONAL))
        )
        if len(content) <= room:
            table += content.ljust(room, b"\0")
        else:
            table += struct.pack(order + number, place + len(behind))
            behind += content + b"\0" * (len(content) % 2)
    return header + table + bytes(room) + behind
