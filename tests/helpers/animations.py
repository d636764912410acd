"""Build animations that no library writes, and grids of letters to compare them with."""

import io
import struct
from typing import NamedTuple

import numpy as np
from PIL import Image

from tests.helpers.imaging import chunk

#: Colours of letters; a dot is transparent.
COLORS = {
    "r": (255, 0, 0, 255), "g": (0, 255, 0, 255), "b": (0, 0, 255, 255),
    "w": (255, 255, 255, 255), "k": (0, 0, 0, 255), ".": (0, 0, 0, 0),
}  # fmt: skip


def pixels(rows):
    """RGBA pixels of rows of letters."""
    return np.array([[COLORS[letter] for letter in row] for row in rows], np.uint8)


def letters(image):
    """Rows of letters for a picture whose pixels are each close to one colour."""
    found = np.asarray(image.convert("RGBA") if isinstance(image, Image.Image) else image)
    return ["".join(map(_letter, row)) for row in found.astype(int)]


def _letter(pixel):
    if pixel[3] < 64:
        return "."
    near = [letter for letter in COLORS if np.abs(pixel - COLORS[letter]).max() < 64]
    return near[0] if near else "?"


class GifFrame(NamedTuple):
    """A frame for `gif`: rows of letters of the colour table, or of digits for its indices."""

    rows: list[str]
    at: tuple[int, int] = (0, 0)
    size: tuple[int, int] | None = None
    disposal: int = 0
    transparent: str | None = None
    delay: int = 10
    interlaced: bool = False
    table: str = ""
    code_size: int = 3
    control: bool = True


def gif(size, frames, *, table="krgbw", background=0, repeats=None, trailer=True):
    """A GIF (GIF89a); `repeats` is the count of its NETSCAPE extension."""
    data = b"GIF89a" + struct.pack("<HHBBB", *size, 0x80 | 2 if table else 0, background, 0)
    data += _table(table)
    if repeats is not None:
        data += b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", repeats) + b"\0"
    for frame in frames:
        used = frame.table or table
        rows = [[_index(letter, used) for letter in row] for row in frame.rows]
        if frame.control:
            clear = frame.transparent
            index = 0 if clear is None else _index(clear, used)
            flags = frame.disposal << 2 | (clear is not None)
            data += b"\x21\xf9\x04" + struct.pack("<BHB", flags, frame.delay, index) + b"\0"
        wide, high = frame.size or (len(frame.rows[0]), len(frame.rows))
        flags = 0x40 * frame.interlaced | (0x80 | 2 if frame.table else 0)
        data += b"," + struct.pack("<HHHHB", *frame.at, wide, high, flags)
        data += _table(frame.table)
        if frame.interlaced:
            rows = [
                row for first, step in ((0, 8), (4, 8), (2, 4), (1, 2)) for row in rows[first::step]
            ]
        data += _coded([index for row in rows for index in row], frame.code_size)
    return data + b";" * trailer


def _table(letters_of):
    colors = b"".join(bytes(COLORS[letter][:3]) for letter in letters_of)
    return colors.ljust(24, b"\0") if letters_of else b""


def _index(letter, table):
    return int(letter) if letter.isdigit() else table.index(letter)


def _coded(indices, bits):
    """LZW without a dictionary, cleared so often that codes never grow (GIF89a, appendix F)."""
    clear = 1 << bits
    codes = []
    for place in range(0, len(indices), clear - 2):
        codes += [clear, *indices[place : place + clear - 2]]
    number = sum(code << (bits + 1) * k for k, code in enumerate([*codes, clear + 1]))
    packed = number.to_bytes(-(-(len(codes) + 1) * (bits + 1) // 8), "little")
    blocks = (packed[place : place + 255] for place in range(0, len(packed), 255))
    return bytes([bits]) + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def webp(size, frames, *, alpha, plays=0, background=0):
    """An animated WebP (RFC 9649, 2.7); frames are rows, place, time, clears, and mixes.

    `alpha` is what its header says. Places are even.
    """
    body = b"VP8X" + struct.pack("<I", 10) + bytes([0x02 | 0x10 * alpha, 0, 0, 0])
    body += _three(size[0] - 1) + _three(size[1] - 1)
    body += b"ANIM" + struct.pack("<IIH", 6, background, plays)
    for rows, at, time, clears, mixes in frames:
        file = io.BytesIO()
        picture = Image.fromarray(pixels(rows))
        opaque = picture.getchannel("A").getextrema()[0] == 255
        picture = picture.convert("RGB") if opaque else picture
        picture.save(file, "WEBP", lossless=True, exact=True)
        coded = file.getvalue()
        coded = coded[coded.index(b"VP8L") :]
        head = _three(at[0] // 2) + _three(at[1] // 2)
        head += _three(picture.width - 1) + _three(picture.height - 1) + _three(time)
        head += bytes([clears | 2 * (not mixes)])
        body += b"ANMF" + struct.pack("<I", len(head + coded)) + head + coded
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def _three(number):
    return number.to_bytes(3, "little")


def chunks(data):
    """Names and contents of the chunks of a PNG."""
    place = 8
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        yield data[place + 4 : place + 8], data[place + 8 : place + 8 + length]
        place += 12 + length


def apng(frames, *, plays=0, order="after", extra=b"", mode=None):
    """An APNG of whole frames; `order` is where its first fcTL stands among other chunks.

    Frames are rows of letters and times in ms.
    """
    made = []
    for rows, time in frames:
        picture = Image.fromarray(pixels(rows))
        if mode is not None:
            picture = picture.convert("RGB").quantize(8) if mode == "P" else picture.convert(mode)
        file = io.BytesIO()
        picture.save(file, "PNG")
        made.append((list(chunks(file.getvalue())), picture.size, time))
    first = made[0][0]
    control = _control(0, *made[0][1:])
    between = b"".join(chunk(*part) for part in first[1:-1] if part[0] != b"IDAT") + extra
    data = b"\x89PNG\r\n\x1a\n" + chunk(*first[0])
    data += chunk(b"acTL", struct.pack(">II", len(frames), plays))
    data += control + between if order == "before" else between + control
    data += chunk(b"IDAT", _packed(first))
    for turn, (parts, size, time) in enumerate(made[1:], 1):
        data += _control(2 * turn - 1, size, time)
        data += chunk(b"fdAT", struct.pack(">I", 2 * turn) + _packed(parts))
    return data + chunk(b"IEND", b"")


def _control(number, size, time):
    return chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, *size, 0, 0, time, 1000, 0, 0))


def _packed(parts):
    return b"".join(content for name, content in parts if name == b"IDAT")


def boxes(data, begin=0, end=None):
    """Name, begin and end (of the content) of the boxes in a part of an ISO media file."""
    place, end = begin, len(data) if end is None else end
    while place + 8 <= end:
        size, name = struct.unpack(">I4s", data[place : place + 8])
        yield name, place + 8, place + size
        place += size


def find_box(data, *path):
    """Begin and end of the content of the first box at a path."""
    begin, end = 0, len(data)
    for name in path:
        begin, end = next((b, e) for found, b, e in boxes(data, begin, end) if found == name)
        if name == b"meta":
            begin += 4
    return begin, end


def with_properties(data, *properties):
    """A still AVIF or HEIC of one item with more properties, each name and content.

    All are marked essential and follow the present ones (ISO/IEC 23008-12, 9.3).
    """
    ipco, end = find_box(data, b"meta", b"iprp", b"ipco")
    number = len(list(boxes(data, ipco, end)))
    added = b"".join(struct.pack(">I4s", 8 + len(c), name) + c for name, c in properties)
    ipma, ipma_end = find_box(data, b"meta", b"iprp", b"ipma")
    entries = bytes(0x80 | number + 1 + k for k in range(len(properties)))
    made = bytearray(data)
    made[ipma_end:ipma_end] = entries
    made[ipma + 10] += len(entries)  # version 0, one item
    made[end:end] = added
    grown = len(added) + len(entries)
    for path, by in (
        ((b"meta", b"iprp", b"ipco"), len(added)),
        ((b"meta", b"iprp"), grown),
        ((b"meta",), grown),
    ):
        place = find_box(data, *path)[0] - 8 - 4 * (path == (b"meta",))
        (size,) = struct.unpack(">I", data[place : place + 4])
        made[place : place + 4] = struct.pack(">I", size + by)
    place = find_box(bytes(made), b"meta", b"iprp", b"ipma")[0] - 8
    (size,) = struct.unpack(">I", made[place : place + 4])
    made[place : place + 4] = struct.pack(">I", size + len(entries))
    iloc, _ = find_box(data, b"meta", b"iloc")
    base = data[iloc + 5] >> 4  # bytes of the base offset of the one item, or none
    offset = iloc + (12 if base else 14)
    (start,) = struct.unpack(">I", data[offset : offset + 4])
    made[offset : offset + 4] = struct.pack(">I", start + grown)
    return bytes(made)


def aperture(size, crop):
    """Content of the box `clap` for a crop: left, top, right, bottom (14496-12, 12.1.4)."""
    left, top, right, bottom = crop
    numbers = (right - left, bottom - top, left + right - size[0], top + bottom - size[1])
    return struct.pack(">IIIIiIiI", numbers[0], 1, numbers[1], 1, numbers[2], 2, numbers[3], 2)
