"""Encoding: pictures become files in one of the output formats."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from typing import IO, Any

from PIL import Image

from pixelmill.imaging.codecs import color, icc, metadata
from pixelmill.imaging.codecs.decoded import Decoded
from pixelmill.imaging.codecs.formats import OUTPUT_FORMATS
from pixelmill.imaging.codecs.ifd import Tags

#: Modes in colour that hold those in grey.
_COLORED = {"L": "RGB", "LA": "RGBA"}


def encode(
    frames: Sequence[Image.Image],
    file: IO[bytes],
    name: str,
    options: Mapping[str, Any],
    *,
    background: str = "#ffffff",
    profile: bytes | None = None,
    exif: bytes = b"",
    xmp: bytes = b"",
    durations: Sequence[int] = (),
    loop: int | None = None,
) -> bytes:
    """Write a picture or an animation to an open file, and return the content of the file.

    The file holds the pixels of the frames and what is passed here. What the frames still have
    from their source, such as comments, tags or a resolution, is not written.

    Parameters
    ----------
    frames : sequence of PIL.Image.Image
        RGB, L, RGBA, LA or I;16.
    file : binary file
        Empty, open for writing and reading. A file on a disk lets Pillow release the GIL while
        it encodes JPEG.
    name : str
        A key of `pixelmill.imaging.codecs.formats.OUTPUT_FORMATS`.
    options : mapping
        Values for some of its options; the others have their defaults.
    background : str
        The colour behind transparent pixels if the format has no transparency, ``#rrggbb``.
    profile : bytes or None
        ICC profile to embed. A profile of grey becomes one of RGB if the output is in colour,
        and vice versa.
    exif : bytes
        As `pixelmill.imaging.codecs.metadata.exif_of` returns it.
    xmp : bytes
        For formats whose encoder writes it; for others, see `OutputFormat.with_packets`.
    durations : sequence of int
        How long each frame is shown, in ms.
    loop : int or None
        How often an animation is shown; 0 means for ever, None once.
    """
    format_ = OUTPUT_FORMATS[name]
    frames = [metadata.bare(frame) for frame in frames]
    if not format_.alpha:
        frames = [
            color.flatten(frame, background) if frame.mode in ("LA", "RGBA") else frame
            for frame in frames
        ]
    saving = format_.pillow_options(format_.values_of(options))
    if format_.icc and profile is not None:
        if not format_.gray_icc:
            frames = [frame.convert(_COLORED.get(frame.mode, frame.mode)) for frame in frames]
        gray = all(frame.mode in color.GRAY_MODES for frame in frames)
        fitting = icc.of_space(profile, icc.GRAY if gray else icc.RGB)
        if fitting is not None:
            saving["icc_profile"] = fitting
    tags = Tags()
    frames, exif = format_.upright(frames, exif)
    if format_.exif and exif:
        tags = format_.tags(exif, frames[0].size, srgb="icc_profile" not in saving)
        saving.update(format_.exif_options(tags))
    saving.update(format_.xmp_options(xmp, frames[0].size))
    if len(frames) == 1 or not format_.animation:
        return format_.write(frames[0], file, saving, tags)
    from pixelmill.imaging.codecs import sequences

    plays = 1 if loop is None else loop
    data = format_.encode_frames(sequences.unified(frames), saving, durations, plays)
    file.write(data)
    file.seek(0)
    return file.read()


def encode_to(
    descriptor: int,
    frames: Sequence[Image.Image],
    name: str,
    options: Mapping[str, Any],
    background: str,
    decoded: Decoded,
) -> bytes:
    """Write a picture to an empty file with `encode`, with the metadata of its source.

    Raises
    ------
    OSError
        If the disk is full.
    """
    with os.fdopen(descriptor, "w+b", buffering=0, closefd=False) as file:
        data = encode(
            frames,
            file,
            name,
            options,
            background=background,
            profile=decoded.profile,
            exif=decoded.exif,
            xmp=decoded.packets.xmp,
            durations=decoded.durations,
            loop=decoded.loop,
        )
    if not OUTPUT_FORMATS[name].is_whole(data):
        # Pillow takes a short write, as on a full disk, for a complete one.
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return data
