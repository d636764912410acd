"""A tree of pixelmill 0.1 is taken over: what its ledger knows stays known, and names stay.

The tree in `tree_0_1` was written by version 0.1.0. It has an output for each kind of name: plain,
taken by another source, of a source that is gone, and with a character that 0.1 did not escape.
"""

import contextlib
import csv
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from pixelmill.core.errors import UserError
from pixelmill.dataset import catalog
from pixelmill.dataset.ledger import Ledger, open_to_read
from pixelmill.dataset.ledger_migration import MIGRATABLE, migrate
from pixelmill.dataset.ledger_tables import VERSION, fault_in
from pixelmill.dataset.passes import as_record
from pixelmill.imaging.recipe_parser import parse
from tests.helpers.passes import preview, process_folder

RECIPE = parse({"steps": [{"resize": {"width": 6, "height": 4}}], "output": {"format": "png"}})

#: Outputs of 0.1 by source, as file names. The invisible character is a space of no width.
OUTPUTS = {
    "a.jpg": "a.jpg.png",
    "a.png": "a.png",
    "gone.png": "gone.png",
    "sub/b\u200bc.gif": "sub/b\u200bc.png",
}

FAILED = "broken.jpg"


class Tree:
    """A folder of images, and what version 0.1 made of it; one image is gone since."""

    def __init__(self, root, picture):
        self.source, self.target = root / "in", root / "out"
        self.ledger = self.target / "ledger.sqlite"
        shutil.copytree(Path(__file__).with_name("tree_0_1"), self.target)
        database = sqlite3.connect(self.ledger)
        database.executescript((self.target / "ledger.sql").read_text(encoding="ascii"))
        database.close()
        (self.target / "ledger.sql").unlink()
        for number, (source, output) in enumerate(OUTPUTS.items()):
            (self.target / "images" / output).parent.mkdir(exist_ok=True)
            (self.target / "images" / output).touch()
            (self.source / source).parent.mkdir(parents=True, exist_ok=True)
            picture(number, (12, 8)).save(self.source / source)
        (self.source / "gone.png").unlink()
        (self.source / FAILED).write_bytes(b"\xff\xd8\xff and no more")

    def process(self):
        return process_folder(self.source, self.target, RECIPE)

    def preview(self):
        entries = catalog.scan(str(self.source))[0].entries
        return preview(self.source, self.target, RECIPE, entries).plan

    def files(self):
        return {path: path.read_bytes() for path in self.target.rglob("*") if path.is_file()}


@pytest.fixture
def tree(tmp_path, picture):
    return Tree(tmp_path, picture)


def test_a_pass_takes_the_tree_over_and_no_output_changes_its_name(tree):
    done = tree.process()
    assert (done.images, done.failed) == (len(OUTPUTS), 1)
    images = tree.target / "images"
    found = {path.relative_to(images).as_posix() for path in images.rglob("*.png")}
    assert found == {output for source, output in OUTPUTS.items() if source != "gone.png"}
    with (tree.target / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["source"]: row["output"] for row in csv.DictReader(file)}
    assert rows == {
        "a.jpg": "a.jpg.png", "a.png": "a.png", FAILED: "",
        r"sub/b\u200bc.gif": r"sub/b\u200bc.png",
    }  # fmt: skip
    left = {path.name for path in tree.target.iterdir()}
    assert not [name for name in left if name.startswith(("ledger.sqlite.", "unclaimed"))]
    assert tree.process().images == 0


def test_the_migration_and_the_reason_for_rendering_again_are_reported(tree, caplog):
    with caplog.at_level("INFO", "pixelmill"):
        tree.process()
    assert f"The ledger '{tree.ledger}' of an earlier version was migrated." in caplog.messages
    assert "make 4: 4 code changed; keep 0; remove 1" in caplog.messages


def test_passes_of_the_earlier_version_stay_known(tree):
    timing = json.loads((tree.target / "timing.json").read_text(encoding="utf-8"))
    with Ledger(str(tree.ledger)) as ledger:
        known = {**timing["last_full_pass"], "conditions": {}}
        assert as_record(ledger.last_full_pass()) == known
        assert [images for *_, images in ledger.timeline()] == [1, 4]
        (code,) = ledger.codes()
        assert ledger.software_of(code)["Pillow"] == "13.0.0"


def test_what_is_known_of_each_image_stays_known(tree):
    with Ledger(str(tree.ledger)) as ledger:
        rows = dict(ledger.rows())
    assert {source: row.files[0].path for source, row in rows.items() if row.files} == OUTPUTS
    failed = rows[FAILED]
    assert (failed.status, failed.reason, failed.bytes_in) == ("failed", "corrupt", 15)
    assert {row.changed_ns for row in rows.values()} == {0}
    assert rows["a.png"].mtime_ns == 1795917011531156474
    assert rows["a.png"].digest == "8717d58309b76d080098940d047731cd"


def test_a_plan_reads_the_ledger_of_an_earlier_version_and_changes_nothing(tree):
    before = tree.files()
    assert str(tree.preview()) == "make 4: 4 code changed; keep 0; remove 1"
    with open_to_read(str(tree.ledger)) as ledger:
        assert set(ledger.rows()) == {*OUTPUTS, FAILED}
    assert tree.files() == before


def test_the_tables_are_those_of_a_new_ledger(tree):
    database = sqlite3.connect(tree.ledger, isolation_level=None)
    (version,) = database.execute("PRAGMA user_version").fetchone()
    assert version in MIGRATABLE
    migrate(database)
    assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
    assert fault_in(database) == ""
    database.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE images SET output = '../outside' WHERE source = 'a.png'",
        "UPDATE images SET bytes_in = 'many'",
        "ALTER TABLE passes DROP COLUMN machine",
        "ALTER TABLE images DROP COLUMN digest",
    ],
)
def test_a_ledger_that_cannot_be_migrated_is_set_aside_and_reported(tree, caplog, damage):
    database = sqlite3.connect(tree.ledger, isolation_level=None)
    database.execute(damage)
    database.close()
    assert tree.process().images == len(OUTPUTS)
    assert (tree.target / "ledger.sqlite.version-3").exists()
    assert any("cannot be migrated" in message for message in caplog.messages)


def test_a_disk_that_cannot_be_written_is_reported_and_the_ledger_stays(tree, monkeypatch):
    def refuse(database):
        database.execute("PRAGMA query_only = 1")
        migrate(database)

    monkeypatch.setattr("pixelmill.dataset.ledger_backup.migrate", refuse)
    before = tree.ledger.read_bytes()
    with pytest.raises(UserError, match=r"ledger '.*' cannot be migrated: "):
        tree.process()
    assert tree.ledger.read_bytes() == before


def test_a_ledger_whose_passes_have_no_conditions_keeps_its_images_and_passes(tmp_path, photos):
    target = tmp_path / "out"
    process_folder(photos(tmp_path / "in", 3), target, RECIPE)
    with open_to_read(str(target / "ledger.sqlite")) as ledger:
        images, last = list(ledger.all_rows()), ledger.last_pass()
    assert last.conditions["started"] > 0
    database = sqlite3.connect(target / "ledger.sqlite")
    database.executescript(
        "ALTER TABLE passes DROP COLUMN conditions; ALTER TABLE images DROP COLUMN facts;"
        "PRAGMA user_version = 5"
    )
    migrate(database)
    assert fault_in(database) == ""
    assert database.execute("SELECT * FROM images ORDER BY source").fetchall() == sorted(images)
    found = database.execute("SELECT images, machine, conditions FROM passes").fetchall()
    assert found == [(3, last.machine, "{}")]
    database.close()


@pytest.mark.parametrize("version", [6, 7])
def test_a_ledger_without_facts_keeps_everything(tmp_path, photos, version):
    path = tmp_path / "out/ledger.sqlite"
    process_folder(photos(tmp_path / "in", 3), path.parent, RECIPE)
    with contextlib.closing(sqlite3.connect(path)) as database:
        before = sorted(database.iterdump())
        rows = database.execute("SELECT * FROM images ORDER BY source").fetchall()
        database.executescript(
            f"ALTER TABLE images DROP COLUMN facts; PRAGMA user_version = {version}"
        )
    for name in ("ledger.check.json", "ledger.backup.sqlite"):
        (path.parent / name).unlink()
    with open_to_read(str(path)) as ledger:
        assert sorted(ledger.all_rows()) == rows
    with Ledger(str(path)) as ledger:
        assert ledger.is_current and not ledger.in_doubt
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert fault_in(database) == ""
        assert sorted(database.iterdump()) == before
