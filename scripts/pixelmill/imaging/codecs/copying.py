"""Copying: the coded picture of a file, without a loss, and with other metadata.

The functions return None for a file whose structure they do not know in full; such a file is
encoded instead. Nothing else of the file is copied, neither tables and palettes that nothing uses
nor bytes after coded data that no decoder reads.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from PIL import Image

from pixelmill.imaging.codecs import jpeg

#: Markers of the segments that a decoder of JPEG needs (ITU-T T.81, table B.1): frames of 8 bits,
#: tables and the restart interval.
_FRAMES = (0xC0, 0xC1, 0xC2)
_TABLES = _HUFFMAN, _QUANTIZATION, _RESTART = 0xC4, 0xDB, 0xDD
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

#: Samples of a pixel, by colour type (PNG, 11.2.1).
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}

#: First column and row of each pass of an interlaced PNG, and the steps across and down (PNG, 8.2).
_PNG_PASSES = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
    (0, 1, 1, 2),
)  # fmt: skip

#: A WebP that still decodes without so many of its last coded bytes holds others there. Encoders
#: write at most three that are not needed.
_WEBP_SPARE = 8

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
    block = b"Exif\0\0" + exif if exif else b""
    if len(block) + 2 > 0xFFFF:
        return None
    kept: list[_Piece] = []
    for marker, content, coded in _jpeg_segments(data):
        if marker == _END:
            return _assembled(kept, block)
        piece = _kept(marker, content, coded, profile, first=not kept)
        if piece is None:
            return None
        kept += piece
    return None  # it has no end


class _Piece(NamedTuple):
    """A segment of a JPEG, and the coded data that follow it."""

    marker: int
    content: bytes
    coded: bytes = b""


def _kept(
    marker: int, content: bytes, coded: bytes, profile: bool, first: bool
) -> Sequence[_Piece] | None:
    """Return what is kept of a segment; None if few decoders know it."""
    if marker in _FRAMES:
        components = content[5:6]
        if content[:1] != b"\x08" or components not in (b"\1", b"\3"):
            return None
        whole = len(content) == 6 + 3 * components[0]
        return [_Piece(marker, content)] if whole else None
    if marker == _SCAN:
        whole = bool(content) and len(content) == 4 + 2 * content[0]
        return [_Piece(marker, content, coded)] if whole else None
    if marker in _TABLES:
        whole = sum(map(len, _tables(marker, content))) == len(content)
        return [_Piece(marker, content)] if whole else None
    if marker == _JFIF and content.startswith(b"JFIF\0"):
        return [_Piece(marker, _PLAIN_JFIF)] if first else []
    if marker == _ADOBE and content.startswith(b"Adobe"):
        return [_Piece(marker, content[:_ADOBE_LENGTH])]
    if marker == _ICC and content.startswith(b"ICC_PROFILE\0"):
        return [_Piece(marker, content)] if profile else []
    return [] if 0xE0 <= marker <= 0xEF or marker == _COMMENT else None


def _tables(marker: int, content: bytes) -> Iterator[bytes]:
    """Yield each table of a segment, or its restart interval (ITU-T T.81, B.2.4)."""
    place = 0
    while place < len(content):
        if marker == _QUANTIZATION:
            length = 1 + 64 * (1 + (content[place] >> 4 > 0))
        elif marker == _HUFFMAN:
            length = 17 + sum(content[place + 1 : place + 17])
        else:
            length = 2
        yield content[place : place + length]
        place += length


def _assembled(pieces: Sequence[_Piece], block: bytes) -> bytes | None:
    """Join the segments of a JPEG, EXIF after JFIF; None if its coded data contain other bytes."""
    if sum(piece.marker == _ADOBE for piece in pieces) > 1:
        return None
    used = _used_tables(pieces)
    kept = []
    for number, piece in enumerate(pieces):
        if piece.marker in _TABLES:
            tables = enumerate(_tables(piece.marker, piece.content))
            content = b"".join(table for place, table in tables if (number, place) in used)
            piece = piece._replace(content=content)
        if piece.content:
            kept.append(piece)
    if block:
        kept.insert(kept[:1] != [] and kept[0].marker == _JFIF, _Piece(_EXIF, block))
    parts = (_segment(marker, content) + coded for marker, content, coded in kept)
    data = b"\xff\xd8" + b"".join(parts) + b"\xff\xd9"
    return data if jpeg.is_exact(data) else None


def _used_tables(pieces: Sequence[_Piece]) -> set[tuple[int, int]]:
    """Return the tables that scans use, each as the numbers of its segment and its place there."""
    used: set[tuple[int, int]] = set()
    quantized: dict[int, int] = {}
    defined: dict[tuple[int, int], tuple[int, int]] = {}
    for number, (marker, content, _) in enumerate(pieces):
        if marker in _TABLES:
            for place, table in enumerate(_tables(marker, content)):
                # The high half is the class of a Huffman table, but the precision of another.
                name = {_HUFFMAN: table[0], _QUANTIZATION: table[0] & 0xF}.get(marker, 0)
                defined[marker, name] = number, place
        elif marker in _FRAMES:
            quantized = dict(zip(content[6::3], content[8::3], strict=True))
        elif marker == _SCAN:
            first, last = content[-3], content[-2]  # of the coefficients
            used.update(defined[key] for key in [(_RESTART, 0)] if key in defined)
            for component, tables in zip(content[1:-3:2], content[2:-3:2], strict=True):
                wanted = [(_QUANTIZATION, quantized.get(component, -1))]
                wanted += [(_HUFFMAN, tables >> 4)] * (first == 0)
                wanted += [(_HUFFMAN, 0x10 | tables & 0xF)] * (last > 0)
                used.update(defined[key] for key in wanted if key in defined)
    return used


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
    header, coded, once = b"", bytearray(), set[bytes]()
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
        if name == b"IHDR":
            header = content
        if name in (b"PLTE", b"tRNS"):
            if name in once or coded or len(content) > _most_bytes(name, header):
                return None
            once.add(name)
        if name == b"IDAT":
            coded += content
            if exif:
                pieces.append(_chunk(b"eXIf", exif))
                exif = b""
        suggested = name == b"PLTE" and header[9:10] != b"\3"  # colours for poorer displays
        if (name in _PNG_PIXELS and not suggested) or (profile and name in _PNG_COLORS):
            pieces.append(chunk)
        if name == b"IEND":
            return b"".join(pieces) if len(content) == 0 and _is_exact(header, coded) else None
    return None


def _most_bytes(name: bytes, header: bytes) -> int:
    """Return how large a palette, or the transparency, of a PNG may be (PNG, 11.2.2 and 11.3.1)."""
    depth, kind = header[8:9], header[9:10]
    colors = 2 ** depth[0] if kind == b"\3" else 256
    return 3 * colors if name == b"PLTE" else {b"\0": 2, b"\2": 6, b"\3": colors}.get(kind, 0)


def _is_exact(header: bytes, coded: bytes | bytearray) -> bool:
    """Return whether the coded data of a PNG are those of its pixels, and nothing more."""
    try:
        width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", header)
        bits = depth * _PNG_CHANNELS[kind]
    except (struct.error, KeyError):
        return False
    passes = _PNG_PASSES if interlaced else ((0, 0, 1, 1),)
    sizes = (
        (max(0, -(-(width - left) // across)), max(0, -(-(height - top) // down)))
        for left, top, across, down in passes
    )
    expected = sum(rows * (1 + -(-columns * bits // 8)) for columns, rows in sizes if columns)
    stream = zlib.decompressobj()
    try:
        found = len(stream.decompress(bytes(coded), expected + 1))
        found += len(stream.flush())
    except zlib.error:
        return False
    return found == expected and stream.eof and not stream.unused_data


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
    if any(_has_spare_bytes(found, names, name) for name in names):
        return None
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
    return _webp_of(found, names)


def _has_spare_bytes(found: Mapping[bytes, bytes], names: Sequence[bytes], coded: bytes) -> bool:
    """Return whether coded data, or their first partition, end with bytes that no decoder needs."""
    content = found[coded]
    shorter = [content[:-_WEBP_SPARE]] if len(content) > 2 * _WEBP_SPARE else []
    if coded == b"VP8 " and len(content) > 10:
        # The size of the first partition begins at bit 5 of the frame tag (RFC 6386, 9.1).
        tag = int.from_bytes(content[:3], "little")
        end = 10 + (tag >> 5)
        if tag >> 5 > 2 * _WEBP_SPARE and end <= len(content):
            tag -= _WEBP_SPARE << 5
            kept = content[3 : end - _WEBP_SPARE] + content[end:]
            shorter.append(tag.to_bytes(3, "little") + kept)
    header = [b"VP8X"] if len(names) > 1 and b"VP8X" in found else []
    return any(_decodes(_webp_of({**found, coded: each}, [*header, *names])) for each in shorter)


def _decodes(data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data), formats=["WEBP"]) as image:
            image.load()
    except Exception:  # Pillow's plugin raises anything
        return False
    return True


def _webp_of(found: Mapping[bytes, bytes], names: Sequence[bytes]) -> bytes:
    body = b"WEBP" + b"".join(_riff(name, found[name]) for name in names)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _riff(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
