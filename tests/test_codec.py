"""Whatever decodes is upright RGB or grey; whatever does not has a reason."""

import io
import math
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from pixelmill import codec
from pixelmill.codec import Decoded, decode
from pixelmill.errors import REASONS, ImageError
from pixelmill.limits import Limits

ORIENTATIONS = range(1, 9)

# Pillow warns of much that it finds; what matters is the outcome.
pytestmark = pytest.mark.filterwarnings("ignore")


def psnr(a, b):
    error = np.mean((np.asarray(a).astype(float) - np.asarray(b).astype(float)) ** 2)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def same(a, b):
    return (a.mode, a.size, a.tobytes()) == (b.mode, b.size, b.tobytes())


def reason(data, **options):
    with pytest.raises(ImageError) as failure:
        decode(data, **options)
    assert failure.value.stage == "decode"
    assert failure.value.message
    return failure.value.reason


def png(width, height, depth, color, rows, extra=b""):
    """A PNG by hand, for what Pillow does not write. Rows are bytes without their filter."""

    def chunk(name, data):
        checked = name + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", data)
        + chunk(b"IEND", b"")
    )  # fmt: skip


def transparent(*levels):
    """The chunk that says which colour is transparent, in 16 bits a channel."""
    data = struct.pack(f">{len(levels)}H", *levels)
    return (
        struct.pack(">I", len(data))
        + b"tRNS"
        + data
        + struct.pack(">I", zlib.crc32(b"tRNS" + data))
    )


def words(*values):
    return struct.pack(f">{len(values)}H", *values)


# Orientation


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_a_lossless_image_is_turned_upright(photo, stored, encoded, format, orientation):
    upright = photo(7, 5)
    pixels, exif = stored(upright, orientation)
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    decoded = decode(encoded(pixels, format, exif=exif, **options))
    assert same(decoded.image, upright)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_an_avif_is_turned_upright(photo, stored, encoded, orientation):
    upright = photo(70, 50)
    pixels, exif = stored(upright, orientation)
    decoded = decode(encoded(pixels, "AVIF", quality=95, subsampling="4:4:4", exif=exif))
    assert decoded.image.size == upright.size
    assert psnr(decoded.image, upright) >= 35


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_jpeg_is_turned_upright(photo, stored, encoded, orientation):
    upright = photo(157, 83)
    pixels, exif = stored(upright, orientation)
    decoded = decode(encoded(pixels, "JPEG", quality=95, subsampling=0, exif=exif))
    assert decoded.image.size == upright.size
    assert decoded.pixels == 157 * 83
    assert psnr(decoded.image, upright) >= 35


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_a_value_that_is_no_orientation_leaves_the_image_alone(photo, encoded, value):
    exif = Image.Exif()
    exif[0x0112] = value
    upright = photo(7, 5)
    assert same(decode(encoded(upright, "PNG", exif=exif)).image, upright)


def test_broken_exif_does_not_cost_the_image(photo, encoded):
    upright = photo(7, 5)
    data = encoded(upright, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xffgarbage")
    assert same(decode(data).image, upright)


# Shrinking on load


MARGIN = 2.5


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize(("shrink", "width", "height"), [(2, 190, 133), (4, 95, 66), (8, 47, 33)])
def test_a_shrunken_decode_cannot_be_seen(
    photo, stored, encoded, orientation, shrink, width, height
):
    upright = photo(1003, 701)  # sides that 8 does not divide
    pixels, exif = stored(upright, orientation)
    data = encoded(pixels, "JPEG", quality=92, exif=exif)
    full, small = decode(data), decode(data, lambda size: (width, height), MARGIN)
    assert small.image.size == (math.ceil(1003 / shrink), math.ceil(701 / shrink))
    assert small.pixels == 1003 * 701
    lanczos = Image.Resampling.LANCZOS
    made = small.image.resize((width, height), lanczos, box=small.box)
    # Without its region, or with that at the wrong edges, it falls below 48 dB.
    assert psnr(made, full.image.resize((width, height), lanczos)) >= 50


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_target_is_asked_for_the_upright_size(photo, stored, encoded, orientation):
    pixels, exif = stored(photo(200, 120), orientation)
    asked = []

    def target(size):
        asked.append(size)
        return 10, 10

    decode(encoded(pixels, "JPEG", exif=exif), target, MARGIN)
    assert asked == [(200, 120)]


@pytest.mark.parametrize(
    ("target", "margin", "size"),
    [
        pytest.param((100, 80), 2.5, (400, 320), id="not-large-enough-to-shrink"),
        pytest.param((80, 64), 2.5, (200, 160), id="exactly-large-enough"),
        pytest.param((81, 64), 2.5, (400, 320), id="one-side-too-large"),
        pytest.param((80.1, 64), 2.5, (400, 320), id="too-large-by-part-of-a-pixel"),
        pytest.param((10, 8), 2.5, (50, 40), id="never-below-an-eighth"),
        pytest.param((80, 64), 0.0, (400, 320), id="margin-0-never-shrinks"),
        pytest.param((800, 640), 2.5, (400, 320), id="to-be-enlarged"),
    ],
)
def test_a_jpeg_shrinks_as_far_as_its_margin_allows(photo, encoded, target, margin, size):
    data = encoded(photo(400, 320), "JPEG")
    assert decode(data, lambda source: target, margin).image.size == size


def test_without_a_target_nothing_shrinks(photo, encoded):
    assert decode(encoded(photo(400, 320), "JPEG"), None, MARGIN).image.size == (400, 320)


def test_only_jpegs_shrink(photo, encoded):
    decoded = decode(encoded(photo(400, 320), "PNG"), lambda size: (10, 8), MARGIN)
    assert (decoded.image.size, decoded.box) == ((400, 320), None)


def test_a_size_that_divides_evenly_needs_no_region(photo, encoded):
    decoded = decode(encoded(photo(400, 320), "JPEG"), lambda size: (50, 40), MARGIN)
    assert (decoded.image.size, decoded.box) == ((200, 160), None)


@pytest.mark.parametrize("kind", ["cmyk", "grey", "progressive", "multi-picture"])
def test_jpegs_of_all_kinds_shrink(photo, encoded, kind):
    image = photo(400, 320).convert({"cmyk": "CMYK", "grey": "L"}.get(kind, "RGB"))
    format_ = "MPO" if kind == "multi-picture" else "JPEG"
    more = {"save_all": True, "append_images": [image.rotate(180)]} if format_ == "MPO" else {}
    data = encoded(image, format_, quality=92, progressive=kind == "progressive", **more)
    small = decode(data, lambda size: (50, 40), MARGIN).image
    assert small.size == (200, 160)
    assert psnr(small.resize((50, 40)), decode(data).image.resize((50, 40))) >= 45


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
    made = decode(encoded(image, format, **options)).image
    assert made.mode == "RGB"
    assert np.abs(np.asarray(made) - on_white(COLORS, ALPHA)).max() <= 1


def test_alpha_of_grey_shows_white_and_stays_grey(encoded):
    image = Image.fromarray(np.dstack([GRAY, ALPHA]), "LA")
    made = decode(encoded(image, "PNG")).image
    assert made.mode == "L"
    assert np.abs(np.asarray(made) - on_white(GRAY[..., None], ALPHA)[..., 0]).max() <= 1


def test_alpha_of_a_palette_shows_white(encoded):
    image = Image.fromarray(np.arange(7, dtype=np.uint8)[None], "P")
    image.putpalette(COLORS.tobytes())
    made = decode(encoded(image, "PNG", transparency=ALPHA.tobytes())).image
    assert made.mode == "RGB"
    assert np.abs(np.asarray(made) - on_white(COLORS, ALPHA)).max() <= 1


def test_the_transparent_colour_of_a_gif_shows_white(encoded):
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    made = decode(encoded(image, "GIF", transparency=1)).image
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
            png(3, 1, 16, 0, [words(1000, 32768, 65535)], transparent(1000)),
            [[255, 128, 255]], id="16-bit-grey",
        ),
        pytest.param(
            png(2, 1, 16, 2, [words(999, 999, 999, 65535, 0, 32896)], transparent(999, 999, 999)),
            [[[255, 255, 255], [255, 0, 128]]], id="16-bit-rgb",
        ),
    ],
)  # fmt: skip
def test_the_one_transparent_colour_of_a_png_shows_white(data, expected):
    made = np.asarray(decode(data).image.convert("L" if np.ndim(expected) == 2 else "RGB"))
    assert made.tolist() == expected


def test_alpha_stays_white_at_16_bits():
    row = words(65535, 0, 32896, 65535) + words(10, 20, 30, 0)
    made = np.asarray(decode(png(2, 1, 16, 6, [row])).image)
    assert made.tolist() == [[[255, 0, 128], [255, 255, 255]]]


def test_an_opaque_image_keeps_its_pixels(photo, encoded):
    image = photo(7, 5)
    assert same(decode(encoded(image.convert("RGBA"), "PNG")).image, image)


# Modes


DEEP = np.array([[0, 256, 257, 1000, 32768, 65278, 65535]])
SCALED = [[0, 1, 1, 4, 128, 254, 255]]


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_and_not_clipped(encoded, format):
    made = decode(encoded(Image.fromarray(DEEP.astype(np.uint16)), format)).image
    assert (made.mode, np.asarray(made).tolist()) == ("L", SCALED)


def test_16_bit_grey_in_big_endian_is_scaled_too():
    pixels = DEEP.astype(">u2").tobytes()
    # Width, height, 16 bits, no compression, black is zero, one strip that starts at byte 8.
    tags = [(256, 7), (257, 1), (258, 16), (259, 1), (262, 1), (273, 8), (278, 1), (279, 14)]
    entries = b"".join(struct.pack(">HHIHH", tag, 3, 1, value, 0) for tag, value in tags)
    head = struct.pack(">2sHI", b"MM", 42, 8 + len(pixels))
    made = decode(head + pixels + struct.pack(">H", len(tags)) + entries + bytes(4)).image
    assert np.asarray(made).tolist() == SCALED


def test_16_bit_colour_is_scaled_and_not_clipped():
    data = png(3, 1, 16, 2, [words(0, 65535, 32896, 257, 256, 65278, 1, 2, 3)])
    made = np.asarray(decode(data).image)
    assert made.tolist() == [[[0, 255, 128], [1, 1, 254], [0, 0, 0]]]


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        pytest.param(np.array([[0, 100, 255]], np.int32), [[0, 100, 255]], id="32-bit-as-8-bit"),
        pytest.param(DEEP.astype(np.int32), SCALED, id="32-bit-as-16-bit"),
        pytest.param(np.array([[-5, 70_000]], np.int32), [[0, 255]], id="32-bit-beyond"),
        pytest.param(np.array([[0, 0.5, 1]], np.float32), [[0, 128, 255]], id="float-to-1"),
        pytest.param(np.array([[0, 99.6, 300]], np.float32), [[0, 100, 255]], id="float-to-255"),
        pytest.param(np.array([[np.nan, 1, -1]], np.float32), [[0, 255, 0]], id="float-odd"),
    ],
)
def test_deeper_grey_becomes_8_bits(encoded, levels, expected):
    made = decode(encoded(Image.fromarray(levels), "TIFF")).image
    assert (made.mode, np.asarray(made).tolist()) == ("L", expected)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "PPM"])
def test_bilevel_becomes_grey(encoded, format):
    levels = np.tile(np.array([[0, 255, 255], [255, 0, 255]], np.uint8), (4, 4))
    made = decode(encoded(Image.fromarray(levels).convert("1"), format)).image
    assert (made.mode, np.asarray(made).tolist()) == ("L", levels.tolist())


def test_cmyk_becomes_rgb(encoded):
    inks = np.array([[[0, 0, 0, 0], [255, 0, 0, 0], [0, 255, 255, 0], [0, 0, 0, 255]]], np.uint8)
    made = decode(encoded(Image.fromarray(inks, "CMYK"), "TIFF")).image
    assert np.asarray(made).tolist() == [[[255] * 3, [0, 255, 255], [255, 0, 0], [0] * 3]]


def test_a_cmyk_jpeg_is_not_inverted(encoded):
    made = decode(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG")).image
    assert psnr(made, Image.new("RGB", (16, 16), "red")) >= 30


def test_lab_becomes_rgb(encoded, photo):
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = photo(40, 30)
    converted = ImageCms.profileToProfile(image, srgb, lab, outputMode="LAB")
    made = decode(encoded(converted, "TIFF")).image
    assert made.mode == "RGB"
    assert psnr(made, image) >= 35


def test_a_palette_becomes_rgb(encoded):
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    made = decode(encoded(image, "PNG")).image
    assert np.asarray(made).tolist() == [[[10, 20, 30], [40, 50, 60]]]


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_counts(encoded, format):
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:])
    assert psnr(decode(data).image.convert("RGB"), frames[0]) >= 30


# Reasons


@pytest.fixture
def noisy():
    return Image.fromarray(np.random.default_rng(7).integers(0, 256, (64, 80, 3), np.uint8))


@pytest.mark.parametrize("data", [b"", b"some text that was saved as photo.jpg", bytes(1000)])
def test_what_is_no_image_is_told_so(data):
    assert reason(data) == "not_an_image"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "TIFF"])
def test_a_file_that_was_cut_off_is_truncated(noisy, encoded, format):
    data = encoded(noisy, format)
    reasons = {reason(data[: len(data) * percent // 100]) for percent in range(20, 98)}
    assert reasons == {"truncated"}


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "ICO"])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_no_part_of_a_file_passes_for_the_whole(noisy, encoded, format, kept):
    data = encoded(noisy, format)
    assert reason(data[: int(len(data) * kept)]) in ("truncated", "corrupt")


# Some cameras append a film or notes to each photo.
@pytest.mark.parametrize(
    "appended", [b"", b"notes" * 50, b"film" * 5000], ids=["", "with-notes", "with-a-film"]
)
@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_a_whole_file_with_garbage_in_it_is_corrupt(noisy, encoded, format, appended):
    data = bytearray(encoded(noisy, format))
    seen, draw = set(), random.Random(2026)
    for place in range(len(data) // 4, len(data) * 3 // 4, len(data) // 40):
        damaged = data[:]
        damaged[place : place + 20] = draw.randbytes(20)
        try:
            decode(bytes(damaged) + appended)
        except ImageError as error:
            seen.add(error.reason)
    assert seen == {"corrupt"}


def test_a_later_frame_that_is_broken_does_not_cost_the_first(noisy, encoded):
    frames = [noisy.quantize(64), noisy.rotate(180).quantize(64)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    made = decode(data[: len(data) * 3 // 4]).image
    assert same(made, decode(data).image)


@pytest.mark.parametrize(
    ("width", "height"), [(60_000, 60_000), (1_000_000, 180), (13_378, 13_378)]
)
def test_too_many_pixels_are_refused_by_the_header_alone(width, height):
    assert width * height > Limits().max_pixels
    assert reason(png(width, height, 8, 0, [])) == "too_large"


def test_many_pixels_are_not_too_many():
    # Less than the limit by a hair: refused for its missing data, not for its size.
    assert reason(png(13_377, 13_377, 8, 0, [])) != "too_large"


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        (Limits(max_pixels=80 * 64 - 1), "too_large"),
        (Limits(max_bytes=1000), "too_large"),
        (Limits(max_aspect=1.2), "too_large"),
        (Limits(formats=("jpeg", "gif")), "unsupported"),
    ],
)
def test_what_the_limits_forbid_is_refused(noisy, encoded, limits, why):
    assert reason(encoded(noisy, "PNG"), limits=limits) == why


def test_what_the_limits_just_allow_decodes(noisy, encoded):
    data = encoded(noisy, "PNG")
    limits = Limits(max_pixels=80 * 64, max_bytes=len(data), max_aspect=1.25, formats=("png",))
    assert same(decode(data, limits=limits).image, noisy)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP"])
def test_too_many_frames_are_refused(encoded, format):
    frames = [Image.new("RGB", (8, 8), (number * 60, 0, 0)) for number in range(4)]
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:])
    assert reason(data, limits=Limits(max_frames=3)) == "too_large"
    assert decode(data, limits=Limits(max_frames=4)).image.size == (8, 8)


WRITABLE = {
    "jpeg": ("JPEG", {"quality": 90}),
    "jpeg-progressive": ("JPEG", {"progressive": True}),
    "png": ("PNG", {}),
    "gif": ("GIF", {}),
    "bmp": ("BMP", {}),
    "tiff": ("TIFF", {}),
    "tiff-lzw": ("TIFF", {"compression": "tiff_lzw"}),
    "webp": ("WEBP", {}),
    "webp-lossless": ("WEBP", {"lossless": True}),
    "ppm": ("PPM", {}),
    "ico": ("ICO", {}),
    "mpo": ("MPO", {"save_all": True}),
    "avif": ("AVIF", {}),
}


@pytest.mark.parametrize("kind", WRITABLE)
def test_a_damaged_file_decodes_or_has_a_reason_and_nothing_else(photo, encoded, kind):
    format_, options = WRITABLE[kind]
    if format_ == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    whole = encoded(photo(64, 48), format_, **options)
    draw = random.Random(kind)
    for number in range(300):
        data = bytearray(whole)
        for _ in range(draw.choice([0, 1, 3, 30])):
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        if number % 3 == 0:
            data = data[: draw.randrange(len(data))]
        try:
            decoded = decode(bytes(data), lambda size: (8, 6), MARGIN)
        except ImageError as error:
            assert error.reason in REASONS
            assert error.stage == "decode"
            assert "<_io." not in error.message  # an address, another one each time
        else:
            assert isinstance(decoded, Decoded)
            assert decoded.image.mode in ("RGB", "L")


# Profiles


def profile(space):
    """The head of an ICC profile; only its colour space matters here."""
    return b"\0" * 16 + space + b"\0" * 108


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize(
    ("mode", "embedded", "kept"),
    [
        ("RGB", SRGB, True),
        ("RGB", profile(b"RGB "), True),
        ("L", profile(b"GRAY"), True),
        ("RGB", profile(b"GRAY"), False),
        ("L", SRGB, False),
        ("CMYK", profile(b"CMYK"), False),
        ("RGB", b"too short", False),
    ],
)
def test_a_profile_is_kept_where_it_still_describes_the_image(encoded, mode, embedded, kept):
    data = encoded(Image.new(mode, (8, 8)), "JPEG", icc_profile=embedded)
    assert decode(data).profile == (embedded if kept else None)


def test_a_profile_survives_alpha_and_palettes(encoded):
    for mode in ("RGBA", "P"):
        data = encoded(Image.new(mode, (8, 8)), "PNG", icc_profile=SRGB)
        assert decode(data).profile == SRGB


def encode(image, format, quality=85, profile=None):
    file = io.BytesIO()
    codec.encode(image, file, format, quality, profile)
    return file.getvalue()


@pytest.mark.parametrize("format", ["jpeg", "png", "webp"])
def test_a_profile_is_embedded(photo, format):
    with Image.open(io.BytesIO(encode(photo(8, 8), format, profile=SRGB))) as made:
        assert made.info["icc_profile"] == SRGB


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "bmp"])
def test_a_profile_that_does_not_fit_is_left_out(photo, format):
    with Image.open(io.BytesIO(encode(photo(8, 8).convert("L"), format, profile=SRGB))) as made:
        assert "icc_profile" not in made.info


@pytest.mark.parametrize("format", ["png", "bmp"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_lossless_format_keeps_every_pixel(photo, format, mode):
    image = photo(13, 7).convert(mode)
    with Image.open(io.BytesIO(encode(image, format))) as made:
        assert made.format == format.upper()
        assert made.mode == mode
        np.testing.assert_array_equal(np.asarray(made), np.asarray(image))


@pytest.mark.parametrize("format", ["jpeg", "webp"])
def test_quality_trades_size_for_likeness(photo, format):
    image = photo(120, 80)
    poor, good = encode(image, format, 30), encode(image, format, 95)
    assert len(poor) < len(good)
    with Image.open(io.BytesIO(poor)) as low, Image.open(io.BytesIO(good)) as high:
        assert psnr(low.convert("RGB"), image) < psnr(high.convert("RGB"), image)


def test_what_the_source_said_about_itself_is_not_passed_on(photo, encoded):
    # It would describe another image: an orientation, a thumbnail, a place.
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    data = encoded(photo(16, 8), "JPEG", exif=exif, comment=b"at home", dpi=(300, 300))
    for format in ("jpeg", "png", "webp"):
        with Image.open(io.BytesIO(encode(decode(data).image, format))) as made:
            assert dict(made.getexif()) == {}
            assert {"comment", "dpi", "exif"}.isdisjoint(made.info)
