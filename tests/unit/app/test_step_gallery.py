"""The gallery shows every step, before and after."""

import re

import pytest

from pixelmill.app import step_gallery
from pixelmill.imaging.steps import STEPS


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("gallery") / "steps.html"
    assert step_gallery.write(str(path)) == len(STEPS)
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def sections(page):
    """Text of each step's section by its name."""
    return dict(re.findall(r'<section id="(\w+)">(.*?)</section>', page, re.DOTALL))


@pytest.mark.parametrize("name", STEPS)
def test_every_step_has_pictures_and_all_its_parameters(sections, name):
    text = sections[name]
    assert f"<h3>{name}</h3>" in text
    pictures = re.findall(r'<img src="data:image/png;base64,', text)
    assert len(pictures) == 1 + len(STEPS[name].examples)
    for parameter in STEPS[name].parameters:
        assert f"<code>{parameter}</code>" in text


@pytest.mark.parametrize("name", STEPS)
def test_every_picture_differs_from_the_one_before_and_from_its_neighbours(sections, name):
    pictures = re.findall(r'<img src="([^"]+)"', sections[name])
    assert len(set(pictures)) == len(pictures)


def test_every_fit_of_resize_is_shown(sections):
    for fit in STEPS["resize"].parameters["fit"].choices:
        assert f"fit: {fit}" in sections["resize"]


def test_the_page_needs_no_other_file(page):
    assert not re.search(r'(src|href)="(?!data:|#)', page)


def test_words_between_backquotes_are_code(sections):
    assert "<code>stretch</code> ignores" in sections["resize"]
    assert "`" not in re.sub(r'"data:[^"]+"', "", "".join(sections.values()))
