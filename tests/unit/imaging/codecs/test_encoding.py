"""Encoders write what they are given, and their options have the documented effects."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from pixelmill.imaging.codecs import encoding
from pixelmill.imaging.codecs.formats import OUTPUT_FORMATS, output_format, output_suffix
from tests.helpers.imaging import opened, psnr, same

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

#: Formats that keep every pixel, that hold a profile, and that move.
LOSSLESS = ("png", "tiff", "bmp")
PROFILED = ("jpeg", "png", "webp", "avif", "tiff")
MOVING = ("png", "webp", "avif", "gif")


def encode(image, name, profile=None, **options):
    """Bytes of one picture in a format."""
    frames = image if isinstance(image, list) else [image]
    file = io.BytesIO()
    encoding.encode(frames, file, name, options, profile=profile)
    return file.getvalue()


@pytest.mark.parametrize("name", PROFILED)
def test_a_profile_is_embedded(photo, name):
    assert opened(encode(photo(8, 8), name, SRGB)).info["icc_profile"] == SRGB


@pytest.mark.parametrize("name", ["png", "webp", "avif"])
@pytest.mark.parametrize("modes", [("L", "RGB"), ("RGB", "L")])
def test_an_animation_some_of_whose_frames_are_grey_has_a_profile_in_colour(photo, name, modes):
    frames = [photo(8, 8).convert(mode) for mode in modes]
    file = io.BytesIO()
    data = encoding.encode(frames, file, name, {}, profile=SRGB, durations=[90, 90], loop=0)
    assert opened(data).info["icc_profile"] == SRGB


@pytest.mark.parametrize("name", OUTPUT_FORMATS)
def test_a_profile_that_does_not_fit_is_left_out(photo, name):
    of_inks = SRGB[:16] + b"CMYK" + SRGB[20:]
    for mode in ("L", "RGB"):
        assert "icc_profile" not in opened(encode(photo(8, 8).convert(mode), name, of_inks)).info


@pytest.mark.parametrize("name", LOSSLESS)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_lossless_format_keeps_every_pixel(photo, name, mode):
    image = photo(13, 7).convert(mode)
    made = opened(encode(image, name))
    assert (made.format, made.mode) == (name.upper(), mode)
    np.testing.assert_array_equal(np.asarray(made), np.asarray(image))


@pytest.mark.parametrize("name", ["jpeg", "webp", "avif"])
def test_quality_trades_size_for_likeness(photo, name):
    image = photo(120, 80)
    poor, good = encode(image, name, quality=30), encode(image, name, quality=95)
    assert len(poor) < len(good)
    assert psnr(opened(poor).convert("RGB"), image) < psnr(opened(good).convert("RGB"), image)


# Options of a format change what they say


def segments(data):
    """Marker codes and contents of a JPEG's segments before its scan (ITU-T T.81, B.1.1)."""
    place, found = 2, {}
    while data[place + 1] != 0xDA:
        length = int.from_bytes(data[place + 2 : place + 4], "big")
        found.setdefault(data[place + 1], data[place + 4 : place + 2 + length])
        place += 2 + length
    return found


#: Start-of-frame markers, and sampling factors of luma (T.81, B.2.2): 1x1 in both means 4:4:4.
BASELINE, PROGRESSIVE = 0xC0, 0xC2
SAMPLING = {"4:4:4": 0x11, "4:2:2": 0x21, "4:2:0": 0x22}


@pytest.mark.parametrize("subsampling", SAMPLING)
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_has_the_subsampling_and_the_scans_that_were_asked_for(
    photo, subsampling, progressive
):
    data = encode(photo(64, 48), "jpeg", subsampling=subsampling, progressive=progressive)
    found = segments(data)
    assert (PROGRESSIVE in found, BASELINE in found) == (progressive, not progressive)
    frame = found[PROGRESSIVE if progressive else BASELINE]
    assert frame[7] == SAMPLING[subsampling]  # of the first component
    assert (frame[10], frame[13]) == (0x11, 0x11)  # of the others


def test_a_jpeg_is_4_2_0_and_baseline_by_default(photo):
    frame = segments(encode(photo(64, 48), "jpeg"))[BASELINE]
    assert frame[7] == SAMPLING["4:2:0"]


def test_an_optimized_jpeg_has_the_same_pixels_in_fewer_bytes(photo):
    plain, small = (encode(photo(200, 150), "jpeg", optimize=value) for value in (False, True))
    assert len(small) < len(plain)
    assert same(opened(small), opened(plain))


def test_the_level_of_a_png_changes_its_size_and_no_pixel(photo):
    made = [encode(photo(120, 80), "png", level=level) for level in (0, 1, 6, 9)]
    sizes = [len(data) for data in made]
    assert sizes[0] > 120 * 80 * 3
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < sizes[0]
    assert all(same(opened(data), photo(120, 80)) for data in made)


def test_a_lossless_webp_keeps_every_pixel_and_another_does_not(photo):
    image = photo(61, 47)
    assert same(opened(encode(image, "webp", lossless=True)).convert("RGB"), image)
    assert not same(opened(encode(image, "webp", quality=100)).convert("RGB"), image)


#: Values of a TIFF's tag 259 (TIFF 6.0, page 30; Adobe's supplement for 8).
COMPRESSIONS = {"none": 1, "lzw": 5, "deflate": 8}


@pytest.mark.parametrize(("name", "code"), COMPRESSIONS.items())
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA", "I;16"])
def test_a_tiff_is_compressed_as_was_asked_for_and_keeps_every_pixel(photo, name, code, mode):
    image = photo(31, 17).convert(mode if mode != "I;16" else "L")
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
    made = opened(encode(image, "tiff", compression=name))
    assert made.tag_v2[259] == code
    assert same(made, image)


@pytest.mark.parametrize("name", ["png", "webp", "avif", "tiff", "gif"])
def test_alpha_comes_back(name):
    levels = np.zeros((16, 32, 4), np.uint8)
    levels[:, 16:] = (200, 40, 40, 255)
    made = opened(encode(Image.fromarray(levels), name, quality=95)).convert("RGBA")
    assert made.getpixel((4, 8))[3] == 0
    assert made.getpixel((28, 8))[3] == 255
    assert np.abs(np.subtract(made.getpixel((28, 8))[:3], (200, 40, 40))).max() <= 8


@pytest.mark.parametrize("name", ["jpeg", "bmp"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_flattened_if_the_format_has_none(name, mode):
    clear = Image.new("RGBA", (16, 16), (0, 0, 0, 0)).convert(mode)
    file = io.BytesIO()
    encoding.encode([clear], file, name, {}, background="#ff8000")
    made = opened(file.getvalue()).convert("RGB").getpixel((8, 8))
    assert np.abs(np.subtract(made, (255, 128, 0))).max() <= 3


@pytest.mark.parametrize(
    ("kind", "source", "suffix", "name"),
    [
        ("jpeg", "a.JPEG", ".JPEG", "jpeg"),
        ("jpeg", "a.jfif", ".jfif", "jpeg"),
        ("png", "a.jpg", ".png", "png"),
        ("tiff", "scan.tiff", ".tiff", "tiff"),
        ("gif", "a.gif", ".gif", "gif"),
        ("webp", "no-suffix", ".webp", "webp"),
        ("avif", "a.avif", ".avif", "avif"),
        ("heif", "IMG_1.HEIC", ".jpg", "jpeg"),
        ("ppm", "a.pgm", ".png", "png"),
        ("ico", "a.ico", ".png", "png"),
        ("bmp", "a.dib", ".dib", "bmp"),
    ],
)
def test_same_keeps_format_and_suffix_if_they_match_and_can_be_written(kind, source, suffix, name):
    assert output_suffix("same", kind, source) == suffix
    assert output_format("same", kind) == name


# Whole files


@pytest.mark.parametrize("name", OUTPUT_FORMATS)
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_what_an_encoder_wrote_is_whole(photo, name, mode):
    assert OUTPUT_FORMATS[name].is_whole(encode(photo(40, 30).convert(mode), name))


@pytest.mark.parametrize("name", MOVING)
def test_an_animation_is_whole_too(picture, name):
    file = io.BytesIO()
    frames = [picture(number) for number in range(3)]
    encoding.encode(frames, file, name, {}, durations=[50] * 3, loop=0)
    assert OUTPUT_FORMATS[name].is_whole(file.getvalue())
    assert not OUTPUT_FORMATS[name].is_whole(file.getvalue()[:-1])


@pytest.mark.parametrize("name", sorted(OUTPUT_FORMATS.keys() - {"tiff"}))
def test_a_truncated_file_is_not_whole(photo, name):
    """As on a full disk. TIFF is excluded, because its library detects this."""
    data = encode(photo(40, 30), name)
    passed = [kept for kept in range(len(data)) if OUTPUT_FORMATS[name].is_whole(data[:kept])]
    assert passed == []


def test_an_empty_tiff_is_not_whole():
    assert not OUTPUT_FORMATS["tiff"].is_whole(b"")
