"""The file format ICO; `imaging.codecs.ico` finds the best picture in a file."""

from __future__ import annotations

from pixelmill.imaging.codecs.formats.base import Format


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
