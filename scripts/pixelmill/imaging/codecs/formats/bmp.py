"""The file format BMP; `imaging.codecs.bmp` decodes the bitmaps that Pillow reads wrongly."""

from __future__ import annotations

import struct
from typing import IO, TYPE_CHECKING

from pixelmill.imaging.codecs.formats.base import OutputFormat
from pixelmill.imaging.parameters import Size

if TYPE_CHECKING:
    from pixelmill.imaging.codecs.decoded import DecodeOptions, Source


class Bmp(OutputFormat):
    """BMP of Windows and OS/2."""

    name = "bmp"
    suffixes = (".bmp", ".dib")
    signatures = (b"BM",)
    plugins = ("BmpImagePlugin",)

    #: Sizes that headers have.
    _HEADERS = frozenset(size.to_bytes(4, "little") for size in (12, 16, 40, 52, 56, 64, 108, 124))

    def recognizes(self, head: bytes) -> bool:
        """Look for the size of the header too: many texts begin with "BM"."""
        return super().recognizes(head) and head[14:18] in self._HEADERS

    def dimensions(self, file: IO[bytes], head: bytes) -> Size:
        """Read them from the header; in that of OS/2 1.x they have 16 bits."""
        old = head[14] == 12
        width, height = struct.unpack("<HH" if old else "<ii", head[18 : 22 if old else 26])
        return abs(width), abs(height)

    def source(self, data: bytes, options: DecodeOptions) -> Source | None:
        """Open a bitmap of a kind that Pillow reads wrongly, or not at all."""
        from pixelmill.imaging.codecs import bmp

        return bmp.source(data)

    def is_whole(self, data: bytes) -> bool:
        """Compare the length in the header with that of the file."""
        return len(data) >= int.from_bytes(data[2:6], "little") > 8
