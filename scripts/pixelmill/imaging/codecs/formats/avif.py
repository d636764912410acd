"""The file format AVIF; `imaging.codecs.avif` has what Pillow neither reads nor writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pixelmill.imaging.codecs.formats.base import MOST_PACKET, QUALITY, OutputFormat
from pixelmill.imaging.codecs.formats.iso_media import IsoMedia
from pixelmill.imaging.parameters import Parameter, Size

if TYPE_CHECKING:
    from PIL import Image

    from pixelmill.imaging.codecs.ifd import Tags


class Avif(IsoMedia, OutputFormat):
    """AVIF, images and sequences (ISO/IEC 23008-12, AV1 Image File Format)."""

    name = "avif"
    suffixes = (".avif", ".avifs")
    plugins = ("AvifImagePlugin",)
    animation = True
    options: ClassVar[Mapping[str, Parameter]] = {"quality": QUALITY}
    alpha = exif = icc = True
    most_xmp = MOST_PACKET
    cheaper = "jpeg or webp costs less"
    brands = frozenset((b"avif", b"avis"))

    def prepared(self, data: bytes, still: bool) -> bytes:
        """Join tables that libavif accepts only as one."""
        from pixelmill.imaging.codecs import avif

        return avif.with_one_table(data)

    def exif_block(self, image: Image.Image, data: bytes) -> bytes:
        """Read the block from the file; Pillow rewrites it if the picture is to be turned."""
        from pixelmill.imaging.codecs import isobmff, metadata

        return metadata.without_prefix(isobmff.exif(data))

    def completed(self, image: Image.Image, data: bytes) -> Image.Image:
        """Crop the picture to its clean aperture."""
        from pixelmill.imaging.codecs import avif

        return avif.cropped(image, data)

    def frames(self, image: Image.Image, data: bytes) -> tuple[list[Image.Image], list[float]]:
        """Take the frames from Pillow, and crop each to the clean aperture."""
        from pixelmill.imaging.codecs import avif, sequences

        pictures, times = sequences.frames(image)
        return [avif.cropped(picture, data) for picture in pictures], times

    def plays(self, image: Image.Image, data: bytes) -> int:
        """Read the edit list."""
        from pixelmill.imaging.codecs import avif

        return avif.plays(data)

    def explained(self, data: bytes, reason: str, message: str) -> tuple[str, str]:
        """Say if Pillow was built without AVIF."""
        from PIL import features

        return reason if features.check("avif") else "unsupported", message

    def pillow_options(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the quality; a worker has one core."""
        return {"quality": values["quality"], "max_threads": 1}

    def upright(
        self, frames: Sequence[Image.Image], exif: bytes
    ) -> tuple[Sequence[Image.Image], bytes]:
        """Turn the frames of a sequence: Pillow crashes if it is to note an orientation."""
        if len(frames) == 1:
            return frames, exif
        from pixelmill.imaging.codecs import metadata

        orientation, exif = metadata.without_orientation(exif)
        if orientation != 1:
            turn = metadata.TRANSPOSITIONS[orientation]
            frames = [frame.transpose(turn) for frame in frames]
        return frames, exif

    def exif_options(self, tags: Tags) -> dict[str, Any]:
        """Keep Pillow from rewriting the tags."""
        from pixelmill.imaging.codecs import metadata

        return {"exif": metadata.ForAvif(tags)}

    def xmp_options(self, packet: bytes, size: Size) -> dict[str, Any]:
        """Return the packet; the orientation is a property of the picture, as Pillow writes it."""
        from pixelmill.imaging.codecs import xmp

        return {"xmp": xmp.fitted(packet, size, 1, self.name)} if packet else {}

    def encode_frames(
        self,
        frames: Sequence[Image.Image],
        options: dict[str, Any],
        times: Sequence[int],
        plays: int,
    ) -> bytes:
        """Encode with Pillow, and add how often the sequence is shown."""
        from pixelmill.imaging.codecs import avif, sequences

        # Chromium shows the full range, which is the default, as if it were the narrow one.
        options = {**options, "range": "limited", "duration": list(times)}
        made = sequences.saved(frames, "AVIF", options)
        return avif.with_plays(made, plays)

    def is_whole(self, data: bytes) -> bool:
        """Look where the last box ends, and whether one holds the coded pictures."""
        from pixelmill.imaging.codecs import boxes

        found = list(boxes.boxes(data))
        coded = any(box.name == b"mdat" for box in found)
        return coded and found[-1].end == len(data)
