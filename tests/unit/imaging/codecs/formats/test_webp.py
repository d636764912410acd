"""WebP: the header tells the size, also with alpha or a scale for display."""

from tests.helpers.imaging import claimed_size


def test_the_size_of_a_webp_with_alpha_is_known(picture, encoded):
    image = picture(1)
    image.putalpha(128)
    assert claimed_size(encoded(image, "WEBP")) == image.size


def test_the_size_of_a_webp_is_no_matter_of_how_it_is_to_be_shown(picture, encoded):
    image = picture(1)
    # RFC 6386, 9.1: the upper two bits of each side ask to scale the picture for display.
    data = bytearray(encoded(image, "WEBP"))
    data[27] |= 0x40
    data[29] |= 0x80
    assert claimed_size(bytes(data)) == image.size
