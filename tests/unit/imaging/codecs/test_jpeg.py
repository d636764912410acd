"""The direct JPEG codec gives the same pixels and the same files as Pillow."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from pixelmill.imaging.arrays import array_of
from pixelmill.imaging.codecs import jpeg
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.decoding import decode, decode_to_array
from tests.helpers.imaging import ADOBE_RGB, arrays_of, icc_profile

needs_turbo = pytest.mark.skipif(jpeg.turbo() is None, reason="simplejpeg has no wheel here")

SUBSAMPLINGS = ["4:4:4", "4:2:2", "4:2:0"]


@pytest.fixture
def loaded_by_pillow(monkeypatch):
    """The number of pictures that Pillow had to load."""
    loaded = []
    load = JpegImagePlugin.JpegImageFile.load

    def counted(image):
        loaded.append(1)
        return load(image)

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load", counted)
    return loaded


@needs_turbo
@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("size", [(64, 48), (131, 67), (1, 1), (3, 200)])
def test_pixels_are_pillows(photo, encoded, size, mode, progressive, subsampling):
    data = encoded(
        photo(*size).convert(mode), "JPEG", quality=90, progressive=progressive,
        subsampling=subsampling,
    )  # fmt: skip
    expected = array_of(Image.open(io.BytesIO(data)))
    made = jpeg.decode(data, mode, size, 1)
    np.testing.assert_array_equal(made, expected)
    made[...] = 0  # no other file has it


@needs_turbo
@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("size", [(640, 480), (331, 267), (17, 500)])
def test_shrunken_pixels_are_pillows_too(photo, encoded, loaded_by_pillow, size, scale):
    data = encoded(photo(*size), "JPEG", quality=90)
    reading = DecodeOptions(shrink_margin=1.0)

    def target(full):
        return tuple(max(1, side // scale) for side in full)

    straight = decode_to_array(data, target, reading)
    assert not loaded_by_pillow
    through_pillow = decode(data, target, reading)
    assert straight.box == through_pillow.box
    np.testing.assert_array_equal(straight.frames[0], array_of(through_pillow.frames[0]))


@needs_turbo
@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(64, 48), (331, 267)])
def test_levels_are_as_upright_as_images(photo, encoded, loaded_by_pillow, size, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(photo(*size), "JPEG", quality=90, exif=exif)

    def target(full):
        return full[0] / 2, full[1] / 2

    for asked in (None, target):
        straight = decode_to_array(data, asked, DecodeOptions(shrink_margin=1.0))
        assert not loaded_by_pillow
        through_pillow = decode(data, asked, DecodeOptions(shrink_margin=1.0))
        assert straight.box == through_pillow.box
        np.testing.assert_array_equal(straight.frames[0], array_of(through_pillow.frames[0]))
        loaded_by_pillow.clear()


@needs_turbo
@pytest.mark.parametrize(
    ("data", "mode"),
    [(b"", "RGB"), (b"\xff\xd8\xff\xe0", "RGB"), (b"no JPEG", "L")],
    ids=["empty", "cut off", "something else"],
)
def test_unsupported_files_are_left_to_pillow(data, mode):
    assert jpeg.decode(data, mode, (8, 8), 1) is None


@needs_turbo
@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_half_a_file_is_left_to_pillow(photo, encoded, kept):
    data = encoded(photo(200, 100), "JPEG", quality=90)
    assert jpeg.decode(data[: int(len(data) * kept)], "RGB", (200, 100), 1) is None


@needs_turbo
def test_a_size_that_is_not_in_the_header_is_left_to_pillow(photo, encoded):
    data = encoded(photo(200, 100), "JPEG")
    assert jpeg.decode(data, "RGB", (100, 200), 1) is None


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_plain_header_gives_mode_and_size(photo, encoded, mode, progressive):
    image = photo(200, 100).convert(mode)
    data = encoded(image, "JPEG", progressive=progressive, comment=b"at home")
    assert jpeg.header(data)[:2] == (mode, (200, 100))


@pytest.mark.parametrize(
    "more",
    [
        {"exif": b"Exif\0\0" + b"MM\0*\0\0\0\x08\0\0\0\0\0\0"},
        {"icc_profile": icc_profile(ADOBE_RGB, 2.2)},
        {"xmp": b"<x:xmpmeta/>"},
    ],
    ids=["EXIF", "profile", "XMP"],
)
def test_headers_with_extras_are_left_to_pillow(photo, encoded, more):
    assert jpeg.header(encoded(photo(200, 100), "JPEG", **more)) is None


def test_a_header_that_is_cut_off_or_odd_is_pillows(photo, encoded):
    data = encoded(photo(200, 100), "JPEG")
    scan = data.index(b"\xff\xda")
    for kept in range(scan):
        assert jpeg.header(data[:kept]) is None
    frame = data.index(b"\xff\xc0")
    for place, value in [(1, 0xC3), (4, 12), (5, 0), (6, 0), (9, 4)]:
        odd = bytearray(data)
        odd[frame + place] = value
        if place == 5:
            odd[frame + 6] = 0  # no height: a later marker would tell it
        if place != 6:
            assert jpeg.header(bytes(odd)) is None
    assert jpeg.header(encoded(photo(20, 10).convert("CMYK"), "JPEG")) is None


def test_a_scan_is_the_only_one_if_it_has_all_colours_of_a_sequential_jpeg(photo, encoded):
    for progressive in (False, True):
        data = bytearray(encoded(photo(20, 10), "JPEG", progressive=progressive))
        assert jpeg.header(bytes(data))[2] == (not progressive)
        data[data.index(b"\xff\xda") + 4] = 1
        assert not jpeg.header(bytes(data))[2]


@pytest.mark.parametrize("kind", ["cmyk", "profile"])
def test_colours_that_must_be_converted_go_through_pillow(photo, encoded, kind):
    image = photo(64, 48)
    if kind == "cmyk":
        data = encoded(image.convert("CMYK"), "JPEG", quality=90)
    else:
        data = encoded(image, "JPEG", quality=90, icc_profile=icc_profile(ADOBE_RGB, 2.2))
    assert isinstance(decode_to_array(data).frames[0], Image.Image)


def test_without_the_package_pillow_does_it(photo, encoded, monkeypatch):
    monkeypatch.setattr(jpeg, "turbo", lambda: None)
    data = encoded(photo(64, 48), "JPEG", quality=90)
    assert decode_to_array(data).frames[0] == decode(data).frames[0]


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.parametrize("quality", [1, 50, 85, 100])
@pytest.mark.parametrize("size", [(64, 48), (131, 67), (1, 1)])
def test_files_are_pillows_to_the_byte(photo, size, quality, subsampling):
    image = photo(*size)
    for progressive, optimize in itertools.product((False, True), repeat=2):
        values = {
            "quality": quality, "subsampling": subsampling, "progressive": progressive,
            "optimize": optimize,
        }  # fmt: skip
        expected = io.BytesIO()
        image.save(expected, "JPEG", **values)
        for levels in arrays_of(image):
            assert jpeg.encoder(**values)(levels) == expected.getvalue()


PROCESSES = {
    0xC3: "lossless", 0xC5: "hierarchical", 0xC6: "hierarchical", 0xC7: "hierarchical",
    0xC9: "arithmetic coding", 0xCA: "arithmetic coding", 0xCB: "lossless",
    0xCD: "hierarchical", 0xCE: "hierarchical", 0xCF: "hierarchical",
}  # fmt: skip


@pytest.mark.parametrize(
    ("marker", "bits", "words"),
    [
        (0xC0, 8, None),
        (0xC1, 8, None),
        (0xC2, 8, None),
        (0xC0, 12, "JPEG of the process sequential, 12 bits a level"),
        (0xC1, 12, "JPEG of the process sequential, 12 bits a level"),
        (0xC2, 12, "JPEG of the process progressive, 12 bits a level"),
        *((m, 8, f"JPEG of the process {name}, 8 bits a level") for m, name in PROCESSES.items()),
        (0xC3, 16, "JPEG of the process lossless, 16 bits a level"),
        # Depths that no process has are damage.
        (0xC0, 0, None),
        (0xC2, 90, None),
        (0xC3, 17, None),
        (0xC9, 16, None),
    ],
)
def test_an_unsupported_process_is_named_regardless_of_earlier_segments(marker, bits, words):
    comment = b"\xff\xfe\x01\x02" + b"\xff\xc3 is no marker here".ljust(256)
    frame = bytes((0xFF, marker, 0, 11, bits, 0, 1, 0, 1, 1, 1, 0x11, 0))
    assert jpeg.rare_process(b"\xff\xd8" + comment + frame) == words


@pytest.mark.parametrize(
    ("full", "wanted", "margin", "swapped", "scale"),
    [
        ((1000, 800), (250, 200), 1.0, False, 4),
        ((1000, 800), (251, 200), 1.0, False, 2),
        ((1000, 800), (250, 201), 1.0, False, 2),
        ((1000, 800), (500, 400), 1.0, False, 2),
        ((1000, 800), (501, 400), 1.0, False, 1),
        ((1000, 800), (500, 401), 1.0, False, 1),
        ((8000, 8000), (100, 100), 2.0, False, 8),
        ((8000, 8000), (100, 100), 0.0, False, 1),
        ((1000, 800), (200, 250), 1.0, True, 4),
        ((1000, 800), (250, 200), 1.0, True, 2),
    ],
)
def test_a_picture_is_decoded_smaller_if_more_than_is_wanted_is_left(
    full, wanted, margin, swapped, scale
):
    def target(size):
        assert size == (full[::-1] if swapped else full)
        return wanted

    assert jpeg.scale_for(full, target, margin, swapped) == scale
    assert jpeg.scale_for(full, None, margin, swapped) == 1


def test_a_picture_that_is_too_long_for_a_jpeg_is_named_with_its_size():
    encode = jpeg.encoder(80, "4:2:0", progressive=False, optimize=False)
    with pytest.raises(ValueError, match="OpenCV cannot encode 65536x1 pixels"):
        encode(np.zeros((1, 65536, 3), np.uint8))
