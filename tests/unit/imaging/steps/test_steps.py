"""Properties that all steps have."""

import numpy as np
import pytest
from PIL import Image

from pixelmill.imaging.parameters import REQUIRED
from pixelmill.imaging.steps import STEPS

IDENTITY = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]

#: Values of the parameters without a default.
NEEDED = {
    "resize": {"width": 6, "height": 4},
    "crop": {"width": 50, "height": 50, "unit": "percent"},
    "rotate": {"angle": 90},
    "border": {"width": [1, 2, 3, 4]},
    "color_matrix": {"matrix": IDENTITY},
    "gamma": {"gamma": 2.2},
    "posterize": {"bits": 3},
    "watermark": {"text": "pixelmill"},
    "lookup": {"file": "look.cube"},
}

#: The result size of the steps that change it.
SIZES = {
    "resize": lambda width, height: (6, 4),
    "crop": lambda width, height: ((width + 1) // 2, (height + 1) // 2),
    "rotate": lambda width, height: (height, width),
    "border": lambda width, height: (width + 6, height + 4),
}

#: Steps whose result's size depends on what the image shows.
UNSIZED = ("trim",)


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
def test_every_step_takes_every_mode_and_size_and_gives_one_of_them(apply, name, mode, size, photo):
    image = photo(*size).convert(mode)
    before = image.copy()
    made = apply(image, name, **NEEDED.get(name, {}))
    assert made.mode in (("RGBA", "LA") if mode in ("RGBA", "LA") else ("RGB", "L"))
    if name not in UNSIZED:
        assert made.size == SIZES.get(name, lambda *same: same)(*size)
    assert image == before


@pytest.mark.parametrize("name", STEPS)
def test_an_opaque_image_with_alpha_is_made_as_one_without(apply, name, photo):
    image = photo(40, 30)
    made = apply(image.convert("RGBA"), name, **NEEDED.get(name, {}))
    plain = apply(image, name, **NEEDED.get(name, {}))
    assert made.getchannel("A").getextrema() == (255, 255)
    assert made.convert(plain.mode) == plain


@pytest.mark.parametrize("name", [name for name, kind in STEPS.items() if kind.deep])
def test_a_deep_step_keeps_all_16_bits(apply, name):
    levels = np.linspace(0, 65535, 40 * 30).reshape(30, 40).astype(np.uint16)
    made = apply(Image.fromarray(levels), name, **NEEDED.get(name, {}))
    assert made.mode == "I;16"
    assert np.unique(np.asarray(made) % 257).size > 10  # no 8-bit image scaled up


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
