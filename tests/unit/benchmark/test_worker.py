"""Every case is measured in the same way: all images, and the time of each stage."""

import contextlib
from types import SimpleNamespace

import pytest

from pixelmill.benchmark import worker
from pixelmill.benchmark.samples import Case
from pixelmill.benchmark.worker import measure
from pixelmill.dataset.catalog import scan
from pixelmill.dataset.entries import Entries, Entry
from pixelmill.dataset.passes import Pass
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
    (tmp_path / "in/00.jpg").write_bytes(b"\xff\xd8\xff and no more")
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
    busy = sum(taken for stage, taken in done.stages.items() if stage != "wait")
    assert done.stages["wait"] == pytest.approx(max(0.0, done.seconds - busy))
    assert len(done.idle) == case.workers
    assert all(0 <= share <= 1 for share in done.idle)
    assert 0 <= done.tail_seconds <= done.seconds


#: Seconds of an image by stage, and those of each of 4 workers that made 12 such images in 8 s.
IMAGE = (0.125, 0.5, 0.25, 0.75, 0.375)
WORKER = {
    "read": 0.375, "decode": 1.5, "steps": 0.75, "encode": 2.25, "write": 1.125, "wait": 2.0
}  # fmt: skip


def a_pass_of_8_seconds(monkeypatch):
    """Replace the pass by one of known times, after a start-up of 2 s."""
    done = Pass(True, "threads", 4, 10.0, 2.0, 12, 0, 0, 0, 0.0, "", "", "", "")
    timeline = [(number, 0.0, 6.0, 3) for number in range(3)] + [(3, 2.0, 8.0, 3)]
    timeline.append((4, 7.0, 9.0, 0))  # of a worker that replaced a dead one
    ledger = SimpleNamespace(stage_means=lambda: IMAGE, timeline=lambda: timeline)
    monkeypatch.setattr(worker, "process", lambda request, entries: done)
    monkeypatch.setattr(worker, "Ledger", lambda *_, **__: contextlib.nullcontext(ledger))


def loops_of_8_seconds(monkeypatch):
    """Replace the loops by some of known times, of which the last one ends late."""

    def run(call, loops, on_result):
        for loop, ended in zip(loops, (6.0, 6.0, 6.0, 8.0), strict=True):
            on_result(worker._Looped(loop.begin + ended, [IMAGE] * len(loop.jobs)))

    engine = SimpleNamespace(run=run)
    monkeypatch.setattr(worker, "open_engine", lambda *_, **__: contextlib.nullcontext(engine))


@pytest.mark.parametrize(
    ("kind", "replace"), [("threads", a_pass_of_8_seconds), ("ceiling", loops_of_8_seconds)]
)
def test_several_workers_share_the_time_of_all_images(tmp_path, monkeypatch, kind, replace):
    replace(monkeypatch)
    entries = Entries(Entry(f"{number:02}.jpg", 9, 1, "jpeg") for number in range(12))
    done = measure(str(tmp_path), str(tmp_path / "out"), RECIPE, Case(kind, 4), entries)
    assert (done.images, done.seconds) == (12, pytest.approx(8.0))
    assert done.stages == pytest.approx(WORKER, abs=1e-5)
    assert done.tail_seconds == pytest.approx(2.0, abs=1e-5)


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
