"""Each step of a recipe is timed separately."""

import pytest

from pixelmill.benchmark.step_times import StepTime, step_times
from pixelmill.dataset.catalog import scan
from pixelmill.imaging.recipe_parser import parse

OWN_STEP = """
def lighten(image):
    return image.point(lambda level: min(255, level + 40))


def refuse(image):
    raise ValueError("no")


def expect_small(image):
    if image.size != (24, 16):
        raise ValueError("it was not resized")
    return image
"""


@pytest.fixture
def timed(tmp_path, photos):
    """Function that times the steps of a recipe on a few photos, one of them broken."""
    photos(tmp_path / "in", 3)
    (tmp_path / "in/broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    (tmp_path / "own.py").write_text(OWN_STEP, encoding="utf-8")

    def time(**recipe):
        source = str(tmp_path / "in")
        return step_times(source, parse(recipe, folder=str(tmp_path)), scan(source)[0].entries)

    return time


@pytest.mark.parametrize("backend", ["pillow", "opencv"])
def test_steps_are_timed_in_the_order_in_which_they_are_done(timed, backend):
    steps = [{"resize": {"width": 24, "height": 16}}, "grayscale"]
    times = timed(steps=steps, backend=backend)
    assert [time.step for time in times] == ["resize", "grayscale"]
    assert min(t for time in times for t in (time.alone, time.together)) > 0


def test_own_steps_have_the_name_of_their_function(timed):
    outputs = [{"name": "a", "steps": [{"call": {"function": "own:lighten"}}]}]
    assert [time.step for time in timed(steps=["grayscale"], outputs=outputs)] == [
        "grayscale",
        "own:lighten",
    ]


def test_a_step_is_timed_on_what_the_step_before_made(timed):
    steps = [{"resize": {"width": 24, "height": 16}}, {"call": {"function": "own:expect_small"}}]
    assert [time.step for time in timed(steps=steps)] == ["resize", "own:expect_small"]


def test_a_step_that_fails_on_every_image_has_no_time(timed):
    assert timed(steps=[{"call": {"function": "own:refuse"}}, "grayscale"]) == []


def test_what_is_lost_is_what_two_threads_cost_each_other():
    assert StepTime("median", 1.0, 1.75).lost == 0.75
    assert StepTime("resize", 1.0, 0.9).lost == 0
