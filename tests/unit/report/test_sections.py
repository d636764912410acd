"""The report has a section for each dataset and recipe, with what belongs to it alone."""

from pixelmill.report.comparison import Comparison
from pixelmill.report.sections import Section, sections


def entry(dataset, recipe, what):
    return {"dataset": dataset, "recipe": recipe, "what": what}


#: No engine was compared.
NOTHING = Comparison((), False)

REPORT = {
    "rows": [
        entry("b", "light", "sequential"),
        entry("a", "light", "sequential"),
        entry("a", "light", "threads"),
        entry("a", "other", "sequential"),
    ],
    "times": [entry("a", "other", 1), entry("a", "light", 2), entry("a", "light", 3)],
    "scaling": [entry("b", "light", "measured"), entry("a", "other", "measured later")],
    "rivals": [entry("a", "light", "ranked")],
}


def test_each_section_has_what_belongs_to_its_dataset_and_recipe_in_the_order_of_the_rows():
    sheets = {("a", "light"): ["pair"], ("b", "light"): []}
    first, second, third = sections(REPORT, sheets, NOTHING)
    assert first == Section(
        "b", "light", rows=[entry("b", "light", "sequential")], times=[],
        benchmark=entry("b", "light", "measured"), ranking=None, pairs=[],
    )  # fmt: skip
    assert second == Section(
        "a", "light",
        rows=[entry("a", "light", "sequential"), entry("a", "light", "threads")],
        times=[entry("a", "light", 2), entry("a", "light", 3)], benchmark=None,
        ranking=entry("a", "light", "ranked"), pairs=["pair"],
    )  # fmt: skip
    assert third == Section(
        "a", "other", rows=[entry("a", "other", "sequential")], times=[entry("a", "other", 1)],
        benchmark=entry("a", "other", "measured later"), ranking=None, pairs=None,
    )  # fmt: skip


def test_a_section_has_only_its_names_if_the_report_has_nothing_else():
    assert list(sections({"rows": [{"dataset": "a", "recipe": "b"}]}, {}, NOTHING)) == [
        Section("a", "b", rows=[{"dataset": "a", "recipe": "b"}], times=[])
    ]
    empty = Section("a", "b")
    assert (list(empty.rows), list(empty.times)) == ([], [])
    assert (empty.benchmark, empty.ranking, empty.pairs) == (None, None, None)
    assert empty.name == "a · b"


def test_each_section_has_its_rows_of_the_comparison():
    rows = [
        {"dataset": "a", "recipe": recipe, "engine": "threads", "workers": 2, "speedup": "",
         "images_per_second": rate}
        for recipe, rate in (("light", 30.0), ("other", 20.0))
    ]  # fmt: skip
    light, other = sections({"rows": rows}, {})
    assert [row.images_per_second for row in light.comparison] == [30.0]
    assert [row.images_per_second for row in other.comparison] == [20.0]
    assert not light.measured
