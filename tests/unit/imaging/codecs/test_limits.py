"""Limits refuse an image before it is decoded."""

import io
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from pixelmill.core.errors import ImageError
from pixelmill.imaging.backends.opencv import OpenCV
from pixelmill.imaging.codecs import jpeg
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.decoding import decode, decode_to_array
from pixelmill.imaging.codecs.formats import FORMATS
from pixelmill.imaging.codecs.limits import PRESETS, Limits, workers_for_memory
from tests.helpers import tiffs
from tests.helpers.bitmaps import BIT_FIELDS, RLE4, RLE8, bmp, run_lengths


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


CASES = {
    "too-many-pixels": (png_that_claims(30_000, 30_000), Limits(), "max_pixels"),
    "a-strip-of-65535-pixels": (png_that_claims(65_535, 1), Limits(), "max_aspect"),
    "a-tower-of-65535-pixels": (png_that_claims(1, 65_535), Limits(), "max_aspect"),
    "a-file-too-large": (
        encoded(Image.new("L", (99, 99)), "BMP"),
        Limits(max_bytes=9_000),
        "max_bytes",
    ),
    "a-deep-animation": (animation(9), Limits(max_frames=8), "max_frames"),
}


@pytest.mark.parametrize(("data", "limits", "named"), CASES.values(), ids=CASES)
def test_an_image_beyond_a_limit_is_too_large_and_names_it(data, limits, named):
    with pytest.raises(ImageError, match=named) as caught:
        decode(data, limits=limits)
    assert caught.value.reason == "too_large"


def test_an_image_at_the_limit_is_decoded():
    limits = Limits(max_pixels=64, max_frames=9, max_aspect=1)
    assert decode(animation(9), limits=limits).frames[0].size == (8, 8)


def scanned(scans, **options):
    """A progressive JPEG with so many scans; the last one is repeated."""
    data = encoded(Image.radial_gradient("L").convert("RGB"), "JPEG", progressive=True, **options)
    begin, end = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    more = scans - data.count(b"\xff\xda")
    return data[:end] + more * data[begin:end] + data[end:]


def mpo(data):
    """Two pictures in one file, the first of which is this JPEG (CIPA DC-007, 5.2)."""
    whole = encoded(
        Image.new("RGB", (9, 9)), "MPO", save_all=True, append_images=[Image.new("RGB", (9, 9))]
    )
    begin = whole.index(b"\xff\xe2")
    (length,) = struct.unpack_from(">H", whole, begin + 2)
    second = whole.index(b"\xff\xd8", 2)
    index = bytearray(whole[begin : begin + 2 + length])
    first = len(data) + len(index)
    small = index.startswith(b"II", 8)
    place = bytes(index).rindex(struct.pack("<I" if small else ">I", second - begin - 8))
    struct.pack_into("<I" if small else ">I", index, place, first - 2 - 8)
    return data[:2] + bytes(index) + data[2:] + whole[second:]


def tiff(data, strips=1):
    """A TIFF whose strips are JPEGs as this one (TIFF Technical Note 2)."""
    (height, width) = (256, 256)
    tags = [
        (256, 4, [width]), (257, 4, [height * strips]), (258, 3, [8, 8, 8]), (259, 3, [7]),
        (262, 3, [6]), (273, 4, [0] * strips), (277, 3, [3]), (278, 4, [height]),
        (279, 4, [len(data)] * strips), (284, 3, [1]), (530, 3, [2, 2]),
    ]  # fmt: skip
    size = 8 + 2 + 12 * len(tags) + 4
    values = 12 + (8 * strips if strips > 1 else 0)
    tags[5] = (273, 4, [size + values + k * len(data) for k in range(strips)])
    entries, behind = b"", b""
    for tag, kind, numbers in tags:
        packed = struct.pack(f"<{len(numbers)}{'H' if kind == 3 else 'I'}", *numbers)
        if len(packed) > 4:
            entries += struct.pack("<HHII", tag, kind, len(numbers), size + len(behind))
            behind += packed.ljust(4 * len(numbers), b"\0")
        else:
            entries += struct.pack("<HHI", tag, kind, len(numbers)) + packed.ljust(4, b"\0")
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
    return head + entries + bytes(4) + behind + strips * data


#: Files with a JPEG of so many scans in them, for every container that one is decoded from.
CONTAINERS = {
    "plain": scanned,
    "with-exif": lambda scans: scanned(scans, exif=b"Exif\0\0MM\0*\0\0\0\10" + bytes(6)),
    "mpo": lambda scans: mpo(scanned(scans)),
    "tiff": lambda scans: tiff(scanned(scans)),
    "tiff-of-strips": lambda scans: tiff(scanned(scans), strips=3),
}

DECODERS = {
    "pillow": decode,
    "levels": decode_to_array,
    "opencv": lambda data, limits: OpenCV().decode(data, None, DecodeOptions(), limits),
    "opencv-deep": lambda data, limits: OpenCV().decode(
        data, None, DecodeOptions(depth="keep"), limits
    ),
}


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
@pytest.mark.parametrize("decoder", DECODERS.values(), ids=DECODERS)
def test_a_jpeg_of_many_scans_is_refused_wherever_it_is(decoder, container):
    assert decoder(container(20), limits=Limits(max_scans=20)).frames
    with pytest.raises(ImageError, match=r"limits\.max_scans = 20$") as caught:
        decoder(container(21), limits=Limits(max_scans=20))
    assert caught.value.reason == "too_large"


@pytest.mark.parametrize("decoder", DECODERS.values(), ids=DECODERS)
def test_scans_that_libraries_do_not_warn_of_are_counted(decoder):
    """As those of an ordinary progressive JPEG, if the limit is lower."""
    data = encoded(Image.radial_gradient("L").convert("RGB"), "JPEG", progressive=True)
    count = data.count(b"\xff\xda")
    for whole in (data, tiff(data)):
        assert decoder(whole, limits=Limits(max_scans=count)).frames
        with pytest.raises(ImageError, match=r"limits\.max_scans"):
            decoder(whole, limits=Limits(max_scans=count - 1))


@pytest.mark.parametrize("decoder", DECODERS.values(), ids=DECODERS)
def test_scans_in_a_tiff_that_pillow_does_not_read_are_counted(decoder, monkeypatch):
    data = encoded(Image.radial_gradient("L"), "JPEG", progressive=True)
    monkeypatch.setitem(tiffs.ENCODERS, 7, lambda packed: data)
    levels = np.zeros((256, 256, 1), np.uint8)
    whole = tiffs.tiff(levels, photometric=1, compression=7, order=">", big=True)
    with pytest.raises(ImageError, match=r"limits\.max_scans = 2$"):
        decoder(whole, limits=Limits(max_scans=2))


@pytest.mark.parametrize("decoder", DECODERS.values(), ids=DECODERS)
def test_data_that_looks_like_a_scan_is_not_counted(decoder):
    """As in a thumbnail, in a comment, in the second picture of a file, and after its end."""
    limits = Limits(max_scans=20)
    remark = b"\xff\xfe" + struct.pack(">H", 2_002) + 1000 * b"\xff\xda"
    data = scanned(20)
    for odd in (data[:2] + remark + data[2:], mpo(scanned(20)) + scanned(99), data + scanned(99)):
        assert decoder(odd, limits=limits).frames


def test_scans_of_one_colour_each_are_counted_in_a_sequential_jpeg_too():
    """Decoders wait for the last scan if the first one does not have all colours."""
    frame = bytes.fromhex("ffc00011 08 0001 0001 03 011100 021100 031100")
    scan = bytes.fromhex("ffda0008 01 0100 003f00 2a")
    assert jpeg.scans(b"\xff\xd8" + frame + 500 * scan, 100) == 101
    assert jpeg.scans(b"\xff\xd8" + frame + 3 * scan + b"\xff\xd9" + 500 * scan, 100) == 3


@pytest.mark.parametrize("cut", range(0, 700, 7))
def test_counting_scans_always_ends(cut):
    assert jpeg.scans(scanned(20)[:cut], 5) <= 6
    assert jpeg.scans(b"\xff\xd8" + cut * b"\xff\xe0", 5) == 0


def test_a_format_that_is_not_asked_for_is_unsupported():
    data = encoded(Image.new("L", (8, 8)), "GIF")
    with pytest.raises(ImageError, match=r"limits\.formats") as caught:
        decode(data, limits=Limits(formats=("jpeg",)))
    assert caught.value.reason == "unsupported"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits address space")
@pytest.mark.parametrize(
    ("workers", "given"),
    [(1, ["given", "refused", "refused"]), (2, ["given", "given", "refused"])],
)
def test_memory_beyond_the_limit_is_an_error_and_not_a_catastrophe(workers, given):
    """Workers that share a process have as much memory as in separate processes."""
    import subprocess

    program = (
        "from pixelmill.imaging.codecs.limits import Limits\n"
        "import sys\n"
        "Limits(memory_mb=200).cap_memory(int(sys.argv[1]))\n"
        "for size in (100, 300, 500):\n"
        "    try:\n"
        "        bytearray(size * 2**20)\n"
        "        print('given')\n"
        "    except MemoryError:\n"
        "        print('refused')\n"
    )
    import pixelmill

    folder = pixelmill.__path__[0] + "/.."
    command = [sys.executable, "-c", program, str(workers)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.split() == given


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits address space")
def test_a_file_larger_than_the_memory_of_an_image_is_an_error(tmp_path):
    import subprocess

    program = (
        "from pixelmill.imaging.codecs.limits import Limits\n"
        "import sys\n"
        "Limits(memory_mb=2).cap_memory(100)\n"
        "with open(sys.argv[1], 'wb', buffering=0) as file:\n"
        "    for _ in range(3):\n"
        "        file.write(bytes(2**20))\n"
    )
    import pixelmill

    command = [sys.executable, "-c", program, str(tmp_path / "file")]
    folder = pixelmill.__path__[0] + "/.."
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert "OSError: [Errno 27] File too large" in done.stderr
    assert (tmp_path / "file").stat().st_size == 2 * 2**20


@pytest.mark.parametrize(
    ("workers", "pixels", "gib", "expected"),
    [(8, 0, 1, 8), (8, 10_000_000, 64, 8), (8, 100_000_000, 2, 2), (8, 10**9, 1, 1), (8, 9, 0, 8)],
    ids=["unknown-size", "room-for-all", "room-for-two", "always-one", "unknown-memory"],
)
def test_the_number_of_workers_is_limited_by_memory(workers, pixels, gib, expected):
    assert workers_for_memory(workers, pixels, gib * 2**30) == expected


def test_limits_that_are_the_same_have_one_fingerprint_however_they_are_written():
    """Otherwise, failures of the script would be tried again by the workflow, and vice versa."""
    written = Limits(max_aspect=1000, seconds_per_image=60, formats=tuple(reversed(FORMATS)))
    assert written.fingerprint() == Limits().fingerprint()
    assert Limits(max_aspect=999).fingerprint() != Limits().fingerprint()
    assert Limits(formats=("jpeg",)).fingerprint() != Limits().fingerprint()
    assert Limits().fingerprint("with a decoder") != Limits().fingerprint()


GRAY = np.arange(12).reshape(3, 4) % 2

#: The same 4 x 3 pixels in each way that a file is decoded.
SMALL = {
    **{format: encoded(Image.new("RGB", (4, 3)), format)
       for format in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "PPM", "ICO")},
    "JPEG-of-progressive-scans": encoded(Image.new("RGB", (4, 3)), "JPEG", progressive=True),
    "JPEG-with-EXIF": encoded(Image.new("RGB", (4, 3)), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\10"),
    "PNG-of-16-bits": encoded(Image.new("I;16", (4, 3)), "PNG"),
    "TIFF-of-16-bits": encoded(Image.new("I;16", (4, 3)), "TIFF"),
    "TIFF-of-floats": encoded(Image.new("F", (4, 3)), "TIFF"),
    "BMP-of-2-colours": bmp(GRAY, 4, palette=[(0, 0, 0), (255, 255, 255)], used=2),
    "BMP-of-16-bits": bmp(GRAY, 16),
    "BMP-of-bit-fields": bmp(GRAY, 32, compression=BIT_FIELDS, masks=(0xFF0000, 0xFF00, 0xFF)),
    "BMP-of-runs-of-8-bits": bmp(
        run_lengths(GRAY, four=False), 8, compression=RLE8, palette=[(0, 0, 0)] * 256
    ),
    "BMP-of-runs-of-4-bits": bmp(
        run_lengths(GRAY, four=True), 4, compression=RLE4, palette=[(0, 0, 0)] * 16
    ),
}  # fmt: skip


@pytest.mark.parametrize("data", SMALL.values(), ids=SMALL)
@pytest.mark.parametrize("decoder", DECODERS.values(), ids=DECODERS)
def test_the_size_of_a_picture_is_limited_in_every_format(decoder, data):
    assert decoder(data, limits=Limits(max_pixels=12, max_aspect=1.5)).frames
    for limits in (Limits(max_pixels=11), Limits(max_aspect=1.3)):
        with pytest.raises(ImageError, match=r"4x3 .* limits\.max_(pixels|aspect)") as caught:
            decoder(data, limits=limits)
        assert caught.value.reason == "too_large"


def test_limits_are_as_documented():
    formats = tuple(FORMATS)
    assert Limits() == Limits(178_956_970, 10**9, 10_000, 100, 1000.0, formats, 60.0, 4096)
    assert set(PRESETS) == {"untrusted"}
    assert PRESETS["untrusted"] == Limits(
        max_pixels=50_000_000,
        max_bytes=50_000_000,
        max_frames=500,
        max_scans=50,
        max_aspect=100.0,
        formats=("jpeg", "png", "gif", "webp"),
        seconds_per_image=20.0,
        memory_mb=1024,
    )


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (5, 0)])
def test_a_side_of_0_is_no_matter_of_limits(size):
    """The decoder says what is wrong with it."""
    Limits(max_aspect=10).check_header(*size, 1)
