"""Output writer: encodes pictures to open files, or copies the coded picture of their source.

A copy is delivered only if it shows, pixel for pixel, what was encoded: then no step and no policy
changed the picture, and nothing but encoding it again was asked.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from PIL import Image

from pixelmill.core import files
from pixelmill.core.errors import ImageError, describe
from pixelmill.core.jobs import METADATA_DROPPED, SOURCE_KEPT
from pixelmill.imaging.backends.base import Backend, Encode
from pixelmill.imaging.codecs import color, metadata
from pixelmill.imaging.codecs.decoded import Decoded, DecodeOptions, Packets
from pixelmill.imaging.codecs.formats import OUTPUT_FORMATS, OutputFormat, output_format
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.codecs.quality_search import LEAST, MOST, last_below
from pixelmill.imaging.codecs.ssim import ssim
from pixelmill.imaging.parameters import Size
from pixelmill.imaging.recipe import Output

#: The first quality that is tried for a number of bytes, and for a similarity.
_FIRST_FOR_BYTES, _FIRST_FOR_SSIM = 75, 80

#: Replaces a distance of 0.
_TINY = 1e-9

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
        Of sources. They apply to the pixels of outputs that are decoded again, because Pillow has
        one limit on pixels for all threads.
    background : str
        The colour behind transparent pixels in formats without transparency.
    """

    def __init__(self, backend: Backend, limits: Limits, background: str) -> None:
        self._backend = backend
        self._limits = Limits(max_pixels=limits.max_pixels, max_aspect=math.inf)
        self._options = replace(_AS_STORED, background=background)
        self._background = background
        self._encoders: dict[tuple[str, str, int | None], Encode] = {}

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
            If the pictures cannot be encoded, or if no quality reaches the target.
        OSError
            If the file cannot be written.
        """
        name = output_format(output.format, decoded.kind)
        size = self._backend.size(pictures[0])
        packets = _packets_for(OUTPUT_FORMATS[name], decoded, size)
        note = METADATA_DROPPED if packets.dropped else ""
        data = self._encoded(pictures, descriptor, output, name, decoded, packets)
        if not output.keeps_source:
            return Written(data, note)
        copy = _copied(source, decoded, name)
        if copy is None:
            return Written(data, note)
        packets = _packets_for(OUTPUT_FORMATS[name], decoded, size, is_copy=True)
        copy = _with_packets(OUTPUT_FORMATS[name], copy, packets)
        if _saves(len(data), len(copy), output.min_saving):
            return Written(data, note)
        if len(copy) > output.delivery.get("target", {}).get("bytes", len(copy)):
            return Written(data, note)
        if not self._shows(copy, pictures):
            return Written(data, note)
        _rewrite(descriptor, copy)
        return Written(copy, SOURCE_KEPT)

    def join(self, files: Sequence[bytes], descriptor: int, name: str) -> bytes:
        """Write encoded files to an open file again, as the pages of one.

        Parameters
        ----------
        files : sequence of bytes
            What `write` returned for each page.
        descriptor : int
            Of the file.
        name : str
            A key of `pixelmill.imaging.codecs.formats.OUTPUT_FORMATS`.

        Raises
        ------
        ImageError
            If the format cannot hold them.
        OSError
            If the file cannot be written.
        """
        try:
            data = OUTPUT_FORMATS[name].joined(files)
        except ValueError as error:
            raise ImageError("encode", "write_failed", describe(error)) from error
        _rewrite(descriptor, data)
        return data

    def _encoded(
        self,
        pictures: Sequence[Any],
        descriptor: int,
        output: Output,
        name: str,
        decoded: Decoded,
        packets: Packets,
    ) -> bytes:
        """Encode with the quality of the recipe, or with the one that reaches its target."""

        def encode(options: Mapping[str, Any]) -> bytes:
            encoder = self._encoder(output.name, name, options)
            data = _encode(encoder, pictures, descriptor, decoded)
            made = _with_packets(OUTPUT_FORMATS[name], data, packets)
            if made is not data:
                _rewrite(descriptor, made)
            return made

        target = output.delivery.get("target")
        if target is None:
            return encode(output.options)
        tried: dict[int, bytes] = {}

        def attempt(quality: int) -> bytes:
            if tried:
                _empty(descriptor)
            tried[quality] = encode({**output.options, "quality": quality})
            return tried[quality]

        if "bytes" in target:
            quality = _largest(attempt, target["bytes"])
        else:
            quality = self._most_similar(attempt, target["ssim"], pictures[0])
        if quality != next(reversed(tried)):
            _rewrite(descriptor, tried[quality])
        return tried[quality]

    def _encoder(self, output: str, name: str, options: Mapping[str, Any]) -> Encode:
        key = output, name, options.get("quality")
        if key not in self._encoders:
            self._encoders[key] = self._backend.encoder(name, options, self._background)
        return self._encoders[key]

    def _most_similar(self, attempt: Callable[[int], bytes], aim: float, picture: Any) -> int:
        """Find the lowest quality whose picture is as similar as asked."""
        wanted = self._opaque(picture)

        def surplus(quality: int) -> float:
            decoded = self._backend.decode(attempt(quality), None, self._options, self._limits)
            found = similarities[quality] = ssim(wanted, self._opaque(decoded.frames[0]))
            value = math.log((1 - aim) / max(1 - found, _TINY))
            return value if found < aim else max(value, _TINY)

        similarities: dict[int, float] = {}
        quality = last_below(surplus, _FIRST_FOR_SSIM) + 1
        if quality > MOST:
            message = f"quality {MOST} gives an SSIM of {similarities[MOST]:.4f}"
            raise ImageError("encode", "target_missed", f"{message}, less than target.ssim = {aim}")
        return quality

    def _opaque(self, picture: Any) -> Image.Image:
        image = self._backend.image(picture)
        if image.mode in ("LA", "RGBA"):
            return color.flatten(image, self._background)
        return image

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


def _encode(encoder: Encode, pictures: Sequence[Any], descriptor: int, decoded: Decoded) -> bytes:
    try:
        return encoder(pictures, descriptor, decoded)
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:
            raise  # an error of the disk
        raise ImageError("encode", "write_failed", describe(error)) from error


def _packets_for(
    format_: OutputFormat, decoded: Decoded, size: Size, is_copy: bool = False
) -> Packets:
    """XMP and IPTC of an output, as far as its format can hold them.

    The XMP of a copy gets no frame that the source lacks, so that the copy is no larger.
    """
    found, iptc = decoded.packets.xmp, decoded.packets.iptc
    dropped = decoded.packets.dropped and format_.most_xmp > 0
    if found:
        from pixelmill.imaging.codecs import xmp

        block = metadata.without_prefix(decoded.exif)
        orientation = metadata.orientation_in(block) if block else 1
        found = xmp.fitted(found, size, orientation, format_.name, framed=not is_copy)
    if len(found) > format_.most_xmp:
        found, dropped = b"", dropped or format_.most_xmp > 0
    if len(iptc) > format_.most_iptc:
        iptc, dropped = b"", dropped or format_.most_iptc > 0
    return Packets(found, iptc, dropped)


def _with_packets(format_: OutputFormat, data: bytes, packets: Packets) -> bytes:
    return format_.with_packets(data, packets) if packets.xmp or packets.iptc else data


def _largest(attempt: Callable[[int], bytes], aim: float) -> int:
    """Find the highest quality whose file has at most so many bytes."""
    sizes: dict[int, int] = {}

    def surplus(quality: int) -> float:
        sizes[quality] = len(attempt(quality))
        return math.log(sizes[quality] / aim)

    quality = last_below(surplus, _FIRST_FOR_BYTES)
    if quality < LEAST:
        message = f"quality {LEAST} gives {sizes[LEAST]:,} bytes, more than target.bytes"
        raise ImageError("encode", "target_missed", f"{message} = {aim:,}")
    return quality


def _copied(source: bytes, decoded: Decoded, name: str) -> bytes | None:
    """Copy the coded picture of a source, with the metadata that its outputs have.

    None if the output has another format, or if the format cannot be copied.
    """
    if name != decoded.kind:
        return None
    exif = b""
    if decoded.exif:
        from pixelmill.imaging.codecs import ifd

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
    _empty(descriptor)
    files.write_all(descriptor, data)


def _empty(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
