"""Image files that state when they were taken."""

from PIL import Image

from tests.helpers.tags import raw_block, with_block

#: Formats that can hold EXIF.
FORMATS = ("jpeg", "png", "webp", "avif", "tiff", "heif")

#: Tags of the directory of the camera, and of the main one, and the type of texts.
ORIGINAL, CHANGED, ASCII = 0x9003, 0x0132, 2


def block(text, order="<"):
    """An EXIF block whose DateTimeOriginal has some text, and DateTime another date."""
    changed = (CHANGED, ASCII, b"1999:01:02 03:04:05\0")
    return raw_block([changed], [(ORIGINAL, ASCII, text.encode() + b"\0")], order=order)


def dated(text, kind="jpeg", order="<", picture=None):
    """A file of a format whose DateTimeOriginal has some text."""
    return with_block(block(text, order), kind, picture or Image.new("RGB", (24, 16), "teal"))
