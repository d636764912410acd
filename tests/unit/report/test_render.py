"""The page, its Markdown and its figures are complete, small, and the same for every reader."""

import base64
import hashlib
import os
import re

import pytest

from pixelmill.core.errors import UserError
from pixelmill.core.jobs import BusyInterval, Outcome, OutputFile
from pixelmill.dataset.exports import write_tables
from pixelmill.dataset.layout import Tree
from pixelmill.dataset.ledger import Example, Fingerprints, Ledger
from pixelmill.dataset.passes import Pass
from pixelmill.report import contact_sheet
from pixelmill.report.collect import collect, describe
from pixelmill.report.contact_sheet import Pair
from pixelmill.report.render import html, markdown, write
from pixelmill.report.thumbnails import data_url
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


def test_the_size_of_the_images_is_told_once_however_many_engines_made_them(report):
    names = {"dataset": "demo", "recipe": "light"}
    assert report(2)["sizes"] == [{**names, "bytes_in": 18, "bytes_out": 200}]


def test_a_page_about_many_images_is_hardly_larger_than_one_about_few(report):
    page = html(report(MANY))
    assert len(page.encode()) < LARGEST_PAGE / 4  # one recipe, no pictures
    assert page.count(".jpg") < 100


def test_a_page_about_thousands_of_failures_and_a_dozen_pictures_stays_small(report, photo):
    rows = [
        {"source": f"folder of scans/{k}/image {k}.jpg", "stage": "decode", "reason": reason,
         "message": f"the file ends {k} bytes before the image does"}
        for k in range(1000) for reason in ("truncated", "not_an_image")
    ]  # fmt: skip
    entry = {"dataset": "demo", "engine": "threads", "failed": 2000, "images": 10_000,
             "reasons": {"truncated": 1000, "not_an_image": 1000}, "listed": rows}  # fmt: skip
    url = data_url(photo(contact_sheet.SIDE, contact_sheet.SIDE))
    facts = Example("a.jpg", "a.webp", 1_234_000, 37_400, 640, 480, 9_100, 0.5)
    pair = Pair("a.jpg", 0.1, facts, url, url, (320, 320), (320, 320))
    made = report(failures=[{**entry, "recipe": recipe} for recipe in ("light", "other")])
    page = html(made, {("demo", "light"): [pair] * contact_sheet.MOST_PAIRS})
    assert page.count("<li><code>") == 2000
    assert len(page.encode()) < LARGEST_PAGE


def test_a_page_without_a_benchmark_says_which_command_makes_it(report):
    page = html(report())
    assert (
        "Speedup by number of workers was not measured: <code>snakemake --cores all scaling" in page
    )
    assert "No pictures: the sources or outputs are gone" in page
    assert page.count("single passes") == 1


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
    assert "light: sequential, threads" in page
    assert markdown(made).count("1 of 50 images of demo failed") == 1
    assert r"- a\|b\_&lt;i&gt;.jpg" in markdown(made)
    assert "**The image data is damaged** (1): Copy or download it again." in markdown(made)


def test_the_markdown_has_verdict_table_failures_and_machine(report):
    text = markdown(report())
    assert text.startswith("## The run failed\n")
    assert "| demo | light | threads | 1 | 5.56 |" in text
    assert "Single passes, start-up included." in text
    assert re.search(r"^Written: \d+ \w+ \d{4}, \d\d:\d\d ", text, re.MULTILINE)
    assert re.search(r"^Version: pixelmill 0\.", text, re.MULTILINE)
    assert "No image failed." in text
    assert "cores" in text and "Pillow" in text and "`snakemake --cores 1 all`" in text


def test_figures_are_also_written_as_files_and_old_ones_removed(report, tmp_path):
    made = report()
    write(made, str(tmp_path / "report"))
    old = tmp_path / "report/figures/gone.light.stages.svg"
    old.write_text("old", encoding="utf-8")
    write(made, str(tmp_path / "report"))
    names = {path.name for path in old.parent.iterdir()}
    kinds = ("throughput", "stages", "latencies", "workers")
    assert {f"demo.light.{kind}.svg" for kind in kinds} <= names
    assert old.name not in names
    for path in old.parent.iterdir():
        assert re.match(
            r'<svg xmlns="[^"]+" width="[\d.]+" height="[\d.]+" style="color: #\w+; ',
            path.read_text("utf-8"),
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
    assert "Speedup is relative to <em>sequential</em>" in html(report())


@pytest.mark.parametrize("well", [True, False])
def test_checks_that_failed_are_seen_at_once(well):
    (checked,) = REPORT["verifications"]
    page = html({**REPORT, "passed": well, "verifications": [{**checked, "passed": well}]})
    assert page.count("<details open>") == (0 if well else 2)  # what was checked, and the tree


def test_checks_that_failed_are_told_before_everything_else():
    verdict = {**REPORT["verdict"], "wrong": [f"demo/light: sha256: <{k}>" for k in range(12)]}
    page = html({**REPORT, "verdict": verdict})
    assert page.index("What is wrong</h2>") < page.index("Failures</h2>")
    assert "demo/light: sha256: &lt;9&gt;" in page and "&lt;10&gt;" not in page
    assert "and 2 more" in page
    assert "What is wrong" not in html(REPORT)


def test_the_page_allows_its_own_script_and_nothing_else():
    page = html(REPORT)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert len(script.splitlines()) < 200


def test_tables_and_scrolling_regions_can_be_reached_and_understood():
    page = html({**REPORT, "verifications": REPORT["verifications"] * 2})
    assert page.count("<th scope=") == page.count("<th") - page.count("<thead")
    for opening in re.findall(r'<div class="scroll"[^>]*>', page):
        assert re.search(r' tabindex="0" role="region" aria-label="[^"]+"', opening)


@pytest.mark.parametrize(("part", "times"), [("scaling", 1), ("rivals", 1)])
def test_every_place_that_shows_a_measurement_says_if_the_recipe_changed_since(part, times):
    (measured,) = REPORT[part]
    page = html({**REPORT, part: [{**measured, "stale": True}]})
    command = f"<code>make {part}</code> measures again"
    warning = f"The recipe changed after this was measured: {command}"
    assert page.count(warning) == times
    assert warning not in html(REPORT)


def test_a_pair_of_pictures_has_the_sizes_of_both_and_says_why_it_is_shown():
    facts = Example("a.jpg", "a.webp", 1_234_000, 37_400, 640, 480, 9_100, 0.5)
    pair = Pair(
        "a.jpg", 0.1, facts, "data:before", "data:after", (168, 112), (160, 120),
        ("slowest", "largest savings"), "../images/a.webp",
    )  # fmt: skip
    page = " ".join(html(REPORT, {("demo", "light"): [pair]}).split())
    assert '<img src="data:before" alt="a.jpg, before" width="168" height="112">' in page
    assert '<img src="data:after" alt="a.jpg, after" width="160" height="120">' in page
    assert (
        '1.23 megapixels, 37 kB</span> <span class="one">→ 640 \N{MULTIPLICATION SIGN} 480' in page
    )
    assert '<a class="name" href="../images/a.webp">a.jpg</a>' in page
    assert (
        '<span class="tag">slowest: 500 ms</span> <span class="tag">largest savings</span>' in page
    )
    assert 'data-kinds="slowest|largest savings"' in page


def test_small_pictures_have_their_number_of_pixels():
    facts = Example("a.png", "a.png", 4096, 900, 64, 64, 800, 0.5)
    pair = Pair("a.png", 0.0, facts, "data:b", "data:a", (64, 64), (64, 64))
    assert "4,096 pixels" in html(REPORT, {("demo", "light"): [pair]})


def test_the_commands_are_those_of_the_run(report):
    """Results of `pixelmill run` have no Snakemake."""
    trees = [Tree("mine", "light", "threads", "nowhere")]
    commands = {"all": "pixelmill run SRC DST", "verify": "pixelmill verify SRC DST",
                "scaling": "pixelmill scaling SRC", "report": "pixelmill report DST"}  # fmt: skip
    made = {**collect(trees, {}, commands), **describe(trees)}
    for text in (html(made), markdown(made)):
        assert "snakemake" not in text
        assert "pixelmill run SRC DST" in text
    assert "Not verified yet: pixelmill verify SRC DST" in html(made)


FOREIGN = ["benchmark.json", "benchmark.csv", "report.md", "report.html", "figures/own/photo.jpg"]


@pytest.mark.parametrize("name", FOREIGN)
def test_files_that_no_report_wrote_are_neither_replaced_nor_removed(tmp_path, name):
    own = tmp_path / name
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_bytes(b"\xff\xd8")
    with pytest.raises(UserError, match="exists, but no report wrote it"):
        write(REPORT, str(tmp_path))
    assert own.read_bytes() == b"\xff\xd8"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [own]


def test_a_report_removes_no_file_beside_its_charts(tmp_path):
    write(REPORT, str(tmp_path))
    own = tmp_path / "figures/own/demo.light.stages.svg"
    own.parent.mkdir()
    for path in (own, tmp_path / "figures/drawing.svg"):
        path.write_text("<svg/>")
    write(REPORT, str(tmp_path))
    assert own.read_text() == (tmp_path / "figures/drawing.svg").read_text() == "<svg/>"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_pipe_in_the_place_of_the_data_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "benchmark.json")
    with pytest.raises(UserError, match="no report wrote it"):
        write(REPORT, str(tmp_path))
