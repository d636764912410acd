"""The figures of README and docs are those of the newest file of `make figures`, and divide."""

import copy
import doctest
import importlib
import json
import os
import re
import subprocess
import sys

import pytest
import yaml

import pixelmill
from pixelmill.core.schemas import first_error
from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def modules():
    """Function that imports a module of the folder of the docs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(REPOSITORY / "docs"))
        yield importlib.import_module


@pytest.fixture(scope="module")
def tables(modules):
    """The module that writes the tables."""
    return modules("figure_tables")


@pytest.fixture(scope="module")
def figures(tables):
    """The newest file."""
    return json.loads(tables.newest().read_text(encoding="utf-8"))


def pages(tables):
    return {name: (REPOSITORY / name).read_text(encoding="utf-8") for name in tables.PAGES}


def test_the_examples_of_the_tables_are_true(tables):
    assert doctest.testmod(tables).failed == 0


def test_whole_commands_are_timed_beside_bare_pools(modules, capfd, tmp_path):
    measuring = modules("whole_commands")
    assert doctest.testmod(measuring).failed == 0
    measuring.main(["--count=3", "--turns=1", "--workers=1", f"--scratch={tmp_path}"])
    load, _, titles, _, *rows = capfd.readouterr().out.splitlines()
    assert load.startswith("load before ")
    assert titles.startswith("| program |")
    assert [row.split(" | ")[0] for row in rows] == [
        "| pixelmill, auto", "| pool of Pillow", "| pool of OpenCV",
    ]  # fmt: skip
    assert not list(tmp_path.iterdir())


def fault(figures):
    """What differs from the documented layout; empty if nothing does."""
    path = REPOSITORY / "docs/benchmarks/figures.schema.yaml"
    error = first_error(yaml.safe_load(path.read_text(encoding="utf-8")), figures)
    return "" if error is None else f"{error.json_path}: {error.message}"


def test_the_file_has_the_documented_layout(figures):
    assert fault(figures) == ""
    assert "Additional" in fault({**figures, "host": "a"})


def test_every_table_is_that_of_the_newest_file(tables, figures):
    shown = set()
    for name, text in pages(tables).items():
        assert text == tables.filled(text, figures), f"{name}: run 'make docs'"
        shown |= {block[1] for block in tables.BLOCK.findall(text)}
    assert shown == tables.TABLES.keys()


#: For each table, a number that it shows.
PLANTED = {
    "comparison": ("rivals-large", "images_per_second"),
    "speed": ("engines-intensive", "images_per_second"),
    "rivals": ("rivals-small", "images_per_second"),
    "start": ("engines-light", "startup_seconds"),
    "chain": ("chain", "seconds"),
    "million": ("million", "seconds"),
    "programs": ("programs", "again_seconds"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_changed_number_of_the_file_changes_its_table(tables, figures, name):
    part, key = PLANTED[name]
    changed = copy.deepcopy(figures)
    changed["parts"][part]["rows"][-1]["values"][key]["median"] *= 1.5
    assert tables.TABLES[name](changed) != tables.TABLES[name](figures)


def test_a_changed_summary_changes_its_block(tables, figures):
    changed = copy.deepcopy(figures)
    changed["parts"]["demo"]["summary"].append("Success: 2 of 2 images processed.")
    assert tables.summary(changed) != tables.summary(figures)


def rows_of(page, title):
    """Rows of the table whose first column has this title, each by the titles of its columns."""
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    found = re.search(rf"^\|({title}\|.*)\|\n\|[-:|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    titles = found[1].split("|")
    rows = [row[1:-1].split("|") for row in found[2].splitlines()]
    return [dict(zip(titles, row, strict=True)) for row in rows]


def value(cell):
    return float(re.sub("[, %]", "", cell))


@pytest.mark.parametrize("page", ["README.md", "docs/performance.md"])
def test_speedups_and_efficiencies_are_those_of_the_numbers_shown(page):
    rows = rows_of(page, "recipe")
    assert len(rows) >= 6
    for row in rows:
        if row["engine"] == "sequential":
            alone = value(row["images/s"])
            continue
        assert row["recipe"]
        workers = int(re.search(r"(\d+) workers", row["engine"])[1])
        speedup = value(row["speedup"])
        assert speedup == pytest.approx(value(row["images/s"]) / alone, abs=0.0051)
        assert value(row["efficiency"]) == pytest.approx(100 * speedup / workers, abs=0.51)


@pytest.mark.parametrize("page", ["README.md", "docs/performance.md"])
@pytest.mark.parametrize("size", ["small", "large"])
def test_ratios_of_programs_are_those_of_the_numbers_shown(page, size):
    rows = rows_of(page, "program")
    first = rows[0]
    assert "processes" in first["program"]
    for row in filter(lambda row: row[f"{size}: images/s"], rows):
        ratio = value(row[f"{size}: images/s"]) / value(first[f"{size}: images/s"])
        shown = value(row[f"{size}: ratio to processes"])
        assert shown == pytest.approx(ratio, abs=0.0051), row["program"]


#: A speed, a speedup or an efficiency.
STATED = re.compile(
    r"\d\s*(?:images/s|images per second|%? of the throughput)|\d\s?x (?!\d)(?=sequential|faster)"
    r"|\d times (?:as fast|faster|as long)|(?:speedup|efficiency) (?:of|is) \d|\d % efficien"
)


@pytest.mark.parametrize("page", ["README.md", "docs/performance.md"])
def test_no_speed_is_typed_by_hand(tables, page):
    text = tables.outside((REPOSITORY / page).read_text(encoding="utf-8"))
    assert STATED.findall(text) == []


@pytest.mark.parametrize(
    "text", ["at 1,409 images/s", "1.42x sequential", "is 4.4 times as fast as", "a speedup of 1.9"]
)
def test_a_speed_that_is_typed_by_hand_is_noticed(text):
    assert STATED.search(text)


def releases():
    """Versions in the order of their releases, the newest first."""
    text = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    return re.findall(r"^## \[(\d+\.\d+\.\d+)\]", text, re.MULTILINE)


def test_the_figures_are_of_this_release_or_of_the_one_before(figures):
    known = releases()
    assert known[0] == pixelmill.__version__
    for name, part in figures["parts"].items():
        assert part["version"] in known[:2], f"{name} is too old: run 'make figures'"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="figures are measured on other systems")
def test_parts_are_measured_once_and_told_that_the_machine_was_busy(
    modules, tables, figures, tmp_path
):
    measuring = modules("figures")
    sizes = measuring.Sizes(starts=2, links=30, linked=3, programs=2)
    again = {"sizes": sizes, "kept": tmp_path / "kept", "scratch": tmp_path / "scratch"}
    burning = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        measured = measuring.measure(**again, names=["start", "million"])
    finally:
        burning.kill()
        burning.wait()
    merged = {**figures, "parts": {**figures["parts"], **measured["parts"]}}
    assert fault(merged) == ""
    for name in ("start", "million"):
        assert tables.TABLES[name](merged) != tables.TABLES[name](figures)
        if sys.platform == "linux":
            assert "**The machine was busy:**" in tables.TABLES[name](merged)
    assert list((tmp_path / "scratch").iterdir()) == []
    assert measuring.measure(**again, names=["start", "million"]) == measured
    again["sizes"] = sizes._replace(links=20)
    other = measuring.measure(**again, names=["million"])["parts"]["million"]
    assert other["images"] == 20


@pytest.mark.skipif(os.name == "nt", reason="figures are measured on other systems")
def test_the_load_of_a_run_that_was_stopped_counts(modules, tmp_path, monkeypatch):
    measuring = modules("figures")
    loads = [{"other_cores": 1.3}, {"other_cores": 0.1}]
    monkeypatch.setattr(measuring, "conditions", lambda before, after: loads.pop(0))
    outcomes = [KeyboardInterrupt(), {"rows": []}]

    def part(sizes, place):
        outcome = outcomes.pop(0)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    monkeypatch.setitem(measuring.PARTS, "start", part)
    order = (measuring.Sizes(), tmp_path / "kept", tmp_path / "scratch", ["start"])
    with pytest.raises(KeyboardInterrupt):
        measuring.measure(*order)
    found = measuring.measure(*order)["parts"]["start"]
    assert found["conditions"] == {"other_cores": 1.3}
