"""The file format HEIC, which the optional package pillow-heif decodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixelmill.core.errors import ImageError
from pixelmill.imaging.codecs.formats.avif import Avif
from pixelmill.imaging.codecs.formats.iso_media import IsoMedia, brands_of

if TYPE_CHECKING:
    from PIL import Image


class Heif(IsoMedia):
    """HEIC (ISO/IEC 23008-12), with the package pillow-heif."""

    name = "heif"
    suffixes = (".heic", ".heif", ".hif")
    instead = "jpeg"

    #: ISO/IEC 23008-12, annex B.
    brands = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))

    def recognizes(self, head: bytes) -> bool:
        """Look for a brand of this format; files with one of AVIF may have it too."""
        return super().recognizes(head) and Avif.brands.isdisjoint(brands_of(head))

    #: Codings other than HEVC that a file may have (ISO/IEC 23008-12, 15444-16 and 23001-17).
    _OTHER_CODINGS = frozenset((b"avc1", b"evc1", b"j2k1", b"jpeg", b"unci", b"vvc1"))

    def explained(self, data: bytes, reason: str, message: str) -> tuple[str, str]:
        """Tell a file with another coding from a damaged one."""
        from pixelmill.imaging.codecs import isobmff

        if others := isobmff.codings(data) & self._OTHER_CODINGS:
            names = ", ".join(sorted(name.decode() for name in others))
            return "unsupported", f"HEIF whose picture is coded as {names}"
        return reason, message

    def register(self) -> None:
        """Register the opener of pillow-heif."""
        from PIL import Image

        try:
            import pillow_heif  # type: ignore[import-not-found,unused-ignore]
        except ImportError as error:
            message = "HEIC needs the package pillow-heif: pip install pillow-heif"
            raise ImageError("decode", "unsupported", message) from error
        if "HEIF" not in Image.OPEN:
            pillow_heif.register_heif_opener(thumbnails=False)

    def opened(self, image: Image.Image) -> None:
        """Refuse a file if pillow-heif opened another picture in the place of its primary one."""
        if not image.info.get("primary", True):
            raise ImageError(
                "decode",
                "unsupported",
                "HEIC whose primary picture is used as a thumbnail of another",
            )
