"""After a conversion of colours according to a profile, a picture looks the same."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from pixelmill.core.jobs import Job
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.codecs import icc
from pixelmill.imaging.codecs.color_management import is_srgb
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.decoding import decode
from pixelmill.imaging.renderer import Renderer
from tests.helpers.imaging import (
    ADOBE_RGB,
    icc_profile,
    ink_profile,
    magick,
    needs_magick,
    opened,
    psnr,
    same,
)

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

#: Colorants in D50 of other spaces: Display P3's, and sRGB's own (IEC 61966-2-1).
DISPLAY_P3 = (
    (0.51512, 0.24120, -0.00105),
    (0.29198, 0.69225, 0.04189),
    (0.15710, 0.06657, 0.78407),
)
IN_SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))

WIDE = {
    "adobe-rgb": (ADOBE_RGB, 563 / 256),
    "display-p3": (DISPLAY_P3, 563 / 256),
    "linear": (IN_SRGB, 1.0),
}


@pytest.fixture(scope="module")
def colors():
    """Picture of many colours, each in a square of its own."""
    levels = np.array([0, 16, 51, 102, 153, 204, 239, 255], np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(16, 32, 3)
    return Image.fromarray(np.ascontiguousarray(grid))


def encode_srgb(linear):
    """Levels of linear light, 0 to 1 (IEC 61966-2-1)."""
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def seen_in_srgb(levels, colorants, gamma):
    """What levels of an RGB space are in sRGB, by matrices alone."""
    light = (np.asarray(levels) / 255.0) ** gamma
    return encode_srgb(light @ np.array(colorants) @ np.linalg.inv(np.array(IN_SRGB)))


def off(made, expected):
    return np.abs(np.asarray(made).astype(float) - np.asarray(expected)).max()


@pytest.mark.parametrize(("colorants", "gamma"), WIDE.values(), ids=WIDE)
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_colours_of_a_profile_become_those_of_srgb(encoded, colors, colorants, gamma, format):
    data = encoded(colors, format, icc_profile=icc_profile(colorants, gamma))
    decoded = decode(data)
    assert off(decoded.frames[0], seen_in_srgb(colors, colorants, gamma)) <= 2
    assert off(decoded.frames[0], colors) > 30  # otherwise the test would prove nothing
    assert decoded.profile is None


@needs_magick
@pytest.mark.parametrize(("colorants", "gamma"), WIDE.values(), ids=WIDE)
def test_colours_of_a_profile_equal_those_of_imagemagick(
    encoded, colors, colorants, gamma, srgb_file
):
    data = encoded(colors, "PNG", icc_profile=icc_profile(colorants, gamma))
    expected = opened(magick(data, "-profile", srgb_file)).convert("RGB")
    assert off(decode(data).frames[0], expected) <= 2


@pytest.fixture(scope="module")
def srgb_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("profiles") / "srgb.icc"
    path.write_bytes(SRGB)
    return path


@pytest.mark.parametrize("color", ["keep", "drop"])
def test_keep_and_drop_change_no_pixel(encoded, colors, color):
    profile = icc_profile(ADOBE_RGB, 2.2)
    data = encoded(colors, "PNG", icc_profile=profile)
    decoded = decode(data, options=DecodeOptions(color=color))
    assert same(decoded.frames[0], colors)
    assert decoded.profile == (profile if color == "keep" else None)


@pytest.mark.parametrize("mode", ["RGBA", "P"])
@pytest.mark.parametrize("color", ["srgb", "keep"])
def test_a_profile_counts_with_alpha_and_palettes_too(encoded, mode, color):
    profile = icc_profile(ADOBE_RGB, 563 / 256)
    image = Image.new("RGB", (8, 8), (120, 200, 60))
    image = image.quantize(2) if mode == "P" else image.convert(mode)
    data = encoded(image, "PNG", icc_profile=profile)
    decoded = decode(data, options=DecodeOptions(color=color, alpha=True))
    expected = (120, 200, 60)
    if color == "srgb":
        expected = seen_in_srgb([[expected]], ADOBE_RGB, 563 / 256)[0, 0]
    assert off(decoded.frames[0].convert("RGB").getpixel((3, 3)), expected) <= 2
    assert decoded.profile == (profile if color == "keep" else None)


def test_alpha_is_not_converted(encoded):
    """Alpha is the same in every colour space."""
    alpha = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = Image.fromarray(np.dstack([np.full((16, 16, 3), 99, np.uint8), alpha]))
    data = encoded(image, "PNG", icc_profile=icc_profile(ADOBE_RGB, 1.0))
    made = decode(data, options=DecodeOptions(alpha=True)).frames[0]
    np.testing.assert_array_equal(np.asarray(made)[..., 3], alpha)


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.6])
@pytest.mark.parametrize("mode", ["L", "LA"])
def test_grey_with_a_profile_stays_grey_and_looks_the_same(encoded, gamma, mode):
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)).convert(mode)
    data = encoded(ramp, "PNG", icc_profile=icc_profile((), gamma))
    made = decode(data, options=DecodeOptions(alpha=True)).frames[0]
    assert made.mode == mode
    expected = encode_srgb((np.arange(256) / 255) ** (round(gamma * 256) / 256))
    assert off(made.getchannel(0), expected.reshape(16, 16)) <= 2


@pytest.mark.parametrize(("colorants", "mode"), [(ADOBE_RGB, "RGB"), ((), "L")])
def test_the_black_of_a_profile_becomes_black(encoded, colorants, mode):
    """Black point compensation: otherwise the black of a print or a screen would be grey."""
    image = Image.new(mode, (2, 1))
    image.putpixel((1, 0), 255 if mode == "L" else (255, 255, 255))
    data = encoded(image, "PNG", icc_profile=icc_profile(colorants, 2.2, black=0.05))
    made = decode(data).frames[0].convert("L")
    assert made.getpixel((0, 0)) <= 2
    assert made.getpixel((1, 0)) >= 253


def test_alpha_of_grey_is_not_converted(encoded):
    """Alpha is not converted to another colour space."""
    alpha = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = Image.fromarray(np.dstack([np.full((16, 16), 99, np.uint8), alpha]), "LA")
    made = decode(
        encoded(image, "PNG", icc_profile=icc_profile((), 1.0)), options=DecodeOptions(alpha=True)
    ).frames[0]
    assert made.mode == "LA"
    np.testing.assert_array_equal(np.asarray(made)[..., 1], alpha)


@pytest.mark.parametrize(("color", "kept"), [("keep", True), ("drop", False)])
def test_the_profile_of_16_bit_grey_describes_what_is_kept(encoded, color, kept):
    profile = icc_profile((), 1.0)
    levels = np.linspace(0, 65535, 12).astype(np.uint16).reshape(3, 4)
    data = encoded(Image.fromarray(levels), "PNG", icc_profile=profile)
    decoded = decode(data, options=DecodeOptions(color=color, depth="keep"))
    np.testing.assert_array_equal(np.asarray(decoded.frames[0]), levels)
    assert decoded.profile == (profile if kept else None)


@needs_magick
def test_grey_with_a_profile_equals_that_of_imagemagick(encoded, srgb_file):
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    data = encoded(ramp, "JPEG", quality=100, icc_profile=icc_profile((), 1.8))
    expected = opened(magick(data, "-profile", srgb_file)).convert("L")
    assert off(decode(data).frames[0], expected) <= 2


SAME_AS_SRGB = {
    "that-of-little-cms": SRGB,
    "by-other-words": SRGB.replace(b"s\0R\0G\0B", b"X\0Y\0Z\0!"),
}


@pytest.mark.parametrize("color", ["srgb", "keep", "drop"])
@pytest.mark.parametrize("profile", SAME_AS_SRGB.values(), ids=SAME_AS_SRGB)
def test_a_profile_that_describes_srgb_changes_no_pixel_and_is_dropped(
    encoded, colors, profile, color
):
    decoded = decode(
        encoded(colors, "PNG", icc_profile=profile), options=DecodeOptions(color=color)
    )
    assert same(decoded.frames[0], colors)
    assert decoded.profile is None


ADOBE = icc_profile(ADOBE_RGB, 2.2)

UNFIT = {
    "too-short": ("RGB", b"too short"),
    "a-head-and-nothing": ("RGB", bytes(16) + b"RGB " + bytes(108)),
    "cut-off": ("RGB", ADOBE[:300]),
    "no-curves": ("RGB", ADOBE.replace(b"TRC", b"xxx")),
    "of-grey-for-colours": ("RGB", icc_profile((), 1.8)),
    "of-colours-for-grey": ("L", ADOBE),
    "of-inks-for-colours": ("RGB", bytes(16) + b"CMYK" + bytes(108)),
    "cut-off-for-grey": ("L", icc_profile((), 1.8)[:200]),
}


@pytest.mark.parametrize("color", ["srgb", "keep", "drop"])
@pytest.mark.parametrize(("mode", "profile"), UNFIT.values(), ids=UNFIT)
def test_a_profile_that_is_broken_or_of_another_space_is_ignored(
    encoded, colors, mode, profile, color
):
    image = colors.convert(mode)
    decoded = decode(encoded(image, "PNG", icc_profile=profile), options=DecodeOptions(color=color))
    assert same(decoded.frames[0], image)
    assert decoded.profile is None


@pytest.mark.parametrize("color", ["srgb", "keep", "drop"])
def test_a_broken_cmyk_profile_is_ignored(encoded, color):
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    for profile in (bytes(16) + b"CMYK" + bytes(108), INKS[:600]):
        data = encoded(image, "TIFF", icc_profile=profile)
        assert decode(data, options=DecodeOptions(color=color)).frames[0].getpixel((0, 0)) == (
            255,
            0,
            0,
        )


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "tiff", "avif"])
def test_a_kept_profile_is_in_the_output_and_a_converted_one_is_not(tmp_path, colors, format):
    colors.save(tmp_path / "a.png", icc_profile=ADOBE)
    found = {}
    for color in ("keep", "srgb", "drop"):
        parsed = recipe_parser.parse({"color": color, "output": {"format": format}})
        renderer = Renderer(str(tmp_path), str(tmp_path), parsed)
        assert renderer.render(Job("a.png", ("out",))).status == "ok"
        found[color] = opened((tmp_path / "out").read_bytes()).info.get("icc_profile")
    assert found == {"keep": ADOBE, "srgb": None, "drop": None}


# CMYK


def corner_of(cyan, magenta, yellow, black):
    """Lab of a mixture of full inks on some paper: a guess, and not what formulas give."""
    lightness = 94 - 38 * cyan - 44 * magenta - 6 * yellow
    lightness = max(12, lightness) if not black else 9
    scale = 0.15 if black else 1
    return (
        lightness,
        scale * (-36 * cyan + 72 * magenta - 5 * yellow),
        scale * (-48 * cyan - 4 * magenta + 88 * yellow),
    )


INKS = ink_profile(
    [corner_of(c, m, y, k) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
)


@pytest.fixture(scope="module")
def inks():
    """Picture of many mixtures of inks, each in a square that JPEG keeps as it is."""
    levels = np.array([0, 85, 170, 255], np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels, levels, indexing="ij"), -1)
    squares = grid.reshape(16, 16, 4).repeat(8, 0).repeat(8, 1)
    return Image.fromarray(np.ascontiguousarray(squares), "CMYK")


def jpeg_of_inks(image, **options):
    """As Photoshop stores it: with Adobe's marker, and inverted. Pillow does the same."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=98, **options)
    return file.getvalue()


def without_adobe(image):
    """Without its marker; whoever reads takes it for inverted all the same."""
    data = jpeg_of_inks(image)
    place = data.index(b"\xff\xee")
    return data[:place] + data[place + 2 + int.from_bytes(data[place + 2 : place + 4], "big") :]


def in_ycck(image):
    """With the inks as luma and chroma (ITU-T T.872, 6.5.3), and the marker that says so."""
    red, green, blue, key = np.moveaxis(255.0 - np.asarray(image), -1, 0)
    red, green, blue = 255 - red, 255 - green, 255 - blue  # of what is stored, inverted
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    stored = [luma, (blue - luma) / 1.772 + 128, (red - luma) / 1.402 + 128, key]
    levels = np.clip(np.rint(np.dstack(stored)), 0, 255).astype(np.uint8)
    data = jpeg_of_inks(Image.fromarray(255 - levels, "CMYK"))
    place = data.index(b"Adobe") + 11
    assert data[place] == 0
    return data[:place] + b"\x02" + data[place + 1 :]


STORED = {"adobe-inverted": jpeg_of_inks, "without-a-marker": without_adobe, "ycck": in_ycck}


def expected_of(inks):
    """Without a profile: each ink takes its part of the light, black of all."""
    levels = np.asarray(inks).astype(float) / 255
    return 255 * (1 - levels[..., :3]) * (1 - levels[..., 3:])


@pytest.mark.parametrize("store", STORED.values(), ids=STORED)
def test_inks_without_a_profile_are_as_light_as_they_leave_the_paper(inks, store):
    made = decode(store(inks)).frames[0]
    assert made.mode == "RGB"
    assert off(made, expected_of(inks)) <= 12
    assert psnr(made, expected_of(inks)) >= 40


@needs_magick
@pytest.mark.parametrize("store", STORED.values(), ids=STORED)
def test_cmyk_without_a_profile_equals_that_of_imagemagick(inks, store):
    data = store(inks)
    expected = opened(magick(data, "-colorspace", "sRGB")).convert("RGB")
    assert psnr(decode(data).frames[0], expected) >= 40


@pytest.mark.parametrize("store", [jpeg_of_inks, in_ycck], ids=["adobe-inverted", "ycck"])
def test_cmyk_without_a_profile_equals_that_of_opencv(inks, store):
    data = store(inks)
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert psnr(decode(data).frames[0], expected) >= 40


@needs_magick
@pytest.mark.parametrize("color", ["srgb", "keep"])
@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_with_a_profile_equals_that_of_imagemagick(encoded, inks, srgb_file, format, color):
    """No step supports CMYK: it is converted to sRGB under every colour policy."""
    options = {"quality": 98} if format == "JPEG" else {}
    data = encoded(inks, format, icc_profile=INKS, **options)
    arguments = ("-intent", "Relative", "-black-point-compensation", "-profile", srgb_file)
    expected = opened(magick(data, *arguments)).convert("RGB")
    decoded = decode(data, options=DecodeOptions(color=color))
    assert psnr(decoded.frames[0], expected) >= 40
    assert psnr(decoded.frames[0], expected_of(inks)) < 20  # otherwise the test would prove nothing
    assert decoded.profile is None


def test_to_drop_a_profile_of_inks_is_to_have_none(encoded, inks):
    data = encoded(inks, "TIFF", icc_profile=INKS)
    made = decode(data, options=DecodeOptions(color="drop")).frames[0]
    assert off(made, expected_of(inks)) <= 1


@pytest.mark.parametrize(("red", "same"), [(0.640, True), (0.641, True), (0.642, False)])
def test_a_profile_is_srgb_if_it_moves_no_level_by_more_than_one(red, same):
    """Of red at 0.641 levels move by one, of 0.642 by two."""
    primaries = ((0.3127, 0.3290), (red, 0.330), (0.300, 0.600), (0.150, 0.060))
    assert is_srgb(icc.rgb_profile(primaries, icc.SRGB_CURVE)) is same
    assert is_srgb(icc_profile((), 1.0)) is False
