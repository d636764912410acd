"""The report shows results and faults, and is safe to open and to pass on."""

import csv
import json
import os
import platform
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pixelmill.core.schemas import check
from pixelmill.core.tables import write_json
from pixelmill.dataset import catalog
from pixelmill.dataset.layout import Tree
from pixelmill.imaging.recipe_parser import parse
from pixelmill.report.collect import collect, describe, find_trees
from pixelmill.report.contact_sheet import contact_sheets
from pixelmill.report.headline import told_sentence
from pixelmill.report.render import html, write
from pixelmill.verification.compare_engines import compare
from pixelmill.verification.verify import verify
from tests.helpers.passes import process_folder

RECIPE = parse({"steps": [{"resize": {"width": 32, "height": 24}}]})

FIRST_TEN = [
    "dataset",
    "recipe",
    "engine",
    "workers",
    "images",
    "seconds",
    "images_per_second",
    "megapixels_per_second",
    "speedup",
    "efficiency",
]

HEADINGS = [
    "What is wrong",
    "Failures",
    "Before and after",
    "Engines compared",
    "Times",
    "Checks, versions, configuration",
]

#: Attributes that make a browser fetch something.
LINKS = ("src", "href", "srcset", "poster", "action")

HOSTILE = "<script>alert(1)<img src=x onerror=alert(2)>&amp;.jpg"


class Page(HTMLParser):
    """The elements that a browser would find in a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self.headings = [], [], "", []
        self.scripts = ""
        self._open = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        self._open.append(tag)
        if tag == "h2":
            self.headings.append("")

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data):
        if self._open and self._open[-1] in ("script", "style"):
            self.scripts += data
            return
        self.text += data
        if self._open and self._open[-1] == "h2":
            self.headings[-1] += data


def full_pass(**changes):
    timing = {
        "whole": True,
        "engine": "threads",
        "workers": 2,
        "seconds": 4.0,
        "startup_seconds": 0.5,
        "images": 100,
        "failed": 0,
        "bytes_in": 1000,
        "bytes_out": 500,
        "megapixels_in": 20.0,
        "catalog": "catalog",
        "recipe": "recipe",
        "code": "code",
        "machine": "machine",
    }
    return {**timing, **changes}


@pytest.fixture
def trees(tmp_path):
    """Function that writes a timing.json for each engine, given by its last full pass."""

    def write_timings(**passes):
        found = []
        for engine, full in passes.items():
            folder = tmp_path / "results/demo/light" / engine
            timing = {"last_pass": full, "last_full_pass": full}
            write_json(folder / "timing.json", timing)
            found.append(Tree.at(folder))
        return found

    return write_timings


BASELINE = full_pass(engine="sequential", workers=1, seconds=8.0)


def row_of(report, engine):
    return next(row for row in report["rows"] if row["engine"] == engine)


@pytest.mark.parametrize(("workers", "efficiency"), [(2, 1.0), (5, 0.4)])
def test_a_speedup_is_the_time_of_sequential_divided_by_that_of_the_engine(
    trees, workers, efficiency
):
    """The efficiency is the speedup divided by the workers, on any number of cores."""
    passes = {"sequential": BASELINE, "threads": full_pass(workers=workers)}
    row = row_of(collect(trees(**passes), {}), "threads")
    assert (row["speedup"], row["efficiency"]) == (2.0, efficiency)
    assert (row["images_per_second"], row["megapixels_per_second"]) == (25.0, 5.0)


@pytest.mark.parametrize("key", ["catalog", "recipe", "code", "machine"])
def test_passes_that_differ_are_not_compared_and_the_cell_says_what_to_run(trees, key):
    report = collect(trees(sequential=BASELINE, threads=full_pass(**{key: "other"})), {})
    row = row_of(report, "threads")
    assert row["speedup"].startswith("run: snakemake")
    assert row["efficiency"] == ""
    assert row["images_per_second"] == 25.0
    assert row["speedup"] in Page(html(report)).text


def test_without_a_sequential_pass_nothing_is_compared(trees):
    (row,) = collect(trees(threads=full_pass()), {})["rows"]
    assert row["speedup"].startswith("run: snakemake")


@pytest.mark.parametrize("missing", ["sequential", "threads"])
def test_a_tree_without_a_full_pass_has_no_figures_and_gives_none(trees, missing):
    passes = {"sequential": BASELINE, "threads": full_pass(), missing: None}
    report = collect(trees(**passes), {})
    assert row_of(report, missing)["seconds"] is None
    assert row_of(report, "threads")["speedup"].startswith("run: snakemake")
    Page(html(report))


@pytest.fixture
def tree_of(tmp_path):
    """Function that makes a tree from its path and its last full pass; later ones are partial."""

    def make(path, full, **later):
        folder = tmp_path / "results" / path
        last = {**(full or full_pass()), "whole": False, **later}
        write_json(folder / "timing.json", {"last_pass": last, "last_full_pass": full})
        return Tree.at(folder)

    return make


def test_the_figures_are_those_of_the_last_full_pass(tree_of):
    later = {"seconds": 0.1, "images": 1, "workers": 9, "failed": 1, "megapixels_in": 0.1,
             "recipe": "later", "startup_seconds": 0.09, "engine": "sequential"}  # fmt: skip
    full = full_pass(failed=7, startup_seconds=0.123456, megapixels_in=30.0, seconds=4.00049)
    trees = [tree_of("demo/light/sequential", BASELINE, **later),
             tree_of("demo/light/threads", full, **later)]  # fmt: skip
    report = collect(trees, {})
    assert row_of(report, "threads") == {
        "dataset": "demo", "recipe": "light", "engine": "threads", "workers": 2, "images": 100,
        "seconds": 4.0, "images_per_second": 25.0, "megapixels_per_second": 7.5, "speedup": 2.0,
        "efficiency": 1.0, "startup_seconds": 0.123, "failed": 7,
    }  # fmt: skip
    assert report["command"] == "snakemake --cores 2 all"


def test_every_tree_is_compared_with_the_baseline_of_its_own_dataset_and_recipe(tree_of):
    seconds = {"a/light": 8.0, "a/other": 12.0, "b/light": 20.0}
    trees = [
        tree_of(f"{place}/{engine}", full)
        for place, taken in seconds.items()
        for engine, full in (("sequential", {**BASELINE, "seconds": taken}), ("x", full_pass()))
    ]
    rows = [row for row in collect(trees, {})["rows"] if row["engine"] == "x"]
    assert [row["speedup"] for row in rows] == [2.0, 3.0, 5.0]


def test_comparisons_have_the_names_of_their_dataset_and_recipe(tree_of, tmp_path):
    trees = [tree_of(f"a/{recipe}/sequential", BASELINE) for recipe in ("light", "other")]
    alone = tree_of("b/light/threads", full_pass())
    for place, passed in (("a/light", True), ("a/other", False), ("b/light", True)):
        data = {"passed": passed, "summary": place, "checks": []}
        write_json(tmp_path / "results" / place / "comparison.json", data)
    assert collect([*trees, alone], {})["comparisons"] == [
        {"dataset": "a", "recipe": "light", "passed": True, "summary": "a/light", "checks": []},
        {"dataset": "a", "recipe": "other", "passed": False, "summary": "a/other", "checks": []},
    ]


@pytest.mark.parametrize("wrong", ["verification", "comparison", None])
def test_a_report_passes_if_all_verifications_and_comparisons_do(tree_of, tmp_path, wrong):
    trees = [tree_of(f"demo/light/{engine}", BASELINE) for engine in ("sequential", "threads")]
    for number, tree in enumerate(trees):
        passed = (wrong, number) != ("verification", 1)
        checks = {"passed": passed, "summary": "", "checks": []}
        write_json(Path(tree.path) / "verification.json", checks)
    checks = {"passed": wrong != "comparison", "summary": "", "checks": []}
    write_json(tmp_path / "results/demo/light/comparison.json", checks)
    assert collect(trees, {})["passed"] is (wrong is None)


def test_a_benchmark_is_held_against_the_last_full_passes_of_its_own_recipe(tree_of, tmp_path):
    trees = [
        tree_of(f"demo/{recipe}/sequential", {**BASELINE, "recipe": recipe}, recipe="later")
        for recipe in ("light", "other")
    ]
    for recipe in ("light", "other"):
        measured = {**BENCHMARK, "recipe_digest": "light"}
        write_json(tmp_path / "results/demo" / recipe / "scaling.json", measured)
    found = describe(trees)["scaling"]
    assert [(one["recipe"], one["stale"]) for one in found] == [("light", False), ("other", True)]


def test_without_a_full_pass_a_benchmark_is_not_called_stale(tree_of, tmp_path):
    trees = [tree_of("demo/light/sequential", None)]
    write_json(tmp_path / "results/demo/light/scaling.json", {**BENCHMARK, "recipe_digest": "a"})
    assert describe(trees)["scaling"][0]["stale"] is False


def test_the_engines_whose_workers_were_on_a_cluster_are_named(tree_of, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "pixelmill.report.collect.remark", lambda *given: asked.append(given) or "Beware."
    )
    engines = ("sequential", "distributed", "threads")
    trees = [tree_of(f"demo/light/{engine}", full_pass()) for engine in engines]
    assert collect(trees, {"sandbox": "off"})["sandbox"] == "Beware."
    assert collect(trees[:1], {})["sandbox"] == "Beware."
    assert asked == [("off", {"distributed"}), ("auto", set())]


def test_a_tree_that_was_not_verified_does_not_pass(trees):
    report = collect(trees(sequential=BASELINE), {})
    assert not report["passed"]
    assert "Checks failed for demo/light/sequential." in html(report)
    assert report["verifications"][0]["summary"].startswith("Not verified yet")


def test_the_table_begins_with_the_columns_that_others_rely_on(trees, tmp_path):
    write(collect(trees(sequential=BASELINE, threads=full_pass()), {}), str(tmp_path / "report"))
    with (tmp_path / "report/benchmark.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header[:10] == FIRST_TEN
    assert rows[1][:4] == ["demo", "light", "threads", "2"]
    assert all(len(row) == len(header) for row in rows)


def test_the_data_contains_what_the_page_shows(trees, tmp_path):
    report = collect(trees(sequential=BASELINE, threads=full_pass()), {"results": "results"})
    write(report, str(tmp_path / "report"))
    text = (tmp_path / "report/benchmark.json").read_text(encoding="utf-8")
    assert json.loads(text) == report


def test_trees_are_found_with_sequential_first(trees, tmp_path):
    trees(threads=full_pass(), sequential=BASELINE, processes=full_pass())
    engines = [tree.engine for tree in find_trees(str(tmp_path / "results"))]
    assert engines == ["sequential", "processes", "threads"]


def test_absolute_paths_are_omitted_from_the_configuration(trees, tmp_path):
    folder = str(tmp_path / "somebody" / "photos")
    config = {"datasets": {"mine": {"folder": folder}}, "results": str(tmp_path / "out")}
    report = collect(trees(sequential=BASELINE), config)
    assert report["config"]["datasets"]["mine"]["folder"] == ".../photos"
    assert "somebody" not in html(report)
    assert str(tmp_path) not in html(report) + json.dumps(report)


@pytest.fixture(scope="module")
def page(tmp_path_factory, photos):
    """Report of a real run with a hostile file name that failed and an output that is missing."""
    if os.name == "nt":
        pytest.skip("Windows does not allow such names")
    root = tmp_path_factory.mktemp("run")
    source, recipe = photos(root / "in", 4), root / "results/demo/light"
    (source / HOSTILE).write_bytes(b"\xff\xd8\xff and no more")
    (source / f"whole {HOSTILE}").write_bytes((source / "0.jpg").read_bytes())
    entries = list(catalog.scan(str(source))[0].entries)
    for engine in ("sequential", "threads"):
        process_folder(str(source), str(recipe / engine), RECIPE, engine, 2)
        (recipe / engine / "images" / f"whole {HOSTILE}").unlink()
        checks = verify(
            str(source), str(recipe / engine), RECIPE.as_data(), entries, 1, confined=False
        )
        write_json(recipe / engine / "verification.json", checks)
    trees = {engine: str(recipe / engine) for engine in ("sequential", "threads")}
    write_json(recipe / "comparison.json", compare(trees))
    trees = find_trees(str(root / "results"))
    config = {"note": HOSTILE, "datasets": {"demo": {"folder": str(source)}}}
    report = {**collect(trees, config), **describe(trees)}
    write(report, str(root / "report"), contact_sheets(trees, config))
    return (root / "report/report.html").read_text(encoding="utf-8")


def test_the_page_has_all_its_sections(page):
    assert Page(page).headings == HEADINGS


def test_a_hostile_file_name_is_text_and_nothing_else(page):
    shown = Page(page)
    assert shown.text.count(HOSTILE) >= 3  # as failed, as missing, in the configuration
    assert shown.tags.count("script") == 1  # that of the page itself, see its digest
    assert "alert(" not in shown.scripts
    pictures = [value for name, value in shown.attributes if name == "src"]
    assert pictures and all(value.startswith("data:image/jpeg") for value in pictures)
    assert not [name for name, _ in shown.attributes if name.startswith("on")]


def test_the_page_needs_no_network_and_no_other_file(page):
    links = [value for name, value in Page(page).attributes if name.split(":")[-1] in LINKS]
    # A link to an output beside the page is no request.
    assert [link for link in links if not link.startswith(("#", "data:", "../demo/"))] == []
    assert not re.search(r"@import|url\((?!['\"]?(#|data:))", page)


def test_the_page_shows_every_check_with_its_counts_and_what_differs(page):
    text = Page(page).text
    assert "whole <script>" in text
    assert "is in the manifest but does not exist" in text
    assert "byte-identical to sequential" in text
    assert "Checks failed for demo/light/" in text


def test_the_page_shows_why_images_failed(page):
    text = Page(page).text
    assert "1 of 6" in text
    assert "decode" in text


def test_the_page_names_neither_the_machine_nor_a_path(page, tmp_path_factory):
    assert platform.node() not in re.findall(r"[\w.-]+", Page(page).text)
    assert str(tmp_path_factory.getbasetemp()) not in page
    assert str(Path.home()) not in page


@pytest.mark.parametrize(
    "path",
    ["/data/ada/keys/me.pem", "~/keys/me.pem", r"C:\Users\ada\me.pem", r"\\server\ada\me.pem"],
)
def test_no_path_of_the_configuration_tells_where_somebody_keeps_files(trees, path):
    config = {
        "scale": {"tls": {"key": path}, "scheduler": path},
        "sandbox": {"allow": {"read": [path]}},
        "recipes": {"mine": {"steps": [{"watermark": {"image": path}}]}},
    }
    shown = collect(trees(sequential=BASELINE), config)["config"]
    assert shown["scale"] == {"tls": {"key": ".../me.pem"}, "scheduler": ".../me.pem"}
    assert shown["sandbox"] == {"allow": {"read": [".../me.pem"]}}
    assert shown["recipes"]["mine"] == {"steps": [{"watermark": {"image": ".../me.pem"}}]}


def test_many_failures_are_listed_up_to_a_number_and_counted_all(trees, tmp_path, monkeypatch):
    monkeypatch.setattr("pixelmill.report.collect.MOST_FAILURES", 50)
    monkeypatch.setattr("pixelmill.report.collect.LEAST_OF_A_REASON", 20)
    (tree,) = trees(sequential=BASELINE)
    header = "source,stage,reason,message"

    def listed(*lines):
        for name in ("failures.csv", "manifest.csv"):
            text = "\n".join([header, *lines]) + "\n"
            (tmp_path / "results/demo/light/sequential" / name).write_text(text, encoding="utf-8")
        report = collect([tree], {})
        return report["failures"][0], Page(html(report)).text

    corrupt = [f"{number:03d}.jpg,decode,corrupt,broken" for number in range(70)]
    failures, text = listed(*corrupt)
    assert (failures["failed"], failures["reasons"]) == (70, {"corrupt": 70})
    assert "049.jpg" in text and "050.jpg" not in text
    assert "44 more, of 70 in all" in text
    # Each reason has its share.
    failures, text = listed(*corrupt, *(f"x{k}.jpg,decode,truncated,short" for k in range(30)))
    assert failures["reasons"] == {"corrupt": 70, "truncated": 30}
    assert "024.jpg" in text and "025.jpg" not in text
    assert "x24.jpg" in text and "x25.jpg" not in text


def test_the_report_has_its_date_its_commit_and_the_conditions_of_the_passes(trees):
    conditions = {"started": 1.0, "load_before": 0.2, "load_after": 1.9, "steal": 0.0}
    passes = {"sequential": BASELINE, "threads": full_pass(conditions=conditions)}
    report = collect(trees(**passes), {})
    written = datetime.fromisoformat(report["created"])
    assert written.utcoffset() is not None
    assert abs((datetime.now(UTC) - written).total_seconds()) < 600
    assert re.fullmatch("|[0-9a-f]{12}", report["commit"])
    names = {"dataset": "demo", "recipe": "light", "engine": "threads"}
    assert report["conditions"] == [{**names, **conditions}]
    check(report, "benchmark", "benchmark.json")


def test_the_name_of_the_machine_is_told_only_if_the_config_asks_for_it(trees, monkeypatch):
    monkeypatch.setattr(platform, "node", lambda: "mill-7")
    found = trees(sequential=BASELINE)
    assert "host" not in collect(found, {})["machine"]
    report = collect(found, {"report": {"host": True}})
    assert report["machine"]["host"] == "mill-7"
    assert "mill-7, " in html(report)


def test_images_are_counted_and_not_their_outputs(trees, tmp_path):
    """If a recipe has several outputs, the manifest has a row for each."""
    (tree,) = trees(sequential=BASELINE)
    folder = tmp_path / "results/demo/light/sequential"
    made = "".join(f"{n}.jpg,{name},{name}/{n}.jpg,ok,\n" for n in range(3) for name in "abc")
    text = f"source,variant,output,status,reason\n{made}9.jpg,,,failed,corrupt\n"
    (folder / "manifest.csv").write_text(text, encoding="utf-8")
    (folder / "failures.csv").write_text(
        "source,stage,reason,message\n9.jpg,decode,corrupt,broken\n", encoding="utf-8"
    )
    (failures,) = collect([tree], {})["failures"]
    assert (failures["failed"], failures["images"]) == (1, 4)


def test_the_verdict_of_the_page_is_that_of_the_run(trees, tmp_path):
    """Also if all checks passed and too many images failed."""
    (tree,) = trees(sequential=BASELINE)
    folder = tmp_path / "results/demo/light/sequential"
    write_json(folder / "verification.json", {"passed": True, "summary": "Verified.", "checks": []})
    rows = "".join(f"{number}.jpg,decode,corrupt,broken\n" for number in range(3))
    for name in ("failures.csv", "manifest.csv"):
        (folder / name).write_text(f"source,stage,reason,message\n{rows}", encoding="utf-8")
    bounds = {"max_rate": 1, "max_count": None}
    for failures, well in (
        ({"max_rate": 0.5}, False),
        (bounds, True),
        ({**bounds, "max_count": 3}, True),
        ({**bounds, "max_count": 2}, False),
        ({**bounds, "max_count": 0}, False),
    ):
        report = collect([tree], {"failures": failures})
        assert (report["verdict"]["state"] != "failure") is well
        assert report["passed"]
        assert told_sentence(report["verdict"]["sentence"]) in Page(html(report)).text


BENCHMARK = {
    "images": 120,
    "repeats": 3,
    "samples": [{"kind": "loop", "workers": 1, "samples": [{"seconds": 1.0}]}],
    "recipe": {"steps": []},
    "figures": [
        {"kind": "loop", "workers": 1, "images_per_second": 80.0, "slowest": 70, "fastest": 90}
    ],
}


def test_a_controlled_benchmark_is_taken_in_without_its_samples(trees, tmp_path):
    found = trees(sequential=BASELINE, threads=full_pass())
    write_json(tmp_path / "results/demo/light/scaling.json", BENCHMARK)
    (benchmark,) = describe(found)["scaling"]
    assert (benchmark["dataset"], benchmark["recipe"]) == ("demo", "light")
    assert benchmark["figures"] == BENCHMARK["figures"]
    assert "samples" not in benchmark


@pytest.mark.parametrize(("digest", "stale"), [("recipe", False), ("another", True), (None, True)])
def test_a_benchmark_of_another_recipe_is_not_taken_for_one_of_these_images(
    trees, tmp_path, digest, stale
):
    found = trees(sequential=BASELINE, threads=full_pass())
    write_json(tmp_path / "results/demo/light/scaling.json", {**BENCHMARK, "recipe_digest": digest})
    report = {**collect(found, {}), **describe(found)}
    assert report["scaling"][0]["stale"] is stale
    assert ("The recipe changed after this was measured" in html(report)) is stale


def test_the_time_by_stage_is_shown_for_every_tree(page):
    """The slowest images are named too."""
    text = Page(page).text
    assert "The slowest images of sequential" in text
    assert "wait" in text


def test_an_image_is_counted_once_and_those_of_all_datasets_are_added(tmp_path):
    """300 and 50 images are 350, with however many recipes and engines."""
    failed = {"photos": ["a.jpg", "b.jpg"], "scans": ["a.jpg"]}
    found = []
    for dataset, total in (("photos", 300), ("scans", 50)):
        for recipe, engine in (("light", "sequential"), ("light", "threads"), ("own", "threads")):
            folder = tmp_path / dataset / recipe / engine
            check = {"name": "inputs", "compared": total, "named": []}
            checks = {"passed": True, "summary": "", "checks": [check]}
            write_json(folder / "verification.json", checks)
            listed = [*failed[dataset], *(["c.jpg"] if recipe == "own" else [])]
            rows = "".join(f"{name},decode,corrupt,broken\n" for name in listed)
            sources = "".join(f"{number}\n" for number in range(total))
            (folder / "failures.csv").write_text(f"source,stage,reason,message\n{rows}", "utf-8")
            (folder / "manifest.csv").write_text(f"source\n{sources}", encoding="utf-8")
            found.append(Tree.at(folder))
    verdict = collect(found, {"failures": {"max_rate": 1, "max_count": None}})["verdict"]
    assert (verdict["images"], verdict["processed"], verdict["failed"]) == (350, 345, 5)
    assert verdict["sentence"] == (
        "Success with failures: 345 of 350 images processed; 5 failed: 5 damaged."
    )
