"""The nearest right word for a wrong one."""

import pytest

from pixelmill.core.suggestions import nearest, unknown


@pytest.mark.parametrize(
    ("name", "expected"), [("wbe", "web"), ("WEB", "web"), ("arcive", "archive")]
)
def test_a_slip_is_recognised(name, expected):
    assert nearest(name, ["web", "archive"]) == f"; did you mean '{expected}'?"


def test_nothing_is_suggested_for_a_word_that_is_like_none():
    assert unknown("zzz", ["web", "scans", "archive"]) == (
        "'zzz' is unknown. Known are web, scans and archive."
    )


@pytest.mark.parametrize("name", ["wbe", "scnas", "arcive"])
def test_any_of_the_known_words_may_be_meant(name):
    meant = {"wbe": "web", "scnas": "scans", "arcive": "archive"}[name]
    assert unknown(name, iter(["web", "scans", "archive"])) == (
        f"'{name}' is unknown; did you mean '{meant}'? Known are web, scans and archive."
    )
