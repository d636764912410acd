"""A backend is a library; the steps that need another one say so."""

import subprocess
import sys

import pytest
from PIL import Image

from pixelmill.backends import Pillow, backend
from pixelmill.levels import from_levels
from pixelmill.operations import STEPS
from pixelmill.parameters import REQUIRED
from pixelmill.recipe import Step

#: What a step is given that it has no default for.
GIVEN = {
    "width": 20, "height": 20, "angle": 30, "gamma": 2.0, "bits": 3, "text": "a",
    "matrix": [[1, 0, 0], [0, 1, 0], [0, 0, 1]], "color": "#808080",
}  # fmt: skip

PROGRAM = """
import sys
sys.modules["cv2"] = None  # as if it were not installed
from PIL import Image
from pixelmill.recipe import parse
from pixelmill.levels import from_levels
from pixelmill.operations import STEPS
name, params = sys.argv[1], eval(sys.argv[2])
(step,) = parse({"steps": [{name: params}]}).steps
STEPS[name].function(Image.linear_gradient("L").convert("RGB"), **step.params)
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
    assert (picture if isinstance(picture, Image.Image) else from_levels(picture)) == image


@pytest.mark.parametrize("name", [name for name in STEPS if name != "lookup"])
def test_a_step_says_whether_opencv_makes_its_pixels(repository, name):
    """Or another version of it would leave stale images in place."""
    kind = STEPS[name]
    params = {key: GIVEN[key] for key, kind in kind.parameters.items() if kind.default is REQUIRED}
    params |= {"resize": {"width": 20}, "crop": {"width": 20}, "watermark": {"text": "a"},
               "enhance": {"brightness": 2, "color": 2, "sharpness": 2}}.get(name, {})  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, name, repr(params)],
        env={"PYTHONPATH": str(repository / "scripts")},
        capture_output=True,
        text=True,
        check=False,
    )
    needs = "import of cv2 halted" in done.stderr
    assert needs or done.returncode == 0, done.stderr
    assert needs is kind.opencv
