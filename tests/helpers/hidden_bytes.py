"""Bytes that no decoder reads, hidden in files that decode as if they were not there."""

import struct
import zlib

from tests.helpers.imaging import chunk

HIDDEN = b"SECRET: 52.5 N, 13.4 E"


def after_coded_data(data):
    """A file with bytes behind its coded data, which decoders skip."""
    if data[:2] == b"\xff\xd8":
        return data[:-2] + HIDDEN + data[-2:]
    if data[:4] == b"RIFF":
        coded = data[20:] + HIDDEN
        body = data[8:16] + struct.pack("<I", len(coded)) + coded
        return b"RIFF" + struct.pack("<I", len(body)) + body
    place = data.index(b"IDAT")
    length = int.from_bytes(data[place - 4 : place], "big")
    coded = data[place + 4 : place + 4 + length] + HIDDEN
    return data[: place - 4] + chunk(b"IDAT", coded) + data[place + 8 + length :]


def behind_the_pixels(data):
    """A PNG whose coded data contain more than its pixels."""
    place = data.index(b"IDAT")
    length = int.from_bytes(data[place - 4 : place], "big")
    pixels = zlib.decompress(data[place + 4 : place + 4 + length])
    coded = zlib.compress(pixels + HIDDEN, 0)
    return data[: place - 4] + chunk(b"IDAT", coded) + data[place + 8 + length :]
