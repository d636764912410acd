"""Second reading of PNG: only the pixels, without the other contents of a file.

imagecodecs decodes them by libpng. It writes a warning for each interlaced picture, so that the
passes of these are decoded one by one.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any, TypeAlias

import numpy as np

from pixelmill.verification.file_structure import png_chunks, png_of

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

#: Chunks of a PNG on which its pixels depend, without the pixels themselves.
_HEADS = (b"IHDR", b"PLTE", b"tRNS")

#: Number of channels by colour type (PNG 3rd edition, table 11.1).
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}

#: Passes of Adam7: first column and row, and steps to the next ones (PNG 3rd edition, 8.1).
_PASSES = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


def png_pixels(data: bytes) -> Array:
    """Decode the still picture of a PNG, with its transparent colour as alpha.

    Returns
    -------
    ndarray of shape (height, width) or (height, width, 2 to 4), uint8 or uint16
    """
    heads: dict[bytes, bytes] = {}
    parts = []
    for name, content in png_chunks(data):
        if name == b"IDAT":
            parts.append(content)
        elif name in _HEADS and not parts:
            heads.setdefault(name, content)  # of chunks that may stand once, the first counts
    return decoded(heads, b"".join(parts))


def decoded(heads: dict[bytes, bytes], data: bytes) -> Array:
    """Decode compressed pixels with the chunks ``IHDR``, ``PLTE`` and ``tRNS``."""
    import imagecodecs

    head = heads[b"IHDR"]
    if head[12] == 1:
        return _interlaced(heads, data)
    others = [(name, content) for name, content in heads.items() if name != b"IHDR"]
    chunks = [(b"IHDR", head), *others, (b"IDAT", data), (b"IEND", b"")]
    return np.asarray(imagecodecs.png_decode(png_of(chunks)))


def _interlaced(heads: dict[bytes, bytes], data: bytes) -> Array:
    width, height, depth, color = struct.unpack_from(">IIBB", heads[b"IHDR"])
    lines = zlib.decompressobj().decompress(data)
    whole: Array | None = None
    place = 0
    for left, top, across, down in _PASSES:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns <= 0 or rows <= 0:
            continue
        length = rows * (1 + (columns * depth * _CHANNELS[color] + 7) // 8)
        if place + length > len(lines):
            raise ValueError("PNG that was cut off")
        head = struct.pack(">II", columns, rows) + heads[b"IHDR"][8:12] + b"\0"
        coded = zlib.compress(lines[place : place + length], 0)
        part = decoded({**heads, b"IHDR": head}, coded)
        if whole is None:
            whole = np.empty((height, width, *part.shape[2:]), part.dtype)
        whole[top::down, left::across] = part
        place += length
    if whole is None:
        raise ValueError("PNG without pixels")
    return whole
