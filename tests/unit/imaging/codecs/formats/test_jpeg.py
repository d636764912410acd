"""JPEG: the header tells the size, whatever precedes it."""

from PIL import Image

from pixelmill.imaging.codecs.formats import FORMATS
from tests.helpers.imaging import claimed_size


def test_the_size_of_a_jpeg_is_found_after_its_profile_and_thumbnail(picture, encoded):
    image = picture(1)
    exif = Image.Exif()
    exif[0x010E] = "a long description " * 1000
    data = encoded(image, "JPEG", exif=exif, icc_profile=bytes(200_000), progressive=True)
    assert claimed_size(data) == image.size


def test_the_tables_of_a_jpeg_may_precede_its_frame(picture, encoded):
    image = picture(1)
    data = encoded(image, "JPEG")
    frame, table = data.index(b"\xff\xc0"), data.index(b"\xff\xc4")
    end = table + 2 + int.from_bytes(data[table + 2 : table + 4], "big")
    assert claimed_size(data[:frame] + data[table:end] + data[frame:]) == image.size


def test_a_jpeg_of_empty_segments_comes_to_an_end():
    assert claimed_size(b"\xff\xd8" + b"\xff\xe0\x00\x02" * 100_000) == (0, 0)
    assert claimed_size(b"\xff\xd8" + b"\xff\xe0\x00\x00" * 100) == (0, 0)


def test_a_jpeg_may_pad_its_markers(picture, encoded):
    image = picture(1)
    # ITU-T T.81, B.1.1.2: any marker may be preceded by any number of bytes 0xFF.
    data = encoded(image, "JPEG")
    frame = data.index(b"\xff\xc0")
    assert claimed_size(data[:frame] + b"\xff\xff\xff" + data[frame:]) == image.size


def test_a_rare_process_explains_what_libraries_do_not_know(picture, encoded):
    """Not that the file is too large, or cut off."""
    data = encoded(picture(1), "JPEG").replace(b"\xff\xc0", b"\xff\xc3", 1)
    for reason in ("corrupt", "unsupported"):
        told, message = FORMATS["jpeg"].explained(data, reason, "no")
        assert told == "unsupported" and message.endswith(": no") and "lossless" in message
    for reason in ("truncated", "too_large"):
        assert FORMATS["jpeg"].explained(data, reason, "no") == (reason, "no")
    common = encoded(picture(1), "JPEG")
    assert FORMATS["jpeg"].explained(common, "corrupt", "no") == ("corrupt", "no")
