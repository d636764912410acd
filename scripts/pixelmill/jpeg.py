"""JPEG between files and levels: by libjpeg-turbo, as Pillow does it, but without an image.

Where simplejpeg is installed it decodes; OpenCV encodes to the very bytes of Pillow. Both
let go of the GIL, once for each file, and nothing is copied to or from an image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pixelmill.levels import behind, opencv

turbo: Any
try:
    import simplejpeg as turbo  # type: ignore[no-redef]
except ImportError:  # there is no wheel for every machine
    turbo = None

#: Fractions of the size at which libjpeg-turbo decodes fast.
_SCALES = (1, 2, 4, 8)


def decode(data: bytes, mode: str, full: tuple[int, int], size: tuple[int, int]) -> Any:
    """Decode a JPEG to the levels that Pillow gives.

    Parameters
    ----------
    data : bytes
        The file.
    mode : {"RGB", "L"}
        What Pillow says of it.
    full, size : tuple of int
        Width and height as stored, and at the fraction to decode at.

    Returns
    -------
    ndarray or None
        Padded levels; None where Pillow has to say what to make of the file.
    """
    scales = [k for k in _SCALES if size == tuple(math.ceil(side / k) for side in full)]
    if turbo is None or not scales:
        return None
    scale = scales[0]
    least = {"min_width": size[0], "min_height": size[1], "min_factor": scale}
    try:
        made = turbo.decode_jpeg(
            data, "GRAY" if mode == "L" else "RGBA", **least if scale > 1 else {}
        )
    except ValueError:  # broken, or of a kind that it does not know
        return None
    if made.shape[1::-1] != size:
        return None
    return made[..., 0] if mode == "L" else made[..., :3]


def encode(levels: Any, values: Mapping[str, Any]) -> bytes:
    """Encode levels of three channels; `values` are a recipe's options, all of them.

    Raises
    ------
    ValueError
        If OpenCV cannot.
    """
    cv2 = opencv()
    whole = behind(levels)
    if whole is not None:
        picture = cv2.cvtColor(whole, cv2.COLOR_RGBA2BGR)
    else:
        picture = cv2.cvtColor(levels, cv2.COLOR_RGB2BGR)
    return encode_opencv(picture, ".jpg", opencv_options(values))


def opencv_options(values: Mapping[str, Any]) -> list[int]:
    """Options of a recipe as OpenCV takes them."""
    cv2 = opencv()
    factor = f"IMWRITE_JPEG_SAMPLING_FACTOR_{values['subsampling'].replace(':', '')}"
    return [
        cv2.IMWRITE_JPEG_QUALITY, values["quality"],
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, getattr(cv2, factor),
        cv2.IMWRITE_JPEG_PROGRESSIVE, int(values["progressive"]),
        cv2.IMWRITE_JPEG_OPTIMIZE, int(values["optimize"]),
    ]  # fmt: skip


def encode_opencv(picture: Any, suffix: str, options: list[int]) -> bytes:
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
