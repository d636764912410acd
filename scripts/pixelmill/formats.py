"""Image formats, told by the first bytes of a file and never by its name."""

from __future__ import annotations

#: How many bytes `sniff` needs.
SNIFF_BYTES = 32

#: Suffixes of the formats that are read: a file that bears one is meant as an image.
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".gif", ".webp"}
    | {".tif", ".tiff", ".mpo", ".ppm", ".pgm", ".pbm", ".pnm", ".ico", ".avif", ".avifs"}
)

#: Formats that are read, as `sniff` names them. MPO begins as JPEG.
FORMATS = ("jpeg", "png", "gif", "bmp", "tiff", "webp", "ppm", "ico", "avif")

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
        jpeg, png, gif, bmp, tiff, webp, ppm, ico or avif; None for anything else.

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
    if (head[4:8] == b"ftyp" and b"avif" in head[8:]) or b"avis" in head[8:12]:
        return "avif"
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace() and len(head) > 2:
        return "ppm"
    return None


_BITMAP_HEADERS = {size.to_bytes(4, "little") for size in (12, 16, 40, 52, 56, 64, 108, 124)}
