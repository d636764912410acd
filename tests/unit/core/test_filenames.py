"""File names survive being written to tables."""

import random
import re
import unicodedata

import pytest

from pixelmill.core.filenames import (
    are_cells,
    as_cell,
    collision_key,
    escape,
    escaped,
    of_cell,
    printable,
    unescape,
)

ODD_NAMES = {
    "spaces": "  two  words .jpg ",
    "quotes": "\"double\" 'single'.jpg",
    "comma": "a,b;c\t.jpg",
    "newline": "two\nlines\r\n.jpg",
    "backslash": r"back\slash.jpg",
    "escape-like": r"not\u000aan escape.jpg",
    "escape-like-after-backslash": "\\\\u000a.jpg",
    "trailing-backslash": "end\\",
    "emoji": "holiday \N{GRINNING FACE}.jpg",
    "undecodable": b"caf\xe9.jpg".decode("utf-8", "surrogateescape"),
    "lone-surrogate": "\ud800.jpg",
    "line-separator": "a\u2028b\u2029c.jpg",
    "next-line": "a\x85b.jpg",
    "control": "bell\x07\x1b[31m\x7f.jpg",
    "direction": "photo\u202egpj.exe",
    "isolate": "\u2066a\u2069\u200e\u200f\u061c.jpg",
    "zero-width": "a\u200bb\u200c\u200d\u2060\ufeff.jpg",
    "soft-hyphen": "a\xadb.jpg",
    "tag": "a\U000e0041\U000e007f.jpg",
    "formula": "=1+1.jpg",
    "formula-behind-a-semicolon": "a; =1+1.jpg",
    "formula-behind-a-tab": "\t=1+1.jpg",
    "wide-formula": "\uff1d1.jpg",
    "named-as-a-formula-is-written": r"\u003d1.jpg",
    "minus": "-1.jpg",
    "plus": "+1.jpg",
    "at": "@sum.jpg",
    "nothing": "",
}

odd = pytest.mark.parametrize("name", ODD_NAMES.values(), ids=ODD_NAMES)


@odd
def test_an_unusual_name_survives_escaping(name):
    assert unescape(escape(name)) == name


@odd
def test_an_escaped_name_is_one_line_of_utf_8(name):
    assert len(escape(name).splitlines()) <= 1
    assert escape(name).encode("utf-8").decode("utf-8") == escape(name)


@odd
def test_an_escaped_name_contains_no_invisible_or_control_character(name):
    seen = {unicodedata.category(character) for character in escape(name)}
    assert not seen & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@odd
def test_an_escaped_name_in_a_cell_is_not_a_formula_and_can_be_restored(name):
    cell = as_cell(escape(name))
    assert not re.search(r"(^|;)\s*[-=+@\uff0b\uff0d\uff1d\uff20]", cell)
    assert of_cell(cell) == escape(name)
    assert unescape(cell) == name


@odd
def test_a_printable_text_keeps_its_lines_but_no_control_character(name):
    text = printable(f"{name}\n\tand more")
    assert text.endswith("\n\tand more")
    assert all(c.isprintable() or c in "\n\t" for c in text)
    assert printable(text) == text


@pytest.mark.parametrize("name", ["Été 2024 (1).jpg", "日本/写真.png", "a\N{GRINNING FACE}.gif"])
def test_a_readable_name_is_not_escaped(name):
    assert escape(name) == name


def test_every_string_survives_escaping():
    draw = random.Random(2026)
    # Weighted towards characters of escapes, where a mistake would be hidden.
    alphabet = "\\\\\\uU003dabcdef=-;\n\r\x00\x85\u2028\u202e\ud800\udcff é\N{GRINNING FACE}"
    for _ in range(3000):
        name = "".join(draw.choices(alphabet, k=draw.randrange(12)))
        assert unescape(escape(name)) == name
        assert unescape(as_cell(escape(name))) == name
        assert of_cell(as_cell(name)) == name


def test_many_names_are_escaped_and_examined_like_one():
    draw = random.Random(5)
    alphabet = "ab;=- \\\n\x7f\xadé\ud800\uff1d"
    for _ in range(3000):
        names = ["".join(draw.choices(alphabet, k=draw.randrange(4))) for _ in range(3)]
        assert [*escaped(names)] == [*map(escape, names)]
        if are_cells(names):
            assert [*map(as_cell, names)] == names
    assert are_cells(["a-b=c.jpg", "", "é"])
    assert escaped([]) == [] and are_cells([])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A/b.JPG", "a/B.jpg"),
        ("é", "E\u0301"),
        ("straße", "STRASSE"),
        ("\u0390", "\u03aa\u0301"),  # one character only after both have become lower case
        ("\u1fb4", "\u03b1\u0345\u0301"),  # in lower case, its accents have another order
    ],
)
def test_names_that_a_file_system_may_take_for_one_have_one_key(one, other):
    assert collision_key(one) == collision_key(other) == collision_key(collision_key(one))
    assert collision_key(one) != collision_key(f"{other}_")
