"""Expressions: what they select, what is missing, and how mistakes are told."""

import numpy as np
import pytest

from pixelmill.core.errors import UserError
from pixelmill.inspection.expressions import DEEPEST, LONGEST, parse
from tests.helpers.columns import ArrayColumns

COLUMNS = ArrayColumns(
    ["a.jpg", "b.png", "c.jpg", "d.gif"],
    {
        "sharpness": np.array([90.0, 50.0, np.nan, 120.0]),
        "width": np.array([100.0, 300.0, 200.0, np.nan]),
        "height": np.array([200.0, 200.0, 200.0, 100.0]),
        "format": np.array(["jpeg", "png", "jpeg", ""], object),
        "taken": np.array(["2024-05-01T10:00:00", "", "2026-01-01T00:00:00", ""], object),
    },
)
FINDINGS = {
    "duplicate": np.array([True, False, False, True]),
    "blurred": np.array([False, True, False, False]),
}
NUMBERS, TEXTS = ["sharpness", "width", "height"], ["format", "taken"]


def parsed(text):
    return parse(text, NUMBERS, TEXTS, FINDINGS)


def selected(text):
    return "".join(
        letter
        for letter, is_in in zip("abcd", parsed(text).mask(COLUMNS, FINDINGS), strict=True)
        if is_in
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sharpness > 80", "ad"),
        ("sharpness>80", "ad"),
        ("sharpness >= 90", "ad"),
        ("sharpness < 9e1", "b"),
        ("sharpness <= +90.0", "ab"),
        ("sharpness > -.5", "abd"),
        ("50 < sharpness", "ad"),
        ("sharpness == 50", "b"),
        ("sharpness != 50", "ad"),
        ("width > height", "b"),
        ("width == height", "c"),
        ('format == "jpeg"', "ac"),
        ("format == 'jpeg'", "ac"),
        ("format != 'jpeg'", "b"),
        ("taken >= '2025'", "c"),
        ("duplicate", "ad"),
        ("not duplicate", "bc"),
        ("not not duplicate", "ad"),
        ("sharpness > 80 and not duplicate", ""),
        ("blurred or duplicate", "abd"),
        ("blurred or duplicate and width > 150", "b"),
        ("(blurred or duplicate) and width > 150", "b"),
        ("not (blurred or duplicate)", "c"),
        ("not blurred or duplicate", "acd"),
        ("((duplicate))", "ad"),
        ("\n sharpness\t>\n80 ", "ad"),
    ],
)
def test_an_expression_selects_the_images_for_which_it_is_true(text, expected):
    assert selected(text) == expected


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">=", "==", "!="])
def test_a_comparison_with_a_missing_value_is_false(sign):
    assert "c" not in selected(f"sharpness {sign} 60")
    assert "d" not in selected(f"format {sign} 'jpeg'")
    assert "d" not in selected(f"width {sign} height")


def test_what_is_not_true_of_a_missing_value_is_true_when_negated():
    assert selected("not (sharpness > 80)") == "bc"


def test_a_text_may_be_compared_with_nothing():
    assert selected("format != ''") == "abc"


def test_the_names_of_an_expression_are_known():
    assert parsed("sharpness > 80 and not duplicate").names == {"sharpness", "duplicate"}


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("sharpnes > 80", 1, "'sharpnes' is unknown; did you mean 'sharpness'?"),
        ("sharpness > 80 and blured", 20, "'blured' is unknown; did you mean 'blurred'?"),
        ("zzz > 80", 1, "'zzz' is unknown; use a metric"),
        ("sharpness", 1, "'sharpness' is not compared with anything"),
        ("format", 1, "add == 'jpeg', say"),
        ("sharpness and duplicate", 11, "compare 'sharpness', for example > 1"),
        ("sharpness > ", 13, "found the end"),
        ("sharpness > and", 13, "found 'and'"),
        ("sharpness = 80", 11, "found '='; write '=='"),
        ("duplicate && blurred", 11, "found '&&'; write 'and'"),
        ("!duplicate", 1, "found '!'; write 'not'"),
        ("duplicate > 1", 1, "'duplicate' is a finding; write 'duplicate' or 'not duplicate'"),
        ("1 < duplicate", 5, "'duplicate' is a finding, which has no value"),
        ("duplicate blurred", 11, "join comparisons with 'and' or 'or'"),
        ("duplicate)", 10, "join comparisons with 'and' or 'or'"),
        ("(duplicate", 11, "the parenthesis of character 1 is not closed"),
        ("()", 2, "found ')'"),
        ("format == 'jpeg", 11, "the text that begins with ' does not end"),
        ("format == 3", 1, "a number is compared with a text"),
        ("sharpness > '80'", 1, "a number is compared with a text"),
        ("1 < 2", 1, "two constants are compared"),
        ("10 < sharpness < 80", 16, "write 'a < b and b < c'"),
        ("sharpness > 80px", 13, "found '80px'"),
        ("sharpness > 1.2.3", 13, "found '1.2.3'"),
        ("sharpness > 80; blurred", 15, "found ';'"),
        ("__import__('os')", 1, "'__import__' is unknown"),
        ("sharpness.real > 1", 10, "found '.real'"),
        ("sharpness > 0x10", 13, "found '0x10'"),
        ("sharpness > 1_000", 13, "found '1_000'"),
        ("sharpness > inf", 13, "'inf' is unknown"),
        ("sharpness > \uff18\uff10", 13, "found '\uff18\uff10'"),
    ],
)
def test_a_mistake_is_told_with_its_place(text, place, problem):
    with pytest.raises(UserError) as raised:
        parsed(text)
    assert f"character {place}: " in str(raised.value)
    assert problem in str(raised.value)
    assert str(raised.value).startswith("select: ")
    assert str(raised.value).endswith(".")


@pytest.mark.parametrize("value", [None, 3, True, "", "  ", ["duplicate"], {"a": 1}])
def test_something_else_than_a_text_is_refused(value):
    with pytest.raises(UserError, match="give a text such as 'sharpness > 80'"):
        parsed(value)


@pytest.mark.parametrize("opening", ["(", "not ", "not ("])
def test_the_depth_is_bounded(opening):
    text = opening * 60 + "duplicate" + ")" * (60 * opening.count("("))
    with pytest.raises(UserError, match=f"nested more than {DEEPEST} deep"):
        parsed(text)
    assert selected("(" * (DEEPEST - 1) + "duplicate" + ")" * (DEEPEST - 1)) == "ad"


def test_the_length_is_bounded():
    with pytest.raises(UserError, match="give at most 2,000"):
        parsed("duplicate or " * LONGEST + "blurred")


def test_a_long_expression_needs_no_deep_stack():
    assert selected(" or ".join(["blurred"] * 170)) == "b"
    assert selected(" and ".join(["not blurred"] * 110)) == "acd"
