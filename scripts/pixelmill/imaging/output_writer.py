"""Output writer: encodes pictures to open files, or copies the coded picture of their source.

A copy is delivered only if it shows, pixel for pixel, what was encoded: then no step and no policy
changed the picture, and nothing but encoding it again was asked.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from pixelmill.core import files
from pixelmill.core.errors import ImageError, describe
from pixelmill.core.jobs import SOURCE_KEPT
from pixelmill.imaging.backends.base import Backend, Encode
from pixelmill.imaging.codecs.decoded import Decoded, DecodeOptions
from pixelmill.imaging.codecs.formats import OUTPUT_FORMATS, output_format
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.recipe import Output

#: Decodes every frame of a file as it is stored.
_AS_STORED = DecodeOptions(
    orientation="keep", color="drop", depth="keep", animation="all", metadata="none", alpha=True
)


class Written(NamedTuple):
    """The content of an output, and what is noted of it: one of `pixelmill.core.jobs.NOTES`."""

    data: bytes
    note: str = ""


class OutputWriter:
    """Writes the outputs of images, and remembers the encoders.

    Parameters
    ----------
    backend : Backend
    limits : Limits
    background : str
        The colour behind transparent pixels in formats without transparency.
    """

    def __init__(self, backend: Backend, limits: Limits, background: str) -> None:
        self._backend = backend
        self._limits = limits
        self._options = replace(_AS_STORED, background=background)
        self._background = background
        self._encoders: dict[tuple[str, str], Encode] = {}

    def write(
        self,
        pictures: Sequence[Any],
        descriptor: int,
        output: Output,
        decoded: Decoded,
        source: bytes,
    ) -> Written:
        """Write a picture or an animation to an empty file.

        Parameters
        ----------
        pictures : sequence
            Of the backend.
        descriptor : int
            Of the file.
        output : Output
            How to write it.
        decoded : Decoded
            Of the source, for its metadata.
        source : bytes
            The file that the pictures were made from.

        Raises
        ------
        ImageError
            If the pictures cannot be encoded.
        OSError
            If the file cannot be written.
        """
        name = output_format(output.format, decoded.kind)
        data = self._encode(pictures, descriptor, output, name, decoded)
        if not output.keeps_source:
            return Written(data)
        copy = _copied(source, decoded, name)
        if copy is None or _saves(len(data), len(copy), output.min_saving):
            return Written(data)
        if not self._shows(copy, pictures):
            return Written(data)
        _rewrite(descriptor, copy)
        return Written(copy, SOURCE_KEPT)

    def _encode(
        self,
        pictures: Sequence[Any],
        descriptor: int,
        output: Output,
        name: str,
        decoded: Decoded,
    ) -> bytes:
        encode = self._encoders.get((output.name, name))
        if encode is None:
            encode = self._backend.encoder(name, output.options, self._background)
            self._encoders[output.name, name] = encode
        try:
            return encode(pictures, descriptor, decoded)
        except MemoryError:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.strerror:
                raise  # an error of the disk
            raise ImageError("encode", "write_failed", describe(error)) from error

    def _shows(self, data: bytes, pictures: Sequence[Any]) -> bool:
        """Whether a file holds one picture, and this is its one frame, pixel for pixel."""
        try:
            decoded = self._backend.decode(data, None, self._options, self._limits)
        except ImageError:
            return False
        if len(pictures) != 1 or len(decoded.frames) != 1:
            return False
        stored, wanted = map(self._backend.image, (decoded.frames[0], pictures[0]))
        return (
            (stored.mode, stored.size) == (wanted.mode, wanted.size)
            and stored.tobytes() == wanted.tobytes()
        )  # fmt: skip


def _copied(source: bytes, decoded: Decoded, name: str) -> bytes | None:
    """Copy the coded picture of a source, with the metadata that its outputs have.

    None if the output has another format, or if the format cannot be copied.
    """
    if name != decoded.kind:
        return None
    exif = b""
    if decoded.exif:
        from pixelmill.imaging.codecs import ifd, metadata

        exif = ifd.write(metadata.with_color_space(decoded.exif, srgb=decoded.profile is None))
    return OUTPUT_FORMATS[name].copied(source, exif, decoded.profile is not None)


def _saves(encoded: int, copied: int, percent: float) -> bool:
    """Whether an encoded file is smaller than a copy, and by this share.

    Examples
    --------
    >>> _saves(95, 100, 5.0), _saves(96, 100, 5.0), _saves(100, 100, 0.0)
    (True, False, False)
    """
    return encoded < copied and 100 * encoded <= (100 - percent) * copied


def _rewrite(descriptor: int, data: bytes) -> None:
    """Replace the content of an open file."""
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    files.write_all(descriptor, data)
