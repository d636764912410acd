"""Properties that all steps have."""

import numpy as np
import pytest
from PIL import Image

from pixelmill.imaging.parameters import REQUIRED, Color
from pixelmill.imaging.steps import STEPS

#: Parameters of the steps that change the size, and the size that they give.
SIZES = {
    "resize": ({"width": 6, "height": 4}, lambda width, height: (6, 4)),
    "crop": (
        {"width": 50, "height": 50, "unit": "percent"},
        lambda width, height: ((width + 1) // 2, (height + 1) // 2),
    ),
    "rotate": ({"angle": 90}, lambda width, height: (height, width)),
    "border": ({"width": [1, 2, 3, 4]}, lambda width, height: (width + 6, height + 4)),
}


def given(name):
    """Parameters to call a step with."""
    return SIZES[name][0] if name in SIZES else STEPS[name].examples[0]


@pytest.fixture(autouse=True)
def look(tmp_path, monkeypatch):
    """A small lookup table where the steps look for it."""
    corners = "".join(f"{r} {g} {b}\n" for b in (0, 1) for g in (0, 1) for r in (1, 0))
    (tmp_path / "look.cube").write_text(f"LUT_3D_SIZE 2\n{corners}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)


# All steps


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA"])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 3), (40, 30)])
def test_every_step_accepts_and_returns_standard_modes(apply, name, mode, size, photo):
    image = photo(*size).convert(mode)
    before = image.copy()
    made = apply(image, name, **given(name))
    assert made.mode in (("RGBA", "LA") if mode in ("RGBA", "LA") else ("RGB", "L"))
    assert image == before


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 3), (40, 30)])
def test_the_size_changes_as_the_step_declares(apply, name, size, photo):
    kind = STEPS[name]
    made = apply(photo(*size), name, **given(name))
    assert (kind.size_effect == "by_parameters") == (name in SIZES)
    if kind.size_effect == "same":
        assert made.size == size
    elif kind.size_effect == "by_parameters":
        assert made.size == SIZES[name][1](*size)


#: Modes of the result of each mode, by what a step declares about it.
MODES = {
    "same": {"RGB": "RGB", "L": "L", "RGBA": "RGBA", "LA": "LA"},
    "gray": {"RGB": "L", "L": "L", "RGBA": "LA", "LA": "LA"},
    "color": {"RGB": "RGB", "L": "RGB", "RGBA": "RGBA", "LA": "RGBA"},
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("mode", MODES["same"])
def test_the_mode_changes_as_the_step_declares(apply, name, mode, photo):
    kind = STEPS[name]
    for params in kind.examples:
        made = apply(photo(40, 30).convert(mode), name, **params)
        if kind.mode_effect != "by_parameters":
            assert made.mode == MODES[kind.mode_effect][mode]


@pytest.mark.parametrize("name", STEPS)
def test_a_step_that_may_add_colour_or_transparency_declares_it(name):
    """Those are the steps with a colour to fill or to draw with."""
    colored = any(isinstance(kind, Color) for kind in STEPS[name].parameters.values())
    assert (STEPS[name].mode_effect == "by_parameters") == colored


@pytest.mark.parametrize("name", STEPS)
def test_an_opaque_image_with_alpha_is_made_as_one_without(apply, name, photo):
    image = photo(40, 30)
    made = apply(image.convert("RGBA"), name, **given(name))
    plain = apply(image, name, **given(name))
    assert made.getchannel("A").getextrema() == (255, 255)
    assert made.convert(plain.mode) == plain


@pytest.mark.parametrize("name", [name for name, kind in STEPS.items() if kind.deep])
def test_a_deep_step_keeps_all_16_bits(apply, name):
    levels = np.linspace(0, 65535, 40 * 30).reshape(30, 40).astype(np.uint16)
    made = apply(Image.fromarray(levels), name, **given(name))
    assert made.mode == "I;16"
    assert np.unique(np.asarray(made) % 257).size > 10  # no 8-bit image scaled up


#: Parameters of all steps that keep 16 bits; those in levels are of 0 to 255.
IN_LEVELS = [
    *(("trim", {"tolerance": tolerance}) for tolerance in (0, 1, 20, 60, 255)),
    ("border", {"width": [1, 2, 3, 4], "color": "#808080"}),
    ("rotate", {"angle": 20, "expand": False, "color": "#808080"}),
    ("rotate", {"angle": 90, "expand": False, "color": "#808080"}),
    ("resize", {"width": 30, "height": 30, "fit": "pad", "color": "#808080"}),
    ("resize", {"percent": 50, "linear": True}),
    ("crop", {"width": 9, "height": 7}),
    ("flip", {}),
]


@pytest.mark.parametrize(("name", "params"), IN_LEVELS, ids=str)
def test_in_16_bits_a_step_does_the_same_as_in_8(apply, photo, name, params):
    levels = np.asarray(photo(40, 30).convert("L")).copy()
    levels[:3], levels[:, :4] = levels[0, 0], levels[0, 0] // 2 + 30
    levels[0, 0], levels[1, 1], levels[2, 6] = 40, 41, 90
    small, deep = (
        np.asarray(apply(Image.fromarray(picture), name, **params)).astype(float)
        for picture in (levels, levels * np.uint16(257))
    )
    assert deep.shape == small.shape
    # Of a rotated picture, the outermost pixels are mixed with the corners in 8 bits alone.
    apart = np.abs(deep / 257 - small) > 1.5
    assert np.mean(apart) < (0.15 if params.get("angle") == 20 else 0.02)


def test_all_steps_that_keep_16_bits_are_compared_with_8():
    assert {name for name, _ in IN_LEVELS} == {name for name, kind in STEPS.items() if kind.deep}


@pytest.mark.parametrize("name", STEPS)
def test_every_step_is_described_in_one_line(name):
    summary = STEPS[name].function.__doc__.splitlines()[0]
    assert summary.endswith(".")


@pytest.mark.parametrize("name", STEPS)
def test_every_default_is_allowed_and_in_normal_form(name):
    for key, parameter in STEPS[name].parameters.items():
        assert parameter.allowed
        if parameter.default not in (REQUIRED, None):
            checked = parameter.check(parameter.default)
            assert (checked, type(checked)) == (parameter.default, type(parameter.default)), key
