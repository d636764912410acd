"""What a dataset leaves out is written with its reason, and left out of plans and checks."""

import csv

import pytest

from pixelmill.dataset import left_out
from pixelmill.dataset.entries import Entries, Entry


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ({"folder": "in"}, False),
        ({"folder": "in", "on_duplicate": "keep_all"}, False),
        ({"folder": "in", "on_duplicate": "best"}, True),
        ({"generate": {}, "select": "not dark"}, True),
    ],
)
def test_a_dataset_is_selective_if_what_its_images_are_decides(dataset, expected):
    assert left_out.is_selective(dataset) is expected


def test_entries_that_were_left_out_are_left_out_again(tmp_path):
    entries = Entries([Entry("a.jpg", 1, 1, "jpeg"), Entry("caf\udce9.jpg", 1, 1, "jpeg")])
    assert left_out.without(entries, str(tmp_path)) is entries
    left_out.write(str(tmp_path / left_out.LEFT_OUT), {r"caf\udce9.jpg": "not selected"})
    with (tmp_path / left_out.LEFT_OUT).open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file))[1] == [r"caf\udce9.jpg", "not selected"]
    assert [entry.path for entry in left_out.without(entries, str(tmp_path))] == ["a.jpg"]


def test_a_scan_counts_what_a_selective_dataset_left_out(tmp_path, photos):
    photos(tmp_path / "in", 3)
    config = {"results": str(tmp_path), "datasets": {"mine": {"folder": str(tmp_path / "in")}}}
    (tmp_path / "mine").mkdir()
    left_out.write(str(tmp_path / "mine" / left_out.LEFT_OUT), {"1.jpg": "not selected"})
    assert left_out.scan(config, "mine")[1] == 0
    config["datasets"]["mine"]["select"] = "not dark"
    entries, others = left_out.scan(config, "mine")
    assert ([entry.path for entry in entries], others) == (["0.jpg", "2.jpg"], 1)
