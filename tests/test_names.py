"""Names survive tables."""

import random

import pytest

from pixelmill.names import escape, unescape

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
    "nothing": "",
}

odd = pytest.mark.parametrize("name", ODD_NAMES.values(), ids=ODD_NAMES)


@odd
def test_an_odd_name_comes_back(name):
    assert unescape(escape(name)) == name


@odd
def test_an_escaped_name_is_one_line_of_utf_8(name):
    assert len(escape(name).splitlines()) <= 1
    assert escape(name).encode("utf-8").decode("utf-8") == escape(name)


@pytest.mark.parametrize("name", ["Été 2024 (1).jpg", "日本/写真.png", "a\N{GRINNING FACE}.gif"])
def test_a_name_that_people_can_read_stays_as_it_is(name):
    assert escape(name) == name


def test_any_string_comes_back():
    draw = random.Random(2026)
    # Weighted towards what escapes are made of, where a mistake would hide.
    alphabet = "\\\\\\uu0009abcdef\n\r\x00\x85\u2028\ud800\udcff é\N{GRINNING FACE}"
    for _ in range(3000):
        name = "".join(draw.choices(alphabet, k=draw.randrange(12)))
        assert unescape(escape(name)) == name
