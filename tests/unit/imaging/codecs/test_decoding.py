"""Decoded images are upright, and images that cannot be decoded have a reason."""

import io
import math
import random
import sys

import numpy as np
import pytest
from PIL import Image, features

from pixelmill.core.errors import ImageError
from pixelmill.core.reasons import REASONS
from pixelmill.imaging.codecs.decoded import Decoded, DecodeOptions
from pixelmill.imaging.codecs.decoding import decode
from pixelmill.imaging.codecs.limits import Limits
from tests.helpers.imaging import png, psnr, same

ORIENTATIONS = range(1, 9)

# Pillow warns about many findings; only the outcome matters.
pytestmark = pytest.mark.filterwarnings("ignore")


def reason(data, **options):
    with pytest.raises(ImageError) as failure:
        decode(data, **options)
    assert failure.value.stage == "decode"
    assert failure.value.message
    return failure.value.reason


# Orientation


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_a_lossless_image_is_rotated_upright(photo, stored, encoded, format, orientation):
    upright = photo(7, 5)
    pixels, exif = stored(upright, orientation)
    options = {"lossless": True, "exact": True} if format == "WEBP" else {}
    decoded = decode(encoded(pixels, format, exif=exif, **options))
    assert same(decoded.frames[0], upright)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_an_avif_is_rotated_upright(photo, stored, encoded, orientation):
    upright = photo(70, 50)
    pixels, exif = stored(upright, orientation)
    decoded = decode(encoded(pixels, "AVIF", quality=95, subsampling="4:4:4", exif=exif))
    assert decoded.frames[0].size == upright.size
    assert psnr(decoded.frames[0], upright) >= 35


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_jpeg_is_rotated_upright(photo, stored, encoded, orientation):
    upright = photo(157, 83)
    pixels, exif = stored(upright, orientation)
    decoded = decode(encoded(pixels, "JPEG", quality=95, subsampling=0, exif=exif))
    assert decoded.frames[0].size == upright.size
    assert decoded.pixels == 157 * 83
    assert psnr(decoded.frames[0], upright) >= 35


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_invalid_orientation_is_ignored(photo, encoded, value):
    exif = Image.Exif()
    exif[0x0112] = value
    upright = photo(7, 5)
    assert same(decode(encoded(upright, "PNG", exif=exif)).frames[0], upright)


def test_broken_exif_does_not_cost_the_image(photo, encoded):
    upright = photo(7, 5)
    data = encoded(upright, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xffgarbage")
    assert same(decode(data).frames[0], upright)


# Shrinking on load


SHRINKING = DecodeOptions(shrink_margin=2.5)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize(("shrink", "width", "height"), [(2, 190, 133), (4, 95, 66), (8, 47, 33)])
def test_a_reduced_decode_makes_no_visible_difference(
    photo, stored, encoded, orientation, shrink, width, height
):
    upright = photo(1003, 701)  # sides that 8 does not divide
    pixels, exif = stored(upright, orientation)
    data = encoded(pixels, "JPEG", quality=92, exif=exif)
    full, small = decode(data), decode(data, lambda size: (width, height), SHRINKING)
    assert small.frames[0].size == (math.ceil(1003 / shrink), math.ceil(701 / shrink))
    assert small.pixels == 1003 * 701
    lanczos = Image.Resampling.LANCZOS
    made = small.frames[0].resize((width, height), lanczos, box=small.box)
    # Without its region, or with that at the wrong edges, it falls below 48 dB.
    assert psnr(made, full.frames[0].resize((width, height), lanczos)) >= 50


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_size_hint_receives_the_upright_size(photo, stored, encoded, orientation):
    pixels, exif = stored(photo(200, 120), orientation)
    asked = []

    def target(size):
        asked.append(size)
        return 10, 10

    data = encoded(pixels, "JPEG", exif=exif)
    decode(data, target, SHRINKING)
    assert asked == [(200, 120)]
    decode(data, target, DecodeOptions(shrink_margin=2.5, orientation="keep"))
    assert asked[1:] == [pixels.size]  # it stays as it is stored


@pytest.mark.parametrize(
    ("target", "margin", "size"),
    [
        pytest.param((100, 80), 2.5, (400, 320), id="not-large-enough-to-shrink"),
        pytest.param((80, 64), 2.5, (200, 160), id="exactly-large-enough"),
        pytest.param((81, 64), 2.5, (400, 320), id="one-side-too-large"),
        pytest.param((80.1, 64), 2.5, (400, 320), id="too-large-by-part-of-a-pixel"),
        pytest.param((40.04, 32), 2.5, (200, 160), id="not-to-a-quarter-by-part-of-a-pixel"),
        pytest.param((10, 8), 2.5, (50, 40), id="never-below-an-eighth"),
        pytest.param((80, 64), 0.0, (400, 320), id="margin-0-never-shrinks"),
        pytest.param((800, 640), 2.5, (400, 320), id="to-be-enlarged"),
    ],
)
def test_a_jpeg_shrinks_as_far_as_its_margin_allows(photo, encoded, target, margin, size):
    data = encoded(photo(400, 320), "JPEG")
    assert (
        decode(data, lambda source: target, DecodeOptions(shrink_margin=margin)).frames[0].size
        == size
    )


def test_without_a_target_nothing_shrinks(photo, encoded):
    assert decode(encoded(photo(400, 320), "JPEG"), None, SHRINKING).frames[0].size == (400, 320)


def test_only_jpegs_shrink(photo, encoded):
    decoded = decode(encoded(photo(400, 320), "PNG"), lambda size: (10, 8), SHRINKING)
    assert (decoded.frames[0].size, decoded.box) == ((400, 320), None)


def test_a_size_that_divides_evenly_needs_no_region(photo, encoded):
    decoded = decode(encoded(photo(400, 320), "JPEG"), lambda size: (50, 40), SHRINKING)
    assert (decoded.frames[0].size, decoded.box) == ((200, 160), None)


@pytest.mark.parametrize("kind", ["cmyk", "grey", "progressive", "multi-picture"])
def test_jpegs_of_all_kinds_shrink(photo, encoded, kind):
    image = photo(400, 320).convert({"cmyk": "CMYK", "grey": "L"}.get(kind, "RGB"))
    format_ = "MPO" if kind == "multi-picture" else "JPEG"
    more = {"save_all": True, "append_images": [image.rotate(180)]} if format_ == "MPO" else {}
    data = encoded(image, format_, quality=92, progressive=kind == "progressive", **more)
    small = decode(data, lambda size: (50, 40), SHRINKING).frames[0]
    assert small.size == (200, 160)
    assert psnr(small.resize((50, 40)), decode(data).frames[0].resize((50, 40))) >= 45


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_counts(encoded, format):
    frames = [Image.new("RGB", (16, 16), color) for color in ("red", "blue")]
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:])
    assert psnr(decode(data).frames[0].convert("RGB"), frames[0]) >= 30


# Reasons


@pytest.fixture
def noisy():
    return Image.fromarray(np.random.default_rng(7).integers(0, 256, (64, 80, 3), np.uint8))


@pytest.mark.parametrize("data", [b"", b"some text that was saved as photo.jpg", bytes(1000)])
def test_a_file_that_is_not_an_image_fails_as_such(data):
    assert reason(data) == "not_an_image"


def test_an_empty_file_is_told_from_one_of_another_kind():
    for data, message in ((b"", "the file is empty"), (b"\0", "the content is of no known")):
        with pytest.raises(ImageError, match=f"^{message}"):
            decode(data)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "TIFF"])
def test_a_file_that_was_cut_off_fails_as_truncated(noisy, encoded, format):
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


def test_a_broken_later_frame_does_not_affect_the_first(noisy, encoded):
    frames = [noisy.quantize(64), noisy.rotate(180).quantize(64)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    made = decode(data[: len(data) * 3 // 4]).frames[0]
    assert same(made, decode(data).frames[0])


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "AVIF"])
def test_a_broken_later_frame_fails_if_all_are_wanted(noisy, encoded, format):
    """Otherwise, a still picture would be made of an animation."""
    frames = [noisy, noisy.rotate(180), noisy.rotate(90)]
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:])
    wanted = DecodeOptions(animation="all")
    assert len(decode(data, options=wanted).frames) == 3
    assert reason(data[: len(data) * 3 // 4], options=wanted) in ("truncated", "corrupt")


@pytest.mark.parametrize(
    ("width", "height"), [(60_000, 60_000), (1_000_000, 180), (13_378, 13_378)]
)
def test_too_many_pixels_are_refused_from_the_header(width, height):
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
def test_images_beyond_the_limits_are_refused(noisy, encoded, limits, why):
    assert reason(encoded(noisy, "PNG"), limits=limits) == why


def test_images_just_within_the_limits_are_decoded(noisy, encoded):
    data = encoded(noisy, "PNG")
    limits = Limits(max_pixels=80 * 64, max_bytes=len(data), max_aspect=1.25, formats=("png",))
    assert same(decode(data, limits=limits).frames[0], noisy)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP"])
def test_too_many_frames_are_refused(encoded, format):
    frames = [Image.new("RGB", (8, 8), (number * 60, 0, 0)) for number in range(4)]
    data = encoded(frames[0], format, save_all=True, append_images=frames[1:])
    assert reason(data, limits=Limits(max_frames=3)) == "too_large"
    assert decode(data, limits=Limits(max_frames=4)).frames[0].size == (8, 8)


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
            decoded = decode(bytes(data), lambda size: (8, 6), SHRINKING)
        except ImageError as error:
            assert error.reason in REASONS
            assert error.stage == "decode"
            assert "<_io." not in error.message  # an address, another one each time
        else:
            assert isinstance(decoded, Decoded)
            assert decoded.frames[0].mode in ("RGB", "L")


# HEIC


@pytest.fixture
def heic(photo):
    """Bytes of a photo that is stored rotated, as on phones."""
    heif = pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    turned = photo(120, 80).transpose(Image.Transpose.ROTATE_90)
    heif.from_pillow(turned).save(file, quality=95, exif=exif.tobytes())
    return file.getvalue()


def test_heic_is_read_if_pillow_heif_is_installed(photo, heic):
    made = decode(heic).frames[0]
    assert made.size == (120, 80)
    assert psnr(made, photo(120, 80)) >= 30


def test_without_pillow_heif_the_message_names_the_package(heic, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImageError, match="pip install pillow-heif") as failure:
        decode(heic)
    assert failure.value.reason == "unsupported"
