"""A bucket gets the files of a folder, and no object of others is replaced or removed."""

import contextlib
import hashlib
import os
import re
import sqlite3

import pytest

from pixelmill.core import locks
from pixelmill.core.errors import RemovalsError, UserError
from pixelmill.transfer import buckets
from pixelmill.transfer import upload as uploading
from pixelmill.transfer.buckets import Bucket
from pixelmill.transfer.mirror import mirror
from pixelmill.transfer.upload import upload
from pixelmill.transfer.upload_record import FOLDER, UploadRecord
from tests.helpers.s3_server import SECRET
from tests.helpers.trees import make_tree, packed
from tests.unit.transfer.test_mirror import content

IMAGES = {"a.jpg": b"one", "b/c d.png": b"two", "b/é#?%20.webp": b"three"}
URL = "s3://photos/set"
TABLE = "manifest.csv"

#: Bytes in a part, in tests of files that are sent so.
PART = 1 << 16


@pytest.fixture
def tree(tmp_path):
    return make_tree(tmp_path / "out", IMAGES)


def objects(store, prefix="set/"):
    """The objects below the prefix that are no tables."""
    found = {key.removeprefix(prefix): data for key, data in store.content().items()}
    return {key.removeprefix("images/"): data for key, data in found.items() if key != TABLE}


def files_of(folder):
    """The files of a folder, but for the record."""
    return {name: data for name, data in content(folder).items() if FOLDER not in name}


def uploaded(tree, **options):
    return upload(str(tree), Bucket(URL), **options)


def test_all_outputs_and_the_manifest_are_uploaded(store, tree):
    (tree / "images/of-others.jpg").write_bytes(b"no output")
    (tree / "failures.csv").write_text("source\n")
    done = uploaded(tree)
    names = [*(f"images/{name}" for name in IMAGES), TABLE, "failures.csv"]
    assert store.content() == {f"set/{name}": (tree / name).read_bytes() for name in names}
    assert (done.sent, done.kept, done.removed) == (5, 0, 0)


def test_a_mirror_of_an_upload_has_the_files_of_the_folder(store, tree, tmp_path):
    uploaded(tree)
    mirror(Bucket(URL), str(tmp_path / "copy"))
    assert content(tmp_path / "copy") == files_of(tree)


def test_shards_are_uploaded_with_their_tables(store, tree, tmp_path):
    packed(tree, tmp_path / "shards", images=1)
    uploaded(tmp_path / "shards")
    expected = files_of(tmp_path / "shards")
    assert {key.removeprefix("set/"): data for key, data in store.content().items()} == expected
    assert "images-000000.tar" in expected and "packed.json" in expected


def test_objects_have_the_media_types_of_their_suffixes(store, tree):
    uploaded(tree)
    kinds = {
        key.removeprefix("set/images/"): one.kind for key, one in store.buckets["photos"].items()
    }
    assert kinds == {
        "a.jpg": "image/jpeg",
        "b/c d.png": "image/png",
        "b/é#?%20.webp": "image/webp",
        "set/manifest.csv": "text/csv; charset=utf-8",
    }


def test_only_what_changed_is_sent_again(store, tree):
    uploaded(tree)
    changed = {**IMAGES, "a.jpg": b"other", "new.jpg": b"new"}
    del changed["b/c d.png"]
    make_tree(tree, changed)
    store.requests.clear()
    done = uploaded(tree)
    assert objects(store) == changed
    assert (done.sent, done.kept, done.removed) == (3, 1, 1)
    assert store.requests["PUT"] == 3


def test_a_second_upload_sends_and_reads_nothing(store, tree):
    uploaded(tree)
    for name in IMAGES:
        (tree / "images" / name).unlink()
    store.requests.clear()
    assert uploaded(tree).kept == 4
    assert store.requests == {"GET": 1}


def test_objects_of_others_stay(store, tree):
    store.put("set/images/x.jpg", b"theirs")
    store.put("settled/images/a.jpg", b"theirs")
    uploaded(tree)
    make_tree(tree, {})
    uploaded(tree, max_removal_rate=1.0)
    assert sorted(store.content()) == [
        "set/images/x.jpg", "set/manifest.csv", "settled/images/a.jpg",
    ]  # fmt: skip


def test_an_object_of_others_is_not_overwritten_and_nothing_is_written_before(store, tree):
    store.put("set/images/b/c d.png", b"owt")
    before = store.content()
    told = r"has an object of others with the names of files of '.*out', such as 'images/b/c d.png'"
    with pytest.raises(UserError, match=told):
        uploaded(tree)
    assert store.content() == before
    assert (store.requests["PUT"], store.requests["DELETE"]) == (0, 0)


@pytest.mark.parametrize("etag", [None, '"of-another-kind"'])
def test_an_object_of_others_with_the_same_bytes_is_kept_and_never_removed(store, tree, etag):
    store.put("set/images/a.jpg", b"one")
    store.buckets["photos"]["set/images/a.jpg"].etag = (
        etag or store.buckets["photos"]["set/images/a.jpg"].etag
    )
    for _ in range(2):
        store.requests.clear()
        assert uploaded(tree).kept
    assert store.requests == {"GET": 1}
    make_tree(tree, {"b/c d.png": b"two"})
    uploaded(tree, max_removal_rate=1.0)
    assert objects(store) == {"a.jpg": b"one", "b/c d.png": b"two"}


def test_objects_of_others_are_not_counted_as_removed(store, tree):
    for name in IMAGES:
        store.put(f"set/images/{name}", IMAGES[name])
    make_tree(tree, {**IMAGES, "new.jpg": b"new"})
    uploaded(tree)
    make_tree(tree, {"new.jpg": b"new"})
    uploaded(tree, max_removal_rate=0.0)
    uploaded(make_tree(tree, {**IMAGES, "new.jpg": b"new"}))
    with pytest.raises(RemovalsError, match=r"1 of 2 files are gone"):
        uploaded(make_tree(tree, IMAGES), max_removal_rate=0.4)


def test_what_a_killed_upload_made_is_removed_with_its_file(store, tree):
    uploaded(tree)
    record = UploadRecord(str(tree / FOLDER), URL)
    record.begin(["images/a.jpg"])
    record.close()
    assert uploaded(tree).kept == 4
    make_tree(tree, {"b/c d.png": b"two"})
    assert uploaded(tree, max_removal_rate=1.0).removed == 2


def test_what_others_put_in_the_place_of_an_uploaded_object_is_theirs(store, tree):
    uploaded(tree)
    store.put("set/images/a.jpg", b"theirs")
    with pytest.raises(UserError, match=r"an object of others"):
        uploaded(tree)
    make_tree(tree, {"b/c d.png": b"two"})
    uploaded(tree, max_removal_rate=1.0)
    assert objects(store) == {"a.jpg": b"theirs", "b/c d.png": b"two"}


def test_an_object_that_somebody_removed_is_uploaded_again(store, tree):
    uploaded(tree)
    del store.buckets["photos"]["set/images/a.jpg"]
    assert uploaded(tree).sent == 1
    assert objects(store) == IMAGES


def test_without_the_record_equal_objects_are_kept(store, tree):
    uploaded(tree)
    for path in (tree / FOLDER).iterdir():
        path.unlink()
    assert uploaded(tree).kept == 4


def test_a_folder_may_be_uploaded_to_several_places(store, tree):
    uploaded(tree)
    upload(str(tree), Bucket("s3://photos/other"))
    make_tree(tree, {"a.jpg": b"one"})
    upload(str(tree), Bucket("s3://photos/other"), max_removal_rate=1.0)
    assert objects(store).keys() >= IMAGES.keys()
    uploaded(tree, max_removal_rate=1.0)
    names = ["images/a.jpg", TABLE]
    assert store.content().keys() == {
        f"{place}/{name}" for place in ("set", "other") for name in names
    }


def test_many_removals_are_refused_unless_allowed(store, tree, monkeypatch):
    uploaded(tree)
    make_tree(tree, {"a.jpg": b"one", "new.jpg": b"new"})
    before = store.content()
    told = r"2 of 4 files are gone from '.*out', and their objects in 's3://photos/set' would be"
    with pytest.raises(RemovalsError, match=told):
        uploaded(tree, max_removal_rate=0.4)
    assert store.content() == before
    monkeypatch.setattr(buckets, "_LISTED", 1)
    assert uploaded(tree, max_removal_rate=1.0).removed == 2
    assert objects(store) == {"a.jpg": b"one", "new.jpg": b"new"}
    assert uploaded(tree, max_removal_rate=0.0).kept == 3


@pytest.mark.parametrize("fault", ["503", "cut", "lost", "slow", "etag", "damaged"])
def test_faults_that_pass_are_overcome(store, tree, fault):
    seen = set()

    def strike(method, key):
        first = (method, key) not in seen
        seen.add((method, key))
        return fault if first and method == "PUT" else ""

    store.fault = strike
    assert uploaded(tree).sent == 4
    assert objects(store) == IMAGES
    store.fault = lambda method, key: ""
    assert uploaded(tree).kept == 4


def test_an_object_that_never_arrives_whole_is_an_error_after_all_others(store, tree):
    store.fault = lambda method, key: "damaged" if method == "PUT" and "a.jpg" in key else ""
    told = (
        r"1 file could not be uploaded to 's3://photos/set', such as 'images/a\.jpg': other bytes"
    )
    with pytest.raises(UserError, match=told):
        uploaded(tree)
    assert {key: data for key, data in objects(store).items() if key != "a.jpg"} == {
        key: data for key, data in IMAGES.items() if key != "a.jpg"
    }
    assert "set/manifest.csv" not in store.content()
    store.fault = lambda method, key: ""
    assert uploaded(tree).sent == 2
    assert objects(store) == IMAGES


def test_what_others_put_in_the_place_of_a_failed_upload_is_theirs(store, tree, monkeypatch):
    monkeypatch.setattr("pixelmill.transfer.buckets._RETRIES", {"max_retries": 0})
    store.fault = lambda method, key: "503" if method == "PUT" else ""
    with pytest.raises(UserError, match="could not be uploaded"):
        uploaded(tree)
    store.fault = lambda method, key: ""
    store.put("set/images/a.jpg", b"of others")
    with pytest.raises(UserError, match="has an object of others"):
        uploaded(tree)
    assert store.content()["set/images/a.jpg"] == b"of others"


def test_many_failures_end_an_upload_at_once(store, tmp_path, monkeypatch):
    monkeypatch.setattr(uploading, "_MOST_FAILED", 2)
    monkeypatch.setattr(uploading, "_AT_ONCE", 2)
    tree = make_tree(tmp_path / "out", {f"{number}.jpg": b"%d" % number for number in range(20)})
    store.fault = lambda method, key: "damaged" if method == "PUT" else ""
    with pytest.raises(UserError, match=r"[23] files could not be uploaded"):
        uploaded(tree)


def test_tags_that_are_no_digests_cost_one_reading(store, tree, monkeypatch):
    """As with encryption by keys of one's own, and in stores of other makers."""
    store.has_digests = False
    monkeypatch.setattr(uploading, "_AT_ONCE", 1)
    uploaded(tree)
    assert objects(store) == IMAGES
    assert store.requests["GET"] == 2 + 1  # two lists, and an object
    store.requests.clear()
    assert uploaded(tree).kept == 4
    assert store.requests == {"GET": 1}


def test_a_wrong_answer_does_not_end_the_comparison_of_tags(store, tree, monkeypatch):
    monkeypatch.setattr(uploading, "_AT_ONCE", 1)
    faults = ["etag", "damaged"]
    store.fault = lambda method, key: faults.pop(0) if method == "PUT" and faults else ""
    uploaded(tree)
    assert objects(store) == IMAGES


def test_an_object_that_is_listed_with_another_tag_is_read_and_kept(store, tree):
    def rename(method, key):
        if method == "GET" and "set/images/a.jpg" in store.content():
            store.buckets["photos"]["set/images/a.jpg"].etag = '"another"'
        return ""

    store.fault = rename
    uploaded(tree)
    assert store.requests["PUT"] == 4
    store.requests.clear()
    assert uploaded(tree).kept == 4
    assert store.requests == {"GET": 1}


def test_an_object_that_is_listed_otherwise_is_uploaded_once_more(store, tree):
    puts = []

    def strike(method, key):
        if method == "GET" and not key and puts and not store.uploads:
            store.uploads["done"] = {}
            store.put("set/images/a.jpg", b"odd")
        puts.extend([key] * (method == "PUT"))
        return ""

    store.fault = strike
    assert uploaded(tree).sent == 4
    assert puts.count("set/images/a.jpg") == 2
    assert objects(store) == IMAGES


def test_an_object_that_is_always_listed_otherwise_is_an_error(store, tree):
    def strike(method, key):
        if method == "GET" and "set/images/a.jpg" in store.content():
            store.put("set/images/a.jpg", b"odd")
        return ""

    store.fault = strike
    with pytest.raises(UserError, match=r"does not have an object as uploaded, such as 'images/a"):
        uploaded(tree)


@pytest.mark.parametrize("fault", ["", "503", "cut", "lost", "damaged"])
def test_large_files_are_sent_in_parts_and_checked(store, tmp_path, fault):
    large = os.urandom(2 * PART + 9)
    tree = make_tree(tmp_path / "out", {"large.tiff": large, "small.jpg": b"small"})
    struck = []

    def strike(method, key):
        if fault and method == "PUT" and "large" in key and not struck:
            struck.append(key)
            return fault
        return ""

    store.fault = strike
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uploading, "PART", PART)
        uploaded(tree)
        assert uploaded(tree).kept == 3
    assert objects(store) == {"large.tiff": large, "small.jpg": b"small"}
    digests = [
        hashlib.md5(large[place : place + (PART)]).digest() for place in range(0, len(large), PART)
    ]
    stored = store.buckets["photos"]["set/images/large.tiff"]
    assert stored.etag == f'"{hashlib.md5(b"".join(digests)).hexdigest()}-3"'
    assert store.uploads == {}


@pytest.mark.parametrize("size", [9, 2 * PART])
def test_an_output_that_was_altered_is_not_uploaded(store, tree, size, monkeypatch):
    monkeypatch.setattr(uploading, "PART", PART)
    (tree / "images/a.jpg").write_bytes(bytes(size))
    with pytest.raises(
        UserError, match=r"^'.*images/a\.jpg' was altered after it was made; make it"
    ):
        uploaded(tree)
    assert "set/images/a.jpg" not in store.content()
    assert "set/manifest.csv" not in store.content()


def test_an_output_that_is_missing_is_named(store, tree):
    (tree / "images/a.jpg").unlink()
    with pytest.raises(UserError, match=r"images/a\.jpg' cannot be read: No such file"):
        uploaded(tree)


def test_a_large_file_is_never_in_more_parts_than_a_store_takes(tmp_path, monkeypatch):
    monkeypatch.setattr(uploading, "PART", 10)
    monkeypatch.setattr(uploading, "_MOST_PARTS", 3)
    tree = make_tree(tmp_path / "out", {"a.jpg": bytes(100)})
    root = uploading.Root(str(tree))
    (file,) = (file for file in uploading.files_of(root).values() if not file.is_table)
    with uploading._Reading(root, file) as reading:
        assert [len(part) for part in reading] == [34, 34, 32]


@pytest.mark.parametrize("name", ["two\nlines.jpg", "caf\udce9.jpg", "back\\slash.jpg"])
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_names_that_are_no_keys_are_escaped_as_in_the_manifest(store, tmp_path, name):
    uploaded(make_tree(tmp_path / "out", {name: b"odd"}))
    (key,) = objects(store)
    assert key in (tmp_path / "out/manifest.csv").read_text()
    assert uploaded(tmp_path / "out").kept == 2


def test_links_in_the_place_of_outputs_are_not_followed(store, tree, tmp_path):
    (tmp_path / "secret").write_bytes(b"one")
    (tree / "images/a.jpg").unlink()
    (tree / "images/a.jpg").symlink_to(tmp_path / "secret")
    with pytest.raises(UserError, match=r"images/a\.jpg' cannot be read"):
        uploaded(tree)
    assert "set/images/a.jpg" not in store.content()


@pytest.mark.parametrize("damage", [b"no database", b""])
def test_a_damaged_record_is_named(store, tree, damage):
    uploaded(tree)
    record = tree / FOLDER / "record.sqlite"
    record.write_bytes(damage or record.read_bytes()[:3000])
    with pytest.raises(UserError, match=r"record\.sqlite' cannot be used"):
        uploaded(tree)


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO objects VALUES ('s3://photos/set', x'ff', '', 1, '', 1)",
        "INSERT INTO objects VALUES ('s3://photos/set', 'x', x'ff', 1, '', 1)",
        "CREATE TRIGGER forget AFTER INSERT ON objects BEGIN DELETE FROM objects; END",
    ],
)
def test_a_record_that_no_upload_wrote_is_refused(store, tree, change):
    uploaded(tree)
    with contextlib.closing(sqlite3.connect(tree / FOLDER / "record.sqlite")) as database:
        database.executescript(change)
    with pytest.raises(UserError, match=r"sqlite' cannot be used: it has what no upload wrote; if"):
        uploaded(tree)


def test_a_folder_is_uploaded_by_one_process_at_a_time(store, tree, monkeypatch):
    monkeypatch.setattr(locks, "LOCK_PATIENCE", 0.0)
    with (
        locks.exclusive(tree / FOLDER),
        pytest.raises(UserError, match=r"Another run is writing to '.*\.upload'"),
    ):
        uploaded(tree)
    assert store.requests == {}


def test_a_link_in_the_place_of_a_table_is_not_followed(store, tree, tmp_path):
    (tree / "manifest.csv").rename(tmp_path / "elsewhere")
    (tree / "manifest.csv").symlink_to(tmp_path / "elsewhere")
    told = re.escape(f"'{tree / 'manifest.csv'}' cannot be read: ") + ".*; make it again, then upl"
    with pytest.raises(UserError, match=told):
        upload(str(tree), Bucket("s3://photos"))
    assert store.content() == {}


def test_a_link_in_the_place_of_the_record_is_not_followed(store, tree, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tree / FOLDER).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"\.upload' is a link"):
        uploaded(tree)
    (tree / FOLDER).unlink()
    (tree / FOLDER).mkdir()
    (tree / FOLDER / "record.sqlite").symlink_to(tmp_path / "elsewhere/record")
    with pytest.raises(UserError, match=r"record\.sqlite' cannot be used"):
        uploaded(tree)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_shards_without_their_table_are_refused(store, tree, tmp_path):
    packed(tree, tmp_path / "shards")
    (tmp_path / "shards/packed.csv").unlink()
    with pytest.raises(UserError, match=r"are not complete; pack again first"):
        uploaded(tmp_path / "shards")


def test_another_folder_is_refused_and_not_written_to(store, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/a.jpg").write_bytes(b"a")
    with pytest.raises(UserError, match=r"neither the results of `pixelmill run` nor shards of"):
        uploaded(tmp_path / "photos")
    with pytest.raises(UserError, match=r"nowhere' is not a folder"):
        uploaded(tmp_path / "nowhere")
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["a.jpg"]
    assert store.requests == {}


@pytest.mark.parametrize("record", ['{"shards": []}', '{"shards": [{"name": "a"}]}', "[]", "{"])
def test_shards_that_are_not_complete_are_refused(store, tmp_path, record):
    (tmp_path / "packed.json").write_text(record)
    (tmp_path / "packed.csv").write_text("key\n")
    with pytest.raises(UserError, match=r"are not complete|is damaged"):
        uploaded(tmp_path)


def test_no_file_contains_the_secret(store, tree):
    uploaded(tree)
    for path in tree.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes()
