"""The file formats of Netpbm, which Pillow decodes."""

from __future__ import annotations

import re

from pixelmill.imaging.codecs.formats.base import Format


class Ppm(Format):
    """PBM, PGM and PPM of Netpbm, as text and in binary."""

    name = "ppm"
    suffixes = (".ppm", ".pgm", ".pbm", ".pnm")
    plugins = ("PpmImagePlugin",)

    #: "P1" to "P6", then a number or a comment.
    _BEGIN = re.compile(rb"P[1-6]\s+[\d#]")

    def recognizes(self, head: bytes) -> bool:
        """Look for what follows the magic number too."""
        return self._BEGIN.match(head) is not None
