"""JPEG between files and levels: by libjpeg-turbo, as Pillow does it, but without an image.

Where simplejpeg is installed it decodes; OpenCV encodes to the very bytes of Pillow. Both
let go of the GIL, once for each file, and nothing is copied to or from an image.
"""

from __future__ import annotations

import functools
import math
import re
import struct
from collections.abc import Callable
from typing import Any

from pixelmill.imaging.arrays import kernel, opencv, packed
from pixelmill.imaging.codecs.decoded import SizeHint
from pixelmill.imaging.parameters import Size

#: How many times smaller libjpeg-turbo decodes fast.
SCALES = (8, 4, 2, 1)

#: Markers (ITU-T T.81, table B.1): the first of a scan; the last of all; frames that all
#: decoders know; those in which a scan of all channels is the only one; and what says nothing
#: of the picture: JFIF's own, tables, and remarks.
_START_OF_SCAN, _END = 0xDA, 0xD9
_ALL_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL = (0xC0, 0xC1, 0xC9)
_FRAMES = (0xC0, 0xC1, 0xC2)
_PLAIN = (0xE0, 0xDB, 0xC4, 0xDD, 0xFE)

#: Head of a frame behind its length: bits a level, height, width, channels (T.81, B.2.2).
_FRAME = struct.Struct(">BHHB")

#: A marker behind which a segment follows, or the end: between segments decoders skip what
#: is none, and in the data of a scan, 0 follows on what only looks like one.
_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")

_MODES = {1: "L", 3: "RGB"}

#: What colours are decoded to: the kernel takes them as they are, cykooz-resizer padded.
_COLORS = "BGRA" if kernel is None else "BGR"


@functools.cache
def turbo() -> Any:
    """Import simplejpeg, and NumPy with it; None if it has no wheel for this machine."""
    try:
        import simplejpeg
    except ImportError:
        return None
    return simplejpeg


def header(data: bytes) -> tuple[str, Size, bool] | None:
    """Mode, size as stored, and whether one scan is all, of a JPEG that bears but its pixels.

    None for all others, of which Pillow has more to say: with EXIF, a profile, several
    pictures or four colours, and what is none.
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
    """Count the scans of the first image in a JPEG, no further than one beyond `most`.

    Decoders pass over the whole picture for each, even if there are no data in it. Takes
    some microseconds where one scan is all there is, else 2 ms for 1 MB.

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


#: The marker that tells the number of lines (T.81, B.2.5), and its length.
_LINES = b"\xff\xdc\0\4"

#: Processes that few decoders know, by the marker of their frame (T.81, table B.1).
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
    """Name the process of a JPEG in words, if it is one that a decoder may not know.

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
            if marker in _RARE or bits != 8:
                return f"JPEG of the process {process}, {bits} bits a level"
            return None
        if marker in (_START_OF_SCAN, _END):
            return None
        place += int.from_bytes(data[place : place + 2], "big")
    return None


def scale_for(full: Size, target: SizeHint | None, margin: float, swapped: bool = False) -> int:
    """How many times smaller a JPEG may be decoded without being seen.

    Parameters
    ----------
    full : tuple of int
        Width and height as stored.
    target : callable or None
        Tells the size that the upright picture will be scaled to.
    margin : float
        How many times larger than that to stay; 0 always decodes in full.
    swapped : bool
        Whether the picture will be turned on its side.

    Examples
    --------
    >>> scale_for((1000, 800), lambda size: (250, 100), margin=1.0)
    4
    >>> scale_for((1000, 800), lambda size: (250, 100), margin=1.1)
    2
    """
    if target is None or not margin:
        return 1
    width, height = target((full[1], full[0]) if swapped else full)
    across, down = (
        (height * margin, width * margin) if swapped else (width * margin, height * margin)
    )
    if full[0] < 2 * across or full[1] < 2 * down:
        return 1  # as most small ones
    fits = min(full[0] // max(1, math.ceil(across)), full[1] // max(1, math.ceil(down)))
    for scale in SCALES:
        if scale <= fits:
            return scale
    return 1


def region(full: Size, scale: int) -> tuple[float, float, float, float] | None:
    """Region of a smaller decode that holds the picture; None where that is all of it.

    Examples
    --------
    >>> region((1001, 800), 4), region((1000, 800), 4)
    ((0.0, 0.0, 250.25, 200.0), None)
    """
    if full[0] % scale == full[1] % scale == 0:
        return None
    return (0.0, 0.0, full[0] / scale, full[1] / scale)


def decode(data: bytes, mode: str, full: Size, scale: int) -> Any:
    """Decode a JPEG to the levels that Pillow gives.

    Parameters
    ----------
    data : bytes
        The file.
    mode : {"RGB", "L"}
    full : tuple of int
        Width and height as stored.
    scale : int
        How many times smaller; one of `SCALES`. Sides are rounded up.

    Returns
    -------
    ndarray or None
        Levels, padded where there is no kernel; None where Pillow has to say what to make of
        the file.
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
    except ValueError:  # broken, or of a kind that it does not know
        return None
    if made.shape[1::-1] != size:
        return None
    return made[..., 0] if mode == "L" else made[..., :3]


def encoder(
    quality: int, subsampling: str, progressive: bool, optimize: bool
) -> Callable[[Any], bytes]:
    """Return what encodes levels, by the options of a recipe.

    Raises
    ------
    ValueError
        By what is returned, if OpenCV cannot.
    """
    cv2 = opencv()
    factor = f"IMWRITE_JPEG_SAMPLING_FACTOR_{subsampling.replace(':', '')}"
    options = (
        cv2.IMWRITE_JPEG_QUALITY, quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, getattr(cv2, factor),
        cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive),
        cv2.IMWRITE_JPEG_OPTIMIZE, int(optimize),
    )  # fmt: skip

    def encode(levels: Any) -> bytes:
        picture = levels if levels.base is None else packed(levels)  # owners are not padded
        done, data = cv2.imencode(".jpg", picture, options)
        if not done:
            rows, columns = levels.shape[:2]
            raise ValueError(f"OpenCV cannot encode {columns}x{rows} pixels")
        return bytes(data)

    return encode
