"""The benchmark measures every arm alike and its statistics are what they are called."""

import pytest

from pixelmill.benchmark import (
    PARALLEL,
    Arm,
    Sample,
    arms_for,
    figures,
    measure,
    run,
    select,
    table,
)
from pixelmill.catalog import Entry
from pixelmill.errors import UserError
from pixelmill.recipe import parse

RECIPE = parse({"steps": [{"resize": {"width": 24, "height": 16}}, "grayscale"]})

OWN_STEP = """
def lighten(image):
    return image.point(lambda level: min(255, level + 40))
"""


def sample(images_per_second, startup_seconds=0.5, peak_mib=40.0, parts=None):
    return Sample(100 / images_per_second, startup_seconds, 100, peak_mib, parts or {})


def row_of(rows, kind, workers):
    return next(row for row in rows if (row["kind"], row["workers"]) == (kind, workers))


@pytest.mark.parametrize(
    ("cores", "counts"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])]
)
def test_every_engine_and_the_ceiling_are_measured_at_each_power_of_two_and_all_cores(
    cores, counts
):
    arms = arms_for(cores)
    for kind in ("ceiling", *PARALLEL):
        assert [arm.workers for arm in arms if arm.kind == kind] == counts
    assert arms[:2] == [Arm("overhead", 1), Arm("loop", 1)]
    assert len(set(arms)) == len(arms)


def test_a_rate_is_the_median_and_its_spread_the_extremes():
    rows = figures({Arm("loop", 1): [sample(100), sample(90), sample(300)]})
    row = row_of(rows, "loop", 1)
    rates = row["images_per_second"], row["slowest"], row["fastest"]
    assert rates == pytest.approx((100, 90, 300))


def test_a_speedup_is_the_median_of_ratios_within_a_repeat():
    """A slow spell of the machine then hits both sides of a ratio."""
    samples = {
        Arm("loop", 1): [sample(100), sample(50), sample(10)],
        Arm("threads", 2): [sample(190), sample(95), sample(20)],
    }
    row = row_of(figures(samples), "threads", 2)
    assert (row["speedup"], row["efficiency"]) == (1.9, 0.95)


def test_an_engine_is_held_against_the_ceiling_of_as_many_workers():
    samples = {
        Arm("loop", 1): [sample(100)],
        Arm("ceiling", 1): [sample(100)],
        Arm("ceiling", 2): [sample(180)],
        Arm("threads", 2): [sample(90)],
    }
    rows = figures(samples)
    assert row_of(rows, "threads", 2)["engine_efficiency"] == 0.5
    assert row_of(rows, "ceiling", 2)["speedup"] == 1.8
    assert "engine_efficiency" not in row_of(rows, "ceiling", 2)


def test_without_a_loop_or_a_ceiling_nothing_is_compared():
    (row,) = figures({Arm("threads", 2): [sample(90)]})
    assert not {"speedup", "efficiency", "engine_efficiency"} & row.keys()


def test_the_overhead_has_its_parts_and_no_speedup():
    parts = {"library": 1.2, "bare": 1.0, "digests": 0.1}
    loop, overhead = Arm("loop", 1), Arm("overhead", 1)
    rows = figures({loop: [sample(100)], overhead: [sample(100, parts=parts)]})
    row = row_of(rows, "overhead", 1)
    assert row["parts"] == pytest.approx(parts)
    assert "speedup" not in row
    assert any("(10.0%)" in line for line in table(rows))


def test_the_table_has_a_line_for_each_arm():
    rows = figures({arm: [sample(100)] for arm in (Arm("loop", 1), Arm("ceiling", 2))})
    header, *lines = table(rows)
    assert header.split()[:3] == ["arm", "workers", "images/s"]
    assert [line.split()[0] for line in lines] == ["loop", "ceiling"]


@pytest.mark.parametrize(
    ("count", "chosen"), [(1, [0]), (2, [0, 5]), (5, [0, 2, 4, 6, 8]), (99, list(range(10)))]
)
def test_images_are_chosen_evenly_over_the_catalog(count, chosen):
    entries = [Entry(f"{number}.jpg", 1, 1, "jpeg") for number in range(10)]
    assert [int(entry.path[:-4]) for entry in select(entries, count)] == chosen


def test_an_empty_folder_is_said_so():
    with pytest.raises(UserError, match="nothing to measure"):
        select([], 5)


@pytest.mark.parametrize(
    "arm",
    [Arm("overhead", 1), Arm("loop", 1), Arm("ceiling", 2), *(Arm(k, 2) for k in PARALLEL)],
    ids=lambda arm: arm.kind,
)
def test_every_arm_makes_every_image(tmp_path, photos, arm):
    photos(tmp_path / "in", 4)
    done = measure(str(tmp_path / "in"), str(tmp_path / "out"), RECIPE, arm, 4)
    made = {path.stat().st_size for path in (tmp_path / "out").rglob("*.jpg")}
    assert done.images == 4
    assert done.seconds > 0
    assert len(made) >= 4 or arm.kind == "overhead"


def test_overhead_can_be_measured_of_own_steps(tmp_path, photos):
    photos(tmp_path / "in", 2)
    (tmp_path / "own.py").write_text(OWN_STEP, encoding="utf-8")
    recipe = parse({"steps": [{"call": {"function": "own:lighten"}}]}, folder=str(tmp_path))
    folders = str(tmp_path / "in"), str(tmp_path / "out")
    assert measure(*folders, recipe, Arm("overhead", 1), 2).images == 2


def test_one_bad_image_does_not_end_a_measurement(tmp_path, photos):
    photos(tmp_path / "in", 3)
    (tmp_path / "in/broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    folders = str(tmp_path / "in"), str(tmp_path / "out")
    assert measure(*folders, RECIPE, Arm("overhead", 1), 4).images >= 3


def test_arms_are_measured_apart_and_all_samples_are_kept(tmp_path, photos):
    source, scratch = photos(tmp_path / "in", 4), tmp_path / "scratch"
    scratch.mkdir()
    said = []
    result = run(str(source), RECIPE, [Arm("loop", 1)], 3, 2, str(scratch), said.append)
    assert (result["images"], result["repeats"]) == (3, 2)
    assert [len(entry["samples"]) for entry in result["samples"]] == [2]
    assert [row["kind"] for row in result["figures"]] == ["loop"]
    assert len(said) == 2
    assert list(scratch.iterdir()) == []
    assert str(tmp_path) not in str(result)


def test_a_measurement_that_fails_is_said_so_in_a_sentence(tmp_path, photos):
    source = photos(tmp_path / "in", 1)
    with pytest.raises(UserError, match=r"Measuring 'no such arm' failed") as caught:
        run(str(source), RECIPE, [Arm("no such arm", 1)], 1, 1, str(tmp_path), print)
    assert "Traceback" not in str(caught.value)
