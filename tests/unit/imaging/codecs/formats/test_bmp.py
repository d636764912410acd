"""BMP: the headers of Windows and OS/2 tell the size of the picture."""

import struct

from tests.helpers.imaging import claimed_size


def test_a_bitmap_may_be_stored_from_the_top(picture, encoded):
    image = picture(1)
    data = bytearray(encoded(image, "BMP"))
    data[22:26] = struct.pack("<i", -image.height)
    assert claimed_size(bytes(data)) == image.size


def test_a_bitmap_of_os2_has_short_sides():
    assert claimed_size(b"BM" + bytes(12) + struct.pack("<IHHHH", 12, 24, 20, 1, 24)) == (24, 20)
