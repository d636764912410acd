"""Frames of APNG, WebP and AVIF are composed as they are shown."""

import io
import struct
import zlib
from functools import partial

import numpy as np
import pytest
from PIL import Image

from pixelmill.imaging.codecs import apng as apng_codec
from pixelmill.imaging.codecs import gif as gif_codec
from pixelmill.imaging.codecs import sequences
from pixelmill.imaging.codecs.decoding import decode
from tests.helpers.animations import apng, chunks, letters, webp
from tests.helpers.imaging import chunk, icc_profile
from tests.helpers.moving import ALL, FIRST, rendered
from tests.helpers.picture_containers import with_tables_apart


@pytest.fixture
def make(tmp_path):
    """Function that renders a file, and returns the bytes of the output."""
    return partial(rendered, tmp_path)


def seen(data, reading=ALL):
    return [letters(frame) for frame in decode(data, options=reading).frames]


# APNG


ROWS = [["rrg", "rrb"], ["bgg", "rrr"], ["www", "kkb"]]


HOLES = [["r.g", "rr."], ["b.g", ".rr"], ["...", "kkb"]]


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("extra", [b"", chunk(b"gAMA", struct.pack(">I", 45_455))])
@pytest.mark.parametrize("mode", ["P", "RGB", "RGBA"])
def test_the_first_frame_control_may_stand_among_other_chunks(make, mode, extra, order):
    """Palettes and colour descriptions apply to all frames, regardless of their position."""
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
    data = apng_codec.assemble(frames, [100, 70_000, 9_999_999], 2, {"compress_level": 6})
    controls = [struct.unpack(">IIIIIHHBB", c) for name, c in chunks(data) if name == b"fcTL"]
    assert controls == [
        (0, 40, 30, 0, 0, 100, 1000, 0, 0),
        (1, 1, 1, 7, 9, 7000, 100, 0, 0),
        (3, 1, 1, 0, 0, 10_000, 1, 0, 0),
    ]
    made = decode(data, options=ALL)
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
            assert {frame.mode for frame in decode(data, options=reading).frames} == {"RGB"}


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
    """Some encoders write alpha in this way; only libavif refuses it."""
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


@pytest.mark.parametrize("modes", [("RGB", "RGBA"), ("RGBA", "RGB"), ("L", "LA"), ("L", "RGB")])
def test_frames_of_several_modes_lose_neither_colours_nor_transparency(modes):
    frames = [Image.new(mode, (2, 2), (90, 20, 30, 40)[-len(mode) :]) for mode in modes]
    made = sequences.unified(frames)
    (mode,) = {frame.mode for frame in made}
    assert mode == ("RGBA" if any(m.endswith("A") for m in modes) else "RGB")
    for frame, source in zip(made, frames, strict=True):
        assert frame.tobytes() == source.convert(mode).tobytes()


def test_a_frame_of_a_gif_that_is_shown_for_very_long_is_shown_as_long_as_possible():
    made = gif_codec.assemble([Image.new("L", (2, 2), 9)] * 2, [700_000, 50], 0)
    times = [frame.milliseconds for frame in gif_codec.parse(made).frames]
    assert times == [655_350, 50]
