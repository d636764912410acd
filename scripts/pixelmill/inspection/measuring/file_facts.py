"""File facts: what the bytes of a file state about its picture, without decoding it.

Headers are read, and EXIF. Whatever a file claims, no more than its own bytes is read, tables are
bounded, and what is broken or missing is None.
"""

from __future__ import annotations

import contextlib
import functools
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np

from pixelmill.imaging.arrays import AnyArray
from pixelmill.imaging.codecs import exif_facts, ico, ifd, isobmff, metadata, packets, png
from pixelmill.imaging.codecs.boxes import content
from pixelmill.imaging.codecs.date_taken import date
from pixelmill.imaging.codecs.ifd import Field, Tags
from pixelmill.imaging.codecs.metadata import Base

#: Segments or chunks of a file that are looked at; maker notes need some dozens of them, and a PNG
#: of 100 MB may have 12,000.
_MOST_SEGMENTS, _MOST_CHUNKS = 1_000, 100_000

#: Quantization tables of a segment that are read; there are four numbers of tables.
_MOST_TABLES = 4

#: Bytes of a header as text in which comments are looked for.
_HEADER_BYTES = 1_024


class _Coded(NamedTuple):
    """How a picture is coded: its mode by Pillow's names, and the bits of a channel."""

    mode: str | None = None
    bits: int | None = None


class _Found(NamedTuple):
    """What a reader of a format finds: the coding, the block of EXIF, and the quality."""

    coded: _Coded = _Coded()
    exif: bytes = b""
    quality: int | None = None


def facts_of(data: bytes, kind: str) -> dict[str, str | int | None]:
    """Return what a file states about its picture.

    Parameters
    ----------
    data : bytes
        The file.
    kind : str
        Its format, a key of `pixelmill.imaging.codecs.formats.FORMATS`.

    Returns
    -------
    dict of str to str, int or None
        The metrics ``mode``, ``bits``, ``taken``, ``camera`` and ``jpeg_quality``
        (`pixelmill.inspection.metrics.METRICS`).

    Examples
    --------
    >>> facts_of(b"P5 3 2 255 ......", "ppm")["mode"]
    'L'
    """
    found, taken, camera = _Found(), None, None
    with contextlib.suppress(struct.error, IndexError, ValueError):  # its header is broken
        found = _READERS[kind](data)
    if found.exif:
        tags = Tags()
        with contextlib.suppress(ValueError):  # it is broken
            tags = ifd.read(metadata.without_prefix(found.exif))
        make, model = (exif_facts.text(tags.main.get(tag)) for tag in (Base.Make, Base.Model))
        taken, camera = _taken(tags), _camera(make, model)
    return {
        "mode": found.coded.mode,
        "bits": found.coded.bits,
        "taken": taken,
        "camera": camera,
        "jpeg_quality": found.quality,
    }


#: Difference to universal time (EXIF 3.0, 4.6.6.7).
_OFFSET = re.compile(rb"([+-](?:0\d|1[0-4]):[0-5]\d)[\0 ]*")


def _taken(tags: Tags) -> str | None:
    """When a picture was taken, in ISO 8601, with the offset from universal time if stated."""
    taken = date(tags.camera.get(Base.DateTimeOriginal))
    if taken is None:
        return None
    stated = _OFFSET.fullmatch(tags.camera.get(Base.OffsetTimeOriginal, Field(0, b"")).value)
    return taken.isoformat() + (stated[1].decode("ascii") if stated else "")


def _camera(make: str | None, model: str | None) -> str | None:
    """Maker and model; the maker once.

    Examples
    --------
    >>> _camera("NIKON CORPORATION", "NIKON D70"), _camera("samsung", "SM-G950F")
    ('NIKON D70', 'samsung SM-G950F')
    """
    if make is None or model is None:
        return make or model
    repeated = model.casefold().startswith(make.split()[0].casefold())
    return model if repeated else f"{make} {model}"


_TABLES, _EXIF = 0xDB, 0xE1
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_MODES = {1: "L", 3: "RGB", 4: "CMYK"}


def _jpeg(data: bytes) -> _Found:
    """Walk the segments before the first scan (ITU-T T.81, B.2)."""
    coded, exif, first_table = _Coded(), b"", 0
    tables: dict[int, bytes] = {}
    for marker, segment in islice(packets.segments(data), _MOST_SEGMENTS):
        if marker in _FRAMES and coded.mode is None:
            coded = _Coded(_JPEG_MODES.get(segment[5]), segment[0])
            first_table = segment[8]
        elif marker == _TABLES:
            tables.update(_quantization_tables(segment))
        elif marker == _EXIF and not exif and segment.startswith(b"Exif\0"):
            exif = segment
    table = tables.get(first_table)
    return _Found(coded, exif, None if table is None else _quality_of(table))


def _quantization_tables(segment: bytes) -> Iterator[tuple[int, bytes]]:
    """Numbers and tables of a segment, of 8 or 16 bits, in zigzag order (ITU-T T.81, B.2.4.1)."""
    place = 0
    for _ in range(_MOST_TABLES):
        wide, number = divmod(segment[place], 16) if place < len(segment) else (0, 0)
        end = place + 1 + 64 * (2 if wide else 1)
        if end > len(segment):
            return
        yield number, segment[place + 1 : end]
        place = end


#: The table for luma of ITU-T T.81, K.1, in zigzag order.
_LUMA_TABLE = (
    16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37,
    29, 40, 58, 51, 61, 60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87,
    95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99,
)  # fmt: skip


@functools.cache
def _tables_of_libjpeg() -> AnyArray:
    """Tables for luma of the qualities 1 to 100, as libjpeg makes them (jcparam.c)."""
    qualities = np.arange(1, 101)
    percent = np.where(qualities < 50, 5000 // qualities, 200 - 2 * qualities)
    return np.asarray(np.clip((np.outer(percent, _LUMA_TABLE) + 50) // 100, 1, 255))


@functools.lru_cache(maxsize=256)  # most files of a folder have the same few tables
def _quality_of(table: bytes) -> int:
    """Return the quality whose table differs least from a table, in the sum of squares.

    The method is that of van der Knijff, "JPEG quality estimation using simple least squares
    matching of quantization tables" (2024), for the table of the first channel.
    """
    numbers = np.frombuffer(table, "u1" if len(table) == 64 else ">u2").astype(np.int64)
    differences = ((_tables_of_libjpeg() - numbers) ** 2).sum(axis=1)
    return 1 + int(np.argmin(differences))


_PNG_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}


def _png(data: bytes) -> _Found:
    """Read the header (PNG 3rd edition, 11.2.1) and the chunk eXIf."""
    bits, color = data[png.COLOR_TYPE - 1], data[png.COLOR_TYPE]
    block = b""
    for name, begin, end in islice(png.chunks(data), _MOST_CHUNKS):
        content = data[begin + 4 : end - 4] if name == b"eXIf" else b""
        if content and zlib.crc32(content) == int.from_bytes(data[end - 4 : end], "big"):
            block = content[4:]
            break
    return _Found(_Coded(_gray_mode(bits) if color == 0 else _PNG_MODES.get(color), bits), block)


def _gray_mode(bits: int) -> str:
    return {1: "1", 16: "I;16", 32: "I"}.get(bits, "L")


def _webp(data: bytes) -> _Found:
    """Read the chunks (RFC 9649, 2.5 to 2.7): VP8 is opaque, the others have a bit for alpha."""
    chunks: dict[bytes, bytes] = {}
    for name, chunk in islice(packets.riff_chunks(data), _MOST_SEGMENTS):
        chunks.setdefault(name, chunk)
    if b"VP8X" in chunks:
        alpha = bool(chunks[b"VP8X"][0] & 0x10)
    else:
        alpha = b"VP8L" in chunks and bool(chunks[b"VP8L"][4] & 0x10)
    return _Found(_Coded("RGBA" if alpha else "RGB", 8), chunks.get(b"EXIF", b""))


def _iso_media(data: bytes) -> _Found:
    """Read the property of the primary picture that has the bits (HEIF, 6.5.6)."""
    channels = bits = None
    for box in isobmff.properties_of(data, isobmff.primary_item(data)):
        if box.name == b"pixi":
            channels, bits = data[box.begin + 4], data[box.begin + 5]
    mode = "L" if channels == 1 else "RGB"
    if b":auxid:1\0" in (meta := content(data, b"meta")) or b"auxiliary:alpha\0" in meta:
        mode = {"L": "LA", "RGB": "RGBA"}[mode]
    return _Found(_Coded(mode, bits or 8), isobmff.exif(data))


#: Tags of a TIFF (TIFF 6.0): BitsPerSample, PhotometricInterpretation, ExtraSamples, SampleFormat.
_BITS, _PHOTOMETRIC, _EXTRA, _FORMAT = 258, 262, 338, 339

_TIFF_MODES = {2: "RGB", 3: "P", 4: "1", 5: "CMYK", 6: "YCbCr", 8: "LAB", 9: "LAB", 10: "LAB"}
_FLOATING_POINT = 3


def _tiff(data: bytes) -> _Found:
    """Read the tags of the first page, which are those of EXIF too."""
    tags = ifd.read(data, main_only=True)
    bits, photometric, extra, form = (
        ifd.integer(tags.order, tags.main.get(tag))
        for tag in (_BITS, _PHOTOMETRIC, _EXTRA, _FORMAT)
    )
    bits = bits or 1  # the default of TIFF
    if photometric in (0, 1):
        mode: str | None = "F" if form == _FLOATING_POINT else _gray_mode(bits)
    else:
        mode = _TIFF_MODES.get(-1 if photometric is None else photometric)
    if extra in (1, 2) and mode in ("L", "RGB"):
        mode = {"L": "LA", "RGB": "RGBA"}[mode]
    return _Found(_Coded(mode, bits), data)


def _gif(data: bytes) -> _Found:
    """Read the size of the colour table (GIF89a, 18)."""
    return _Found(_Coded("P", (data[10] & 7) + 1 if data[10] & 0x80 else 8))


def _bmp(data: bytes) -> _Found:
    """Read the bits of a pixel from the header of Windows or OS/2."""
    return _Found(_of_bitmap(data, 14))


def _of_bitmap(data: bytes, place: int) -> _Coded:
    (length,) = struct.unpack_from("<I", data, place)
    (bits,) = struct.unpack_from("<H", data, place + (10 if length == 12 else 14))
    if bits <= 8:
        return _Coded("P", bits)
    return _Coded("RGB", 5 if bits == 16 else 8)


#: Where an icon with one picture states the place of that picture.
_ICO_PLACE = 18


def _ico(data: bytes) -> _Found:
    """Read the header of the best picture, a PNG or a bitmap with a mask."""
    alone = ico.best_alone(data)
    (place,) = struct.unpack_from("<I", alone, _ICO_PLACE)
    if alone[place : place + 4] == b"\x89PNG":
        return _Found(_png(alone[place:]).coded)
    coded = _of_bitmap(alone, place)
    return _Found(_Coded("RGBA", 8) if coded.mode == "RGB" else coded)


def _ppm(data: bytes) -> _Found:
    """Read the header of Netpbm: magic number, width, height and, if not bilevel, the maximum."""
    words = re.sub(rb"#[^\n]*", b"", data[:_HEADER_BYTES]).split(maxsplit=4)
    if words[0] in (b"P1", b"P4"):
        return _Found(_Coded("1", 1))
    bits = int(words[3][:6]).bit_length()
    return _Found(_Coded("RGB" if words[0] in (b"P3", b"P6") else "L", bits))


_READERS: dict[str, Callable[[bytes], _Found]] = {
    "jpeg": _jpeg, "png": _png, "webp": _webp, "avif": _iso_media, "heif": _iso_media,
    "tiff": _tiff, "gif": _gif, "bmp": _bmp, "ico": _ico, "ppm": _ppm,
}  # fmt: skip
