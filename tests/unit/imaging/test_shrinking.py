"""Later steps give the same result after a reduced decode as after a full one."""

import numpy as np
import pytest
from PIL import Image

from pixelmill.core.jobs import Job
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.renderer import Renderer, size_hint_of
from pixelmill.imaging.steps import STEPS
from pixelmill.imaging.steps.resize import constant_size, resampled_size
from tests.helpers.imaging import opened, psnr, same

#: Sides that neither 2 nor 4 nor 8 divides: a shrunken decode is then larger than the picture.
SIZE = (1003, 701)

SMALL = {"resize": {"longest": 90}}  # 90 x 63

#: Later steps, and the size of their result.
BEHIND = {
    "percent": ({"resize": {"percent": 50}}, (45, 32)),
    "one side": ({"resize": {"width": 40}}, (40, 28)),
    "a frame": ({"resize": {"width": 50, "height": 50, "fit": "contain"}}, (50, 35)),
    "cover": ({"resize": {"width": 30, "height": 50, "fit": "cover"}}, (30, 50)),
    "enlarged": ({"resize": {"width": 180, "height": 126}}, (180, 126)),
    "the same size": ({"resize": {"width": 90, "height": 63}}, (90, 63)),
    "cut": ({"crop": {"left": 10, "top": 3, "width": 80, "height": 60}}, (80, 60)),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory, photo):
    folder = tmp_path_factory.mktemp("source")
    photo(*SIZE).save(folder / "a.jpg", quality=92)
    return folder


#: Position of the second step: after the first one, in an output, or both in an output.
PLACES = {
    "in a row": lambda step: {"steps": [SMALL, step], "output": {"format": "png"}},
    "of an output": lambda step: {
        "steps": [SMALL],
        "outputs": [{"name": "x", "format": "png", "steps": [step]}],
    },
    "both of an output": lambda step: {
        "outputs": [{"name": "x", "format": "png", "steps": [SMALL, step]}]
    },
}


#: Every step with both backends, except steps that OpenCV does not support.
CASES = [(behind, backend) for behind in BEHIND for backend in ("pillow", "opencv")]
CASES.remove(("cut", "opencv"))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("behind", "backend"), CASES)
def test_a_step_after_a_resize_gives_the_same_as_after_a_full_decode(
    source, tmp_path, behind, place, backend
):
    step, size = BEHIND[behind]
    made = []
    for margin in (0, 2.5):
        data = {**PLACES[place](step), "shrink_margin": margin, "backend": backend}
        renderer = Renderer(str(source), str(tmp_path), recipe_parser.parse(data))
        outcome = renderer.render(Job("a.jpg", (f"{margin}",)))
        assert outcome.status == "ok", outcome.message
        assert outcome.files[0][2:4] == size
        made.append(opened((tmp_path / f"{margin}").read_bytes()))
    assert made[0].size == made[1].size == size
    # Without a reduced decode, the test would prove nothing.
    assert 38 <= psnr(*made) < float("inf")


def rendered(folder, source, recipe, paths):
    """The outputs of a source, as images."""
    renderer = Renderer(str(source), str(folder), recipe_parser.parse(recipe))
    outcome = renderer.render(Job("a.jpg", paths))
    assert outcome.status == "ok", outcome.message
    return [opened((folder / path).read_bytes()) for path in paths]


TINY = {"resize": {"width": 20, "height": 14}}


def outputs_of(*steps):
    return [{"name": f"x{k}", "format": "png", "steps": [s]} for k, s in enumerate(steps)]


@pytest.mark.parametrize("output", [{"format": "png"}, outputs_of(TINY)[0] | {"steps": []}])
def test_the_only_output_is_as_if_its_steps_were_those_of_the_recipe(source, tmp_path, output):
    """What was decoded for it alone is not reduced once more."""
    key, outputs = ("outputs", [output]) if "name" in output else ("output", output)
    expected = rendered(tmp_path, source, {"steps": [TINY], key: outputs}, ("a",))
    assert same(*expected, *rendered(tmp_path, source, {"outputs": outputs_of(TINY)}, ("b",)))


def test_a_picture_decoded_in_full_is_not_reduced_for_a_smaller_output(photo, tmp_path):
    """A file that no decoder reduces gives the same for each output as if it were alone."""
    photo(403, 301).save(tmp_path / "a.jpg", "PNG", compress_level=1)
    both = rendered(tmp_path, tmp_path, {"outputs": outputs_of(SMALL, TINY)}, ("a", "b"))
    (alone,) = rendered(tmp_path, tmp_path, {"steps": [TINY], "output": {"format": "png"}}, ("c",))
    assert same(both[1], alone)


@pytest.mark.parametrize("option", [{"filter": "nearest"}, {"linear": True}])
def test_an_output_that_needs_every_pixel_gets_the_whole_picture(source, tmp_path, option):
    exact = {"resize": {**TINY["resize"], **option}}
    both = rendered(tmp_path, source, {"outputs": outputs_of(SMALL, exact)}, ("a", "b"))
    assert same(both[1], *rendered(tmp_path, source, {"outputs": outputs_of(exact)}, ("c",)))


def test_a_picture_is_decoded_for_the_widest_and_the_highest_output():
    frames = [{"resize": {"width": w, "height": h}} for w, h in ((40, 10), (30, 60), (5, 5))]
    hint = size_hint_of(recipe_parser.parse({"outputs": outputs_of(*frames)}))
    assert hint((400, 300)) == (40, 60)


@pytest.mark.parametrize("frame", [(600, 5), (7, 500)])
def test_the_longer_side_of_a_small_output_decides_how_far_it_is_reduced(tmp_path, frame):
    pixels = np.random.default_rng(3).integers(0, 256, (500, 600, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=90)
    outputs = outputs_of(SMALL, {"resize": {"width": frame[0], "height": frame[1]}})
    both = rendered(tmp_path, tmp_path, {"outputs": outputs}, ("a", "b"))
    full = rendered(tmp_path, tmp_path, {"outputs": outputs, "shrink_margin": 0}, ("c", "d"))
    assert psnr(both[1], full[1]) >= 40


@pytest.mark.parametrize("place", ["of the recipe", "of an output"])
@pytest.mark.parametrize("size", [(1000, 7), (5, 900), (1200, 90), (90, 1200), (900, 700)])
def test_a_blurred_picture_behind_a_strip_is_not_made_of_too_few_pixels(tmp_path, size, place):
    """It covers the frame, and is much larger than the strip itself."""
    pixels = np.random.default_rng(3).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=95, subsampling=0)
    step = {"resize": {"width": 120, "height": 80, "fit": "pad", "color": "blur"}}
    output = {"name": "x", "format": "png"}
    outputs = [output | {"steps": [step]}, {"name": "y", "format": "png", "steps": [SMALL]}]
    recipe = {"steps": [step], "outputs": [output]}
    recipe = recipe if place == "of the recipe" else {"outputs": outputs}
    made = []
    for margin in (0, 2.5):
        parsed = recipe_parser.parse({**recipe, "shrink_margin": margin})
        paths = [f"{output.name}{margin}" for output in parsed.outputs]
        outcome = Renderer(str(tmp_path), str(tmp_path), parsed).render(Job("a.jpg", tuple(paths)))
        assert outcome.status == "ok", outcome.message
        made.append(opened((tmp_path / f"x{margin}").read_bytes()))
    assert psnr(*made) >= 30


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"width": 20, "height": 10}, (20, 10)),
        ({"width": 20, "height": 10, "upscale": "never"}, None),  # a smaller source stays small
        ({"width": 20, "height": 10, "fit": "contain"}, None),
        ({"width": 20}, None),
        ({"percent": 50}, None),
    ],
)
def test_the_size_is_constant_only_if_it_is_the_same_for_every_source(params, expected):
    given = {key: kind.default for key, kind in STEPS["resize"].parameters.items()} | params
    assert constant_size(given) == expected
    sizes = {resampled_size(source, given) for source in ((8, 6), (400, 300), (300, 400))}
    assert (len(sizes) == 1) == (expected is not None)


def test_a_decoder_reduces_only_what_every_output_resizes_first():
    resize = {"resize": {"width": 64, "height": 48}}
    small, other = {"resize": {"width": 32}}, {"crop": {"width": 5}}
    for outputs, expected in (
        ([[small], [resize]], True), ([[resize], [other]], False), ([[resize], []], False),
        ([[], [resize]], False), ([[other, resize]], False), ([[resize, other]], True),
    ):  # fmt: skip
        named = [{"name": f"o{k}", "steps": steps} for k, steps in enumerate(outputs)]
        hint = size_hint_of(recipe_parser.parse({"outputs": named}))
        assert (hint is not None) == expected
