"""ISO media files are recognised by their brands."""

import io

import pytest

from pixelmill.imaging.codecs.formats import FORMATS, dimensions, sniff


@pytest.mark.parametrize(
    ("head", "name"),
    [
        pytest.param(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "heif", id="of-a-phone"),
        pytest.param(b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "heif", id="of-any-image"),
        pytest.param(b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "avif", id="avif-of-any-image"),
        pytest.param(b"\0\0\0\x18ftypmp42\0\0\0\0mp41isom", None, id="film"),
    ],
)
def test_heic_is_distinguished_from_avif_and_films_by_its_brands(head, name):
    head += bytes(8)
    assert sniff(head) == name
    assert dimensions(io.BytesIO(head), head, name) == (0, 0)
    # At most one format recognises the file, so that their order does not matter.
    assert [other for other in FORMATS if FORMATS[other].recognizes(head)] == [name] * bool(name)
