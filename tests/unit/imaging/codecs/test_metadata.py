"""Outputs name the author of a picture, and nothing private unless the recipe keeps it."""

import io
import json
import math
import shutil
import subprocess

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from pixelmill.core.jobs import Job
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.codecs import ifd, metadata
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.decoding import decode
from pixelmill.imaging.renderer import Renderer
from tests.helpers.imaging import chunk, exif_block, opened, psnr

# Pillow warns of what is broken; what matters is the outcome.
pytestmark = pytest.mark.filterwarnings("ignore")

EXIFTOOL = shutil.which("exiftool")

RESIZE = {"resize": {"width": 40, "height": 30}}

#: Formats that hold EXIF; TIFF has it as tags of its own.
HOLDING = ("jpeg", "png", "webp", "avif", "tiff")


@pytest.fixture(scope="session")
def camera_exif(encoded):
    """The EXIF of a phone: artist, camera, settings, location and a thumbnail."""
    return exif_block(
        main=[
            (0x010E, "ascii", "a garden"), (0x010F, "ascii", "Maker"), (0x0110, "ascii", "Model"),
            (0x0112, "short", 6), (0x0132, "ascii", "2026:01:31 12:00:00"),
            (0x013B, "ascii", "A. Photographer"), (0x8298, "ascii", "(c) A. Photographer"),
        ],
        camera=[
            (0x829A, "rational", [(1, 200)]), (0x8827, "short", 400),
            (0x9003, "ascii", "2026:01:31 12:00:00"), (0xA002, "long", 80), (0xA003, "long", 60),
            (0xA431, "ascii", "serial 12345"),
        ],
        gps=[
            (1, "ascii", "N"), (2, "rational", [(48, 1), (8, 1), (0, 1)]),
            (3, "ascii", "E"), (4, "rational", [(11, 1), (34, 1), (0, 1)]),
        ],
        thumbnail=encoded(Image.new("RGB", (16, 12), "red"), "JPEG"),
    )  # fmt: skip


@pytest.fixture
def make(tmp_path, photo, encoded, camera_exif):
    """Function that renders a photo with EXIF, and returns the bytes of the output."""

    def make_one(exif=camera_exif, **data):
        notes = {"exif": exif, "comment": b"at home", "dpi": (300, 300)}
        (tmp_path / "a.jpg").write_bytes(encoded(photo(80, 60), "JPEG", quality=95, **notes))
        parsed = recipe_parser.parse({"steps": [RESIZE], **data})
        outcome = Renderer(str(tmp_path), str(tmp_path), parsed).render(Job("a.jpg", ("out",)))
        assert outcome.status == "ok", outcome.message
        return (tmp_path / "out").read_bytes()

    return make_one


def tags_of(data):
    """Tags in an output, by name; a thumbnail is a tag of its own."""
    # A TIFF takes its orientation away as it is loaded.
    with Image.open(io.BytesIO(data)) as image:
        exif = image.getexif()
        tags = {ExifTags.TAGS.get(tag, tag): value for tag, value in exif.items()}
        for ifd, names in (
            (ExifTags.IFD.Exif, ExifTags.TAGS),
            (ExifTags.IFD.GPSInfo, ExifTags.GPSTAGS),
        ):
            tags.update({names.get(tag, tag): v for tag, v in exif.get_ifd(ifd).items()})
            tags.pop(ExifTags.TAGS[ifd], None)
        if exif.get_ifd(ExifTags.IFD.IFD1):
            tags["ThumbnailOffset"] = 0
        tags.update({"Comment": image.info["comment"]} if "comment" in image.info else {})
    return {key: value for key, value in tags.items() if key not in STRUCTURE}


def tags_by_exiftool(data):
    """The tags of an output according to exiftool."""
    command = [EXIFTOOL, "-j", "-n", "-G1", "-a", "-u", "-"]
    done = subprocess.run(command, input=data, capture_output=True, check=True)
    (found,) = json.loads(done.stdout)
    groups = ("IFD0", "IFD1", "ExifIFD", "GPS", "XMP", "IPTC", "Photoshop")
    tags = {key.partition(":")[2]: value for key, value in found.items()
            if key.startswith(groups)}  # fmt: skip
    if "File:Comment" in found:
        tags["Comment"] = found["File:Comment"]
    return {key: value for key, value in tags.items() if key not in STRUCTURE}


#: Tags that describe only how the output is stored, or that EXIF requires.
STRUCTURE = {
    "XResolution", "YResolution", "ResolutionUnit", "ColorSpace", "FlashPixVersion",
    "ImageWidth", "ImageHeight", "ImageLength", "BitsPerSample", "Compression",
    "PhotometricInterpretation", "StripOffsets", "SamplesPerPixel", "RowsPerStrip",
    "StripByteCounts", "PlanarConfiguration", "ExifVersion", "YCbCrPositioning", "Predictor",
    "ComponentsConfiguration", "FlashpixVersion", "GPSVersionID",
}  # fmt: skip

RIGHTS = {"Artist": "A. Photographer", "Copyright": "(c) A. Photographer"}


def test_the_source_has_what_is_to_be_stripped(photo, encoded, camera_exif):
    """Otherwise, the following tests would prove nothing."""
    tags = tags_of(encoded(photo(80, 60), "JPEG", exif=camera_exif, comment=b"at home"))
    assert {"Make", "Orientation", "ISOSpeedRatings", "Comment"} <= tags.keys()
    assert {"GPSLatitude", "ThumbnailOffset"} <= tags.keys()


@pytest.mark.slow
@pytest.mark.skipif(EXIFTOOL is None, reason="exiftool is not installed")
@pytest.mark.parametrize("policy", ["strip", "keep", "none"])
@pytest.mark.parametrize("format", HOLDING)
def test_exiftool_finds_the_same_tags(make, format, policy):
    data = make(output={"format": format}, metadata=policy)
    renamed = {"ISOSpeedRatings": "ISO", "DateTime": "ModifyDate", "CameraOwnerName": "OwnerName",
               "BodySerialNumber": "SerialNumber", "DateTimeDigitized": "CreateDate"}  # fmt: skip
    assert {renamed.get(tag, tag) for tag in tags_of(data)} == tags_by_exiftool(data).keys()


@pytest.mark.parametrize("format", HOLDING)
def test_by_default_only_artist_and_copyright_survive(make, format):
    assert tags_of(make(output={"format": format})) == RIGHTS


@pytest.mark.parametrize("format", HOLDING)
def test_none_keeps_nothing(make, format):
    assert tags_of(make(output={"format": format}, metadata="none")) == {}


@pytest.mark.parametrize("format", HOLDING)
def test_keep_keeps_camera_and_location_but_nothing_stale(make, format):
    tags = tags_of(make(output={"format": format}, metadata="keep"))
    assert tags.items() >= {**RIGHTS, "Make": "Maker", "Model": "Model"}.items()
    assert tags["ImageDescription"] == "a garden"
    assert float(tags["ExposureTime"]) == 1 / 200
    assert tags["DateTimeOriginal"] == "2026:01:31 12:00:00"
    assert "GPSLatitude" in tags
    assert {"Orientation", "ThumbnailOffset", "Comment"}.isdisjoint(tags)
    size = (tags.get("ExifImageWidth"), tags.get("ExifImageHeight"))
    assert size == ((40, 30) if format == "jpeg" else (None, None))


def test_the_location_is_kept_unchanged(make):
    tags = tags_of(make(metadata="keep"))
    assert (tags["GPSLatitudeRef"], tags["GPSLatitude"]) == ("N", (48, 8, 0))
    assert (tags["GPSLongitudeRef"], tags["GPSLongitude"]) == ("E", (11, 34, 0))


@pytest.mark.parametrize("policy", ["strip", "keep", "none"])
def test_no_part_of_the_thumbnail_survives(make, camera_exif, policy):
    thumbnail = camera_exif[-300:]
    assert thumbnail not in make(metadata=policy)
    assert b"\xff\xd8" not in make(metadata=policy)[2:]


@pytest.mark.parametrize("policy", ["strip", "keep", "none"])
@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "gif", "bmp"])
def test_comments_and_resolution_are_dropped(make, format, policy):
    info = opened(make(output={"format": format}, metadata=policy)).info
    assert "comment" not in info
    assert info.get("dpi", (72, 72)) != pytest.approx((300, 300))


def test_other_metadata_is_dropped(tmp_path, photo, encoded):
    """XMP and texts of a PNG may contain a location too."""
    notes = PngInfo()
    notes.add_text("Comment", "at home")
    notes.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta>at home</x:xmpmeta>")
    photo(80, 60).save(tmp_path / "a.png", pnginfo=notes)
    photo(80, 60).save(tmp_path / "a.jpg", xmp=b"<x:xmpmeta>at home</x:xmpmeta>")
    for name in ("a.png", "a.jpg"):
        for format in ("png", "jpeg", "webp", "tiff"):
            parsed = recipe_parser.parse({"metadata": "keep", "output": {"format": format}})
            Renderer(str(tmp_path), str(tmp_path), parsed).render(Job(name, ("out",)))
            assert b"at home" not in (tmp_path / "out").read_bytes(), (name, format)


@pytest.mark.parametrize("policy", ["strip", "keep", "none"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
@pytest.mark.parametrize("format", HOLDING)
def test_a_kept_orientation_is_written_and_changes_no_pixel(
    tmp_path, photo, stored, format, orientation, policy
):
    pixels, exif = stored(photo(64, 48), orientation)
    pixels.save(tmp_path / "a.png", exif=exif)
    parsed = recipe_parser.parse(
        {"orientation": "keep", "metadata": policy, "output": {"format": format, "quality": 95}}
    )
    outcome = Renderer(str(tmp_path), str(tmp_path), parsed).render(Job("a.png", ("out",)))
    assert outcome.status == "ok", outcome.message
    assert outcome.files[0][2:4] == pixels.size
    data = (tmp_path / "out").read_bytes()
    if format != "avif":  # which has a property of its own for this
        assert tags_of(data).get("Orientation", 1) == orientation
    if format not in ("avif", "tiff"):  # OpenCV rotates these itself
        as_stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        assert psnr(as_stored[..., ::-1], pixels) >= LIKE[format]
    # A viewer rotates the output once.
    assert psnr(decode(data).frames[0], photo(64, 48)) >= LIKE[format]


#: Minimum PSNR after a round trip at quality 95, in dB; codecs smooth noise first.
LIKE = {"jpeg": 28, "webp": 28, "avif": 28, "png": math.inf, "tiff": math.inf}


BROKEN = {
    "no-exif": b"Exif\0\0garbage",
    "a-table-beyond-the-end": b"Exif\0\0II*\0\xff\xff\xff\x7f",
    "an-endless-table": b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(40),
    "a-type-of-no-kind": b"Exif\0\0II*\0\x08\0\0\0\x01\0\x0f\x01\xee\0\x04\0\0\0abcd" + bytes(4),
    "a-text-of-numbers": exif_block([(0x8298, "rational", [(1, 0), (0, 0)])]),
    "a-place-of-texts": exif_block([], gps=[(2, "ascii", "north"), (4, "short", 7)]),
}


@pytest.mark.parametrize("policy", ["strip", "keep", "none"])
@pytest.mark.parametrize("exif", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("format", HOLDING)
def test_broken_exif_does_not_fail_the_image(make, format, exif, policy):
    assert opened(make(exif, output={"format": format}, metadata=policy)).size == (40, 30)


def test_broken_tags_do_not_affect_the_orientation(photo, encoded):
    """Otherwise, one unimportant tag would make the picture lie on its side."""
    exif = exif_block([(0x0112, "short", 6), (0x8298, "rational", [(1, 0)])], gps=[(2, "short", 7)])
    data = encoded(photo(80, 60), "JPEG", exif=exif)
    for policy in ("strip", "keep", "none"):
        kept = decode(data, options=DecodeOptions(orientation="keep", metadata=policy)).exif
        found = Image.Exif()
        found.load(kept)
        assert found.get(0x0112) == 6, policy


def test_an_output_without_tags_has_no_exif_at_all(make):
    assert b"Exif" not in make(exif_block([(0x010F, "ascii", "Maker")]))


def test_exif_after_the_pixels_of_a_png_is_read(photo):
    """As some programs write it; PNG allows it there."""
    block = exif_block([(0x8298, "ascii", "(c) me")])[6:]
    file = io.BytesIO()
    photo(8, 6).save(file, "PNG")
    data = file.getvalue()
    late = data[:-12] + chunk(b"eXIf", block) + data[-12:]
    found = Image.Exif()
    found.load(decode(late).exif)
    assert dict(found) == {0x8298: "(c) me"}


def test_a_colour_space_is_stated_only_where_one_was():
    for camera, expected in (
        ({0x9003: ifd.Field(ifd.ASCII, b"2024\0")}, None),
        ({0xA001: ifd.short("<", 1)}, ifd.short("<", 0xFFFF)),
    ):
        block = b"Exif\0\0" + ifd.write(ifd.Tags("<", {}, camera))
        made = metadata.with_color_space(block, srgb=False)
        assert made.camera.get(0xA001) == expected
        assert made.camera.keys() == camera.keys()


def test_a_tiff_has_no_tags_of_compressed_pictures():
    """CompressedBitsPerPixel and ComponentsConfiguration (EXIF 3.0, 4.6.5)."""
    of_compressed = {0x9102: ifd.Field(ifd.RATIONAL, bytes(8)), 0x9101: ifd.Field(7, b"\1\2\3\0")}
    camera = {**of_compressed, 0x9003: ifd.Field(ifd.ASCII, b"2024\0")}
    block = b"Exif\0\0" + ifd.write(ifd.Tags("<", {}, camera))
    assert not of_compressed.keys() & metadata.for_tiff(block, (4, 3), True).camera.keys()
    assert of_compressed.keys() <= metadata.for_jpeg(block, (4, 3), True).camera.keys()
