"""Lettering: texts drawn in a font that has all of their characters."""

from __future__ import annotations

import functools
import io
import math
import re
import struct
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageColor, features

from pixelmill.core import regular_files
from pixelmill.core.filenames import escape

#: The font of texts: DejaVu Sans 2.37, with Latin, Greek, Cyrillic, Arabic and other scripts.
FONT = str(Path(__file__).parent / "fonts" / "DejaVuSans.ttf")

#: SHA-256 of that file. It stands for the file in the fingerprint of the code.
FONT_DIGEST = "3fdf69cabf06049ea70a00b5919340e2ce1e6d02b0cc3c4b44fb6801bd1e0d22"

#: Largest font file, in bytes; fonts with all Chinese characters have 20 MB.
_MOST_BYTES = 64 * 2**20

#: Font size in pixels at which a text is measured, to find the size that gives the wanted width.
_MEASURED = 100

#: Width of an outline, as a fraction of the font size.
_OUTLINE = 1 / 16

#: What TrueType and OpenType fonts begin with, and collections of them.
_SINGLE = (b"\0\1\0\0", b"OTTO", b"true")
_COLLECTION = b"ttcf"


def check_font(path: str) -> bytes:
    """Check a font file by its tables, and return its content.

    FreeType does not see it: the process that reads recipes is not confined.

    Raises
    ------
    ValueError
        If the file is missing or is no such font; the message completes "give ...".
    """
    try:
        data = regular_files.content(path, _MOST_BYTES)
    except OSError as error:
        raise ValueError(f"a font; '{path}': {error.strerror or error}") from error
    try:
        known = any(True for _ in _character_maps(data))
    except struct.error:  # it is cut off
        known = False
    if not known:
        raise ValueError(f"a TrueType or OpenType font with Unicode characters; '{path}' is none")
    return data


def check_text(text: str, path: str = FONT) -> None:
    r"""Check that a text can be drawn in a font, and that something of it is seen.

    Raises
    ------
    ValueError
        The message completes "give ...".

    Examples
    --------
    >>> check_text("tabs\tand more")
    Traceback (most recent call last):
    ValueError: a text without control characters other than line breaks: '\u0009'
    """
    controls = [c for c in text.replace("\n", "") if _is_control(c)]
    if controls:
        named = escape(controls[0])
        raise ValueError(f"a text without control characters other than line breaks: '{named}'")
    if not _IGNORABLE.sub("", text).strip():
        raise ValueError("a text with at least one visible character")
    missing = missing_characters(text, path)
    if missing:
        own = "the built-in font" if path == FONT else f"'{path}'"
        raise ValueError(
            f"a font that has the characters '{escape(missing)}', by the key font; {own} lacks them"
        )


def missing_characters(text: str, path: str = FONT) -> str:
    """Return the characters of a text that a font lacks, each once.

    Examples
    --------
    >>> missing_characters("© Müller, Αθήνα, Москва"), missing_characters("東京")
    ('', '東京')
    """
    maps = list(_character_maps(_content(path)))
    needed = dict.fromkeys(_IGNORABLE.sub("", text).replace("\n", ""))
    return "".join(c for c in needed if not any(_maps(found, ord(c)) for found in maps))


def _is_control(character: str) -> bool:
    """Whether a character is a control, or ends a paragraph: fonts would show most as boxes."""
    return unicodedata.category(character) == "Cc" or unicodedata.bidirectional(character) == "B"


#: Characters that are not shown and need no glyph, such as those that join or direct letters
#: (Unicode 17, Default_Ignorable_Code_Point).
_IGNORABLE = re.compile(
    "[\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)


@functools.lru_cache(maxsize=4)
def _content(path: str) -> bytes:
    return check_font(path)


def _character_maps(data: bytes) -> Iterator[bytes]:
    """Yield the tables of a font that map Unicode characters to glyphs (OpenType, "cmap").

    fontTools expands them; a font of a hundred bytes could fill the memory then.
    """
    offset = 0
    if data[:4] == _COLLECTION:  # the first font of it is used
        (offset,) = struct.unpack_from(">L", data, 12)
    if data[offset : offset + 4] not in _SINGLE:
        return
    (count,) = struct.unpack_from(">H", data, offset + 4)
    for number in range(count):
        tag, _, start, length = struct.unpack_from(">4sLLL", data, offset + 12 + 16 * number)
        if tag == b"cmap":
            table = data[start : start + length]
            (maps,) = struct.unpack_from(">H", table, 2)
            for entry in range(maps):
                platform, encoding, begin = struct.unpack_from(">HHL", table, 4 + 8 * entry)
                if platform == 0 or (platform, encoding) in ((3, 1), (3, 10)):
                    yield table[begin:]


def _maps(table: bytes, character: int) -> bool:
    """Whether a character map of format 4 or 12 has a glyph for a character."""
    (form,) = struct.unpack_from(">H", table)
    if form == 12:
        (count,) = struct.unpack_from(">L", table, 12)
        groups = struct.iter_unpack(">LLL", table[16 : 16 + 12 * count])
        return any(first <= character <= last for first, last, _ in groups)
    if form != 4 or character > 0xFFFF:
        return False
    (twice,) = struct.unpack_from(">H", table, 6)
    for at in range(14, 14 + twice, 2):
        (last,) = struct.unpack_from(">H", table, at)
        if character <= last:
            first, delta, distance = (
                struct.unpack_from(">H", table, at + 2 + part * twice)[0] for part in (1, 2, 3)
            )
            if character < first:
                return False
            glyph = character
            if distance:
                where = at + 2 + 3 * twice + distance + 2 * (character - first)
                (glyph,) = struct.unpack_from(">H", table, where)
                if not glyph:
                    return False
            return bool((glyph + delta) % 0x10000)
    return False


def draw(text: str, width: int, color: str, font: str | None, outline: bool) -> Image.Image:
    """Draw a text.

    Parameters
    ----------
    text : str
    width : int
        Of the result, in pixels.
    color : str
        As ``#rrggbb``.
    font : str or None
        Path of a font file; None for `FONT`.
    outline : bool
        Whether to add a rim in black or white, whichever differs more from `color`.

    Returns
    -------
    PIL.Image.Image
        Of mode RGBA, as high as the text.

    Raises
    ------
    OSError
        If the font is damaged.
    ValueError
        If nothing of the text is seen, or if it needs a layout that Pillow cannot make here.
    """
    text = _laid_out(text)
    content, share = _content(font or FONT), _OUTLINE if outline else 0.0
    measured, _ = _masks(text, content, _MEASURED, share)
    _, letters = masks = _masks(text, content, max(1.0, _MEASURED * width / measured.width), share)
    rgb = ImageColor.getrgb(color)
    made = Image.new("RGBA", letters.size, _contrast(rgb) if outline else rgb)
    made.paste(rgb, mask=letters)
    made.putalpha(masks[0])
    return made


def _laid_out(text: str) -> str:
    """Return a text as Pillow can draw it here.

    Without FriBiDi, Pillow draws one letter after the other from left to right, and invisible
    characters as boxes.
    """
    if features.check_feature("raqm"):
        return text
    text = unicodedata.normalize("NFC", _IGNORABLE.sub("", text))
    if any(_needs_layout(character) for character in text):
        raise ValueError(f"the text '{escape(text)}' needs FriBiDi: install the package libfribidi")
    return text


def _needs_layout(character: str) -> bool:
    """Whether a character is written from right to left, or is placed at another one."""
    kind = unicodedata.category(character)
    return unicodedata.bidirectional(character) in ("R", "AL", "AN") or kind in ("Mn", "Mc", "Me")


def _masks(text: str, content: bytes, size: float, share: float) -> tuple[Image.Image, Image.Image]:
    """Draw a text with an outline, and without; both cut to what is seen of the first."""
    from PIL import ImageDraw, ImageFont

    font, rim = ImageFont.truetype(io.BytesIO(content), size), size * share
    # The lines are placed here, because Pillow moves them apart by the width of an outline.
    pitch = sum(font.getmetrics()) + math.ceil(2 * rim)
    lines = [(number * pitch, line) for number, line in enumerate(text.split("\n")) if line]
    pen = ImageDraw.Draw(Image.new("L", (1, 1)))
    boxes = [pen.textbbox((0, top), line, font, stroke_width=rim) for top, line in lines]
    left, top = (math.floor(min(box[side] for box in boxes)) for side in (0, 1))
    right, bottom = (math.ceil(max(box[side] for box in boxes)) for side in (2, 3))
    frame = (max(1, right - left), max(1, bottom - top))

    def mask(stroke: float) -> Image.Image:
        made = Image.new("L", frame)
        for begin, line in lines:
            place = (-left, begin - top)
            ImageDraw.Draw(made).text(place, line, 255, font, stroke_width=stroke)
        return made

    whole = mask(rim)
    seen = whole.getbbox()
    if seen is None:  # no size gives it a width
        raise ValueError(f"nothing is seen of the text '{escape(text)}' in its font")
    return whole.crop(seen), (mask(0) if rim else whole).crop(seen)


def _contrast(color: tuple[int, ...]) -> str:
    """Return black for a light colour and white for a dark one, by luma (ITU-R BT.601)."""
    red, green, blue = color[:3]
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > 127 else "#ffffff"
