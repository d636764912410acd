"""Second decoder: decodes pictures with other libraries than those that made the outputs.

Verification decodes sources and outputs here. Pillow takes no part: JPEG, PNG, WebP, AVIF and
the pictures inside GIF are decoded by imagecodecs (its own builds of libjpeg-turbo, libpng,
libwebp, libavif and giflib), TIFF by tifffile, and simple bitmaps by
`pixelmill.verification.second_bitmaps`. Orientation, profiles and frames are read off the bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from pixelmill.verification import color_conversion, second_bitmaps, second_frames
from pixelmill.verification.file_structure import (
    Notes,
    avif_properties,
    kind_of,
    notes_of,
)
from pixelmill.verification.second_bitmaps import samples_of, scaled, with_channels
from pixelmill.verification.second_png import png_pixels
from pixelmill.verification.second_samples import Samples, UndecodableError
from pixelmill.verification.second_sizes import clean_aperture
from pixelmill.verification.second_tiff import tiff_samples

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

#: Formats in which the first frame of an animation can be decoded as a still picture.
_COMPOSED = ("gif", "webp", "avif")


@dataclass(frozen=True)
class Seen:
    """What is visible of a file.

    Attributes
    ----------
    frames : list of ndarray
        Of shape (height, width, 3 or 4), uint8 or uint16, RGB with straight alpha.
    durations : tuple of float
        How long each frame is shown, in ms; empty for a still picture.
    notes : Notes
        Format, orientation as noted, and profile.
    gray, inks : bool
        Whether the levels are stored as grey, or as inks.
    """

    frames: list[Array]
    durations: tuple[float, ...]
    notes: Notes
    gray: bool
    inks: bool


def decode(
    data: bytes,
    color: str = "srgb",
    upright: bool = True,
    moving: bool = False,
    pages: bool = False,
) -> Seen:
    """Decode a file with other libraries than Pillow.

    Parameters
    ----------
    data : bytes
        The file.
    color : {"srgb", "keep", "drop"}
        Whether colours are converted to sRGB by the file's ICC profile; inks always are, by
        their profile unless it is dropped.
    upright : bool
        Turn the picture upright by the orientation that the file notes.
    moving : bool
        Decode every frame instead of the first.
    pages : bool
        Decode every page of a TIFF instead of the first; each is a frame.

    Raises
    ------
    UndecodableError
        If no second library decodes it.
    """
    kind = kind_of(data)
    notes = notes_of(data)
    try:
        frames: list[Array] = []
        durations: list[float] = []
        if kind in _COMPOSED or (moving and kind in second_frames.READERS):
            frames, durations = second_frames.READERS[kind](data, None if moving else 1)
        if frames:
            found = [(Samples(f, "rgb", alpha=f.shape[2] == 4), notes) for f in frames]
        else:
            found, durations = _pictures(data, kind, notes, None if pages else 1), []
        pictures = [color_conversion.in_rgb(each, noted, color) for each, noted in found]
    except UndecodableError:
        raise
    except Exception as error:  # each library raises its own
        raise UndecodableError(f"{kind or 'file'}: {error}") from error
    if upright:
        pictures = [
            turned(picture, noted.orientation)
            for picture, (_, noted) in zip(pictures, found, strict=True)
        ]
    times = tuple(durations) if len(pictures) > 1 else ()
    notes, space = found[0][1], found[0][0].space
    return Seen(pictures, times, notes, gray=space == "gray", inks=space == "cmyk")


def turned(picture: Array, orientation: int) -> Array:
    """Turn a picture upright according to its orientation (EXIF 2.32, 4.6.4.1.4).

    Examples
    --------
    >>> turned(np.arange(6).reshape(2, 3), 6).tolist()
    [[3, 0], [4, 1], [5, 2]]
    """
    if orientation in (5, 6, 7, 8):
        picture = picture.swapaxes(0, 1)
    down = -1 if orientation in (3, 4, 7, 8) else 1
    across = -1 if orientation in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(picture[::down, ::across])


def _pictures(
    data: bytes, kind: str, notes: Notes, most: int | None
) -> list[tuple[Samples, Notes]]:
    """Return the samples of the first picture of a file, or of the first `most` pages."""
    if kind == "tiff":
        return tiff_samples(data, most)
    reader = _READERS.get(kind)
    if reader is None:
        raise UndecodableError(f"no second decoder for {kind.upper() or 'this format'}")
    return [(reader(data), notes)]


def _jpeg(data: bytes) -> Samples:
    import imagecodecs

    # libjpeg makes up what is missing of a file that was cut off. This marker occurs nowhere
    # else in coded data.
    scan = data.find(b"\xff\xda")
    if data.find(b"\xff\xd9", scan) < 0:
        raise UndecodableError("JPEG that was cut off")
    levels = with_channels(imagecodecs.jpeg8_decode(data))
    if levels.dtype == np.uint16:
        levels = scaled(levels, 4095)  # 12 bits: the only other precision of lossy JPEG
    if levels.shape[2] != 4:
        return Samples(levels, "gray" if levels.shape[2] == 1 else "rgb")
    # Adobe's applications store inks inverted. Browsers and ImageMagick read every file so.
    return Samples(255 - levels, "cmyk")


def _avif(data: bytes) -> Samples:
    import imagecodecs

    levels = with_channels(imagecodecs.avif_decode(data, numthreads=1))
    properties = dict(avif_properties(data))
    if levels.dtype == np.uint16:
        # AV1-ISOBMFF, 2.3.3: high_bitdepth and twelve_bit.
        flags = properties.get(b"av1C", b"\0\0\0\0")[2]
        full = 4095 if flags & 0x20 else 1023
        levels = scaled(levels, full)
    rows, columns = levels.shape[:2]
    left, top, right, bottom = clean_aperture((columns, rows), properties.get(b"clap"))
    return samples_of(levels[top:bottom, left:right])


_READERS = {
    "jpeg": _jpeg,
    "png": lambda data: samples_of(png_pixels(data)),
    "avif": _avif,
    "bmp": second_bitmaps.bmp,
    "pnm": second_bitmaps.pnm,
    "ico": second_bitmaps.ico,
}
