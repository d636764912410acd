"""Animations are kept, reduced to their first frame, or refused, as the recipe asks."""

import io
import os
import re
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from pixelmill.core.errors import ImageError
from pixelmill.core.jobs import Job
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.decoding import decode
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.renderer import Renderer
from tests.helpers.imaging import chunk, magick, needs_magick, opened

ALL = DecodeOptions(animation="all", alpha=True)

SIZE = (40, 32)
HALF = {"resize": {"width": 20, "height": 16, "filter": "box"}}

DURATIONS = [100, 250, 50, 400]

#: Lossless, so that frames can be compared.
OUTPUTS = {"png": {"format": "png"}, "webp": {"format": "webp", "lossless": True}}

#: Patches of an animation: place, colour, and disposal.
PATCHES = [
    ((0, 0, 40, 32), (200, 30, 30, 255), "none"),
    ((8, 8, 24, 24), (30, 30, 220, 255), "previous"),
    ((20, 4, 32, 24), (20, 200, 40, 255), "background"),
    ((0, 16, 20, 24), (240, 220, 0, 255), "none"),
]


def shown(patches, over=True):
    """The visible picture after each patch, according to GIF89a and APNG."""
    canvas, seen = np.zeros((SIZE[1], SIZE[0], 4)), []
    for (left, top, right, bottom), color, dispose in patches:
        before = canvas.copy()
        patch = np.broadcast_to(np.array(color, float), (bottom - top, right - left, 4))
        region = canvas[top:bottom, left:right]
        if over:
            # Pixels that are not premultiplied: PNG 3rd edition, 13.16.
            alpha, below = patch[..., 3:] / 255, region[..., 3:] / 255
            total = alpha + below * (1 - alpha)
            mixed = patch[..., :3] * alpha + region[..., :3] * below * (1 - alpha)
            colors = np.divide(mixed, total, out=np.zeros_like(mixed), where=total > 0)
            patch = np.dstack([colors, 255 * total])
        canvas[top:bottom, left:right] = patch
        seen.append(canvas.copy())
        if dispose == "previous":
            canvas = before
        elif dispose == "background":
            canvas[top:bottom, left:right] = 0
    return np.array(seen)


def premultiplied(frames):
    """The visible colours of pixels: transparent ones have none."""
    frames = np.asarray(frames, float)
    return np.concatenate([frames[..., :3] * frames[..., 3:] / 255, frames[..., 3:]], -1)


def halved(frames):
    """Means of two by two pixels, premultiplied."""
    rows, columns = frames.shape[1] // 2, frames.shape[2] // 2
    return premultiplied(frames).reshape(-1, rows, 2, columns, 2, 4).mean((2, 4))


def apng(patches, over, plays=0, default=None):
    """Build an APNG (PNG 3rd edition, 11.3.6), with a hidden first image if requested."""
    width, height = SIZE
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
    data += chunk(b"acTL", struct.pack(">II", len(patches), plays))
    if default is not None:
        data += chunk(b"IDAT", packed((width, height), default))
    number = 0
    for turn, ((left, top, right, bottom), color, dispose) in enumerate(patches):
        size = (right - left, bottom - top)
        code = ("none", "background", "previous").index(dispose)
        times = struct.pack(">HHBB", DURATIONS[turn], 1000, code, over)
        data += chunk(b"fcTL", struct.pack(">IIIII", number, *size, left, top) + times)
        number += 1
        if turn == 0 and default is None:
            data += chunk(b"IDAT", packed(size, color))
        else:
            data += chunk(b"fdAT", struct.pack(">I", number) + packed(size, color))
            number += 1
    return data + chunk(b"IEND", b"")


def packed(size, color):
    return zlib.compress((b"\0" + bytes(color) * size[0]) * size[1])


@pytest.fixture(scope="module")
def gif():
    """The same patches as a GIF, with holes, as ImageMagick writes it: shown three times."""
    command = ["-loop", "3"]
    for ((left, top, right, bottom), color, dispose), time in zip(PATCHES, DURATIONS, strict=True):
        size = f"{right - left}x{bottom - top}"
        fill = "rgb({},{},{})".format(*color[:3])
        command += ["(", "-size", size, "xc:none", "-fill", fill, "-draw", "rectangle 1,1 30,28",
                    "-set", "dispose", dispose, "-set", "delay", f"{time // 10}",
                    "-repage", f"{SIZE[0]}x{SIZE[1]}+{left}+{top}", ")"]  # fmt: skip
    return magick(one_pixel(), *command, "-delete", "0", to="gif")


def one_pixel():
    """One pixel, for a command that reads an image."""
    file = io.BytesIO()
    Image.new("RGBA", (1, 1)).save(file, "PNG")
    return file.getvalue()


def coalesced(data):
    """Frames as ImageMagick shows them, RGBA."""
    raw = magick(data, "-coalesce", "-depth", "8", to="rgba")
    width, height = opened(data).size
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 4)


def frames_by_opencv(data):
    """Frames as decoded by OpenCV, RGBA, with durations in ms and the number of repeats."""
    whole, found = cv2.imdecodeanimation(np.frombuffer(data, np.uint8))
    assert whole
    frames = [cv2.cvtColor(frame, cv2.COLOR_BGRA2RGBA) for frame in found.frames]
    return np.array(frames), list(map(int, found.durations)), found.loop_count


@pytest.fixture
def make(tmp_path):
    """Function that renders a file with a recipe, and returns the bytes of the output."""

    def make_one(data, output, steps=(), animation="all"):
        (tmp_path / "a").write_bytes(data)
        parsed = recipe_parser.parse(
            {"steps": list(steps), "animation": animation, "output": output}
        )
        renderer = Renderer(str(tmp_path), str(tmp_path), parsed)
        outcome = renderer.render(Job("a", ("out",)))
        assert outcome.status == "ok", outcome.message
        return (tmp_path / "out").read_bytes()

    return make_one


CLEAR = [(place, (*color[:3], 130), dispose) for place, color, dispose in PATCHES]


@pytest.mark.parametrize("patches", [PATCHES, CLEAR], ids=["opaque", "half-clear"])
@pytest.mark.parametrize("over", [True, False], ids=["over", "source"])
def test_every_frame_of_an_apng_follows_the_standard(patches, over):
    decoded = decode(apng(patches, over), options=ALL)
    expected = shown(patches, over)
    made = np.array([np.asarray(frame.convert("RGBA")) for frame in decoded.frames])
    assert made.shape == expected.shape
    assert np.abs(premultiplied(made) - premultiplied(expected)).max() <= 2
    assert list(decoded.durations) == DURATIONS


@pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS)
@pytest.mark.parametrize("over", [True, False], ids=["over", "source"])
def test_a_resized_apng_shows_resized_frames(make, over, output):
    data = make(apng(PATCHES, over, plays=2), output, [HALF])
    frames, durations, plays = frames_by_opencv(data)
    assert np.abs(premultiplied(frames) - halved(shown(PATCHES, over))).max() <= 3
    assert (durations, plays) == (DURATIONS, 2)


@needs_magick
@pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS)
def test_a_resized_gif_looks_as_in_imagemagick(make, gif, output):
    frames, durations, _ = frames_by_opencv(make(gif, output, [HALF]))
    expected = halved(coalesced(gif))
    assert frames.shape == expected.shape
    assert np.abs(premultiplied(frames) - expected).max() <= 3
    assert durations == DURATIONS


@needs_magick
def test_a_gif_that_becomes_a_gif_looks_the_same(make, gif):
    data = make(gif, {"format": "gif"})
    assert np.abs(premultiplied(coalesced(data)) - premultiplied(coalesced(gif))).max() <= 1
    assert times_of(data) == DURATIONS


def times_of(data):
    """Durations of a GIF in ms, by its control extensions (GIF89a, 23)."""
    found = re.findall(rb"\x21\xf9\x04.(..).\x00", data, re.DOTALL)
    return [10 * int.from_bytes(time, "little") for time in found]


def webp(frames, **options):
    file = io.BytesIO()
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], lossless=True, **options)
    return file.getvalue()


@pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS)
def test_a_resized_webp_shows_resized_frames(make, picture, output):
    pictures = [picture(number, SIZE) for number in range(4)]
    data = webp(pictures, duration=DURATIONS, loop=5)
    frames, durations, plays = frames_by_opencv(make(data, output, [HALF]))
    opaque = [np.asarray(image.convert("RGBA")) for image in pictures]
    assert np.abs(premultiplied(frames) - halved(np.array(opaque))).max() <= 2
    assert (durations, plays) == (DURATIONS, 5)


# Loop counts


def shown_times(data):
    """How often a moving picture is shown, by its bytes; 0 for ever."""
    if data.startswith(b"GIF8"):
        again = re.search(rb"NETSCAPE2\.0\x03\x01(..)\x00", data, re.DOTALL)
        count = int.from_bytes(again[1], "little") if again else None
        return 1 if count is None else count and count + 1
    if data.startswith(b"RIFF"):
        place = data.index(b"ANIM") + 12
        return int.from_bytes(data[place : place + 2], "little")
    place = data.index(b"acTL") + 8
    return int.from_bytes(data[place : place + 4], "big")


@pytest.mark.parametrize("to", ["gif", "png", "webp"])
@pytest.mark.parametrize("times", [0, 1, 2, 7])
@pytest.mark.parametrize("source", ["gif", "png", "webp"])
def test_the_loop_count_is_kept(make, picture, source, times, to):
    pictures = [picture(number, SIZE) for number in range(3)]
    file = io.BytesIO()
    # A GIF stores the number of repetitions, and nothing if there are none.
    loop = times if source != "gif" else max(0, times - 1)
    options = {} if source == "gif" and times == 1 else {"loop": loop}
    pictures[0].save(
        file, source, save_all=True, append_images=pictures[1:], duration=50, **options
    )
    assert shown_times(file.getvalue()) == times
    assert shown_times(make(file.getvalue(), {"format": to})) == times


# One frame, or none


@pytest.fixture(params=["GIF", "PNG", "WEBP", "AVIF"])
def moving(request, encoded):
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue", "lime")]
    return encoded(frames[0], request.param, save_all=True, append_images=frames[1:], duration=90)


def test_an_animation_is_refused_if_the_recipe_says_so(moving):
    with pytest.raises(ImageError, match="3 frames") as refusal:
        decode(moving, options=DecodeOptions(animation="error"))
    assert refusal.value.reason == "unsupported"


def test_the_first_frame_is_used_by_default(make, moving):
    decoded = decode(moving)
    assert len(decoded.frames) == 1
    assert decoded.frames[0].convert("RGB").getpixel((8, 8))[0] > 240
    made = opened(make(moving, {"format": "png"}, animation="first"))
    assert getattr(made, "n_frames", 1) == 1


def test_all_frames_are_all_frames(moving):
    decoded = decode(moving, options=ALL)
    brightest = [np.argmax(frame.convert("RGB").getpixel((8, 8))) for frame in decoded.frames]
    assert (brightest, list(decoded.durations)) == ([0, 2, 1], [90] * 3)


@pytest.mark.parametrize("animation", ["first", "all", "error"])
@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF", "JPEG"])
def test_a_picture_that_does_not_move_is_one_picture_by_any_policy(
    photo, encoded, format, animation
):
    decoded = decode(encoded(photo(20, 10), format), options=DecodeOptions(animation=animation))
    assert len(decoded.frames) == 1


def test_pages_are_not_an_animation(encoded):
    pages = [Image.new("L", (8, 8), level) for level in (10, 20)]
    data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    for animation in ("first", "all", "error"):
        decoded = decode(data, options=DecodeOptions(animation=animation))
        assert [frame.getpixel((0, 0)) for frame in decoded.frames] == [10]


def test_the_default_image_of_an_apng_is_not_part_of_the_animation():
    default = (1, 2, 3, 255)
    data = apng(PATCHES[:3], over=True, default=default)
    assert decode(data, options=DecodeOptions(alpha=True)).frames[0].getpixel((5, 5)) == default
    frames = decode(data, options=ALL).frames
    made = np.array([np.asarray(frame.convert("RGBA")) for frame in frames])
    assert np.abs(premultiplied(made) - premultiplied(shown(PATCHES[:3]))).max() <= 2


def test_all_frames_count_against_the_limit_of_pixels(picture):
    data = webp([picture(number, SIZE) for number in range(4)])
    pixels = 4 * SIZE[0] * SIZE[1]
    assert len(decode(data, options=ALL, limits=Limits(max_pixels=pixels)).frames) == 4
    with pytest.raises(ImageError, match="4 frames") as refusal:
        decode(data, options=ALL, limits=Limits(max_pixels=pixels - 1))
    assert refusal.value.reason == "too_large"


def test_a_broken_later_frame_fails_the_image_if_all_frames_are_requested(encoded, picture):
    """An animation that silently lacks its second half would be worse than a failure."""
    frames = [picture(number, (64, 48)) for number in range(3)]
    for format in ("PNG", "WEBP", "AVIF"):  # a GIF has no end of a frame, and no count
        data = encoded(frames[0], format, save_all=True, append_images=frames[1:])
        with pytest.raises(ImageError) as refusal:
            decode(data[: len(data) * 3 // 4], options=ALL)
        assert refusal.value.reason in ("truncated", "corrupt"), format


CORPUS = os.environ.get("PIXELMILL_CORPUS")


def apngs_of_the_corpus():
    folder = Path(CORPUS or ".", "robustness/pillow/apng")
    return sorted(folder.glob("*.png")) if CORPUS else []


#: Their one frame is green; OpenCV shows the image for those that know no APNG, or nothing.
GREEN = (
    "single_frame_default", "split_fdat", "split_fdat_zero_chunk", "syntax_num_frames_invalid",
    "syntax_num_frames_zero_default",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(CORPUS is None, reason="PIXELMILL_CORPUS is not set")
@pytest.mark.parametrize("path", apngs_of_the_corpus(), ids=lambda path: path.stem)
def test_apngs_of_the_corpus_show_what_opencv_shows(path):
    data = path.read_bytes()
    try:
        decoded = decode(data, options=ALL)
    except ImageError as error:
        assert error.reason in ("corrupt", "truncated")
        return
    made = np.array([np.asarray(frame.convert("RGBA")) for frame in decoded.frames])
    if path.stem == "syntax_num_frames_low":
        return  # it has more frames than it announces: whoever shows it may choose
    if path.stem in GREEN:
        assert made[-1, 0, 0].tolist() == [0, 255, 0, 255]
        return
    frames, durations, _ = frames_by_opencv(data)
    if frames.dtype == np.uint16:
        frames = frames / 257
    assert made.shape == frames.shape
    assert np.abs(premultiplied(made) - premultiplied(frames)).max() <= 2
    if len(frames) > 1:
        assert list(decoded.durations) == pytest.approx(durations, abs=1)
