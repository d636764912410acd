"""The file format TIFF; `imaging.codecs.tiff` decodes the pages that Pillow reads wrongly."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, ClassVar

from pixelmill.imaging.codecs.formats.base import MOST_PACKET, OutputFormat
from pixelmill.imaging.codecs.spans import ReadAt, Span
from pixelmill.imaging.parameters import Choice, Parameter, Size

if TYPE_CHECKING:
    from PIL import Image

    from pixelmill.imaging.arrays import AnyArray
    from pixelmill.imaging.codecs.decoded import DecodeOptions, Packets, Source
    from pixelmill.imaging.codecs.deep_color import DeepSource
    from pixelmill.imaging.codecs.ifd import Tags


class Tiff(OutputFormat):
    """TIFF 6.0 and BigTIFF; the first page, or one after the other."""

    name = "tiff"
    suffixes = (".tif", ".tiff")
    signatures = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
    plugins = ("TiffImagePlugin",)
    options: ClassVar[Mapping[str, Parameter]] = {
        "compression": Choice(("none", "lzw", "deflate"), "lzw")
    }
    alpha = exif = icc = gray_icc = deep = True
    several_pages = True
    most_xmp = most_iptc = MOST_PACKET
    cheaper = "compression none costs less"

    _COMPRESSIONS: ClassVar[Mapping[str, str | None]] = {
        "none": None,
        "lzw": "tiff_lzw",
        "deflate": "tiff_adobe_deflate",
    }

    def exif_span(self, read_at: ReadAt) -> Span | None:
        """Return all of the file: its first directory holds the tags."""
        return 0, sys.maxsize

    def source(self, data: bytes, options: DecodeOptions) -> Source | None:
        """Open a page whose layout Pillow reads wrongly, or not at all."""
        from pixelmill.imaging.codecs import tiff

        if tiff.pillow_reads(data, turned=options.orientation == "apply"):
            return None
        from pixelmill.imaging.codecs import photometric

        return photometric.source(data, options)

    def pages(self, data: bytes, most: int) -> Iterable[bytes]:
        """Point the header to the directory of each page."""
        from pixelmill.imaging.codecs import ifd, tiff

        return (ifd.first_directory(data, place) for place in tiff.page_offsets(data, most))

    def joined(self, files: Sequence[bytes]) -> bytes:
        """Chain the directories."""
        from pixelmill.imaging.codecs import ifd

        return ifd.joined(files)

    def deep_source(self, data: bytes, options: DecodeOptions) -> DeepSource | None:
        """Open a first page of more than 8 bits per channel."""
        from pixelmill.imaging.codecs import deep_color

        return deep_color.tiff_source(data)

    def jpegs(self, image: Image.Image, data: bytes) -> Iterable[bytes]:
        """Return the strips or tiles that are JPEGs."""
        from pixelmill.imaging.codecs import tiff

        return tiff.jpegs(image, data)

    def exif_block(self, image: Image.Image, data: bytes) -> bytes:
        """Return the file: its first directory holds the tags."""
        return data

    def orientation(self, image: Image.Image) -> int:
        """Read the tag of the first page."""
        from pixelmill.imaging.codecs import metadata

        stated: int = getattr(image, "tag_v2", {}).get(metadata.Base.Orientation, 1)
        return stated if stated in range(2, 9) else 1

    def explained(self, data: bytes, reason: str, message: str) -> tuple[str, str]:
        """Tell a file that was cut off from a damaged one, which libtiff does not."""
        from pixelmill.imaging.codecs import tiff

        if reason == "corrupt" and tiff.ends_early(data):
            return "truncated", f"the file ends before its last strip or tile: {message}"
        return reason, message

    def pillow_options(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the compression by Pillow's name, and a resolution.

        TIFF requires a resolution (TIFF 6.0, section 4); 72 dpi stands for an unknown one.
        """
        return {"compression": self._COMPRESSIONS[values["compression"]], "dpi": (72, 72)}

    def tags(self, exif: bytes, size: Size, srgb: bool) -> Tags:
        """Return the tags that a TIFF must have and those that it may have."""
        from pixelmill.imaging.codecs import metadata

        return metadata.for_tiff(exif, size, srgb)

    def exif_options(self, tags: Tags) -> dict[str, Any]:
        """Return none: `write` adds the tags."""
        return {}

    def write(
        self, image: Image.Image, file: IO[bytes], options: dict[str, Any], tags: Tags
    ) -> bytes:
        """Write the picture, and then its tags as bytes: Pillow would write texts anew."""
        data = super().write(image, file, options, tags)
        if not tags:
            return data
        from pixelmill.imaging.codecs import tiff

        return tiff.append_tags(file, data, tags)

    def encode_deep(
        self, array: AnyArray, options: Mapping[str, Any], profile: bytes | None, tags: Tags
    ) -> bytes:
        """Encode with tifffile."""
        from pixelmill.imaging.codecs import deep_color

        return deep_color.encode_tiff(array, options["compression"], profile, tags)

    def packets(self, data: bytes) -> Packets:
        """Read the tags of the first page."""
        from pixelmill.imaging.codecs import packets

        return packets.in_tiff(data)

    def with_packets(self, data: bytes, packets: Packets) -> bytes:
        """Add tags."""
        from pixelmill.imaging.codecs.packets import into_tiff

        return into_tiff(data, packets)

    def is_whole(self, data: bytes) -> bool:
        """Look for more than a header: libtiff writes the file itself and reports a full disk."""
        return len(data) > 8
