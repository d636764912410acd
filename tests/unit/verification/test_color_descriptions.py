"""Named colour descriptions have the values that the standards define."""

import struct

import numpy as np
import pytest
from PIL import Image

from pixelmill.verification.second_decoder import decode
from pixelmill.verification.second_samples import UndecodableError
from tests.helpers.imaging import chunk, png

PIXEL = (200, 100, 50)


def described(*chunks, **options):
    data = png(1, 1, 8, 2, [bytes(PIXEL)], b"".join(chunk(*each) for each in chunks))
    (frame,) = decode(data, **options).frames
    return frame[0, 0].tolist()


def near(found, expected, most=1):
    return max(abs(a - b) for a, b in zip(found, expected, strict=True)) <= most


GAMMA = struct.pack(">I", 100_000)
SRGB_CHROMATICITIES = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([], PIXEL),
        ([(b"sRGB", b"\0")], PIXEL),
        ([(b"gAMA", struct.pack(">I", 45_455))], PIXEL),
        ([(b"gAMA", struct.pack(">I", 47_000))], PIXEL),
        # Levels are amounts of light: 255 * srgb(200 / 255) and so on.
        ([(b"gAMA", GAMMA)], (229, 168, 122)),
        ([(b"gAMA", GAMMA), (b"cHRM", SRGB_CHROMATICITIES)], (229, 168, 122)),
        ([(b"sRGB", b"\0"), (b"gAMA", GAMMA)], PIXEL),
        ([(b"cICP", bytes([1, 13, 0, 1]))], PIXEL),
        ([(b"cICP", bytes([1, 8, 0, 1])), (b"sRGB", b"\0")], (229, 168, 122)),
        # Display P3 (200, 100, 50) in sRGB, by the matrix of CSS Color 4.
        ([(b"cICP", bytes([12, 13, 0, 1]))], (215, 93, 31)),
        ([(b"cICP", bytes([0, 13, 0, 1]))], PIXEL),
        ([(b"cICP", bytes([12, 13, 1, 1]))], PIXEL),  # PNG holds no YCbCr
    ],
    ids=["nothing", "sRGB", "gAMA of sRGB", "gAMA near it", "linear", "linear and cHRM",
         "sRGB before gAMA", "cICP of sRGB", "cICP before sRGB", "Display P3", "reserved",
         "another matrix"],
)  # fmt: skip
def test_chunks_of_a_png(chunks, expected):
    assert near(described(*chunks), expected)


def test_they_count_only_where_colours_are_converted():
    assert described((b"gAMA", GAMMA), color="keep") == list(PIXEL)
    assert described((b"gAMA", GAMMA), color="drop") == list(PIXEL)


@pytest.mark.parametrize("curve", [16, 18], ids=["PQ", "HLG"])
def test_what_has_no_conversion_is_not_judged(curve):
    with pytest.raises(UndecodableError, match=f"curve {curve}"):
        described((b"cICP", bytes([9, curve, 0, 1])))


def test_code_points_of_an_avif(encoded):
    data = encoded(Image.new("RGB", (16, 16), PIXEL), "AVIF", quality=100)
    place = data.index(b"nclx")
    wide = data[: place + 4] + struct.pack(">H", 12) + data[place + 6 :]
    plain, seen = (decode(each).frames[0][8, 8] for each in (data, wide))
    assert near(plain.tolist(), PIXEL, 3)
    assert near(seen.tolist(), (215, 93, 31), 4)
    assert np.array_equal(decode(wide, "drop").frames[0], decode(data).frames[0])
