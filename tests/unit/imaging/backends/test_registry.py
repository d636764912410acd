"""A backend is a library, and steps that need another one are refused with a sentence."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from pixelmill.imaging.arrays import array_of, image_of
from pixelmill.imaging.backends.pillow import Pillow
from pixelmill.imaging.backends.registry import backend
from pixelmill.imaging.parameters import REQUIRED
from pixelmill.imaging.recipe import Step
from pixelmill.imaging.steps import STEPS

#: Parameters under which a step does all of its work, if its first example does not.
GIVEN = {"rotate": {"angle": 30}, "enhance": {"brightness": 2, "color": 2, "sharpness": 2}}

#: Prints the names of the steps that need OpenCV.
PROGRAM = """
import sys
sys.modules["cv2"] = None  # as if it were not installed
from PIL import Image
from pixelmill.imaging.recipe_parser import parse
from pixelmill.imaging.steps import STEPS
for name, params in eval(sys.argv[1]).items():
    (step,) = parse({"steps": [{name: params}]}).steps
    try:
        STEPS[name].function(Image.linear_gradient("L").convert("RGB"), **step.params)
    except ModuleNotFoundError as error:
        assert error.name == "cv2", error
        print(name)
"""


def test_a_backend_is_found_by_its_name():
    assert isinstance(backend("pillow"), Pillow)
    assert type(backend("opencv")).__name__ == "OpenCV"


CHAIN = [
    *(("gaussian_blur", {"radius": 1.0}), ("enhance", {"contrast": 1.2}), ("crop", {"left": 3})),
    *(("unsharp_mask", {"percent": 150}), ("median", {"size": 3}), ("sepia", {"amount": 0.5})),
]


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA"])
def test_steps_that_hand_on_arrays_do_what_each_does_to_an_image(photo, mode):
    picture = image = photo(40, 30).convert(mode)
    for name, given in CHAIN:
        params = {key: kind.default for key, kind in STEPS[name].parameters.items()} | given
        picture = Pillow().prepare(Step(name, params), "")(picture, None)
        image = STEPS[name].function(image, **params)
        assert Pillow().size(picture) == image.size
    assert isinstance(picture, Image.Image) == (mode in ("RGBA", "LA"))
    assert (picture if isinstance(picture, Image.Image) else image_of(picture)) == image


#: Parameters of the steps on levels under which they take other ways.
WAYS = [
    *(("gaussian_blur", {"radius": radius}) for radius in (0, 1.0, 20.0)),
    *(("unsharp_mask", {"radius": radius, "threshold": 0}) for radius in (0, 1.0, 20.0)),
    *(("enhance", {key: 1.3}) for key in ("brightness", "contrast", "color", "sharpness")),
    ("enhance", {"brightness": 1.3, "contrast": 0.7, "color": 1.4, "sharpness": 0.5}),
    *(("median", {"size": 5}), ("denoise", {"strength": 3.0}), ("sepia", {"amount": 0.5})),
    ("color_matrix", {"matrix": ((1, 0, 0), (0, 1, 0.5), (0, 0, 1))}),
]


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(("name", "given"), WAYS)
def test_a_step_writes_to_no_array_that_it_is_given(photo, name, given, mode):
    """The array may be shared by several outputs, and it may be read-only."""
    kind = STEPS[name]
    default = {key: p.default for key, p in kind.parameters.items() if p.default is not REQUIRED}
    step = kind.on_array(**default | given)
    levels = array_of(photo(40, 30).convert(mode))
    writable = levels.copy()
    assert not levels.flags.writeable
    np.testing.assert_array_equal(step(levels), step(writable))
    np.testing.assert_array_equal(levels, writable)


def test_all_array_steps_are_among_these():
    assert {name for name, _ in WAYS} == {name for name, kind in STEPS.items() if kind.array_only}


def test_each_step_says_whether_opencv_makes_its_pixels(repository):
    """Otherwise, another version of OpenCV would leave stale images in place."""
    steps = {name: kind for name, kind in STEPS.items() if name != "lookup"}
    given = {name: GIVEN.get(name, kind.examples[0]) for name, kind in steps.items()}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, repr(given)],
        env={"PYTHONPATH": str(repository / "scripts")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    needing = {name for name, kind in steps.items() if kind.opencv}
    assert set(done.stdout.split()) == needing
    assert needing and needing != set(steps)
