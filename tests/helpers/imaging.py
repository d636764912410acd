"""Build images, and read them with other programs, for several tests."""

import io
import math
import shutil
import struct
import subprocess
import zlib

import numpy as np
import pytest
from PIL import Image

from pixelmill.imaging.arrays import array_of, as_bgra
from pixelmill.imaging.codecs.formats import SNIFF_BYTES, dimensions, sniff


def imagemagick():
    """Path of ImageMagick 7 or 6; None if the program of that name is another one."""
    for path in filter(None, map(shutil.which, ("magick", "convert"))):
        version = subprocess.run([path, "-version"], capture_output=True, check=False).stdout
        if b"ImageMagick" in version:
            return path
    return None


MAGICK = imagemagick()


def needs_magick(test):
    """Mark a test as slow, because it needs a program other than Python."""
    without = pytest.mark.skipif(MAGICK is None, reason="ImageMagick is not installed")
    return pytest.mark.slow(without(test))


def psnr(a, b):
    """Peak signal-to-noise ratio of two pictures of the same shape, in dB."""
    a, b = np.asarray(a).astype(float), np.asarray(b).astype(float)
    assert a.shape == b.shape
    error = np.mean((a - b) ** 2)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def same(a, b):
    """Whether two pictures have the same mode, size and pixels."""
    return (a.mode, a.size, a.tobytes()) == (b.mode, b.size, b.tobytes())


def opened(data):
    """Picture in the bytes of a file, loaded."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def claimed_size(data):
    """Width and height that the header of a file states; (0, 0) if it states none."""
    head = data[:SNIFF_BYTES]
    return dimensions(io.BytesIO(data), head, sniff(head))


def chunk(name, data):
    """A chunk of a PNG (PNG 3rd edition, 5.3)."""
    checked = name + data
    return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))


def png(width, height, depth, color, rows, extra=b""):
    """Build a PNG that Pillow does not write. Rows are bytes without their filter."""
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", head) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def transparent(*levels):
    """The chunk of the transparent colour, with 16 bits per channel."""
    return chunk(b"tRNS", words(*levels))


def words(*values):
    """Numbers of 16 bits, as PNG stores them."""
    return struct.pack(f">{len(values)}H", *values)


def magick(data, *options, to="png"):
    """Convert an image file with ImageMagick, and return the bytes of the result."""
    done = subprocess.run(
        [MAGICK, "-", *options, f"{to}:-"], input=data, capture_output=True, check=True
    )
    return done.stdout


#: Colorants of Adobe RGB (1998) relative to D50: red, green and blue, each as X, Y, Z.
ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))

#: White of the profiles' connection space (ICC.1:2022, 7.2.16).
D50 = (0.9642, 1.0, 0.8249)


def icc_profile(colorants, gamma, black=0.0):
    """Build an ICC profile of version 2: three colorants and a power, or grey without colorants.

    The darkest level may be so bright, as a part of white.
    """
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    if black:
        levels = [black + (1 - black) * (k / 255) ** gamma for k in range(256)]
        curve = b"curv\0\0\0\0" + struct.pack(">I256H", 256, *(round(v * 65535) for v in levels))
    tags = {}
    for channel, colorant in zip((b"r", b"g", b"b"), colorants, strict=False):
        tags[channel + b"XYZ"], tags[channel + b"TRC"] = _xyz(colorant), curve
    if colorants:
        return _profile(b"RGB ", b"XYZ ", tags)
    return _profile(b"GRAY", b"XYZ ", {b"kTRC": curve})


def ink_profile(corners):
    """Build an ICC profile for CMYK: Lab of all 16 mixtures of full inks, K changing fastest."""
    identity = bytes(range(256))
    lab = [(L * 2.55, a + 128, b + 128) for L, a, b in corners]
    table = (
        b"mft1\0\0\0\0" + bytes([4, 3, 2, 0])
        + struct.pack(">9i", *(65536 * (k % 4 == 0) for k in range(9)))
        + identity * 4 + bytes(round(level) for color in lab for level in color) + identity * 3
    )  # fmt: skip
    return _profile(b"CMYK", b"Lab ", {b"A2B0": table})


def _profile(space, connection, tags):
    name = b"by hand\0"
    described = b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + bytes(78)
    tags = {b"desc": described, b"cprt": b"text\0\0\0\0none\0", b"wtpt": _xyz(D50), **tags}
    table, body = struct.pack(">I", len(tags)), b""
    for tag, content in tags.items():
        place = 128 + 4 + 12 * len(tags) + len(body)
        table += tag + struct.pack(">II", place, len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(
        ">I4sI4s4s4s12s4s28x3i48x", 132 + 12 * len(tags) + len(body), b"", 0x02400000,
        b"prtr" if space == b"CMYK" else b"mntr", space, connection, bytes(12), b"acsp",
        *(round(v * 65536) for v in D50),
    )  # fmt: skip
    return head + table + body


def _xyz(values):
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in values))


#: Types of a TIFF's fields (TIFF 6.0, page 15): letters of `struct`, and bytes of one value.
_FIELDS = {
    "byte": (1, "s", 1),
    "ascii": (2, "s", 1),
    "short": (3, "H", 2),
    "long": (4, "I", 4),
    "rational": (5, "II", 8),
    "undefined": (7, "s", 1),
}


def exif_block(main, camera=(), gps=(), thumbnail=b""):
    """Build an EXIF block with fields that Pillow does not write, and optionally a thumbnail.

    Fields are tuples of tag, type and value; rationals are lists of pairs, bytes and what is
    undefined are given as bytes.
    """
    tables = [list(main), list(camera), list(gps), []]
    if thumbnail:
        tables[3] = [(0x0103, "short", 6), (0x0201, "long", 0), (0x0202, "long", len(thumbnail))]
    # The start of each table, which depends only on the sizes of the tables.
    tables[0] += [(0x8769, "long", 0)] if camera else []
    tables[0] += [(0x8825, "long", 0)] if gps else []
    places, end = [], 8
    for table in tables:
        places.append(end)
        end += 2 + 12 * len(table) + 4 + sum(len(_outside(entry)) for entry in table)
    pointers = {0x8769: places[1], 0x8825: places[2], 0x0201: end}
    block = b"Exif\0\0II*\0" + struct.pack("<I", 8)
    for number, table in enumerate(tables):
        entries, outside = b"", b""
        for tag, kind, value in sorted(table):
            entry = (tag, kind, pointers.get(tag, value))
            beyond = _outside(entry)
            place = places[number] + 2 + 12 * len(table) + 4 + len(outside)
            content = struct.pack("<I", place) if beyond else _packed(entry).ljust(4, b"\0")
            code, _, size = _FIELDS[kind]
            entries += struct.pack("<HHI", tag, code, len(_packed(entry)) // size) + content
            outside += beyond
        following = places[3] if number == 0 and thumbnail else 0
        block += struct.pack("<H", len(table)) + entries + struct.pack("<I", following) + outside
    return block + thumbnail


def _packed(entry):
    _, kind, value = entry
    if kind == "ascii":
        return value.encode() + b"\0"
    if isinstance(value, bytes):
        return value
    values = value if isinstance(value, list) else [value]
    values = [v for pair in values for v in (pair if isinstance(pair, tuple) else (pair,))]
    return struct.pack(f"<{len(values)}{_FIELDS[kind][1][0]}", *values)


def _outside(entry):
    """The part of a field that is outside its table, at an even offset."""
    packed = _packed(entry)
    return packed + bytes(len(packed) % 2) if len(packed) > 4 else b""


def arrays_of(image):
    """The array of an image: without padding and, if it is in colour, with padding too."""
    array = array_of(image)
    return [array] if array.ndim == 2 else [array, as_bgra(array)[..., :3]]
