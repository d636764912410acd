"""Databases are read without changing them, and errors of SQLite are distinguished."""

import os
import sqlite3

import pytest

from pixelmill.core import databases
from pixelmill.core.databases import connect_to_read, is_sound, tells_of_damage, tells_of_system


@pytest.fixture
def path(tmp_path):
    database = sqlite3.connect(tmp_path / "some.sqlite")
    database.executescript("CREATE TABLE t (x TEXT); INSERT INTO t VALUES (CAST(x'ff' AS TEXT))")
    database.close()
    return str(tmp_path / "some.sqlite")


def error_of(database, statement):
    with pytest.raises(sqlite3.Error) as caught:
        database.execute(statement).fetchall()
    database.close()
    return caught.value


def test_a_database_opened_for_reading_is_not_written(path):
    error = error_of(connect_to_read(path), "DELETE FROM t")
    assert (tells_of_system(error), tells_of_damage(error)) == (True, False)


@pytest.mark.parametrize("immutable", [False, True])
def test_a_file_that_is_not_a_database_counts_as_damaged(tmp_path, immutable):
    (tmp_path / "text").write_text("no database\n" * 1000)
    with pytest.raises(sqlite3.DatabaseError) as caught:
        connect_to_read(str(tmp_path / "text"), immutable)
    assert (tells_of_system(caught.value), tells_of_damage(caught.value)) == (False, True)


def test_text_that_is_not_utf_8_counts_as_damage(path):
    error = error_of(connect_to_read(path), "SELECT x FROM t")
    assert (tells_of_system(error), tells_of_damage(error)) == (False, True)


def test_a_full_disk_does_not_count_as_damage(path):
    database = sqlite3.connect(path)
    database.execute("PRAGMA max_page_count = 1")
    error = error_of(database, "INSERT INTO t VALUES (zeroblob(1000000))")
    assert (tells_of_system(error), tells_of_damage(error)) == (True, False)


def test_a_wrong_query_counts_as_neither(path):
    error = error_of(connect_to_read(path), "SELECT y FROM t")
    assert (tells_of_system(error), tells_of_damage(error)) == (False, False)


def test_a_database_is_sound_if_it_is_whole_or_missing(tmp_path, path):
    assert is_sound(path)
    assert is_sound(str(tmp_path / "missing.sqlite"))
    with open(path, "r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)
    assert not is_sound(path)


@pytest.mark.parametrize("name", ["some.sqlite", "some.sqlite-journal", "some.sqlite-wal"])
@pytest.mark.parametrize("make", [os.link, os.symlink])
def test_a_database_with_a_journal_is_not_sound(tmp_path, path, make, name):
    (tmp_path / "other").write_bytes(b"")
    (tmp_path / name).unlink(missing_ok=True)
    make(tmp_path / "other", tmp_path / name)
    assert not is_sound(path)


def test_a_locked_database_is_not_mistaken_for_a_damaged_one(path, monkeypatch):
    monkeypatch.setattr(databases, "PATIENCE", 0.1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        is_sound(path)
    other.close()
