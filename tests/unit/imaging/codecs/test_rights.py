"""Tags that are kept keep their bytes and types in every output format."""

import json
import shutil
import struct
import subprocess
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from pixelmill.core.jobs import Job
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.codecs import ifd
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.decoding import decode
from pixelmill.imaging.renderer import Renderer
from tests.helpers.imaging import ADOBE_RGB, chunk, icc_profile, png
from tests.helpers.tags import block_in, fields_of, raw_block, with_block

EXIFTOOL = shutil.which("exiftool")

SOURCES = ("jpeg", "png", "webp", "tiff", "avif", "heif")
OUTPUTS = ("jpeg", "png", "webp", "tiff", "avif")
SIZE = (32, 24)

DESCRIPTION, ARTIST, COPYRIGHT = 0x010E, 0x013B, 0x8298

#: Texts as programs write them, whatever EXIF says of ASCII; and a type of EXIF 3.0 for UTF-8.
TEXTS = {
    "utf-8": (2, "© Müller, Größe 山".encode() + b"\0"),
    "latin-1": (2, "© Müller, Größe".encode("latin-1") + b"\0"),
    "shift-jis": (2, "山田 太郎".encode("shift_jis") + b"\0"),
    "without-nul": (2, "© Müller".encode()),
    "two-parts": (2, "Müller\0Žižek\0".encode()),
    "short": (2, "©\0".encode()),
    "type-utf-8": (129, "© Müller".encode() + b"\0"),
    "bytes": (1, "© Müller".encode()),
}


def numbers(order, form, *values):
    return struct.pack(f"{order}{form}", *values)


def camera_fields(order):
    """Tags of a camera of every type, with values whose bytes differ in either order."""
    return [
        (0x829A, 5, numbers(order, "2I", 1, 200)), (0x8827, 3, numbers(order, "2H", 100, 400)),
        (0x8831, 4, numbers(order, "I", 100)), (0x9000, 7, b"0232"),
        (0x9003, 2, b"2026:01:31 12:00:00\0"), (0x9101, 7, b"\1\2\3\0"),
        (0x9204, 10, numbers(order, "2i", -1, 3)), (0x9286, 7, b"ASCII\0\0\0M\xc3\xbcller"),
        (0xA000, 7, b"0100"), (0xA001, 3, numbers(order, "H", 1)),
        (0xA002, 4, numbers(order, "I", 6000)), (0xA003, 3, numbers(order, "H", 4000)),
        (0xA300, 7, b"\3"), (0xA430, 2, "Müller\0".encode()),
        (0xA432, 5, numbers(order, "8I", 24, 1, 70, 1, 28, 10, 28, 10)),
        (0xFDE8, 6, b"\xff"), (0xFDE9, 8, numbers(order, "3h", -1, 2, -3)),
        (0xFDEA, 9, numbers(order, "i", -5)), (0xFDEB, 11, numbers(order, "f", 1.5)),
        (0xFDEC, 12, numbers(order, "2d", 1.5, -2.5)), (0xFDED, 1, b"\1\2\3"),
    ]  # fmt: skip


def gps_fields(order):
    return [
        (0, 1, b"\2\3\0\0"), (1, 2, b"N\0"), (2, 5, numbers(order, "6I", 48, 1, 8, 1, 5, 10)),
        (5, 1, b"\0"), (6, 5, numbers(order, "2I", 519, 1)), (0x1B, 7, b"ASCII\0\0\0GPS"),
    ]  # fmt: skip


def main_fields(order, text):
    kind, value = text
    return [
        (DESCRIPTION, kind, value), (0x010F, 2, b"Maker\0"), (0x0110, 2, b"Model\0"),
        (0x011A, 5, numbers(order, "2I", 300, 1)), (0x011B, 5, numbers(order, "2I", 300, 1)),
        (0x0128, 3, numbers(order, "H", 2)), (ARTIST, kind, value),
        (0x0213, 3, numbers(order, "H", 1)), (0x4746, 3, numbers(order, "H", 5)),
        (COPYRIGHT, kind, value), (0x9C9D, 1, "Müller\0".encode("utf-16-le")),
    ]  # fmt: skip


@pytest.fixture
def render(tmp_path):
    """Function that renders a file with a recipe, and returns the bytes of the output."""

    def render_one(data, **settings):
        (tmp_path / "source").write_bytes(data)
        settings.setdefault("steps", [{"resize": {"width": 16, "height": 12}}])
        parsed = recipe_parser.parse(settings)
        outcome = Renderer(str(tmp_path), str(tmp_path), parsed).render(Job("source", ("out",)))
        assert outcome.status == "ok", outcome.message
        return (tmp_path / "out").read_bytes()

    return render_one


@pytest.fixture(scope="module")
def source(picture):
    """Function that makes a source in a format with an EXIF block."""
    return lambda format, block: with_block(block, format, picture(1, SIZE))


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("format", SOURCES)
def test_rights_keep_their_bytes(source, render, format, order, text):
    data = source(format, raw_block(main_fields(order, text), order=order))
    for output in OUTPUTS:
        _, main, camera, gps = fields_of(block_in(render(data, output={"format": output})))
        assert (main[ARTIST], main[COPYRIGHT]) == (text, text), output
        assert DESCRIPTION not in main and (camera, gps) == ({}, {})
        _, main, *_ = fields_of(block_in(render(data, output={"format": output}, metadata="keep")))
        assert {main[tag] for tag in (ARTIST, COPYRIGHT, DESCRIPTION)} == {text}, output


#: Size and colours are those of the output; no TIFF has the other two.
OF_OUTPUT = {0xA001, 0xA002, 0xA003}
NOT_IN_TIFF = {0x9101, 0xA002, 0xA003}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("format", SOURCES)
def test_kept_tags_keep_their_types_and_values(source, render, format, order):
    fields = main_fields(order, TEXTS["latin-1"]), camera_fields(order), gps_fields(order)
    data = source(format, raw_block(*fields, order=order))
    for output in OUTPUTS:
        made = render(data, output={"format": output}, metadata="keep")
        found_order, main, camera, gps = fields_of(block_in(made))
        assert found_order == (order if output != "tiff" else "<")
        expected = camera_fields(found_order)
        left_out = OF_OUTPUT | (NOT_IN_TIFF if output == "tiff" else set())
        assert {tag: f for tag, f in camera.items() if tag not in left_out} == {
            tag: (kind, value) for tag, kind, value in expected if tag not in left_out
        }, output
        assert gps == {tag: (kind, value) for tag, kind, value in gps_fields(found_order)}, output
        assert main[0x4746] == (3, numbers(found_order, "H", 5))
        assert main[0x9C9D] == (1, "Müller\0".encode("utf-16-le"))
        assert camera[0xA001] == (3, numbers(found_order, "H", 1))
        if output == "jpeg":
            assert camera[0xA002] == (4, numbers(found_order, "I", 16))
            assert camera[0xA003] == (4, numbers(found_order, "I", 12))


@pytest.mark.parametrize("backend", ["pillow", "opencv"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bit_tiffs_have_the_same_tags(source, render, order, backend):
    text = TEXTS["utf-8"]
    deep = np.arange(32 * 24, dtype=np.uint16).reshape(24, 32) * 80
    fields = main_fields(order, text), camera_fields(order), gps_fields(order)
    data = deep_png(deep, raw_block(*fields, order=order))
    for output in ("png", "tiff"):
        settings = {"output": {"format": output}, "depth": "keep", "backend": backend, "steps": []}
        _, main, camera, gps = fields_of(block_in(render(data, **settings)))
        assert (main[ARTIST], main[COPYRIGHT], camera, gps) == (text, text, {}, {})
        made = render(data, **settings, metadata="keep")
        found_order, main, camera, gps = fields_of(block_in(made))
        assert camera[0x9204] == (10, numbers(found_order, "2i", -1, 3))
        assert gps[2] == (5, numbers(found_order, "6I", 48, 1, 8, 1, 5, 10))
        assert np.array_equal(decode(made, options=DecodeOptions(depth="keep")).frames[0], deep)


def deep_png(levels, block):
    rows = [row.astype(">u2").tobytes() for row in levels]
    return png(levels.shape[1], levels.shape[0], 16, 0, rows, extra=chunk(b"eXIf", block))


def test_a_comment_in_utf_16_keeps_the_byte_order_of_its_block(source, render):
    comment = (0x9286, 7, b"UNICODE\0" + "Größe 山".encode("utf-16-be"))
    data = source("jpeg", raw_block([], [comment], order=">"))
    _, _, camera, _ = fields_of(block_in(render(data, metadata="keep")))
    assert camera[0x9286][1] == b"UNICODE\0" + "Größe 山".encode("utf-16-be")
    made = render(data, metadata="keep", output={"format": "tiff"})
    _, _, camera, _ = fields_of(block_in(made))
    assert camera[0x9286][1] == b"UNICODE\0" + "Größe 山".encode("utf-16-le")


def test_what_holds_numbers_in_a_form_of_its_own_is_left_out_of_the_other_byte_order(
    source, render
):
    pattern = (0xA302, 7, struct.pack(">2H4B", 2, 2, 0, 1, 1, 2))
    data = source("jpeg", raw_block([], [pattern], order=">"))
    _, _, camera, _ = fields_of(block_in(render(data, metadata="keep")))
    assert camera[0xA302] == pattern[1:]
    made = render(data, metadata="keep", output={"format": "tiff"})
    assert 0xA302 not in fields_of(block_in(made))[2]


@pytest.mark.parametrize("profile", ["srgb", "keep"])
def test_the_colour_space_is_that_of_the_output(source, render, encoded, picture, profile):
    block = raw_block([], [(0xA001, 3, struct.pack("<H", 0xFFFF))])
    data = encoded(
        picture(1, SIZE), "JPEG", exif=b"Exif\0\0" + block, icc_profile=icc_profile(ADOBE_RGB, 2.2)
    )
    for output in OUTPUTS:
        made = render(data, metadata="keep", color=profile, output={"format": output})
        _, _, camera, _ = fields_of(block_in(made))
        stated = 1 if profile == "srgb" else 0xFFFF
        assert camera[0xA001] == (3, struct.pack("<H", stated)), output


@pytest.mark.parametrize("text", [b"\0", b"   \0", b"\0\0\0\0\0\0"])
def test_rights_that_say_nothing_are_left_out(source, render, text):
    block = raw_block([(ARTIST, 2, text), (COPYRIGHT, 2, text)])
    assert b"Exif" not in render(source("jpeg", block))


def test_rights_that_are_not_texts_are_dropped(source, render):
    block = raw_block([(COPYRIGHT, 5, struct.pack("<4I", 48, 1, 8, 1))])
    assert b"Exif" not in render(source("jpeg", block))


def test_with_too_many_tags_a_jpeg_keeps_the_rights_and_a_png_keeps_all(source, render):
    rights = TEXTS["utf-8"]
    comment = (0x9286, 7, b"ASCII\0\0\0" + bytes(70_000))
    data = source("png", raw_block([(ARTIST, *rights), (0x010F, 2, b"Maker\0")], [comment]))
    _, main, camera, _ = fields_of(block_in(render(data, metadata="keep")))
    assert (main[ARTIST], 0x010F in main, camera) == (rights, False, {})
    made = render(data, metadata="keep", output={"format": "png"})
    _, main, camera, _ = fields_of(block_in(made))
    assert (main[ARTIST], 0x010F in main, camera[0x9286]) == (rights, True, comment[1:])


def test_a_jpeg_has_all_tags_up_to_the_last_byte_that_its_segment_holds(source, render):
    """A segment has 65,533 bytes behind its length, six of which say that it is EXIF."""

    def block_of(size):
        comment = (0x9286, 7, b"ASCII\0\0\0".ljust(size, b"x"))
        return block_in(render(source("png", raw_block([], [comment])), metadata="keep"))

    other = len(block_of(65_000)) - 65_000  # bytes of all else
    for whole in range(65_520, 65_540, 2):  # values have even places
        made = len(block_of(whole - other))
        assert made == whole if whole <= 65_533 - 6 else made < 1000


def test_rights_that_are_too_long_for_a_jpeg_do_not_fail_the_image(source, render):
    data = source("png", raw_block([(ARTIST, 2, b"x" * 70_000)]))
    assert b"x" * 100 not in render(data)
    assert b"x" * 70_000 in render(data, output={"format": "png"})


@pytest.mark.parametrize(
    ("main", "camera"),
    [
        pytest.param([(ARTIST, 2, b"Ann\0")], [(0x9286, 7, bytes(70_000))], id="camera"),
        pytest.param([(ARTIST, 2, b"x" * 70_000)], [], id="rights"),
    ],
)
def test_a_kept_orientation_outlasts_tags_that_are_too_long_for_a_jpeg(
    source, render, main, camera
):
    """Without the orientation, the picture would lie on its side."""
    data = source("png", raw_block([(0x0112, 3, struct.pack("<H", 6)), *main], camera))
    for metadata in ("strip", "keep"):
        made = render(data, orientation="keep", metadata=metadata)
        _, found, _, _ = fields_of(block_in(made))
        assert found[0x0112] == (3, struct.pack("<H", 6)), metadata


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_kept_orientation_stands_beside_rights_of_any_bytes(source, render, orientation):
    text = TEXTS["latin-1"]
    fields = [(0x0112, 3, struct.pack("<H", orientation)), (ARTIST, *text)]
    data = source("jpeg", raw_block(fields))
    for output in OUTPUTS:
        made = render(data, orientation="keep", output={"format": output})
        _, main, _, _ = fields_of(block_in(made))
        assert main[ARTIST] == text, output
        if output != "avif":
            assert main.get(0x0112, (3, b"\1\0")) == (3, struct.pack("<H", orientation))


def test_rights_of_an_avif_with_an_orientation_keep_their_bytes(encoded, picture, render):
    """Pillow writes the tags of such a file anew as it reads them."""
    text = TEXTS["latin-1"]
    block = raw_block([(0x0112, 3, struct.pack("<H", 6)), (ARTIST, *text)])
    made = render(
        with_block(block, "jpeg", picture(1, SIZE)),
        orientation="keep", output={"format": "avif"}, steps=[],
    )  # fmt: skip
    assert b"irot" in made
    upright = decode(made)
    assert upright.frames[0].size == SIZE[::-1]
    _, main, _, _ = fields_of(block_in(render(made)))
    assert main[ARTIST] == text


def hexed(block, picture):
    """A PNG with its tags in a text, as ImageMagick wrote them before there was eXIf."""
    whole = b"Exif\0\0" + block
    text = b"\nexif\n%8d\n%b\n" % (len(whole), whole.hex().encode())
    data = with_block(b"", "png", picture)
    extra = chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text))
    return data[:33] + extra + data[33 + 12 :]


def late(block, picture):
    data = with_block(b"", "png", picture)
    return data[:33] + data[33 + 12 : -12] + chunk(b"eXIf", block) + data[-12:]


def prefixed(block, picture):
    return with_block(b"Exif\0\0" + block, "png", picture)


def webp_without_prefix(block, picture):
    data = with_block(block, "webp", picture)
    place = data.index(b"EXIF")
    end = place + 8 + int.from_bytes(data[place + 4 : place + 8], "little")
    bare = block + bytes(len(block) % 2)
    part = b"EXIF" + struct.pack("<I", len(block)) + bare
    body = data[8:place] + part + data[end + end % 2 :]
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("make", [hexed, late, prefixed, webp_without_prefix])
@pytest.mark.parametrize("order", ["<", ">"])
def test_rights_in_unusual_places_keep_their_bytes(picture, render, make, order):
    text = TEXTS["latin-1"]
    data = make(raw_block([(ARTIST, *text)], order=order), picture(1, SIZE))
    assert fields_of(block_in(render(data)))[1][ARTIST] == text


@pytest.mark.parametrize("make", [hexed, late, prefixed, webp_without_prefix])
@pytest.mark.parametrize("backend", ["pillow", "opencv"])
def test_an_orientation_in_an_unusual_place_is_applied(picture, render, make, backend):
    data = make(raw_block([(0x0112, 3, struct.pack("<H", 6))]), picture(1, SIZE))
    made = render(data, backend=backend, steps=[], output={"format": "png"})
    assert decode(made).frames[0].size == SIZE[::-1]


@pytest.mark.parametrize("compression", ["none", "lzw", "deflate"])
@pytest.mark.parametrize("steps", [[], ["grayscale"]])
def test_other_programs_read_a_tiff_that_was_given_tags(source, render, compression, steps):
    data = source("jpeg", raw_block(main_fields(">", TEXTS["utf-8"]), order=">"))
    output = {"format": "tiff", "compression": compression}
    made = render(data, steps=steps, metadata="keep", output=output)
    plain = render(data, steps=steps, metadata="none", output=output)
    levels = [cv2.imdecode(np.frombuffer(d, np.uint8), cv2.IMREAD_UNCHANGED) for d in (made, plain)]
    assert np.array_equal(*levels)
    assert fields_of(made)[1][ARTIST] == TEXTS["utf-8"]


BIG = struct.Struct("<HHQ")


def test_tags_of_a_bigtiff_are_read(picture, render):
    text = TEXTS["utf-8"]
    pixels = picture(1, SIZE).tobytes()
    fields = [
        (0x100, 4, 1, struct.pack("<I", SIZE[0])), (0x101, 4, 1, struct.pack("<I", SIZE[1])),
        (0x102, 3, 3, struct.pack("<3H", 8, 8, 8)), (0x103, 3, 1, struct.pack("<H", 1)),
        (0x106, 3, 1, struct.pack("<H", 2)), (0x111, 16, 1, struct.pack("<Q", 16)),
        (0x115, 3, 1, struct.pack("<H", 3)), (0x117, 16, 1, struct.pack("<Q", len(pixels))),
        (ARTIST, 2, len(text[1]), text[1]),
    ]  # fmt: skip
    begin = 16 + len(pixels)
    place = begin + 8 + 20 * len(fields) + 8
    entries, values = struct.pack("<Q", len(fields)), b""
    for tag, kind, count, value in fields:
        inside = value.ljust(8, b"\0")
        if len(value) > 8:
            inside = struct.pack("<Q", place + len(values))
            values += value
        entries += BIG.pack(tag, kind, count) + inside
    data = struct.pack("<2sHHHQ", b"II", 43, 8, 0, begin) + pixels + entries + bytes(8) + values
    _, main, _, _ = fields_of(block_in(render(data)))
    assert main[ARTIST] == text


def test_overlapping_values_do_not_fill_the_memory():
    entry = struct.pack("<HHII", 0x9286, 7, 60_000, 8)
    count = 5_000
    entries = b"".join(struct.pack("<H", 0x8000 + number) + entry[2:] for number in range(count))
    block = b"II*\0\x08\0\0\0" + struct.pack("<H", count) + entries + bytes(4)
    with pytest.raises(ValueError, match="overlap"):
        ifd.read(block)


@pytest.mark.parametrize("cut", range(0, 120, 7))
def test_truncated_tags_do_not_fail_the_image(source, render, cut):
    block = raw_block(main_fields("<", TEXTS["utf-8"]), camera_fields("<"), gps_fields("<"))
    for format in ("jpeg", "png"):
        for policy in ("strip", "keep"):
            assert render(source(format, block[:cut]), metadata=policy)


def test_a_file_that_gets_tags_keeps_its_pixels_and_structure(source, picture):
    data = source("tiff", raw_block([(ARTIST, *TEXTS["utf-8"])]))
    tail, head = ifd.extension(data, ifd.Tags(">", {0x010F: ifd.Field(2, b"Maker\0")}))
    whole = head + data[len(head) :] + tail
    _, before, *_ = fields_of(data)
    _, after, *_ = fields_of(whole)
    assert after == {**before, 0x010F: (2, b"Maker\0")}
    assert decode(whole).frames[0].tobytes() == picture(1, SIZE).tobytes()


@pytest.mark.parametrize("metadata", ["none", "strip", "keep"])
def test_a_tiff_has_the_required_resolution_and_not_that_of_its_source(source, render, metadata):
    data = source("jpeg", raw_block(main_fields("<", TEXTS["utf-8"])))
    _, main, *_ = fields_of(render(data, metadata=metadata, output={"format": "tiff"}))
    for tag in (0x011A, 0x011B):
        assert main[tag][0] == 5
        assert np.divide(*struct.unpack("<2I", main[tag][1])) == 72
    assert main[0x0128] == (3, struct.pack("<H", 2))


#: The place of a picture, with and without what EXIF 2.32 requires beside it (4.6.7): the version
#: of the directory, and in a TIFF also how the place was found.
GPS_VERSION, GPS_METHOD = 0x0000, 0x001B
PLACES = {"complete": (), "without-version": (0,), "without-method": (0x1B,), "bare": (0, 0x1B)}


def place_without(missing, order):
    return [field for field in gps_fields(order) if field[0] not in missing]


@pytest.mark.parametrize("missing", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("format", SOURCES)
def test_a_location_has_the_tags_that_the_format_requires(source, render, format, order, missing):
    data = source(format, raw_block([], [], place_without(missing, order), order=order))
    for output in OUTPUTS:
        made = render(data, metadata="keep", output={"format": output})
        found_order, _, _, gps = fields_of(block_in(made))
        expected = {tag: (kind, v) for tag, kind, v in place_without(missing, found_order)}
        if output in ("jpeg", "tiff"):
            expected[GPS_VERSION] = (1, b"\2\3\0\0")
        if output == "tiff":
            expected[GPS_METHOD] = (7, b"ASCII\0\0\0GPS")
        assert gps == expected, output


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_picture_without_a_place_gets_none(source, render, output):
    data = source("jpeg", raw_block([], camera_fields("<")))
    made = render(data, metadata="keep", output={"format": output})
    assert fields_of(block_in(made))[3] == {}


def warnings_in(folder, files):
    """The warnings of exiftool about the metadata of files, by file name."""
    for name, data in files.items():
        # Of a pipe, exiftool takes offsets to the end for wrong, and names for types of files.
        (folder / f"{name}.file").write_bytes(data)
    paths = [f"{name}.file" for name in files]
    command = [EXIFTOOL, "-validate", "-warning", "-error", "-a", "-G4", "-j", *paths]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    found = {each["SourceFile"].removesuffix(".file"): each for each in json.loads(done.stdout)}
    return {name: {str(text) for key, text in found[name].items()
                   if "Warning" in key or "Error" in key} for name in files}  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(EXIFTOOL is None, reason="exiftool is not installed")
@pytest.mark.parametrize("text", ["utf-8", "latin-1"])
@pytest.mark.parametrize("missing", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("policy", ["strip", "keep"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("format", SOURCES)
def test_exiftool_reports_no_additional_warnings(
    tmp_path, source, render, encoded, format, order, policy, missing, text
):
    camera = [field for field in camera_fields(order) if field[0] < 0xFDE8]
    camera.append((0x927C, 7, b"Maker\0\0\0" + bytes(range(64))))
    main = [field for field in main_fields(order, TEXTS[text]) if field[0] != 0x9C9D]
    interop = [(1, 2, b"R98\0"), (2, 7, b"0100")]
    thumbnail = encoded(Image.new("RGB", (16, 12), "red"), "JPEG")
    block = raw_block(main, camera, place_without(missing, order), order, interop, thumbnail)
    files = {"before": source(format, block)}
    for output in OUTPUTS:
        files[output] = render(files["before"], output={"format": output}, metadata=policy)
    found = warnings_in(tmp_path, files)
    more = {name: texts - found["before"] for name, texts in found.items()}
    assert not any(more.values()), more
