"""GIF frames are composed as in browsers; expected pixels are written out."""

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image, ImageSequence

from pixelmill.core.errors import ImageError
from pixelmill.core.jobs import Job
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.decoding import decode
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.renderer import Renderer
from pixelmill.verification import second_sizes
from tests.helpers.animations import GifFrame, gif, letters

ALL = DecodeOptions(animation="all", alpha=True)
FIRST = DecodeOptions(alpha=True)

FULL = ["rrrr", "rrrr", "rrrr"]

#: Size of the logical screen, frames, and what is seen of each.
CASES = {
    "the first frame leaves a border": (
        (4, 3), [GifFrame(["gg"], (1, 1))], [["....", ".gg.", "...."]],
    ),
    "borders of two frames": (
        (4, 3), [GifFrame(["gg"], (1, 1)), GifFrame(["b", "b", "b"])],
        [["....", ".gg.", "...."], ["b...", "bgg.", "b..."]],
    ),
    "holes": (
        (4, 3), [GifFrame(FULL), GifFrame(["gwwg"], (0, 1), transparent="w")],
        [FULL, ["rrrr", "grrg", "rrrr"]],
    ),
    "holes in the first frame": (
        (4, 1), [GifFrame(["rwwr"], transparent="w"), GifFrame(["wgww"], transparent="w")],
        [["r..r"], ["rg.r"]],
    ),
    "cleared over an opaque frame": (
        (4, 3),
        [GifFrame(FULL), GifFrame(["gg"], (1, 0), disposal=2), GifFrame(["b"], (0, 2))],
        [FULL, ["rggr", "rrrr", "rrrr"], ["r..r", "rrrr", "brrr"]],
    ),
    "cleared to transparent whatever the background colour": (
        (4, 3), [GifFrame(FULL, disposal=2), GifFrame(["b"], (3, 2))],
        [FULL, ["....", "....", "...b"]],
    ),
    "previous": (
        (4, 3),
        [GifFrame(FULL), GifFrame(["gg"], (1, 0), disposal=3), GifFrame(["b"], (0, 2))],
        [FULL, ["rggr", "rrrr", "rrrr"], ["rrrr", "rrrr", "brrr"]],
    ),
    "previous twice": (
        (4, 1),
        [
            GifFrame(["rrrr"]), GifFrame(["g"], disposal=3),
            GifFrame(["b"], (1, 0), disposal=3), GifFrame(["w"], (2, 0)),
        ],
        [["rrrr"], ["grrr"], ["rbrr"], ["rrwr"]],
    ),
    "previous as the fourth method": (
        (4, 1), [GifFrame(["rrrr"]), GifFrame(["gg"], disposal=4), GifFrame(["b"], (3, 0))],
        [["rrrr"], ["ggrr"], ["rrrb"]],
    ),
    "previous of the first frame": (
        (4, 1), [GifFrame(["rrrr"], disposal=3), GifFrame(["b"], (3, 0))],
        [["rrrr"], ["...b"]],
    ),
    "kept": (
        (4, 1), [GifFrame(["rrrr"], disposal=1), GifFrame(["b"], (3, 0), disposal=1)],
        [["rrrr"], ["rrrb"]],
    ),
    "cleared region of a frame that is not the screen": (
        (4, 1), [GifFrame(["rr"], disposal=2), GifFrame(["b"], (3, 0))],
        [["rr.."], ["...b"]],
    ),
    "beyond the screen": (
        (4, 3), [GifFrame(FULL), GifFrame(["ggg", "ggg"], (2, 2))],
        [FULL, ["rrrr", "rrrr", "rrgg"]],
    ),
    "the first frame is larger than the screen": (
        (2, 2), [GifFrame(["rgb", "gbr", "bbb"])], [["rgb", "gbr", "bbb"]],
    ),
    "the first frame is wider than the screen": (
        (2, 2), [GifFrame(["rgb"]), GifFrame(["w"], (2, 1))], [["rgb", "..."], ["rgb", "..w"]],
    ),
    "the first frame reaches beyond the screen": (
        (2, 2), [GifFrame(["rg", "bw"], (1, 1))], [["...", ".rg", ".bw"]],
    ),
    "the first frame is outside of the screen": (
        (1, 1), [GifFrame(["r"], (2, 1)), GifFrame(["gg"], (2, 0))],
        [["...", "..r"], ["..g", "..r"]],
    ),
    "beyond the screen and cleared": (
        (3, 1), [GifFrame(["rrr"]), GifFrame(["ggg"], (1, 0), disposal=2), GifFrame(["b"])],
        [["rrr"], ["rgg"], ["b.."]],
    ),
    "outside of the screen": (
        (3, 1), [GifFrame(["rrr"]), GifFrame(["g"], (3, 0)), GifFrame(["g"], (900, 900))],
        [["rrr"]] * 3,
    ),
    "interlaced": (
        (1, 9), [GifFrame(list("rgbwkrgbw"), interlaced=True)], [list("rgbwkrgbw")],
    ),
    "interlaced beyond the screen": (
        (1, 3), [GifFrame(list("kkk")), GifFrame(list("rgbwkrgbw"), interlaced=True)],
        [list("kkk"), list("rgb")],
    ),
    "local colours": (
        (3, 1), [GifFrame(["rgb"]), GifFrame(["bw"], table="wb")], [["rgb"], ["bwb"]],
    ),
    "a transparent index beyond the colours": (
        (3, 1), [GifFrame(["rgb"], transparent="200")], [["rgb"]],
    ),
    "a transparent index beyond the colours that is used": (
        (3, 1), [GifFrame(["r9b"], transparent="9", code_size=4)], [["r.b"]],
    ),
    "an index beyond the colours": ((3, 1), [GifFrame(["r9b"], code_size=4)], [["rkb"]]),
    "a frame of no size": (
        (3, 1), [GifFrame(["rgb"]), GifFrame([], size=(0, 0)), GifFrame(["w"])],
        [["rgb"], ["rgb"], ["wgb"]],
    ),
    "a frame of no width": (
        (3, 1), [GifFrame([], size=(0, 1)), GifFrame(["w"])], [["..."], ["w.."]],
    ),
    "a screen of no size": ((0, 0), [GifFrame(["rg"]), GifFrame(["b"])], [["rg"], ["bg"]]),
    "a screen of no width": ((0, 2), [GifFrame(["rg"])], [["rg", ".."]]),
    "a control extension holds for one frame alone": (
        (4, 1),
        [
            GifFrame(["rwwr"], transparent="w", disposal=2, delay=30),
            GifFrame(["wb"], (1, 0), control=False),
            GifFrame(["g"], control=False),
        ],
        [["r..r"], [".wb."], ["gwb."]],
    ),
    "no control extension": (
        (3, 1), [GifFrame(["rgb"], control=False), GifFrame(["w"], control=False)],
        [["rgb"], ["wgb"]],
    ),
}  # fmt: skip

#: For each format of outputs, what does not lose anything, or as little as it can.
OUTPUTS = {
    "gif": {"format": "gif"},
    "png": {"format": "png"},
    "webp": {"format": "webp", "lossless": True},
    "avif": {"format": "avif", "quality": 100},
}


@pytest.fixture
def make(tmp_path):
    """Function that makes an output of a file, each pixel enlarged to a square of 16."""

    def make_one(data, output, backend, animation, width, height):
        (tmp_path / "a").write_bytes(data)
        enlarged = {"width": 16 * width, "height": 16 * height, "filter": "nearest"}
        parsed = recipe_parser.parse(
            {
                "steps": [{"resize": enlarged}],
                "animation": animation,
                "backend": backend,
                "output": output,
            }
        )
        outcome = Renderer(str(tmp_path), str(tmp_path), parsed).render(Job("a", ("out",)))
        assert outcome.status == "ok", outcome.message
        return (tmp_path / "out").read_bytes()

    return make_one


def shown(data):
    """Letters of the middles of squares of 16 pixels of each frame, as OpenCV decodes it.

    OpenCV does not clear between the frames of a GIF; Pillow shows whole frames right.
    """
    if data.startswith(b"GIF8"):
        with Image.open(io.BytesIO(data)) as image:
            pages = (frame.convert("RGBA") for frame in ImageSequence.Iterator(image))
            return [letters(np.asarray(frame)[8::16, 8::16]) for frame in pages]
    whole, found = cv2.imdecodeanimation(np.frombuffer(data, np.uint8))
    assert whole
    frames = [cv2.cvtColor(f, cv2.COLOR_BGRA2RGBA) for f in found.frames]
    return [letters(frame[8::16, 8::16]) for frame in frames]


@pytest.mark.parametrize("background", [0, 1, 250])
@pytest.mark.parametrize("case", CASES)
def test_frames_are_composed(case, background):
    size, frames, expected = CASES[case]
    data = gif(size, frames, background=background)
    assert [letters(frame) for frame in decode(data, options=ALL).frames] == expected
    assert [letters(frame) for frame in decode(data, options=FIRST).frames] == expected[:1]


@pytest.mark.parametrize("trailer", [True, False])
def test_a_trailer_may_be_missing(trailer):
    data = gif((2, 1), [GifFrame(["rg"]), GifFrame(["b"])], trailer=trailer)
    assert [letters(frame) for frame in decode(data, options=ALL).frames] == [["rg"], ["bg"]]


@pytest.mark.parametrize("backend", ["pillow", "opencv"])
@pytest.mark.parametrize("to", OUTPUTS)
@pytest.mark.parametrize(
    "case",
    [
        "borders of two frames",
        "holes in the first frame",
        "cleared over an opaque frame",
        "previous",
        "beyond the screen",
        "local colours",
    ],
)
def test_every_output_shows_every_frame(make, case, to, backend):
    size, frames, expected = CASES[case]
    data = make(gif(size, frames), OUTPUTS[to], backend, "all", *size)
    if to == "avif":
        decoded = decode(data, options=ALL).frames
        seen = [letters(frame.crop((0, 0, *frame.size)))[8::16] for frame in decoded]
        assert [[row[8::16] for row in rows] for rows in seen] == expected
    else:
        assert shown(data) == expected


@pytest.mark.parametrize("backend", ["pillow", "opencv"])
@pytest.mark.parametrize("to", [*OUTPUTS, "tiff"])
def test_undrawn_areas_of_the_first_frame_are_transparent(make, to, backend):
    size, frames, expected = CASES["borders of two frames"]
    output = OUTPUTS.get(to, {"format": to})
    data = make(gif(size, frames), output, backend, "first", *size)
    with Image.open(io.BytesIO(data)) as image:
        made = np.asarray(image.convert("RGBA"))[8::16, 8::16]
    assert letters(made) == expected[0]


@pytest.mark.parametrize("backend", ["pillow", "opencv"])
@pytest.mark.parametrize("to", ["jpeg", "bmp"])
def test_transparent_areas_show_the_background_of_the_recipe(make, to, backend):
    size, frames, _ = CASES["the first frame leaves a border"]
    data = make(gif(size, frames), {"format": to}, backend, "first", *size)
    with Image.open(io.BytesIO(data)) as image:
        assert letters(np.asarray(image.convert("RGBA"))[8::16, 8::16]) == ["wwww", "wggw", "wwww"]


def test_opaque_frames_have_no_alpha():
    data = gif((2, 1), [GifFrame(["rg"]), GifFrame(["b"])])
    assert [frame.mode for frame in decode(data, options=ALL).frames] == ["RGB", "RGB"]
    holes = gif((2, 1), [GifFrame(["rg"], disposal=2), GifFrame(["b"])])
    assert [frame.mode for frame in decode(holes, options=ALL).frames] == ["RGBA", "RGBA"]


def test_a_frame_without_a_colour_table_is_grey():
    data = gif((3, 1), [GifFrame(["062"])], table="")
    assert np.asarray(decode(data).frames[0])[0].tolist() == [[0] * 3, [6] * 3, [2] * 3]


def test_a_first_frame_that_reaches_far_is_too_large():
    """Such a file may unpack to gigabytes; later frames are clipped."""
    data = gif((3, 1), [GifFrame(["r"], (60_000, 60_000))])
    with pytest.raises(ImageError, match="60001x60001 pixels") as refusal:
        decode(data)
    assert refusal.value.reason == "too_large"
    rows = ["r" * 50] * 30
    wide = gif((3, 1), [GifFrame(["rgb"]), GifFrame(rows), GifFrame(rows)])
    assert len(decode(wide, options=ALL, limits=Limits(max_pixels=3_003)).frames) == 3
    least = Limits(max_pixels=3_002)
    assert decode(wide, options=FIRST, limits=least).pixels == 3
    with pytest.raises(ImageError, match="3,003 pixels"):
        decode(wide, options=ALL, limits=least)
    later = gif((3, 1), [GifFrame(["rgb"]), GifFrame(["r"], (60_000, 60_000))])
    assert [letters(frame) for frame in decode(later, options=ALL).frames] == [["rgb"]] * 2


@pytest.mark.parametrize(("end", "reason"), [(b";", "corrupt"), (b"", "truncated")])
def test_a_file_without_a_frame_is_truncated_only_if_its_end_is_missing(end, reason):
    with pytest.raises(ImageError) as refusal:
        decode(b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0, 0, 0) + end)
    assert refusal.value.reason == reason


@pytest.mark.parametrize("missing", [1, 2, 3, 4])
def test_a_frame_that_was_cut_off_is_truncated(missing):
    rows = ["rgbw" * 25] * 8
    data = gif((100, 8), [GifFrame(rows), GifFrame(rows)], trailer=False)
    half = len(data) - 200 - missing
    assert letters(decode(data[:half]).frames[0]) == rows
    with pytest.raises(ImageError) as refusal:
        decode(data[:half], options=ALL)
    assert refusal.value.reason == "truncated"


def test_bytes_between_blocks_are_skipped():
    data = gif((2, 1), [GifFrame(["rg"]), GifFrame(["b"])])
    place = data.index(b"\x21\xf9", data.index(b",") + 10)
    spoiled = data[:place] + b"\0\0" + data[place:]
    assert len(decode(spoiled, options=ALL).frames) == 2


def test_half_transparent_pixels_become_opaque_or_transparent(make):
    levels = [0, 100, 127, 128, 200, 255]
    pixels = np.zeros((1, 6, 4), np.uint8)
    pixels[..., 0], pixels[..., 3] = 255, levels
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    data = make(file.getvalue(), {"format": "gif"}, "pillow", "first", 6, 1)
    with Image.open(io.BytesIO(data)) as image:
        assert letters(np.asarray(image.convert("RGBA"))[8::16, 8::16]) == ["...rrr"]


def test_an_animation_keeps_identical_frames(make):
    frames = [GifFrame(["r"], delay=20), GifFrame(["r"], delay=30), GifFrame(["g"])]
    for output in ({"format": "gif"}, {"format": "png"}):
        made = decode(make(gif((1, 1), frames), output, "pillow", "all", 1, 1), options=ALL)
        assert [letters(frame)[0][0] for frame in made.frames] == ["r", "r", "g"]
        assert made.durations == (200, 300, 100)


def test_the_time_of_a_control_extension_applies_to_one_frame():
    """The other frames have no time, and browsers show them for 100 ms."""
    frames = [GifFrame(["r"], delay=30), *[GifFrame(["g"], control=False)] * 2]
    assert decode(gif((1, 1), frames), options=ALL).durations == (300, 100, 100)


def test_a_gif_of_many_colours_has_those_of_each_frame(make):
    """Each frame has a colour table of its own."""
    frames = []
    for channel in range(3):
        pixels = np.zeros((16, 16, 3), np.uint8)
        pixels[..., channel] = np.arange(256).reshape(16, 16)
        frames.append(Image.fromarray(pixels))
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:], duration=50)
    made = decode(make(file.getvalue(), {"format": "gif"}, "pillow", "all", 16, 16), options=ALL)
    for frame, image in zip(frames, made.frames, strict=True):
        seen = np.asarray(image.convert("RGB")).astype(int)[8::16, 8::16]
        assert np.abs(seen - np.asarray(frame)).max() <= 1


def test_the_size_covers_the_screen_and_the_first_frame():
    data = gif((2, 2), [GifFrame(["rgb", "gbr", "bbb"])])
    decoded = decode(data)
    assert (decoded.pixels, decoded.frames[0].size) == (9, (3, 3))
    assert struct.unpack("<HH", data[6:10]) == (2, 2)


@pytest.mark.parametrize("wide", [0, 3])
@pytest.mark.parametrize("high", [0, 3])
def test_a_first_frame_without_area_decides_the_size_too(wide, high):
    """Browsers enlarge the screen for the first frame that is described, whatever it shows."""
    first = GifFrame([] if 0 in (wide, high) else ["ggg"] * 3, (1, 0), size=(wide, high))
    data = gif((2, 2), [first, GifFrame(["rrrrr"] * 5)])
    size = max(2, 1 + wide), max(2, high)
    assert {frame.size for frame in decode(data, options=ALL).frames} == {size}
    assert second_sizes.size_of(data) == size
    assert decode(data).frames[0].size == size


def test_a_screen_that_no_first_frame_enlarges_is_corrupt():
    with pytest.raises(ImageError, match="no size") as raised:
        decode(gif((0, 0), [GifFrame([], size=(0, 0)), GifFrame(["r"])]))
    assert raised.value.reason == "corrupt"


def test_the_first_loop_count_counts():
    frames = [GifFrame(["r"]), GifFrame(["b"])]
    once, twice = (gif((1, 1), frames, repeats=repeats) for repeats in (4, 7))
    begin = twice.index(b"!\xff")
    both = once[: once.index(b"!\xff")] + once[once.index(b"!\xff") :][:19] + twice[begin:]
    assert decode(both, options=ALL).loop == 5


@pytest.mark.parametrize(("kind", "loop"), [(1, 5), (9, 5), (2, None)])
def test_only_three_bits_tell_the_kind_of_a_loop_extension(kind, loop):
    """2 asks to buffer the file; the upper bits have no meaning."""
    data = gif((1, 1), [GifFrame(["r"]), GifFrame(["b"])], repeats=4)
    place = data.index(b"NETSCAPE2.0") + 12
    assert data[place] == 1
    made = decode(data[:place] + bytes([kind]) + data[place + 1 :], options=ALL)
    assert made.loop == loop


@pytest.mark.parametrize("kept", [3, 9, 12])
def test_a_last_frame_that_only_begins_is_truncated_if_all_are_wanted(kept):
    """It ends within its descriptor, or within its colour table."""
    data = gif((1, 1), [GifFrame(["r"]), GifFrame(["b"])])
    begin = data.rindex(b"," + bytes(4) + b"\1\0\1\0")
    cut = data[: begin + kept]
    assert len(decode(cut, options=FIRST).frames) == 1
    with pytest.raises(ImageError) as failure:
        decode(cut, options=ALL)
    assert failure.value.reason == "truncated"


def test_the_first_colour_may_be_the_transparent_one():
    (frame,) = decode(gif((3, 1), [GifFrame(["rkb"], transparent="k")]), options=ALL).frames
    assert letters(frame) == ["r.b"]
