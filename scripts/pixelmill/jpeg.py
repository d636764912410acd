"""JPEG between files and levels: by libjpeg-turbo, as Pillow does it, but without an image.

Where simplejpeg is installed it decodes; OpenCV encodes to the very bytes of Pillow. Both
let go of the GIL, once for each file, and nothing is copied to or from an image.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Mapping
from typing import Any

from pixelmill.levels import Size, kernel, opencv, packed

turbo: Any
try:
    import simplejpeg as turbo  # type: ignore[no-redef]
except ImportError:  # there is no wheel for every machine
    turbo = None

#: How many times smaller libjpeg-turbo decodes fast.
SCALES = (8, 4, 2, 1)

#: Markers (ITU-T T.81, table B.1): the first of a scan; frames that all decoders know; and
#: what says nothing of the picture: JFIF's own, tables, and remarks.
_START_OF_SCAN = 0xDA
_FRAMES = (0xC0, 0xC1, 0xC2)
_PLAIN = (0xE0, 0xDB, 0xC4, 0xDD, 0xFE)

#: Head of a frame behind its length: bits a level, height, width, channels (T.81, B.2.2).
_FRAME = struct.Struct(">BHHB")

_MODES = {1: "L", 3: "RGB"}


def header(data: bytes) -> tuple[str, Size] | None:
    """Mode and size, as stored, of a JPEG that bears nothing but its pixels.

    None for all others, of which Pillow has more to say: with EXIF, a profile, several
    pictures or four colours, and what is none.
    """
    place, found = 2, None
    while place + 9 < len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == _START_OF_SCAN:
            return found
        if marker in _FRAMES and not found:
            depth, height, width, channels = _FRAME.unpack_from(data, place + 4)
            mode = _MODES.get(channels)
            if depth != 8 or not height or not width or mode is None:
                return None
            found = mode, (width, height)
        elif marker not in _PLAIN:
            return None
        place += 2 + (data[place + 2] << 8 | data[place + 3])
    return None


def scale_for(full: Size, least: tuple[float, float]) -> int:
    """How many times smaller to decode, so that as much is left; both width and height.

    Examples
    --------
    >>> scale_for((1000, 800), (250, 100)), scale_for((1000, 800), (251, 100))
    (4, 2)
    """
    across, down = max(1, math.ceil(least[0])), max(1, math.ceil(least[1]))
    fits = min(full[0] // across, full[1] // down)
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
    if turbo is None:
        return None
    size = math.ceil(full[0] / scale), math.ceil(full[1] / scale)
    least = {"min_width": size[0], "min_height": size[1], "min_factor": scale}
    try:
        made = turbo.decode_jpeg(data, _order(mode), **least if scale > 1 else {})
    except ValueError:  # broken, or of a kind that it does not know
        return None
    if made.shape[1::-1] != size:
        return None
    return made[..., 0] if mode == "L" else made[..., :3]


def _order(mode: str) -> str:
    """What to decode to: the kernel takes pixels as they are, cykooz-resizer padded ones."""
    if mode == "L":
        return "GRAY"
    return "BGRA" if kernel is None else "BGR"


def encode(levels: Any, values: Mapping[str, Any]) -> bytes:
    """Encode levels of three channels; `values` are a recipe's options, all of them.

    Raises
    ------
    ValueError
        If OpenCV cannot.
    """
    return encode_opencv(packed(levels), ".jpg", opencv_options(**values))


@functools.lru_cache(maxsize=512)
def opencv_options(
    quality: int, subsampling: str, progressive: bool, optimize: bool
) -> tuple[int, ...]:
    """Options of a recipe as OpenCV takes them."""
    cv2 = opencv()
    factor = f"IMWRITE_JPEG_SAMPLING_FACTOR_{subsampling.replace(':', '')}"
    return (
        cv2.IMWRITE_JPEG_QUALITY, quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, getattr(cv2, factor),
        cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive),
        cv2.IMWRITE_JPEG_OPTIMIZE, int(optimize),
    )  # fmt: skip


def encode_opencv(picture: Any, suffix: str, options: tuple[int, ...]) -> bytes:
    """Encode an array as OpenCV has them, blue first.

    Raises
    ------
    ValueError
        If it cannot.
    """
    done, data = opencv().imencode(suffix, picture, options)
    if not done:
        rows, columns = picture.shape[:2]
        raise ValueError(f"OpenCV cannot encode {columns}x{rows} pixels as {suffix}")
    return bytes(data)
