"""Perceptual hashes are those of imagehash, and pixel digests depend on nothing but pixels."""

import io

import numpy as np
import pytest
import xxhash
from PIL import Image

from pixelmill.imaging.arrays import array_of, as_bgra
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.decoding import decode
from pixelmill.inspection.measuring.hashes import (
    copies,
    dhash,
    perceptual,
    phash,
    pixel_digest,
)


def drawn(width, height, seed, step=1):
    """A picture of waves in several directions, in squares of `step` pixels, of integers alone."""
    y, x = np.indices((height, width), np.int64) // step
    waves = sum(
        np.abs((x * (3 + seed * k) + y * (7 * k - seed) * 2) % 1024 - 512) // (k + 1)
        for k in range(1, 6)
    )
    return (waves * 255 // waves.max()).astype(np.uint8)


#: Hashes of `drawn` by size and seed, as imagehash 4.3.2 with Pillow 13.0 and SciPy 1.17 prints
#: them: `imagehash.dhash(Image.fromarray(drawn(...)))`, and `imagehash.phash`.
RECORDED = {
    (160, 120, 1): ("0f3f7ffce0030f1f", "ba353e68943f6ac0"),
    (191, 191, 2): ("3f3cf0830f3cf0c0", "943e173f6ac81e4a"),
    (64, 64, 3): ("06000001070e310f", "fad53af4a8d8a04c"),
    (33, 150, 4): ("00000007ffe07ffe", "aa7fd02ab07ad4a8"),
    (500, 101, 5): ("d4d5d595b5a5a5ad", "80555500afab55ff"),
    (120, 90, 6): ("1f0f070e9c3e7ebe", "bde30e5a5207bc0b"),
}


@pytest.mark.parametrize(("size", "hashes"), RECORDED.items())
def test_hashes_of_small_pictures_are_exactly_those_of_imagehash(size, hashes):
    assert perceptual(drawn(*size)) == hashes


#: The same of pictures that are halved first.
LARGE = {
    (512, 384, 1, 7): ("000700030f3fffff", "fefcf0f8e0c0d0c0"),
    (384, 512, 2, 9): ("0000000000031ffb", "fef0f8f8c0f0c0d0"),
    (511, 383, 3, 8): ("070000208103070f", "f8fcf0e8f0e0f0c0"),
    (300, 260, 4, 6): ("0610801860801861", "fcf4e8f0e8f0e0c0"),
}


@pytest.mark.parametrize(("size", "hashes"), LARGE.items())
def test_hashes_of_large_pictures_differ_by_few_bits_from_those_of_imagehash(size, hashes):
    found = perceptual(drawn(*size))
    assert distance(found[0], hashes[0]) <= 2
    assert distance(found[1], hashes[1]) <= 4


def distance(one, other):
    return (int(one, 16) ^ int(other, 16)).bit_count()


@pytest.mark.parametrize("size", [(1, 1), (5, 200), (150, 4), (31, 33), (191, 400), (100, 999)])
def test_small_pictures_are_resampled_to_the_levels_of_pillow(size):
    levels = np.random.default_rng(0).integers(0, 256, size[::-1], dtype=np.uint8)
    for found, result in zip(copies(levels), [(9, 8), (32, 32)], strict=True):
        wanted = Image.fromarray(levels).resize(result, Image.Resampling.LANCZOS)
        assert np.array_equal(found, np.asarray(wanted))


@pytest.mark.parametrize("size", [(192, 192), (512, 383), (511, 512), (385, 769)])
def test_large_pictures_are_resampled_to_about_the_levels_of_pillow(photo, size):
    levels = np.asarray(photo(*size).convert("L"))
    wanted = Image.fromarray(levels).resize((32, 32), Image.Resampling.LANCZOS)
    difference = copies(levels)[1] - np.asarray(wanted, float)
    assert np.abs(difference).max() <= 2  # as with Pillow's own `reducing_gap=3`


def test_the_bits_of_a_dhash_are_rows_of_rises():
    steps = np.full((8, 9), 100, np.uint8)
    steps[0, 1] = 200  # rises once, and falls once
    steps[7, 8] = 101
    assert dhash(steps) == "80000000" + "00000001"


def test_equal_columns_are_no_rise():
    assert dhash(np.full((8, 9), 99)) == "0" * 16


def test_a_flat_picture_has_only_its_mean():
    assert phash(np.full((32, 32), 99)) == "8000000000000000"


@pytest.mark.parametrize("number", [0, 1], ids=["dhash", "phash"])
def test_a_copy_has_a_near_hash_and_another_picture_a_far_one(photo, encoded, number):
    def hashed(image):
        return perceptual(np.asarray(image.convert("L")))[number]

    image = photo(480, 360, seed=1)
    wanted = hashed(image)
    recompressed = Image.open(io.BytesIO(encoded(image, "JPEG", quality=40)))
    assert distance(hashed(recompressed), wanted) <= 4
    assert distance(hashed(image.resize((200, 150), Image.Resampling.BICUBIC)), wanted) <= 4
    assert distance(hashed(photo(480, 360, seed=2)), wanted) > 12


def decoded(data):
    """The pixels that pixelmill decodes a file to, with alpha if it has any."""
    return array_of(decode(data, options=DecodeOptions(alpha=True)).frames[0])


@pytest.fixture
def colors(photo):
    return photo(61, 300, seed=4)


@pytest.fixture
def translucent(colors):
    shown = colors.copy()
    shown.putalpha(Image.linear_gradient("L").resize(shown.size))
    return shown


#: Formats that lose nothing, with Pillow's options.
LOSSLESS = [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("WEBP", {"lossless": True}), ("PPM", {})]


@pytest.mark.parametrize(("format", "options"), LOSSLESS)
def test_the_same_picture_has_the_same_digest_in_every_format(colors, encoded, format, options):
    wanted = pixel_digest(array_of(colors))
    assert pixel_digest(decoded(encoded(colors, format, **options))) == wanted


@pytest.mark.parametrize(("format", "options"), [LOSSLESS[0], *LOSSLESS[2:4]])
def test_the_same_picture_with_alpha_has_the_same_digest(translucent, encoded, format, options):
    """WebP does not keep the colour of fully transparent pixels."""
    wanted = pixel_digest(array_of(translucent))
    assert pixel_digest(decoded(encoded(translucent, format, **options))) == wanted
    assert wanted != pixel_digest(array_of(translucent.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_the_same_gray_in_another_mode_has_the_same_digest(colors, mode):
    gray = colors.convert("L")
    assert pixel_digest(array_of(gray.convert(mode))) == pixel_digest(array_of(gray))


def test_gray_with_alpha_has_the_same_digest_in_colors(translucent):
    gray = translucent.convert("LA")
    assert pixel_digest(array_of(gray)) == pixel_digest(array_of(gray.convert("RGBA")))


def test_a_palette_does_not_matter(colors, encoded):
    indexed = colors.quantize(16)
    wanted = pixel_digest(array_of(indexed.convert("RGB")))
    assert pixel_digest(decoded(encoded(indexed, "PNG"))) == wanted
    assert pixel_digest(decoded(encoded(indexed, "GIF"))) == wanted


def test_the_digest_is_that_of_size_and_rows(colors):
    array = array_of(colors)
    content = f"{colors.width} {colors.height} 3".encode() + array.tobytes()
    assert pixel_digest(array) == xxhash.xxh3_128_hexdigest(content)
    assert pixel_digest(as_bgra(array)[..., :3]) == pixel_digest(array)


def test_one_level_of_one_pixel_changes_the_digest(colors):
    array = array_of(colors).copy()
    wanted = pixel_digest(array)
    array[-1, -1, 2] ^= 1
    assert pixel_digest(array) != wanted


def test_the_same_bytes_in_another_shape_have_another_digest():
    levels = np.arange(16, dtype=np.uint8)
    assert pixel_digest(levels.reshape(2, 8)) != pixel_digest(levels.reshape(4, 4))


def test_pixels_that_are_hidden_do_not_count_and_others_do():
    pixels = np.zeros((2, 2, 4), np.uint8)
    wanted = pixel_digest(pixels)
    pixels[0, 0, :3] = 77
    assert pixel_digest(pixels) == wanted
    pixels[0, 0, 3] = 1
    assert pixel_digest(pixels) != wanted
