"""Verification opens only the outputs that changed since they last passed."""

import hashlib
import os
import re
import shutil
import sqlite3

import pytest

from pixelmill.core import locks
from pixelmill.core.progress import Progress
from pixelmill.dataset import ledger_backup
from pixelmill.dataset.ledger import Ledger
from pixelmill.imaging.recipe_parser import parse
from pixelmill.verification import verify
from pixelmill.verification.passed_cache import PassedCache
from pixelmill.verification.verify import SHARES
from tests.helpers.verified import COUNT, RESIZE, Tree, check_of, edit, faults_of, filled


@pytest.fixture(scope="module")
def made(tmp_path_factory, photos):
    return filled(tmp_path_factory.mktemp("made"), photos)


@pytest.fixture
def tree(made, tmp_path):
    return Tree(shutil.copytree(made, tmp_path / "tree"))


def same_size_other_bytes(path):
    """Alter a file without changing its size and time."""
    state = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def test_unchanged_outputs_that_passed_are_not_opened_again(tree):
    """A planted fault, which only opening the output can reveal, goes unnoticed."""
    tree.verify()
    same_size_other_bytes(tree.images / "3.jpg")
    result = tree.verify(scope="changed")
    assert result["passed"]
    assert "none changed" in result["summary"]
    assert check_of(result, "sha256")["compared"] == COUNT
    assert check_of(result, "similarity")["compared"] == COUNT


def test_all_outputs_are_opened_on_request(tree):
    tree.verify()
    same_size_other_bytes(tree.images / "3.jpg")
    assert list(faults_of(tree.verify(scope="all"))["sha256"]) == ["3.jpg"]


def test_a_known_fault_is_not_forgotten(tree):
    tree.verify()
    same_size_other_bytes(tree.images / "3.jpg")
    tree.verify(scope="all")
    assert list(faults_of(tree.verify(scope="changed"))["sha256"]) == ["3.jpg"]


def test_an_output_whose_digest_in_the_manifest_changed_is_opened_again(tree):
    """Its bytes and time are the same as when it passed."""
    tree.verify()
    manifest = tree.target / "manifest.csv"
    digest = hashlib.sha256((tree.images / "3.jpg").read_bytes()).hexdigest()
    text = manifest.read_text(encoding="utf-8")
    assert digest in text
    manifest.write_text(text.replace(digest, "0" * 64), encoding="utf-8")
    result = tree.verify()
    assert faults_of(result)["sha256"] == {"3.jpg": "bytes differ from the manifest"}
    manifest.write_text(text, encoding="utf-8")
    assert tree.verify()["passed"]


def opened_in(result):
    """How many outputs a verification opened, by its summary."""
    found = re.search(r"(\d+) opened", result["summary"])
    return int(found[1]) if found else 0


@pytest.mark.parametrize(
    ("options", "opened"),
    [({"sample": 0}, 0), ({"sample": 5}, 5), ({"sample": 0, "min_psnr": 29.0}, COUNT)],
    ids=["same rules", "larger sample", "other least similarity"],
)
def test_other_rules_open_what_they_concern(tree, options, opened):
    tree.verify(sample=0)
    assert opened_in(tree.verify(**options)) == opened


def test_another_recipe_and_other_code_of_verification_open_all(tree, monkeypatch):
    tree.verify(sample=0)
    tree.recipe = parse({"steps": [RESIZE], "background": "#000000"})
    assert opened_in(tree.verify(sample=0)) == COUNT
    monkeypatch.setattr(verify, "digest_of_code", lambda package: "other")
    assert opened_in(tree.verify(sample=0)) == COUNT


def test_an_output_that_cannot_be_compared_is_opened_once(tree):
    entries = tree.entries()
    (tree.source / "3.jpg").unlink()  # another check says that it is gone
    assert check_of(tree.verify(entries), "similarity")["not_compared"] == 1
    result = tree.verify(entries)
    assert (result["passed"], opened_in(result)) == (True, 0)
    assert check_of(result, "similarity")["not_compared"] == 1


@pytest.fixture
def suspected(tree):
    """Function that returns whether later passes will compare all outputs with their digests."""
    ledgers = [str(tree.target / f"{shard}ledger.sqlite") for shard in ("", "shards/1-of-2/")]
    with Ledger(ledgers[1]):
        pass

    def find():
        whole, shard = map(ledger_backup.is_in_doubt, ledgers)
        assert whole == shard
        return whole

    return find


def test_the_next_pass_examines_all_outputs_if_one_has_other_bytes_than_were_recorded(
    tree, suspected
):
    edit(tree.images / "3.jpg", lambda image: image.resize((48, 33)))
    tree.note_as_made("3.jpg")
    assert not tree.verify()["passed"]
    assert not suspected()
    same_size_other_bytes(tree.images / "4.jpg")
    assert not tree.verify(scope="all")["passed"]
    assert suspected()


def test_outputs_are_verified_while_a_run_is_writing_but_its_ledger_is_left_alone(
    tree, suspected, monkeypatch
):
    monkeypatch.setattr(locks, "LOCK_PATIENCE", 0.0)
    same_size_other_bytes(tree.images / "3.jpg")
    with locks.exclusive(tree.target):
        assert list(faults_of(tree.verify())["sha256"]) == ["3.jpg"]
    assert not suspected()


def test_what_passed_before_a_verification_was_stopped_is_not_opened_again(
    tmp_path, photos, monkeypatch
):
    photos(tmp_path / "in", 3 * SHARES, size=(24, 16))
    tree = Tree(tmp_path)
    tree.process()
    batches = []

    def stop(self, done, failed=0):
        batches.append(done)
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr(Progress, "advance", stop)
        with pytest.raises(KeyboardInterrupt):
            tree.verify(workers=1)
    assert batches == [3]
    assert opened_in(tree.verify(workers=1)) == 3 * (SHARES - 1)


def test_a_touched_output_is_opened_again(tree):
    tree.verify()
    os.utime(tree.images / "3.jpg", ns=(1, 1))
    assert opened_in(tree.verify()) == 1


def test_an_image_made_anew_is_opened_again(tree, picture):
    tree.verify()
    picture(99).save(tree.source / "3.jpg", quality=95)
    tree.process()
    result = tree.verify()
    assert result["passed"]
    assert opened_in(result) == 1


def altered(script):
    def alter(path):
        database = sqlite3.connect(path)
        database.executescript(script)
        database.close()

    return alter


def a_folder(path):
    path.unlink()
    (path / "sub").mkdir(parents=True)


def a_pipe(path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("the system has no named pipes")
    path.unlink()
    os.mkfifo(path)


def a_link(path):
    path.rename(path.with_name("other.sqlite"))
    path.symlink_to("other.sqlite")


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"no database " * 1000),
        lambda path: os.truncate(path, 5000),
        altered("DROP TABLE passed; CREATE TABLE passed (x)"),
        altered("UPDATE passed SET sized = 'yes'"),
        altered("UPDATE passed SET output = CAST(x'ff' || output AS TEXT)"),
        a_folder,
        a_pipe,
        a_link,
    ],
    ids=["text", "cut off", "columns", "types", "text encoding", "folder", "pipe", "link"],
)
def test_after_damage_of_the_cache_only_time_is_lost(tree, damage):
    tree.verify()
    damage(tree.target / "verification.sqlite")
    result = tree.verify()
    assert result["passed"]
    assert opened_in(result) == COUNT
    assert opened_in(tree.verify()) == 0


def test_results_that_cannot_be_written_are_verified_without_a_memory(tmp_path):
    with PassedCache(str(tmp_path / "missing/file.sqlite")) as cache:
        cache.store("rules", [])
        assert list(cache.load("rules")) == []
    assert not (tmp_path / "missing").exists()


def test_a_cache_of_another_version_is_replaced_and_leaves_nothing(tree):
    tree.verify()
    cache = tree.target / "verification.sqlite"
    cache.unlink()
    with sqlite3.connect(cache) as database:
        database.execute("CREATE TABLE passed (rules TEXT, output TEXT PRIMARY KEY, bytes INTEGER)")
        database.execute("INSERT INTO passed VALUES ('rules', '3.jpg', 1)")
    database.close()
    before = sorted(tree.target.iterdir())
    assert opened_in(tree.verify()) == COUNT
    assert sorted(path for path in tree.target.iterdir() if "-journal" not in path.name) == [
        path for path in before if "-journal" not in path.name
    ]
    assert opened_in(tree.verify()) == 0


@pytest.mark.parametrize("what", ["bytes", "time"])
def test_an_output_is_opened_again_if_its_source_changed(tree, what):
    tree.verify()
    source = tree.source / "3.jpg"
    if what == "bytes":
        source.write_bytes(source.read_bytes() + b"more")
    else:
        os.utime(source, ns=(1, 1))
    result = tree.verify()
    assert (result["passed"], opened_in(result)) == (True, 1)


def test_a_cache_that_is_a_view_is_set_aside(tree):
    """Reading it might never end."""
    tree.verify()
    cache = tree.target / "verification.sqlite"
    with sqlite3.connect(cache) as database:
        database.execute("ALTER TABLE passed RENAME TO aside")
        database.execute(
            "CREATE VIEW passed AS WITH RECURSIVE c(x) AS"
            " (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT aside.* FROM aside, c"
        )
    database.close()
    assert opened_in(tree.verify()) == COUNT
    assert opened_in(tree.verify()) == 0
