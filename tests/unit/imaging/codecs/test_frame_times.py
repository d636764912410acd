"""How long each frame is shown, and how often an animation repeats, in every format."""

import io
import struct
from functools import partial

import pytest
from PIL import Image

from pixelmill.imaging.codecs import apng as png_animations
from pixelmill.imaging.codecs import webp as webp_animations
from pixelmill.imaging.codecs.decoding import decode
from tests.helpers.animations import GifFrame, apng, chunks, find_box, gif, webp
from tests.helpers.imaging import chunk
from tests.helpers.moving import ALL, animation, rendered


@pytest.fixture
def make(tmp_path):
    """Function that renders a file, and returns the bytes of the output."""
    return partial(rendered, tmp_path)


#: Times of frames in the source, in ms; what a GIF with them is shown for; and what a GIF holds.
TIMES = {
    "whole": ([100, 250, 50, 400], [100, 250, 50, 400], [100, 250, 50, 400]),
    "odd": ([33] * 6, [33] * 6, [30, 40, 30, 30, 40, 30]),
    "halves": ([15] * 4, [15] * 4, [20] * 4),
    "none": ([0] * 3, [100] * 3, [100] * 3),
    "ten": ([10, 20, 10], [100, 20, 100], [100, 20, 100]),
    "long": ([70_000, 400_000], [70_000, 400_000], [70_000, 400_000]),
}


def times_of(data):
    """Times of frames in ms, by the bytes of the file."""
    if data.startswith(b"GIF8"):
        place, found = 0, []
        while (place := data.find(b"\x21\xf9\x04", place)) >= 0:
            found.append(10 * int.from_bytes(data[place + 4 : place + 6], "little"))
            place += 8
        return found
    if data.startswith(b"RIFF"):
        place, found = 12, []
        while place < len(data):
            name, size = struct.unpack("<4sI", data[place : place + 8])
            if name == b"ANMF":
                found.append(int.from_bytes(data[place + 20 : place + 23], "little"))
            place += 8 + size + size % 2
        return found
    if data.startswith(b"\x89PNG"):
        delays = [struct.unpack(">20xHHBB", c) for name, c in chunks(data) if name == b"fcTL"]
        return [1000 * delay / (scale or 100) for delay, scale, _, _ in delays]
    begin, _ = find_box(data, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts")
    (entries,) = struct.unpack(">I", data[begin + 4 : begin + 8])
    found = []
    for number in range(entries):
        count, delta = struct.unpack(">II", data[begin + 8 + 8 * number :][:8])
        found += [delta] * count
    return found


MOVING = ("gif", "png", "webp", "avif")


#: Sources by cases of times and outputs, without those that cannot hold the times.
TIMED = [
    (source, case, to)
    for source in MOVING
    for case in TIMES
    for to in MOVING
    if not (source == "gif" and case in ("odd", "halves"))
    and (source, case) != ("png", "long")
    and not ("avif" in (source, to) and case == "none")
]


@pytest.mark.parametrize(("source", "case", "to"), TIMED)
def test_times_are_as_in_browsers(make, source, case, to):
    times, shown, in_gif = TIMES[case]
    expected = shown if source == "gif" else times
    data = make(animation(source, times), {"format": to})
    assert times_of(data) == (in_gif if to == "gif" else expected)


def test_fractions_of_milliseconds_add_up_to_the_same(make):
    """60 frames of 1/60 s last one second in whole ms, and as exactly as possible in hundredths."""
    frames = [(["rgb"[k % 3]], 1) for k in range(60)]
    data = apng(frames)
    parts = []
    for name, content in chunks(data):
        if name == b"fcTL":
            content = content[:20] + struct.pack(">HHBB", 1, 60, 0, 0)
        parts.append(chunk(name, content))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(parts)
    for to in ("png", "webp"):
        assert sum(times_of(make(data, {"format": to}))) == 1000
    assert set(times_of(make(data, {"format": "gif"}))) == {20}  # 10 would be shown for 100


def test_30_frames_a_second_of_an_avif_last_as_long(make):
    data = bytearray(animation("avif", [1] * 30))
    for path in ((b"moov", b"mvhd"), (b"moov", b"trak", b"mdia", b"mdhd")):
        begin, _ = find_box(bytes(data), *path)
        data[begin + 20 : begin + 24] = struct.pack(">I", 30)
    made = decode(bytes(data), options=ALL).durations
    assert (sum(made), set(made)) == (1000, {33, 34})


# Loop counts


def avif(times, seconds=0, legacy=False):
    """A sequence of three frames of 50 ms by Pillow, which is shown so often."""
    frames = [Image.new("RGBA", (16, 16), color) for color in ("red", "blue", "#00ff0080")]
    file = io.BytesIO()
    frames[0].save(file, "AVIF", save_all=True, append_images=frames[1:], duration=50)
    data = bytearray(file.getvalue())
    if times:
        whole = struct.pack(">Q", 150 * times - seconds)
        begin, _ = find_box(bytes(data), b"moov", b"trak", b"tkhd")
        data[begin + 28 : begin + 36] = whole
        begin, _ = find_box(bytes(data), b"moov", b"mvhd")
        data[begin + 24 : begin + 32] = whole
    begin, _ = find_box(bytes(data), b"moov", b"trak", b"edts", b"elst")
    data[begin + 3] = times != 1
    if legacy:
        begin, _ = find_box(bytes(data), b"moov", b"trak", b"edts")
        data[begin - 4 : begin] = b"free"
    return bytes(data)


def plays_of(data):
    """How often an animation is shown, by its bytes; 0 for ever."""
    if data.startswith(b"GIF8"):
        if b"NETSCAPE2.0" not in data:
            return 1
        place = data.index(b"NETSCAPE2.0") + 13
        repeats = int.from_bytes(data[place : place + 2], "little")
        return repeats and repeats + 1
    if data.startswith(b"RIFF"):
        place = data.index(b"ANIM") + 12
        return int.from_bytes(data[place : place + 2], "little")
    if data.startswith(b"\x89PNG"):
        return struct.unpack(">II", dict(chunks(data))[b"acTL"])[1]
    begin, _ = find_box(data, b"moov", b"trak", b"edts", b"elst")
    flags, (length,) = data[begin + 3], struct.unpack(">Q", data[begin + 8 : begin + 16])
    begin, _ = find_box(data, b"moov", b"trak", b"tkhd")
    (whole,) = struct.unpack(">Q", data[begin + 28 : begin + 36])
    begin, _ = find_box(data, b"moov", b"mvhd")
    assert struct.unpack(">Q", data[begin + 24 : begin + 32]) == (whole,)
    if not flags & 1:
        assert whole == length
        return 1
    return 0 if whole == 2**64 - 1 else whole // length


@pytest.mark.parametrize("to", ["gif", "png", "webp", "avif"])
@pytest.mark.parametrize("times", [0, 1, 2, 7])
@pytest.mark.parametrize("source", ["gif", "png", "webp", "avif"])
def test_the_loop_count_is_that_of_the_source(make, source, times, to):
    if source == "gif":
        repeats = None if times == 1 else max(0, times - 1)
        data = gif((1, 1), [GifFrame(["r"]), GifFrame(["b"])], repeats=repeats)
    elif source == "png":
        data = apng([(["r"], 50), (["b"], 50)], plays=times)
    elif source == "webp":
        frames = [(["r"], (0, 0), 50, False, True), (["b"], (0, 0), 50, False, True)]
        data = webp((1, 1), frames, alpha=True, plays=times)
    else:
        data = avif(times)
    assert plays_of(data) == times
    assert plays_of(make(data, {"format": to})) == times


def test_an_avif_without_an_edit_list_repeats_for_ever():
    """The file does not specify it; browsers repeat it for ever."""
    assert decode(avif(3, legacy=True), options=ALL).loop == 0


def test_an_avif_whose_last_turn_is_not_whole_is_shown_once_more():
    assert decode(avif(3, seconds=20), options=ALL).loop == 3


def test_the_same_frames_give_the_same_avif(make):
    """libavif records the time of creation; it is cleared."""
    data = make(avif(2), {"format": "avif"})
    for path in ((b"mvhd",), (b"trak", b"tkhd"), (b"trak", b"mdia", b"mdhd")):
        begin, _ = find_box(data, b"moov", *path)
        assert data[begin] == 1  # 64 bits
        assert data[begin + 4 : begin + 20] == bytes(16), path


@pytest.mark.parametrize(
    ("time", "written"),
    [(65_535, (65_535, 1000)), (655_350, (65_535, 100)), (3_000_400, (30_004, 10)),
     (6_553_500, (65_535, 10)), (60_000_000, (60_000, 1)), (99_999_999, (65_535, 1))],
)  # fmt: skip
def test_a_delay_has_the_finest_unit_that_holds_it(time, written):
    """Or the longest possible time, 18 hours."""
    frames = [Image.new("L", (2, 2), level) for level in (0, 255)]
    made = png_animations.assemble(frames, [time, time], 0, {"compress_level": 1})
    (control, *_) = (content for name, content in chunks(made) if name == b"fcTL")
    assert struct.unpack(">HH", control[20:24]) == written


def test_a_loop_count_that_webp_cannot_hold_is_its_largest_one():
    frames = [Image.new("RGB", (2, 2), color) for color in ("red", "blue")]
    assert plays_of(webp_animations.encode_frames(frames, {}, [50, 50], 70_000)) == 65_535


def with_control(data, place, value, turn=1):
    """An APNG one of whose frame control chunks has other bytes at a place."""
    begin = -1
    for _ in range(turn + 1):
        begin = data.index(b"fcTL", begin + 1)
    content = bytearray(data[begin + 4 : begin + 30])
    content[place : place + len(value)] = value
    return data[: begin - 4] + chunk(b"fcTL", bytes(content)) + data[begin + 34 :]


TWO = apng([(["rg", "bw"], 50), (["bw", "rg"], 50)])


def test_a_delay_without_a_unit_is_in_hundredths():
    """PNG 3rd edition, 11.3.6.2."""
    made = with_control(TWO, 20, struct.pack(">HH", 7, 0))
    assert [time for _, time in png_animations.frames(made)] == [50, 70]


@pytest.mark.parametrize("place", [12, 16])
def test_a_frame_beyond_one_side_of_the_picture_is_refused(place):
    with pytest.raises(ValueError, match="outside of the picture"):
        png_animations.frames(with_control(TWO, place, struct.pack(">I", 1)))


@pytest.mark.parametrize("announced", [1, 2, 3])
def test_as_many_frames_are_shown_as_are_announced(announced):
    made = TWO.replace(b"acTL\0\0\0\2", b"acTL" + struct.pack(">I", announced))
    if announced > 2:
        with pytest.raises(EOFError, match="2 frames of 3"):
            png_animations.frames(made)
    else:
        assert len(png_animations.frames(made)) == announced


@pytest.mark.parametrize("order", [1, -1])
def test_frames_are_in_colour_if_one_of_them_is(order):
    gray, colored = Image.new("RGB", (2, 2), "gray"), Image.new("RGB", (2, 2), "red")
    data = png_animations.assemble([colored, gray][::order], [50, 50], 0, {"compress_level": 1})
    made = [frame for frame, _ in png_animations.frames(data)]
    assert [frame.getpixel((0, 0)) for frame in made] == [(255, 0, 0), (128,) * 3][::order]


def test_every_frame_of_an_apng_is_compressed_as_asked():
    frames = [Image.effect_mandelbrot((64, 64), (-3, -2.5, 2, 2.5), q) for q in (20, 30, 40)]
    sizes = []
    for level in (0, 1, 9):
        data = png_animations.assemble(frames, [50] * 3, 0, {"compress_level": level})
        parts = [len(content) for name, content in chunks(data) if name == b"fdAT"]
        sizes.append(parts)
    assert all(none > fast > best for none, fast, best in zip(*sizes, strict=True))
