"""The registry handles alpha for every step, and is cheap to import."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageFilter, ImageOps

from pixelmill.imaging.steps import registry

FLAGS = {"check": None, "holds_gil": False, "deep": False}


@pytest.fixture
def register(monkeypatch):
    """Function that registers a step and returns it; it is unregistered after the test."""
    monkeypatch.setattr(registry, "STEPS", {})

    def register_step(alpha, function, **options):
        registry.step(alpha, **options)(function)
        return registry.STEPS[function.__name__]

    return register_step


@pytest.fixture
def layered(photo):
    """Function that gives a picture whose alpha rises from left to right."""

    def make(mode):
        image = photo(40, 30).convert(mode)
        pixels = np.array(image)
        pixels[..., -1] = np.linspace(0, 255, 40)
        return Image.fromarray(pixels)

    return make


@pytest.mark.parametrize(("mode", "inner"), [("RGBA", "RGB"), ("LA", "L")])
def test_alpha_is_hidden_from_the_step_and_unchanged(register, layered, mode, inner):
    def invert(image):
        assert image.mode == inner
        return ImageOps.invert(image)

    image = layered(mode)
    made = register("color_only", invert).function(image)
    assert made.mode == mode
    assert made.getchannel("A") == image.getchannel("A")
    np.testing.assert_array_equal(np.asarray(made)[..., :-1], 255 - np.asarray(image)[..., :-1])


def test_a_step_that_turns_colour_to_grey_keeps_alpha(register, layered):
    def gray(image):
        return image.convert("L")

    made = register("color_only", gray).function(layered("RGBA"))
    assert made.mode == "LA"
    assert made.getchannel("A") == layered("RGBA").getchannel("A")


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_neighbours_are_mixed_as_premultiplied(register, mode):
    # White beside what is invisible and black: no grey may appear.
    image = Image.new(mode, (9, 9), (0,) * len(mode))
    image.paste((255,) * len(mode), (0, 0, 5, 9))

    def blur(image):
        assert image.mode == "RGBa"
        return image.filter(ImageFilter.BoxBlur(2))

    made = np.asarray(register("premultiplied", blur).function(image))
    seen = made[..., -1] > 0
    assert seen.sum() > 45
    assert (made[seen][:, :-1] == 255).all()
    assert 0 < made[0, 5, -1] < 255


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_colours_and_alpha_are_given_apart(register, mode):
    """Hidden pixels have the colour of their neighbours then, and alpha is filtered too."""
    image = Image.new(mode, (9, 9), (0,) * len(mode))
    image.paste((200,) * len(mode), (0, 0, 5, 9))
    seen = []

    def shift(image, *, by):
        seen.append(image.mode)
        return ImageChops.offset(image, by, 0)

    made = register("apart", shift).function(image, by=2)
    assert seen == [mode[:-1], "L"]
    assert made.mode == mode
    assert (np.asarray(made)[..., :-1] == 200).all()
    assert made.getchannel("A") == ImageChops.offset(image.getchannel("A"), 2, 0)


@pytest.mark.parametrize("alpha", ["color_only", "premultiplied", "apart", "any_mode"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_an_image_without_alpha_is_passed_as_it_is(register, photo, alpha, mode):
    def same(image, *, times):
        assert (image.mode, times) == (mode, 3)
        return image

    image = photo(4, 3).convert(mode)
    assert register(alpha, same).function(image, times=3) is image


def test_a_kind_describes_its_allowed_values(register):
    def nothing(image):
        return image

    def refuse(params):
        raise ValueError("something else")

    plain = register("any_mode", nothing)
    assert {key: getattr(plain, key) for key in FLAGS} == FLAGS
    flags = {"check": refuse, "holds_gil": True, "deep": True}
    other = register("any_mode", nothing, **flags)
    assert {key: getattr(other, key) for key in FLAGS} == flags


def test_a_step_on_arrays_is_prepared_once_for_all_images(monkeypatch, photo):
    monkeypatch.setattr(registry, "STEPS", {})
    prepared = []

    def darken(*, by):
        prepared.append(by)
        return lambda array: array // by

    function = registry.array_step("color_only")(darken)
    for size in ((4, 3), (3, 4)):
        for by in (2, 3):
            made = np.asarray(function(photo(*size), by=by))
            np.testing.assert_array_equal(made, np.asarray(photo(*size)) // by)
            assert registry.STEPS["darken"].on_array(by=by)
    assert prepared == [2, 3]


def test_importing_all_steps_loads_neither_numpy_nor_opencv(repository):
    """Every process that reads the Snakefile parses the recipes."""
    program = (
        "import sys, pixelmill.imaging.steps\n"
        "sys.exit(str([m for m in ('numpy', 'cv2') if m in sys.modules]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=repository / "scripts",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.strip() == "[]"
