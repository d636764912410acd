"""A mirror has the files of its place, and touches no others."""

import contextlib
import logging
import os
import sqlite3
from functools import partial

import pytest

from pixelmill.core.errors import RemovalsError, UserError
from pixelmill.dataset.globs import Selection
from pixelmill.transfer.buckets import Bucket
from pixelmill.transfer.compressed_tars import CompressedTars
from pixelmill.transfer.messages import tell
from pixelmill.transfer.mirror import mirror, mirrored_in, token
from pixelmill.transfer.mirror_record import RECORD
from pixelmill.transfer.place import PermanentError, TransferError
from pixelmill.transfer.places import ListOptions, place_at
from pixelmill.transfer.sftp import Sftp
from pixelmill.transfer.url_list import UrlList
from tests.helpers.shelf import Shelf

FILES = {"a.jpg": b"one", "b/c d.jpg": b"two", "b/é.jpg": b"three"}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "mirror"


def content(folder):
    """The files of a folder, but for hidden ones."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def states(folder):
    found = (path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


def test_all_files_are_copied_with_their_times(folder):
    done = mirror(Shelf(FILES), str(folder))
    assert content(folder) == FILES
    assert (done.copied, done.kept, done.removed, done.bytes) == (3, 0, 0, 11)
    assert (folder / "a.jpg").stat().st_mtime_ns == 1_000_000_000_000_000_000


def test_only_what_changed_is_copied_again(folder):
    shelf = Shelf(FILES)
    mirror(shelf, str(folder))
    before = states(folder)
    shelf.files["a.jpg"] = b"other"
    shelf.files["new.jpg"] = b"new"
    del shelf.files["b/é.jpg"]
    shelf.fetched.clear()
    done = mirror(shelf, str(folder))
    assert sorted(shelf.fetched) == ["a.jpg", "new.jpg"]
    assert content(folder) == shelf.files
    assert (done.copied, done.kept, done.removed) == (2, 1, 1)
    assert states(folder)["c d.jpg"] == before["c d.jpg"]


@pytest.mark.parametrize("harm", [os.unlink, lambda path: path.write_bytes(b"x")])
def test_a_copy_that_is_lost_or_altered_is_made_again(folder, harm):
    shelf = Shelf(FILES)
    mirror(shelf, str(folder))
    harm(folder / "a.jpg")
    assert mirror(shelf, str(folder)).copied == 1
    assert content(folder) == FILES


def test_a_broken_connection_is_tried_again(folder):
    shelf = Shelf(FILES)
    shelf.broken["a.jpg"] = 2
    assert mirror(shelf, str(folder)).failed == []
    assert content(folder) == FILES


def test_what_cannot_pass_is_not_tried_again(folder):
    shelf = Shelf(FILES)
    shelf.broken["a.jpg"], shelf.error = 2, PermanentError
    assert mirror(shelf, str(folder)).failed == [("a.jpg", "the connection was lost")]
    assert shelf.fetched.count("a.jpg") == 1


def test_a_place_that_tells_only_by_a_request_what_changed_is_asked_for_every_file(folder):
    shelf = Shelf(FILES)
    shelf.tells = False
    mirror(shelf, str(folder))
    before = states(folder)
    shelf.files["a.jpg"] = b"other"
    (folder / "b/é.jpg").unlink()
    shelf.fetched.clear()
    done = mirror(shelf, str(folder))
    assert sorted(shelf.fetched) == sorted(FILES)
    assert (done.copied, done.kept, content(folder)) == (2, 1, shelf.files)
    assert states(folder)["c d.jpg"] == before["c d.jpg"]
    assert [path.name for path in folder.iterdir() if path.name.endswith(".tmp")] == []
    shelf.tells = True
    assert mirror(shelf, str(folder)).kept == 3


def test_a_file_that_fails_keeps_its_earlier_copy_and_is_tried_in_the_next_run(folder):
    shelf = Shelf(FILES)
    mirror(shelf, str(folder))
    shelf.files["a.jpg"] = b"other"
    shelf.broken["a.jpg"] = 9
    assert mirror(shelf, str(folder)).failed == [("a.jpg", "the connection was lost")]
    assert content(folder) == FILES
    shelf.broken.clear()
    assert mirror(shelf, str(folder)).copied == 1
    assert content(folder) == shelf.files
    assert [path.name for path in folder.iterdir() if path.name.endswith(".tmp")] == []


def test_a_place_of_which_nothing_can_be_copied_is_an_error(folder):
    shelf = Shelf(FILES)
    shelf.broken.update(dict.fromkeys(FILES, 9))
    with pytest.raises(UserError, match=r"No file of 'shelf://one' could be copied: "):
        mirror(shelf, str(folder))


def test_files_of_others_are_neither_replaced_nor_removed(folder):
    folder.mkdir()
    (folder / "own.txt").write_text("mine")
    (folder / "a.jpg").write_text("mine too")
    with pytest.raises(UserError, match=r"contains 'a\.jpg', which is not from 'shelf://one'"):
        mirror(Shelf(FILES), str(folder))
    assert content(folder) == {"own.txt": b"mine", "a.jpg": b"mine too"}
    (folder / "a.jpg").unlink()
    mirror(Shelf(FILES), str(folder))
    assert content(folder) == {"own.txt": b"mine", **FILES}


def test_a_folder_is_the_mirror_of_one_place(folder):
    mirror(Shelf(FILES), str(folder))
    with pytest.raises(UserError, match=r"is a mirror of 'shelf://one', not of 'shelf://two'"):
        mirror(Shelf(FILES, "shelf://two"), str(folder))
    assert content(folder) == FILES


def test_many_removals_are_refused_unless_allowed(folder):
    shelf = Shelf(FILES)
    mirror(shelf, str(folder))
    del shelf.files["a.jpg"], shelf.files["b/é.jpg"]
    with pytest.raises(RemovalsError, match=r"2 of 3 files are gone from 'shelf://one'"):
        mirror(shelf, str(folder))
    assert content(folder) == FILES
    mirror(shelf, str(folder), max_removal_rate=1.0)
    assert content(folder) == shelf.files


@pytest.mark.parametrize("name", ["../a.jpg", "/a.jpg", "b/../../a.jpg", "C:/a.jpg", "a\\b.jpg"])
def test_no_name_leads_out_of_the_folder(tmp_path, folder, name):
    done = mirror(Shelf({name: b"planted", "b.jpg": b"b"}), str(folder))
    assert content(folder) == {"b.jpg": b"b"}
    assert sum(done.left_out.values()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mirror"]


def test_hidden_names_are_left_out(folder):
    """The record of the mirror has such a name."""
    done = mirror(Shelf({RECORD: b"planted", ".x/a.jpg": b"", "b.jpg": b"b"}), str(folder))
    assert (content(folder), done.left_out) == ({"b.jpg": b"b"}, {"hidden files": 2})


def test_links_are_not_followed(tmp_path, folder):
    (tmp_path / "elsewhere").mkdir()
    folder.mkdir()
    (folder / "b").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="link"):
        mirror(Shelf(FILES), str(folder))
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_globs_choose_what_is_copied(folder):
    shelf = Shelf(FILES)
    mirror(shelf, str(folder), Selection(["b/*"], ["*é*"]))
    assert content(folder) == {"b/c d.jpg": b"two"}


def test_a_file_with_the_name_of_a_folder_is_left_out(folder):
    done = mirror(Shelf({"a": b"", "a/b/c.jpg": b"b", "a/b": b"", "c.jpg": b"c"}), str(folder))
    assert content(folder) == {"a/b/c.jpg": b"b", "c.jpg": b"c"}
    assert done.left_out == {"files with the name of a folder": 2}


@pytest.mark.parametrize("damage", [b"no database", b""])
def test_a_damaged_record_is_named(folder, damage):
    mirror(Shelf(FILES), str(folder))
    (folder / RECORD).write_bytes(damage or (folder / RECORD).read_bytes()[:3000])
    with pytest.raises(UserError, match=r"\.mirror\.sqlite' cannot be used"):
        mirror(Shelf(FILES), str(folder))
    assert content(folder) == FILES


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO files VALUES (x'2e2e2f78', 'x', 1, 1)",
        "INSERT INTO files VALUES ('x.jpg', x'ff', 1, 1)",
        "INSERT INTO files VALUES ('x.jpg', 'x', 'many', 1)",
        "INSERT INTO files VALUES ('../x.jpg', 'x', 1, 1)",
        "INSERT INTO files VALUES ('/x.jpg', 'x', 1, 1)",
        "INSERT INTO files VALUES ('a/../../x.jpg', 'x', 1, 1)",
        "INSERT INTO files VALUES ('.mirror.sqlite', 'x', 1, 1)",
        "INSERT INTO files VALUES ('', 'x', 1, 1)",
        "CREATE TRIGGER forget AFTER INSERT ON files BEGIN DELETE FROM files; END",
        "DROP TABLE files; CREATE VIEW files AS WITH RECURSIVE f(name, tag, size, mtime_ns) AS "
        "(SELECT 'x', 'x', 1, 1 UNION ALL SELECT name || 'x', 'x', 1, 1 FROM f) SELECT * FROM f",
    ],
)
def test_a_record_that_no_mirror_wrote_is_refused(folder, change):
    mirror(Shelf(FILES), str(folder))
    with contextlib.closing(sqlite3.connect(folder / RECORD)) as database:
        database.executescript(change)
    for use in (partial(mirror, Shelf(FILES)), mirrored_in):
        with pytest.raises(UserError, match=r"sqlite' cannot be .*: it has what no mirror wrote;"):
            use(str(folder))
    assert content(folder) == FILES


def test_the_token_stays_while_the_folder_has_what_the_place_has(folder):
    shelf, everything = Shelf(FILES), Selection()
    new = token(shelf, str(folder), everything)
    assert token(shelf, str(folder), everything) != new
    mirror(shelf, str(folder), token=new)
    assert token(shelf, str(folder), everything) == new
    (folder / "a.jpg").write_bytes(b"x")
    assert token(shelf, str(folder), everything) != new
    mirror(shelf, str(folder), token=new)
    shelf.files["new.jpg"] = b"new"
    assert token(shelf, str(folder), everything) != new
    assert token(shelf, str(folder), Selection(["a.jpg"])) != new


def test_a_mirror_that_is_not_complete_has_no_token(folder):
    shelf = Shelf(FILES)
    shelf.broken["a.jpg"] = 9
    mirror(shelf, str(folder), token="kept")
    shelf.broken.clear()
    assert token(shelf, str(folder), Selection()) != "kept"


def test_files_of_a_mirror_are_known_from_its_record(folder):
    assert mirrored_in(str(folder)) is None
    mirror(Shelf(FILES), str(folder))
    is_ours = mirrored_in(str(folder))
    assert all(map(is_ours, [*FILES, RECORD, f"{RECORD}-journal", ".lock"]))
    assert not is_ours("own.txt") and not is_ours("b/other.jpg")
    (folder / RECORD).write_bytes(b"no database")
    with pytest.raises(UserError, match="cannot be read"):
        mirrored_in(str(folder))


def test_what_a_mirror_did_is_told(folder, caplog):
    caplog.set_level("INFO")
    shelf = Shelf({**FILES, "../x.jpg": b"", ".y.jpg": b"", "c.jpg": b"c"})
    shelf.broken.update({"a.jpg": 9, "c.jpg": 9})
    tell(mirror(shelf, str(folder)), shelf.name, logging.getLogger())
    assert caplog.messages == [
        "shelf://one: 2 files copied (0.0 MB), 0 kept, 0 removed",
        "shelf://one: left out: files that lead out of the folder (1), hidden files (1)",
        "shelf://one: 2 files could not be copied, and will be tried again in the next run: "
        "'a.jpg' (the connection was lost), 'c.jpg' (the connection was lost)",
    ]


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("s3://bucket/a.csv", Bucket), ("urls.CSV", UrlList), ("-", UrlList),
        ("list.parquet", UrlList), ("a.tar.gz", CompressedTars), ("sftp://nas/a.csv", Sftp),
    ],
)  # fmt: skip
def test_a_place_is_known_by_its_name(tmp_path, monkeypatch, source, kind):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.tar.gz").write_bytes(b"")
    assert type(place_at(source)) is kind


def test_options_of_lists_are_refused_for_other_places():
    with pytest.raises(UserError, match=r"'s3://a' is not a list of URLs, which alone has"):
        place_at("s3://a", ListOptions(refresh=True))


@pytest.mark.parametrize("source", ["photos", "https://example.org", "ftp://a/b"])
def test_what_cannot_be_mirrored_is_told(source):
    with pytest.raises(UserError, match=rf"'{source}' is not a place that can be mirrored"):
        place_at(source)


def test_a_file_that_cannot_be_copied_for_good_does_not_keep_a_mirror_from_being_complete(folder):
    shelf, everything = Shelf(FILES), Selection()
    shelf.broken["a.jpg"], shelf.error = 9, PermanentError
    assert not mirror(shelf, str(folder), token="kept").is_pending
    assert token(shelf, str(folder), everything) == "kept"
    shelf.files["a.jpg"] = b"other"
    assert token(shelf, str(folder), everything) != "kept"
    shelf.broken.clear()
    assert mirror(shelf, str(folder), token="kept").copied == 1
    assert content(folder) == shelf.files


@pytest.mark.parametrize("kind", [TransferError, PermanentError])
def test_a_file_that_a_user_puts_in_the_place_of_one_that_failed_is_the_users(folder, kind):
    shelf = Shelf(FILES)
    shelf.broken["a.jpg"], shelf.error = 9, kind
    mirror(shelf, str(folder))
    (folder / "a.jpg").write_bytes(b"by hand")
    assert not mirrored_in(str(folder))("a.jpg")
    shelf.broken.clear()
    with pytest.raises(UserError, match=r"contains 'a\.jpg', which is not from"):
        mirror(shelf, str(folder))
    del shelf.files["a.jpg"]
    mirror(shelf, str(folder))
    assert (folder / "a.jpg").read_bytes() == b"by hand"


def test_files_that_never_were_there_do_not_count_as_removed(folder):
    shelf = Shelf({**{f"{number}.jpg": b"x" for number in range(6)}, "a.jpg": b"a"})
    shelf.broken.update({f"{number}.jpg": 9 for number in range(6)})
    shelf.error = PermanentError
    mirror(shelf, str(folder))
    shelf.files = {"a.jpg": b"a"}
    assert mirror(shelf, str(folder)).removed == 0


def test_a_file_may_become_a_folder_and_a_folder_a_file(folder):
    shelf = Shelf({"a": b"1", "b.jpg": b"b", "c.jpg": b"c"})
    mirror(shelf, str(folder))
    for files in ({"a/x.jpg": b"2"}, {"a": b"3"}):
        shelf.files = {"b.jpg": b"b", "c.jpg": b"c", **files}
        mirror(shelf, str(folder))
        assert content(folder) == shelf.files


def test_a_folder_of_a_misspelt_place_takes_the_right_one(folder):
    with pytest.raises(UserError, match=r"'shelf://two' has no file that could be copied"):
        mirror(Shelf({}, "shelf://two"), str(folder))
    mirror(Shelf(FILES), str(folder))
    assert content(folder) == FILES


def test_names_that_are_no_unicode_are_left_out(folder):
    done = mirror(Shelf({"caf\udce9.jpg": b"x", "b.jpg": b"b"}), str(folder))
    assert (content(folder), sum(done.left_out.values())) == ({"b.jpg": b"b"}, 1)
