"""Formats are recognised by content: every format that is read, and no other."""

import io
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
    sniff,
    split_suffix,
)
from tests.helpers.imaging import claimed_size

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


#: Formats whose header tells the size without a decoder.
TELLING = ("jpeg", "png", "gif", "bmp", "webp")


@pytest.mark.parametrize("kind", WRITTEN)
def test_the_header_gives_the_size_or_none(kind, small, encoded):
    format_, options = WRITTEN[kind]
    if format_ == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    image = small.convert("CMYK") if kind == "jpeg-cmyk" else small
    known = kind.split("-")[0] in TELLING
    assert claimed_size(encoded(image, format_, **options)) == (small.size if known else (0, 0))


@pytest.mark.parametrize("kind", [kind for kind in WRITTEN if kind != "avif"])
def test_a_file_cut_off_anywhere_claims_its_size_or_none(kind, small, encoded):
    format_, options = WRITTEN[kind]
    image = small.convert("CMYK") if kind == "jpeg-cmyk" else small
    data = encoded(image, format_, **options)
    seen = {claimed_size(data[:length]) for length in range(min(len(data), 700))}
    assert seen <= {(0, 0), small.size}


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
