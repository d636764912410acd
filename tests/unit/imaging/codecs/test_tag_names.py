"""Names of tags are those of exiftool, and those that the documentation lists."""

import re
import shutil
import subprocess

import pytest

from pixelmill.imaging.codecs import metadata, tag_names

EXIFTOOL = shutil.which("exiftool")


def test_every_tag_that_keep_keeps_can_be_listed():
    assert set(tag_names.MAIN.values()) == set(metadata.DESCRIPTION)


def test_a_place_is_kept_with_its_directions():
    assert tag_names.with_directions(["GPSLatitude"]) == {"GPSLatitude", "GPSLatitudeRef"}


def test_a_property_of_an_unknown_namespace_has_no_name():
    assert tag_names.name_of_property("urn:mine", "Artist") is None


def test_the_page_lists_every_name(repository):
    page = (repository / "docs/metadata.md").read_text(encoding="utf-8")
    listed = re.search(r"## Names\n(.*?)(?=\n## |\Z)", page, re.S)[1]
    names = {name for line in listed.splitlines() if line.startswith("| ")
             for name in re.findall(r"`([^`]+)`", line)}  # fmt: skip
    assert names == set(tag_names.NAMES)


@pytest.mark.slow
@pytest.mark.skipif(EXIFTOOL is None, reason="exiftool is not installed")
def test_exiftool_knows_every_name():
    text = "".join(
        subprocess.run([EXIFTOOL, "-listx", f"-{group}:All"], capture_output=True, check=True)
        .stdout.decode()
        for group in ("EXIF", "XMP", "IPTC")
    )  # fmt: skip
    known = {}
    for table, body in re.findall(r"<table name='([^']+)'.*?>(.*?)</table>", text, re.S):
        for number, name in re.findall(r"<tag id='(\d+)(?:-\d+)?' name='([^']+)'", body):
            known.setdefault(table, {}).setdefault(int(number), set()).add(name)
    tables = (
        ("Exif::Main", tag_names.MAIN | tag_names.CAMERA),
        ("GPS::Main", tag_names.GPS),
        ("IPTC::ApplicationRecord", tag_names.IPTC),
    )
    for table, names in tables:
        wrong = [name for name, number in names.items() if name not in known[table][number]]
        assert wrong == [], table
    every = set(re.findall(r"<tag id='[^']+' name='([^']+)'", text))
    assert set(tag_names.NAMES) <= every
