"""Other tools are ranked against pixelmill, and noise makes no winner."""

from dataclasses import asdict

import pytest

from pixelmill.benchmark.ranking import ranking
from pixelmill.benchmark.samples import Case, Sample
from pixelmill.benchmark.speedups import figures
from pixelmill.core.tables import write_json
from pixelmill.report.charts import WIDE, rivals
from pixelmill.report.collect import Tree, collect, describe
from pixelmill.report.render import html, markdown
from pixelmill.report.sections import Section


def measured(**seconds):
    """A rivals.json of 100 images, from the seconds of each repeat by engine or tool."""
    samples = {}
    for name, taken in seconds.items():
        tool = "" if name in ("loop", "ceiling", "threads", "processes") else name
        case = Case("rival" if tool else name, 1 if name == "loop" else 2, tool)
        samples[case] = [Sample(each, 0.5, 100) for each in taken]
    return {
        "images": 100,
        "repeats": 5,
        "software": {"gm": "GraphicsMagick 1.3.40"},
        "figures": [{**row, "peak_mib": 50.0} for row in figures(samples)],
        "samples": [
            {**case.as_data(), "samples": [asdict(sample) for sample in taken]}
            for case, taken in samples.items()
        ],
    }


def row_of(found, name):
    return next(row for row in found["rows"] if name in (row["kind"], row.get("tool")))


STEADY = {"loop": [4.0] * 5, "threads": [2.2, 2.1, 2.0, 2.1, 2.2], "ceiling": [1.0] * 5}


def test_every_tool_is_compared_with_the_fastest_engine():
    found = ranking(measured(**STEADY, processes=[2.0] * 5, gm=[4.0] * 5))
    assert found["ours"] == "processes"
    assert row_of(found, "gm")["of_ours"] == 0.5
    assert "of_ours" not in row_of(found, "processes")
    assert row_of(found, "processes")["speedup"] == 2.0


def test_the_fastest_comes_first_and_unusable_cases_are_omitted():
    found = ranking(measured(**STEADY, gm=[1.0] * 5))
    assert [row["kind"] for row in found["rows"]] == ["rival", "threads", "loop"]


@pytest.mark.parametrize(
    ("gm", "equal"), [([2.2, 2.0, 2.1, 2.2, 2.1], True), ([1.5, 1.6, 1.5, 1.5, 1.6], False)]
)
def test_no_winner_is_claimed_inside_the_noise(gm, equal):
    assert row_of(ranking(measured(**STEADY, gm=gm)), "gm")["equal"] is equal


def test_images_that_a_tool_did_not_make_are_reported():
    result = measured(**STEADY, gm=[2.0] * 5)
    result["samples"][-1]["samples"][0]["images"] = 97
    found = ranking(result)
    assert (row_of(found, "gm")["images"], row_of(found, "threads")["images"]) == (97, 100)


def test_the_report_shows_it_only_where_it_was_measured(tmp_path):
    tree = Tree.at(tmp_path / "results/demo/light/sequential")
    write_json(tmp_path / "results/demo/light/sequential/timing.json", {})
    plain = {**collect([tree], {}), **describe([tree])}
    write_json(tmp_path / "results/demo/light/rivals.json", measured(**STEADY, gm=[4.2] * 5))
    contested = {**collect([tree], {}), **describe([tree])}
    for show in (html, markdown):
        assert "other tools" not in show(plain)
        assert "other tools" in show(contested)
    assert "GraphicsMagick 1.3.40" in html(contested)
    assert "no tool can be faster" not in html(contested)  # the floor was not measured
    assert "| gm | 23.8 | 0.50 |" in markdown(contested)


def test_a_chart_shows_every_tool_by_its_own_name():
    section = Section("demo", "light", ranking=ranking(measured(**STEADY, gm=[4.0] * 5)))
    drawn = rivals.CHART.draw(section, WIDE)
    assert ">gm<" in drawn and ">threads<" in drawn and ">plain loop<" in drawn
