"""What pixelmill writes for people opens in a real browser, on a wide screen and a narrow one,
in light and in dark, and on paper.
"""

import copy
import io
import json
import shutil
import subprocess
import sys

import pytest
from PIL import Image

from tests.helpers import browser as chromium
from tests.unit.benchmark.test_ranking import measured
from tests.unit.report.test_compare_machines import RESULT

HEADINGS = ["Advice", "mine · light", "Failures", "What was checked", "How it was made"]

#: Elements of the section of a dataset and recipe.
PARTS = [
    "Throughput",
    "Speedup and scaling",
    "Comparison with other tools",
    "Time by stage",
    "Time per image",
    "Activity of the workers",
    "Before and after",
]

#: Widths of a desk's screen and of a phone's, in pixels.
WIDTHS = [1400, 390]

#: Elements of the page of machines.
MACHINES = ["Machines", "Throughput", "Fits and predictions", "Advice", "Software"]

#: Pages by the fixture that makes them.
PAGES = ["page", "compare", "steps"]

#: Texts of figures that overlap, or that the edge of the figure cuts off.
SPOILT = """[...document.querySelectorAll("svg")].flatMap(svg => {
  const box = e => e.getBoundingClientRect();
  const frame = box(svg);
  if (!frame.width) return [];
  const texts = [...svg.querySelectorAll("text")].map(e => [e.textContent, box(e)]);
  const cut = texts.filter(([, r]) => r.left < frame.left - 1 || r.right > frame.right + 1
    || r.top < frame.top - 1 || r.bottom > frame.bottom + 1);
  const over = texts.filter(([, a], i) => texts.some(([, b], j) => i < j
    && a.left < b.right - 1 && b.left < a.right - 1
    && a.top < b.bottom - 2 && b.top < a.bottom - 2));
  return [...cut, ...over].map(([text]) => svg.getAttribute("aria-label") + ": " + text);
})"""

#: Sections, tables and pictures that are wider than the page, unless they scroll.
WIDE = """[...document.querySelectorAll("body *")].filter(e => !e.closest(".scroll, pre, svg")
  && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(e => e.outerHTML.slice(0, 80))"""


#: The same on paper, where nothing scrolls.
PAPER_WIDE = WIDE.replace(".scroll, pre, ", "")

#: Words and numbers of a table that are broken into two lines.
BROKEN = """[...document.querySelectorAll("th, td:not(.wrap)")].filter(e => {
  const range = document.createRange();
  range.selectNodeContents(e);
  const tops = new Set([...range.getClientRects()].map(r => Math.round(r.top)));
  return !/[\\s-]/.test(e.innerText.trim()) && tops.size > 1;
}).map(e => e.innerText)"""

#: Backgrounds that need no ink.
WHITE = ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)")

#: Words that are wider than a box that hides its overflow.
CUT = """[...document.querySelectorAll("body *")].filter(e => !e.closest("svg, .scroll, pre")
  && getComputedStyle(e).overflow !== "visible" && e.scrollWidth > e.clientWidth + 1)
  .map(e => e.outerHTML.slice(0, 80))"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium.PATH is None, reason="chromium is not on PATH"),
]


#: As the target `scaling` makes it, on a machine with more cores than this one may have.
BENCHMARK = {
    "images": 120,
    "repeats": 3,
    "figures": [
        {"kind": "loop", "workers": 1, "images_per_second": 80.0, "slowest": 70, "fastest": 90},
        *(
            {"kind": kind, "workers": count, "images_per_second": 70.0 * count, "speedup": count,
             "slowest": 65.0 * count, "fastest": 75.0 * count}
            for kind in ("ceiling", "threads", "processes", "futures")
            for count in (1, 2, 4, 8, 16)
        ),
    ],
    "fits": {
        "processes": {
            "amdahl": {"serial_share": 0.01, "low": 0.005, "high": 0.02, "one_worker": 0.9},
            "usl": {"sigma": 0.01, "kappa": 0.0001, "one_worker": 0.9},
            "note": "",
            "predictions": [{"workers": n, "speedup": 0.7 * n, "low": 0.6 * n, "high": 0.8 * n}
                            for n in (32, 64)],
        }
    },
    "advice": [{"rule": "engine", "text": "Use processes.", "evidence": "speedup 15.9"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def page(tmp_path_factory, photos, script):
    """Report of a run by two engines in which an image failed."""
    root = tmp_path_factory.mktemp("run")
    source = photos(root / "in", 6, size=(300, 200))
    (source / "<script>document.title='pwned'.jpg").write_bytes(b"\xff\xd8\xff and no more")
    trees = [root / "results/mine/light" / engine for engine in ("sequential", "threads")]
    for tree in trees:
        script("process_parallel.py", source, tree, "--engine", tree.name, "--workers", "2")
        script("verify.py", source, tree, "--output", tree / "verification.json")
    script("compare_engines.py", *trees, "--output", trees[0].parent / "comparison.json")
    ranking = measured(loop=[4.0] * 5, threads=[2.0] * 5, gm=[3.0, 3.5, 4.0, 4.5, 5.0])
    for name, found in (("scaling", BENCHMARK), ("rivals", ranking)):
        (trees[0].parent / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")
    config = json.dumps(
        {"datasets": {"mine": {"folder": str(source)}}, "failures": {"max_rate": 1}}
    )
    assert script("benchmark_report.py", root / "results", "--config", config).status == 0
    return root / "results/report/report.html"


@pytest.fixture(scope="module")
def compare(tmp_path_factory, script):
    """What two machines measured, side by side."""
    folder = tmp_path_factory.mktemp("machines")
    large = copy.deepcopy(RESULT)
    large["machine"] = {**RESULT["machine"], "cores": 64, "processor": f"Xeon {'w' * 60}"}
    large["figures"] += [{**RESULT["figures"][-1], "workers": n} for n in (4, 8, 16, 32, 64)]
    ends = {"low": 0.01, "high": 0.03}
    large["fits"]["processes"] = {
        "amdahl": {"serial_share": 0.02, **ends, "one_worker": 1.0},
        "usl": None,
        "note": "",
        "predictions": [{"workers": n, "speedup": n, "low": n, "high": n} for n in (128, 256)],
    }
    for name, result in (("a", RESULT), ("b", large)):
        (folder / f"{name}.json").write_text(json.dumps(result), encoding="utf-8")
    options = ["--compare", folder / "a.json", folder / "b.json", "--output", folder]
    assert script("benchmark_report.py", *options).status == 0
    return folder / "compare.html"


@pytest.fixture(scope="module")
def steps(tmp_path_factory, script):
    """The gallery of all steps."""
    path = tmp_path_factory.mktemp("gallery") / "steps.html"
    assert script("steps.py", path).status == 0
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser for all tests."""
    profile = tmp_path_factory.mktemp("profile")
    with chromium.Browser(profile) as opened:
        yield opened
    shutil.rmtree(profile, ignore_errors=True)


@pytest.fixture
def browse(browser, request):
    """Function that opens the page that a fixture made."""

    def open_page(name, width, **looks):
        return chromium.Page(browser, request.getfixturevalue(name).as_uri(), width, **looks)

    return open_page


def test_every_section_is_in_the_page_that_the_browser_made(browse):
    opened = browse("page", 1400)
    headings = "[...document.querySelectorAll('{}')].map(e => e.innerText)"
    assert opened.ask(headings.format("h2")) == HEADINGS
    shown = opened.ask(headings.format("h2:has(+ h3) ~ h3"))
    assert [heading for heading in shown if heading in PARTS] == PARTS
    assert "Success with failures: " in opened.ask("document.querySelector('.verdict').innerText")
    assert opened.ask("document.title") == "pixelmill report"


def test_every_section_is_in_the_page_of_machines(browse):
    headings = "[...document.querySelectorAll('h2')].map(e => e.innerText)"
    assert browse("compare", 1400).ask(headings) == MACHINES


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_the_screen_and_makes_no_requests_or_errors(browse, name, width, dark):
    """Only elements with their own scroll bar may be wider than the screen."""
    opened = browse(name, width, dark=dark)
    opened.ask("document.querySelectorAll('details').forEach(e => e.open = true)")
    assert opened.ask("document.documentElement.scrollWidth") <= width
    assert opened.ask(WIDE) == []
    assert opened.ask(CUT) == []
    assert opened.complaints == []
    asked = [address for address in opened.requests if not address.startswith("data:")]
    assert len(asked) == 1 and asked[0].startswith("file:")


@pytest.mark.parametrize("name", PAGES)
def test_on_paper_no_word_is_cut_or_broken(browse, name):
    """As wide as A4 without margins, in the colours of print."""
    opened = browse(name, 718, dark=True)
    opened.ask("document.querySelectorAll('details').forEach(e => e.open = true)")
    opened.use_paper()
    assert opened.ask(BROKEN) == []
    assert opened.ask(PAPER_WIDE) == []
    assert opened.ask("getComputedStyle(document.body).backgroundColor") in WHITE
    assert opened.pdf().startswith(b"%PDF-")


@pytest.mark.parametrize("width", WIDTHS)
def test_no_words_of_a_figure_are_cut_or_overlap(browse, width):
    opened = browse("page", width)
    assert (
        opened.ask("[...document.querySelectorAll('svg')].filter(e => e.clientWidth).length") >= 6
    )
    assert opened.ask(SPOILT) == []


def test_cut_or_overlapping_words_would_be_found(browse):
    opened = browse("page", 1400)
    opened.ask("document.querySelectorAll('svg text').forEach(e => e.style.fontSize = '20px')")
    assert opened.ask(SPOILT) != []


def test_pictures_before_and_after_are_drawn(browse):
    drawn = "[...document.images].filter(e => e.complete && e.naturalWidth).length"
    assert browse("page", 390).ask(drawn) == 2 * 6


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_drawn_in_the_colours_that_the_reader_likes(browse, name, width, dark):
    with Image.open(io.BytesIO(browse(name, width, dark=dark).picture(whole=False))) as image:
        assert image.width == width
        colours = image.convert("RGB").getcolors(maxcolors=2**24)
    assert len(colours) > 50  # text is smoothed, bars are coloured
    count, background = max(colours)
    assert count < 0.99 * image.width * image.height
    assert (sum(background) < 3 * 128) is dark


def test_the_pictures_of_the_readme_can_be_taken_anew(page, repository, tmp_path):
    command = [sys.executable, repository / "docs/screenshots.py", page, "--output", tmp_path]
    subprocess.run(command, check=True)
    for name, width in (("report", 1020), ("report-phone", 390)):
        with (
            Image.open(tmp_path / f"{name}.png") as taken,
            Image.open(repository / f"docs/{name}.png") as shown,
        ):
            assert taken.width == shown.width == width
            assert taken.height > width
