"""Texts are drawn with a font that has their characters, readable on any background."""

import hashlib
import io
import re
import struct
import sys
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from fontTools.ttLib import TTFont
from PIL import Image, ImageFont

from pixelmill.core.errors import UserError
from pixelmill.imaging.recipe_parser import parse
from pixelmill.imaging.steps.lettering import (
    FONT,
    FONT_DIGEST,
    check_font,
    draw,
    missing_characters,
)
from tests.helpers.imaging import psnr

#: Fonts with character maps of formats 4 and 12, and with characters beyond Unicode's first plane.
#: The one of last resort has a box for any character, which is no glyph of it.
FOLDER = Path(find_spec("matplotlib").origin).parent / "mpl-data/fonts/ttf"
OTHERS = [path for path in sorted(FOLDER.glob("*.ttf")) if "LastResort" not in path.name]


#: Fillers and variation selectors: characters that are not shown although they are no controls.
UNNEEDED = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def recipe_of(**params):
    return parse({"steps": [{"watermark": params}]})


def test_the_font_is_the_one_that_the_fingerprint_stands_for():
    assert hashlib.sha256(Path(FONT).read_bytes()).hexdigest() == FONT_DIGEST
    assert (Path(FONT).parent / "LICENSE").exists()


@pytest.mark.parametrize(
    "text",
    ["© Müller", "Αθήνα", "Москва, Київ", "القاهرة", "Երևան", "თბილისი", "two\nlines", "a\u200db"],
)
def test_the_built_in_font_has_many_scripts(text):
    assert missing_characters(text) == ""
    recipe_of(text=text)


@pytest.mark.parametrize("path", [FONT, *OTHERS], ids=lambda path: Path(path).stem)
def test_the_characters_of_a_font_are_those_that_another_reader_finds(path):
    known = TTFont(path).getBestCmap()
    if not known:  # it has only symbols of its own
        with pytest.raises(ValueError, match="is none"):
            check_font(path)
        return
    beside = {code + step for code in known for step in (-1, 1)}
    asked = sorted({*known, *beside, *range(0x21, 0x110000, 251)} - {*range(0xD800, 0xE000)})
    text = UNNEEDED.sub("", "".join(filter(str.isprintable, map(chr, asked))))
    missing = missing_characters(text, str(path))
    assert missing == "".join(character for character in text if ord(character) not in known)


def test_a_character_that_the_font_lacks_is_named():
    with pytest.raises(
        UserError, match="give a font that has the characters '東京', by the key font"
    ):
        recipe_of(text="東京 2026")


@pytest.mark.parametrize(
    "character",
    ["\t", "\r", "\0", "\x07", "\x1b", "\x1c", "\x7f", "\x85", "\x9f", "\u2029"],
    ids=ascii,
)
def test_a_control_character_is_named_and_not_drawn_as_a_box(character):
    named = re.escape(rf"line breaks: '\u{ord(character):04x}'")
    for text in (f"a{character}b", f"two\n{character}lines", f"{character}."):
        with pytest.raises(UserError, match=named):
            recipe_of(text=text)


@pytest.mark.parametrize("character", ["\u0890", "\U00013430", "\U000110bd"], ids=ascii)
def test_a_format_character_that_is_shown_needs_a_glyph(character):
    assert character not in TTFont(FONT).getBestCmap()
    with pytest.raises(UserError, match="give a font that has the characters"):
        recipe_of(text=f"a{character}b")


#: Characters that are not shown, whether a font has a glyph for them or not.
UNSEEN = ["\xad", "\u061c", "\u200b", "\u200d", "\u202e", "\u2060", "\u2066", "\ufe0f", "\ufeff"]


@pytest.mark.parametrize("layout", ["raqm", "basic"])
@pytest.mark.parametrize("character", [*UNSEEN, "\U000e0041", "\U0001d173"], ids=ascii)
def test_an_invisible_character_is_not_drawn(monkeypatch, apply, character, layout):
    if layout == "basic":
        monkeypatch.setattr(ImageFont.core, "HAVE_RAQM", False)
    image = Image.new("RGB", (200, 80))
    recipe_of(text=f"AB{character}")
    made = apply(image, "watermark", text=f"AB{character}", opacity=1)
    assert made == apply(image, "watermark", text="AB", opacity=1)


@pytest.mark.parametrize("text", [*UNSEEN, "\u200b\n \u2066", "\u3164"], ids=ascii)
def test_a_text_of_invisible_characters_is_refused(text):
    with pytest.raises(UserError, match="give a text with at least one visible character"):
        recipe_of(text=text)


def test_a_text_of_blank_glyphs_fails_the_step(apply):
    blank = "\u2800"  # a pattern of Braille without a dot
    recipe_of(text=blank)
    with pytest.raises(ValueError, match=f"nothing is seen of the text '{blank}'"):
        apply(Image.new("RGB", (4000, 99)), "watermark", text=blank)


@pytest.mark.parametrize(
    "text", ["القاهرة", "2026 שלום", "q\u0301"], ids=["arabic", "hebrew", "mark"]
)
def test_a_text_that_needs_a_layout_is_not_drawn_without_one(monkeypatch, apply, text):
    image = Image.new("RGB", (200, 80))
    monkeypatch.setattr(ImageFont.core, "HAVE_RAQM", False)
    with pytest.raises(ValueError, match=r"the text '.*' needs FriBiDi"):
        apply(image, "watermark", text=text)


@pytest.mark.parametrize("text", ["Müller", "Αθήνα", "Київ", "Երևան", "თბილისი", "e\u0301 A\u030a"])
def test_other_texts_are_drawn_without_a_layout(monkeypatch, apply, text):
    image = Image.new("RGB", (200, 80))
    params = {"text": text, "opacity": 1, "size": 0.9}
    wanted = apply(image, "watermark", **params)
    monkeypatch.setattr(ImageFont.core, "HAVE_RAQM", False)
    made = apply(image, "watermark", **params)
    assert psnr(np.asarray(made), np.asarray(wanted)) > 10


def test_a_font_beside_the_recipe_is_checked_and_used(tmp_path, apply):
    path = next(path for path in OTHERS if path.stem == "DejaVuSerif")
    (tmp_path / "own.ttf").write_bytes(path.read_bytes())
    recipe = parse(
        {"steps": [{"watermark": {"text": "a", "font": "own.ttf"}}]}, folder=str(tmp_path)
    )
    assert list(recipe.files()) == [str(tmp_path / "own.ttf")]
    with pytest.raises(UserError, match=r"'東', by the key font; '.*own\.ttf' lacks them"):
        parse({"steps": [{"watermark": {"text": "東", "font": "own.ttf"}}]}, folder=str(tmp_path))
    image = Image.new("RGB", (200, 80))
    own = apply(image, "watermark", text="g", opacity=1, font=str(tmp_path / "own.ttf"))
    assert own != apply(image, "watermark", text="g", opacity=1)


def test_the_first_font_of_a_collection_is_used(tmp_path, apply):
    content = bytearray(Path(FONT).read_bytes())
    head = struct.pack(">4sLLL", b"ttcf", 0x10000, 1, 16)
    (count,) = struct.unpack_from(">H", content, 4)
    for entry in range(12, 12 + 16 * count, 16):
        (start,) = struct.unpack_from(">L", content, entry + 8)
        struct.pack_into(">L", content, entry + 8, start + len(head))
    path = str(tmp_path / "fonts.ttc")
    Path(path).write_bytes(head + content)
    recipe_of(text="Αθήνα", font=path)
    assert missing_characters("Αθήνα 東京", path) == "東京"
    image = Image.new("RGB", (200, 80))
    made = apply(image, "watermark", text="g", opacity=1, font=path)
    assert made == apply(image, "watermark", text="g", opacity=1)


def test_a_file_that_is_no_font_is_refused(tmp_path):
    for name, content in [("missing.ttf", None), ("text.ttf", b"no font"), ("empty.ttf", b"")]:
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(UserError, match=rf"font: found '.*; give a .*font.*'{path}'"):
            recipe_of(text="a", font=str(path))


def test_a_font_that_is_cut_off_is_refused_or_read(tmp_path):
    content, path = Path(FONT).read_bytes(), tmp_path / "font.ttf"
    for length in [*range(0, 400, 3), *range(400, len(content), 50_021)]:
        path.write_bytes(content[:length])
        try:
            recipe_of(text="abc", font=str(path))
        except UserError as error:
            assert "give a" in str(error)


def test_a_font_that_claims_every_character_takes_no_memory(tmp_path):
    groups = struct.pack(">HHLLLLLL", 12, 0, 28, 0, 1, 0, 0xFFFFFFFF, 1)
    table = struct.pack(">HHHHL", 0, 1, 3, 10, 12) + groups
    directory = b"\0\1\0\0" + struct.pack(">HHHH", 1, 0, 0, 0)
    entry = struct.pack(">4sLLL", b"cmap", 0, 28, len(table))
    (tmp_path / "huge.ttf").write_bytes(directory + entry + table)
    before = sys.getallocatedblocks()
    recipe_of(text="any 東京", font=str(tmp_path / "huge.ttf"))
    assert sys.getallocatedblocks() - before < 100_000


def test_a_damaged_font_fails_the_step(tmp_path, apply):
    content = bytearray(Path(FONT).read_bytes())
    for name in (b"glyf", b"loca", b"head"):
        content[content.index(name) : content.index(name) + 4] = b"none"
    (tmp_path / "font.ttf").write_bytes(content)
    recipe_of(text="a", font=str(tmp_path / "font.ttf"))
    with pytest.raises(OSError):
        apply(Image.new("RGB", (99, 99)), "watermark", text="a", font=str(tmp_path / "font.ttf"))


@pytest.mark.parametrize("color", ["#ffffff", "#000000", "#808080", "#ff0000", "#ffff00"])
@pytest.mark.parametrize("background", ["#ffffff", "#000000", "#808080", "#ff0000", "#ffff00"])
def test_a_text_with_an_outline_differs_from_any_background(apply, color, background):
    image = Image.new("RGB", (300, 100), background)
    made = apply(image, "watermark", text="pixelmill", color=color, opacity=1, size=0.8)
    difference = np.abs(np.asarray(made.convert("L"), int) - np.asarray(image.convert("L"), int))
    assert (difference > 75).mean() > 0.03


@pytest.mark.parametrize("text", ["letters", "two\nlines", "one\n\nthree", "\nabcdef\nΣ\nжд\nd\n"])
def test_an_outline_surrounds_the_letters_of_every_line(apply, text):
    image = Image.new("RGB", (400, 600), "#808080")
    made = np.asarray(apply(image, "watermark", text=text, opacity=1, size=0.8, gravity="center"))
    letters, rim = ((made == level).all(axis=2).astype(np.uint8) for level in (255, 0))
    rows = np.flatnonzero(letters.any(axis=1))
    assert 1 + (np.diff(rows) > 9).sum() == len(text.split())  # a gap between each two lines
    distance = cv2.distanceTransform(1 - letters, cv2.DIST_L2, 5)
    width = distance[rim == 1].max()
    # The edge of a glyph, some pixels of which are mixed, has the same rim everywhere.
    around = (distance > 2) & (distance < width - 3)
    assert around.any()
    assert rim[around].all()


def gap_of(text, outline):
    """Rows between the two lines of a text, as a fraction of the height of the first."""
    seen = np.asarray(draw(text, 300, "#ffffff", None, outline).getchannel("A")).any(axis=1)
    begins, ends = (np.flatnonzero(np.diff(seen.astype(int), prepend=0) == k) for k in (1, -1))
    return (begins[1] - ends[0]) / ends[0]


def test_an_empty_line_takes_the_room_of_a_line():
    assert gap_of("MMMM\n\nMMMM", outline=False) > gap_of("MMMM\nMMMM", outline=False) + 1


def test_lines_make_room_for_their_outlines():
    """The first line is as high as a capital, and the outline adds an eighth of the font size."""
    capital = 0.73
    plain, outlined = (gap_of("MMMM\nMMMM", outline=outline) for outline in (False, True))
    assert outlined * (capital + 1 / 8) == pytest.approx(plain * capital, rel=0.1)


def test_an_outline_can_be_left_out(apply):
    image = Image.new("RGB", (300, 100), "white")
    params = {"text": "pixelmill", "color": "#ffffff", "opacity": 1}
    assert apply(image, "watermark", outline=False, **params) == image
    assert apply(image, "watermark", **params) != image


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_a_grey_text_leaves_a_grey_picture_grey(apply, mode):
    image = Image.new(mode, (200, 100), 99)
    assert apply(image, "watermark", text="a", color="#808080").mode == mode


def test_a_text_is_read_once_however_many_pictures_it_marks(apply, monkeypatch):
    apply(Image.new("RGB", (50, 50)), "watermark", text="a")
    monkeypatch.setattr(Path, "read_bytes", None)
    monkeypatch.setattr(io, "open", None)
    apply(Image.new("RGB", (60, 50)), "watermark", text="a")
