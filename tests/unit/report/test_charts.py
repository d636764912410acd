"""Charts show what was measured in the colours of the page, and mark what was not measured."""

import functools
import re

import matplotlib as mpl
import numpy as np
import pytest

from pixelmill.report import charts
from pixelmill.report.charts import CHARTS, NARROW, WIDE
from pixelmill.report.sections import Section

ROWS = [
    {"engine": "sequential", "workers": 1, "images_per_second": 12.5, "speedup": 1.0},
    {"engine": "threads", "workers": 2, "images_per_second": 25.0, "speedup": 2.0},
]

#: As scaling.json has it.
BENCHMARK = {
    "images": 1000,
    "repeats": 5,
    "figures": [
        {"kind": "overhead", "workers": 1, "images_per_second": 9.0, "slowest": 8, "fastest": 9},
        {"kind": "loop", "workers": 1, "images_per_second": 80.0, "slowest": 70, "fastest": 90},
        *(
            {
                "kind": kind,
                "workers": count,
                "images_per_second": 78.0 * count,
                "slowest": 70.0 * count,
                "fastest": 80.0 * count,
                "speedup": 0.97 * count,
                "speedup_spread": [0.9 * count, 1.02 * count],
            }
            for kind in ("ceiling", "threads", "processes")
            for count in (1, 2, 4)
        ),
    ],
    "fits": {
        "threads": {
            "amdahl": {"serial_share": 0.02, "low": 0.01, "high": 0.03, "one_worker": 0.8},
            "usl": None,
            "predictions": [{"workers": n, "speedup": n * 0.8, "low": n * 0.7, "high": n * 0.9}
                            for n in (8, 32)],
        }
    },
}  # fmt: skip

TIMES = [
    {
        "engine": engine,
        "stages": {"read": 0.001, "decode": 0.002, "steps": 0.004, "encode": 0.001, "wait": 0.001},
        "latency": {"edges": [0.001, 0.01, 0.1], "counts": [90, 10]},
        "slowest": [{"image": "a.jpg", "seconds": 0.09}],
        "workers": [{"worker": k + 1, "images": 50, "busy": [[0.0, 1.0], [2.0, 3.0]]}
                    for k in range(count)],
    }
    for engine, count in (("sequential", 1), ("threads", 2))
]  # fmt: skip

RANKING = {
    "images": 1000,
    "repeats": 5,
    "workers": 2,
    "rows": [
        {"kind": "threads", "workers": 2, "images_per_second": 40.0, "slowest": 38, "fastest": 41},
        {"kind": "rival", "tool": "gm", "workers": 2, "images_per_second": 20.0, "slowest": 19,
         "fastest": 22},
    ],
}  # fmt: skip


def section(**parts):
    return Section("demo", "light", **parts)


#: What is drawn, and the name of its chart.
EVERY = {
    "throughput": ("throughput", section(rows=ROWS)),
    "measured": ("throughput", section(rows=ROWS, benchmark=BENCHMARK)),
    "scaling": ("scaling", section(benchmark=BENCHMARK)),
    "rivals": ("rivals", section(ranking=RANKING)),
    "stages": ("stages", section(times=TIMES)),
    "latencies": ("latencies", section(times=TIMES)),
    "workers": ("workers", section(times=TIMES)),
}


def svg_of(name, section, width=WIDE):
    """SVG of the chart of a name."""
    (chart,) = (chart for chart in CHARTS if chart.name == name)
    return chart.svg(section, width)


@functools.cache
def drawn(case, width=WIDE):
    return svg_of(*EVERY[case], width)


def words(svg):
    return re.findall(r"<text[^>]*>([^<]+)</text>", svg)


def lines(svg):
    """Points of each line, to a tenth of a point."""
    paths = [
        re.findall(r"[ML] (\S+) (\S+)", path) for path in re.findall(r'<path d="([^"]+)"', svg)
    ]
    return [[(round(float(x), 1), round(float(y), 1)) for x, y in path] for path in paths]


@pytest.mark.parametrize("case", EVERY)
def test_a_chart_is_the_same_every_time_and_takes_its_colours_from_the_page(case):
    svg = drawn(case)
    assert svg_of(*EVERY[case]) == svg
    assert "currentColor" in svg
    assert charts._INK not in svg


@pytest.mark.parametrize("case", EVERY)
def test_charts_of_one_page_share_no_identifier(case):
    both = [drawn(case, width) for width in (WIDE, NARROW)]
    names = [set(re.findall(r' id="([^"]+)"', svg)) for svg in both]
    assert not names[0] & names[1]
    for svg, own in zip(both, names, strict=True):
        assert set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', svg)) <= {
            pair for name in own for pair in ((name, ""), ("", name))
        }


def test_every_chart_is_tested():
    assert {chart.name for chart in CHARTS} == {name for name, _ in EVERY.values()}


@pytest.mark.parametrize(
    ("case", "title"),
    [
        ("throughput", "Throughput"),
        ("scaling", "Speedup and scaling"),
        ("rivals", "Comparison with other tools"),
        ("stages", "Time by stage"),
        ("latencies", "Time per image"),
        ("workers", "Activity of the workers"),
    ],
)
def test_a_chart_has_a_title_for_screen_readers(case, title):
    assert drawn(case).count(f'<svg role="img" aria-label="{title}"') == 1


@pytest.mark.parametrize(
    ("case", "caption"),
    [
        ("throughput", "One pass of each engine, including start-up."),
        ("measured", "Median and spread of 5 measurements on 1,000 images, without start-up."),
        ("scaling", "Whiskers: the slowest and the fastest measurement. Dashed: a prediction"),
        ("rivals", "Median and spread of 5 measurements on 1,000 images, with 2 workers"),
    ],
)
def test_a_caption_says_what_was_measured(case, caption):
    name, section = EVERY[case]
    (chart,) = (chart for chart in CHARTS if chart.name == name)
    assert chart.caption(section).startswith(caption)


def test_a_prediction_is_mentioned_only_if_there_is_one():
    (chart,) = (chart for chart in CHARTS if chart.name == "scaling")
    for benchmark in ({**BENCHMARK, "fits": {}}, {"figures": BENCHMARK["figures"]}):
        assert chart.caption(section(benchmark=benchmark)) == (
            "Whiskers: the slowest and the fastest measurement."
        )


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("throughput", "images per second (more is better)"),
        ("rivals", "images per second (more is better)"),
        ("scaling", "workers"),
        ("scaling", "speedup against a plain loop"),
        ("stages", "milliseconds of one core for an image"),
        ("latencies", "milliseconds for an image"),
        ("latencies", "images"),
        ("workers", "seconds since the first batch began"),
    ],
)
def test_axes_have_labels_with_units(name, label):
    assert label in words(drawn(name))


def test_bars_show_their_throughput_and_speedup():
    shown = words(drawn("throughput"))
    assert "25  ·  2.00x on 2" in shown or "25 · 2.00x on 2" in shown
    assert "12" in shown  # the baseline has none


def test_bars_of_the_benchmark_are_those_of_most_workers_and_the_loop():
    shown = " | ".join(words(drawn("measured")))
    assert "plain loop" in shown and "independent loops" in shown
    assert "3.88x on 4" in shown.replace("  ", " ")
    assert "on 2" not in shown
    assert "overhead" not in shown


def test_what_is_predicted_is_named_so_and_of_the_best_engine():
    shown = words(drawn("scaling"))
    assert {"ideal", "threads", "processes", "independent loops"} <= set(shown)
    assert {"threads: fit", "threads: prediction"} <= set(shown)
    assert "32" in shown


def test_the_curve_of_a_fit_goes_through_what_lies_on_it():
    """Also if the engine has overhead, so that one worker has a speedup below 1."""
    amdahl = {"serial_share": 0.0, "low": 0.0, "high": 0.0, "one_worker": 0.97}
    fit = {**BENCHMARK["fits"]["threads"], "amdahl": amdahl}
    found = lines(svg_of("scaling", section(benchmark={**BENCHMARK, "fits": {"threads": fit}})))
    curve = next(line for line in found if len(line) > 10)
    assert [curve[0], curve[-1]] in [[line[0], line[-1]] for line in found if len(line) == 3]


def test_without_fits_a_benchmark_shows_what_it_has():
    shown = words(svg_of("scaling", section(benchmark={"figures": BENCHMARK["figures"]})))
    assert "threads" in shown
    assert not [word for word in shown if "prediction" in word or "fit" in word]


def test_a_stage_that_took_no_time_takes_no_room_and_all_have_their_colours():
    assert {"read", "decode", "steps", "encode", "write", "wait"} <= set(words(drawn("stages")))
    assert "9" in words(drawn("stages"))  # 1 + 2 + 4 + 1 + 1 ms


def test_latencies_that_span_decades_are_on_a_logarithmic_axis():
    shown = words(drawn("latencies"))
    assert {"10", "100"} <= set(shown)


def test_a_row_is_shown_for_every_worker_and_few_names_where_there_are_many():
    assert {"sequential 1", "threads 1", "threads 2"} <= set(words(drawn("workers")))
    busy = [{"worker": k + 1, "images": 1, "busy": [[0.0, 1.0]]} for k in range(128)]
    shown = words(svg_of("workers", section(times=[{"engine": "processes", "workers": busy}])))
    names = [word for word in shown if word.startswith("processes")]
    assert 3 <= len(names) <= 40
    assert names[0] == "processes 1"


@pytest.fixture
def axes_of(monkeypatch):
    """Function that draws one of `EVERY` and returns its axes, in units of the data."""
    kept = []
    written = charts._svg
    monkeypatch.setattr(charts, "_svg", lambda figure: kept.append(figure) or written(figure))

    def draw(case, shown=None, width=WIDE):
        name, usual = EVERY.get(case, (case, shown))
        svg_of(name, shown or usual, width)
        (axes,) = kept.pop().axes
        return axes

    return draw


def spans(axes):
    """The ends of each error bar along its direction, rounded."""
    bars = [bar for bar in axes.containers if hasattr(bar, "has_xerr")]
    ends = [bar.lines[2][0].get_segments() for bar in bars]
    return [
        [np.round(np.array([start, end], float), 3).tolist() for start, end in bar] for bar in ends
    ]


@pytest.mark.parametrize(
    ("name", "rates", "whiskers"),
    [
        ("throughput", [12.5, 25.0], []),
        ("measured", [80.0, 312.0, 312.0, 312.0], [(70, 90)] + [(280, 320)] * 3),
    ],
)
def test_bars_and_whiskers_have_the_length_of_their_rates(axes_of, name, rates, whiskers):
    axes = axes_of(name)
    assert [patch.get_width() for patch in axes.patches] == rates
    assert [(start[0], end[0]) for ((start, end),) in spans(axes)] == whiskers


def test_points_of_the_speedups_stand_at_their_workers_with_their_spread(axes_of):
    axes = axes_of("scaling")
    curves = {bar.get_label(): bar for bar in axes.containers}
    assert set(curves) == {"independent loops", "threads", "processes"}
    for curve in curves.values():
        x, y = curve.lines[0].get_data()
        assert (list(x), list(y)) == ([1, 2, 4], pytest.approx([0.97, 1.94, 3.88]))
    expected = [[[1, 0.9], [1, 1.02]], [[2, 1.8], [2, 2.04]], [[4, 3.6], [4, 4.08]]]
    assert spans(axes) == [expected] * 3
    lines = {line.get_label(): line.get_data() for line in axes.lines}
    assert [list(values) for values in lines["ideal"]] == [[1, 2, 4, 8, 32]] * 2
    x, y = lines["threads: prediction"]
    assert (list(x), list(y[1:])) == ([4, 8, 32], pytest.approx([6.4, 25.6]))


def marks(axis):
    """Positions and labels of the ticks of an axis."""
    return list(axis.get_ticklocs()), [label.get_text() for label in axis.get_ticklabels()]


def test_speedups_of_many_workers_are_on_logarithmic_axes_with_a_tick_for_each_number(axes_of):
    axes = axes_of("scaling")
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert marks(axes.xaxis) == ([1, 2, 4, 8, 32], ["1", "2", "4", "8", "32"])
    assert marks(axes.yaxis) == ([1, 2, 4, 8, 16, 32], ["1", "2", "4", "8", "16", "32"])
    few = {**BENCHMARK, "fits": {}}
    axes = axes_of("scaling", section(benchmark=few))
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "linear")
    assert marks(axes.xaxis) == ([1, 2, 4], ["1", "2", "4"])


def test_the_uncertainty_of_a_prediction_is_the_area_between_its_bounds(axes_of):
    (area,) = (one for one in axes_of("scaling").collections if one.get_facecolor().size)
    corners = np.round(area.get_paths()[0].vertices, 6).tolist()
    for workers, low, high in ((8, 5.6, 7.2), (32, 22.4, 28.8)):
        assert [workers, low] in corners and [workers, high] in corners


def test_rows_are_named_and_stand_in_the_order_of_the_data_from_the_top(axes_of):
    names = {
        "throughput": ["sequential", "threads"],
        "measured": ["plain loop", "independent loops", "threads", "processes"],
        "rivals": ["threads", "gm"],
        "stages": ["sequential", "threads"],
        "workers": ["sequential 1", "threads 1", "threads 2"],
    }
    for name, expected in names.items():
        axes = axes_of(name)
        assert marks(axes.yaxis)[1] == expected, name
        bottom, top = axes.get_ylim()
        assert bottom > top, name
    assert marks(axes.yaxis)[0] == [0, 1.5, 2.5]  # with a gap between engines


def color_of(artist):
    """Colour of an area, or else of a line."""
    filled = hasattr(artist, "get_facecolor")
    color = artist.get_facecolor() if filled else artist.get_color()
    return mpl.colors.to_hex(color if isinstance(color, str) else np.reshape(color, (-1, 4))[0])


def test_an_engine_has_one_colour_in_all_charts(axes_of):
    bar = color_of(axes_of("throughput").patches[1])
    assert bar != color_of(axes_of("throughput").patches[0])
    assert color_of(axes_of("measured").patches[2]) == bar
    curve = next(c for c in axes_of("scaling").containers if c.get_label() == "threads")
    assert mpl.colors.to_hex(curve.lines[0].get_color()) == bar
    lines = {line.get_label(): line for line in axes_of("scaling").lines}
    assert {color_of(lines[f"threads: {part}"]) for part in ("fit", "prediction")} == {bar}
    assert [color_of(row) for row in axes_of("workers").collections][1:] == [bar, bar]
    assert color_of(axes_of("latencies").patches[-2]) == bar


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("name", ["throughput", "measured", "rivals", "stages"])
def test_there_is_room_for_the_label_behind_the_longest_bar(axes_of, name, width):
    axes = axes_of(name, width=width)
    longest = max(patch.get_x() + patch.get_width() for patch in axes.patches)
    assert 1.1 * longest < axes.get_xlim()[1] < 2.5 * longest
    assert axes.get_xlim()[0] == 0


def test_labels_stand_at_the_ends_of_bars_or_of_their_whiskers(axes_of):
    def ends(name):
        return [(*text.xy, text.get_text()) for text in axes_of(name).texts]

    assert ends("throughput") == [(12.5, 0, "12"), (25.0, 1, "25  ·  2.00x on 2")]
    assert ends("measured")[:2] == [(90, 0, "80"), (320, 1, "312  ·  3.88x on 4")]
    assert ends("rivals") == [(41, 0, "40"), (22, 1, "20")]
    assert [(round(end, 6), place, text) for end, place, text in ends("stages")] == [
        (9, 0, "9"), (9, 1, "9"),
    ]  # fmt: skip


def test_the_baseline_of_dask_is_shown_whatever_the_number_of_workers(axes_of):
    row = {"kind": "synchronous", "workers": 1, "images_per_second": 77.0, "slowest": 75,
           "fastest": 79, "speedup": 0.96}  # fmt: skip
    benchmark = {**BENCHMARK, "figures": [*BENCHMARK["figures"], row]}
    axes = axes_of("throughput", section(benchmark=benchmark))
    assert marks(axes.yaxis)[1][-1] == "Dask, one thread"
    assert "synchronous" not in {c.get_label() for c in axes_of("scaling").containers}


def test_the_order_in_which_cases_were_measured_does_not_matter(axes_of):
    axes = axes_of("scaling", section(benchmark={"figures": BENCHMARK["figures"][::-1]}))
    for curve in axes.containers:
        assert list(curve.lines[0].get_xdata()) == [1, 2, 4]


def test_the_parts_of_a_stage_bar_are_milliseconds_one_behind_the_other(axes_of):
    parts = [(bar.get_x(), bar.get_width()) for bar in axes_of("stages").patches]
    expected = [(0, 1), (1, 2), (3, 4), (7, 1), (8, 0), (8, 1)]  # of both engines
    assert np.round(parts, 6).tolist() == [list(part) for part in expected for _ in "ab"]


def test_latencies_are_counted_and_the_slowest_are_marked_in_milliseconds(axes_of):
    axes = axes_of("latencies")
    steps = [patch.get_data() for patch in axes.patches]
    assert [list(step.edges) for step in steps] == [[1, 10, 100]] * 4  # filled, and outlined
    assert [list(step.values) for step in steps] == [[90, 10]] * 4
    marks = [line.get_xdata() for line in axes.lines if line.get_marker() == "|"]
    assert np.round(marks, 6).tolist() == [[90]] * 2


def test_rows_of_workers_are_filled_while_they_are_busy(axes_of):
    busy = [
        [(path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in row.get_paths()]
        for row in axes_of("workers").collections
    ]
    assert busy == [[(0, 1), (2, 3)]] * 3


@pytest.mark.parametrize(
    ("name", "empty"),
    [
        ("throughput", section(rows=[{**ROWS[0], "images_per_second": None}])),
        ("scaling", section()),
        ("scaling", section(benchmark={"figures": []})),
        ("rivals", section()),
        ("stages", section()),
        ("latencies", section()),
        ("workers", section()),
        ("workers", section(times=[{**TIMES[0], "workers": []}])),
    ],
)
def test_without_measurements_there_is_no_chart(name, empty):
    assert svg_of(name, empty) == ""
