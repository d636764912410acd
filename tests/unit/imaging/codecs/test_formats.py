"""Formats are recognised by content: every format that is read, and no other."""

import io
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, features

import pixelmill
from pixelmill.imaging.codecs.encoding import encode
from pixelmill.imaging.codecs.formats import (
    FORMATS,
    IMAGE_SUFFIXES,
    OUTPUT_FORMATS,
    SNIFF_BYTES,
    OutputFormat,
    dimensions,
    sniff,
    split_suffix,
)
from pixelmill.imaging.codecs.ifd import Tags

WRITTEN = {
    "jpeg": ("JPEG", {}),
    "jpeg-cmyk": ("JPEG", {}),
    "png": ("PNG", {}),
    "gif": ("GIF", {}),
    "bmp": ("BMP", {}),
    "tiff": ("TIFF", {}),
    "tiff-big": ("TIFF", {"big_tiff": True}),
    "webp": ("WEBP", {}),
    "webp-lossless": ("WEBP", {"lossless": True}),
    "ppm": ("PPM", {}),
    "ico": ("ICO", {}),
    "jpeg-mpo": ("MPO", {"save_all": True}),
    "avif": ("AVIF", {}),
}


@pytest.fixture
def small():
    return Image.fromarray(np.arange(20 * 24 * 3, dtype=np.uint8).reshape(20, 24, 3))


@pytest.mark.parametrize("kind", WRITTEN)
def test_formats_that_pillow_writes_are_recognised(kind, small, encoded):
    format_, options = WRITTEN[kind]
    if format_ == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    image = small.convert("CMYK") if kind == "jpeg-cmyk" else small
    data = encoded(image, format_, **options)
    assert sniff(data[:SNIFF_BYTES]) == kind.split("-")[0]


SIGNATURES = {
    "GIF87a": (b"GIF87a\x01\x00\x01\x00", "gif"),
    "tiff-big-endian": (b"MM\x00*\x00\x00\x00\x08", "tiff"),
    "tiff-big-endian-64": (b"MM\x00+\x00\x08\x00\x00", "tiff"),
    "bmp-of-os2": (b"BM" + bytes(12) + (12).to_bytes(4, "little"), "bmp"),
    "bmp-version-5": (b"BM" + bytes(12) + (124).to_bytes(4, "little"), "bmp"),
    "avif-as-minor-brand": (b"\0\0\0\x20ftypmif1\0\0\0\0mif1avifmiaf", "avif"),
    "avif-sequence": (b"\0\0\0\x20ftypavis\0\0\0\0avismsf1", "avif"),
    "pbm-text": (b"P1\n# a comment\n2 2\n", "ppm"),
    "pgm-text": (b"P2 2 2 255 ", "ppm"),
    "pgm": (b"P5\t2 2\n255\n", "ppm"),
}


@pytest.mark.parametrize(("head", "format"), SIGNATURES.values(), ids=SIGNATURES)
def test_rarer_signatures_are_known(head, format):
    assert sniff(head) == format


NO_IMAGES = {
    "nothing": b"",
    "text": b"Dear all, please find attached",
    "text-that-begins-as-a-bitmap-does": b"BMW sells cars in many countries of this world",
    "text-that-begins-as-a-pixmap-does": b"P1 milestone: finish the tests",
    "text-with-a-brand-of-avif-in-it": b"Bonjour avis important",
    "html": b"<!DOCTYPE html><html>",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'>",
    "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3",
    "zip": b"PK\x03\x04\x14\x00\x06\x00",
    "wave": b"RIFF\x24\x00\x00\x00WAVEfmt ",
    "mp4": b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41",
    "cursor": b"\x00\x00\x02\x00\x01\x00",
    "pam": b"P7\nWIDTH 2\n",
    "thumbnail-of-xv": b"P7 332\n80 60 255\n",
    "zeros": bytes(32),
    "half-a-png-signature": b"\x89PNG\r\n",
}


@pytest.mark.parametrize("head", NO_IMAGES.values(), ids=NO_IMAGES)
def test_other_content_is_not_an_image(head):
    assert sniff(head) is None


@pytest.mark.parametrize("kind", [kind for kind in WRITTEN if kind != "avif"])
def test_a_truncated_file_is_never_recognised_as_another_format(kind, small, encoded):
    format_, options = WRITTEN[kind]
    image = small.convert("CMYK") if kind == "jpeg-cmyk" else small
    data = encoded(image, format_, **options)
    seen = {sniff(data[:length]) for length in range(SNIFF_BYTES + 1)}
    assert seen == {None, kind.split("-")[0]}


def test_suffixes_are_in_the_form_they_are_looked_up_in():
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in IMAGE_SUFFIXES)


@pytest.mark.parametrize(
    "format", ["JPEG", "MPO", "PNG", "GIF", "BMP", "TIFF", "WEBP", "ICO", "AVIF"]
)
def test_suffixes_of_every_format_that_is_read_are_those_of_images(format):
    Image.init()
    theirs = {suffix for suffix, name in Image.registered_extensions().items() if name == format}
    assert theirs
    assert theirs <= IMAGE_SUFFIXES


def test_formats_are_those_that_are_known():
    # Pillow alone writes no HEIC.
    assert {kind.split("-")[0] for kind in WRITTEN} | {"heif"} == set(FORMATS)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        pytest.param(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heif", id="of-a-phone"),
        pytest.param(b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "heif", id="of-any-image"),
        pytest.param(b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "avif", id="avif-of-any-image"),
        pytest.param(b"\0\0\0\x18ftypmp42\0\0\0\0mp41isom", None, id="film"),
    ],
)
def test_heic_is_distinguished_from_avif_and_films_by_its_brands(head, name):
    assert sniff(head + bytes(8)) == name
    assert dimensions(io.BytesIO(head), head, name) == (0, 0)


def claimed(data):
    return dimensions(io.BytesIO(data), data[:SNIFF_BYTES], sniff(data[:SNIFF_BYTES]))


#: Formats whose header tells the size without a decoder.
TELLING = ("jpeg", "png", "gif", "bmp", "webp")


@pytest.mark.parametrize("kind", WRITTEN)
def test_the_header_gives_the_size_or_none(kind, small, encoded):
    format_, options = WRITTEN[kind]
    if format_ == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    image = small.convert("CMYK") if kind == "jpeg-cmyk" else small
    known = kind.split("-")[0] in TELLING
    assert claimed(encoded(image, format_, **options)) == (small.size if known else (0, 0))


def test_the_size_of_a_jpeg_is_found_after_its_profile_and_thumbnail(small, encoded):
    exif = Image.Exif()
    exif[0x010E] = "a long description " * 1000
    data = encoded(small, "JPEG", exif=exif, icc_profile=bytes(200_000), progressive=True)
    assert claimed(data) == small.size


def test_the_size_of_a_webp_with_alpha_is_known(small, encoded):
    small.putalpha(128)
    assert claimed(encoded(small, "WEBP")) == small.size


def test_the_size_of_a_webp_is_no_matter_of_how_it_is_to_be_shown(small, encoded):
    # RFC 6386, 9.1: the upper two bits of each side ask to scale the picture for display.
    data = bytearray(encoded(small, "WEBP"))
    data[27] |= 0x40
    data[29] |= 0x80
    assert claimed(bytes(data)) == small.size


def test_a_bitmap_may_be_stored_from_the_top(small, encoded):
    data = bytearray(encoded(small, "BMP"))
    data[22:26] = struct.pack("<i", -small.height)
    assert claimed(bytes(data)) == small.size


def test_a_bitmap_of_os2_has_short_sides():
    assert claimed(b"BM" + bytes(12) + struct.pack("<IHHHH", 12, 24, 20, 1, 24)) == (24, 20)


@pytest.mark.parametrize("kind", [kind for kind in WRITTEN if kind != "avif"])
def test_a_file_cut_off_anywhere_claims_its_size_or_none(kind, small, encoded):
    format_, options = WRITTEN[kind]
    image = small.convert("CMYK") if kind == "jpeg-cmyk" else small
    data = encoded(image, format_, **options)
    seen = {claimed(data[:length]) for length in range(min(len(data), 700))}
    assert seen <= {(0, 0), small.size}


def test_the_tables_of_a_jpeg_may_precede_its_frame(small, encoded):
    data = encoded(small, "JPEG")
    frame, table = data.index(b"\xff\xc0"), data.index(b"\xff\xc4")
    end = table + 2 + int.from_bytes(data[table + 2 : table + 4], "big")
    assert claimed(data[:frame] + data[table:end] + data[frame:]) == small.size


def test_a_jpeg_of_empty_segments_comes_to_an_end():
    assert claimed(b"\xff\xd8" + b"\xff\xe0\x00\x02" * 100_000) == (0, 0)
    assert claimed(b"\xff\xd8" + b"\xff\xe0\x00\x00" * 100) == (0, 0)


def test_a_jpeg_may_pad_its_markers(small, encoded):
    # ITU-T T.81, B.1.1.2: any marker may be preceded by any number of bytes 0xFF.
    data = encoded(small, "JPEG")
    frame = data.index(b"\xff\xc0")
    assert claimed(data[:frame] + b"\xff\xff\xff" + data[frame:]) == small.size


def test_an_output_format_without_a_rule_for_its_end_cannot_be_defined():
    """It would otherwise accept every file that a full disk cut off."""

    class Unfinished(OutputFormat):
        name = "unfinished"
        suffixes = (".unf",)

    with pytest.raises(TypeError, match="is_whole"):
        Unfinished()


def test_what_a_format_cannot_do_is_refused_by_name():
    with pytest.raises(NotImplementedError, match="ppm"):
        FORMATS["ppm"].frames(Image.new("L", (1, 1)), b"")
    with pytest.raises(NotImplementedError, match="bmp"):
        OUTPUT_FORMATS["bmp"].encode_frames([], {}, [], 0)
    with pytest.raises(NotImplementedError, match="jpeg"):
        OUTPUT_FORMATS["jpeg"].encode_deep(np.zeros((1, 1, 3), np.uint16), {}, None, Tags())


def test_every_suffix_of_an_image_is_replaced_by_that_of_its_output():
    """Names of outputs and shards both rest on this."""
    for suffix in IMAGE_SUFFIXES:
        for written in (suffix, suffix.upper()):
            assert split_suffix(f"a/b{written}") == ("a/b", written[1:])


@pytest.mark.parametrize("path", ["a", "a/b", "a.d/b", "2024-05-01.2024", "a.", "a/.jpg", ".png"])
def test_other_names_have_no_suffix(path):
    assert split_suffix(path) == (path, "")


def test_formats_are_known_without_loading_pillow_or_numpy():
    """The catalog job needs no decoder to recognise files."""
    program = (
        "import sys; from pixelmill.imaging.codecs import formats; "
        "print(sorted({'PIL', 'numpy', 'cv2'} & sys.modules.keys()))"
    )
    folder = pixelmill.__path__[0] + "/.."
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


#: Suffixes of outputs by their format, in the order in which messages list the formats.
SUFFIXES = {
    "jpeg": ".jpg", "png": ".png", "webp": ".webp", "avif": ".avif", "tiff": ".tif",
    "gif": ".gif", "bmp": ".bmp",
}  # fmt: skip


def test_outputs_have_these_formats_and_suffixes():
    assert {name: known.suffix for name, known in OUTPUT_FORMATS.items()} == SUFFIXES
    assert list(OUTPUT_FORMATS) == list(SUFFIXES)


@pytest.mark.parametrize("name", SUFFIXES)
def test_an_encoded_picture_is_of_the_format_that_was_asked_for(name):
    file = io.BytesIO()
    encode([Image.new("RGB", (20, 20))], file, name, {})
    assert sniff(file.getvalue()[:SNIFF_BYTES]) == name
