"""AVIF: the parts of a file that Pillow neither reads nor writes.

These are the clean aperture of a picture, the number of times that a sequence is shown, and
properties that are spread over several tables.
"""

from __future__ import annotations

import math
import struct
from fractions import Fraction

from PIL import Image

from pixelmill.imaging.codecs.boxes import HEAD, Box, at, first
from pixelmill.imaging.codecs.isobmff import (
    picture_tracks,
    primary_item,
    properties_of,
    sample_properties,
)
from pixelmill.imaging.parameters import Size

#: Width, height, horizontal and vertical offset, each a fraction (ISO/IEC 14496-12, 12.1.4).
_APERTURE = struct.Struct(">IIIIiIiI")

#: Bytes between the times and the duration in headers of a movie, a track and its media
#: (ISO/IEC 14496-12, 8.2.2, 8.3.2 and 8.4.2).
_BEFORE_DURATION = {b"mvhd": 4, b"tkhd": 8, b"mdhd": 4}


def plays(data: bytes) -> int:
    """How often a sequence is shown; 0 means for ever.

    A file without an edit list does not say, and browsers show it for ever. The edit list has one
    entry, as long as all frames (ISO/IEC 23008-12, 9.6.1; its flag 1 repeats the entry until the
    end of the track).
    """
    for track in picture_tracks(data):
        edits = first(data, b"edts", b"elst", outer=track)
        header = first(data, b"tkhd", outer=track)
        if edits is None or header is None:
            return 0
        repeats = data[edits.begin + 3] & 1
        if not repeats:
            return 1
        wide = data[edits.begin]
        begin = edits.begin + 8
        length = int.from_bytes(data[begin : begin + (8 if wide else 4)], "big")
        _, place, size = _fields(data, header)
        whole = int.from_bytes(data[place : place + size], "big")
        endless = whole == 2 ** (8 * size) - 1
        return 0 if endless or not length else math.ceil(whole / length)
    return 0


def with_plays(data: bytes, times: int) -> bytes:
    """Change a sequence that is shown for ever so that it is shown a number of times; 0 keeps it.

    The times of creation are cleared, so that the same frames give the same file.
    """
    made = bytearray(data)
    for movie in at(data, b"moov"):
        frames = 0
        for edits in at(data, b"trak", b"edts", b"elst", outer=movie):
            frames = int.from_bytes(data[edits.begin + 8 : edits.begin + 16], "big")
            made[edits.begin + 3] = times != 1
        for path in ((b"mvhd",), (b"trak", b"tkhd"), (b"trak", b"mdia", b"mdhd")):
            for header in at(data, *path, outer=movie):
                times_at, place, size = _fields(data, header)
                made[times_at : times_at + 2 * size] = bytes(2 * size)
                if times and header.name != b"mdhd":
                    made[place : place + size] = (times * frames).to_bytes(size, "big")
    return bytes(made)


def with_one_table(data: bytes) -> bytes:
    """Join the tables that assign properties to items, if there are several of one kind.

    Some encoders write one for each item. libheif and browsers accept that; libavif refuses it
    (ISO/IEC 14496-12, 8.11.14.1). The saved bytes become free space, so that the pictures stay
    where they are.
    """
    for meta in at(data, b"meta"):
        for outer in at(data, b"iprp", outer=meta):
            tables = list(at(data, b"ipma", outer=outer))
            if len(tables) > 1 and len({data[box.begin : box.begin + 4] for box in tables}) == 1:
                return _joined(data, meta, outer, tables)
    return data


def _joined(data: bytes, meta: Box, outer: Box, tables: list[Box]) -> bytes:
    start, end = tables[0].begin - HEAD.size, tables[-1].end
    whole = sum(box.end - box.begin + HEAD.size for box in tables) == end - start
    sizes = [HEAD.unpack_from(data, box.begin - HEAD.size)[0] for box in (meta, outer)]
    if not whole or sizes != [box.end - box.begin + HEAD.size for box in (meta, outer)]:
        return data  # there are other boxes between them, or sizes do not have 32 bits
    count = sum(int.from_bytes(data[box.begin + 4 : box.begin + 8], "big") for box in tables)
    content = data[tables[0].begin : tables[0].begin + 4] + count.to_bytes(4, "big")
    content += b"".join(data[box.begin + 8 : box.end] for box in tables)
    saved = end - start - HEAD.size - len(content)
    made = bytearray(data[:start] + HEAD.pack(HEAD.size + len(content), b"ipma") + content)
    made += data[end : meta.end] + HEAD.pack(saved, b"free") + bytes(saved - HEAD.size)
    made += data[meta.end :]
    for box, size in zip((meta, outer), sizes, strict=True):
        HEAD.pack_into(made, box.begin - HEAD.size, size - saved, box.name)
    return bytes(made)


def aperture(data: bytes, size: Size) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of the clean aperture of a picture; None for the whole picture.

    Parameters
    ----------
    data : bytes
        The file.
    size : tuple of int
        Width and height as decoded, in pixels.

    Notes
    -----
    A sequence has the aperture of its track, an image that of the primary item. It is applied
    before rotation and mirroring (ISO/IEC 23000-22, 7.3.6.7). Edges between pixels are rounded. An
    aperture that is malformed or reaches beyond the picture is ignored.
    """
    found = next((box for box in _properties(data) if box.name == b"clap"), None)
    if found is None or found.end - found.begin < _APERTURE.size:
        return None
    values = _APERTURE.unpack_from(data, found.begin)
    if 0 in values[1::2]:
        return None
    wide, high, across, down = (Fraction(*values[k : k + 2]) for k in (0, 2, 4, 6))
    left, top = across + (size[0] - wide) / 2, down + (size[1] - high) / 2
    edges = left, top, left + wide, top + high
    box = tuple(math.floor(edge + Fraction(1, 2)) for edge in edges)
    inside = 0 <= box[0] < box[2] <= size[0] and 0 <= box[1] < box[3] <= size[1]
    return (box[0], box[1], box[2], box[3]) if inside and box != (0, 0, *size) else None


def cropped(image: Image.Image, data: bytes) -> Image.Image:
    """Crop a decoded picture to its clean aperture."""
    box = aperture(data, image.size)
    return image if box is None else image.crop(box)


def _properties(data: bytes) -> list[Box]:
    """Properties of the picture, or of all pictures of a sequence."""
    if data[8:12] != b"avis":
        return properties_of(data, primary_item(data))
    track = next(picture_tracks(data), None)
    return [] if track is None else sample_properties(data, track)


def _fields(data: bytes, header: Box) -> tuple[int, int, int]:
    """Offsets of the times and of the duration in a header, and the number of bytes of each."""
    size = 8 if data[header.begin] else 4
    times = header.begin + 4
    return times, times + 2 * size + _BEFORE_DURATION[header.name], size
