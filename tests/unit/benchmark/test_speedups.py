"""The statistics are what their names say."""

import pytest

from pixelmill.benchmark.samples import STAGES, Case, Sample
from pixelmill.benchmark.speedups import figures, interval, table

LOOP = Case("loop", 1)


def sample(images_per_second, **facts):
    return Sample(100 / images_per_second, 0.5, 100, **facts)


def row_of(rows, kind, workers):
    return next(row for row in rows if (row["kind"], row["workers"]) == (kind, workers))


def test_a_rate_is_the_median_and_its_spread_the_extremes():
    row = row_of(figures({LOOP: [sample(100), sample(90), sample(300)]}), "loop", 1)
    rates = row["images_per_second"], row["slowest"], row["fastest"]
    assert rates == pytest.approx((100, 90, 300))


def test_a_speedup_is_the_median_of_ratios_within_a_repeat():
    """A slow period of the machine then affects both sides of a ratio."""
    samples = {
        LOOP: [sample(100), sample(50), sample(10)],
        Case("threads", 2): [sample(190), sample(90), sample(20)],
    }
    row = row_of(figures(samples), "threads", 2)
    assert (row["speedup"], row["efficiency"]) == (1.9, 0.95)
    assert row["speedup_spread"] == [1.8, 2.0]
    assert row["karp_flatt"] == pytest.approx((1 / 1.9 - 1 / 2) / (1 - 1 / 2), abs=1e-4)


def test_an_engine_is_held_against_the_ceiling_of_as_many_workers():
    samples = {
        LOOP: [sample(100)],
        Case("ceiling", 1): [sample(100)],
        Case("ceiling", 2): [sample(180)],
        Case("threads", 1): [sample(100)],
        Case("threads", 2): [sample(144)],
    }
    rows = figures(samples)
    assert row_of(rows, "threads", 2)["engine_efficiency"] == 0.8
    assert row_of(rows, "threads", 2)["serial_share"] == 0.25
    assert row_of(rows, "ceiling", 2)["speedup"] == 1.8
    assert "engine_efficiency" not in row_of(rows, "ceiling", 2)
    assert not {"karp_flatt", "serial_share"} & row_of(rows, "threads", 1).keys()


def test_the_spread_against_the_ceiling_is_that_of_the_ratios():
    samples = {
        Case("ceiling", 2): [sample(200), sample(100), sample(100)],
        Case("futures", 2): [sample(180), sample(95), sample(80)],
        Case("rival", 2, "gm"): [sample(100), sample(60), sample(40)],
    }
    rows = figures(samples)
    assert row_of(rows, "futures", 2)["engine_efficiency"] == 0.9
    assert row_of(rows, "futures", 2)["engine_efficiency_spread"] == [0.8, 0.95]
    assert row_of(rows, "rival", 2)["engine_efficiency_spread"] == [0.4, 0.6]


def test_a_line_of_the_table_has_each_figure_below_its_heading():
    row = {
        "kind": "threads", "workers": 2, "images_per_second": 101.24, "slowest": 97.31,
        "fastest": 103.41, "speedup": 1.57, "engine_efficiency": 0.67, "startup_seconds": 0.789,
        "tail_seconds": 0.831, "peak_mib": 890.6,
    }  # fmt: skip
    header, line, other = table([row, {**row, "peak_mib": None}])
    names = (
        "workers",
        "images/s",
        "from",
        "to",
        "speedup",
        "ceiling",
        "start-up s",
        "tail s",
        "MiB",
    )
    ends = [header.index(name) + len(name) for name in names]
    assert [line[:end].split()[-1] for end in ends] == [
        "2", "101.2", "97.3", "103.4", "1.57", "0.67", "0.79", "0.83", "891",
    ]  # fmt: skip
    assert other == line[: -len("891")] + "   "


def test_without_a_loop_or_a_ceiling_nothing_is_compared():
    (row,) = figures({Case("threads", 2): [sample(90)]})
    assert not {"speedup", "efficiency", "engine_efficiency", "serial_share"} & row.keys()


def test_stages_idle_time_and_tail_are_medians():
    taken = [
        sample(100, stages=dict.fromkeys(STAGES, level), idle=[level, 0.0], tail_seconds=level)
        for level in (0.1, 0.2, 0.9)
    ]
    (row,) = figures({Case("threads", 2): taken})
    assert row["stages"] == dict.fromkeys(STAGES, 0.2)
    assert (row["idle"], row["tail_seconds"]) == (0.1, 0.2)


def test_the_overhead_has_its_parts_and_no_speedup():
    parts = {"library": 1.2, "bare": 1.0, "digests": 0.1}
    rows = figures({LOOP: [sample(100)], Case("overhead", 1): [sample(100, parts=parts)]})
    row = row_of(rows, "overhead", 1)
    assert row["parts"] == pytest.approx(parts)
    assert "speedup" not in row
    assert any("(10.0%)" in line for line in table(rows))


def test_the_table_has_a_line_for_each_case():
    cases = (LOOP, Case("ceiling", 2), Case("rival", 2, "gm"))
    header, *lines = table(figures({case: [sample(100)] for case in cases}))
    assert header.split()[:3] == ["case", "workers", "images/s"]
    assert [line.split()[0] for line in lines] == ["loop", "ceiling", "gm"]


@pytest.mark.parametrize(
    ("count", "ends"), [(4, None), (5, (1, 5)), (7, (1, 7)), (8, (2, 7)), (20, (6, 15))]
)
def test_an_interval_encloses_the_median_nine_times_in_ten(count, ends):
    """Conover's table of binomial probabilities."""
    assert interval(range(1, count + 1)) == ends
