"""The report and the gallery open in a real browser, on a wide screen and on a narrow one."""

import re
import shutil
import subprocess

import pytest
from PIL import Image

BROWSER = shutil.which("chromium")

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

HEADINGS = ["mine · light", "What was checked", "Failures", "How it was made"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="chromium is not on PATH"),
]


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
    assert script("benchmark_report.py", root / "results").status == 0
    return root / "results/report/report.html"


@pytest.fixture
def browse(tmp_path):
    """Function that runs the browser on a page and returns what it printed."""

    def run(page, *options):
        command = [BROWSER, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", *options]
        done = subprocess.run(
            [*command, page.as_uri()], capture_output=True, text=True, timeout=120, check=True
        )
        return done.stdout

    return run


def test_every_section_is_in_the_page_that_the_browser_made(page, browse):
    made = browse(page, "--dump-dom")
    assert re.findall(r"<h2>(.*?)</h2>", made) == HEADINGS
    assert "All checks passed" in made
    assert "<title>pixelmill report</title>" in made


@pytest.mark.parametrize("width", [1400, 390])
def test_the_page_is_drawn_and_not_wider_than_the_screen(page, browse, tmp_path, width):
    picture = tmp_path / "page.png"
    browse(page, f"--screenshot={picture}", f"--window-size={width},2000", "--hide-scrollbars")
    with Image.open(picture) as image:
        assert image.width == width
        colours = image.convert("RGB").getcolors(maxcolors=2**24)
    assert len(colours) > 50  # text is smoothed, bars are coloured
    background = max(colours)[0]
    assert background < 0.99 * image.width * image.height


@pytest.fixture(scope="module")
def steps(tmp_path_factory, script):
    """The gallery of all steps."""
    path = tmp_path_factory.mktemp("gallery") / "steps.html"
    assert script("steps.py", path).status == 0
    return path


@pytest.mark.parametrize("name", ["page", "steps"])
def test_nothing_is_wider_than_a_narrow_screen_but_what_scrolls_by_itself(
    name, browse, tmp_path, request
):
    probe = tmp_path / "probe.html"
    script = "document.title = document.documentElement.scrollWidth"
    text = request.getfixturevalue(name).read_text(encoding="utf-8")
    text = text.replace("</body>", f"<script>{script}</script></body>")
    probe.write_text(text, encoding="utf-8")
    made = browse(probe, "--dump-dom", "--window-size=500,1000")
    assert int(re.search(r"<title>(\d+)</title>", made)[1]) <= 500
