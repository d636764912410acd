"""Buckets are read as they are, whatever the network does."""

import re
import sys
from collections import Counter

import pytest

from pixelmill.core.errors import UserError
from pixelmill.transfer import buckets
from pixelmill.transfer.buckets import Bucket
from pixelmill.transfer.mirror import mirror
from tests.helpers.s3_server import SECRET
from tests.unit.transfer.test_mirror import content

OBJECTS = {
    **{f"2024/{number}.jpg": bytes([number]) * 9 for number in range(9)},
    "2024/with space #?&+=%20.jpg": b"odd",
    "2024/é 山.jpg": b"letters",
    "2025/large.png": bytes(range(256)) * 20_000,
}


@pytest.fixture
def filled(store):
    for key, data in OBJECTS.items():
        store.put(key, data)
    return store


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "mirror"


def test_a_mirror_has_all_objects_of_a_bucket(filled, folder):
    done = mirror(Bucket("s3://photos"), str(folder))
    assert (content(folder), done.failed) == (OBJECTS, [])
    assert mirror(Bucket("s3://photos/"), str(folder)).kept == len(OBJECTS)


def test_a_prefix_is_a_folder_of_the_bucket(filled, folder):
    filled.put("2024-other/a.jpg", b"another")
    mirror(Bucket("s3://photos/2024"), str(folder))
    expected = {key[5:]: data for key, data in OBJECTS.items() if key.startswith("2024/")}
    assert content(folder) == expected


def test_only_changed_objects_are_read_again(filled, folder):
    mirror(Bucket("s3://photos"), str(folder))
    filled.put("2024/3.jpg", b"changed")
    del filled.buckets["photos"]["2024/4.jpg"]
    filled.requests.clear()
    done = mirror(Bucket("s3://photos"), str(folder))
    assert (done.copied, done.removed) == (1, 1)
    assert filled.requests["GET"] == 1 + 3  # eleven keys, five in an answer
    assert content(folder) == filled.content()


@pytest.mark.parametrize("fault", ["503", "cut", "slow"])
def test_faults_that_pass_are_overcome(filled, folder, fault):
    seen = Counter()

    def strike(method, key):
        seen[key] += 1
        return fault if seen[key] == 1 else ""

    filled.fault = strike
    assert mirror(Bucket("s3://photos"), str(folder)).failed == []
    assert content(folder) == OBJECTS


@pytest.mark.slow
def test_an_object_that_cannot_be_read_costs_one_object(filled, folder):
    filled.fault = lambda method, key: "cut" if key.endswith("large.png") else ""
    done = mirror(Bucket("s3://photos"), str(folder))
    assert [name for name, _ in done.failed] == ["2025/large.png"]
    assert len(content(folder)) == len(OBJECTS) - 1


def test_an_object_that_changed_since_it_was_listed_is_read_again_in_the_next_run(filled, folder):
    filled.fault = lambda method, key: "etag" if key.endswith("3.jpg") else ""
    mirror(Bucket("s3://photos"), str(folder))
    filled.fault = lambda method, key: ""
    assert mirror(Bucket("s3://photos"), str(folder)).copied == 1


def test_a_store_whose_lists_have_other_tags_sends_each_object_once(filled, folder):
    filled.fault = lambda method, key: "etag" if key else ""
    assert mirror(Bucket("s3://photos"), str(folder)).copied == len(OBJECTS)
    filled.requests.clear()
    done = mirror(Bucket("s3://photos"), str(folder))
    assert (done.copied, done.kept, filled.requests["HEAD"]) == (0, len(OBJECTS), len(OBJECTS))
    filled.put("2024/3.jpg", b"changed")
    assert mirror(Bucket("s3://photos"), str(folder)).copied == 1
    assert content(folder) == filled.content()


def test_a_list_of_nothing_is_given_up_after_a_while(filled, monkeypatch):
    monkeypatch.setattr(buckets, "_LONGEST_WAIT", 0.1)
    filled.fault = lambda method, key: "empty"
    with pytest.raises(UserError, match="cannot be listed: nothing came for 0 seconds; give anoth"):
        list(Bucket("s3://photos").items())


def test_an_impossible_time_counts_as_none(filled, folder):
    filled.fault = lambda method, key: "old" if key.endswith("3.jpg") else ""
    mirror(Bucket("s3://photos"), str(folder))
    assert (folder / "2024/3.jpg").stat().st_mtime > 10**9
    assert mirror(Bucket("s3://photos"), str(folder)).copied == 0


def test_marks_of_folders_are_no_files(filled, folder):
    filled.put("2024/", b"")
    filled.put("empty/", b"")
    mirror(Bucket("s3://photos"), str(folder))
    assert content(folder) == OBJECTS


@pytest.mark.parametrize("key", ["2024//a.jpg", "2024/../a.jpg", "2024/./a.jpg"])
def test_a_key_that_is_no_path_is_named(filled, folder, key):
    filled.put(key, b"planted")
    told = f"The bucket 's3://photos' cannot be listed, because the key '{key}' of one of its"
    with pytest.raises(UserError, match=rf"^{re.escape(told)} objects is no path; rename that obj"):
        mirror(Bucket("s3://photos"), str(folder))


def test_a_list_that_never_ends_is_given_up(filled, monkeypatch):
    monkeypatch.setattr(buckets, "_LISTED", 5)
    filled.fault = lambda method, key: "again"
    told = (
        r"'s3://photos' cannot be listed: it lists '2024/\d.jpg' twice, as if its list had no end;"
    )
    with pytest.raises(UserError, match=told):
        list(Bucket("s3://photos").items())
    filled.fault = lambda method, key: ""
    assert len(list(Bucket("s3://photos").items())) == len(OBJECTS)
    monkeypatch.setattr(buckets, "_MOST_OBJECTS", 4)
    with pytest.raises(UserError, match="it has more than 4 objects; give another prefix, or ask"):
        list(Bucket("s3://photos").items())


def test_a_missing_bucket_is_named(store, folder):
    with pytest.raises(UserError, match=r"'s3://nothing' cannot be used: NoSuchBucket; correct"):
        mirror(Bucket("s3://nothing"), str(folder))


def test_wrong_credentials_are_named_but_not_shown(store, folder, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    with pytest.raises(UserError, match=r"cannot be used: InvalidAccessKeyId") as raised:
        mirror(Bucket("s3://photos"), str(folder))
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("url", ["s3://user:planted@photos", "s3://photos?secret=planted"])
def test_credentials_in_a_url_are_refused_and_not_shown(url):
    with pytest.raises(UserError, match=r"put credentials into the environment") as raised:
        Bucket(url)
    assert "planted" not in str(raised.value)


def test_without_the_package_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(UserError, match=r"buckets need the package obstore: pip install obstore"):
        Bucket("s3://photos")


def test_no_file_of_a_mirror_contains_the_secret(filled, folder):
    mirror(Bucket("s3://photos"), str(folder))
    for path in folder.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes()


@pytest.mark.parametrize(
    "url", ["s3://photos/set#1", "s3://photos/a%20b", "s3://photos/../x", "s3://a//b", "s3://a/./b"]
)
def test_a_prefix_that_programs_read_differently_is_refused(url):
    with pytest.raises(UserError, match=r"is not the same prefix to all programs"):
        Bucket(url)


@pytest.mark.parametrize("address", ["localhost:9000", "//host", "ftp://host"])
def test_an_address_that_is_no_url_is_told(monkeypatch, address):
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    with pytest.raises(UserError, match=r"variable AWS_ENDPOINT_URL is no URL that begins with"):
        Bucket("s3://photos")


def test_a_password_in_the_address_of_a_store_is_not_shown():
    error = OSError("Error performing GET http://user:planted@host:9000/photos: refused")
    assert "planted" not in buckets._reason(error)


def test_the_words_of_a_store_are_cut():
    for text in (f"<Code>{'A' * 10**6}</Code>", "A" * 10**6):
        assert len(buckets._reason(OSError(text))) == 1000
