"""Packets: where XMP and IPTC are stored in files of each format, and how they are added.

They are added to files that are encoded already, so that all encoders write the same.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from pixelmill.imaging.codecs import ifd, iptc, tag_names, xmp
from pixelmill.imaging.codecs.decoded import Packets
from pixelmill.imaging.codecs.ifd import Field, Tags


def selected(found: Packets, policy: str | tuple[str, ...]) -> Packets:
    """Return what outputs have of the packets of their source.

    Parameters
    ----------
    found : Packets
    policy : {"keep"} or tuple of str
        As for `pixelmill.imaging.codecs.metadata.exif_of`; the others keep no packets.
    """
    names = tag_names.with_directions(policy) if isinstance(policy, tuple) else None
    datasets = iptc.kept(found.iptc, names)
    try:
        return Packets(xmp.kept(found.xmp, names) if found.xmp else b"", datasets)
    except ValueError:
        return Packets(b"", datasets, dropped=True)


_APP1, _APP13 = 0xE1, 0xED
_XMP_IN_JPEG, _IPTC_IN_JPEG = b"http://ns.adobe.com/xap/1.0/\0", b"Photoshop 3.0\0"

#: Keywords of texts in a PNG. That of IPTC is a convention of ImageMagick, which exiftool reads.
_XMP_IN_PNG, _IPTC_IN_PNG = b"XML:com.adobe.xmp", b"Raw profile type iptc"

#: Tags of a TIFF (TIFF technical notes; XMP part 3, 1.1.8).
_XMP_TAG, _IPTC_TAG, _PHOTOSHOP_TAG = 700, 33723, 34377

#: Bits of the flags in the header of an extended WebP (RFC 9649, 2.7.1).
_WEBP_XMP, _WEBP_ALPHA = 0x04, 0x10

#: Bit of the header of a lossless WebP that says whether there is alpha (RFC 9649, 3.4).
_LOSSLESS_ALPHA = 1 << 28


def in_jpeg(data: bytes) -> Packets:
    """Read the packets of a JPEG; those of a second packet of XMP are left out."""
    found, blocks = b"", []
    for marker, content in segments(data):
        if marker == _APP1 and content.startswith(_XMP_IN_JPEG):
            found = found or content[len(_XMP_IN_JPEG) :]
        elif marker == _APP13 and content.startswith(_IPTC_IN_JPEG):
            blocks.append(content[len(_IPTC_IN_JPEG) :])
    return Packets(found, iptc.in_blocks(b"".join(blocks)))


def segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield markers and contents of the segments before the scans (ITU-T T.81, B.1.1.4)."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker, (length,) = data[place + 1], struct.unpack_from(">H", data, place + 2)
        if marker == 0xFF:  # any number of fill bytes may precede a marker
            place += 1
            continue
        if marker == 0xDA or length < 2:
            return
        yield marker, data[place + 4 : place + 2 + length]
        place += 2 + length


def into_jpeg(data: bytes, packets: Packets) -> bytes:
    """Add segments after those of JFIF and EXIF."""
    made = b""
    if packets.xmp:
        made += _segment(_APP1, _XMP_IN_JPEG + packets.xmp)
    if packets.iptc:
        made += _segment(_APP13, _IPTC_IN_JPEG + iptc.as_block(packets.iptc))
    place = 2
    for marker, content in segments(data):
        if marker not in (0xE0, _APP1):
            break
        place += 4 + len(content)
    return data[:place] + made + data[place:]


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def in_png(data: bytes) -> Packets:
    """Read the packets of a PNG, of which texts may be compressed."""
    found, datasets = b"", b""
    for name, content, _ in _chunks(data):
        keyword, _, rest = content.partition(b"\0")
        if name == b"iTXt" and keyword == _XMP_IN_PNG and not found:
            *_, text = rest[2:].split(b"\0", 2)
            found = _inflated(text) if rest[:1] == b"\1" else text
        elif name in (b"zTXt", b"tEXt") and keyword == _IPTC_IN_PNG and not datasets:
            text = _inflated(rest[1:]) if name == b"zTXt" else rest
            try:
                raw = bytes.fromhex("".join(text.decode("ascii").split("\n")[3:]))
            except ValueError:
                continue
            datasets = iptc.in_blocks(raw) or raw
    return Packets(found, datasets)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Yield names, contents and places of the sound chunks of a PNG."""
    place = 8
    while place + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        content, digest = data[place + 8 : place + 8 + length], data[place + 8 + length :][:4]
        if zlib.crc32(name + content) == int.from_bytes(digest, "big"):
            yield name, content, place
        place += 12 + length


def _inflated(data: bytes) -> bytes:
    """Decompress a text, but not one that is larger than any packet."""
    inflater = zlib.decompressobj()
    try:
        text: bytes = inflater.decompress(data, xmp.MOST_BYTES + 1)
    except zlib.error:
        return b""
    return text


def into_png(data: bytes, packets: Packets) -> bytes:
    """Add texts before the pixels."""
    made = b""
    if packets.xmp:
        made += _chunk(b"iTXt", _XMP_IN_PNG + b"\0\0\0\0\0" + packets.xmp)
    if packets.iptc:
        block = iptc.as_block(packets.iptc)
        text = f"\niptc\n{len(block):8}\n{block.hex()}\n".encode()
        made += _chunk(b"zTXt", _IPTC_IN_PNG + b"\0\0" + zlib.compress(text))
    place = next(place for name, _, place in _chunks(data) if name == b"IDAT")
    return data[:place] + made + data[place:]


def _chunk(name: bytes, content: bytes) -> bytes:
    digest = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + digest


def in_webp(data: bytes) -> Packets:
    """Read the XMP of a WebP; there is no IPTC (RFC 9649)."""
    return Packets(dict(reversed(list(riff_chunks(data)))).get(b"XMP ", b""))


def riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield names and contents of the chunks of a WebP (RFC 9649, 2.3)."""
    place = 12
    while place + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, place)
        yield name, data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2


def into_webp(data: bytes, packets: Packets) -> bytes:
    """Add a chunk at the end, and a flag in the header, which a simple file does not have."""
    chunks = list(riff_chunks(data))
    name, first = chunks[0]
    if name == b"VP8X":
        header = bytes([first[0] | _WEBP_XMP]) + first[1:]
        chunks = chunks[1:]
    else:
        header = _webp_header(name, first)
    body = b"WEBP" + _riff(b"VP8X", header)
    body += b"".join(_riff(*chunk) for chunk in (*chunks, (b"XMP ", packets.xmp)))
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _webp_header(name: bytes, content: bytes) -> bytes:
    """Return the header of an extended file for a simple one (RFC 9649, 2.5 to 2.7)."""
    if name == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 1)
        width, height = bits & 0x3FFF, bits >> 14 & 0x3FFF
        flags = _WEBP_XMP | _WEBP_ALPHA * bool(bits & _LOSSLESS_ALPHA)
    else:
        width, height = ((s & 0x3FFF) - 1 for s in struct.unpack_from("<HH", content, 6))
        flags = _WEBP_XMP
    sides = b"".join(side.to_bytes(3, "little") for side in (width, height))
    return bytes([flags, 0, 0, 0]) + sides


def _riff(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def in_tiff(data: bytes) -> Packets:
    """Read the packets of the first page of a TIFF."""
    try:
        tags = ifd.read(data, main_only=True)
    except ValueError:
        return Packets()
    found = {tag: tags.main.get(tag, Field(0, b"")) for tag in (_XMP_TAG, _IPTC_TAG)}
    kind, datasets = found[_IPTC_TAG]
    if kind == ifd.LONG and tags.order == ">" and datasets[:1] != b"\x1c":
        # Some programs store the bytes as numbers of another byte order.
        datasets = b"".join(datasets[k : k + 4][::-1] for k in range(0, len(datasets), 4))
    photoshop = tags.main.get(_PHOTOSHOP_TAG, Field(0, b"")).value
    return Packets(found[_XMP_TAG].value, datasets or iptc.in_blocks(photoshop))


def into_tiff(data: bytes, packets: Packets) -> bytes:
    """Add tags to the first page."""
    fields = {
        _XMP_TAG: Field(ifd.BYTE, packets.xmp),
        _IPTC_TAG: Field(ifd.UNDEFINED, packets.iptc),
    }
    tags = Tags(main={tag: field for tag, field in fields.items() if field.value})
    tail, head = ifd.extension(data, tags)
    return head + data[len(head) :] + tail
