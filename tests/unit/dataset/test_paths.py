"""Paths in one buffer are any texts, sort like texts, and are found."""

import random
import tracemalloc

import pytest

from pixelmill.dataset import paths as module
from pixelmill.dataset.paths import Paths, finder

#: No file has the names with NUL, but a table may list them.
NAMES = [
    "b.jpg", "b/b.jpg", "b b.jpg", "é.png", "e\u0301.png", "caf\udce9.gif", "\ud83d\ude00",
    "\U0001f600.png", "z\\", "", "\0", "a\0b", "line\nend", "\x7f", "\xff", "\uffff",
]  # fmt: skip


def test_texts_are_read_back_as_written():
    paths = Paths(NAMES)
    paths.extend(NAMES[::-1])
    assert [*paths] == [paths[number] for number in range(len(paths))] == NAMES + NAMES[::-1]
    assert paths.between(1, 4) == NAMES[1:4]
    assert paths.between(3, 3) == []


@pytest.mark.parametrize("part", [3, 2**16])
def test_the_order_is_that_of_texts_and_the_last_of_equal_ones_counts(monkeypatch, part):
    monkeypatch.setattr(module, "_PART", part)
    names = random.Random(2026).choices(NAMES, k=50)
    ranked = Paths(names).ranked()
    assert [names[number] for number in ranked] == sorted(set(names))
    assert all(name not in names[number + 1 :] for number in ranked for name in [names[number]])
    assert list(Paths(names).take(ranked)) == sorted(set(names))


@pytest.mark.parametrize("place", [0, 1, module.CHUNK - 1, module.CHUNK, 2 * module.CHUNK - 1])
@pytest.mark.parametrize("change", ["equal", "reversed"])
def test_two_neighbours_that_are_not_in_order_are_found_wherever_they_stand(place, change):
    names = [f"{number:05}" for number in range(2 * module.CHUNK + 1)]
    assert Paths(names).ranked() == range(len(names))
    if change == "equal":
        names[place] = names[place + 1]
    else:
        names[place : place + 2] = names[place : place + 2][::-1]
    assert [names[number] for number in Paths(names).ranked()] == sorted(set(names))


def test_paths_in_order_are_not_copied():
    paths = Paths(sorted(NAMES))
    assert paths.take(paths.ranked()) is paths


def test_all_texts_and_no_others_are_found():
    others = [name + "x" for name in NAMES] + [name[:-1] for name in NAMES if name[:-1]]
    there = sorted([*NAMES, *map(str, range(200))])
    paths = Paths(there)
    assert [paths.find(name) for name in there] == list(range(len(there)))
    assert all(paths.find(name) is None for name in others if name not in there)
    assert paths.find("b.jpg", near=len(there)) == there.index("b.jpg")
    assert Paths().find("") is None


def test_paths_are_found_whatever_was_asked_for_before():
    there = sorted(NAMES)
    asked = random.Random(2026).choices([*there, "missing"], k=100) + there + ["missing", *there]
    find = finder(Paths(there))
    assert [find(name) for name in asked] == [
        there.index(name) if name in there else None for name in asked
    ]


def test_a_path_takes_nine_bytes_more_than_its_text():
    tracemalloc.start()
    paths = Paths(f"{number:012}" for number in range(5_000))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < len(paths) * (12 + 9) * 1.13  # buffers grow by an eighth
