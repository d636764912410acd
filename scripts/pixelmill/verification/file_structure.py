"""File structure: the structure of image files, read without an image library.

Verification reads format, orientation, profile and frames here, so that an error in a
library's reading of them cannot pass unseen.
"""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

#: Tag of the orientation in EXIF and TIFF (EXIF 2.32, 4.6.4.1.4).
ORIENTATION = 0x0112

#: Chunks of a PNG that describe its colours (PNG 3rd edition, 4.3).
_COLOR_CHUNKS = (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM")

#: Place of the colour type in a PNG (PNG 3rd edition, 11.2.1); its bit 2 means colour.
_COLOR_TYPE = 25

#: Sizes in bytes of those that have a fixed one; others are malformed.
_COLOR_SIZES = {b"cICP": 4, b"sRGB": 1, b"gAMA": 4, b"cHRM": 32}

#: Chunks of a PNG that hold a text.
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")

#: Longest profile or text that is unpacked from a PNG, in bytes.
_MOST_UNPACKED = 16_000_000

#: Markers of JPEG without a length (ITU-T T.81, table B.1).
_BARE_MARKERS = (0x01, *range(0xD0, 0xD9))


class Notes(NamedTuple):
    """What a file records about its picture, besides the pixels.

    `colors` are what else describes them: the chunks of a PNG, ``nclx`` of an AVIF.
    `kind` is jpeg, png, gif, webp, avif, heif, tiff, bmp, pnm or ico, or empty if unknown;
    `orientation` is 1 to 8 (EXIF 2.32, 4.6.4.1.4); `profile` is an ICC profile or None.
    """

    kind: str
    orientation: int = 1
    profile: bytes | None = None
    colors: Mapping[bytes, bytes] = {}


def kind_of(data: bytes) -> str:
    """Return the name of the format according to the first bytes; empty if unknown.

    Examples
    --------
    >>> kind_of(b"GIF89a"), kind_of(b"P6 64 48 255 "), kind_of(b"text")
    ('gif', 'pnm', '')
    """
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(PNG_SIGNATURE):
        return "png"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    if data[:2] == b"BM":
        return "bmp"
    if data[:4] == b"\0\0\1\0":
        return "ico"
    if data[4:8] == b"ftyp":
        brands = {data[k : k + 4] for k in range(8, min(_u32(data, 0), 256), 4)}
        return "avif" if brands & {b"avif", b"avis"} else "heif"
    if data[:1] == b"P" and data[1:2] in b"123456" and data[2:3].isspace():
        return "pnm"
    return ""


def notes_of(data: bytes) -> Notes:
    """Read what a file records about its picture; for a TIFF, only the format.

    What is malformed is left out: it says nothing.
    """
    kind = kind_of(data)
    reader = {"jpeg": _jpeg_notes, "png": _png_notes, "webp": _webp_notes}
    reader |= {"avif": _heif_notes, "heif": _heif_notes}
    try:
        return reader[kind](data) if kind in reader else Notes(kind)
    except (struct.error, IndexError, ValueError):
        return Notes(kind)


#: What precedes an EXIF block in JPEG and, by some programs, elsewhere too, even more than once.
_EXIF_PREFIX = b"Exif\0\0"

#: Letters of `struct`, and bytes, of the types that a reader accepts for any unsigned integer
#: (TIFF 6.0, section 2; TIFF, technical note 1): BYTE, SHORT, LONG and IFD.
_UNSIGNED = {1: ("B", 1), 3: ("H", 2), 4: ("I", 4), 13: ("I", 4)}


def exif_orientation(block: bytes) -> int:
    """Return the orientation in an EXIF block, with or without its ``Exif`` header; else 1."""
    while block.startswith(_EXIF_PREFIX):
        block = block[len(_EXIF_PREFIX) :]
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        for place in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, number, where = struct.unpack_from(order + "HHII", block, place)
            if tag == ORIENTATION and number and kind in _UNSIGNED:
                letter, size = _UNSIGNED[kind]
                inside = number * size <= 4  # the value is in the entry, or where that points
                stated = struct.unpack_from(order + letter, block, place + 8 if inside else where)
                return stated[0] if 1 <= stated[0] <= 8 else 1
    except struct.error:
        pass
    return 1


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the markers and contents of the segments of a JPEG (ITU-T T.81, B.1.1.4).

    The last one is the marker of the first scan, without content; it is missing if the data end
    before it.
    """
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF or marker in _BARE_MARKERS:
            place += 1 if marker == 0xFF else 2
            continue
        if marker == 0xDA:
            yield marker, b""
            return
        (length,) = struct.unpack_from(">H", data, place + 2)
        yield marker, data[place + 4 : place + 2 + length]
        place += 2 + length


def _jpeg_notes(data: bytes) -> Notes:
    exif, parts = b"", {}
    for marker, content in jpeg_segments(data):
        if marker == 0xE1 and content.startswith(_EXIF_PREFIX):
            exif += content[len(_EXIF_PREFIX) :]  # the first block, or one in several segments
        elif marker == 0xE2 and content.startswith(b"ICC_PROFILE\0"):
            parts[content[12]] = content[14:]  # ICC.1:2022, B.4: numbered parts
    profile = b"".join(parts[number] for number in sorted(parts))
    return Notes("jpeg", exif_orientation(exif), profile or None)


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the names and contents of the chunks of a PNG (PNG 3rd edition, 5.3)."""
    return ((name, content) for name, content, _ in _checked_chunks(data))


def _checked_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Yield also whether the checksum of each chunk is right (PNG 3rd edition, 5.3)."""
    place = len(PNG_SIGNATURE)
    while place + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        end = place + 8 + length
        content = data[place + 8 : end]
        sound = data[end : end + 4] == struct.pack(">I", zlib.crc32(content, zlib.crc32(name)))
        yield name, content, sound
        if name == b"IEND":
            return
        place = end + 4


def png_of(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """Assemble chunks into a PNG, each with its checksum."""
    parts = [PNG_SIGNATURE]
    for name, content in chunks:
        parts.append(struct.pack(">I", len(content)) + name + content)
        parts.append(struct.pack(">I", zlib.crc32(name + content)))
    return b"".join(parts)


def _png_notes(data: bytes) -> Notes:
    colors: dict[bytes, bytes] = {}
    blocks: dict[bytes, bytes] = {}
    before_pixels = True
    for name, content, sound in _checked_chunks(data):
        if name in (b"IDAT", b"PLTE"):
            before_pixels = False
        elif not sound or len(content) != _COLOR_SIZES.get(name, len(content)):
            continue  # it is skipped (PNG 3rd edition, 13.2)
        elif name in _COLOR_CHUNKS and before_pixels:
            colors.setdefault(name, content)
        elif name == b"eXIf":
            blocks.setdefault(name, content)
        elif name in _TEXTS and content.startswith(b"Raw profile type exif\0"):
            # A name, a length, and the block in hexadecimal, as ImageMagick writes it.
            hexadecimal = b"".join(_text(name, content).split()[2:])
            with contextlib.suppress(ValueError):  # it is malformed
                blocks.setdefault(b"text", bytes.fromhex(hexadecimal.decode("ascii")))
    profile = _unpacked(colors.get(b"iCCP", b"").partition(b"\0")[2][1:])
    others = colors.keys() & {b"sRGB", b"gAMA", b"cHRM"}
    if not profile or (others and not _describes(profile, gray=not data[_COLOR_TYPE] & 2)):
        profile = None
        colors.pop(b"iCCP", None)
    # There may be one chunk (PNG 3rd edition, 5.6); the text is what preceded it.
    exif = blocks.get(b"eXIf", blocks.get(b"text", b""))
    return Notes("png", exif_orientation(exif), profile, colors)


def _describes(profile: bytes, gray: bool) -> bool:
    """Whether the header of a profile is one, and of this colour space (ICC.1:2022, 7.2)."""
    return profile[36:40] == b"acsp" and profile[16:20] == (b"GRAY" if gray else b"RGB ")


def _text(name: bytes, content: bytes) -> bytes:
    """Return what follows the keyword of a text (PNG 3rd edition, 11.3.3)."""
    text = content.partition(b"\0")[2]
    packed = name == b"zTXt"
    if name == b"iTXt":
        packed = text[:1] == b"\1"
        text = b"\0" + text[2:].split(b"\0", 2)[-1]
    elif not packed:
        return text
    return (_unpacked(text[1:]) or b"") if packed else text[1:]


def _unpacked(content: bytes) -> bytes | None:
    try:
        return zlib.decompressobj().decompress(content, _MOST_UNPACKED)
    except zlib.error:
        return None


def gif_frames(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield the frames of a GIF (GIF89a, sections 20 and 23).

    Yields
    ------
    begin, end : int
        Places behind the separator of its descriptor, and behind its data.
    control : bytes
        Flags, delay and transparent index of the control extension before it.
    """
    packed = data[10]
    place = 13 + (6 << (packed & 7) if packed & 0x80 else 0)
    none = control = bytes(4)
    while place < len(data) and data[place] != 0x3B:
        if data[place] == 0x21:
            if data[place + 1] == 0xF9:
                control = data[place + 3 : place + 7]
            place = _end_of_blocks(data, place + 2)
        elif data[place] == 0x2C:
            begin, packed = place + 1, data[place + 9]
            start = begin + 9 + (6 << (packed & 7) if packed & 0x80 else 0)
            place = _end_of_blocks(data, start + 1)
            yield begin, place, control
            control = none
        else:
            place += 1  # skip bytes that are not a block, as browsers do


def _end_of_blocks(data: bytes, place: int) -> int:
    """Return the position behind a chain of sub-blocks (GIF89a, section 15)."""
    while data[place]:
        place += 1 + data[place]
    return place + 1


def riff_chunks(data: bytes, start: int = 12) -> Iterator[tuple[bytes, bytes]]:
    """Yield the names and contents of the chunks of a RIFF file, such as WebP (RFC 9649, 2.3)."""
    place = start
    while place + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, place)
        yield name, data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2


#: Flags of a WebP that say which chunks count (RFC 9649, 2.7.1).
_WEBP_EXIF, _WEBP_ICC = 0x08, 0x20


def _webp_notes(data: bytes) -> Notes:
    first: dict[bytes, bytes] = {}
    for name, content in riff_chunks(data):
        first.setdefault(name, content)  # the others may be ignored (RFC 9649, 2.7.1)
    flags = (first.get(b"VP8X") or b"\0")[0]
    exif = first.get(b"EXIF", b"") if flags & _WEBP_EXIF else b""
    return Notes("webp", exif_orientation(exif), first.get(b"ICCP") if flags & _WEBP_ICC else None)


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the names and contents of the boxes of an ISO media file (ISO/IEC 14496-12, 4.2)."""
    place = 0
    while place + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        head = 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, place + 8)
            head = 16
        elif length == 0:
            length = len(data) - place
        if length < head:
            return
        yield name, data[place + head : place + length]
        place += length


def find_box(data: bytes, *path: bytes) -> bytes | None:
    """Return the content of the first box at a path, without the version of a full box."""
    for name in path:
        found = next((content for box, content in boxes(data) if box == name), None)
        if found is None:
            return None
        data = found[4:] if name == b"meta" else found
    return data


def avif_properties(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return the properties of the primary item of an AVIF or HEIC (ISO/IEC 23008-12, 9.3).

    Raises
    ------
    ValueError, struct.error
        If they are malformed.
    """
    meta = find_box(data, b"meta")
    primary = find_box(meta or b"", b"pitm")
    container = find_box(meta or b"", b"iprp", b"ipco")
    association = find_box(meta or b"", b"iprp", b"ipma")
    if primary is None or container is None or association is None:
        return []
    item = _u16(primary, 4) if primary[0] == 0 else _u32(primary, 4)
    every = list(boxes(container))
    place = 8
    for _ in range(_u32(association, 4)):
        wide = association[0] >= 1
        number = _u32(association, place) if wide else _u16(association, place)
        place += 4 if wide else 2
        count, place = association[place], place + 1
        found = []
        for _ in range(count):
            if association[3] & 1:
                index, place = _u16(association, place) & 0x7FFF, place + 2
            else:
                index, place = association[place] & 0x7F, place + 1
            if 1 <= index <= len(every):
                found.append(every[index - 1])
        if number == item:
            return found
    return []


def picture_track(data: bytes) -> bytes | None:
    """Return the content of the first track of pictures of an ISO media file, or None."""
    for name, track in boxes(find_box(data, b"moov") or b""):
        handler = find_box(track, b"mdia", b"hdlr") if name == b"trak" else None
        if handler is not None and handler[8:12] == b"pict":
            return track
    return None


def _heif_notes(data: bytes) -> Notes:
    turns, axis, profile = 0, None, None
    colors = {}
    for name, content in avif_properties(data):
        if name == b"irot":
            turns = content[0] & 3
        elif name == b"imir":
            axis = content[0] & 1
        elif name == b"colr" and content[:4] in (b"prof", b"rICC"):
            profile = content[4:]
        elif name == b"colr" and content[:4] == b"nclx":
            colors[b"nclx"] = content[4:]
    return Notes(kind_of(data), _HEIF_ORIENTATIONS[turns, axis], profile, colors)


#: EXIF orientations of rotations by quarters anticlockwise (``irot``) followed by an exchange
#: of top and bottom (``imir`` 0) or of left and right (1); ISO/IEC 23008-12, 6.5.10 and 6.5.12.
_HEIF_ORIENTATIONS = {
    (0, None): 1, (1, None): 8, (2, None): 3, (3, None): 6,
    (0, 0): 4, (1, 0): 5, (2, 0): 2, (3, 0): 7,
    (0, 1): 2, (1, 1): 7, (2, 1): 4, (3, 1): 5,
}  # fmt: skip


def _u16(data: bytes, place: int) -> int:
    return int(struct.unpack_from(">H", data, place)[0])


def _u32(data: bytes, place: int) -> int:
    return int(struct.unpack_from(">I", data, place)[0])
