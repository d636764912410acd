"""The file format PNG; `imaging.codecs.png` removes chunks that decoders fail on.

`imaging.codecs.apng` composes and writes the frames of animations.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, ClassVar

from pixelmill.imaging.codecs.formats.base import MOST_PACKET, OutputFormat
from pixelmill.imaging.codecs.spans import ReadAt, Span
from pixelmill.imaging.parameters import Integer, Parameter, Size

if TYPE_CHECKING:
    from PIL import Image

    from pixelmill.imaging.arrays import AnyArray
    from pixelmill.imaging.codecs.decoded import DecodeOptions, Packets
    from pixelmill.imaging.codecs.deep_color import DeepSource
    from pixelmill.imaging.codecs.ifd import Tags


class Png(OutputFormat):
    """PNG and APNG (PNG 3rd edition)."""

    name = "png"
    suffixes = (".png", ".apng")
    signatures = (b"\x89PNG\r\n\x1a\n",)
    plugins = ("PngImagePlugin",)
    animation = True
    options: ClassVar[Mapping[str, Parameter]] = {"level": Integer(0, 9, 6)}
    alpha = exif = icc = gray_icc = deep = True
    most_xmp = most_iptc = MOST_PACKET
    copies = True
    cheaper = "a lower level costs less"

    #: Chunks that are looked at; a file of 100 MB may have 12,000.
    _MOST_CHUNKS = 20_000

    #: Bytes of a chunk whose checksum is compared to find out whether it counts.
    _MOST_CHECKED = 2**20

    def dimensions(self, file: IO[bytes], head: bytes) -> Size:
        """Read them from the chunk IHDR."""
        width, height = struct.unpack(">II", head[16:24])
        return width, height

    def exif_span(self, read_at: ReadAt) -> Span | None:
        """Walk the chunks to eXIf, which may follow the pixels (PNG 3rd edition, 5.6)."""
        place = 8
        for _ in range(self._MOST_CHUNKS):
            length, name = struct.unpack(">I4s", read_at(place, 8))
            if name == b"IEND":
                break
            if name == b"eXIf" and self._is_sound(read_at, place, length):
                return place + 8, place + 8 + length
            place += 12 + length
        return None

    def _is_sound(self, read_at: ReadAt, place: int, length: int) -> bool:
        """Whether the checksum of a chunk is right, or is not compared."""
        if length > self._MOST_CHECKED:
            return True
        content = read_at(place + 4, 4 + length)
        return read_at(place + 8 + length, 4) == struct.pack(">I", zlib.crc32(content))

    def exif_block(self, image: Image.Image, data: bytes) -> bytes:
        """Read the chunk, which Pillow sees after the pixels only once it has loaded them."""
        from pixelmill.imaging.codecs import metadata, png

        for name, begin, end in png.chunks(data):
            if name == b"eXIf":
                return metadata.without_prefix(data[begin + 8 : end - 4])
        return super().exif_block(image, data)

    def deep_source(self, data: bytes, options: DecodeOptions) -> DeepSource | None:
        """Open a still picture of 16 bits per channel."""
        from pixelmill.imaging.codecs import deep_color

        return deep_color.png_source(data, options)

    def prepared(self, data: bytes, still: bool) -> bytes:
        """Check the critical chunks, and leave out others that could spoil the picture."""
        from pixelmill.imaging.codecs import png

        png.check(data)
        return png.with_masked_levels(png.lean(data, still=still))

    def opened(self, image: Image.Image) -> str | None:
        """Scale the transparent level; keep 16-bit grey with alpha grey."""
        from pixelmill.imaging.codecs import png

        png.scale_transparency(image)
        return "LA" if png.raw_mode(image) == "LA;16B" else None

    def profile(self, image: Image.Image, data: bytes) -> bytes | None:
        """Take the best of the four descriptions that a PNG can have."""
        from pixelmill.imaging.codecs import colorimetry

        return colorimetry.profile_of_png(image, data)

    def frames(self, image: Image.Image, data: bytes) -> tuple[list[Image.Image], list[float]]:
        """Compose the frames of an APNG."""
        from pixelmill.imaging.codecs import apng

        pictures, times = map(list, zip(*apng.frames(data), strict=True))
        return pictures, times

    def pillow_options(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the compression level by Pillow's name."""
        return {"compress_level": values["level"]}

    def encode_frames(
        self,
        frames: Sequence[Image.Image],
        options: dict[str, Any],
        times: Sequence[int],
        plays: int,
    ) -> bytes:
        """Write an APNG."""
        from pixelmill.imaging.codecs import apng

        return apng.assemble(frames, times, plays, options)

    def encode_deep(
        self, array: AnyArray, options: Mapping[str, Any], profile: bytes | None, tags: Tags
    ) -> bytes:
        """Encode with OpenCV."""
        from pixelmill.imaging.codecs import deep_color

        return deep_color.encode_png(array, options["level"], profile, tags)

    def packets(self, data: bytes) -> Packets:
        """Read the texts that hold them."""
        from pixelmill.imaging.codecs import packets

        return packets.in_png(data)

    def with_packets(self, data: bytes, packets: Packets) -> bytes:
        """Add texts."""
        from pixelmill.imaging.codecs.packets import into_png

        return into_png(data, packets)

    def is_whole(self, data: bytes) -> bool:
        """Look for the chunk IEND."""
        return data.endswith(b"IEND\xaeB`\x82")

    def copied(self, data: bytes, exif: bytes, profile: bool) -> bytes | None:
        """Copy the picture with `pixelmill.imaging.codecs.copying`."""
        from pixelmill.imaging.codecs import copying

        return copying.copied_png(data, exif, profile)
