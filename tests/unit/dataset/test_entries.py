"""Entries take little memory and are found by their paths."""

import pickle
import random
import tracemalloc

import pytest

from pixelmill.dataset.entries import Entries, Entry, flagged

NAMES = [
    "a.jpg",
    "a/b.jpg",
    "a b.jpg",
    "é.png",
    "e\u0301.png",
    "caf\udce9.gif",
    "\U0001f600.png",
    "z\\",
]


def entry(path, size=7, **more):
    return Entry(
        path,
        size,
        **{"mtime_ns": 5, "format": "jpeg", "width": 4, "height": 3, "changed_ns": 6, **more},
    )


@pytest.mark.parametrize("name", NAMES)
def test_an_entry_is_read_back_as_written(name):
    kept = entry(name, 2**40, mtime_ns=-1, format="", width=2**32, height=0, changed_ns=-(2**63))
    assert list(Entries([entry("x"), kept])) == [entry("x"), kept]
    assert pickle.loads(pickle.dumps(Entries([kept])))[-1] == kept


def test_dates_are_kept_if_some_entries_have_them():
    there = [entry("a"), entry("b", taken=20240229235958), entry("c", taken=-1, offset=9)]
    found = Entries(there)
    assert found == there
    assert list(found) == there == list(found.take([0, 1, 2]))
    assert not found.are_dated
    assert not Entries([entry("a")]).are_dated
    assert found.take([1, 2]).are_dated
    assert Entries().are_dated


def test_names_are_kept_if_some_entries_have_them():
    there = [entry("a"), entry("b", name="é/x"), entry("c")]
    found = Entries(there)
    assert list(found) == there == list(found.take([0, 1, 2])) == [found[n] for n in range(3)]
    assert pickle.loads(pickle.dumps(found)) == found
    assert (found.are_named, Entries([entry("a")]).are_named) == (True, False)
    assert found != Entries([entry("a"), entry("b", name="x"), entry("c")])
    assert found != Entries([entry("a"), entry("b"), entry("c")])
    many = [entry(str(number)) for number in range(2000)]
    assert list(Entries([*many, there[1]])) == [*many, there[1]]


def test_a_slice_of_entries_is_entries():
    assert Entries(map(entry, "abcd"))[1:3] == [entry("b"), entry("c")]


def test_sorting_is_that_of_text():
    assert [e.path for e in Entries(map(entry, NAMES)).sorted()] == sorted(NAMES)


def test_sorting_keeps_the_last_of_equal_paths():
    several = [entry("b", 1), entry("a", 2), entry("b", 3), entry("b", 4), entry("c", 5)]
    assert [e.bytes for e in Entries(several).sorted()] == [2, 4, 5]


def test_all_and_no_others_are_found_wherever_one_looks_first():
    draw = random.Random(2026)
    for count in (0, 1, 2, 17, 64, 65, 400):
        there = Entries(map(entry, (f"{2 * n:03}" for n in range(count)))).sorted()
        for number in range(2 * count + 1):
            near = draw.choice([None, draw.randrange(count + 2)])
            expected = None if number % 2 or number == 2 * count else number // 2
            assert there.find(f"{number:03}", near) == expected


def test_flags_select_entries():
    three = Entries(map(entry, "abc"))
    assert three.where(bytearray(b"\1\0\1"), 1) == [entry("a"), entry("c")]
    assert three.where(bytearray(b"\1\1\1"), 1) is three


def test_no_entry_is_copied_if_all_or_none_are_selected():
    entries = Entries(map(entry, NAMES))
    assert entries.where(bytearray(len(NAMES)), 0) is entries
    assert not entries.where(bytearray(len(NAMES)), 1)


def test_entries_of_a_format_have_flags():
    formats = ["png", "", "-", "png"]
    entries = Entries(entry(name, format=kind) for name, kind in zip("abcd", formats, strict=True))
    assert {kind: [*entries.flags(kind)] for kind in ("png", "", "-", "gif")} == {
        "png": [1, 0, 0, 1],
        "": [0, 1, 0, 0],
        "-": [0, 0, 1, 0],
        "gif": [0, 0, 0, 0],
    }


@pytest.mark.parametrize("more", [{}, {"offset": 9, "taken": 20260101000000, "name": "x"}])
def test_columns_are_those_of_the_entries(more):
    entries = Entries(entry(f"{number:04}", number, **more) for number in range(2500))
    assert Entries.of_columns(entries.columns()) == entries
    for end in (0, 1, 1024, 1030, 2500):
        assert Entries.of_columns(entries.columns(end)) == entries[:end]
    columns = entries.columns_between(7, 1100)
    assert [Entry(*row) for row in zip(*columns, strict=True)] == [*entries[7:1100]]
    odd = flagged(columns, (number % 2 for number in range(7, 1100)))
    assert [Entry(*row) for row in zip(*odd, strict=True)] == [*entries[7:1100:2]]


@pytest.mark.parametrize("first", [0, 1, 1500])
def test_offsets_are_kept_wherever_the_first_of_a_member_stands(first):
    given = [entry(f"{n:05}", offset=0 if n < first else n - 1) for n in range(3000)]
    kept = Entries(given)
    assert kept.are_members
    assert list(kept) == given
    assert [kept[n] for n in (0, first, 2999)] == [given[n] for n in (0, first, 2999)]
    assert list(pickle.loads(pickle.dumps(kept))) == given
    assert not kept[:first].are_members
    assert not Entries(map(entry, NAMES)).are_members


def test_an_entry_takes_fifty_bytes_and_its_path():
    tracemalloc.start()
    entries = Entries(entry(f"{number:08}.jpg") for number in range(20_000))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < len(entries) * (12 + 50) * 1.13  # arrays grow by an eighth
