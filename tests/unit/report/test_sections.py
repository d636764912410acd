"""The report has a section for each dataset and recipe, with what belongs to it alone."""

from pixelmill.report.sections import Section, sections


def entry(dataset, recipe, what):
    return {"dataset": dataset, "recipe": recipe, "what": what}


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
    first, second, third = sections(REPORT, sheets)
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
    assert list(sections({"rows": [{"dataset": "a", "recipe": "b"}]}, {})) == [
        Section("a", "b", rows=[{"dataset": "a", "recipe": "b"}], times=[])
    ]
    empty = Section("a", "b")
    assert (list(empty.rows), list(empty.times)) == ([], [])
    assert (empty.benchmark, empty.ranking, empty.pairs) == (None, None, None)
