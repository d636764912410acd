"""Images of a catalog are found in a folder and in archives."""

import os

import pytest

from pixelmill.dataset import catalog
from pixelmill.dataset.entries import Entry
from pixelmill.dataset.places import Places
from pixelmill.storage.archives import content
from tests.helpers.packed import packed


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".parquet"])
def test_members_are_found_by_entry_and_by_path(tmp_path, suffix):
    members = {"b/c.jpg": b"one", "a.jpg": b"two"}
    source = tmp_path / f"x{suffix}"
    source.write_bytes(packed(members, suffix))
    entries = catalog.scan(str(source))[0].entries
    for given in (entries, list(catalog.find(str(source), members))):
        places = Places(str(source), given)
        assert {path: content(places.of(path), 100) for path in members} == members
        assert places.member("a.jpg") == places.of("a.jpg")
        assert places.member("missing.jpg") is None
        with pytest.raises(FileNotFoundError):
            places.of("missing.jpg")
    assert [content(Places(str(source)).at(entry), 100) for entry in entries] == [b"two", b"one"]


def test_files_of_a_folder_need_no_catalog():
    places = Places("in")
    assert places.of("a/b.jpg") == os.path.join("in", "a/b.jpg")
    assert places.at(Entry("a/b.jpg", 1, 2, "jpeg")) == places.of("a/b.jpg")
    assert places.member("a/b.jpg") is None
