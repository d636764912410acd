"""Build BMP files with every header, depth and compression."""

import struct

import numpy as np
from PIL import ImageColor

RAW, RLE8, RLE4, BIT_FIELDS, ALPHA_BIT_FIELDS = 0, 1, 2, 3, 6


def bmp(pixels, bits, *, header=40, compression=RAW, masks=(), palette=(), used=0, top_down=False):
    """A BMP of numbers, one for each pixel: indices, or channels put together.

    Parameters
    ----------
    pixels : ndarray or bytes
        Of shape (height, width), or with 3 channels, red first, for 24 bits; bytes together
        with their size, as (bytes, width, height), where they are compressed already.
    palette : sequence of tuple
        Red, green and blue of each colour.
    used : int
        How many colours the header says that there are.
    """
    if isinstance(pixels, tuple):
        stored, width, height = pixels
    else:
        height, width = pixels.shape[:2]
        stored = _rows(pixels if top_down else pixels[::-1], bits)
    entry = b"" if header == 12 else b"\0"
    table = b"".join(bytes(color[::-1]) + entry for color in palette)
    fields = struct.pack(f"<{len(masks)}I", *masks)
    if header == 12:
        body = struct.pack("<IHHHH", header, width, height, 1, bits)
    else:
        body = struct.pack("<IiiHH", header, width, -height if top_down else height, 1, bits)
    if header >= 40:
        body += struct.pack("<IIiiII", compression, len(stored), 2835, 2835, used, 0)
    if header >= 52:
        body, fields = body + fields, b""
    body = body.ljust(header, b"\0") + fields
    start = 14 + len(body) + len(table)
    return struct.pack("<2sIHHI", b"BM", start + len(stored), 0, 0, start) + body + table + stored


def _rows(pixels, bits):
    if bits == 24:
        rows = pixels[..., ::-1].astype(np.uint8).reshape(len(pixels), -1)
    elif bits > 8:
        rows = pixels.astype(f"<u{bits // 8}").view(np.uint8).reshape(len(pixels), -1)
    else:
        split = pixels[..., None] >> np.arange(bits - 1, -1, -1) & 1
        rows = np.packbits(split.astype(np.uint8).reshape(len(pixels), -1), axis=1)
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4))).tobytes()


def run_lengths(indices, four, absolute=False, ended=True):
    """Run-length encode indices, the lowest row first; four bits each, or eight.

    Returns the codes with the size, as `bmp` takes them.
    """
    codes = b""
    height, width = indices.shape
    for row in indices[::-1].tolist():
        place = 0
        while place < width:
            length = min(width - place, 254)
            if absolute and length > 2:
                codes += bytes((0, length)) + _even(_packed(row[place : place + length], four))
            else:
                length = 1
                while place + length < width and row[place + length] == row[place] and length < 255:
                    length += 1
                value = row[place] * 17 if four else row[place]
                codes += bytes((length, value))
            place += length
        codes += b"\0\0"
    return codes + (b"\0\1" if ended else b""), width, height


def _packed(row, four):
    if not four:
        return bytes(row)
    row = [*row, 0][: len(row) + len(row) % 2]
    return bytes(a << 4 | b for a, b in zip(row[::2], row[1::2], strict=True))


def _even(codes):
    return codes + b"\0" * (len(codes) % 2)


def icon(*pictures):
    """An icon of pictures: (side, bits that its entry claims, bytes)."""
    head, body = struct.pack("<HHH", 0, 1, len(pictures)), b""
    for side, bits, inside in pictures:
        place = 6 + 16 * len(pictures) + len(body)
        head += struct.pack("<BBBBHHII", side, side, 0, 0, 1, bits, len(inside), place)
        body += inside
    return head + body


def icon_bitmap(side, color, bits):
    """A bitmap of one colour for an icon, with a palette and a mask."""
    rows = side * ((side * bits + 31) // 32 * 4 + (side + 31) // 32 * 4)
    head = struct.pack("<IiiHHIIiiII", 40, side, 2 * side, 1, bits, 0, 0, 0, 0, 0, 0)
    palette = bytes((*ImageColor.getrgb(color)[::-1], 0)) + bytes(4 * (2**bits - 1))
    return head + palette + bytes(rows)
