"""A ledger is used as it was sealed or not at all, and inspecting one changes nothing.

Damages are tested with the passes that follow them, in `test_ledger_damage`.
"""

import json
import os
import re
import sqlite3
from pathlib import Path

import pytest

from pixelmill.core import databases
from pixelmill.core.errors import UserError
from pixelmill.dataset import ledger_backup
from pixelmill.dataset.ledger import Ledger, open_to_read
from pixelmill.dataset.ledger_backup import (
    Condition,
    doubt,
    readable,
    seal,
    set_aside,
    set_database_aside,
    take,
)


@pytest.fixture
def path(tmp_path):
    """A ledger that was closed and sealed."""
    with Ledger(str(tmp_path / "ledger.sqlite")) as ledger:
        ledger.note_software("code", {"Pillow": "13.0"})
    return str(tmp_path / "ledger.sqlite")


def backup_of(path):
    return path.replace("ledger.", "ledger.backup.")


def seal_of(path):
    return path.replace("ledger.sqlite", "ledger.check.json")


def files_beside(path):
    return {file.name: file.stat().st_mtime_ns for file in Path(path).parent.iterdir()}


def spoil(path):
    with open(path, "wb") as file:
        file.write(b"no database")


def test_a_sealed_ledger_and_its_backup_are_the_same(path):
    with open(path, "rb") as ledger, open(backup_of(path), "rb") as backup:
        assert ledger.read() == backup.read()


def test_a_seal_is_open_while_a_run_writes_and_after_it_was_killed(path):
    with open(seal_of(path), encoding="utf-8") as file:
        closed = json.load(file)
    take(path)
    with open(seal_of(path), encoding="utf-8") as file:
        assert json.load(file) == {**closed, "closed": False}
    assert take(path) == Condition(path)


def test_a_run_that_ends_with_an_error_seals_nothing(path):
    with pytest.raises(ZeroDivisionError), Ledger(path) as ledger:
        ledger.note_software("other", {})
        raise ZeroDivisionError
    with Ledger(path) as ledger:
        assert ledger.software_of("code") == {"Pillow": "13.0"}
        assert not ledger.in_doubt


def test_without_a_ledger_a_new_one_is_created(tmp_path):
    path = str(tmp_path / "ledger.sqlite")
    assert readable(path) == Condition(None)
    assert take(path) == Condition(path)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_uses_the_backup_and_blocks_no_writer(path):
    with open_to_read(path) as seen, seen.reading(), Ledger(path) as writer:
        assert seen.software_of("code") == {"Pillow": "13.0"}
        writer.note_software("code", {"Pillow": "14.0"})
        assert seen.software_of("code") == {"Pillow": "13.0"}
    with open_to_read(path) as seen:
        assert seen.software_of("code") == {"Pillow": "14.0"}


@pytest.mark.parametrize("state", ["sealed", "while a run writes", "never sealed"])
@pytest.mark.parametrize("damaged", ["nothing", "ledger", "both"])
def test_inspecting_a_ledger_in_any_state_changes_nothing(path, state, damaged):
    if state == "while a run writes":
        take(path)
    elif state == "never sealed":
        os.unlink(seal_of(path))
        os.unlink(backup_of(path))
    if damaged != "nothing":
        spoil(path)
    if damaged == "both":
        spoil(backup_of(path))
    before = files_beside(path)
    with open_to_read(path) as ledger:
        known = damaged == "nothing" or (damaged == "ledger" and state != "never sealed")
        assert (ledger is not None) == known
        if known:
            assert ledger.software_of("code") == {"Pillow": "13.0"}
    assert files_beside(path) == before


def test_an_incomplete_recovery_is_reported(path):
    take(path)
    spoil(path)
    assert readable(path) == Condition(backup_of(path), in_doubt=True, lost=True)
    assert take(path) == Condition(path, in_doubt=True, lost=True)


def test_a_ledger_of_an_unknown_earlier_version_is_set_aside_with_its_backup(path):
    with Ledger(path) as ledger:
        ledger._database.execute("PRAGMA user_version = 2")
    assert take(path) == Condition(path, in_doubt=True, lost=True)
    assert not os.path.exists(path)
    assert os.path.exists(f"{path}.version-2")


@pytest.mark.parametrize("act", [take, readable])
def test_a_ledger_of_a_newer_version_is_refused_and_nothing_changes(path, act):
    with Ledger(path) as ledger:
        ledger._database.execute("PRAGMA user_version = 99")
    before = files_beside(path)
    with pytest.raises(UserError, match=r"by a newer version of pixelmill; update pixelmill, or"):
        act(path)
    assert files_beside(path) == before


def test_a_ledger_that_another_process_has_locked_is_not_damaged(path, monkeypatch):
    monkeypatch.setattr(databases, "PATIENCE", 0.1)
    os.unlink(seal_of(path))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UserError, match="cannot be opened: database is locked"):
        take(path)
    other.close()
    assert take(path) == Condition(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"{}", b'{"digest": 1}', b"\xff", b"[" * 4000, b"1" * 4000],
    ids=repr,
)
def test_an_empty_seal_is_treated_as_missing_except_for_the_doubt(path, content):
    with open(seal_of(path), "wb") as file:
        file.write(content)
    assert take(path) == Condition(path, in_doubt=content != b"{}")


def test_a_ledger_that_is_set_aside_gets_a_unique_name(tmp_path):
    names = []
    for _ in range(3):
        (tmp_path / "some").mkdir()
        names.append(os.path.basename(set_aside(str(tmp_path / "some"), "damaged")))
    assert names == ["some.damaged", "some.damaged-2", "some.damaged-3"]


@pytest.mark.parametrize(
    "act", [take, readable, doubt, lambda path: seal(path, in_doubt=False)],
    ids=["take", "readable", "doubt", "seal"],
)  # fmt: skip
def test_a_ledger_whose_disk_cannot_be_used_is_named(tmp_path, monkeypatch, act):
    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    path = str(tmp_path / "ledger.sqlite")
    Path(path).touch()
    monkeypatch.setattr(os.path, "lexists", refuse)
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(UserError, match=re.escape(f"The ledger '{path}' cannot be opened: Perm")):
        act(path)


def test_the_damage_of_a_ledger_and_its_replacement_are_reported(path, caplog):
    spoil(path)
    take(path)
    assert caplog.messages == [
        f"The ledger '{path}' is damaged (it is not as the last run left it), and was set aside as "
        f"'{path}.damaged'; its backup took its place."
    ]


def test_a_ledger_that_was_never_sealed_may_have_another_name(path, tmp_path):
    os.unlink(seal_of(path))
    os.link(path, tmp_path / "other name")
    assert readable(path) == Condition(path)
    assert take(path) == Condition(path)
    assert os.stat(path).st_nlink == 1


def test_a_database_is_set_aside_with_the_files_that_sqlite_keeps_beside_it(tmp_path):
    for name in ("some.sqlite", "some.sqlite-journal", "some.sqlite-shm", "other.sqlite"):
        (tmp_path / name).touch()
    set_database_aside(str(tmp_path / "some.sqlite"))
    assert {path.name for path in tmp_path.iterdir()} == {
        "some.sqlite.damaged", "some.sqlite-journal.damaged", "some.sqlite-shm.damaged",
        "other.sqlite",
    }  # fmt: skip


def test_a_run_that_ends_during_a_read_does_not_make_its_ledger_look_damaged(path, monkeypatch):
    read, before = ledger_backup._read_seal, [ledger_backup._Seal("0" * 32, closed=True)]
    monkeypatch.setattr(
        ledger_backup, "_read_seal", lambda name: before.pop() if before else read(name)
    )
    assert readable(path) == Condition(backup_of(path))
