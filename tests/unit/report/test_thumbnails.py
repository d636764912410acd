"""Thumbnails are small, and what cannot be read has none."""

import base64
import io

import pytest
from PIL import Image

from pixelmill.report import thumbnails
from pixelmill.report.thumbnails import data_url, thumbnail


@pytest.mark.parametrize(("size", "expected"), [((600, 300), (64, 32)), ((40, 20), (40, 20))])
def test_the_longer_side_is_at_most_as_asked(tmp_path, photo, size, expected):
    photo(*size).save(tmp_path / "a.png")
    assert thumbnail(str(tmp_path / "a.png"), 64).size == expected


def test_a_thumbnail_is_upright_and_rgb(tmp_path, photo):
    exif = Image.Exif()
    exif[0x0112] = 6
    photo(80, 40).convert("L").save(tmp_path / "a.jpg", exif=exif)
    found = thumbnail(str(tmp_path / "a.jpg"), 64)
    assert (found.mode, found.size) == ("RGB", (32, 64))


def test_what_is_gone_damaged_or_too_large_has_none(tmp_path, photo, monkeypatch):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    photo(100, 100).save(tmp_path / "large.png")
    monkeypatch.setattr(thumbnails, "LARGEST_PIXELS", 4_999)
    for name in ("gone.jpg", "broken.jpg", "large.png"):
        assert thumbnail(str(tmp_path / name), 64) is None


def test_a_picture_in_a_data_url_is_that_picture(photo):
    head, _, data = data_url(photo(64, 48)).partition(",")
    assert head == "data:image/jpeg;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (64, 48)


def test_thumbnails_are_small_files(photo):
    """A page has dozens of them."""
    data = base64.b64decode(data_url(photo(168, 112)).partition(",")[2])
    default = io.BytesIO()
    photo(168, 112).save(default, "JPEG")
    assert len(data) < 0.97 * len(default.getvalue())
