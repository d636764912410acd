"""What pixelmill writes for people opens in a real browser, on a wide screen and a narrow one,
in light and in dark, and on paper.
"""

import copy
import io
import json
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image, ImageFilter

import pixelmill
from tests.helpers import browser as chromium
from tests.unit.benchmark.test_ranking import measured
from tests.unit.report.test_compare_machines import RESULT

HEADINGS = [
    "Failures",
    "Before and after",
    "Engines compared",
    "Times",
    "Checks, versions, configuration",
]

#: Elements of the sections of engines and times.
PARTS = [
    "Advice",
    "Speedup and scaling",
    "Comparison with other tools",
    "Wall time by stage",
    "Wall time per image",
    "Activity of the workers",
]

#: Widths of the screens of a desk, a tablet and a phone, in pixels.
WIDTHS = [1400, 768, 390]

#: Elements of the page of machines.
MACHINES = ["Machines", "Throughput", "Fits and predictions", "Advice", "Software"]

#: Pages by the fixture that makes them.
PAGES = ["page", "compare", "steps", "inspection"]

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
BROKEN = """[...document.querySelectorAll("th:not(.wrap), td:not(.wrap)")].filter(e => {
  const texts = document.createTreeWalker(e, NodeFilter.SHOW_TEXT);
  const tops = new Set();
  while (texts.nextNode()) {
    const range = document.createRange();
    range.selectNode(texts.currentNode);
    for (const r of range.getClientRects()) tops.add(Math.round(r.top));
  }
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
def inspection(tmp_path_factory, photo, script):
    """The page about a folder with a blurred picture, copies, and a long name."""
    root = tmp_path_factory.mktemp("inspected")
    (root / "in").mkdir()
    for number in range(5):
        photo(300, 200, number).save(root / "in" / f"{number}.jpg")
    photo(300, 200, 3).save(root / "in" / f"{'copy ' * 30}.jpg")
    photo(300, 200, 7).filter(ImageFilter.GaussianBlur(9)).save(root / "in/soft.png")
    (root / "in/broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    assert script("inspect_images.py", root / "in", root / "out").status == 0
    return root / "out/inspection.html"


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
    shown = opened.ask(headings.format("h3"))
    assert [heading for heading in shown if heading in PARTS] == PARTS
    assert opened.ask("document.querySelector('h1').innerText") == (
        "It worked, but some images failed"
    )
    assert opened.ask("document.title").endswith("pixelmill report")


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
@pytest.mark.parametrize("name", ["page", "inspection"])
def test_no_words_of_a_figure_are_cut_or_overlap(browse, name, width):
    opened = browse(name, width)
    assert (
        opened.ask("[...document.querySelectorAll('svg')].filter(e => e.clientWidth).length") >= 6
    )
    assert opened.ask(SPOILT) == []


def test_a_dot_shows_its_picture_under_the_pointer(browse):
    opened = browse("inspection", 1400)
    is_hidden = "document.getElementById('preview').classList.contains('hidden')"
    assert opened.ask(is_hidden) is True
    enter = "document.querySelector('[data-picture]').dispatchEvent(new PointerEvent('{}'))"
    opened.ask(enter.format("pointerenter"))
    assert opened.ask(is_hidden) is False
    assert opened.ask("document.getElementById('preview').src").startswith("data:image/jpeg")
    opened.ask(enter.format("pointerleave"))
    assert opened.ask(is_hidden) is True


def test_cut_or_overlapping_words_would_be_found(browse):
    opened = browse("page", 1400)
    opened.ask("document.querySelectorAll('svg text').forEach(e => e.style.fontSize = '20px')")
    assert opened.ask(SPOILT) != []


def test_pictures_before_and_after_are_drawn(browse):
    drawn = "[...document.images].filter(e => e.complete && e.naturalWidth).length"
    opened = browse("page", 390)
    assert opened.ask(drawn) == 2 * 6
    # All tiles are equally large, also beside a long name.
    opened.ask("document.querySelector('.name').textContent = 'a'.repeat(60)")
    tiles = "new Set([...document.querySelectorAll('.zoom')].map(e => e.{})).size"
    assert [opened.ask(tiles.format(side)) for side in ("offsetWidth", "offsetHeight")] == [1, 1]


COLUMN = """[...document.querySelectorAll("#comparison tbody tr")].map(
  row => row.cells[{}].innerText.trim())"""


def test_a_table_is_sorted_by_mouse_and_keyboard(browse):
    opened = browse("page", 1400)
    before = opened.ask(COLUMN.format(2))
    opened.click("#comparison th:nth-child(3) button")
    rates = [float(text.replace(",", "")) for text in opened.ask(COLUMN.format(2))]
    assert rates == sorted(rates) and len(rates) == len(before) >= 2
    sorted_by = "document.querySelector('#comparison th[aria-sort]').getAttribute('aria-sort')"
    assert opened.ask(sorted_by) == "ascending"
    opened.press("Enter", 13)  # the button still has the focus
    assert opened.ask(sorted_by) == "descending"
    shown = opened.ask(COLUMN.format(2))
    assert [float(text.replace(",", "")) for text in shown] == rates[::-1]
    opened.click("#comparison th:first-child button")
    names = opened.ask(COLUMN.format(0))
    assert names == sorted(names, key=str.lower)
    assert opened.complaints == []


def test_times_of_different_units_are_sorted_by_their_length(browse):
    opened = browse("page", 1400)
    values = opened.ask("""(() => {
      const row = cell => {
        const made = document.createElement("tr");
        made.insertCell().textContent = cell;
        return made;
      };
      return ["900 ms", "1.20 s", "45.0 ms"].map(text => valueOf(row(text), 0)); })()""")
    assert values == [900, 1200, 45]


def test_failures_are_searched(browse):
    opened = browse("page", 1400)
    shown = "[...document.querySelectorAll('.paths li')].filter(e => e.offsetParent).length"
    assert opened.ask(shown) == 1
    opened.click("#search")
    for letter in "none":
        opened.press(letter)
    assert opened.ask(shown) == 0
    assert opened.ask("document.getElementById('found').innerText") == "0 found"
    opened.ask("document.getElementById('search').value = ''")
    opened.click("#search")
    for letter in "pwned":
        opened.press(letter)
    assert opened.ask(shown) == 1
    assert opened.ask("document.getElementById('found').innerText") == "1 found"
    assert "pwned" not in opened.ask("document.title")


def test_pictures_are_filtered_by_why_they_are_shown(browse):
    opened = browse("page", 1400)
    shown = "[...document.querySelectorAll('.pairs > li')].filter(e => e.offsetParent).length"
    assert opened.ask(shown) == 6
    opened.click("[data-kind=slowest]")
    assert opened.ask(shown) == 3
    opened.click("[data-kind='']")
    assert opened.ask(shown) == 6


def test_a_picture_is_enlarged_and_compared_by_mouse(browse):
    opened = browse("page", 1400)
    is_open = "document.getElementById('viewer').open"
    assert opened.ask(is_open) is False
    opened.click(".zoom")
    assert opened.ask(is_open) is True
    width = "document.querySelector('[data-part=before]').getBoundingClientRect().width"
    assert opened.ask(width) > 300
    shape = "(e => e.offsetWidth / e.offsetHeight)(document.querySelector('[data-part=before]'))"
    assert opened.ask(shape) == pytest.approx(3 / 2, abs=0.02)  # the photos are 300 x 200
    name = "document.querySelector('[data-part=name]').innerText"
    first = opened.ask(name)
    opened.click("[data-part=next]")
    assert opened.ask(name) != first
    opened.click("[data-part=previous]")
    assert opened.ask(name) == first
    opened.click("[data-part=mode]")
    opened.click("[data-part=close]")
    assert opened.ask(is_open) is False
    assert opened.complaints == []


def test_a_picture_is_enlarged_and_compared_by_keyboard(browse):
    opened = browse("page", 768)
    opened.ask("document.querySelector('.zoom').focus()")
    opened.press("Enter", 13)
    assert opened.ask("document.getElementById('viewer').open") is True
    name = "document.querySelector('[data-part=name]').innerText"
    first = opened.ask(name)
    opened.press("ArrowRight", 39)
    assert opened.ask(name) != first
    opened.ask("document.querySelector('[data-part=slider]').focus()")
    opened.press("ArrowRight", 39)
    at = "document.querySelector('[data-part=compare]').style.getPropertyValue('--at')"
    assert opened.ask(at) == "51%"
    opened.press("Escape", 27)
    assert opened.ask("document.getElementById('viewer').open") is False
    assert opened.ask("document.activeElement.className") == "zoom"


def test_the_values_of_a_chart_are_read_by_keyboard(browse):
    opened = browse("page", 1400)
    charts = "[...document.querySelectorAll('main svg')].filter(e => e.querySelector('title'))"
    assert opened.ask(f"{charts}.filter(e => e.tabIndex !== 0).length") == 0
    chart = f"{charts}.find(e => e.getBoundingClientRect().width)"
    titles = opened.ask(f"[...({chart}).querySelectorAll('title')].map(e => e.textContent)")
    told = f"({chart}).nextElementSibling.textContent"
    opened.ask(f"({chart}).focus()")
    assert opened.ask(told) == "The arrow keys read the values."
    opened.press("ArrowRight", 39)
    assert opened.ask(told) == titles[0]
    opened.press("ArrowLeft", 37)
    assert opened.ask(told) == titles[-1]
    assert opened.ask(f"({chart}).querySelectorAll('.marked').length") == 1
    opened.press("Tab", 9)
    assert opened.ask(told) == ""
    assert opened.ask("document.querySelectorAll('.marked').length") == 0


#: Text that differs too little from its background: less than 4.5, or 3 for large text.
FAINT = """(() => {
  const parse = text => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, k) => sum + c * [0.2126, 0.7152, 0.0722][k], 0);
  const behind = e => {
    for (; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("body *")].filter(e => !e.closest("svg, script, dialog")
      && e.offsetParent && [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()))
    .map(e => {
      const colors = [light(parse(getComputedStyle(e).color)), light(behind(e))];
      const [a, b] = colors.sort((x, y) => y - x);
      const size = parseFloat(getComputedStyle(e).fontSize);
      return [(a + 0.05) / (b + 0.05), size >= 24 ? 3 : 4.5, e.outerHTML.slice(0, 80)];
    }).filter(([ratio, least]) => ratio < least);
})()"""

#: Elements without a name for screen readers, tables without scopes, and repeated identifiers.
UNNAMED = """[
  ...[...document.querySelectorAll("button, a, input, [role=region], svg, dialog")].filter(e =>
    !(e.innerText?.trim() || e.getAttribute("aria-label") || e.labels?.length
      || document.getElementById(e.getAttribute("aria-labelledby")))),
  ...[...document.images].filter(e => e.getAttribute("alt") === null),
  ...document.querySelectorAll("th:not([scope])"),
  ...[...document.querySelectorAll("[id]")].filter((e, k, all) =>
    all.some((other, j) => j < k && other.id === e.id)),
].map(e => e.outerHTML.slice(0, 120))"""

#: Regions that scroll but that the keyboard does not reach.
UNREACHABLE = """[...document.querySelectorAll("body *")].filter(e =>
  /auto|scroll/.test(getComputedStyle(e).overflowX + getComputedStyle(e).overflowY)
  && (e.scrollWidth > e.clientWidth || e.scrollHeight > e.clientHeight)
  && e.tabIndex < 0 && e.tagName !== "DIALOG").map(e => e.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_can_be_read_and_used_by_everybody(browse, width, dark):
    """See https://www.w3.org/WAI/WCAG22/quickref/: contrast, names, tables, keyboard."""
    opened = browse("page", width, dark=dark)
    opened.ask("document.querySelectorAll('details').forEach(e => e.open = true)")
    assert opened.ask(FAINT) == []
    assert opened.ask(UNNAMED) == []
    assert opened.ask(UNREACHABLE) == []


#: What axe-core finds: the rule, and the elements that break it.
VIOLATIONS = """axe.run(document, {resultTypes: ["violations"]}).then(found =>
  found.violations.map(one => [one.id, one.nodes.map(node => node.html.slice(0, 120))]))"""


@pytest.fixture(scope="module")
def axe():
    """Source of axe-core (https://github.com/dequelabs/axe-core), which a package contains."""
    package = pytest.importorskip("axe_playwright_python")
    return (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(browse, axe, name, width, dark):
    opened = browse(name, width, dark=dark)
    opened.ask(f"{axe};0")
    opened.ask("document.querySelectorAll('details').forEach(e => e.open = true)")
    assert opened.ask(VIOLATIONS) == []


def test_axe_notices_what_is_planted(browse, axe):
    opened = browse("page", 1400)
    opened.ask(f"{axe};0")
    opened.ask("document.querySelector('main').append(new Image())")
    assert [rule for rule, _ in opened.ask(VIOLATIONS)] == ["image-alt"]


def test_headings_are_in_order(browse):
    headings = "document.querySelectorAll('header h1, main :is(h1, h2, h3, h4)')"
    found = browse("page", 1400).ask(f"[...{headings}].map(e => +e.tagName[1])")
    assert found[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(found))


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
            assert taken.text["pixelmill"] == pixelmill.__version__
