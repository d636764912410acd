"""Parameters accept the documented values, in one normal form, and nothing else."""

import math

import pytest

from pixelmill.imaging.parameters import (
    Choice,
    Color,
    File,
    Flag,
    Integer,
    Matrix,
    Number,
    Sides,
    Text,
)

WHOLE = Integer(1, 10)
REAL = Number(-1, 10)
TEXTS = Choice(("stretch", "pad"))
SIZES = Choice((3, 5, 7))
FITS = Choice(("contain", "cover"), synonyms={"inside": "contain"})
PICTURE = File("an image", read=lambda path: None)
CLEAR = Color(also=("transparent",))
UNIT = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def described(part):
    return type(part).__name__ if hasattr(part, "check") else repr(part)


@pytest.mark.parametrize(
    ("parameter", "value", "normal"),
    [
        (WHOLE, 1, 1),
        (WHOLE, 10, 10),
        (REAL, 3, 3.0),
        (REAL, -1.0, -1.0),
        (REAL, 10, 10.0),
        (TEXTS, "pad", "pad"),
        (SIZES, 5, 5),
        (FITS, "contain", "contain"),
        (FITS, "inside", "contain"),
        (Flag(), True, True),
        (Flag(), False, False),
        (Color(), "white", "#ffffff"),
        (CLEAR, "transparent", "transparent"),
        (CLEAR, "black", "#000000"),
        (Color(), "#A0b1C2", "#a0b1c2"),
        (Sides(10), 3, (3, 3, 3, 3)),
        (Sides(10), [0, 1, 2, 10], (0, 1, 2, 10)),
        (Text(), "© me", "© me"),
        (PICTURE, "marks/logo.png", "marks/logo.png"),
        (Matrix(), UNIT, ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))),
        (Matrix(), [[0.5, 0, 0, -1000]] * 3, ((0.5, 0.0, 0.0, -1000.0),) * 3),
    ],
    ids=described,
)
def test_a_value_that_is_allowed_gets_its_normal_form(parameter, value, normal):
    checked = parameter.check(value)
    assert checked == normal
    assert type(checked) is type(normal)
    assert parameter.check(checked) == normal


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (WHOLE, 0),
        (WHOLE, 11),
        (WHOLE, 3.0),
        (WHOLE, "3"),
        (WHOLE, True),
        (WHOLE, None),
        (WHOLE, [3]),
        (REAL, -1.001),
        (REAL, 10.001),
        (REAL, "1.5"),
        (REAL, False),
        (REAL, None),
        (REAL, math.nan),
        (REAL, math.inf),
        pytest.param(REAL, 10**400, id="number-beyond-floats"),
        (TEXTS, "Pad"),
        (TEXTS, ["pad"]),
        (TEXTS, {"pad": 1}),
        (TEXTS, None),
        (SIZES, 4),
        (SIZES, "3"),
        pytest.param(SIZES, 3.0, id="choice-of-another-type"),
        (Choice((0, 1)), True),
        (FITS, "outside"),
        (FITS, ["inside"]),
        (Flag(), 1),
        (Flag(), "true"),
        (Flag(), None),
        (Color(), "transparent"),
        (CLEAR, "blur"),
        (CLEAR, ["transparent"]),
        (Color(), "ffffff"),
        (Color(), "#fff"),
        (Color(), "#ffffff\n"),
        (Color(), "#gggggg"),
        (Color(), "pink"),
        (Color(), 0xFFFFFF),
        (Sides(10), 11),
        (Sides(10), -1),
        (Sides(10), 2.0),
        (Sides(10), [1, 2]),
        (Sides(10), [1, 2, 3, 11]),
        (Sides(10), "1234"),
        (Sides(10), None),
        (Text(), ""),
        (Text(), " \n"),
        (Text(), 5),
        (PICTURE, ""),
        (PICTURE, "a\0b"),
        (PICTURE, 5),
        (PICTURE, None),
        (Matrix(), "abc"),
        (Matrix(), 3),
        (Matrix(), UNIT[:2]),
        (Matrix(), [[1, 0], [0, 1], [0, 0]]),
        (Matrix(), [[1, 0, 0, 0, 0]] * 3),
        (Matrix(), [[1, 0, 0], [0, 1, 0, 5], [0, 0, 1]]),
        (Matrix(), [["1", 0, 0], [0, 1, 0], [0, 0, 1]]),
        (Matrix(), [[math.nan, 0, 0], [0, 1, 0], [0, 0, 1]]),
        (Matrix(), [[1001, 0, 0], [0, 1, 0], [0, 0, 1]]),
        (Matrix(), {0: [1, 0, 0], 1: [0, 1, 0], 2: [0, 0, 1]}),
    ],
    ids=described,
)
def test_any_other_value_is_refused_with_what_is_allowed(parameter, value):
    with pytest.raises(ValueError) as refusal:
        parameter.check(value)
    assert str(refusal.value) == parameter.allowed
