"""The file format GIF; `imaging.codecs.gif` composes and writes its frames."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any

from pixelmill.imaging.codecs.formats.base import OutputFormat
from pixelmill.imaging.parameters import Size

if TYPE_CHECKING:
    from PIL import Image

    from pixelmill.imaging.codecs.decoded import DecodeOptions, Source
    from pixelmill.imaging.codecs.ifd import Tags


class Gif(OutputFormat):
    """GIF (GIF87a and GIF89a)."""

    name = "gif"
    suffixes = (".gif",)
    signatures = (b"GIF87a", b"GIF89a")
    plugins = ("GifImagePlugin",)
    animation = True
    alpha = True

    def dimensions(self, file: IO[bytes], head: bytes) -> Size:
        """Read the logical screen descriptor."""
        width, height = struct.unpack("<HH", head[6:10])
        return width, height

    def source(self, data: bytes, options: DecodeOptions) -> Source:
        """Open the file; Pillow does not compose frames as browsers do."""
        from pixelmill.imaging.codecs import gif

        return gif.source(data, options)

    def write(
        self, image: Image.Image, file: IO[bytes], options: dict[str, Any], tags: Tags
    ) -> bytes:
        """Reduce the picture to a colour table, and write it."""
        from pixelmill.imaging.codecs import gif

        image, transparent = gif.indexed(image)
        if transparent is not None:
            options = {**options, "transparency": transparent}
        return super().write(image, file, options, tags)

    def encode_frames(
        self,
        frames: Sequence[Image.Image],
        options: dict[str, Any],
        times: Sequence[int],
        plays: int,
    ) -> bytes:
        """Write an animation with a colour table for each frame."""
        from pixelmill.imaging.codecs import gif

        return gif.assemble(frames, times, plays)

    def is_whole(self, data: bytes) -> bool:
        """Look for the end of the last image and of the file."""
        return data.endswith(b"\0;")
