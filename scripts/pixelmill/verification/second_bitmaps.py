"""Second reading of simple bitmaps: BMP, PNM and ICO.

imagecodecs decodes BMP without compression; the run lengths of BMP, PNM and the structure of
ICO are read here: no other library of those that are installed knows them all.
"""

from __future__ import annotations

import struct
from typing import Any, TypeAlias

import numpy as np

from pixelmill.verification.file_structure import kind_of
from pixelmill.verification.second_png import png_pixels
from pixelmill.verification.second_samples import Samples, UndecodableError

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

#: Values of a BMP's compression (Windows GDI, ``BITMAPINFOHEADER``).
_RLE8, _RLE4, _BIT_FIELDS, _ALPHA_BIT_FIELDS = 1, 2, 3, 6


def bmp(data: bytes) -> Samples:
    """Decode a BMP."""
    import imagecodecs

    data = _with_windows_header(data)
    (compression,) = struct.unpack_from("<I", data, 30)
    if compression in (_RLE8, _RLE4):
        return Samples(_run_lengths(data), "rgb")
    if compression in (_BIT_FIELDS, _ALPHA_BIT_FIELDS):
        found = samples_of(_bit_fields(data))
    else:
        found = samples_of(imagecodecs.bmp_decode(data))
    if found.alpha and not found.levels[..., -1].any():
        # Writers that mean no transparency leave alpha at zero.
        return Samples(np.ascontiguousarray(found.levels[..., :-1]), found.space)
    return found


def _with_windows_header(data: bytes) -> bytes:
    """Convert the header and the palette of a BMP of OS/2 1 to those of Windows."""
    start, head = struct.unpack_from("<II", data, 10)
    if head != 12:
        return data
    width, height, planes, bits = struct.unpack_from("<HhHH", data, 18)
    colors = 1 << bits if bits <= 8 else 0  # some may be beyond the beginning of the pixels
    palette = b"".join(data[26 + 3 * k : 29 + 3 * k] + b"\0" for k in range(colors))
    pixels = data[start:]
    windows = struct.pack("<IiiHHIIiiII", 40, width, height, planes, bits, 0, 0, 0, 0, colors, 0)
    start = 54 + len(palette)
    return b"".join(
        [struct.pack("<2sIHHI", b"BM", start + len(pixels), 0, 0, start), windows, palette, pixels]
    )


def _bit_fields(data: bytes) -> Array:
    """Decode a BMP whose pixels are words, with a mask for each channel.

    imagecodecs 2026.3.6 takes masks of 32 bits for those of whole bytes.
    """
    start, head, width, height = struct.unpack_from("<IIii", data, 10)
    bits, compression = struct.unpack_from("<HI", data, 28)
    count = 4 if head >= 56 or compression == _ALPHA_BIT_FIELDS else 3
    masks = [mask for mask in struct.unpack_from(f"<{count}I", data, 54) if mask]
    rows, stride = abs(height), (width * bits + 31) // 32 * 4
    lines = np.frombuffer(data, np.uint8, stride * rows, start).reshape(rows, stride)
    words = np.ascontiguousarray(lines[:, : width * bits // 8]).view("<u2" if bits == 16 else "<u4")
    channels = []
    for mask in masks:
        shift = (mask & -mask).bit_length() - 1
        channels.append(scaled((words & mask) >> shift, mask >> shift, 255))
    picture = np.stack(channels, axis=-1)
    return np.ascontiguousarray(picture[::-1] if height > 0 else picture)


def _run_lengths(data: bytes) -> Array:
    """Decode a BMP with run-length encoding (Windows GDI, "Bitmap compression").

    Pixels that are skipped have the first colour of the palette.
    """
    start, head, width, height = struct.unpack_from("<IIii", data, 10)
    bits, compression = struct.unpack_from("<HI", data, 28)
    used = struct.unpack_from("<I", data, 46)[0] or 1 << bits
    palette = np.zeros((256, 3), np.uint8)
    stored = np.frombuffer(data, np.uint8, 4 * min(used, 256), 14 + head).reshape(-1, 4)
    palette[: len(stored)] = stored[:, 2::-1]
    nibbles = compression == _RLE4
    indices = np.zeros((height, width), np.uint8)
    x = y = 0
    place = start
    while place + 1 < len(data) and y < height:
        count, value = data[place], data[place + 1]
        place += 2
        if count:
            pair = (value >> 4, value & 15) if nibbles else (value, value)
            run = np.resize(np.asarray(pair, np.uint8), count)
        elif value == 0:
            x, y = 0, y + 1
            continue
        elif value == 1:
            break
        elif value == 2:
            x, y = x + data[place], y + data[place + 1]
            place += 2
            continue
        else:
            length = (value + 1) // 2 if nibbles else value
            run = np.frombuffer(data, np.uint8, length, place)
            if nibbles:
                run = np.stack([run >> 4, run & 15], axis=1).reshape(-1)[:value]
            place += length + length % 2
        if x + len(run) > width:
            raise UndecodableError("BMP with a run beyond the end of its row")
        indices[y, x : x + len(run)] = run
        x += len(run)
    return np.ascontiguousarray(palette[indices[::-1]])


def pnm(data: bytes) -> Samples:
    """Read PBM, PGM or PPM, plain or raw (manual pages of the netpbm formats)."""
    kind = data[1:2]
    (width, height, full), place = pnm_header(data)
    channels = 3 if kind in b"36" else 1
    count = width * height * channels
    if kind == b"1":
        digits = bytes(byte for byte in data[place:] if byte in b"01")[:count]
        levels = 1 - (np.frombuffer(digits, np.uint8) - ord("0"))
    elif kind in b"23":
        levels = np.asarray(data[place:].split()[:count], dtype=np.uint32)
    elif kind == b"4":
        packed = np.frombuffer(data, np.uint8, height * ((width + 7) // 8), place + 1)
        levels = 1 - np.unpackbits(packed.reshape(height, -1), axis=1)[:, :width]
    else:
        wide = np.dtype(">u2" if full > 255 else np.uint8)
        levels = np.frombuffer(data, wide, count, place + 1)
    levels = levels.reshape(height, width, channels).astype(np.uint32)
    return samples_of(scaled(levels, full))


def pnm_header(data: bytes) -> tuple[tuple[int, int, int], int]:
    """Return width, height and white of a PNM, and the position where its header ends."""
    fields: list[int] = []
    place = 2
    while len(fields) < (2 if data[1:2] in b"14" else 3):
        while data[place : place + 1].isspace():
            place += 1
        if data[place : place + 1] == b"#":
            place = data.index(b"\n", place)
            continue
        end = place
        while data[end : end + 1].isdigit():
            end += 1
        fields.append(int(data[place:end]))
        place = end
    width, height, full = (*fields, 1)[:3]
    return (width, height, full), place


def scaled(array: Array, full: int, white: int = 0) -> Array:
    """Scale 0 to `full` to a white of 255 or 65535; by default the smallest that suffices."""
    white = white or (65535 if full > 255 else 255)
    found = (array.astype(np.uint64) * white + full // 2) // full
    return found.astype(np.uint8 if white == 255 else np.uint16)


def ico(data: bytes) -> Samples:
    """Read the largest picture of an icon, and among those the deepest."""
    inside = largest_icon(data)
    if kind_of(inside) == "png":
        return samples_of(png_pixels(inside))
    return _icon_bitmap(inside)


def largest_icon(data: bytes) -> bytes:
    """Return the file of the largest picture of an icon, and among those the deepest."""
    (count,) = struct.unpack_from("<H", data, 4)
    entries = [struct.unpack_from("<BBBBHHII", data, 6 + 16 * k) for k in range(count)]

    def rank(entry: tuple[int, ...]) -> tuple[int, int, int]:
        width, height, _, _, _, stated, _, place = entry
        (bits,) = struct.unpack_from("<H", data, place + 14)
        if kind_of(data[place:]) == "png":
            depth, color = data[place + 24 : place + 26]
            bits = depth * (1, 1, 3, 1, 2, 1, 4)[color]
        return (width or 256) * (height or 256), bits, stated

    best = max(entries, key=rank)
    inside = data[best[7] :]  # entries of bitmaps often state another length
    return inside[: best[6]] if kind_of(inside) == "png" else inside


def _icon_bitmap(inside: bytes) -> Samples:
    """Read a bitmap of an icon: twice as high, with a mask of transparency below."""
    head, width, height, _, bits = struct.unpack_from("<IiiHH", inside)
    height //= 2
    used = struct.unpack_from("<I", inside, 32)[0]
    colors = (used or 1 << bits) if bits <= 8 else 0
    (compression,) = struct.unpack_from("<I", inside, 16)
    fields = 12 if compression == _BIT_FIELDS and head == 40 else 0
    start = head + fields + 4 * colors
    stride = (width * bits + 31) // 32 * 4
    end = start + stride * height
    file_head = struct.pack("<2sIHHI", b"BM", 14 + end, 0, 0, 14 + start)
    # The height, and a size of the data that the decoder computes itself.
    halved = inside[:8] + struct.pack("<i", height) + inside[12:20] + bytes(4) + inside[24:end]
    color = bmp(file_head + halved)
    if color.alpha:
        return color
    levels = _colored(color.levels[..., :1] if color.space == "gray" else color.levels[..., :3])
    raw = np.frombuffer(inside, np.uint8, stride * height, start)
    # Alpha that is 0 everywhere means that there is only a mask.
    if bits == 32 and compression == 0 and raw[3::4].any():
        alpha = raw.reshape(height, width, 4)[::-1, :, 3]
        return Samples(np.dstack([levels, alpha]), "rgb", alpha=True)
    rest = (width + 31) // 32 * 4
    mask = np.frombuffer(inside, np.uint8, rest * height, start + stride * height)
    clear = np.unpackbits(mask.reshape(height, rest), axis=1)[::-1, :width]
    return Samples(np.dstack([levels, (1 - clear) * 255]).astype(np.uint8), "rgb", alpha=True)


def _colored(array: Array) -> Array:
    return np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array


def with_channels(array: Any) -> Array:
    """Add an axis of channels if there is none."""
    array = np.asarray(array)
    return np.asarray(array[..., None] if array.ndim == 2 else array)


def samples_of(array: Any) -> Samples:
    """Interpret one to four channels according to their number."""
    array = with_channels(array)
    channels = array.shape[2]
    return Samples(array, "gray" if channels < 3 else "rgb", alpha=channels in (2, 4))
