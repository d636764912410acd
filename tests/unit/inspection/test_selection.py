"""Selection: by an expression, and one of each set of duplicates."""

import numpy as np
import pytest

from pixelmill.core.errors import UserError
from pixelmill.inspection.findings import FINDINGS, find, thresholds
from pixelmill.inspection.metrics import METRICS
from pixelmill.inspection.selection import parse, select
from tests.helpers.columns import ArrayColumns

#: a and d have the same bytes; b and c are near-duplicates; c and f have the same pixels.
NAMES = list("abcdef")
HASHES = np.array([0, 2**40 - 1, 2**40 - 2, 0, 2**63 + 2**20 - 1, 2**40 - 2], np.uint64)
COLUMNS = ArrayColumns(
    NAMES,
    {
        "content_digest": np.array(["x", "b", "c", "x", "e", "f"], object),
        "pixel_digest": np.array(["x", "b", "c", "x", "e", "c"], object),
        "width": np.array([100.0, 100, 200, 100, 50, 200]),
        "height": np.array([100.0, 100, 200, 100, 50, 200]),
        "bytes": np.array([900.0, 800, 700, 900, 100, 750]),
    },
    {name: (HASHES, np.ones(6, bool)) for name in ("phash", "dhash")},
)
FOUND = find(COLUMNS, thresholds({}))


def selected(text, on_duplicate="keep_all"):
    return select(COLUMNS, FOUND, text and parse(text), on_duplicate)


def names(selection):
    return "".join(np.array(NAMES)[selection.is_kept])


def test_without_an_expression_all_images_are_selected():
    made = selected(None)
    assert names(made) == "abcdef"
    assert made.left_out == {}


def test_images_for_which_the_expression_is_false_are_left_out_with_it():
    made = selected("width > 50 and not duplicate")
    assert names(made) == "bcf"
    assert made.left_out == dict.fromkeys("ade", "not selected by 'width > 50 and not duplicate'")


def test_only_candidates_are_selected_and_stand_for_their_duplicates():
    candidates = np.array([name in "bde" for name in NAMES])
    made = select(COLUMNS, FOUND, parse("width > 50"), "best", candidates)
    assert names(made) == "bd"
    assert made.left_out == {"e": "not selected by 'width > 50'"}


def test_the_first_of_each_set_is_kept():
    made = selected(None, "first")
    assert names(made) == "abe"
    assert made.left_out == {
        "c": "a duplicate of 'b', which comes first",
        "d": "a duplicate of 'a', which comes first",
        "f": "a duplicate of 'b', which comes first",
    }


def test_the_best_of_each_set_has_most_pixels_then_most_bytes_then_the_first_path():
    made = selected(None, "best")
    assert names(made) == "aef"
    assert made.left_out == {
        "b": "a duplicate of 'f', which has more pixels",
        "c": "a duplicate of 'f', which has more bytes",
        "d": "a duplicate of 'a', which comes first",
    }


@pytest.mark.parametrize("on_duplicate", ["first", "best"])
def test_an_image_that_the_expression_leaves_out_does_not_stand_for_others(on_duplicate):
    made = selected("bytes < 760", on_duplicate)
    assert names(made) == {"first": "ce", "best": "ef"}[on_duplicate]


def test_every_image_is_kept_or_left_out_for_a_reason():
    for policy in ("keep_all", "first", "best"):
        made = selected("width > 60", policy)
        assert set(names(made)) | made.left_out.keys() == set(NAMES)
        assert not set(names(made)) & made.left_out.keys()
        assert list(made.left_out) == sorted(made.left_out)


def test_every_metric_and_finding_has_a_name_of_its_own_in_expressions():
    assert not METRICS.keys() & FINDINGS.keys()
    for name in METRICS:
        assert parse(f"{name} == {name}").names == {name}
    for name in FINDINGS:
        assert parse(f"not {name}").names == {name}


def test_a_mistake_is_told_with_the_key_of_the_expression():
    with pytest.raises(UserError, match="did you mean 'luma_mean'") as raised:
        parse("luma_maen > 3", "datasets.mine.select")
    assert str(raised.value).startswith("datasets.mine.select: 'luma_maen > 3', character 1: ")
