"""The tables of a ledger contain only values that a run can have written.

What the checks find is tested with the passes that repair it, in `test_ledger_damage`. Here
it is tested that they find nothing in sound ledgers.
"""

import os
import sqlite3

import pytest

from pixelmill.dataset.ledger_tables import TABLES, VERSION, fault_in
from pixelmill.imaging.recipe_parser import parse
from tests.helpers.passes import process_folder

NAMES = ["two\nlines.jpg", "caf\udce9.jpg", "back\\slash.jpg", "a../b...jpg"]


@pytest.fixture
def database():
    with sqlite3.connect(":memory:", isolation_level=None) as opened:
        opened.executescript(f"{TABLES}PRAGMA user_version = {VERSION}")
        yield opened
    opened.close()


def test_an_empty_file_and_empty_tables_are_sound(database):
    assert fault_in(sqlite3.connect(":memory:")) == ""
    assert fault_in(database) == ""


def test_a_ledger_from_before_the_index_of_failures_is_sound(database):
    database.execute("DROP INDEX failures")
    assert fault_in(database) == ""


def test_a_ledger_of_another_version_is_not_checked(database):
    database.executescript("DROP TABLE images; PRAGMA user_version = 99")
    assert fault_in(database) == ""


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE other (x TEXT)",
        f"PRAGMA user_version = {VERSION}",
        f"{TABLES}PRAGMA user_version = {VERSION}; CREATE TABLE other (x TEXT)",
        f"{TABLES}PRAGMA user_version = {VERSION}; DROP TABLE makers",
    ],
    ids=["of no version", "without tables", "with a table more", "without a table"],
)
def test_a_database_of_another_program_is_not_a_ledger(script):
    database = sqlite3.connect(":memory:")
    database.executescript(script)
    assert fault_in(database) == "its tables are not those of a ledger"
    database.close()


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_ledger_with_any_names_is_sound(tmp_path, photos, name):
    """This includes images that fail, and times before 1970."""
    photos(tmp_path / "in", 1)
    path = os.path.join(tmp_path, "in", name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.replace(tmp_path / "in/0.jpg", path)
    os.utime(path, ns=(-1, -1))
    (tmp_path / "in/broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    recipe = parse({"steps": [], "outputs": [{"name": "a"}, {"name": "b"}]})
    process_folder(str(tmp_path / "in"), str(tmp_path / "out"), recipe, "sequential", 1)
    database = sqlite3.connect(tmp_path / "out/ledger.sqlite")
    assert fault_in(database) == ""
    database.close()
