"""Tables are exported from the ledger in a fixed form."""

import json
import os
from pathlib import Path

import pytest

from pixelmill.core.jobs import STAGES, Job, Outcome, OutputFile, failed
from pixelmill.dataset.exports import write_failures, write_tables
from pixelmill.dataset.ledger import Fingerprints, Ledger
from pixelmill.dataset.passes import Pass

BY = Fingerprints("recipe", "code", "limits")


def test_failures_are_ready_for_xargs(tmp_path):
    names = ["plain.jpg", "two\nlines.jpg", "undecodable \udcff.jpg"]
    with Ledger(str(tmp_path / "ledger.sqlite")) as ledger:
        outcomes = [failed(Job(n, n), "read", "vanished", "gone", "") for n in names]
        ledger.record(outcomes, Fingerprints("recipe", "code", "limits"))
        write_failures(ledger, str(tmp_path))
    paths = (tmp_path / "failures.txt").read_bytes().split(b"\0")
    assert paths == [os.fsencode(name) for name in names] + [b""]
    assert len((tmp_path / "failures.csv").read_text().splitlines()) == 1 + len(names)


def test_empty_tables_have_only_a_header(tmp_path):
    with Ledger(str(tmp_path / "ledger.sqlite")) as ledger:
        write_failures(ledger, str(tmp_path))
        write_tables(ledger, str(tmp_path))
    failures, manifest = (tmp_path / f"{name}.csv" for name in ("failures", "manifest"))
    assert failures.read_text() == "source,stage,reason,message\n"
    assert manifest.read_text() == "source,variant,output,status,reason,width,height,sha256\n"
    timing = json.loads((tmp_path / "timing.json").read_text())
    assert timing == {"last_pass": None, "last_full_pass": None}


def test_the_last_pass_and_the_last_full_one_are_told_apart(tmp_path):
    full = Pass(True, "threads", 2, 9.0, 0.1, 5, 0, 9, 9, 1.0, "k", "r", "c", "m")
    with Ledger(str(tmp_path / "ledger.sqlite")) as ledger:
        ledger.add_pass(full)
        ledger.add_pass(full._replace(is_full=False, images=1))
        write_tables(ledger, str(tmp_path))
    timing = json.loads((tmp_path / "timing.json").read_text())
    assert (timing["last_pass"]["images"], timing["last_full_pass"]["images"]) == (1, 5)


def image(source, **changes):
    file = OutputFile("", source, 4, 3, 10, "0" * 64)
    made = Outcome(source, (file,), "ok", "", "", "", 10, 1, "0" * 32, 12, (0.0,) * len(STAGES))
    return made._replace(**changes)


class Tree:
    """A ledger and its tables; tells whether the manifest was written."""

    def __init__(self, folder):
        self.ledger, self.folder = str(folder / "ledger.sqlite"), str(folder)
        self.manifest = folder / "manifest.csv"

    def written(self, change=lambda ledger: None):
        before = self.manifest.stat().st_ino if self.manifest.exists() else 0
        with Ledger(self.ledger) as ledger:
            change(ledger)
            write_tables(ledger, self.folder)
        return self.manifest.stat().st_ino != before


@pytest.fixture
def tree(tmp_path):
    made = Tree(tmp_path)
    assert made.written(lambda ledger: ledger.record([image("a.jpg"), image("b.jpg")], BY))
    return made


def test_a_manifest_of_the_same_images_stays(tree):
    full = Pass(True, "threads", 2, 9.0, 0.1, 5, 0, 9, 9, 1.0, "k", "r", "c", "m")
    assert not tree.written()
    assert not tree.written(lambda ledger: ledger.add_pass(full))
    assert not tree.written(lambda ledger: ledger.touch([("a.jpg", 7, 8)]))
    assert not tree.written(lambda ledger: ledger.forget(["unknown.jpg"]))


@pytest.mark.parametrize(
    "change",
    [
        lambda ledger: ledger.record([image("c.jpg")], BY),
        lambda ledger: ledger.record([image("a.jpg", digest="1" * 32)], BY),
        lambda ledger: ledger.forget(["a.jpg"]),
        lambda ledger: ledger.move_outputs([("a.jpg", "a.jpg", "aside/a.jpg")]),
        lambda ledger: ledger.forget_all_but([]),
    ],
    ids=["new image", "made again", "removed", "moved", "replaced"],
)
def test_a_manifest_of_other_images_is_written(change, tree):
    assert tree.written(change)
    assert not tree.written()


def test_a_manifest_that_was_edited_replaced_or_removed_is_written(tree):
    content, state = tree.manifest.read_bytes(), tree.manifest.stat()
    tree.manifest.write_bytes(content.replace(b"a.jpg", b"x.jpg"))
    os.utime(tree.manifest, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert tree.written()
    assert tree.manifest.read_bytes() == content
    tree.manifest.unlink()
    assert tree.written()
    (tree.manifest.parent / "aside").write_bytes(content)
    tree.manifest.unlink()
    tree.manifest.symlink_to("aside")
    tree.written()
    assert not tree.manifest.is_symlink()


def test_a_manifest_is_written_after_a_run_that_was_killed(tree):
    """It recorded an image, and had no time for the tables."""
    left = Ledger(tree.ledger)
    left.record([image("c.jpg")], BY)
    left._database.close()
    assert tree.written()
    assert "c.jpg" in tree.manifest.read_text()


def test_a_manifest_is_written_if_the_ledger_was_replaced_by_its_backup(tree):
    tree.written(lambda ledger: ledger.record([image("c.jpg")], BY))
    path = Path(tree.ledger)
    path.write_bytes(b"damaged")
    assert tree.written()
