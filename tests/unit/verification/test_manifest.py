"""Manifests are read in little memory, whatever users have written into them."""

import csv
import os
import random
import tracemalloc

import pytest

from pixelmill.core.errors import UserError
from pixelmill.core.filenames import escape, unescape
from pixelmill.core.tables import read_table
from pixelmill.dataset.entries import Entries, Entry
from pixelmill.verification.manifest import UNKNOWN, Digests, Output, read_manifest
from pixelmill.verification.tree_contents import read_tree

HEADER = ["source", "variant", "output", "status", "reason", "width", "height", "sha256"]

#: Cells that name the same or nearly the same, are not escaped as they should be, lead out of the
#: tree, or are no paths at all.
NAMES = [
    "a.jpg", "A.jpg", "sub/a.jpg", "sub", "sub/", "../a.jpg", "/a.jpg", "", ".", " a.jpg",
    "a\\u000a.jpg", "a\n.jpg", "\\u0061.jpg", "\\", "\\\\.jpg", "caf\\udce9.jpg", "nul\\u0000.jpg",
    "\\ud83d\\ude00.jpg", "\U0001f600.jpg", "=1+1.jpg", "a;-b.jpg", "\u202e.jpg", "e\u0301.jpg",
    "\u00e9.jpg", "\x7f", "ok", "a,b.jpg", '"', "z" * 300,
]  # fmt: skip

DIGESTS = ["0f" * 32, "0F" * 32, "f0" * 32, "", "no digest", " " + "0f" * 31 + "0", "\u0660" * 64]

#: Those of the names that a file can have; the last one is a temporary's.
FILES = [
    "a.jpg", "sub/a.jpg", "ok", "a\n.jpg", "caf\udce9.jpg", "=1+1.jpg", "e\u0301.jpg",
    "stray\\.jpg", ".pixelmill-1f-2e-3d4c.tmp",
]  # fmt: skip


def catalog(*paths):
    return Entries(Entry(path, 7, 5, "jpeg") for path in paths).sorted()


def written(path, rows):
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([HEADER, *rows])
    return str(path)


def test_a_manifest_lists_outputs_earlier_outputs_and_failures(tmp_path):
    path = written(
        tmp_path / "manifest.csv",
        [
            ["a.png", "", "a.jpg", "ok", "", "4", "3", "aa"],
            ["b.png", "small", "small/b.jpg", "ok", "", "4", "3", "0f" * 32],
            ["c.png", "", "c.jpg", "failed", "unreadable", "0", "0", "cc"],
            ["d.png", "", "", "failed", "corrupt", "0", "0", ""],
        ],
    )
    outputs, kept, sources = read_manifest(path, catalog("a.png", "c.png", "e.png"))
    assert list(outputs) == [
        Output("a.jpg", "a.png", "", "aa", (7, 5)),
        Output("small/b.jpg", "b.png", "small", "0f" * 32, UNKNOWN),
    ]
    assert list(kept.paths) == ["c.jpg"]
    assert list(sources.others()) == ["b.png", "d.png"]
    assert sources.not_named() == ["e.png"]


def hostile_rows(draw, count):
    for _ in range(count):
        row = [
            draw.choice(NAMES), draw.choice(["", "small", "small.json", "\\"]), draw.choice(NAMES),
            draw.choice(["ok", "ok", "ok", "OK", "failed", ""]), "", "4", "3", draw.choice(DIGESTS),
        ]  # fmt: skip
        yield row[: draw.choice([8, 8, 8, 3, 4, 7])]


@pytest.mark.skipif(os.name == "nt", reason="Windows does not allow such names")
@pytest.mark.parametrize("seed", range(6))
def test_what_a_manifest_names_is_told_as_by_sets_of_its_rows(tmp_path, seed):
    draw = random.Random(seed)
    table = written(tmp_path / "manifest.csv", hostile_rows(draw, draw.choice([1, 12, 60])))
    inputs = {unescape(name) for name in draw.sample(NAMES, 9)} - {"nul\0.jpg"}
    files = {*draw.sample(FILES, 6)}
    for file in files:
        path = tmp_path / "images" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"1234")
    rows, named, made, kept = read_table(table), set(), {}, set()
    for row in rows:
        named.add(row["source"])
        if row["status"] == "ok":
            made.pop(unescape(row["output"]), None)
            made[unescape(row["output"])] = row
        elif row["output"]:
            kept.add(unescape(row["output"]))

    tree = read_tree(str(tmp_path), catalog(*inputs))

    assert list(tree.outputs) == [
        Output(
            path,
            unescape(row["source"]),
            row["variant"],
            row["sha256"] or "",
            (7, 5) if row["source"] in set(map(escape, inputs)) else UNKNOWN,
        )
        for path, row in sorted(made.items())
    ]
    assert sum(tree.outputs.variants.values()) == len(tree.outputs)
    assert set(tree.outputs.variants) == {row["variant"] for row in made.values()}
    for variant in tree.outputs.variants:
        assert [tree.outputs[number].variant for number in tree.outputs.of({variant})] == [
            row["variant"] for row in made.values() if row["variant"] == variant
        ]
    by_digest = {row["sha256"] or "": path for path, row in made.items()}
    assert tree.outputs.by_digest(set(DIGESTS)) == by_digest
    temporaries = {FILES[-1]} & files
    assert list(tree.kept.paths) == sorted(kept)
    assert list(tree.missing()) == sorted((made.keys() | kept) - files)
    assert tree.extra == sorted(files - temporaries - made.keys() - kept)
    assert (tree.temporaries, tree.files) == ([*temporaries], len(files - temporaries))
    assert [n for n, exists in enumerate(tree.outputs.exists) if exists] == [
        n for n, path in enumerate(sorted(made)) if path in files
    ]
    assert (tree.inputs, list(tree.inputs_without_row), list(tree.rows_without_input)) == (
        len(inputs),
        sorted({escape(path) for path in inputs} - named),
        sorted(named - {escape(path) for path in inputs}),
    )


def test_a_manifest_without_a_column_is_refused(tmp_path):
    (tmp_path / "manifest.csv").write_text("source,variant,output,sha256\na,,a,aa\n")
    with pytest.raises(UserError, match="has no column 'status'; run the step"):
        read_manifest(str(tmp_path / "manifest.csv"), Entries())


def test_digests_are_read_back_as_written_also_if_they_are_none():
    digests = Digests()
    digests.extend(DIGESTS[:1] * 3)
    digests.extend(DIGESTS)
    there = DIGESTS[:1] * 3 + DIGESTS
    assert [digests[number] for number in range(len(digests))] == there
    taken = digests.take([6, 3, 4])
    assert [taken[number] for number in range(3)] == [there[6], there[3], there[4]]


def test_an_output_takes_less_than_seventy_bytes_and_its_path(tmp_path):
    names = [f"{number:08}.jpg" for number in range(3000)]
    rows = [[name, "", name, "ok", "", "4", "3", name[:8] * 8] for name in names]
    path, entries = written(tmp_path / "manifest.csv", rows), catalog(*names)
    read_manifest(path, entries)  # Python keeps some tuples for later
    tracemalloc.start()
    manifest = read_manifest(path, entries)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < len(manifest.outputs) * (12 + 9 + 61) * 1.13  # buffers grow by an eighth
