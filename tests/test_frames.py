"""Frames of APNG, WebP, AVIF and HEIC, their times, and how often they are shown."""

import io
import struct
import zlib

import numpy as np
import pytest
from animations import (
    GifFrame,
    aperture,
    apng,
    chunks,
    find_box,
    gif,
    letters,
    pixels,
    webp,
    with_properties,
)
from imaging import chunk, icc_profile
from picture_containers import with_tables_apart
from PIL import Image

from pixelmill import frame_writing, recipe
from pixelmill.decoding import Reading, decode
from pixelmill.jobs import Job
from pixelmill.transform import Renderer

ALL = Reading(animation="all", alpha=True)
FIRST = Reading(alpha=True)


@pytest.fixture
def make(tmp_path):
    """Function that makes an output of a file, and returns its bytes."""

    def make_one(data, output, backend="pillow", **settings):
        (tmp_path / "a").write_bytes(data)
        settings = {"animation": "all", "steps": [], **settings}
        parsed = recipe.parse({**settings, "backend": backend, "output": output})
        outcome = Renderer(str(tmp_path), str(tmp_path), parsed).render(Job("a", ("out",)))
        assert outcome.status == "ok", outcome.message
        return (tmp_path / "out").read_bytes()

    return make_one


def seen(data, reading=ALL):
    return [letters(frame) for frame in decode(data, reading=reading).frames]


# APNG


ROWS = [["rrg", "rrb"], ["bgg", "rrr"], ["www", "kkb"]]

HOLES = [["r.g", "rr."], ["b.g", ".rr"], ["...", "kkb"]]


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("extra", [b"", chunk(b"gAMA", struct.pack(">I", 45_455))])
@pytest.mark.parametrize("mode", ["P", "RGB", "RGBA"])
def test_the_first_frame_control_may_stand_among_other_chunks(make, mode, extra, order):
    """Colour tables and what describes colours are of all frames, wherever they stand."""
    rows = HOLES if mode == "RGBA" else ROWS
    if mode == "P":
        rows = [rows[0]] * 3  # of one colour table
    data = apng([(row, 100) for row in rows], order=order, mode=mode, extra=extra)
    assert seen(data) == rows
    assert seen(data, FIRST) == rows[:1]
    for backend in ("pillow", "opencv"):
        assert seen(make(data, {"format": "png"}, backend)) == rows


@pytest.mark.parametrize("order", ["before", "after"])
def test_transparency_of_a_colour_table_is_of_all_frames(order):
    red_is_clear = chunk(b"tRNS", bytes([0]))
    data = apng([(["rr"], 50)] * 2, order=order, mode="P", extra=red_is_clear)
    assert seen(data) == [[".."]] * 2
    assert seen(data, FIRST) == [[".."]]


@pytest.mark.parametrize("order", ["before", "after"])
def test_a_profile_of_an_apng_is_of_all_frames(order):
    swapped = icc_profile(((0.1492, 0.0632, 0.7446), (0.2053, 0.6257, 0.0609),
                           (0.6097, 0.3111, 0.0195)), 2.2)  # fmt: skip

    extra = chunk(b"iCCP", b"swapped\0\0" + zlib.compress(swapped))
    data = apng([(["r"], 50), (["b"], 50)], order=order, mode="RGB", extra=extra)
    assert seen(data) == [["b"], ["r"]]


#: Colour types of PNG and their depths (3rd edition, table 11.1).
DEPTHS = [
    (color, depth)
    for color, depths in {
        0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)
    }.items()
    for depth in depths
]  # fmt: skip


@pytest.mark.parametrize(("color", "depth"), DEPTHS)
@pytest.mark.parametrize("backend", ["pillow", "opencv"])
def test_an_apng_of_any_depth_shows_its_frames(make, backend, color, depth):
    """Black, then white, with the first pixel white and black."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    alpha = color in (4, 6)
    most = 1 if color == 3 else 2**depth - 1

    def frame(first, other):
        samples = []
        for level in (first, other, other, other):
            samples += [level] * (channels - alpha) + [most] * alpha
        bits = "".join(f"{sample:0{depth}b}" for sample in samples)
        row = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")

        return zlib.compress(b"\0" + row)

    head = struct.pack(">IIBBBBB", 4, 1, depth, color, 0, 0, 0)
    control = [
        chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, 4, 1, 0, 0, 1, 10, 0, 0))
        for number in (0, 1)
    ]
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
    data += chunk(b"acTL", struct.pack(">II", 2, 0)) + control[0]
    if color == 3:
        data += chunk(b"PLTE", bytes([0, 0, 0, 255, 255, 255]))
    data += chunk(b"IDAT", frame(most, 0)) + control[1]
    data += chunk(b"fdAT", struct.pack(">I", 2) + frame(0, most)) + chunk(b"IEND", b"")
    assert seen(data) == [["wkkk"], ["kwww"]]
    depth_kept = {"depth": "keep"} if depth == 16 else {}
    for settings in ({}, depth_kept):
        assert seen(make(data, {"format": "png"}, backend, **settings)) == [["wkkk"], ["kwww"]]


def test_an_apng_is_written_by_the_regions_that_change():
    frames = [Image.new("RGBA", (40, 30), color) for color in ("red", "red", "red")]
    frames[1].putpixel((7, 9), (0, 0, 255, 0))
    frames[2].putpixel((7, 9), (0, 0, 255, 0))
    data = frame_writing.encoded(frames, "png", {"compress_level": 6}, [100, 70_000, 9_999_999], 2)
    controls = [struct.unpack(">IIIIIHHBB", c) for name, c in chunks(data) if name == b"fcTL"]
    assert controls == [
        (0, 40, 30, 0, 0, 100, 1000, 0, 0),
        (1, 1, 1, 7, 9, 7000, 100, 0, 0),
        (3, 1, 1, 0, 0, 10_000, 1, 0, 0),
    ]
    made = decode(data, reading=ALL)
    assert [f.convert("RGBA").tobytes() for f in made.frames] != [f.tobytes() for f in frames][
        :1
    ] * 3
    assert [frame.getpixel((7, 9))[3] for frame in made.frames] == [255, 0, 0]
    assert made.durations == (100, 70_000, 10_000_000)
    assert made.loop == 2


# WebP


#: Frames: rows, place, time, whether the region is cleared after, whether it is mixed.
WEBPS = {
    "uncovered": (
        [(["rr", "rr"], (2, 0), 90, False, True)], [["..rr", "..rr"]],
    ),
    "cleared": (
        [
            (["rrrr", "rrrr"], (0, 0), 90, False, True), (["gg"], (0, 0), 90, True, True),
            (["bb"], (2, 0), 90, False, True),
        ],
        [["rrrr", "rrrr"], ["ggrr", "rrrr"], ["..bb", "rrrr"]],
    ),
    "mixed": (
        [(["rrrr", "rrrr"], (0, 0), 90, False, True), (["g.", ".g"], (0, 0), 90, False, True)],
        [["rrrr", "rrrr"], ["grrr", "rgrr"]],
    ),
    "replaced": (
        [(["rrrr", "rrrr"], (0, 0), 90, False, True), (["g.", ".g"], (0, 0), 90, False, False)],
        [["rrrr", "rrrr"], ["g.rr", ".grr"]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("alpha", [True, False], ids=["alpha", "no-alpha"])
@pytest.mark.parametrize("background", [0, 0xFFFF0000])
@pytest.mark.parametrize("case", WEBPS)
def test_frames_of_a_webp_are_composed(make, case, background, alpha):
    """The background is ignored, and so is the header's word that nothing is transparent."""
    frames, expected = WEBPS[case]
    data = webp((4, 2), frames, alpha=alpha, background=background)
    assert seen(data) == expected
    assert seen(data, FIRST) == expected[:1]
    for backend in ("pillow", "opencv"):
        assert seen(make(data, {"format": "webp", "lossless": True}, backend)) == expected


def test_an_opaque_webp_has_no_alpha():
    frames = [(["rr", "rr"], (0, 0), 90, False, True), (["bb", "bb"], (0, 0), 90, False, True)]
    for alpha in (True, False):
        data = webp((2, 2), frames, alpha=alpha)
        for reading in (ALL, FIRST):
            assert {frame.mode for frame in decode(data, reading=reading).frames} == {"RGB"}


# Times


#: Times of frames in the source, in ms; what a GIF with them is shown for; and what a GIF holds.
TIMES = {
    "whole": ([100, 250, 50, 400], [100, 250, 50, 400], [100, 250, 50, 400]),
    "odd": ([33] * 6, [33] * 6, [30, 40, 30, 30, 40, 30]),
    "halves": ([15] * 4, [15] * 4, [20] * 4),
    "none": ([0] * 3, [100] * 3, [100] * 3),
    "ten": ([10, 20, 10], [100, 20, 100], [100, 20, 100]),
    "long": ([70_000, 400_000], [70_000, 400_000], [70_000, 400_000]),
}


def animation(kind, times):
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue", "lime", "black")]
    frames = [frames[k % 4] for k in range(len(times))]
    if kind == "gif":
        made = [GifFrame(["rgb"[k % 3]], delay=int(time) // 10) for k, time in enumerate(times)]
        return gif((1, 1), made)
    if kind == "png":
        scaled = [(["rgb"[k % 3]], int(time)) for k, time in enumerate(times)]
        return apng(scaled)
    if kind == "webp":
        made = [(["rgb"[k % 3]], (0, 0), int(time), False, True) for k, time in enumerate(times)]
        return webp((1, 1), made, alpha=True)
    file = io.BytesIO()
    frames[0].save(
        file, "AVIF", save_all=True, append_images=frames[1:], duration=[int(t) for t in times]
    )
    return file.getvalue()


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
def test_times_are_those_that_browsers_show(make, source, case, to):
    times, shown, in_gif = TIMES[case]
    expected = shown if source == "gif" else times
    data = make(animation(source, times), {"format": to})
    assert times_of(data) == (in_gif if to == "gif" else expected)


def test_fractions_of_milliseconds_add_up_to_the_same(make):
    """60 frames of 1/60 s last a second in whole ms, and in hundredths as long as possible."""
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
    made = decode(bytes(data), reading=ALL).durations
    assert (sum(made), set(made)) == (1000, {33, 34})


# How often


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
def test_it_is_shown_as_often(make, source, times, to):
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


def test_an_avif_without_an_edit_list_is_shown_for_ever():
    """The file does not say; browsers show it for ever."""
    assert decode(avif(3, legacy=True), reading=ALL).loop == 0


def test_an_avif_whose_last_turn_is_not_whole_is_shown_once_more():
    assert decode(avif(3, seconds=20), reading=ALL).loop == 3


def test_the_same_frames_give_the_same_avif(make):
    """libavif notes when a sequence was made; that is cleared."""
    data = make(avif(2), {"format": "avif"})
    for path in ((b"mvhd",), (b"trak", b"tkhd"), (b"trak", b"mdia", b"mdhd")):
        begin, _ = find_box(data, b"moov", *path)
        assert data[begin] == 1  # 64 bits
        assert data[begin + 4 : begin + 20] == bytes(16), path


# Metadata


@pytest.mark.parametrize("policy", ["strip", "keep", "none"])
@pytest.mark.parametrize("to", ["gif", "png", "webp", "avif"])
def test_animations_bear_what_the_policy_hands_over(make, to, policy):
    exif = Image.Exif()
    exif[0x013B], exif[0x010F] = "A. Painter", "A camera"
    file = io.BytesIO()
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    frames[0].save(
        file, "PNG", save_all=True, append_images=frames[1:], duration=100, exif=exif.tobytes()
    )
    data = make(file.getvalue(), {"format": to}, metadata=policy)
    held = to != "gif"
    assert (b"A. Painter" in data) == (held and policy != "none")
    assert (b"A camera" in data) == (held and policy == "keep")
    with Image.open(io.BytesIO(data)) as image:
        expected = "A. Painter" if held and policy != "none" else None
        assert image.getexif().get(0x013B) == expected
    if to == "webp" and policy != "none":
        place = data.index(b"EXIF") + 8
        assert data[place : place + 4] in (b"II*\0", b"MM\0*")  # RFC 9649, 2.7.1.5


# Clean aperture and orientation


def corners(size=(32, 32)):
    """Red, green above blue, white: a picture that tells how it was turned."""
    rows = ["r" * 16 + "g" * 16] * 16 + ["b" * 16 + "w" * 16] * 16

    return Image.fromarray(pixels(rows)).resize(size, Image.Resampling.NEAREST)


def still(kind, image):
    file = io.BytesIO()
    if kind == "avif":
        image.save(file, "AVIF", quality=100, subsampling="4:4:4")
    else:
        heif = pytest.importorskip("pillow_heif")
        heif.from_pillow(image).save(file, quality=100, chroma=444)
    return file.getvalue()


def seen_coarsely(image):
    """Letters of the middles of squares of 16 pixels."""
    return letters(np.asarray(image.convert("RGBA"))[8::16, 8::16])


#: Quarters counterclockwise; None, or 0 to flip over the horizontal axis (23008-12, 6.5.10 and
#: 6.5.12: axis 0 is vertical... as libavif and libheif read it); and what is shown.
TURNS = {
    "as it is": ((), ["rg", "bw"]),
    "a quarter": (((b"irot", b"\1"),), ["gw", "rb"]),
    "half": (((b"irot", b"\2"),), ["wb", "gr"]),
    "three quarters": (((b"irot", b"\3"),), ["br", "wg"]),
    "left and right": (((b"imir", b"\1"),), ["gr", "wb"]),
    "top and bottom": (((b"imir", b"\0"),), ["bw", "rg"]),
    "a quarter, then left and right": (((b"irot", b"\1"), (b"imir", b"\1")), ["wg", "br"]),
}


@pytest.mark.parametrize("exif", [1, 6])
@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("kind", ["avif", "heic"])
@pytest.mark.parametrize("backend", ["pillow", "opencv"])
def test_it_is_turned_exactly_once(make, backend, kind, turn, exif):
    """What EXIF says is ignored: the file's own properties count (23000-22, 7.3.6)."""
    properties, expected = TURNS[turn]
    image = corners()
    data = with_properties(still(kind, image.convert("RGB")), *properties)
    made = make(data, {"format": "png"}, backend, animation="first")
    with Image.open(io.BytesIO(made)) as picture:
        assert seen_coarsely(picture) == expected
        assert picture.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("turn", ["as it is", "a quarter", "left and right"])
@pytest.mark.parametrize("kind", ["avif", "heic"])
@pytest.mark.parametrize("backend", ["pillow", "opencv"])
def test_the_clean_aperture_is_cut_before_it_is_turned(make, backend, kind, turn):
    properties, _ = TURNS[turn]
    clap = (b"clap", aperture((128, 64), (32, 32, 80, 64)))
    picture = corners((128, 64))
    data = with_properties(still(kind, picture.convert("RGB")), clap, *properties)
    made = make(data, {"format": "png"}, backend, animation="first")
    expected = {
        "as it is": ["bbw", "bbw"],
        "a quarter": ["ww", "bb", "bb"],
        "left and right": ["wbb", "wbb"],
    }[turn]
    with Image.open(io.BytesIO(made)) as image:
        assert seen_coarsely(image) == expected


@pytest.mark.parametrize(
    "clap",
    [
        struct.pack(">IIIIiIiI", 16, 0, 16, 1, 0, 1, 0, 1),
        struct.pack(">IIIIiIiI", 16, 1, 16, 1, 100, 1, 0, 1),
        struct.pack(">IIIIiIiI", 0, 1, 16, 1, 0, 1, 0, 1),
        struct.pack(">IIIIiIiI", 64, 1, 16, 1, 0, 1, 0, 1),
    ],
    ids=["divided by zero", "outside", "empty", "larger"],
)
def test_a_malformed_aperture_is_ignored(clap):
    data = with_properties(still("avif", corners().convert("RGB")), (b"clap", clap))
    assert decode(data).frames[0].size == (32, 32)


def test_an_aperture_between_pixels_is_rounded():
    clap = struct.pack(">IIIIiIiI", 31, 2, 16, 1, 0, 1, 0, 1)  # 15.5 of 32 pixels in the middle
    data = with_properties(still("avif", corners().convert("RGB")), (b"clap", clap))
    assert decode(data).frames[0].size == (16, 16)


@pytest.mark.parametrize("orientation", [1, 3, 6, 2])
@pytest.mark.parametrize("policy", ["apply", "keep"])
@pytest.mark.parametrize("kind", ["png", "webp"])
def test_all_frames_are_turned_as_the_first_one(make, kind, policy, orientation):
    expected = {1: ["rg", "bw"], 3: ["wb", "gr"], 6: ["br", "wg"], 2: ["gr", "wb"]}[orientation]
    data = turned(kind, orientation)
    output = {"format": "png"}
    for animation in ("first", "all"):
        made = make(data, output, orientation=policy, animation=animation)
        with Image.open(io.BytesIO(made)) as image:
            noted = image.getexif().get(0x0112, 1)
            shown = seen_coarsely(image)
        if policy == "apply":
            assert (shown, noted) == (expected, 1)
        else:
            assert (shown, noted) == (["rg", "bw"], orientation)


def turned(kind, orientation):
    """An animation of two frames that notes an orientation in its EXIF block."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture, file = corners().convert("RGB"), io.BytesIO()
    lossless = {"lossless": True} if kind == "webp" else {}
    others = [Image.new("RGB", (32, 32), "red")]
    picture.save(
        file, kind, save_all=True, append_images=others, duration=100, exif=exif, **lossless
    )
    return file.getvalue()


@pytest.mark.parametrize("orientation", [1, 3, 6, 2])
def test_an_avif_sequence_is_turned_where_the_tag_would_be_noted(make, orientation):
    """Pillow crashes on a sequence with an orientation."""
    expected = {1: ["rg", "bw"], 3: ["wb", "gr"], 6: ["br", "wg"], 2: ["gr", "wb"]}[orientation]
    made = make(turned("png", orientation), {"format": "avif"}, orientation="keep")
    for reading in (ALL, FIRST):
        assert seen_coarsely(decode(made, reading=reading).frames[0]) == expected


@pytest.mark.parametrize("depth", [8, 10, 12])
@pytest.mark.parametrize("shape", ["gray", "rgb", "rgba"])
@pytest.mark.parametrize("backend", ["pillow", "opencv"])
def test_an_avif_of_any_depth_is_a_picture(make, backend, shape, depth):
    codecs = pytest.importorskip("imagecodecs")
    if not codecs.AVIF.available:
        pytest.skip("imagecodecs has no AVIF here")
    channels = {"gray": 1, "rgb": 3, "rgba": 4}[shape]
    ramp = np.linspace(0, 2**depth - 1, 64).round().astype(np.uint8 if depth == 8 else np.uint16)
    pixels = np.stack([np.tile(ramp, (64, 1))] * channels, axis=-1)
    if shape == "rgba":
        pixels[..., 3] = np.where(np.arange(64)[:, None] < 32, 0, 2**depth - 1)
    pixels = pixels[..., 0] if shape == "gray" else pixels
    data = codecs.avif_encode(pixels, level=100, bitspersample=depth, pixelformat=None)
    made = make(data, {"format": "png"}, backend, animation="first")
    with Image.open(io.BytesIO(made)) as image:
        shown = np.asarray(image.convert("RGBA")).astype(int)
    expected = ramp.astype(float) * 255 / (2**depth - 1)
    assert np.abs(shown[40, :, 0] - expected).max() <= 3
    assert (shown[10, :, 3] == (0 if shape == "rgba" else 255)).all()


@pytest.mark.parametrize("backend", ["pillow", "opencv"])
def test_an_avif_may_have_a_table_of_properties_for_each_item(make, backend):
    """Some encoders write alpha so; libavif alone refuses it."""
    picture = np.zeros((24, 40, 4), np.uint8)
    picture[:, 20:] = (200, 100, 50, 255)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "AVIF", quality=95)
    apart = with_tables_apart(file.getvalue())
    assert apart.count(b"ipma") == 2
    seen = []
    for data in (file.getvalue(), apart):
        with Image.open(io.BytesIO(make(data, {"format": "png"}, backend))) as image:
            seen.append(np.asarray(image.convert("RGBA")))
    assert (seen[0] == seen[1]).all()
    assert np.abs(seen[0][:, 22:].astype(int) - (200, 100, 50, 255)).max() < 8
    assert seen[0][:, :18, 3].max() < 8
