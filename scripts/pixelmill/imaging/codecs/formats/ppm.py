"""The file formats of Netpbm, which Pillow decodes."""

from __future__ import annotations

import re

from pixelmill.core.errors import ImageError
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

    #: A binary file of grey or colours: magic number, width, height and largest level, each behind
    #: white space or comments; then, behind one character, the levels.
    _LEVELS = re.compile(rb"P([56])((?:(?:\s|#[^\n]*\n)+\d+){2})(?:\s|#[^\n]*\n)+(\d{1,5})\s")
    _HEAD_BYTES = 1024

    def prepared(self, data: bytes, still: bool) -> bytes:
        """Refuse levels above the largest one of the header, which Pillow would clip."""
        found = self._LEVELS.match(data[: self._HEAD_BYTES])
        most = int(found[3]) if found else 0
        if found is None or most in (0, 255) or most >= 65535:
            return data
        import numpy as np

        width, height = (int(n[:10]) for n in re.findall(rb"\d+", re.sub(rb"#.*", b"", found[2])))
        kind = np.dtype(">u2" if most > 255 else "u1")
        count = min(
            width * height * (3 if found[1] == b"6" else 1),
            (len(data) - found.end()) // kind.itemsize,
        )
        levels = np.frombuffer(data, kind, count, found.end())
        if count and (largest := int(levels.max())) > most:
            message = f"it has levels up to {largest:,}, and its header allows {most:,}"
            raise ImageError("decode", "corrupt", message)
        return data
