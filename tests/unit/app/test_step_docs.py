"""The reference of steps describes every step and parameter, and the docs contain it."""

import pytest

from pixelmill.app import step_docs
from pixelmill.imaging.steps import STEPS


def test_the_docs_match_the_registry(repository):
    text = (repository / "docs/steps.md").read_text(encoding="utf-8")
    assert text == step_docs.markdown(), "say: make docs"


def test_every_step_is_listed_once_under_its_subject():
    told = [page.name for _, pages in step_docs.pages() for page in pages]
    assert sorted(told) == sorted(STEPS)
    titles = [title for title, _ in step_docs.pages()]
    assert titles == ["Resizing", "Geometry", "Filters", "Tones", "Overlays"]


@pytest.mark.parametrize("name", STEPS)
def test_every_parameter_is_described_and_no_other_is(name):
    page = step_docs.describe(STEPS[name])
    assert page.summary.endswith(".")
    for words in page.parameters:
        assert words.meaning.endswith("."), words.name
        assert words.allowed
        assert words.default


def test_a_parameter_is_described_completely():
    words = {words.name: words for words in step_docs.describe(STEPS["resize"]).parameters}
    assert words["filter"].meaning == "The resampling kernel."
    assert words["filter"].allowed.startswith("one of lanczos, bicubic")
    assert words["filter"].default == "lanczos"
    assert words["longest"].meaning.startswith("The longer side, in pixels; the proportions are")
    assert words["width"].default == "not given"
    assert words["color"].default == '"#ffffff"'
    matrix = step_docs.describe(STEPS["color_matrix"]).parameters[0]
    assert matrix.default == "required"


def test_paragraphs_become_lines():
    page = step_docs.describe(STEPS["resize"])
    assert page.summary == "Resample to another size."
    sentence = "Sides are rounded to the nearest pixel, halves up, and have at least one pixel."
    assert sentence in page.text


@pytest.mark.parametrize(
    ("value", "text"),
    [(2.0, "2"), (0.5, "0.5"), (3, "3"), (False, "false"), ("cover", "cover"),
     ("#ffffff", '"#ffffff"'), ((1, 2.5), "[1, 2.5]"), ([[1, 0], [0, 1]], "[[1, 0], [0, 1]]")],
)  # fmt: skip
def test_a_value_is_written_as_in_a_recipe(value, text):
    assert step_docs.as_recipe(value) == text
