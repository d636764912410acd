"""Overlays darken and mark pictures as documented."""

import re
import struct

import numpy as np
import pytest
from PIL import Image, ImageChops

from pixelmill.core.errors import UserError
from pixelmill.imaging.recipe_parser import parse
from pixelmill.imaging.steps.overlays import check_image

MODES = ["RGB", "L", "RGBA", "LA"]


# Vignette


@pytest.mark.parametrize("strength", [0.25, 0.5, 1])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_vignette_darkens_with_the_square_of_the_distance(apply, photo, mode, strength):
    image = photo(81, 61).convert(mode)
    rows, columns = np.indices((61, 81))
    distance = (((columns - 40) / 41) ** 2 + ((rows - 30) / 31) ** 2) / 2
    light = 1 - strength * distance
    levels = np.asarray(image).astype(float)
    expected = levels * (light[..., None] if levels.ndim == 3 else light)
    made = np.asarray(apply(image, "vignette", strength=strength)).astype(float)
    assert np.abs(made - expected).max() <= 1.5


def test_vignette_of_no_strength_changes_nothing(apply, photo):
    assert apply(photo(60, 40), "vignette", strength=0) == photo(60, 40)


# Watermark


@pytest.fixture
def mark(tmp_path):
    """Path of a mark: a red square whose right half is invisible."""
    image = Image.new("RGBA", (20, 20), (0, 255, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 10, 20))
    image.save(tmp_path / "mark.png")
    return str(tmp_path / "mark.png")


def changed(before, after):
    """The first and last column and row in which two images differ, as fractions of the size."""
    differ = np.asarray(before.convert("RGB")) != np.asarray(after.convert("RGB"))
    rows, columns = np.nonzero(differ.any(axis=2))
    width, height = before.size
    return (columns.min() / width, rows.min() / height,
            (columns.max() + 1) / width, (rows.max() + 1) / height)  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [0.1, 0.4, 0.9])
def test_the_width_of_a_text_follows_its_size(apply, mode, size):
    image = Image.new(mode, (400, 300), "#404040")
    made = apply(image, "watermark", text="pixelmill", size=size, opacity=1, gravity="center")
    assert (made.mode, made.size) == (mode, image.size)
    left, top, right, bottom = changed(image, made)
    assert right - left == pytest.approx(size, rel=0.03)
    assert (left + right) / 2 == pytest.approx(0.5, abs=0.01)
    assert (top + bottom) / 2 == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("gravity", "box"),
    [
        ("top_left", (0.05, 0.1, 0.25, 0.5)),
        ("top_right", (0.75, 0.1, 0.95, 0.5)),
        ("bottom_right", (0.75, 0.5, 0.95, 0.9)),
        ("center", (0.4, 0.3, 0.6, 0.7)),
    ],
)
def test_a_watermark_is_placed_by_its_gravity_off_the_edges(apply, tmp_path, gravity, box):
    Image.new("RGB", (10, 10), "red").save(tmp_path / "mark.png")
    image = Image.new("RGB", (200, 100), "white")
    params = {"image": str(tmp_path / "mark.png"), "size": 0.2, "margin": 0.1, "opacity": 1}
    made = apply(image, "watermark", gravity=gravity, **params)
    assert changed(image, made) == pytest.approx(box)


@pytest.mark.parametrize(
    ("mode", "seen"), [("RGB", (255, 127, 127)), ("RGBA", (255, 127, 127, 255))]
)
def test_opacity_and_the_marks_own_alpha_are_multiplied(apply, mark, mode, seen):
    image = Image.new(mode, (100, 100), "white")
    params = {"image": mark, "size": 0.4, "margin": 0, "opacity": 0.5}
    made = apply(image, "watermark", gravity="top_left", **params)
    assert made.getpixel((5, 20)) == pytest.approx(seen, abs=1)
    assert made.getpixel((35, 20)) == image.getpixel((0, 0))


def test_a_watermark_on_transparent_pixels_keeps_its_own_opacity(apply, mark):
    image = Image.new("RGBA", (100, 100))
    params = {"image": mark, "size": 0.4, "margin": 0, "opacity": 0.5}
    made = apply(image, "watermark", gravity="top_left", **params)
    assert made.getpixel((5, 20)) == pytest.approx((255, 0, 0, 128), abs=1)


def test_the_text_has_its_colour(apply):
    image = Image.new("RGB", (200, 100), "white")
    made = apply(
        image, "watermark", text="III", color="#ff0000", opacity=1, size=0.5, outline=False
    )
    assert (np.asarray(made)[..., 0] == 255).all()
    assert (np.asarray(made)[..., 1] == 0).any()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("margin", [0, 0.1])
def test_a_mark_that_would_be_too_high_is_reduced(apply, mark, mode, margin):
    image = Image.new(mode, (100, 10), "white")
    params = {"image": mark, "size": 1, "opacity": 1, "margin": margin, "gravity": "top_left"}
    made = apply(image, "watermark", **params)
    # The mark has colours, which grey cannot show.
    in_color = {"L": "RGB", "LA": "RGBA", "RGB": "RGB", "RGBA": "RGBA"}[mode]
    assert (made.mode, made.size) == (in_color, (100, 10))
    edge, side = round(10 * margin), 10 - 2 * round(10 * margin)
    left, top, right, bottom = ImageChops.difference(
        image.convert("RGB"), made.convert("RGB")
    ).getbbox()
    assert (left, top, bottom) == (edge, edge, edge + side)
    assert edge + side // 2 <= right <= edge + side


def test_a_text_that_would_be_too_high_is_reduced(apply):
    image = Image.new("RGB", (400, 60), "#404040")
    lines = "three\nlines of\ntext"
    made = apply(image, "watermark", text=lines, size=1, opacity=1, margin=0.1, gravity="center")
    left, top, right, bottom = changed(image, made)
    assert top >= 0.1 and bottom <= 0.9
    assert bottom - top == pytest.approx(0.8, abs=0.05)
    assert right - left < 0.5


def test_a_mark_without_room_is_cut(apply, mark):
    image = Image.new("RGB", (40, 40), "white")
    made = apply(image, "watermark", image=mark, size=0.5, opacity=1, margin=0.5)
    assert made.size == (40, 40)


def test_a_mark_is_either_a_text_or_an_image(mark):
    for params in ({}, {"text": "a", "image": mark}):
        with pytest.raises(UserError, match=re.escape("watermark: give either text or image")):
            parse({"steps": [{"watermark": params}]})


@pytest.mark.parametrize("params", [{"image": "a" * 5000}, {"text": "a", "font": "a/" * 3000}])
def test_a_name_that_is_too_long_is_reported(params):
    with pytest.raises(UserError, match="watermark"):
        parse({"steps": [{"watermark": params}]})


def test_a_missing_or_invalid_image_is_reported(tmp_path):
    with pytest.raises(ValueError, match=r"an image; '.*none\.png': No such file"):
        check_image(str(tmp_path / "none.png"))
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(
        ValueError, match=r"a PNG, JPEG, WebP, GIF or BMP image; '.*text\.png' is none"
    ):
        check_image(str(tmp_path / "text.png"))


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp"])
def test_a_recipe_is_read_without_decoding_the_image(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"mark.{suffix}"
    Image.new("RGB", (20, 20)).save(path)
    monkeypatch.setattr(Image.Image, "load", None)
    monkeypatch.setattr(Image, "open", None)
    parse({"steps": [{"watermark": {"image": str(path)}}]})


def test_a_mark_is_at_least_one_pixel_high_and_wide(apply, tmp_path):
    Image.new("RGB", (400, 2), "red").save(tmp_path / "mark.png")
    for width, size in ((50, (5, 1)), (4, (1, 1))):
        picture = Image.new("RGB", (width, 40))
        params = {"size": 0.1, "opacity": 1, "margin": 0, "gravity": "top_left"}
        made = apply(picture, "watermark", image=str(tmp_path / "mark.png"), **params)
        assert made.getbbox() == (0, 0, *size)


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "webp"])
def test_an_image_that_is_too_large_is_refused_by_its_header(tmp_path, suffix):
    path = tmp_path / f"mark.{suffix}"
    sides = 16_000, 1_049
    if suffix == "webp":  # encoding it would take seconds
        size = b"".join((side - 1).to_bytes(3, "little") for side in sides)
        path.write_bytes(b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + size)
    elif suffix == "gif":
        path.write_bytes(b"GIF89a" + struct.pack("<HHxxx", *sides))
    else:
        Image.new("L" if suffix == "jpg" else "1", sides).save(path)
    with pytest.raises(UserError, match=r"at most 16,777,216 pixels; '.*' has 16000 x 1049"):
        parse({"steps": [{"watermark": {"image": str(path)}}]})


def test_an_image_may_have_the_largest_size(tmp_path):
    path = tmp_path / "mark.png"
    Image.new("1", (16_384, 1_024)).save(path)
    assert check_image(str(path)) == path.read_bytes()


@pytest.mark.parametrize("suffix", ["ico", "tiff", "ppm"])
def test_an_image_whose_header_tells_no_size_is_refused(tmp_path, suffix):
    path = tmp_path / f"mark.{suffix}"
    Image.new("RGB", (20, 20)).save(path)
    with pytest.raises(UserError, match="give a PNG, JPEG, WebP, GIF or BMP image"):
        parse({"steps": [{"watermark": {"image": str(path)}}]})


def test_a_damaged_image_fails_the_step(tmp_path, apply):
    path = tmp_path / "mark.png"
    Image.effect_noise((40, 40), 50).save(path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(OSError, match="truncated"):
        apply(Image.new("RGB", (100, 100)), "watermark", image=str(path))
