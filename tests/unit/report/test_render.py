"""The page, its Markdown and its figures are complete, small, and the same for every reader."""

import re

import pytest

from pixelmill.core.jobs import BusyInterval, Outcome, OutputFile
from pixelmill.dataset.exports import write_tables
from pixelmill.dataset.layout import Tree
from pixelmill.dataset.ledger import Example, Fingerprints, Ledger
from pixelmill.dataset.passes import Pass
from pixelmill.report.collect import collect, describe
from pixelmill.report.conclusion import State
from pixelmill.report.contact_sheet import Pair
from pixelmill.report.render import html, markdown, write
from tests.helpers.reports import REPORT

#: Largest size of a page in bytes, for any number of images.
LARGEST_PAGE = 2_000_000

MANY = 20_000


def outcome(number):
    made = (OutputFile("", f"{number}.jpg", 8, 8, 100, "0"),)
    seconds = (0.001, 0.002 + number * 1e-6, 0.004, 0.001, 0.001)
    return Outcome(f"{number}.jpg", made, "ok", "", "", "", 9, 0, "", 64, seconds)


@pytest.fixture
def report(tmp_path):
    """Report of trees with as many images as asked for, and no image there."""

    def make(count=50, **changes):
        trees = []
        for engine in ("sequential", "threads"):
            folder = tmp_path / "results/demo/light" / engine
            folder.mkdir(parents=True)
            with Ledger(str(folder / "ledger.sqlite")) as ledger:
                ledger.record(map(outcome, range(count)), Fingerprints("r", "c", "l"))
                stretches = [BusyInterval("a", k, k + 0.5, 1) for k in range(min(count, 2000))]
                finished = Pass(
                    True, engine, 1, 9.0, 0.1, count, 0, 9, 9, 1.0, "k", "r", "c", "m"
                )  # fmt: skip
                ledger.add_pass(finished, stretches)
                write_tables(ledger, str(folder))
            trees.append(Tree.at(folder))
        return {**collect(trees, {}), **describe(trees), **changes}

    return make


def test_a_page_about_many_images_is_hardly_larger_than_one_about_few(report):
    page = html(report(MANY))
    assert len(page.encode()) < LARGEST_PAGE / 4  # one recipe, no pictures
    assert page.count(".jpg") < 100


def test_a_page_without_a_benchmark_says_which_command_makes_it(report):
    page = html(report())
    assert page.count("snakemake --cores all scaling") >= 3
    assert "the sources lie" in page


def test_advice_is_shown_with_its_evidence_and_as_text(report):
    advice = [
        {"rule": "a", "text": "Use <b>threads</b>.", "evidence": "2.0x against 1.5x"},
        {"rule": "b", "text": "Encode less.", "evidence": "encode 60 %"},
    ]
    benchmark = {"dataset": "demo", "recipe": "light", "images": 9, "repeats": 3, "figures": []}
    page = html(report(scaling=[{**benchmark, "advice": advice}]))
    assert "Use &lt;b&gt;threads&lt;/b&gt;." in page
    assert "2.0x against 1.5x" in page
    assert "encode 60 %" in page


@pytest.mark.parametrize("missing", ["advice", "fits"])
def test_missing_parts_of_a_benchmark_are_not_taken_for_empty_ones(report, missing):
    benchmark = {"dataset": "demo", "recipe": "light", "images": 9, "repeats": 3, "figures": []}
    whole = {**benchmark, "advice": [], "fits": {}}
    made = report(scaling=[whole])
    page = html(made)
    assert "no reason to change anything" in page
    assert "No scaling law was fitted" in page
    assert "This benchmark has no" not in page
    del whole[missing]
    assert f"This benchmark has no {missing}" in html(made)


def test_an_identical_failure_of_several_engines_is_listed_once(report):
    row = {"source": "a|b_<i>.jpg", "stage": "decode", "reason": "corrupt", "message": "no"}
    entry = {
        "dataset": "demo",
        "recipe": "light",
        "failed": 1,
        "images": 50,
        "reasons": {"corrupt": 1},
    }
    failures = [{**entry, "engine": e, "listed": [row]} for e in ("sequential", "threads")]
    made = report(failures=failures)
    page = html(made)
    assert page.count("1 of 50 images") == 1
    assert "sequential, threads" in page
    assert markdown(made).count("1 of 50 images failed") == 1
    assert r"a\|b\_&lt;i&gt;.jpg: corrupt" in markdown(made)


def test_the_markdown_has_verdict_table_failures_and_machine(report):
    text = markdown(report())
    assert text.startswith("## pixelmill: failure\n")
    assert "| demo | light | threads | 1 | 50 |" in text
    assert "No image failed." in text
    assert "cores" in text and "Pillow" in text and "`snakemake --cores 1 all`" in text


def test_figures_are_also_written_as_files_and_old_ones_removed(report, tmp_path):
    old = tmp_path / "report/figures/gone.svg"
    old.parent.mkdir(parents=True)
    old.write_text("old", encoding="utf-8")
    write(report(), str(tmp_path / "report"))
    names = {path.name for path in old.parent.iterdir()}
    kinds = ("throughput", "stages", "latencies", "workers")
    assert {f"demo.light.{kind}.svg" for kind in kinds} <= names
    assert "gone.svg" not in names
    for path in old.parent.iterdir():
        assert re.match(
            r'<svg width="[\d.]+pt" height="[\d.]+pt" style="color: #\w+; ', path.read_text("utf-8")
        )


def test_a_report_without_a_chart_has_an_empty_folder_of_figures_and_no_temporary(report, tmp_path):
    """Snakemake expects the folder, and a run that was killed may have left the file."""
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / ".pixelmill-1-2-3.tmp").write_text("half")
    write(report(rows=[], times=[]), str(folder))
    assert sorted(path.name for path in folder.iterdir()) == [
        "benchmark.csv", "benchmark.json", "figures", "report.html", "report.md",
    ]  # fmt: skip
    assert list((folder / "figures").iterdir()) == []


def test_the_page_names_what_speedups_are_relative_to(report):
    assert "Speedup is relative to\n<em>sequential</em>" in html(report())


@pytest.mark.parametrize(
    ("state", "classes"),
    [
        (State.SUCCESS, "verdict"),
        (State.PARTIAL, "verdict partial"),
        (State.FAILURE, "verdict bad"),
    ],
)
def test_the_state_of_the_verdict_is_seen_at_once(state, classes):
    page = html({**REPORT, "verdict": {"state": str(state), "sentence": "So it is."}})
    assert re.findall(r'<p class="([^"]*)">So it is\.', page) == [classes]


@pytest.mark.parametrize("well", [True, False])
def test_checks_that_failed_are_seen_at_once(well):
    (checked,) = REPORT["verifications"]
    page = html({**REPORT, "verifications": [{**checked, "passed": well}]})
    assert ("<details open>" in page) is not well


@pytest.mark.parametrize(("part", "times"), [("scaling", 2), ("rivals", 1)])
def test_every_place_that_shows_a_measurement_says_if_the_recipe_changed_since(part, times):
    (measured,) = REPORT[part]
    page = html({**REPORT, part: [{**measured, "stale": True}]})
    command = f"<code>snakemake --cores all {part}</code> measures again"
    warning = f"The recipe changed after this was measured: {command}"
    assert page.count(warning) == times
    assert warning not in html(REPORT)


def test_a_list_of_failures_says_whether_it_has_all_of_them():
    (entry,) = REPORT["failures"]
    assert "The first 1</summary>" in html(REPORT)
    assert "and 21 more" in markdown({**REPORT, "failures": [
        {**entry, "listed": entry["listed"] * 12}
    ]})  # fmt: skip
    whole = {**entry, "failed": 1}
    assert "All 1</summary>" in html({**REPORT, "failures": [whole]})
    assert " more" not in markdown({**REPORT, "failures": [whole]})


def test_a_pair_of_pictures_has_the_sizes_of_both(report):
    facts = Example("a.jpg", "a.webp", 1_234_000, 37_400, 640, 480, 9_100)
    pair = Pair("a.jpg", 0.1, facts, "data:before", "data:after", (168, 112), (160, 120))
    page = " ".join(html(REPORT, {("demo", "light"): [pair]}).split())
    assert '<img src="data:before" alt="before" width="168" height="112">' in page
    assert '<img src="data:after" alt="after" width="160" height="120">' in page
    assert '1.23 MP, 37 kB</span> <span class="one">→ 640 \N{MULTIPLICATION SIGN} 480, 9 kB' in page
