"""File sizes: how many bytes an output may have, derived from its recipe and its source.

Only sources that can certainly be copied are judged: stills in common kinds of JPEG, PNG and
WebP that need no conversion and hide nothing after their coded data.
"""

from __future__ import annotations

import itertools
import re
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from pixelmill.verification.expectations import Expectation
from pixelmill.verification.file_structure import jpeg_segments, notes_of, png_chunks
from pixelmill.verification.second_decoder import decode
from pixelmill.verification.second_samples import UndecodableError

#: Markers of the frames of a JPEG: baseline, extended and progressive (ITU-T T.81, table B.1).
_ADOBE = 0xEE
_COMMON_FRAMES = (0xC0, 0xC1, 0xC2)
_FRAMES = tuple(marker for marker in range(0xC0, 0xD0) if marker not in (0xC4, 0xC8, 0xCC))

#: A marker, and the markers between and after the scans of a sound JPEG: stuffed and fill bytes,
#: tables, the restart interval, restarts, scans and the end.
_MARKER = re.compile(rb"\xff(.)", re.DOTALL)
_WITHIN_SCANS = {0x00, 0xFF, 0xC4, 0xDB, 0xDD, *range(0xD0, 0xD8), 0xDA, 0xD9}

#: Chunks of a PNG with its palette and its transparency.
_COLORS = (b"PLTE", b"tRNS")

#: Bytes that XMP may need more in a copy than in its source, because it is written anew.
_REWRITTEN = 2_000

#: Bytes at the end of the coded data of a WebP that a decoder may not need.
_SPARE = 8


def size_fault(expectation: Expectation, source: bytes, output: bytes) -> str | None:
    """Say if an output is larger than its recipe allows.

    Parameters
    ----------
    expectation : Expectation
    source, output : bytes
        The files.
    """
    most = len(source) * (100 - expectation.min_saving) / 100
    if not expectation.keeps_source or len(output) <= most:
        return None
    if b"rdf:RDF" in output and len(output) <= len(source) + _REWRITTEN:
        return None
    if not _is_copyable(expectation, source, output):
        return None
    if len(output) > len(source):
        return f"has {len(output):,} bytes, more than its source ({len(source):,})"
    if not _same_picture(source, output):
        return f"has {len(output):,} bytes, and its source, which was to be kept, {len(source):,}"
    return None


def _is_copyable(expectation: Expectation, source: bytes, output: bytes) -> bool:
    """Whether a recipe asks for nothing but encoding a source again, and it can be copied."""
    notes = notes_of(source)
    return (
        not expectation.steps
        and notes.kind == notes_of(output).kind
        and not (expectation.upright and notes.orientation != 1)
        and notes.profile is None
        and not notes.colors
        and notes.kind in _COMMON
        and _COMMON[notes.kind](source)
    )


def _common_jpeg(data: bytes) -> bool:
    frames = [(marker, content) for marker, content in jpeg_segments(data) if marker in _FRAMES]
    if len(frames) != 1 or not data.endswith(b"\xff\xd9"):
        return False
    ((marker, content),) = frames
    # Damaged data may contain any marker. Contents of tables are taken for data too.
    header = sum(len(content) + 4 for marker, content in jpeg_segments(data) if content)
    if not {match[1][0] for match in _MARKER.finditer(data, 2 + header)} <= _WITHIN_SCANS:
        return False
    if content[:1] != b"\x08" or content[5:6] not in (b"\1", b"\3"):
        return False
    if sum(marker == _ADOBE for marker, _ in jpeg_segments(data)) > 1:
        return False
    return marker in _COMMON_FRAMES and _decodes_without_warning(data)


def _decodes_without_warning(data: bytes) -> bool:
    """Whether a JPEG has no bytes that a decoder skips."""
    import simplejpeg

    try:
        simplejpeg.decode_jpeg(data, strict=True)
    except ValueError:
        return False
    return True


def _common_png(data: bytes) -> bool:
    chunks = list(png_chunks(data))
    names = {name for name, _ in chunks}
    critical = {name for name in names if not name[0] & 0x20}
    known = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
    if not critical <= known or b"acTL" in names or chunks[0][1][8:9] == b"\x10":
        return False
    if not _has_plain_colors(chunks):
        return False
    stream = zlib.decompressobj()
    found = stream.decompress(b"".join(content for name, content in chunks if name == b"IDAT"))
    return not stream.unused_data and _is_all_pixels(chunks[0][1], len(found))


def _has_plain_colors(chunks: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether palette and transparency occur once, before the pixels, and are not too long."""
    before = itertools.takewhile(lambda chunk: chunk[0] != b"IDAT", chunks)
    sizes = [(name, len(content)) for name, content in before if name in _COLORS]
    most = {0: 2, 2: 6, 3: 256}.get(chunks[0][1][9], 0)
    every = [name for name, _ in chunks if name in _COLORS]
    return every == list(dict(sizes)) and dict(sizes).get(b"tRNS", 0) <= most


def _is_all_pixels(header: bytes, count: int) -> bool:
    """Whether a PNG has no more bytes than its pixels; those of an interlaced one are not told."""
    width, height, depth, kind = struct.unpack_from(">IIBB", header)
    bits = width * depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    return header[12] == 0 and count == height * (1 + -(-bits // 8))


def _common_webp(data: bytes) -> bool:
    chunks = dict(_webp_chunks(data))
    coded = [name for name in (b"ALPH", b"VP8 ", b"VP8L") if name in chunks]
    return not {b"ANIM", b"ANMF"}.intersection(chunks) and not any(
        _decodes({**chunks, name: chunks[name][:-_SPARE]}) for name in coded
    )


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 12
    while place + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, place)
        yield name, data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2


def _decodes(chunks: Mapping[bytes, bytes]) -> bool:
    """Whether chunks make a WebP that can be decoded."""
    import imagecodecs

    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)
        for name, content in chunks.items()
    )
    try:
        imagecodecs.webp_decode(b"RIFF" + struct.pack("<I", len(body)) + body)
    except imagecodecs.WebpError:
        return False
    return True


#: Whether a file is of a common kind, by its format.
_COMMON = {"jpeg": _common_jpeg, "png": _common_png, "webp": _common_webp}


def _same_picture(source: bytes, output: bytes) -> bool:
    """Whether two files show the same, pixel for pixel."""
    try:
        one, other = (decode(data, "drop", upright=False).frames for data in (source, output))
    except UndecodableError:
        return True
    return np.array_equal(one[0], other[0])
