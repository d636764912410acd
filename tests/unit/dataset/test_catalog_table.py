"""The table of a catalog is read as it was written, and brought up to date at small cost."""

import os
import re

import pytest

from pixelmill.core.errors import UserError
from pixelmill.dataset import catalog_table
from pixelmill.dataset.catalog import fingerprints, scan
from pixelmill.dataset.catalog_table import refresh
from pixelmill.dataset.entries import Entry
from pixelmill.dataset.globs import Selection
from tests.helpers.catalogued import TEXT, put

ODD_NAMES = {
    "newline": "two\nlines\r.jpg",
    "quote": "say \"a\", 'b'.jpg",
    "spaces": " a  b .jpg",
    "backslash": "back\\u0041slash.jpg",
    "formula": "=1+1.jpg",
    "line-separator": "a\u2028b.jpg",
    "undecodable": "caf\udce9.jpg",
    "255-bytes": "é" * 125 + "x.jpg",
    "folder": "a, b/c\nd/e.jpg",
}


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no such names")
@pytest.mark.parametrize("name", ODD_NAMES.values(), ids=ODD_NAMES)
def test_an_unusual_name_survives_the_table(tmp_path, jpeg, name):
    try:
        put(tmp_path / "in", name, jpeg)
    except OSError:
        pytest.skip("this file system refuses the name")
    found, _ = scan(str(tmp_path / "in"))
    assert [entry.path for entry in found.entries] == [name]
    catalog_table.write(tmp_path / "catalog.csv", found.entries)
    assert catalog_table.read(tmp_path / "catalog.csv") == found.entries


def test_a_refresh_remembers_though_its_table_was_deleted(tmp_path, jpeg, unopenable):
    put(tmp_path, "in/a.jpg", jpeg)
    table = tmp_path / "out" / "catalog.csv"
    first = refresh(str(table), str(tmp_path / "in"))
    written = table.read_bytes()
    table.unlink()  # as Snakemake does
    unopenable()
    assert refresh(str(table), str(tmp_path / "in")).entries == first.entries
    assert table.read_bytes() == written


def test_a_refresh_remembers_files_that_are_not_images(tmp_path, unopenable):
    put(tmp_path, "in/notes", TEXT)
    table = tmp_path / "catalog.csv"
    refresh(str(table), str(tmp_path / "in"))
    unopenable()
    found = refresh(str(table), str(tmp_path / "in"))
    assert (found.entries, found.left_out) == ([], {"other files": 1})


@pytest.mark.parametrize(
    "memory", ["", "path,bytes,mtime_ns,format\na.jpg,1,1,jpeg\n", "\0\0\0", "path,bytes\na,b\n"],
    ids=["empty", "of-an-older-version", "zeros", "damaged"],
)  # fmt: skip
def test_a_memory_that_cannot_be_read_is_forgotten(tmp_path, jpeg, memory):
    put(tmp_path, "in/a.jpg", jpeg)
    table = tmp_path / "catalog.csv"
    first = refresh(str(table), str(tmp_path / "in"))
    (tmp_path / "catalog.known.csv").write_text(memory)
    assert refresh(str(table), str(tmp_path / "in")) == first


def test_a_memory_is_written_again_only_if_something_changed(tmp_path, jpeg):
    put(tmp_path, "in/a.jpg", jpeg)
    table, memory = tmp_path / "catalog.csv", tmp_path / "catalog.known.csv"
    refresh(str(table), str(tmp_path / "in"))
    first = memory.stat().st_ino
    refresh(str(table), str(tmp_path / "in"))
    assert memory.stat().st_ino == first
    put(tmp_path, "in/b.jpg", jpeg)
    refresh(str(table), str(tmp_path / "in"))
    assert len(catalog_table.read(memory)) == 2


def test_a_refresh_follows_the_selection(tmp_path, jpeg):
    for path in ("in/a.jpg", "in/drafts/b.jpg"):
        put(tmp_path, path, jpeg)
    chosen = Selection(exclude=["drafts/*"])
    refresh(str(tmp_path / "catalog.csv"), str(tmp_path / "in"), chosen)
    assert [entry.path for entry in catalog_table.read(tmp_path / "catalog.csv")] == ["a.jpg"]


def test_a_refresh_keeps_what_it_is_asked_to_and_remembers_the_others(tmp_path, jpeg, unopenable):
    for name in ("a.jpg", "b.jpg"):
        put(tmp_path, f"in/{name}", jpeg)
    put(tmp_path, "in/notes.txt", TEXT)
    table = str(tmp_path / "catalog.csv")
    found = refresh(table, str(tmp_path / "in"), keep=lambda entries: entries[1:])
    assert [entry.path for entry in found.entries] == ["b.jpg"]
    assert found.left_out == {".txt files": 1}
    assert catalog_table.read(table) == found.entries
    unopenable()
    assert len(refresh(table, str(tmp_path / "in")).entries) == 2


def test_a_refresh_that_may_not_keep_what_it_found_writes_nothing(tmp_path, jpeg):
    put(tmp_path, "in/a.jpg", jpeg)

    def refuse(entries):
        raise UserError("no")

    with pytest.raises(UserError, match="no"):
        refresh(str(tmp_path / "out/catalog.csv"), str(tmp_path / "in"), keep=refuse)
    assert not (tmp_path / "out").exists()


def test_a_refresh_removes_missing_files_and_adds_new_ones(tmp_path, jpeg, png):
    table = tmp_path / "catalog.csv"
    old = put(tmp_path, "in/old.jpg", jpeg)
    refresh(str(table), str(tmp_path / "in"))
    old.unlink()
    put(tmp_path, "in/new.png", png)
    refresh(str(table), str(tmp_path / "in"))
    assert [entry.path for entry in catalog_table.read(table)] == ["new.png"]
    assert "old" not in "".join(path.read_text() for path in tmp_path.glob("*.csv"))


def test_nothing_is_written_to_the_folder(tmp_path, jpeg):
    put(tmp_path, "in/a/b.jpg", jpeg)
    before = sorted(path.stat().st_mtime_ns for path in (tmp_path / "in").rglob("*"))
    refresh(str(tmp_path / "catalog.csv"), str(tmp_path / "in"))
    fingerprints(str(tmp_path / "in"))
    assert sorted(path.stat().st_mtime_ns for path in (tmp_path / "in").rglob("*")) == before


def test_a_table_of_an_earlier_version_is_read(tmp_path):
    table = "path,bytes,mtime_ns,format,width,height\na.jpg,1,2,jpeg,3,4\n"
    (tmp_path / "catalog.csv").write_text(table)
    assert catalog_table.read(tmp_path / "catalog.csv") == [Entry("a.jpg", 1, 2, "jpeg", 3, 4, 0)]


@pytest.mark.parametrize("path", ["/x.jpg", "../x.jpg", "sub/../../x.jpg", r"a\u0000.jpg"])
def test_a_table_whose_paths_are_not_below_the_folder_is_refused(tmp_path, path):
    for cells in (f"{path},1,2,jpeg,3,4,x", f"a.jpg,1,2,jpeg,3,4,{path}"):
        table = f"path,bytes,mtime_ns,format,width,height,name\n{cells}\n"
        (tmp_path / "catalog.csv").write_text(table)
        with pytest.raises(UserError, match=f"names '{re.escape(path)}', which leads out of the"):
            catalog_table.read(tmp_path / "catalog.csv")


def test_a_table_in_another_order_is_sorted(tmp_path):
    table = tmp_path / "catalog.csv"
    catalog_table.write(table, [Entry(name, 1, 1, "jpeg") for name in ("b.jpg", "c.jpg", "a.jpg")])
    assert [entry.path for entry in catalog_table.read(table)] == ["a.jpg", "b.jpg", "c.jpg"]


def test_a_refresh_removes_temporaries_of_a_killed_one(tmp_path, jpeg):
    put(tmp_path, "in/a.jpg", jpeg)
    left = put(tmp_path, "tables/.pixelmill-1-2-3.tmp", b"half a table")
    refresh(str(tmp_path / "tables/catalog.csv"), str(tmp_path / "in"))
    assert not left.exists()
