"""What AVIF and HEIC have in common, because both are ISO media files."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pixelmill.imaging.codecs.formats.base import Format
from pixelmill.imaging.codecs.spans import ReadAt, Span

if TYPE_CHECKING:
    from PIL import Image

    from pixelmill.imaging.codecs.decoded import Packets


class IsoMedia(Format):
    """A format of pictures in ISO media files (ISO/IEC 14496-12).

    Attributes
    ----------
    brands : frozenset of bytes
        Brands of which a file of this format states one.
    """

    brands: ClassVar[frozenset[bytes]]

    def recognizes(self, head: bytes) -> bool:
        """Look for a brand of this format."""
        return not self.brands.isdisjoint(brands_of(head))

    def exif_span(self, read_at: ReadAt) -> Span | None:
        """Find the item that holds EXIF."""
        from pixelmill.imaging.codecs import isobmff

        return isobmff.exif_span(read_at)

    def packets(self, data: bytes) -> Packets:
        """Read the item that holds XMP; there is none for IPTC."""
        from pixelmill.imaging.codecs import isobmff
        from pixelmill.imaging.codecs.decoded import Packets

        return Packets(isobmff.xmp(data))

    def profile(self, image: Image.Image, data: bytes) -> bytes | None:
        """Take the profile, or make one from the code points ``nclx``."""
        from pixelmill.imaging.codecs import colorimetry

        return colorimetry.profile_of_heif(image, data)


def brands_of(head: bytes) -> set[bytes]:
    """Brands of an ISO media file (ISO/IEC 14496-12, 4.3); empty for other files."""
    if head[4:8] != b"ftyp":
        return set()
    return {head[k : k + 4] for k in range(8, len(head), 4)}
