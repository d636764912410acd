"""Catalogs state when pictures were taken if they are asked to, and open no file twice for it."""

import os

import pytest

from pixelmill.dataset import catalog, catalog_table
from pixelmill.dataset.catalog import scan
from pixelmill.dataset.catalog_table import refresh
from pixelmill.dataset.entries import Entries
from tests.helpers import dated
from tests.helpers.imaging import chunk
from tests.helpers.packed import pack


@pytest.fixture
def unopenable(monkeypatch):
    """Function after which no file can be opened."""

    def look(path, dated=False):
        raise AssertionError(f"{path} was opened")

    return lambda: monkeypatch.setattr(catalog, "_look", look)


def test_only_what_was_not_looked_at_is_looked_at(dates, monkeypatch):
    entries = scan(str(dates), dated=True)[0].entries
    first, second = entries
    opened = []
    monkeypatch.setattr(catalog, "_taken", lambda places, entry: opened.append(entry.path) or 7)
    known = Entries([first, second._replace(taken=0)])
    assert catalog.with_dates(str(dates), known) == [first, second._replace(taken=7)]
    assert opened == [second.path]
    assert catalog.with_dates(str(dates), entries) is entries


@pytest.fixture
def dates(tmp_path):
    """A folder with a photo that states when it was taken, one that does not, and a text."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jpg").write_bytes(dated.dated("2024:02:29 23:59:58"))
    (tmp_path / "in/b.png").write_bytes(dated.dated("0000:00:00 00:00:00", "png"))
    (tmp_path / "in/notes").write_bytes(b"this is text and no image")
    return tmp_path / "in"


TAKEN = {"a.jpg": 20240229235958, "b.png": -1}


def taken(entries):
    return {entry.path: entry.taken for entry in entries}


def test_dates_are_looked_for_only_if_asked(dates):
    assert taken(scan(str(dates))[0].entries) == dict.fromkeys(TAKEN, 0)
    assert taken(scan(str(dates), dated=True)[0].entries) == TAKEN
    assert scan(str(dates))[0].digest() == scan(str(dates), dated=True)[0].digest()


def test_a_date_is_remembered_with_its_file(dates, unopenable):
    _, memory = scan(str(dates), dated=True)
    unopenable()
    assert taken(scan(str(dates), known=memory, dated=True)[0].entries) == TAKEN
    assert taken(scan(str(dates), known=memory)[0].entries) == dict.fromkeys(TAKEN, 0)


def test_dates_are_looked_for_though_the_rest_is_known(dates):
    _, memory = scan(str(dates))
    assert taken(scan(str(dates), known=memory, dated=True)[0].entries) == TAKEN


def test_a_changed_file_has_its_new_date(dates):
    _, memory = scan(str(dates), dated=True)
    (dates / "a.jpg").write_bytes(dated.dated("2025:01:02 03:04:05"))
    os.utime(dates / "a.jpg", ns=(1, 1))
    found, _ = scan(str(dates), known=memory, dated=True)
    assert taken(found.entries) == {**TAKEN, "a.jpg": 20250102030405}


def test_dates_survive_the_table_and_are_left_out_if_nobody_asks(dates, tmp_path, unopenable):
    table = tmp_path / "catalog.csv"
    refresh(str(table), str(dates), dated=True)
    assert table.read_text(encoding="utf-8").startswith(",".join((*catalog_table.HEADER, "taken")))
    assert taken(catalog_table.read(table)) == TAKEN
    unopenable()
    refresh(str(table), str(dates), dated=True)
    assert taken(catalog_table.read(table)) == TAKEN
    refresh(str(table), str(dates))
    assert "taken" not in table.read_text(encoding="utf-8")


def test_dates_are_added_to_a_catalog_without_them(dates):
    entries = scan(str(dates))[0].entries
    found = catalog.with_dates(str(dates), entries)
    assert taken(found) == TAKEN
    assert catalog.with_dates(str(dates), found) is found
    (dates / "a.jpg").unlink()
    assert taken(catalog.with_dates(str(dates), entries)) == {**TAKEN, "a.jpg": 0}


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".parquet"])
def test_dates_of_members_are_those_of_files(dates, tmp_path, suffix):
    archive = pack(dates, tmp_path / f"a{suffix}")
    assert taken(scan(str(archive), dated=True)[0].entries) == TAKEN
    assert taken(catalog.with_dates(str(archive), scan(str(archive))[0].entries)) == TAKEN


def test_a_member_is_not_inflated_without_end(tmp_path, monkeypatch):
    """The date follows more pixels than are looked at in a member; a file is read by seeking."""
    data = dated.dated("2024:02:29 23:59:58", "png")
    begin, end = 33, data.index(b"IDAT") - 4
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").write_bytes(
        data[:begin] + chunk(b"IDAT", bytes(2**16)) * 20 + data[begin:end] + chunk(b"IEND", b"")
    )
    archive = pack(tmp_path / "in", tmp_path / "a.zip")
    assert taken(scan(str(archive), dated=True)[0].entries) == {"a.png": 20240229235958}
    monkeypatch.setattr(catalog, "_REACH_IN_ARCHIVES", 2**20)
    assert taken(scan(str(archive), dated=True)[0].entries) == {"a.png": -1}
    assert taken(scan(str(tmp_path / "in"), dated=True)[0].entries) == {"a.png": 20240229235958}


def test_the_dates_of_an_archive_that_is_gone_are_unknown(dates, tmp_path):
    for name in ("1.zip", "2.zip"):
        pack(dates, tmp_path / name)
    entries = scan(str(tmp_path / "*.zip"))[0].entries
    (tmp_path / "1.zip").unlink()
    found = taken(catalog.with_dates(str(tmp_path / "*.zip"), entries))
    lost = {f"1/{name}": 0 for name in TAKEN}
    assert found == {**lost, **{f"2/{name}": date for name, date in TAKEN.items()}}
