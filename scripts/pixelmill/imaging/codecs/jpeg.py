"""JPEG: decode files to arrays and encode arrays, without a Pillow image in between.

simplejpeg, if it is installed, decodes to the same pixels as Pillow, and OpenCV encodes to the same
bytes, because all three use libjpeg-turbo. The GIL is released once per file.
"""

from __future__ import annotations

import functools
import math
import re
import struct
from collections.abc import Callable
from typing import Any

from pixelmill.imaging.arrays import Array, as_bgr, kernel, opencv
from pixelmill.imaging.codecs.decoded import SizeHint
from pixelmill.imaging.parameters import Size

#: Factors by which libjpeg-turbo reduces a picture as it decodes it.
SCALES = (8, 4, 2, 1)

#: Markers (ITU-T T.81, table B.1): start of scan; end of image; all frames; frames in which a scan
#: of all channels is the only one; frames that all decoders support; and segments without
#: information about the picture: JFIF, tables and comments.
_START_OF_SCAN, _END = 0xDA, 0xD9
_ALL_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL = (0xC0, 0xC1, 0xC9)
_FRAMES = (0xC0, 0xC1, 0xC2)
_PLAIN = (0xE0, 0xDB, 0xC4, 0xDD, 0xFE)

#: Header of a frame after its length: bits per level, height, width, channels (T.81, B.2.2).
_FRAME = struct.Struct(">BHHB")

#: A marker that is followed by a segment, or the end marker. Between segments, decoders skip other
#: bytes; in the data of a scan, a byte of 0 follows what only looks like a marker.
_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")

_MODES = {1: "L", 3: "RGB"}

#: Channels that colours are decoded to: cykooz-resizer needs padding, the kernel does not.
_COLORS = "BGRA" if kernel is None else "BGR"


@functools.cache
def turbo() -> Any:
    """Import simplejpeg, and NumPy with it; None if it is not installed."""
    try:
        import simplejpeg
    except ImportError:
        return None
    return simplejpeg


def is_exact(data: bytes) -> bool:
    """Return whether a JPEG decodes without a warning, such as one of bytes that are not read.

    Without simplejpeg, which tells of them, every JPEG is taken for exact.
    """
    library = turbo()
    if library is None:
        return True
    try:
        library.decode_jpeg(data, strict=True)
    except ValueError:
        return False
    return True


def header(data: bytes) -> tuple[str, Size, bool] | None:
    """Read the header of a plain JPEG, one that holds nothing but its pixels.

    Returns
    -------
    mode : str
    size : tuple of int
        Width and height in pixels, as stored.
    lone : bool
        Whether the file has only one scan.

    None is returned instead for all other files: those with EXIF, a profile, several pictures or
    four colours, and those that are not JPEGs. They are opened with Pillow.
    """
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    place, found, sequential, channels = 2, None, False, 0
    while place + 9 < len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == _START_OF_SCAN:
            if found is None:
                return None
            return *found, sequential and data[place + 4] == channels
        if marker in _FRAMES and not found:
            depth, height, width, channels = _FRAME.unpack_from(data, place + 4)
            mode = _MODES.get(channels)
            if depth != 8 or not height or not width or mode is None:
                return None
            found, sequential = (mode, (width, height)), marker in _SEQUENTIAL
        elif marker not in _PLAIN:
            return None
        place += 2 + (data[place + 2] << 8 | data[place + 3])
    return None


def scans(data: bytes, most: int) -> int:
    """Count the scans of the first image in a JPEG; counting stops after `most` + 1.

    Decoders process the whole picture for each scan, even for one without data. Counting takes
    some microseconds for a single scan, otherwise 2 ms per MB.

    Examples
    --------
    >>> scans(bytes.fromhex("ffd8 ffc0000b 08 0001 0001 01 011100 ffda0008 01 0100 003f00 00"), 9)
    1
    """
    place, found, channels, sequential = 2, 0, b"", False
    while match := _MARKER.search(data, place):
        marker, place = match[1][0], match.end()
        if marker == _END:
            break
        if marker == _START_OF_SCAN:
            found += 1
            if found > most or (sequential and data[place + 2 : place + 3] == channels):
                break
        elif marker in _ALL_FRAMES:
            channels, sequential = data[place + 7 : place + 8], marker in _SEQUENTIAL
        place += int.from_bytes(data[place : place + 2], "big")
    return found


#: The marker that states the number of lines (T.81, B.2.5), and its length.
_LINES = b"\xff\xdc\0\4"

#: Coding processes that few decoders support, by the marker of their frame (T.81, table B.1).
_RARE = {
    0xC3: "lossless",
    0xC5: "hierarchical",
    0xC6: "hierarchical",
    0xC7: "hierarchical",
    0xC9: "arithmetic coding",
    0xCA: "arithmetic coding",
    0xCB: "lossless",
    0xCD: "hierarchical",
    0xCE: "hierarchical",
    0xCF: "hierarchical",
}


def rare_process(data: bytes) -> str | None:
    """Name the coding process of a JPEG, if it is one that a decoder may not support.

    A depth that the process does not have (T.81, table B.2) is damage, not a process.

    Examples
    --------
    >>> rare_process(bytes.fromhex("ffd8 ffc3000b 08 0001 0001 01 011100"))
    'JPEG of the process lossless, 8 bits a level'
    """
    place = 2
    while match := _MARKER.search(data, place):
        marker, place = match[1][0], match.end()
        if marker in _ALL_FRAMES:
            bits = int.from_bytes(data[place + 2 : place + 3], "big")
            process = _RARE.get(marker, "sequential" if marker < 0xC2 else "progressive")
            if data[place + 3 : place + 5] == b"\0\0" and _LINES in data:
                return "JPEG whose height follows its pixels (DNL)"
            possible = range(2, 17) if process == "lossless" else (8, 12)
            if bits in possible and (marker in _RARE or bits != 8):
                return f"JPEG of the process {process}, {bits} bits a level"
            return None
        if marker in (_START_OF_SCAN, _END):
            return None
        place += int.from_bytes(data[place : place + 2], "big")
    return None


def scale_for(full: Size, size_hint: SizeHint | None, margin: float, swapped: bool = False) -> int:
    """Factor by which a JPEG may be reduced as it is decoded without a visible difference.

    Parameters
    ----------
    full : tuple of int
        Width and height as stored.
    size_hint : callable or None
        Returns the size that the upright picture will be scaled to.
    margin : float
        How many times larger than that the result must be; 0 always decodes at full size.
    swapped : bool
        Whether the picture will be rotated by 90 degrees.

    Examples
    --------
    >>> scale_for((1000, 800), lambda size: (250, 100), margin=1.0)
    4
    >>> scale_for((1000, 800), lambda size: (250, 100), margin=1.1)
    2
    """
    if size_hint is None or not margin:
        return 1
    width, height = size_hint((full[1], full[0]) if swapped else full)
    across, down = (
        (height * margin, width * margin) if swapped else (width * margin, height * margin)
    )
    if full[0] < 2 * across or full[1] < 2 * down:
        return 1  # the case of most small pictures
    fits = min(full[0] // max(1, math.ceil(across)), full[1] // max(1, math.ceil(down)))
    for scale in SCALES:
        if scale <= fits:
            return scale
    return 1


def region(full: Size, scale: int) -> tuple[float, float, float, float] | None:
    """Region of a reduced decode that holds the picture; None if that is all of it.

    Examples
    --------
    >>> region((1001, 800), 4), region((1000, 800), 4)
    ((0.0, 0.0, 250.25, 200.0), None)
    """
    if full[0] % scale == full[1] % scale == 0:
        return None
    return (0.0, 0.0, full[0] / scale, full[1] / scale)


def decode(data: bytes, mode: str, full: Size, scale: int) -> Array | None:
    """Decode a JPEG to an array with the pixels that Pillow gives.

    Parameters
    ----------
    data : bytes
        The file.
    mode : {"RGB", "L"}
    full : tuple of int
        Width and height as stored.
    scale : int
        Factor by which the picture is reduced; one of `SCALES`. Sides are rounded up.

    Returns
    -------
    ndarray or None
        Padded, unless there is a kernel. None if the file must be opened with Pillow.
    """
    library = turbo()
    if library is None:
        return None
    size, least = full, {}
    if scale > 1:
        size = math.ceil(full[0] / scale), math.ceil(full[1] / scale)
        least = {"min_width": size[0], "min_height": size[1], "min_factor": scale}
    order = "GRAY" if mode == "L" else _COLORS
    try:
        made = library.decode_jpeg(data, order, **least)
    except ValueError:  # the file is broken, or of an unsupported kind
        return None
    if made.shape[1::-1] != size:
        return None
    array: Array = made[..., 0] if mode == "L" else made[..., :3]
    return array


def encoder(
    quality: int, subsampling: str, progressive: bool, optimize: bool
) -> Callable[[Array], bytes]:
    """Return a function that encodes arrays with the options of a recipe.

    The function raises ValueError if OpenCV cannot encode an array.
    """
    cv2 = opencv()
    factor = f"IMWRITE_JPEG_SAMPLING_FACTOR_{subsampling.replace(':', '')}"
    options = (
        cv2.IMWRITE_JPEG_QUALITY, quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, getattr(cv2, factor),
        cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive),
        cv2.IMWRITE_JPEG_OPTIMIZE, int(optimize),
    )  # fmt: skip

    def encode(array: Array) -> bytes:
        done, data = cv2.imencode(".jpg", as_bgr(array), options)
        if not done:
            rows, columns = array.shape[:2]
            raise ValueError(f"OpenCV cannot encode {columns}x{rows} pixels")
        return bytes(data)

    return encode
