"""Every case is measured in the same way: all images, and the time of each stage."""

import pytest

from pixelmill.benchmark.samples import Arm
from pixelmill.benchmark.worker import measure
from pixelmill.dataset.catalog import scan
from pixelmill.imaging.recipe_parser import parse

RECIPE = parse({"steps": [{"resize": {"width": 24, "height": 16}}, "grayscale"]})
WHOLE = [
    Arm("loop", 1), Arm("ceiling", 2), Arm("synchronous", 1),
    *(Arm(kind, 2) for kind in ("threads", "processes", "futures")),
]  # fmt: skip

OWN_STEP = """
def lighten(image):
    return image.point(lambda level: min(255, level + 40))
"""


@pytest.fixture
def measured(tmp_path):
    """Function that measures an arm over the images of ``in``, into ``out``."""

    def measure_arm(arm, recipe=RECIPE):
        source = str(tmp_path / "in")
        entries = scan(source)[0].entries
        return measure(source, str(tmp_path / "out"), recipe, arm, entries)

    return measure_arm


@pytest.mark.parametrize("arm", [Arm("overhead", 1), *WHOLE], ids=lambda arm: arm.kind)
def test_every_arm_makes_every_image_and_a_bad_one_does_not_end_it(tmp_path, photos, measured, arm):
    photos(tmp_path / "in", 4)
    (tmp_path / "in/broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    done = measured(arm)
    assert done.images == 5
    assert done.seconds > 0
    if arm.kind != "overhead":
        made = {path.name for path in (tmp_path / "out").rglob("*.jpg")}
        assert made == {f"{number}.jpg" for number in range(4)}
        assert_the_stages_of_a_worker_are_all_of_its_time(done, arm)


def assert_the_stages_of_a_worker_are_all_of_its_time(done, arm):
    assert tuple(done.stages) == ("read", "decode", "steps", "encode", "write", "wait")
    assert min(done.stages.values()) >= 0
    assert sum(done.stages.values()) == pytest.approx(done.seconds)
    assert len(done.idle) == arm.workers
    assert all(0 <= share <= 1 for share in done.idle)
    assert 0 <= done.tail_seconds <= done.seconds


def test_a_worker_that_got_nothing_to_do_was_idle(tmp_path, photos, measured):
    photos(tmp_path / "in", 1)
    assert max(measured(Arm("processes", 2)).idle) == 1


def test_steps_are_timed_alone_and_together(tmp_path, photos, measured):
    photos(tmp_path / "in", 2)
    assert list(measured(Arm("steps", 2)).parts) == [
        "0 resize alone",
        "0 resize together",
        "1 grayscale alone",
        "1 grayscale together",
    ]


def test_overhead_can_be_measured_of_own_steps(tmp_path, photos, measured):
    photos(tmp_path / "in", 2)
    (tmp_path / "own.py").write_text(OWN_STEP, encoding="utf-8")
    recipe = parse({"steps": [{"call": {"function": "own:lighten"}}]}, folder=str(tmp_path))
    assert measured(Arm("overhead", 1), recipe).images == 2
