"""Copying: the coded picture of a file, without a loss, and with other metadata.

The functions return None for a file whose structure they do not know in full; such a file is
encoded instead. Nothing else of the file is copied.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

#: Markers of the segments that a decoder of JPEG needs (ITU-T T.81, table B.1): frames of 8 bits,
#: tables and the restart interval.
_FRAMES, _TABLES = (0xC0, 0xC1, 0xC2), (0xC4, 0xDB, 0xDD)
_SCAN, _END = 0xDA, 0xD9
_JFIF, _EXIF, _ICC, _ADOBE, _COMMENT = 0xE0, 0xE1, 0xE2, 0xEE, 0xFE

#: A marker after coded data: neither a stuffed byte, nor a restart marker, nor a fill byte.
_AFTER_DATA = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")

#: The segment JFIF without a resolution, as libjpeg writes it (JFIF 1.02).
_PLAIN_JFIF = b"JFIF\0\1\1\0\0\1\0\1\0\0"

#: Bytes of an Adobe segment that decoders use.
_ADOBE_LENGTH = 12

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

#: Chunks of a PNG that decide its pixels, and those that describe its colours (PNG 3rd edition).
_PNG_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_PNG_COLORS = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM")

#: Bits of the flags in the header of an extended WebP (RFC 9649, 2.7.1).
_WEBP_ICC, _WEBP_ALPHA, _WEBP_EXIF = 0x20, 0x10, 0x08


def copied_jpeg(data: bytes, exif: bytes, profile: bool) -> bytes | None:
    """Copy the picture of a JPEG in grey or colour, of 8 bits.

    Parameters
    ----------
    data : bytes
        The file.
    exif : bytes
        EXIF block from its TIFF header on; empty for none.
    profile : bool
        Whether the ICC profile of the file is kept.
    """
    pieces, block = [b"\xff\xd8"], b"Exif\0\0" + exif if exif else b""
    if len(block) + 2 > 0xFFFF:
        return None
    for marker, content, coded in _jpeg_segments(data):
        keeps = marker in (*_TABLES, _SCAN)
        if marker in _FRAMES:
            if content[:1] != b"\x08" or content[5:6] not in (b"\1", b"\3"):
                return None
            keeps = True
        elif marker == _JFIF and content.startswith(b"JFIF\0"):
            content, keeps = _PLAIN_JFIF, len(pieces) == 1
        elif marker == _ADOBE and content.startswith(b"Adobe"):
            content, keeps = content[:_ADOBE_LENGTH], True
        elif marker == _ICC and content.startswith(b"ICC_PROFILE\0"):
            keeps = profile
        elif marker == _END:
            return b"".join((*pieces, b"\xff\xd9"))
        elif not (0xE0 <= marker <= 0xEF or marker in (*_TABLES, _SCAN, _COMMENT)):
            return None  # a process of coding that few decoders know
        if block and marker != _JFIF:  # EXIF follows JFIF
            pieces.append(_segment(_EXIF, block))
            block = b""
        if keeps:
            pieces += (_segment(marker, content), coded)
    return None  # it has no end


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield marker, content and the coded data that follow, up to the end of the picture."""
    place = 2
    while place + 4 <= len(data) + 2 and data[place : place + 1] == b"\xff":
        marker = data[place + 1] if place + 1 < len(data) else 0
        if marker == 0xFF:
            place += 1
            continue
        if marker == _END:
            yield marker, b"", b""
            return
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        end = place + 2 + length
        if length < 2 or end > len(data):
            return
        content, coded = data[place + 4 : end], b""
        if marker == _SCAN:
            found = _AFTER_DATA.search(data, end)
            if found is None:
                return
            coded, end = data[end : found.start()], found.start()
        yield marker, content, coded
        place = end


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def copied_png(data: bytes, exif: bytes, profile: bool) -> bytes | None:
    """Copy the picture of a PNG of at most 8 bits that does not move.

    Parameters are those of `copied_jpeg`; `profile` stands for all descriptions of colours.
    """
    if not data.startswith(_PNG_SIGNATURE):
        return None
    pieces, place = [_PNG_SIGNATURE], len(_PNG_SIGNATURE)
    while place + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        chunk = data[place : place + 12 + length]
        place += len(chunk)
        content, digest = chunk[8:-4], chunk[-4:]
        if len(content) != length or zlib.crc32(name + content) != int.from_bytes(digest, "big"):
            return None
        is_critical = not name[0] & 0x20
        if name == b"acTL" or (name == b"IHDR" and content[8:9] == b"\x10"):
            return None
        if is_critical and name not in _PNG_PIXELS:
            return None
        if name == b"IDAT" and exif:
            pieces.append(_chunk(b"eXIf", exif))
            exif = b""
        if name in _PNG_PIXELS or (profile and name in _PNG_COLORS):
            pieces.append(chunk)
        if name == b"IEND":
            return b"".join(pieces)
    return None


def _chunk(name: bytes, content: bytes) -> bytes:
    digest = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + digest


def copied_webp(data: bytes, exif: bytes, profile: bool) -> bytes | None:
    """Copy the picture of a WebP that does not move; parameters are those of `copied_jpeg`."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or end > len(data):
        return None
    found: dict[bytes, bytes] = {}
    place = 12
    while place + 8 <= end:
        name, length = struct.unpack_from("<4sI", data, place)
        if place + 8 + length > end:
            return None
        found.setdefault(name, data[place + 8 : place + 8 + length])
        place += 8 + length + length % 2
    picture = b"VP8L" if b"VP8L" in found else b"VP8 "
    header = found.get(b"VP8X", b"")
    if picture not in found or b"ANIM" in found or b"ANMF" in found:
        return None
    names = [picture]
    if picture == b"VP8 " and b"ALPH" in found:
        names.insert(0, b"ALPH")
    icc = profile and b"ICCP" in found
    if exif or icc or len(names) > 1:
        if len(header) < 10:
            return None
        flags = header[0] & _WEBP_ALPHA | _WEBP_ICC * icc | _WEBP_EXIF * bool(exif)
        found[b"VP8X"] = bytes([flags]) + b"\0\0\0" + header[4:10]
        names = [b"VP8X", *([b"ICCP"] if icc else []), *names]
    if exif:
        found[b"EXIF"] = exif
        names.append(b"EXIF")
    body = b"WEBP" + b"".join(_riff(name, found[name]) for name in names)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _riff(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
