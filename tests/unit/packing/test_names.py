"""Keys and names of members are reversible, so that no two outputs get the same one."""

import os
import re
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixelmill.core.filenames import escape
from pixelmill.packing.names import key_of, suffix_of
from pixelmill.storage.archives import member_path

#: The rule of the library webdataset for key and extension of a member.
WEBDATASET = re.compile(r"^((?:.*/|)[^.]+)[.]([^/]*)$")

#: Names as Linux allows them: any bytes but NUL and the separator.
NAMES = st.binary(min_size=1, max_size=20).map(
    lambda data: os.fsdecode(re.sub(rb"[\0/]", b".", data))
)
PATHS = st.builds(
    lambda parts, suffix: "/".join([*parts[:-1], f"{parts[-1]}.{suffix}"]),
    st.lists(NAMES.filter(lambda name: name.strip(".")), min_size=1, max_size=3),
    st.sampled_from(["jpg", "png", "JPG"]),
)


@given(PATHS)
def test_a_name_can_be_turned_back_into_the_path(path):
    member = f"{key_of(path)}.{suffix_of(path)}"
    stem, _, suffix = path.rpartition(".")
    assert unquote_to_bytes(member) == os.fsencode(f"{stem}.{suffix.lower()}")


@given(PATHS)
def test_webdataset_splits_a_name_into_its_key_and_suffix(path):
    key, suffix = WEBDATASET.match(f"{key_of(path)}.{suffix_of(path)}").groups()
    assert (key, suffix) == (key_of(path), suffix_of(path))
    assert not re.match(r"__[^/]*__($|/)", key)


@given(PATHS)
def test_a_name_is_that_of_a_plain_file_to_readers_of_archives(path):
    member = f"{key_of(path)}.{suffix_of(path)}"
    assert member_path(member) == (member, "")
    assert escape(member) == member


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("a.jpg", "a"),
        ("b c/é (1).jpg", "b c/é (1)"),
        ("v1.0/a.b.jpg", "v1.0/a%2Eb"),
        ("a%2Eb.jpg", "a%252Eb"),
        (".hidden.jpg", "%2Ehidden"),
        ("C:a.jpg", "C%3Aa"),
        ("__meta__/a.jpg", "%5F_meta__/a"),
        ("two\nlines\u202e.jpg", "two%0Alines%E2%80%AE"),
    ],
)
def test_keys_are_as_documented(path, key):
    assert key_of(path) == key


def test_long_names_are_shortened_and_differ():
    paths = [f"{'a' * 100}/{'%' * 240}{end}.jpg" for end in "ab"]
    keys = {key_of(path) for path in paths}
    assert len(keys) == 2
    for key in keys:
        assert len(key.split("/")[1]) == 255 - len(".json")  # of a sidecar


def test_folders_with_long_names_are_shortened_too():
    folder = key_of(f"{'é:' * 80}/a.jpg").split("/")[0]
    assert 240 < len(folder.encode()) <= 255


@pytest.mark.parametrize("length", range(240, 252))
def test_names_of_sidecars_are_no_longer_than_file_systems_accept(length):
    for path in (f"{'x' * length}.jpg", f"{'é' * (length // 2)}.jpg", f"{'.' * length}.jpg"):
        assert len(f"{key_of(path)}.json".encode()) <= 255
