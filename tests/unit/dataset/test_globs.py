"""Globs: which paths are chosen, and which folders need not be opened for them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelmill.dataset.globs import Selection, chosen

#: Globs, folders that must not be opened because of them, and folders that must be opened.
PRUNING = {
    "excluded": ({"exclude": ["private/*"]}, ["private/", "PRIVATE/x/"], ["private2/", "a/"]),
    "excluded-anywhere": ({"exclude": ["*/raw/*"]}, ["a/raw/", "a/b/raw/c/"], ["raw/", "rawer/"]),
    "excluded-by-suffix": ({"exclude": ["*.jpg"]}, [], ["a/", "a.jpg/"]),
    "excluded-in-part": ({"exclude": ["private/*.jpg"]}, [], ["private/", "private/x/"]),
    "excluded-by-beginning": ({"exclude": ["pri*"]}, ["private/", "pri/"], ["a/pri/", "p/"]),
    "excluded-by-class": ({"exclude": ["[ab]/*"]}, ["a/", "b/c/"], ["c/", "[ab]/"]),
    "included": ({"include": ["2024/*"]}, ["2023/", "20/"], ["2024/", "2024/a/"]),
    "included-deeper": ({"include": ["a/b/c.jpg"]}, ["b/", "a/c/"], ["a/", "A/", "a/b/"]),
    "included-anywhere": ({"include": ["*.jpg"]}, [], ["a/", "a/b/"]),
    "included-by-class": ({"include": ["a[bc]/*"]}, ["b/"], ["ab/", "ac/", "ad/"]),
    "one-of-several": ({"include": ["a/*", "b/*"]}, ["c/"], ["a/", "b/"]),
    "other-case": ({"include": ["k/*", "s/*"]}, ["a/"], ["K/", "\u212a/", "\u017f/"]),
    "both": ({"include": ["a/*"], "exclude": ["a/b/*"]}, ["a/b/", "c/"], ["a/", "a/c/"]),
}


@pytest.mark.parametrize(("globs", "closed", "opened"), PRUNING.values(), ids=PRUNING)
def test_a_folder_that_holds_nothing_chosen_is_not_opened(globs, closed, opened):
    select = Selection(**globs)
    assert [folder for folder in closed if select.may_hold(folder)] == []
    assert [folder for folder in opened if not select.may_hold(folder)] == []


GLOBS = st.text("ab/*?[]-!.ÄK\u212a\ud800", min_size=1, max_size=6)
PATHS = st.text("abABk/.äK\u212as\u017f\ud800", min_size=1, max_size=8)


@given(st.lists(GLOBS, max_size=2), st.lists(GLOBS, max_size=2), PATHS)
def test_no_chosen_path_lies_in_a_folder_that_is_not_opened(include, exclude, path):
    select = Selection(include, exclude)
    folders = [path[: end + 1] for end, character in enumerate(path) if character == "/"]
    if select(path):
        assert all(map(select.may_hold, folders))


def test_a_single_image_stands_for_its_folder_and_for_itself_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    for name in ("a[1].jpg", "a1.jpg", "sub/b.jpg", "c.zip"):
        (tmp_path / name).touch()
    folder, select = chosen("a[1].jpg")
    assert (folder, select("a[1].jpg"), select("a1.jpg")) == (".", True, False)
    folder, select = chosen("sub/b.jpg", Selection(exclude=["b*"]))  # who names it, wants it
    assert (folder, select("b.jpg"), select("a1.jpg")) == ("sub", True, False)
    given = Selection(["*.jpg"])
    assert [chosen(path, given) for path in ("sub", "c.zip", "no")] == [
        ("sub", given), ("c.zip", given), ("no", given),
    ]  # fmt: skip
