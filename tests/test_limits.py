"""Limits refuse an image before it costs anything."""

import io
import struct
import sys
import zlib

import pytest
from PIL import Image, PngImagePlugin

from pixelmill.decoding import decode
from pixelmill.errors import ImageError
from pixelmill.formats import FORMATS
from pixelmill.limits import Limits, workers_for_memory


def png_that_claims(width, height):
    """A PNG of a few bytes whose header claims any size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    return start + struct.pack(">I", zlib.crc32(chunk)) + b"\0\0\0\0IDAT" + bytes(40)


def encoded(image, format_, **options):
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def animation(frames):
    pictures = [Image.new("L", (8, 8), level) for level in range(frames)]
    return encoded(pictures[0], "GIF", save_all=True, append_images=pictures[1:])


def text_bomb():
    info = PngImagePlugin.PngInfo()
    info.add_text("bomb", "x" * 80_000_000, zip=True)
    return encoded(Image.new("L", (4, 4)), "PNG", pnginfo=info)


CASES = {
    "too-many-pixels": (png_that_claims(30_000, 30_000), Limits(), "max_pixels"),
    "a-strip-of-65535-pixels": (png_that_claims(65_535, 1), Limits(), "max_aspect"),
    "a-file-too-large": (
        encoded(Image.new("L", (99, 99)), "BMP"),
        Limits(max_bytes=9_000),
        "max_bytes",
    ),
    "a-deep-animation": (animation(9), Limits(max_frames=8), "max_frames"),
}


@pytest.mark.parametrize(("data", "limits", "named"), CASES.values(), ids=CASES)
def test_what_exceeds_a_limit_is_too_large_and_names_it(data, limits, named):
    with pytest.raises(ImageError, match=named) as caught:
        decode(data, limits=limits)
    assert caught.value.reason == "too_large"


def test_what_just_fits_is_decoded():
    limits = Limits(max_pixels=64, max_frames=9, max_aspect=1)
    assert decode(animation(9), limits=limits).frames[0].size == (8, 8)


def test_a_text_that_unpacks_to_a_flood_is_refused():
    with pytest.raises(ImageError) as caught:
        decode(text_bomb())
    assert caught.value.reason == "too_large"


def test_a_format_that_is_not_asked_for_is_unsupported():
    data = encoded(Image.new("L", (8, 8)), "GIF")
    with pytest.raises(ImageError, match=r"limits\.formats") as caught:
        decode(data, limits=Limits(formats=("jpeg",)))
    assert caught.value.reason == "unsupported"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits address space")
def test_memory_beyond_the_limit_is_an_error_and_not_a_catastrophe(script, tmp_path):
    import subprocess

    program = (
        "from pixelmill.limits import Limits\n"
        "Limits(memory_mb=200).cap_memory()\n"
        "bytearray(100 * 2**20)\n"
        "try:\n"
        "    bytearray(400 * 2**20)\n"
        "except MemoryError:\n"
        "    print('refused')\n"
    )
    import pixelmill

    folder = pixelmill.__path__[0] + "/.."
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stdout == "refused\n"


@pytest.mark.parametrize(
    ("workers", "pixels", "gib", "expected"),
    [(8, 0, 1, 8), (8, 10_000_000, 64, 8), (8, 100_000_000, 2, 2), (8, 10**9, 1, 1)],
    ids=["unknown-size", "room-for-all", "room-for-two", "always-one"],
)
def test_as_many_workers_as_find_room(workers, pixels, gib, expected):
    assert workers_for_memory(workers, pixels, gib * 2**30) == expected


def test_limits_that_are_the_same_have_one_fingerprint_however_they_are_written():
    """Else what failed by the script would be tried again by the workflow, and in turn."""
    written = Limits(max_aspect=1000, seconds_per_image=60, formats=tuple(reversed(FORMATS)))
    assert written.fingerprint() == Limits().fingerprint()
    assert Limits(max_aspect=999).fingerprint() != Limits().fingerprint()
    assert Limits(formats=("jpeg",)).fingerprint() != Limits().fingerprint()
    assert Limits().fingerprint("with a decoder") != Limits().fingerprint()
