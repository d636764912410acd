"""Each cell of a table shows the figure that the heading of its column names, in its unit."""

import copy
import functools
import operator
import re
from html.parser import HTMLParser
from random import Random

import pytest

from pixelmill.report import compare_machines
from pixelmill.report.render import html, markdown
from tests.helpers.reports import FITS, MEASURED, PASS, REPORT


class Tables(HTMLParser):
    """The tables of a page: for each row, its cells by the headings of their columns."""

    def __init__(self, page):
        super().__init__()
        self.tables = []
        self._cells = None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "table":
            self._heads, self._rows = [], []
        elif tag == "tr":
            self._cells = []
        elif tag in ("th", "td"):
            self._cells.append("")
            self._more = int(dict(attributes).get("colspan", 1)) - 1
        elif tag == "br" and self._cells:
            self._cells[-1] += " "

    def handle_endtag(self, tag):
        if tag in ("th", "td"):
            self._cells += [""] * self._more
        elif tag == "tr":
            cells = [" ".join(cell.split()) for cell in self._cells]
            if self._heads:
                self._rows.append(dict(zip(self._heads, cells, strict=True)))
            else:
                self._heads = cells
            self._cells = None
        elif tag == "table":
            self.tables.append(self._rows)

    def handle_data(self, data):
        if self._cells:
            self._cells[-1] += data

    def with_columns(self, *names):
        """The rows of the only table that has these columns."""
        (found,) = [rows for rows in self.tables if rows and set(names) <= rows[0].keys()]
        return found


@pytest.fixture(scope="module")
def page():
    return Tables(html(REPORT))


#: Engines of which the first is the baseline.
ENGINES = ("sequential", "threads", "processes", "futures")

#: The same report without a benchmark: then passes are compared.
SINGLE = {**REPORT, "scaling": []}


def test_compared_engines_have_their_figures_under_their_headings():
    base = {**PASS, "engine": "sequential", "workers": 1, "images_per_second": 4.1234}
    rows = Tables(html({**SINGLE, "rows": [base, PASS]})).with_columns("engine", "efficiency")
    assert [(row["images/s"], row["speedup"], row["efficiency"]) for row in rows] == [
        ("4.12", "1.00x", "100 %"), ("13.2", "3.20x", "107 %"),
    ]  # fmt: skip


def test_without_a_baseline_the_speeds_of_passes_are_shown_but_not_compared():
    page = html(SINGLE)
    assert "<h2>Speed</h2>" in page
    assert "Engines compared" not in page
    assert [
        {"engine": "threads", "workers": "3", "images/s": "13.2"},
        {"engine": "futures", "workers": "3", "images/s": "13.2"},
    ] in Tables(page).tables


def test_a_single_speed_has_no_chart():
    pages = [html(SINGLE), html({**SINGLE, "rows": [PASS]})]
    sections = [
        re.search('<section id="comparison">.*?</section>', page, re.S)[0] for page in pages
    ]
    assert ["<figure>" in section for section in sections] == [True, False]
    assert [{"engine": "threads", "workers": "3", "images/s": "13.2"}] in Tables(pages[1]).tables


def test_measured_engines_have_intervals_and_the_ratio_within_turns_in_their_own_columns(page):
    assert page.with_columns("engine", "in turns") == [
        {
            "engine": "threads", "workers": "3", "images/s": "101", "slowest": "97.3",
            "fastest": "103", "speedup": "", "efficiency": "", "in turns": "1.57", "from": "",
            "to": "",
        }
    ]  # fmt: skip
    loop = {**MEASURED, "kind": "loop", "workers": 1, "images_per_second": 64.0}
    measured = {**MEASURED, "speedup_spread": [1.51, 1.62]}
    scaling = [{**REPORT["scaling"][0], "figures": [loop, measured]}]
    base, engine = Tables(html({**REPORT, "scaling": scaling})).with_columns("engine", "in turns")
    assert (base["engine"], base["speedup"], base["in turns"]) == ("plain loop", "1.00x", "")
    assert (engine["speedup"], engine["from"], engine["to"]) == ("1.58x", "1.51", "1.62")


@pytest.mark.parametrize("seed", range(20))
def test_every_speedup_is_the_ratio_of_the_throughputs_that_the_table_shows(seed):
    random = Random(seed)
    rates = [random.uniform(0.1, 10 ** random.uniform(0, 4)) for _ in range(4)]
    rows = [
        {**PASS, "engine": engine, "workers": 2, "images_per_second": rate, "speedup": 1.0}
        for engine, rate in zip(
            ("sequential", "threads", "processes", "futures"), rates, strict=True
        )
    ]
    shown = Tables(html({**SINGLE, "rows": rows})).with_columns("engine", "efficiency")
    in_text = in_markdown(markdown({**SINGLE, "rows": rows, "rivals": []}))
    for found in (shown, in_text):
        base = as_number(found[0]["images/s"])
        for row in found:
            speedup = as_number(row["speedup"])
            assert speedup == pytest.approx(as_number(row["images/s"]) / base, abs=0.0051)
            assert as_number(row["efficiency"]) == pytest.approx(50 * speedup, abs=0.51)


def as_number(cell):
    return float(cell.replace(",", "").rstrip("x %"))


def test_a_pass_has_its_figures_under_their_headings(page):
    (compared, _) = page.with_columns("engine", "start-up seconds", "steal")
    assert compared == {
        "recipe": "demo · light", "engine": "threads", "workers": "3", "images": "5,000",
        "failed": "31", "seconds": "7.11", "start-up seconds": "0.29", "images/s": "13.2",
        "megapixels/s": "17.4", "CPU seconds": "5.70", "cores of others": "0.37",
        "load before": "0.61", "load after": "2.90", "steal": "1.9 %",
    }  # fmt: skip


def test_wall_time_and_cpu_time_are_told_apart(page):
    assert page.with_columns("wall time", "CPU time") == [
        {"engine": "threads", "read": "1.00 ms", "wall time": "1.00 ms", "CPU time": "8.80 ms"}
    ]


def test_latencies_and_the_slowest_images_are_told_in_milliseconds(page):
    assert page.with_columns("engine", "median") == [
        {
            "engine": "threads", "images": "6,000", "median": "11.0 ms",
            "95 % at most": "22.0 ms", "99 % at most": "33.0 ms", "slowest": "44.0 ms",
        }
    ]  # fmt: skip
    assert page.with_columns("image", "total") == [
        {"image": "a.jpg", "total": "55.0 ms", "read": "66.0 ms", "decode": "77.0 ms"}
    ]


def test_a_measured_case_has_its_figures_under_their_headings(page):
    assert page.with_columns("case", "Karp-Flatt") == [
        {
            "case": "threads", "workers": "3", "images/s": "101", "slowest": "97.3",
            "fastest": "103", "speedup": "1.57", "efficiency": "0.61", "of ceiling": "0.67",
            "serial share against ceiling": "0.711", "Karp-Flatt": "0.733",
            "start-up seconds": "0.79", "tail seconds": "0.83", "memory MiB": "891",
        }
    ]  # fmt: skip


def test_a_fit_has_its_parameters_with_their_bounds(page):
    assert page.with_columns("engine", "serial share (Amdahl)") == [
        {
            "engine": "threads", "serial share (Amdahl)": "2.1 % (1.3 to 3.4 %)",
            "contention \N{GREEK SMALL LETTER SIGMA}": "0.0141", "coherency κ": "0.00025",
            "predicted speedup": "4.4x on 6 (3.8 to 5.2)",
        }
    ]  # fmt: skip


def test_a_law_that_was_not_fitted_has_no_columns():
    fits = {"threads": {**FITS["threads"], "usl": None}}
    scaling = [{**REPORT["scaling"][0], "fits": fits}]
    (row,) = Tables(html({**REPORT, "scaling": scaling})).with_columns("serial share (Amdahl)")
    assert list(row) == ["engine", "serial share (Amdahl)", "predicted speedup"]


def test_another_tool_has_its_figures_under_their_headings(page):
    assert page.with_columns("tool", "version") == [
        {
            "tool": "gm", "images/s": "61.8", "speedup": "0.59x",
            "relative to threads": "0.43 (0.41 to 0.47)", "images made": "4,999",
            "memory MiB": "71", "version": "1.3.40",
        }
    ]  # fmt: skip


def test_checks_have_their_figures_under_their_headings(page):
    assert page.with_columns("tree", "verdict") == [
        {"tree": "demo · light · threads", "result": "FAILED", "verdict": "Looked."},
        {"tree": "demo · light · all engines", "result": "passed", "verdict": "All alike."},
    ]
    assert page.with_columns("check", "differing") == [
        {
            "check": "sha256", "result": "FAILED", "compared": "1,009", "not compared": "113",
            "differing": "127", "question": "Is it so?",
        }
    ]  # fmt: skip


def in_markdown(text):
    """Rows of the tables in Markdown, each with its cells by their headings."""
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    heads = [number - 1 for number, cells in enumerate(lines) if set("".join(cells)) <= set("-:")]
    return [
        dict(zip(lines[head], cells, strict=True))
        for head, end in zip(heads, [*heads[1:], len(lines)], strict=True)
        for cells in lines[head + 2 : end]
    ]


def test_the_markdown_has_the_same_figures_under_their_headings():
    compared, alone, rival = in_markdown(markdown(SINGLE))
    assert compared == {
        "dataset": "demo", "recipe": "light", "engine": "threads", "workers": "3",
        "images/s": "13.2",
    }  # fmt: skip
    assert alone["engine"] == "futures"
    assert rival == {"tool": "gm", "images/s": "61.8", "of threads": "0.43"}
    measured, _ = in_markdown(markdown(REPORT))
    assert (measured["slowest"], measured["fastest"]) == ("97.3", "103")


def numbers(data, *path):
    """Paths of all numbers in data that tables show."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from numbers(value, *path, key)
    elif isinstance(data, list):
        for place, value in enumerate(data):
            yield from numbers(value, *path, place)
    elif isinstance(data, int | float) and not isinstance(data, bool):
        yield path


#: Numbers that are shown in charts or sentences, or that tables do not show.
ELSEWHERE = {
    "started", "edges", "counts", "sigma_low", "sigma_high", "kappa_low", "kappa_high",
    "one_worker", "repeats", "slowest_shown",
}  # fmt: skip

SHOWN_IN_TABLES = [
    (part, *path)
    for part in ("rows", "conditions", "times", "scaling", "rivals", "verifications")
    for path in numbers(REPORT[part])
    if not ELSEWHERE & set(path)
    and path not in {(0, "images")}  # of a whole benchmark
    and not (part == "rows" and path[-1] in ("speedup", "efficiency"))  # the page divides itself
    and not (part == "rivals" and path in {(0, "workers"), (0, "rows", 0, "workers")})
    and not (part == "rivals" and path[-1] in ("slowest", "fastest"))  # in the chart
]


@pytest.mark.parametrize("path", SHOWN_IN_TABLES, ids=lambda path: ".".join(map(str, path)))
def test_a_number_that_changes_in_the_data_changes_in_a_table(page, path):
    changed = copy.deepcopy(REPORT)
    *places, last = path
    data = functools.reduce(operator.getitem, places, changed)
    data[last] = 3 * data[last] + 1
    assert Tables(html(changed)).tables != page.tables


def machine(**changes):
    """A scaling.json as far as the comparison of machines shows it."""
    given = {
        "images": 5003, "repeats": 7, "machine": REPORT["machine"], "software": {"Pillow": "13.0"},
        "recipe": {"steps": []}, "figures": [MEASURED], "fits": FITS, "advice": [],
    }  # fmt: skip
    return {**given, **changes}


def test_machines_side_by_side_have_their_figures_in_their_own_column(tmp_path):
    slower = {**MEASURED, "images_per_second": 51.7, "speedup": 1.23, "engine_efficiency": 0.31}
    other = machine(software={"Pillow": "12.0"}, figures=[slower], fits={})
    compare_machines.write([machine(), other], tmp_path / "compare.html")
    page = Tables((tmp_path / "compare.html").read_text(encoding="utf-8"))
    assert page.with_columns("case") == [
        {"case": "threads x3", "A": "101.2 1.57x · 67 %", "B": "51.7 1.23x · 31 %"}
    ]
    assert page.with_columns("engine") == [
        {
            "engine": "threads", "B": "not fitted",
            "A": "2.1 % (1.3 to 3.4) predicted 4.40x on 6 (3.80 to 5.20)",
        }
    ]  # fmt: skip
    assert page.with_columns("library") == [{"library": "Pillow", "A": "13.0", "B": "12.0"}]
