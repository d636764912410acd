"""The file format ICO; `imaging.codecs.ico` finds the best picture in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixelmill.imaging.codecs.formats.base import Format

if TYPE_CHECKING:
    from pixelmill.imaging.codecs.decoded import DecodeOptions, Source


class Ico(Format):
    """Icons of Windows; the largest picture."""

    name = "ico"
    suffixes = (".ico",)
    signatures = (b"\x00\x00\x01\x00",)
    plugins = ("IcoImagePlugin",)

    def prepared(self, data: bytes, still: bool) -> bytes:
        """Leave only the best picture in the file."""
        from pixelmill.imaging.codecs import ico

        return ico.best_alone(data)

    def source(self, data: bytes, options: DecodeOptions) -> Source | None:
        """Open the picture if it is a bitmap."""
        from pixelmill.imaging.codecs import ico

        return ico.source(data)
