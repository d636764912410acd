"""Names of tags are those of exiftool, and those that the documentation lists."""

import re
import shutil
import subprocess

import pytest
from PIL import Image

from pixelmill.imaging.codecs import metadata, packets, tag_names
from pixelmill.imaging.codecs.decoded import Packets
from tests.helpers.imaging import exif_block

EXIFTOOL = shutil.which("exiftool")


def test_every_tag_that_keep_keeps_can_be_listed():
    assert set(tag_names.MAIN.values()) == set(metadata.DESCRIPTION)


def test_a_place_is_kept_with_its_directions():
    assert tag_names.with_directions(["GPSLatitude"]) == {"GPSLatitude", "GPSLatitudeRef"}
    assert tag_names.with_directions(["GPSLatitudeRef"]) == {"GPSLatitudeRef"}


def test_a_place_that_is_listed_stays_in_its_hemisphere():
    place = [(1, "ascii", "S"), (2, "rational", [(33, 1), (51, 1), (30, 1)]),
             (3, "ascii", "W"), (4, "rational", [(70, 1), (40, 1), (0, 1)]),
             (6, "rational", [(500, 1)])]  # fmt: skip
    block = metadata.without_prefix(exif_block([], gps=place))
    kept = Image.Exif()
    kept.load(metadata.exif_of(block, ("GPSLatitude", "GPSLongitude")))
    found = kept.get_ifd(0x8825)
    assert {tag: found[tag] for tag in (1, 3)} == {1: "S", 3: "W"}
    assert found.keys() == {1, 2, 3, 4}


def test_the_direction_of_a_listed_property_is_kept():
    attributes = 'exif:GPSImgDirection="90/1" exif:GPSImgDirectionRef="T" exif:GPSSpeedRef="K"'
    node = f'<rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/" {attributes}/>'
    rdf = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    held = f'<rdf:RDF xmlns:rdf="{rdf}">{node}</rdf:RDF>'.encode()
    kept = packets.selected(Packets(held), ("GPSImgDirection",)).xmp
    assert (b"GPSImgDirectionRef" in kept, b"GPSSpeedRef" in kept) == (True, False)


def test_a_property_of_an_unknown_namespace_has_no_name():
    assert tag_names.name_of_property("urn:mine", "Artist") is None


def test_the_page_lists_every_name(repository):
    page = (repository / "docs/metadata.md").read_text(encoding="utf-8")
    listed = re.search(r"## Names\n(.*?)(?=\n## |\Z)", page, re.S)[1]
    names = {name for line in listed.splitlines() if line.startswith("| ")
             for name in re.findall(r"`([^`]+)`", line)}  # fmt: skip
    assert names == set(tag_names.NAMES)


#: Namespaces of XMP whose properties can be listed, by the groups of exiftool.
NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "exifEX": "http://cipa.jp/exif/1.0/",
    "aux": "http://ns.adobe.com/exif/1.0/aux/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "iptcCore": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "iptcExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "cc": "http://creativecommons.org/ns#",
}

#: Some of those whose properties are only kept together.
OTHERS = {"pdf": "http://ns.adobe.com/pdf/1.3/", "acdsee": "http://ns.acdsee.com/iptc/1.0/"}


def test_the_page_lists_the_groups_whose_properties_have_names(repository):
    page = (repository / "docs/metadata.md").read_text(encoding="utf-8")
    sentence = re.search(r"Of XMP, only the groups (.*?) of exiftool have names", page, re.S)[1]
    assert set(re.findall(r"`XMP-(\w+)`", sentence)) == set(NAMESPACES)
    for namespace in NAMESPACES.values():
        assert tag_names.name_of_property(namespace, "keywords") == "Keywords"
    for namespace in OTHERS.values():
        assert tag_names.name_of_property(namespace, "Keywords") is None


@pytest.mark.slow
@pytest.mark.skipif(EXIFTOOL is None, reason="exiftool is not installed")
@pytest.mark.parametrize("group", NAMESPACES)
def test_exiftool_writes_each_group_in_its_namespace(tmp_path, group):
    path = tmp_path / "a.xmp"
    written = {"exif": "UserComment", "tiff": "Artist", "exifEX": "LensModel", "aux": "Lens",
               "photoshop": "City", "xmp": "Label", "xmpRights": "Owner", "cc": "License",
               "lr": "HierarchicalSubject", "iptcCore": "Location", "iptcExt": "Event"}  # fmt: skip
    name = written.get(group, "Title")
    subprocess.run([EXIFTOOL, f"-XMP-{group}:{name}=text", path], capture_output=True, check=True)
    assert f"'{NAMESPACES[group]}'" in path.read_text(encoding="utf-8")


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
