"""The page about the images of a dataset shows what was found, and is one small file."""

import re

import pytest
from PIL import Image, ImageFilter

from pixelmill.inspection.inspect import inspect
from pixelmill.inspection.measuring.measurer import RECIPE
from pixelmill.pipeline.request import ProcessRequest
from pixelmill.report import inspection_page
from pixelmill.report.inspection_page import MOST_GROUPS, MOST_SHOWN


@pytest.fixture
def inspected(tmp_path, photo):
    """Function that inspects the folder `in`, in which there are four photos and those given."""
    (tmp_path / "in").mkdir()
    for number in range(4):
        photo(300, 200, number).save(tmp_path / "in" / f"{number}.jpg")

    def run(**given):
        for name, picture in given.items():
            picture.save(tmp_path / "in" / f"{name}.jpg")
        source, target = str(tmp_path / "in"), str(tmp_path / "out")
        found = inspect(ProcessRequest(source, target, RECIPE, "sequential", 1))
        path = inspection_page.write(found, source, target)
        with open(path, encoding="utf-8") as file:
            return found, file.read()

    return run


def test_a_finding_is_shown_with_its_meaning_and_pictures(inspected, photo):
    blurred = photo(300, 200, 5).filter(ImageFilter.GaussianBlur(9))
    found, page = inspected(soft=blurred, dark=Image.new("RGB", (300, 200), (3, 2, 1)))
    assert '<section id="blurred">' in page
    assert "Images without sharp edges." in page
    assert re.search(
        r'<img id="p5" src="data:image/jpeg;base64,[^"]+" [^>]*alt="Picture of soft.jpg"', page
    )
    assert "Dark: 1" in inspection_page.lines(found)


def test_the_most_serious_findings_come_first_and_of_each_the_clearest_pictures(inspected, photo):
    framed = Image.new("RGB", (300, 200), "black")
    framed.paste(photo(300, 160, 8).crop((0, 0, 300, 160)), (0, 20))
    dark = {f"dark{n}": Image.new("RGB", (90, 60), (n, n, n)) for n in (40, 5, 20)}
    _, page = inspected(framed=framed, **dark)
    severities = re.findall(r'<td class="text">(info|warning|serious)</td>', page)
    assert severities == sorted(severities, key=["serious", "warning", "info"].index)
    assert {"serious", "warning"} <= {*severities}
    shown = re.search(r'<section id="dark">(.*?)</section>', page, re.DOTALL)[1]
    assert re.findall(r'alt="Picture of (\w+)', shown) == ["dark5", "dark20", "dark40"]
    assert re.findall(r'<span class="soft">([^<]+)<', shown) == ["5", "20", "40"]


def test_members_of_a_group_are_side_by_side(inspected, photo):
    _, page = inspected(twin=photo(300, 200, 2))
    group = re.search(r'<ul class="tiles group-of">(.*?)</ul>', page, re.DOTALL)[1]
    assert re.findall(r'alt="Picture of ([^"]+)"', group) == ["2.jpg", "twin.jpg"]


def test_of_many_images_some_are_shown(inspected, photo):
    flat = {f"dark{n:02}": Image.new("RGB", (90, 60), (n, 0, 0)) for n in range(MOST_SHOWN + 3)}
    twins = {f"{n}x{m}": photo(200, 100, n) for n in range(20, 22 + MOST_GROUPS) for m in range(2)}
    _, page = inspected(**flat, **twins)
    dark = re.search(r'<section id="dark">(.*?)</section>', page, re.DOTALL)[1]
    assert dark.count("<img") == MOST_SHOWN
    copies = re.search(r'<section id="duplicate">(.*?)</section>', page, re.DOTALL)[1]
    assert copies.count("<ul") == MOST_GROUPS


def test_a_set_without_findings_says_so(inspected):
    found, page = inspected()
    if not any(found.findings.counts().values()):
        assert "Nothing unusual was found." in page
    assert inspection_page.lines(found)[0] == "4 images, 4 measured now, 0 failed"


def test_what_failed_is_counted_by_reason(tmp_path, inspected):
    for name in ("broken", "again"):
        (tmp_path / f"in/{name}.jpg").write_bytes(b"\xff\xd8\xff and no more")
    (tmp_path / "in/text.jpg").write_bytes(b"no image")
    found, page = inspected()
    assert "Images that could not be read" in page
    assert re.findall(r"<code>(\w+)</code></th><td>(\d)", page) == [
        ("corrupt", "2"), ("not_an_image", "1")
    ]  # fmt: skip
    assert "<strong>3</strong><span>could not be read</span>" in page
    assert inspection_page.lines(found)[0] == "7 images, 7 measured now, 3 failed"


def test_names_cannot_inject_anything_and_the_page_needs_no_network(tmp_path, inspected, photo):
    photo(300, 200, 1).save(tmp_path / "in/<script>alert(1)<.jpg", "JPEG")
    _, page = inspected()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;.jpg" in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*"', page)


def test_the_page_stays_small_whatever_is_found(inspected):
    noise = {f"n{n:03}": Image.effect_noise((400, 400), 90).convert("RGB") for n in range(40)}
    _, page = inspected(**noise)
    assert len(page.encode()) < 2_000_000


def test_every_picture_of_the_page_is_a_dot_however_few_are_drawn(inspected, monkeypatch):
    monkeypatch.setattr(inspection_page, "MOST_DOTS", 1)
    _, page = inspected(dark=Image.new("RGB", (90, 60), (9, 9, 9)))
    shown = {*re.findall(r'<img id="p(\d+)"', page)}
    assert "4" in shown
    assert {*re.findall(r'data-picture="(\d+)"', page)} == shown
