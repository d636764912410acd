"""Whatever the colours of a source, steps receive 8-bit RGB or grey."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from pixelmill.core.jobs import Job
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.codecs.color import to_working
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.decoding import decode
from pixelmill.imaging.renderer import Renderer
from tests.helpers.imaging import (
    chunk,
    icc_profile,
    magick,
    needs_magick,
    opened,
    png,
    psnr,
    same,
    transparent,
    words,
)

# Pillow warns about many findings; only the outcome matters.
pytestmark = pytest.mark.filterwarnings("ignore")


# Alpha


def on_white(colors, alpha):
    colors, alpha = np.asarray(colors, float), np.asarray(alpha, float)[..., None] / 255
    return colors * alpha + 255 * (1 - alpha)


ALPHA = np.array([[0, 1, 64, 127, 128, 254, 255]], np.uint8)
GRAY = np.array([[0, 9, 50, 100, 150, 200, 250]], np.uint8)
COLORS = np.dstack([GRAY, 255 - GRAY, GRAY // 2])


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_alpha_shows_white(encoded, format):
    image = Image.fromarray(np.dstack([COLORS, ALPHA]))
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    made = decode(encoded(image, format, **options)).frames[0]
    assert made.mode == "RGB"
    assert np.abs(np.asarray(made) - on_white(COLORS, ALPHA)).max() <= 1


def test_alpha_of_grey_shows_white_and_stays_grey(encoded):
    image = Image.fromarray(np.dstack([GRAY, ALPHA]), "LA")
    made = decode(encoded(image, "PNG")).frames[0]
    assert made.mode == "L"
    assert np.abs(np.asarray(made) - on_white(GRAY[..., None], ALPHA)[..., 0]).max() <= 1


def test_alpha_of_a_palette_shows_white(encoded):
    image = Image.fromarray(np.arange(7, dtype=np.uint8)[None], "P")
    image.putpalette(COLORS.tobytes())
    made = decode(encoded(image, "PNG", transparency=ALPHA.tobytes())).frames[0]
    assert made.mode == "RGB"
    assert np.abs(np.asarray(made) - on_white(COLORS, ALPHA)).max() <= 1


def test_the_transparent_colour_of_a_gif_shows_white(encoded):
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    made = decode(encoded(image, "GIF", transparency=1)).frames[0]
    assert np.asarray(made.convert("RGB")).tolist() == [[[255, 0, 0], [255] * 3, [0, 0, 255]]]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(
            png(2, 1, 8, 2, [bytes([9, 9, 9, 9, 9, 8])], transparent(9, 9, 9)),
            [[[255, 255, 255], [9, 9, 8]]], id="rgb",
        ),
        pytest.param(
            png(2, 1, 8, 0, [bytes([9, 8])], transparent(9)), [[255, 8]], id="grey",
        ),
        pytest.param(
            png(8, 1, 1, 0, [b"\x0f"], transparent(0)), [[255] * 8], id="bilevel",
        ),
        pytest.param(
            png(4, 1, 2, 0, [b"\x1b"], transparent(1)), [[0, 255, 170, 255]], id="2-bit-grey",
        ),
        pytest.param(
            png(4, 1, 4, 0, [b"\x01\x2f"], transparent(1)), [[0, 255, 34, 255]], id="4-bit-grey",
        ),
        pytest.param(
            png(3, 1, 16, 0, [words(1000, 32768, 65535)], transparent(1000)),
            [[255, 128, 255]], id="16-bit-grey",
        ),
        pytest.param(
            png(2, 1, 16, 2, [words(999, 999, 999, 65535, 0, 32896)], transparent(999, 999, 999)),
            [[[255, 255, 255], [255, 0, 128]]], id="16-bit-rgb",
        ),
    ],
)  # fmt: skip
def test_the_transparent_colour_of_a_png_shows_white(data, expected):
    made = np.asarray(decode(data).frames[0].convert("L" if np.ndim(expected) == 2 else "RGB"))
    assert made.tolist() == expected


def test_alpha_stays_white_at_16_bits():
    row = words(65535, 0, 32896, 65535) + words(10, 20, 30, 0)
    made = np.asarray(decode(png(2, 1, 16, 6, [row])).frames[0])
    assert made.tolist() == [[[255, 0, 128], [255, 255, 255]]]


def test_an_opaque_image_keeps_its_pixels(photo, encoded):
    image = photo(7, 5)
    assert same(decode(encoded(image.convert("RGBA"), "PNG")).frames[0], image)


# Modes


DEEP = np.array([[0, 256, 257, 1000, 32768, 65278, 65535]])
SCALED = [[0, 1, 1, 4, 128, 254, 255]]


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_and_not_clipped(encoded, format):
    made = decode(encoded(Image.fromarray(DEEP.astype(np.uint16)), format)).frames[0]
    assert (made.mode, np.asarray(made).tolist()) == ("L", SCALED)


def test_16_bit_grey_in_big_endian_is_scaled_too():
    pixels = DEEP.astype(">u2").tobytes()
    # Width, height, 16 bits, no compression, black is zero, one strip that starts at byte 8.
    tags = [(256, 7), (257, 1), (258, 16), (259, 1), (262, 1), (273, 8), (278, 1), (279, 14)]
    entries = b"".join(struct.pack(">HHIHH", tag, 3, 1, value, 0) for tag, value in tags)
    head = struct.pack(">2sHI", b"MM", 42, 8 + len(pixels))
    made = decode(head + pixels + struct.pack(">H", len(tags)) + entries + bytes(4)).frames[0]
    assert np.asarray(made).tolist() == SCALED


def test_dark_16_bit_grey_of_a_ppm_is_not_mistaken_for_8_bits():
    data = b"P5 3 1 65535\n" + words(0, 128, 200)
    assert np.asarray(decode(data).frames[0]).tolist() == [[0, 0, 1]]
    kept = decode(data, options=DecodeOptions(depth="keep")).frames[0]
    assert np.asarray(kept).tolist() == [[0, 128, 200]]


@pytest.mark.parametrize("policy", ["srgb", "keep", "drop"])
def test_16_bit_grey_follows_its_profile(policy):
    profile = icc_profile((), 1.0)
    chunks = chunk(b"iCCP", b"p\0\0" + zlib.compress(profile))
    data = png(3, 1, 16, 0, [words(0, 14045, 65535)], chunks)
    made = decode(data, options=DecodeOptions(depth="keep", color=policy))
    middle = int(np.asarray(made.frames[0])[0, 1])
    # Light of 0.2143 is level 0.5 of sRGB (IEC 61966-2-1).
    assert abs(middle - (32768 if policy == "srgb" else 14045)) <= 100
    assert made.profile == (profile if policy == "keep" else None)


def test_16_bit_colour_is_scaled_and_not_clipped():
    data = png(3, 1, 16, 2, [words(0, 65535, 32896, 257, 256, 65278, 1, 2, 3)])
    made = np.asarray(decode(data).frames[0])
    assert made.tolist() == [[[0, 255, 128], [1, 1, 254], [0, 0, 0]]]


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        pytest.param(np.array([[0, 100, 255]], np.int32), [[0, 100, 255]], id="32-bit-as-8-bit"),
        pytest.param(DEEP.astype(np.int32), SCALED, id="32-bit-as-16-bit"),
        pytest.param(np.array([[-5, 32_896]], np.int32), [[0, 128]], id="32-bit-negative"),
        pytest.param(np.array([[0, 2**31 - 1]], np.int32), [[0, 255]], id="32-bit-beyond"),
        pytest.param(np.array([[0, 0.5, 1]], np.float32), [[0, 128, 255]], id="float-to-1"),
        pytest.param(np.array([[0, 99.6, 300]], np.float32), [[0, 100, 255]], id="float-to-255"),
        pytest.param(np.array([[np.nan, 1, -1]], np.float32), [[0, 255, 0]], id="float-odd"),
    ],
)
def test_deeper_grey_becomes_8_bits(encoded, levels, expected):
    made = decode(encoded(Image.fromarray(levels), "TIFF")).frames[0]
    assert (made.mode, np.asarray(made).tolist()) == ("L", expected)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "PPM"])
def test_bilevel_becomes_grey(encoded, format):
    levels = np.tile(np.array([[0, 255, 255], [255, 0, 255]], np.uint8), (4, 4))
    made = decode(encoded(Image.fromarray(levels).convert("1"), format)).frames[0]
    assert (made.mode, np.asarray(made).tolist()) == ("L", levels.tolist())


def test_cmyk_becomes_rgb(encoded):
    inks = np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 255, 255, 0], [0, 0, 0, 255]]], np.uint8)
    made = decode(encoded(Image.fromarray(inks, "CMYK"), "TIFF")).frames[0]
    assert np.asarray(made).tolist() == [[[255] * 3, [0, 255, 255], [255, 0, 0], [0] * 3]]


def test_a_cmyk_jpeg_is_not_inverted(encoded):
    made = decode(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG")).frames[0]
    assert psnr(made, Image.new("RGB", (16, 16), "red")) >= 30


def test_lab_becomes_rgb(encoded, photo):
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = photo(40, 30)
    converted = ImageCms.profileToProfile(image, srgb, lab, outputMode="LAB")
    made = decode(encoded(converted, "TIFF")).frames[0]
    assert made.mode == "RGB"
    assert psnr(made, image) >= 35


def test_a_palette_becomes_rgb(encoded):
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    made = decode(encoded(image, "PNG")).frames[0]
    assert np.asarray(made).tolist() == [[[10, 20, 30], [40, 50, 60]]]


# Alpha that an output keeps, or that is flattened on a colour

BACKGROUNDS = {"white": (255, 255, 255), "#204060": (32, 64, 96), "gray": (128, 128, 128)}


def made_of(tmp_path, image, **data):
    """What a recipe makes of a picture."""
    image.save(tmp_path / "a.png")
    renderer = Renderer(str(tmp_path), str(tmp_path), recipe_parser.parse(data))
    assert renderer.render(Job("a.png", ("out",))).status == "ok"
    return opened((tmp_path / "out").read_bytes())


@pytest.mark.parametrize(("color", "levels"), BACKGROUNDS.items())
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_flattened_if_the_output_has_none(tmp_path, mode, color, levels):
    pixels = COLORS if mode == "RGBA" else GRAY
    image = Image.fromarray(np.dstack([pixels, ALPHA]), mode)
    made = made_of(tmp_path, image, background=color, output={"format": "bmp"})
    gray = mode == "LA" and len(set(levels)) == 1  # grey on a colour is a colour
    assert made.mode == ("L" if gray else "RGB")
    colors = np.asarray(image.convert("RGBA"))[..., :3].astype(float)
    alpha = ALPHA[..., None] / 255
    expected = colors * alpha + np.array(levels) * (1 - alpha)
    assert np.abs(np.asarray(made.convert("RGB")) - expected).max() <= 1


@pytest.mark.parametrize("format", ["png", "webp", "tiff"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_kept_if_the_output_supports_it(tmp_path, mode, format):
    pixels = COLORS if mode == "RGBA" else GRAY
    image = Image.fromarray(np.dstack([pixels, ALPHA]), mode)
    lossless = {"lossless": True} if format == "webp" else {}
    made = made_of(tmp_path, image, background="black", output={"format": format, **lossless})
    np.testing.assert_array_equal(np.asarray(made.getchannel("A")), ALPHA)
    seen = ALPHA[0] > 0
    expected = np.asarray(image.convert("RGBA"))
    np.testing.assert_array_equal(np.asarray(made.convert("RGBA"))[:, seen], expected[:, seen])


def test_alpha_of_a_palette_is_kept_and_gifs_have_one_level_of_it(tmp_path):
    image = Image.fromarray(np.arange(7, dtype=np.uint8)[None], "P")
    image.putpalette(COLORS.tobytes())
    image.info["transparency"] = ALPHA.tobytes()
    image = image.resize((70, 10), Image.Resampling.NEAREST)
    image.info["transparency"] = ALPHA.tobytes()
    made = made_of(tmp_path, image, output={"format": "png"})
    np.testing.assert_array_equal(np.asarray(made.getchannel("A"))[0, ::10], ALPHA[0])
    gif = made_of(tmp_path, image, output={"format": "gif"}).convert("RGBA")
    assert set(np.asarray(gif)[..., 3].ravel()) == {0, 255}


def test_an_opaque_source_gives_an_opaque_output(tmp_path, photo):
    for format in ("png", "webp", "tiff", "avif"):
        assert made_of(tmp_path, photo(20, 10), output={"format": format}).mode == "RGB"


@pytest.mark.parametrize("format", ["png", "webp"])
def test_resized_alpha_has_no_dark_fringe(tmp_path, format):
    """White shapes on transparent black must stay white."""
    rows, columns = np.mgrid[-50:50, -50:50]
    inside = (rows**2 + columns**2 < 40**2).astype(np.uint8) * 255
    image = Image.fromarray(np.dstack([inside, inside, inside, inside]))
    step = {"resize": {"width": 30, "height": 30}}
    lossless = {"lossless": True} if format == "webp" else {}
    made = made_of(tmp_path, image, steps=[step], output={"format": format, **lossless})
    levels = np.asarray(made)
    edge = (levels[..., 3] > 8) & (levels[..., 3] < 247)
    assert edge.any()
    assert levels[edge][:, :3].min() >= 250


# Sixteen bits of grey


@pytest.mark.parametrize("format", ["png", "tiff"])
@pytest.mark.parametrize("source", ["PNG", "TIFF"])
def test_16_bit_grey_is_kept_through_a_resize_if_the_recipe_says_so(tmp_path, source, format):
    levels = np.random.default_rng(5).integers(0, 65536, (40, 60), dtype=np.uint16)
    levels[:2, :4] = [[65535, 65535, 0, 1], [65535, 65535, 256, 255]]
    Image.fromarray(levels).save(tmp_path / "a", source)
    step = {"resize": {"width": 30, "height": 20, "filter": "box"}}
    parsed = recipe_parser.parse({"steps": [step], "depth": "keep", "output": {"format": format}})
    outcome = Renderer(str(tmp_path), str(tmp_path), parsed).render(Job("a", ("out",)))
    assert outcome.status == "ok", outcome.message
    made = cv2.imdecode(np.fromfile(tmp_path / "out", np.uint8), cv2.IMREAD_UNCHANGED)
    assert made.dtype == np.uint16
    means = levels.astype(float).reshape(20, 2, 30, 2).mean((1, 3))
    assert np.abs(made - means).max() <= 1


@needs_magick
def test_resized_16_bit_grey_equals_that_of_imagemagick(tmp_path):
    across, down = np.meshgrid(np.linspace(0, 40, 300), np.linspace(0, 30, 200))
    levels = (32768 + 32767 * np.sin(across * down / 40)).astype(np.uint16)
    Image.fromarray(levels).save(tmp_path / "a.png")
    step = {"resize": {"width": 90, "height": 60}}
    parsed = recipe_parser.parse({"steps": [step], "depth": "keep", "output": {"format": "png"}})
    Renderer(str(tmp_path), str(tmp_path), parsed).render(Job("a.png", ("out",)))
    options = ("-filter", "Lanczos", "-resize", "90x60!", "-depth", "16")
    expected = opened(magick((tmp_path / "a.png").read_bytes(), *options))
    made = opened((tmp_path / "out").read_bytes())
    assert made.mode.startswith("I;16")
    assert psnr(np.asarray(made) / 257, np.asarray(expected) / 257) >= 40


def test_colours_are_reduced_to_8_bits_from_every_depth(tmp_path):
    (tmp_path / "a").write_bytes(png(1, 1, 16, 2, [words(65535, 32896, 0)]))
    parsed = recipe_parser.parse({"depth": "keep", "output": {"format": "png"}})
    Renderer(str(tmp_path), str(tmp_path), parsed).render(Job("a", ("out",)))
    assert opened((tmp_path / "out").read_bytes()).getpixel((0, 0)) == (255, 128, 0)


def test_alpha_is_flattened_on_white_unless_it_is_asked_for():
    image = Image.new("RGBA", (2, 2), (10, 20, 30, 0))
    made, profile = to_working(image)
    assert (made.mode, made.getpixel((0, 0)), profile) == ("RGB", (255, 255, 255), None)
    assert to_working(image, alpha=True)[0].mode == "RGBA"


def paletted(alpha):
    """A picture of mode PA."""
    image = Image.new("P", alpha.shape[::-1])
    image.putalpha(Image.fromarray(alpha))
    assert image.mode == "PA"
    return image


@pytest.mark.parametrize(
    ("image", "transparent", "mode", "alphas"),
    [
        (Image.fromarray(np.array([[5, 9]], np.uint16)), 9, "LA", [255, 0]),
        (Image.fromarray(np.array([[False, True]])), 255, "LA", [255, 0]),
        (Image.fromarray(np.array([[5, 9]], np.uint8)), 9, "LA", [255, 0]),
        (Image.fromarray(np.array([[[5, 9], [7, 0]]], np.uint8), "LA").convert("La"), None, "LA",
         [9, 0]),
        (paletted(np.array([[9, 0]], np.uint8)), None, "RGBA", [9, 0]),
    ],
    ids=["I;16", "1", "L", "La", "PA"],
)  # fmt: skip
@pytest.mark.parametrize("depth", [8, "keep"])
def test_transparency_of_every_mode_is_seen(image, transparent, mode, alphas, depth):
    """Also where 16 bits are to be kept: they have no room for it."""
    image = image.copy()
    if transparent is not None:
        image.info["transparency"] = transparent
    made, _ = to_working(image, depth=depth, alpha=True)
    assert (made.mode, list(made.getchannel("A").tobytes())) == (mode, alphas)


@pytest.mark.parametrize("depth", [8, "keep"])
def test_a_mask_is_alpha_at_any_depth(depth):
    mask = Image.fromarray(np.array([[0, 77]], np.uint8))
    for levels in (np.array([[5, 9]], np.uint16), np.array([[5, 9]], np.uint8)):
        image = Image.fromarray(levels)
        made, _ = to_working(image, depth=depth, alpha=True, mask=mask)
        assert (made.mode, list(made.getchannel("A").tobytes())) == ("LA", [0, 77])
        assert image.mode in ("I;16", "L")
