"""Image formats, told by the first bytes of a file and never by its name."""

from __future__ import annotations

import re
import struct
from typing import IO

#: How many bytes `sniff` needs.
SNIFF_BYTES = 32

#: Segments that a JPEG may have before its frame header: maker notes need some dozens.
_MOST_SEGMENTS = 1000

#: Suffixes of the formats that are read, as `sniff` names them. MPO begins as JPEG.
SUFFIXES_OF = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "png": (".png", ".apng"),
    "gif": (".gif",),
    "bmp": (".bmp", ".dib"),
    "tiff": (".tif", ".tiff"),
    "webp": (".webp",),
    "ppm": (".ppm", ".pgm", ".pbm", ".pnm"),
    "ico": (".ico",),
    "avif": (".avif", ".avifs"),
    "heif": (".heic", ".heif", ".hif"),
}
FORMATS = tuple(SUFFIXES_OF)

#: A file that bears one of these is meant as an image.
IMAGE_SUFFIXES = frozenset(suffix for suffixes in SUFFIXES_OF.values() for suffix in suffixes)

_SIGNATURES = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),
    (b"MM\x00+", "tiff"),
    (b"\x00\x00\x01\x00", "ico"),
)


def sniff(head: bytes) -> str | None:
    r"""Name the format that the first `SNIFF_BYTES` bytes of a file show.

    Returns
    -------
    str or None
        A key of `SUFFIXES_OF`; None for anything else.

    Examples
    --------
    >>> sniff(b"\xff\xd8\xff\xe0\x00\x10JFIF")
    'jpeg'
    >>> sniff(b"%PDF-1.7") is None
    True
    """
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            # "BM" also begins many texts; a bitmap's header size follows at byte 14.
            if name == "bmp" and head[14:18] not in _BITMAP_HEADERS:
                continue
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        brands = {head[k : k + 4] for k in range(8, len(head), 4)}
        if brands & {b"avif", b"avis"}:
            return "avif"
        if brands & _HEIF_BRANDS:
            return "heif"
    if _PIXMAP.match(head):
        return "ppm"
    return None


#: What HEIC calls itself (ISO/IEC 23008-12, annex B).
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}

#: "P1" to "P6", then a number or a comment.
_PIXMAP = re.compile(rb"P[1-6]\s+[\d#]")

_BITMAP_HEADERS = {size.to_bytes(4, "little") for size in (12, 16, 40, 52, 56, 64, 108, 124)}


def dimensions(file: IO[bytes], head: bytes, format_: str | None) -> tuple[int, int]:
    """Read width and height in pixels from a file's header, as it claims them.

    Parameters
    ----------
    file : binary file
        Open at any place.
    head : bytes
        Its first `SNIFF_BYTES` bytes.
    format_ : str or None
        As `sniff` named it.

    Returns
    -------
    tuple of int
        (0, 0) where the header does not tell, or telling takes a decoder (TIFF, ICO,
        PPM, AVIF, HEIC).

    Examples
    --------
    >>> import io
    >>> dimensions(io.BytesIO(), b"GIF89a" + bytes([64, 0, 48, 0]), "gif")
    (64, 48)
    """
    try:
        if format_ == "jpeg":
            return _jpeg_dimensions(file)
        if format_ == "png":
            return struct.unpack(">II", head[16:24])
        if format_ == "gif":
            return struct.unpack("<HH", head[6:10])
        if format_ == "bmp":
            old = head[14] == 12  # OS/2 1.x has 16-bit sides
            width, height = struct.unpack("<HH" if old else "<ii", head[18 : 22 if old else 26])
            return abs(width), abs(height)
        if format_ == "webp":
            return _webp_dimensions(head)
    except (struct.error, IndexError, ValueError):
        pass
    return 0, 0


def _jpeg_dimensions(file: IO[bytes]) -> tuple[int, int]:
    """Walk the segments to the frame header (ITU-T T.81, B.1.1 and B.2.2)."""
    file.seek(2)
    for _ in range(_MOST_SEGMENTS):
        marker, code = file.read(2)
        while code == 0xFF:  # any number of fill bytes may stand before a marker
            (code,) = file.read(1)
        (length,) = struct.unpack(">H", file.read(2))
        if marker != 0xFF:
            break
        if 0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">xHH", file.read(5))
            return width, height
        file.seek(length - 2, 1)
    return 0, 0


def _webp_dimensions(head: bytes) -> tuple[int, int]:
    """Lossy, lossless and extended headers (RFC 9649, 2.5 to 2.7)."""
    if head[12:16] == b"VP8 ":
        width, height = struct.unpack("<HH", head[26:30])
        return width & 0x3FFF, height & 0x3FFF
    if head[12:16] == b"VP8L":
        (bits,) = struct.unpack("<I", head[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if head[12:16] == b"VP8X":
        width, height = (int.from_bytes(head[k : k + 3], "little") for k in (24, 27))
        return width + 1, height + 1
    return 0, 0
