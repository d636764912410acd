"""The file format WebP; `imaging.codecs.webp` has what Pillow lacks for animations."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, ClassVar

from pixelmill.imaging.codecs.formats.base import MOST_PACKET, QUALITY, OutputFormat
from pixelmill.imaging.codecs.spans import ReadAt, Span
from pixelmill.imaging.parameters import Flag, Parameter, Size

if TYPE_CHECKING:
    from PIL import Image

    from pixelmill.imaging.codecs.decoded import Packets


class Webp(OutputFormat):
    """WebP (RFC 9649)."""

    name = "webp"
    suffixes = (".webp",)
    plugins = ("WebPImagePlugin",)
    animation = True
    options: ClassVar[Mapping[str, Parameter]] = {"quality": QUALITY, "lossless": Flag(False)}
    alpha = exif = icc = True
    most_xmp = MOST_PACKET
    copies = True
    cheaper = "jpeg costs less"

    #: Chunks that are looked at: an animation has one for each frame.
    _MOST_CHUNKS = 10_000

    def recognizes(self, head: bytes) -> bool:
        """Look for the type of the RIFF container."""
        return head[:4] == b"RIFF" and head[8:12] == b"WEBP"

    def dimensions(self, file: IO[bytes], head: bytes) -> Size:
        """Read the lossy, lossless or extended header (RFC 9649, 2.5 to 2.7)."""
        if head[12:16] == b"VP8 ":
            width, height = struct.unpack("<HH", head[26:30])
            return width & 0x3FFF, height & 0x3FFF
        if head[12:16] == b"VP8L":
            (bits,) = struct.unpack("<I", head[21:25])
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        if head[12:16] == b"VP8X":
            width, height = (int.from_bytes(head[k : k + 3], "little") for k in (24, 27))
            return width + 1, height + 1
        return 0, 0

    def exif_span(self, read_at: ReadAt) -> Span | None:
        """Walk the chunks to EXIF, which follows the pixels (RFC 9649, 2.7)."""
        place = 12
        for _ in range(self._MOST_CHUNKS):
            name, length = struct.unpack("<4sI", read_at(place, 8))
            if name == b"EXIF":
                return place + 8, place + 8 + length
            place += 8 + length + length % 2
        return None

    def prepared(self, data: bytes, still: bool) -> bytes:
        """Have the frames of an animation decoded with alpha."""
        from pixelmill.imaging.codecs import webp

        return webp.with_alpha(data)

    def completed(self, image: Image.Image, data: bytes) -> Image.Image:
        """Leave out the alpha that `prepared` announced, if nothing is transparent."""
        if not getattr(image, "is_animated", False):
            return image
        from pixelmill.imaging.codecs import sequences

        return sequences.without_needless_alpha([image])[0]

    def frames(self, image: Image.Image, data: bytes) -> tuple[list[Image.Image], list[float]]:
        """Take the frames from Pillow."""
        from pixelmill.imaging.codecs import sequences

        return sequences.frames(image)

    def encode_frames(
        self,
        frames: Sequence[Image.Image],
        options: dict[str, Any],
        times: Sequence[int],
        plays: int,
    ) -> bytes:
        """Encode with Pillow."""
        from pixelmill.imaging.codecs import webp

        return webp.encode_frames(frames, options, times, plays)

    def packets(self, data: bytes) -> Packets:
        """Read the chunk of XMP."""
        from pixelmill.imaging.codecs import packets

        return packets.in_webp(data)

    def with_packets(self, data: bytes, packets: Packets) -> bytes:
        """Add a chunk."""
        from pixelmill.imaging.codecs.packets import into_webp

        return into_webp(data, packets)

    def is_whole(self, data: bytes) -> bool:
        """Compare the length in the RIFF header with that of the file."""
        return len(data) >= int.from_bytes(data[4:8], "little") + 8 > 8

    def copied(self, data: bytes, exif: bytes, profile: bool) -> bytes | None:
        """Copy the picture with `pixelmill.imaging.codecs.copying`."""
        from pixelmill.imaging.codecs import copying

        return copying.copied_webp(data, exif, profile)
