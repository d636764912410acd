"""Every case is measured in the same way: all images, and the time of each stage."""

import pytest

from pixelmill.benchmark.samples import Case
from pixelmill.benchmark.worker import measure
from pixelmill.dataset.catalog import scan
from pixelmill.imaging.recipe_parser import parse

RECIPE = parse({"steps": [{"resize": {"width": 24, "height": 16}}, "grayscale"]})
WHOLE = [
    Case("loop", 1), Case("ceiling", 2), Case("synchronous", 1),
    *(Case(kind, 2) for kind in ("threads", "processes", "futures")),
]  # fmt: skip

OWN_STEP = """
def lighten(image):
    return image.point(lambda level: min(255, level + 40))
"""


@pytest.fixture
def measured(tmp_path):
    """Function that measures a case over the images of ``in``, into ``out``."""

    def measure_case(case, recipe=RECIPE):
        source = str(tmp_path / "in")
        entries = scan(source)[0].entries
        return measure(source, str(tmp_path / "out"), recipe, case, entries)

    return measure_case


@pytest.mark.parametrize("case", [Case("overhead", 1), *WHOLE], ids=lambda case: case.kind)
def test_every_case_makes_every_image_and_a_bad_one_does_not_end_it(
    tmp_path, photos, measured, case
):
    photos(tmp_path / "in", 4)
    (tmp_path / "in/broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    done = measured(case)
    assert done.images == 5
    assert done.seconds > 0
    if case.kind != "overhead":
        made = {path.name for path in (tmp_path / "out").rglob("*.jpg")}
        assert made == {f"{number}.jpg" for number in range(4)}
        assert_the_stages_of_a_worker_are_all_of_its_time(done, case)


def assert_the_stages_of_a_worker_are_all_of_its_time(done, case):
    assert tuple(done.stages) == ("read", "decode", "steps", "encode", "write", "wait")
    assert min(done.stages.values()) >= 0
    assert sum(done.stages.values()) == pytest.approx(done.seconds)
    assert len(done.idle) == case.workers
    assert all(0 <= share <= 1 for share in done.idle)
    assert 0 <= done.tail_seconds <= done.seconds


def test_a_worker_that_got_nothing_to_do_was_idle(tmp_path, photos, measured):
    photos(tmp_path / "in", 1)
    assert max(measured(Case("processes", 2)).idle) == 1


def test_steps_are_timed_alone_and_together(tmp_path, photos, measured):
    photos(tmp_path / "in", 2)
    assert list(measured(Case("steps", 2)).parts) == [
        "0 resize alone",
        "0 resize together",
        "1 grayscale alone",
        "1 grayscale together",
    ]


def test_overhead_can_be_measured_of_own_steps(tmp_path, photos, measured):
    photos(tmp_path / "in", 2)
    (tmp_path / "own.py").write_text(OWN_STEP, encoding="utf-8")
    recipe = parse({"steps": [{"call": {"function": "own:lighten"}}]}, folder=str(tmp_path))
    assert measured(Case("overhead", 1), recipe).images == 2
