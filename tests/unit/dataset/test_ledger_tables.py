"""The tables of a ledger contain only values that a run can have written.

What the checks find is also tested with the passes that repair it, in `test_ledger_damage`.
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


@pytest.fixture
def written(database):
    """A ledger with an image that was made, and one that failed."""
    made = ("a.jpg", "", "a.jpg", "ok", "", "", "", 9, 1, 1, "0" * 32, 12, 4, 3, 7, "f" * 64)
    lost = ("b.jpg", "", "", "failed", "decode", "corrupt", "no", 9, 1, 1, "", 0, 0, 0, 0, "")
    marks = ", ".join("?" * 25)
    for row in (made, lost):
        values = (*row, "recipe", "code", "limits", "", *[0.0] * 5)
        database.execute(f"INSERT INTO images VALUES ({marks})", values)
    assert fault_in(database) == ""
    return database


COUNTS = (
    "bytes_in",
    "pixels_in",
    "width",
    "height",
    "bytes_out",
    "decode_seconds",
    "write_seconds",
)


@pytest.mark.parametrize(
    "change",
    [*(f"{name} = -1" for name in COUNTS), "status = 'odd'", "reason = 'odd'", "bytes_in = 'many'",
     "sha256 = 'F' || substr(sha256, 2)", "sha256 = 'f'", "digest = 'f'", "digest = 'X'",
     "facts = '{}'", "output = ''", "reason = 'corrupt'"],
)  # fmt: skip
def test_values_that_no_run_writes_are_noticed(written, change):
    written.execute(f"UPDATE images SET {change} WHERE status = 'ok'")
    assert fault_in(written) == "the table images holds impossible values"


@pytest.mark.parametrize("column", ["source", "output"])
@pytest.mark.parametrize("path", ["/a.jpg", "../a.jpg", "a/../../b.jpg", "a//b.jpg", r"a\u0000"])
def test_paths_that_lead_elsewhere_are_noticed(written, column, path):
    written.execute(f"UPDATE images SET {column} = ? WHERE status = 'ok'", (path,))
    assert fault_in(written) == f"the path '{path}' leads out of its folder"
