"""Every frame of an animation is composed as the standards say."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from pixelmill.verification.second_decoder import decode
from tests.helpers.imaging import chunk

RED, GREEN, BLUE = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255)
CLEAR = (0, 0, 0, 0)


def solid(width, height, color):
    return np.full((height, width, 4), color, np.uint8)


def gif_frame(size, place, index, disposal=0, delay=7, clear=None):
    """A frame of one palette colour, as Pillow compresses it."""
    file = io.BytesIO()
    image = Image.new("P", size, index)
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.save(file, "GIF", optimize=False)
    data = file.getvalue()
    start = data.index(b"\x2c", 13 + 3 * (2 << (data[10] & 7))) + 10
    flags = disposal << 2 | (clear is not None)
    control = b"\x21\xf9\x04" + struct.pack("<BHB", flags, delay, clear or 0) + b"\0"
    descriptor = struct.pack("<BHHHHB", 0x2C, *place, *size, 0)
    return control + descriptor + data[start:-1]


def gif(size, *frames):
    table = bytes([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255]) + bytes(756)
    return b"GIF89a" + struct.pack("<HHBBB", *size, 0xF7, 0, 0) + table + b"".join(frames) + b";"


def png_data(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    data = file.getvalue()
    place, parts = 8, []
    while place < len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        if name == b"IDAT":
            parts.append(data[place + 8 : place + 8 + length])
        place += 12 + length
    return b"".join(parts)


def apng(size, *frames):
    """Frames are tuples of array, place, disposal and blend."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 6, 0, 0, 0))
    parts, number = (
        [b"\x89PNG\r\n\x1a\n", head, chunk(b"acTL", struct.pack(">II", len(frames), 0))],
        0,
    )
    for array, place, disposal, blend in frames:
        rows, columns = array.shape[:2]
        control = struct.pack(">IIIIIHHBB", number, columns, rows, *place, 7, 100, disposal, blend)
        parts.append(chunk(b"fcTL", control))
        number += 1
        if len(parts) == 4:
            parts.append(chunk(b"IDAT", png_data(array)))
        else:
            parts.append(chunk(b"fdAT", struct.pack(">I", number) + png_data(array)))
            number += 1
    return b"".join([*parts, chunk(b"IEND", b"")])


def u24(number):
    return struct.pack("<I", number)[:3]


def webp(size, *frames):
    """Frames are tuples of array, place, whether cleared afterwards, and whether blended."""
    parts = [(b"VP8X", b"\x12\0\0\0" + u24(size[0] - 1) + u24(size[1] - 1)), (b"ANIM", bytes(6))]
    for array, place, cleared, blended in frames:
        file = io.BytesIO()
        Image.fromarray(array).save(file, "WEBP", lossless=True, exact=True)
        inside = file.getvalue()[12:]
        numbers = (place[0] // 2, place[1] // 2, array.shape[1] - 1, array.shape[0] - 1, 70)
        flags = cleared | (not blended) << 1
        # A still picture of Pillow's may be extended: only its bit stream is a frame.
        at = inside.index(b"VP8L")
        parts.append((b"ANMF", b"".join(map(u24, numbers)) + bytes([flags]) + inside[at:]))
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(part)) + part + bytes(len(part) % 2) for name, part in parts
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def colors_at(data, *places):
    """Colours of each frame at some places, as letters; a dot is transparent."""
    found = []
    letters = {RED: "r", GREEN: "g", BLUE: "b"}
    for frame in decode(data, moving=True).frames:
        row = ""
        for x, y in places:
            pixel = tuple(frame[y, x].tolist())
            pixel = pixel if len(pixel) == 4 else (*pixel, 255)
            row += "." if pixel[3] == 0 else letters.get(pixel, "?")
        found.append(row)
    return found


INSIDE, OUTSIDE = (3, 3), (0, 0)


@pytest.mark.parametrize(
    ("disposal", "third"),
    [(0, "gr"), (1, "gr"), (2, ".r"), (3, "rr")],
    ids=["unspecified", "keep", "to background", "to previous"],
)
def test_disposal_of_a_gif(disposal, third):
    data = gif(
        (8, 8),
        gif_frame((8, 8), (0, 0), 1),
        gif_frame((4, 4), (2, 2), 2, disposal),
        gif_frame((1, 1), (7, 7), 3),
    )
    assert colors_at(data, INSIDE, OUTSIDE) == ["rr", "gr", third]
    assert decode(data, moving=True).durations == (70, 70, 70)


def test_what_a_gif_never_drew_on_is_transparent():
    data = gif((8, 8), gif_frame((4, 4), (2, 2), 1), gif_frame((8, 8), (0, 0), 2, clear=2))
    assert colors_at(data, INSIDE, OUTSIDE) == ["r.", "r."]
    assert decode(data).frames[0][0, 0, 3] == 0


def test_frames_of_a_gif_are_clipped_to_its_canvas():
    data = gif((8, 8), gif_frame((8, 8), (0, 0), 1), gif_frame((8, 8), (2, 2), 2))
    assert [frame.shape[:2] for frame in decode(data, moving=True).frames] == [(8, 8), (8, 8)]
    assert colors_at(data, INSIDE, OUTSIDE) == ["rr", "gr"]


def test_the_first_frame_of_a_gif_enlarges_its_canvas():
    data = gif((2, 3), gif_frame((4, 4), (4, 4), 1), gif_frame((4, 4), (6, 0), 2))
    assert [frame.shape[:2] for frame in decode(data, moving=True).frames] == [(8, 8), (8, 8)]
    assert colors_at(data, (5, 5), (7, 2)) == ["r.", "rg"]


@pytest.mark.parametrize(("disposal", "third"), [(0, "gr"), (1, ".r"), (2, "rr")])
def test_disposal_of_an_apng(disposal, third):
    data = apng(
        (8, 8),
        (solid(8, 8, RED), (0, 0), 0, 0),
        (solid(4, 4, GREEN), (2, 2), disposal, 0),
        (solid(1, 1, BLUE), (7, 7), 0, 0),
    )
    assert colors_at(data, INSIDE, OUTSIDE) == ["rr", "gr", third]
    assert decode(data, moving=True).durations == (70, 70, 70)


@pytest.mark.parametrize(("blend", "second"), [(0, ".r"), (1, "rr")])
def test_blending_of_an_apng(blend, second):
    data = apng((8, 8), (solid(8, 8, RED), (0, 0), 0, 0), (solid(4, 4, CLEAR), (2, 2), 0, blend))
    assert colors_at(data, INSIDE, OUTSIDE) == ["rr", second]


def test_half_transparent_over_half_transparent():
    half = (255, 0, 0, 128)
    data = apng(
        (2, 2), (solid(2, 2, half), (0, 0), 0, 0), (solid(2, 2, (0, 0, 255, 128)), (0, 0), 0, 1)
    )
    frame = decode(data, moving=True).frames[1]
    # 128 + 128 * 127 / 255 = 191.7; blue is 128 of it, red 63.7.
    assert np.abs(frame[0, 0].astype(int) - (85, 0, 170, 192)).max() <= 1


@pytest.mark.parametrize(
    ("cleared", "blended", "rows"),
    [(False, False, ["rr", "gr", "gr"]), (True, False, ["rr", "gr", ".r"])],
)
def test_frames_of_a_webp(cleared, blended, rows):
    data = webp(
        (8, 8),
        (solid(8, 8, RED), (0, 0), False, False),
        (solid(4, 4, GREEN), (2, 2), cleared, blended),
        (solid(2, 2, BLUE), (6, 6), False, False),
    )
    assert colors_at(data, INSIDE, OUTSIDE) == rows


@pytest.mark.parametrize(("blended", "second"), [(True, "rr"), (False, ".r")])
def test_blending_of_a_webp(blended, second):
    data = webp(
        (8, 8),
        (solid(8, 8, RED), (0, 0), False, False),
        (solid(4, 4, CLEAR), (2, 2), False, blended),
    )
    assert colors_at(data, INSIDE, OUTSIDE) == ["rr", second]


def test_frames_and_times_of_an_avif():
    frames = [Image.new("RGB", (32, 32), color) for color in ("red", "lime", "blue")]
    file = io.BytesIO()
    frames[0].save(
        file, "AVIF", save_all=True, append_images=frames[1:], duration=[70, 80, 90], quality=95
    )
    found = decode(file.getvalue(), moving=True)
    assert [frame[9, 9].argmax() for frame in found.frames] == [0, 1, 2]
    assert found.durations == (70, 80, 90)


def test_a_png_that_says_too_late_that_it_moves_is_a_still_picture():
    """The chunk must precede the pixels (PNG 3rd edition, 11.3.7.1)."""
    data = apng((2, 2), (solid(2, 2, RED), (0, 0), 0, 0), (solid(2, 2, GREEN), (0, 0), 0, 0))
    control = chunk(b"acTL", struct.pack(">II", 2, 0))
    late = data.replace(control, b"").replace(chunk(b"IEND", b""), control + chunk(b"IEND", b""))
    assert [len(decode(each, moving=True).frames) for each in (data, late)] == [2, 1]


@pytest.mark.parametrize(
    ("delay", "unit", "duration"), [(7, 100, 70), (7, 0, 70), (1, 4, 250), (0, 9, 0)]
)
def test_the_time_of_a_frame_of_an_apng_is_a_fraction_whose_missing_unit_is_a_hundredth(
    delay, unit, duration
):
    """PNG 3rd edition, 11.3.7.2."""
    data = apng((2, 2), (solid(2, 2, RED), (0, 0), 0, 0), (solid(2, 2, GREEN), (0, 0), 0, 0))
    for number in (0, 1):
        place = [k for k in range(len(data)) if data.startswith(b"fcTL", k)][number]
        control = data[place + 4 : place + 24] + struct.pack(">HH", delay, unit)
        control += data[place + 28 : place + 30]
        data = data[: place - 4] + chunk(b"fcTL", control) + data[place + 34 :]
    assert decode(data, moving=True).durations == (duration, duration)
