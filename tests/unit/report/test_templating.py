"""Texts and values are escaped and formatted correctly in a page."""

import pytest

from pixelmill.report.templating import code, environment, number, plain, span


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [(1234567, 0, "1,234,567"), (0.125, 2, "0.12"), (None, 0, ""), ("run it", 1, "run it")],
)
def test_numbers_have_thousands_separators_and_other_values_are_unchanged(value, digits, shown):
    assert number(value, digits) == shown


def test_seconds_that_were_not_measured_are_an_empty_text():
    assert span(None) == ""


def test_text_in_backquotes_is_code_and_everything_else_is_escaped():
    assert code("use ``a`b`` <i>") == "use <code>a`b</code> &lt;i&gt;"


@pytest.mark.parametrize("autoescape", [True, False])
def test_no_mark_of_direction_and_no_control_character_gets_into_a_page(autoescape):
    page = environment(autoescape).from_string("{{ a }} {{ b | plain }}")
    assert page.render(a="x\u202e", b="y\x1b") == "x\\u202e y\\u001b"


def test_a_plain_text_stays_what_it_is_in_markdown():
    assert plain("a_b *c* &lt; <i> `x` #1 me@x") == (
        r"a\_b \*c\* &amp;lt; &lt;i&gt; \`x\` \#1 me\@x"
    )


def test_a_missing_value_is_an_empty_text():
    assert environment().from_string("{{ a.b.c | number(2) }}").render() == ""
