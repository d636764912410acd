"""The file format JPEG; `imaging.codecs.jpeg` converts between its files and arrays."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import IO, TYPE_CHECKING, Any, ClassVar

from pixelmill.imaging.codecs.formats.base import QUALITY, OutputFormat
from pixelmill.imaging.codecs.spans import ReadAt, Span
from pixelmill.imaging.parameters import Choice, Flag, Parameter, Size

if TYPE_CHECKING:
    from PIL import Image

    from pixelmill.imaging.arrays import Array
    from pixelmill.imaging.codecs.decoded import Packets
    from pixelmill.imaging.codecs.ifd import Tags


class Jpeg(OutputFormat):
    """JPEG (ITU-T T.81); MPO, which begins like it, is read as JPEG."""

    name = "jpeg"
    suffixes = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")
    signatures = (b"\xff\xd8\xff",)
    plugins = ("JpegImagePlugin", "MpoImagePlugin")
    shrinks = True
    options: ClassVar[Mapping[str, Parameter]] = {
        "quality": QUALITY,
        "subsampling": Choice(("4:4:4", "4:2:2", "4:2:0"), "4:2:0"),
        "progressive": Flag(False),
        "optimize": Flag(False),
    }
    exif = icc = gray_icc = True
    most_xmp, most_iptc = 65_502, 65_506  # the length of a segment has 16 bits
    by_opencv = True
    copies = True
    cheaper = "a lower quality and no optimize or progressive cost less"

    #: Segments and fill bytes before the frame header that are looked at; maker notes need some
    #: dozens.
    _MOST_SEGMENTS = 1000

    def dimensions(self, file: IO[bytes], head: bytes) -> Size:
        """Walk the segments to the frame header (ITU-T T.81, B.1.1 and B.2.2)."""
        file.seek(2)
        steps = iter(range(self._MOST_SEGMENTS))
        for _ in steps:
            marker, code = file.read(2)
            while code == 0xFF and next(steps, None) is not None:  # fill bytes precede a marker
                (code,) = file.read(1)
            (length,) = struct.unpack(">H", file.read(2))
            if marker != 0xFF:
                break
            if 0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC):
                height, width = struct.unpack(">xHH", file.read(5))
                return width, height
            file.seek(length - 2, 1)
        return 0, 0

    def exif_span(self, read_at: ReadAt) -> Span | None:
        """Walk the segments before the first scan to APP1 (ITU-T T.81, B.1.1; EXIF 3.0, 4.7.2)."""
        place = 2
        for _ in range(self._MOST_SEGMENTS):
            marker, code, length = struct.unpack(">BBH", read_at(place, 4))
            if marker != 0xFF or code == 0xDA:
                break
            if code == 0xFF:  # any number of fill bytes may precede a marker
                place += 1
                continue
            end = place + 2 + length
            if code == 0xE1 and read_at(place + 4, 5) == b"Exif\0":
                return place + 4, end
            place = end
        return None

    def jpegs(self, image: Image.Image, data: bytes) -> Iterable[bytes]:
        """Return the file itself."""
        return (data,)

    def explained(self, data: bytes, reason: str, message: str) -> tuple[str, str]:
        """Name a coding process that few decoders know."""
        from pixelmill.imaging.codecs import jpeg

        rare = jpeg.rare_process(data)
        if rare is not None and reason in ("corrupt", "unsupported"):
            return "unsupported", f"{rare}: {message}"
        return reason, message

    def tags(self, exif: bytes, size: Size, srgb: bool) -> Tags:
        """Return as many tags as the segment of a JPEG holds."""
        from pixelmill.imaging.codecs import metadata

        return metadata.for_jpeg(exif, size, srgb)

    def array_encoder(self, values: Mapping[str, Any]) -> Callable[[Array], bytes]:
        """Encode with OpenCV, which writes the same bytes as Pillow."""
        from pixelmill.imaging.codecs import jpeg

        return jpeg.encoder(**values)

    def packets(self, data: bytes) -> Packets:
        """Read the segments APP1 and APP13."""
        from pixelmill.imaging.codecs import packets

        return packets.in_jpeg(data)

    def with_packets(self, data: bytes, packets: Packets) -> bytes:
        """Add segments."""
        from pixelmill.imaging.codecs.packets import into_jpeg

        return into_jpeg(data, packets)

    def is_whole(self, data: bytes) -> bool:
        """Look for the marker EOI."""
        return data.endswith(b"\xff\xd9")

    def copied(self, data: bytes, exif: bytes, profile: bool) -> bytes | None:
        """Copy the picture with `pixelmill.imaging.codecs.copying`."""
        from pixelmill.imaging.codecs import copying

        return copying.copied_jpeg(data, exif, profile)
