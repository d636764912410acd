"""Each cell of a table shows the figure that the heading of its column names, in its unit."""

from html.parser import HTMLParser

import pytest

from pixelmill.report import compare_machines
from pixelmill.report.render import html, markdown
from tests.helpers.reports import FITS, MEASURED, REPORT


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


def test_a_pass_has_its_figures_under_their_headings(page):
    compared, alone = page.with_columns("engine", "efficiency")
    assert compared == {
        "engine": "threads", "workers": "3", "images/s": "13.2", "speedup": "1.91x",
        "efficiency": "23 %", "failed": "31", "images": "5,000", "seconds": "7.11",
        "start-up seconds": "0.29", "megapixels/s": "17.4",
    }  # fmt: skip
    assert (alone["engine"], alone["speedup"], alone["failed"]) == ("futures", "run: this", "31")


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
            "case": "threads", "workers": "3", "images/s": "101.2", "slowest": "97.3",
            "fastest": "103.4", "speedup": "1.57", "efficiency": "0.61", "of ceiling": "0.67",
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


def test_another_tool_has_its_figures_under_their_headings(page):
    assert page.with_columns("tool", "version") == [
        {
            "tool": "gm", "images/s": "61.8", "speedup": "0.59x",
            "relative to threads": "0.43 (0.41 to 0.47)", "images made": "4,999",
            "memory MiB": "71", "version": "1.3.40",
        }
    ]  # fmt: skip


def test_failed_images_and_checks_have_their_figures_under_their_headings(page):
    assert page.with_columns("reason", "images") == [
        {"reason": "corrupt", "images": "30"}, {"reason": "truncated", "images": "1"},
    ]  # fmt: skip
    assert page.with_columns("image", "message") == [
        {"image": "b.jpg", "stage": "decode", "reason": "corrupt", "message": "bad bits"}
    ]
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
    compared, alone, rival = in_markdown(markdown(REPORT))
    assert compared == {
        "dataset": "demo", "recipe": "light", "engine": "threads", "workers": "3",
        "images": "5,000", "seconds": "7.11", "images/s": "13.2", "megapixels/s": "17.4",
        "speedup": "1.91", "efficiency": "23 %", "failed": "31",
    }  # fmt: skip
    assert (alone["speedup"], alone["efficiency"], alone["failed"]) == ("", "", "31")
    assert rival == {"tool": "gm", "images/s": "61.8", "of threads": "0.43"}


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
