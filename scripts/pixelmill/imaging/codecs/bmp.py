"""BMP: the bitmaps that Pillow reads wrongly or not at all.

These are bitmaps with run-length encoding, with channels in bit fields, and with palettes of fewer
colours than the depth allows. The layout is that of Microsoft's BITMAPINFOHEADER to BITMAPV5HEADER
("Bitmap Storage", "Bitmap Compression") and of the headers of OS/2 with 12, 16 and 64 bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from PIL import Image

from pixelmill.core.errors import ImageError
from pixelmill.imaging.arrays import AnyArray
from pixelmill.imaging.codecs.decoded import Frame, Source
from pixelmill.imaging.parameters import Size

_FILE_HEADER = 14
_OS2_V1, _OS2_V2_SHORT, _OS2_V2, _WINDOWS, _WITH_MASKS, _WITH_ALPHA = 12, 16, 64, 40, 52, 56

#: Values of the field for the compression.
_RAW, _RLE8, _RLE4, _BIT_FIELDS, _ALPHA_BIT_FIELDS = 0, 1, 2, 3, 6

_COMPRESSIONS = {4: "JPEG", 5: "PNG", 11: "CMYK", 12: "CMYK, RLE8", 13: "CMYK, RLE4"}

#: Masks for 16 and 32 bits if a file has none: 5 and 8 bits per channel.
_MASKS = {16: (0x7C00, 0x3E0, 0x1F, 0), 32: (0xFF0000, 0xFF00, 0xFF, 0)}

#: Escape codes of run-length encoding, after a count of 0.
_END_OF_LINE, _END_OF_BITMAP, _DELTA = 0, 1, 2


@dataclass(frozen=True)
class Header:
    """The header of a bitmap.

    Attributes
    ----------
    size : tuple of int
        Width and height in pixels.
    top_down : bool
        Whether the first row is the uppermost one.
    bits : int
        Bits per pixel.
    compression : int
    palette : bytes
        Blue, green and red of each colour, in `entry` bytes; empty if there is no palette.
    entry : int
    masks : tuple of int
        Masks of red, green, blue and alpha.
    start : int
        Offset of the pixels.
    """

    size: Size
    top_down: bool
    bits: int
    compression: int
    palette: bytes
    entry: int
    masks: tuple[int, int, int, int]
    start: int


def source(data: bytes) -> Source | None:
    """Open a bitmap; None if Pillow reads this kind correctly, or reports what is wrong.

    Raises
    ------
    ImageError
        If the kind is known, but cannot be decoded.
    """
    found = header(data)
    return None if found is None else Source(found.size, lambda: [Frame(decode(data, found))])


def header(data: bytes, every: bool = False) -> Header | None:
    """Read the header of a bitmap; None if Pillow reads this kind, or reports what is wrong.

    Parameters
    ----------
    data : bytes
        The file.
    every : bool
        Whether kinds that Pillow reads correctly are read too.

    Raises
    ------
    ImageError
        If the kind is known, but cannot be decoded.
    """
    try:
        return _header(data, every)
    except struct.error as error:
        raise ImageError("decode", "truncated", "BMP: the file ends within its header") from error


def _header(data: bytes, every: bool) -> Header | None:
    start, length = struct.unpack_from("<10xII", data)
    colors, compression = 0, _RAW
    if length == _OS2_V1:
        width, height, bits = struct.unpack_from("<HHxxH", data, 18)
    else:
        width, height, bits = struct.unpack_from("<iixxH", data, 18)
    if length >= _WINDOWS:
        compression, colors = struct.unpack_from("<I12xI", data, 30)
    masks, behind = (0, 0, 0, 0), _FILE_HEADER + length
    if compression in (_BIT_FIELDS, _ALPHA_BIT_FIELDS):
        has_alpha = length >= _WITH_ALPHA or compression == _ALPHA_BIT_FIELDS
        found = struct.unpack_from("<4I" if has_alpha else "<3I", data, _FILE_HEADER + _WINDOWS)
        masks = (*found[:3], found[3] if has_alpha else 0)
        if length < _WITH_MASKS:
            behind += 4 * len(found)
    kind = f"BMP of {bits} bits a pixel"
    if length == _OS2_V2 and compression in (3, 4):
        name = "Huffman 1D" if compression == 3 else "RLE24"
        raise _unsupported(f"{kind}, compression {name} of OS/2")
    if compression in _COMPRESSIONS:
        raise _unsupported(f"{kind}, compression {_COMPRESSIONS[compression]}")
    if bits == 64:
        raise _unsupported(kind)
    # Pillow moves pixels that begin where the palette begins behind it; other decoders do not.
    moved = bits <= 8 and start == _FILE_HEADER + length
    by_pillow = _pillow_reads(length, bits, compression, colors) and not moved
    if (by_pillow and not every) or width <= 0 or height == 0:
        return None
    possible = {_RAW: (1, 2, 4, 8, 16, 24, 32), _RLE8: (8,), _RLE4: (4,)}
    if bits not in possible.get(compression, (16, 24, 32)):
        raise _unsupported(f"{kind}, compression {compression}")
    if not any(masks[:3]):
        masks = _MASKS.get(bits, masks)
    entry = 3 if length == _OS2_V1 else 4
    count = min(colors or 1 << bits, 1 << bits) if bits <= 8 else 0
    start = start or behind + count * entry
    return Header(
        size=(width, abs(height)),
        top_down=height < 0,
        bits=bits,
        compression=compression,
        palette=data[behind : behind + count * entry],  # it may reach into the pixels
        entry=entry,
        masks=masks,
        start=start,
    )


def _pillow_reads(length: int, bits: int, compression: int, colors: int) -> bool:
    """Whether Pillow is known to read such a bitmap correctly."""
    if compression != _RAW or length == _OS2_V2_SHORT:
        return False
    # Pillow treats a palette of black and white as one bit per pixel, at any depth.
    return bits in (24, 32) or (bits in (1, 8) and colors in (0, 1 << bits))


def decode(data: bytes, header: Header) -> Image.Image:
    """Decode a bitmap to an image in mode L, RGB or RGBA.

    Pixels that run-length encoding skips get the first colour of the palette.

    Raises
    ------
    ImageError
        If the file ends before the bitmap does.
    """
    import numpy as np

    if header.compression in (_RLE8, _RLE4):
        rows = _unpacked(data[header.start :], header)
    else:
        rows = _rows(data, header)
    if not header.top_down:
        rows = rows[::-1]
    if header.bits == 24:
        colors = rows[..., ::-1]
    elif header.bits > 8:
        colors = _channels(rows, header.masks)
    else:
        table = np.zeros((256, 3), np.uint8)
        usable = len(header.palette) // header.entry * header.entry
        palette = np.frombuffer(header.palette[:usable], np.uint8).reshape(-1, header.entry)
        table[: len(palette)] = palette[:, 2::-1]
        colors = table[rows]
        if (table == table[:, :1]).all():
            colors = colors[..., 0]
    return Image.fromarray(np.ascontiguousarray(colors))


def _rows(data: bytes, header: Header) -> AnyArray:
    """Rows as stored: an index, a number, or blue, green and red for each pixel."""
    import numpy as np

    (width, height), bits = header.size, header.bits
    stride = (width * bits + 31) // 32 * 4
    if len(data) < header.start + stride * height:
        missing = header.start + stride * height - len(data)
        message = f"BMP: {missing:,} bytes of its pixels are missing"
        raise ImageError("decode", "truncated", message)
    stored = np.frombuffer(data, np.uint8, stride * height, header.start).reshape(height, stride)
    if bits == 24:
        return stored[:, : width * 3].reshape(height, width, 3)
    if bits > 8:
        return stored.view(f"<u{bits // 8}")[:, :width]
    if bits == 8:
        return stored[:, :width]
    split = np.unpackbits(stored, axis=1).reshape(height, -1, bits)
    weights = 1 << np.arange(bits - 1, -1, -1, dtype=np.uint8)
    return np.asarray((split * weights).sum(axis=2, dtype=np.uint8)[:, :width])


def _channels(numbers: AnyArray, masks: tuple[int, int, int, int]) -> AnyArray:
    """Extract channels of 8 bits from numbers; alpha that is 0 everywhere is ignored."""
    import numpy as np

    channels = []
    for mask in masks:
        shift = (mask & -mask).bit_length() - 1 if mask else 0
        most = mask >> shift
        if most & (most + 1):
            raise _unsupported(f"BMP with the bit field {mask:#x}")
        levels = ((numbers & mask) >> shift).astype(np.float64)
        channels.append(np.rint(levels * 255 / max(1, most)).astype(np.uint8))
    return np.dstack(channels if channels[3].any() else channels[:3])


def _unpacked(packed: bytes, header: Header) -> AnyArray:
    """Undo run-length encoding; returns an index for each pixel, in the order of the file."""
    import numpy as np

    width, height = header.size
    four = header.compression == _RLE4
    rows = bytearray(width * height)
    x = y = place = 0
    while y < height:
        code = packed[place : place + 2]
        if len(code) < 2 and x >= width and y == height - 1:
            break  # only the end marker is missing
        count, value = _pair(code)
        place += 2
        if count:
            run = _nibbles(code[1:]) * (count + 1 >> 1) if four else code[1:] * count
            indices = run[:count]
        elif value == _END_OF_LINE:
            x, y = 0, y + 1
            continue
        elif value == _END_OF_BITMAP:
            break
        elif value == _DELTA:
            right, up = _pair(packed[place : place + 2])
            x, y, place = x + right, y + up, place + 2
            continue
        else:
            length = value + 1 >> 1 if four else value
            stored = packed[place : place + length]
            if len(stored) < length:
                raise _truncated()
            place += length + (length & 1)  # the next code begins at an even offset
            indices = (_nibbles(stored) if four else stored)[:value]
        fitting = indices[: max(0, width - x)]
        rows[y * width + x : y * width + x + len(fitting)] = fitting
        x += len(indices)
    return np.frombuffer(rows, np.uint8).reshape(height, width)


def _pair(stored: bytes) -> tuple[int, int]:
    if len(stored) < 2:
        raise _truncated()
    return stored[0], stored[1]


def _nibbles(stored: bytes) -> bytes:
    return bytes(half for byte in stored for half in (byte >> 4, byte & 15))


def _truncated() -> ImageError:
    return ImageError("decode", "truncated", "BMP: the file ends before its last row")


def _unsupported(kind: str) -> ImageError:
    return ImageError("decode", "unsupported", f"it cannot be decoded here: {kind}")
