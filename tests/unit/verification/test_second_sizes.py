"""Verification expects the size that its own decoder sees, in every format."""

import io
import struct

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from pixelmill.core.jobs import Job
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.decoding import decode as decoded
from pixelmill.imaging.renderer import Renderer
from pixelmill.verification import second_decoder
from pixelmill.verification.expectations import stored_size
from pixelmill.verification.inspector import Inspector, Task
from pixelmill.verification.second_sizes import clean_aperture, tells_size
from tests.helpers.animations import GifFrame, aperture, gif, with_properties
from tests.helpers.bitmaps import bmp
from tests.helpers.imaging import exif_block
from tests.helpers.tiffs import LONG, SHORT, tiff

pytestmark = pytest.mark.filterwarnings("ignore")

WIDE, HIGH = (48, 32), (32, 48)


def saved(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def flat(size=WIDE, mode="RGB"):
    return Image.new(mode, size, 100)


def turned(format, orientation=6, **options):
    block = exif_block(main=[(0x0112, "short", orientation)])
    return saved(flat(), format, exif=block, **options)


def animated(format, size=WIDE, **options):
    frames = [Image.new("RGB", size, color) for color in ("red", "blue")]
    return saved(
        frames[0], format, save_all=True, append_images=frames[1:], duration=100, **options
    )


def heic(size):
    file = io.BytesIO()
    pillow_heif.from_pillow(flat(size)).save(file, quality=90)
    return file.getvalue()


def cropped(data, size, *more):
    """An AVIF or HEIC of a clean aperture: `WIDE`, one pixel from the upper left corner."""
    box = (1, 1, 1 + WIDE[0], 1 + WIDE[1])
    return with_properties(data, (b"clap", aperture(size, box)), *more)


def sequence_cropped():
    """An AVIF sequence with a clean aperture in the description of its track.

    It takes the room of the edit list and of the box about the coding, so that nothing moves
    outside of the track.
    """
    data = animated("AVIF", (64, 64), quality=90)
    box = (1, 1, 1 + WIDE[0], 1 + WIDE[1])
    clap = struct.pack(">I4s", 40, b"clap") + aperture((64, 64), box)
    edits, coding = data.index(b"edts") - 4, data.index(b"ccst") - 4
    length, room = (struct.unpack_from(">I", data, place)[0] for place in (edits, coding))
    free = struct.pack(">I4s", length + room - len(clap), b"free")
    put = (clap + free).ljust(length + room, b"\0")
    made = bytearray(data[:edits] + data[edits + length : coding] + put + data[coding + room :])
    for name in (b"mdia", b"minf", b"stbl", b"stsd", b"av01"):
        place = made.index(name, made.index(b"stsd" if name == b"av01" else b"moov")) - 4
        struct.pack_into(">I", made, place, struct.unpack_from(">I", made, place)[0] + length)
    return bytes(made)


def icon(*entries):
    """An icon of files: (sides that the table claims, bits, file)."""
    head, body = struct.pack("<HHH", 0, 1, len(entries)), b""
    for (width, height), bits, inside in entries:
        place = 6 + 16 * len(entries) + len(body)
        head += struct.pack("<BBBBHHII", width, height, 0, 0, 1, bits, len(inside), place)
        body += inside
    return head + body


def icon_bitmap(width, height):
    """A bitmap of an icon: 24 bits a pixel, and a mask below."""
    pixels = bytes((width * 24 + 31) // 32 * 4 * height)
    mask = bytes((width + 31) // 32 * 4 * height)
    head = struct.pack("<IiiHHIIiiII", 40, width, 2 * height, 1, 24, 0, 0, 0, 0, 0, 0)
    return head + pixels + mask


def rows(size, channels=3, dtype=np.uint8):
    return np.full((size[1], size[0], channels), 100, dtype)


def segments(data, count):
    """A JPEG with so many more bytes of notes before its picture."""
    part = struct.pack(">HH", 0xFFEF, 60_002) + bytes(60_000)
    return data[:2] + part * (count // 60_000) + data[2:]


def late_orientation():
    """A PNG whose EXIF follows the pixels."""
    data = turned("PNG")
    place = data.index(b"eXIf") - 4
    (length,) = struct.unpack_from(">I", data, place)
    part = data[place : place + 12 + length]
    rest = data[:place] + data[place + len(part) :]
    return rest[:-12] + part + rest[-12:]


#: Files, and the sizes that they are seen in: as they are turned upright.
SOURCES = {
    "jpeg": (lambda: saved(flat(), "JPEG"), WIDE),
    "jpeg-progressive-grey": (lambda: saved(flat(mode="L"), "JPEG", progressive=True), WIDE),
    "jpeg-turned": (lambda: turned("JPEG"), HIGH),
    "jpeg-of-long-notes": (lambda: segments(turned("JPEG"), 120_000), HIGH),
    "mpo": (lambda: saved(flat(), "MPO", save_all=True, append_images=[flat((96, 64))]), WIDE),
    "png": (lambda: saved(flat(), "PNG"), WIDE),
    "png-turned": (lambda: turned("PNG"), HIGH),
    "png-turned-late": (late_orientation, HIGH),
    "apng": (lambda: animated("PNG"), WIDE),
    "gif": (lambda: animated("GIF"), WIDE),
    "gif-beyond": (lambda: gif((3, 2), [GifFrame(["rgbwr"] * 4)]), (5, 4)),
    "gif-beyond-later": (
        lambda: gif((3, 2), [GifFrame(["rg"], at=(0, 1)), GifFrame(["rgbwr"] * 4)]), (3, 2)
    ),
    "gif-within": (lambda: gif((5, 4), [GifFrame(["rg"], at=(1, 1))]), (5, 4)),
    "webp": (lambda: saved(flat(), "WEBP"), WIDE),
    "webp-lossless": (lambda: saved(flat(), "WEBP", lossless=True), WIDE),
    "webp-alpha": (lambda: saved(flat(mode="RGBA"), "WEBP"), WIDE),
    "webp-turned": (lambda: turned("WEBP"), HIGH),
    "webp-moving": (lambda: animated("WEBP"), WIDE),
    "avif": (lambda: saved(flat(), "AVIF"), WIDE),
    "avif-turned": (lambda: turned("AVIF"), HIGH),
    "avif-cropped": (lambda: cropped(saved(flat((64, 64)), "AVIF"), (64, 64)), WIDE),
    "avif-cropped-turned": (
        lambda: cropped(saved(flat((64, 64)), "AVIF"), (64, 64), (b"irot", b"\1")), HIGH,
    ),
    "avif-sequence": (lambda: animated("AVIF", quality=90), WIDE),
    "avif-sequence-cropped": (sequence_cropped, WIDE),
    "heic": (lambda: heic(WIDE), WIDE),
    "heic-turned": (lambda: with_properties(heic(WIDE), (b"irot", b"\3")), HIGH),
    "heic-cropped": (lambda: cropped(heic((64, 64)), (64, 64)), WIDE),
    "heic-cropped-turned": (lambda: cropped(heic((64, 64)), (64, 64), (b"irot", b"\1")), HIGH),
    "tiff": (lambda: saved(flat(), "TIFF"), WIDE),
    "tiff-turned": (lambda: turned("TIFF"), HIGH),
    "tiff-turned-big-endian": (
        lambda: tiff(rows(WIDE), photometric=2, order=">", tags=[(274, SHORT, (6,))]), HIGH,
    ),
    "tiff-turned-big": (
        lambda: tiff(rows(WIDE), photometric=2, big=True, tags=[(274, SHORT, (8,))]), HIGH,
    ),
    "tiff-16-bits": (lambda: tiff(rows(WIDE, 3, np.uint16), photometric=2, bits=16), WIDE),
    "tiff-reduced-first": (
        lambda: tiff(rows(WIDE), photometric=2, tags=[(254, LONG, (1,))]), WIDE,
    ),
    "tiff-pages": (
        lambda: saved(flat(), "TIFF", save_all=True, append_images=[flat((96, 64))]), WIDE,
    ),
    "bmp": (lambda: saved(flat(), "BMP"), WIDE),
    "bmp-top-down": (lambda: bmp(rows(WIDE), 24, top_down=True), WIDE),
    "bmp-os2": (lambda: bmp(rows(WIDE), 24, header=12), WIDE),
    "pbm": (lambda: b"P4\n# a note\n48 32\n" + bytes(6 * 32), WIDE),
    "pgm": (lambda: b"P5 48\n32 255\n" + bytes(48 * 32), WIDE),
    "ppm-plain": (lambda: b"P3\n2 1\n255\n" + b"1 2 3 " * 2, (2, 1)),
    "ico": (lambda: icon(((16, 16), 32, saved(flat((16, 16), "RGBA"), "PNG")),
                         ((48, 48), 32, saved(flat((48, 48), "RGBA"), "PNG"))), (48, 48)),
    "ico-large": (lambda: icon(((0, 0), 32, saved(flat((300, 280), "RGBA"), "PNG"))), (300, 280)),
    "ico-bitmap": (lambda: icon(((16, 8), 24, icon_bitmap(16, 8))), (16, 8)),
}  # fmt: skip


@pytest.mark.parametrize(("make", "size"), SOURCES.values(), ids=SOURCES)
def test_the_size_is_that_of_the_picture_that_is_seen(tmp_path, make, size):
    data = make()
    (tmp_path / "source").write_bytes(data)
    assert stored_size(tmp_path / "source") == size
    assert decoded(data).frames[0].size == size
    if second_decoder.kind_of(data) != "heif":  # which has no second decoder
        assert second_decoder.decode(data).frames[0].shape[1::-1] == size


@pytest.mark.parametrize(("make", "size"), SOURCES.values(), ids=SOURCES)
def test_a_kept_orientation_leaves_the_size_as_it_is_stored(tmp_path, make, size):
    data = make()
    (tmp_path / "source").write_bytes(data)
    kept = decoded(data, options=DecodeOptions(orientation="keep")).frames[0].size
    assert kept in (size, size[::-1])
    assert stored_size(tmp_path / "source", upright=False) == kept


#: Every source as a PNG, and every format of outputs.
OUTPUTS = [(name, "png") for name in SOURCES] + [
    ("jpeg-turned", format) for format in ("jpeg", "webp", "avif", "tiff")
]


@pytest.mark.parametrize("orientation", ["apply", "keep"])
@pytest.mark.parametrize(("name", "format"), OUTPUTS)
def test_only_an_output_of_another_size_is_at_fault(tmp_path, name, format, orientation):
    inspect_and_replace(tmp_path, name, format, orientation)


def inspect_and_replace(tmp_path, name, format, orientation):
    """Inspect an output, and one of another size in its place."""
    make, size = SOURCES[name]
    (tmp_path / "source").write_bytes(make())
    settings = {"steps": [{"flip": {}}], "output": {"format": format}, "orientation": orientation}
    parsed = recipe_parser.parse(settings)
    outcome = Renderer(str(tmp_path), str(tmp_path), parsed).render(Job("source", ("out",)))
    assert outcome.status == "ok", outcome.message
    inspector = Inspector(str(tmp_path), str(tmp_path), settings, 30.0)
    task = Task("out", "source", "", outcome.files[0].sha256, False)
    finding = inspector.inspect(task)
    assert finding.sized
    assert [name for name, _ in finding.faults if name == "size"] == []
    Image.new("RGB", (size[0] + 1, size[1])).save(tmp_path / "out", format)
    assert [name for name, _ in inspector.inspect(task).faults if name == "size"] == ["size"]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["avif", "webp", "png"])
def test_an_animation_that_keeps_its_orientation_is_right(tmp_path, picture, format, orientation):
    """An AVIF sequence is turned where the others note the tag."""
    block = exif_block(main=[(0x0112, "short", orientation)])
    frames = [picture(number, WIDE) for number in (1, 2)]
    frames[0].save(
        tmp_path / "source", "PNG", save_all=True, append_images=frames[1:], duration=100,
        exif=block,
    )  # fmt: skip
    settings = {"steps": [{"flip": {}}], "output": {"format": format, "quality": 95}}
    settings |= {"orientation": "keep", "animation": "all"}
    if format == "png":
        del settings["output"]["quality"]
    parsed = recipe_parser.parse(settings)
    outcome = Renderer(str(tmp_path), str(tmp_path), parsed).render(Job("source", ("out",)))
    assert outcome.status == "ok", outcome.message
    inspector = Inspector(str(tmp_path), str(tmp_path), settings, 30.0)
    finding = inspector.inspect(Task("out", "source", "", outcome.files[0].sha256, True))
    assert (finding.sized, finding.faults) == (True, ())


def test_the_size_of_a_jpeg_is_read_from_its_head_and_others_from_the_whole_file():
    data = saved(flat(), "JPEG")
    place = data.index(b"\xff\xda")
    assert not tells_size(data[:place])
    assert tells_size(data[: place + 4])
    assert not tells_size(saved(flat(), "PNG"))


@pytest.mark.parametrize("format", ["gif", "bmp"])
def test_outputs_that_hold_no_orientation_have_the_size_of_the_picture(tmp_path, format):
    inspect_and_replace(tmp_path, "jpeg-turned", format, "apply")


# Without its track, a sequence is the still picture that precedes it, which has no aperture.
@pytest.mark.parametrize("name", [name for name in SOURCES if name != "avif-sequence-cropped"])
def test_a_truncated_file_gives_no_size_or_the_right_one(tmp_path, name):
    make, size = SOURCES[name]
    data = make()
    for cut in range(0, min(len(data), 400), 7):
        (tmp_path / "source").write_bytes(data[:cut])
        assert stored_size(tmp_path / "source") in (None, size, size[::-1])


@pytest.mark.parametrize(
    ("values", "box"),
    [
        ((32, 1, 20, 1, -8, 1, -10, 1), (8, 4, 40, 24)),
        ((31, 2, 20, 1, 0, 1, 0, 1), (24, 14, 40, 34)),
        ((63, 1, 48, 1, 0, 1, 0, 1), (1, 0, 64, 48)),
        ((64, 1, 48, 1, 0, 1, 0, 1), (0, 0, 64, 48)),
        ((32, 0, 20, 1, 0, 1, 0, 1), (0, 0, 64, 48)),
        ((32, 1, 20, 1, 40, 1, 0, 1), (0, 0, 64, 48)),
        ((0, 1, 20, 1, 0, 1, 0, 1), (0, 0, 64, 48)),
    ],
    ids=["inside", "between-pixels", "odd", "whole", "divided-by-zero", "outside", "empty"],
)
def test_the_clean_aperture_is_rounded_to_pixels(values, box):
    assert clean_aperture((64, 48), struct.pack(">IIIIiIiI", *values)) == box
