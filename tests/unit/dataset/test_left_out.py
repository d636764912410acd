"""What a dataset leaves out is written with its reason, and left out of plans and checks."""

import csv

import pytest

from pixelmill.core.errors import UserError
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
    assert left_out.needs_metrics(dataset) is expected


def test_a_dataset_with_a_list_is_selective_and_needs_no_metrics():
    dataset = {"folder": "in", "list": "train.txt"}
    assert left_out.is_selective(dataset)
    assert not left_out.needs_metrics(dataset)


def test_entries_that_were_left_out_are_left_out_again(tmp_path):
    entries = Entries([Entry("a.jpg", 1, 1, "jpeg"), Entry("caf\udce9.jpg", 1, 1, "jpeg")])
    assert left_out.without(entries, str(tmp_path)) is entries
    left_out.write(str(tmp_path / left_out.LEFT_OUT), {r"caf\udce9.jpg": "not selected"})
    with (tmp_path / left_out.LEFT_OUT).open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file))[1] == [r"caf\udce9.jpg", "not selected"]
    assert [entry.path for entry in left_out.without(entries, str(tmp_path))] == ["a.jpg"]


@pytest.fixture
def scan(tmp_path, photos, monkeypatch):
    """Function that scans a dataset of four photos; it returns their paths, and what is told."""
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "in", 4)
    (tmp_path / "out/mine").mkdir(parents=True)
    left_out.write(f"out/mine/{left_out.LEFT_OUT}", {"1.jpg": "not selected"})

    def scan_it(**keys):
        config = {"results": "out", "datasets": {"mine": {"folder": "in", **keys}}}
        entries, told = left_out.scan(config, "mine")
        return [entry.path for entry in entries], told

    return scan_it


def test_a_scan_tells_what_a_selective_dataset_left_out(scan):
    assert scan() == (["0.jpg", "1.jpg", "2.jpg", "3.jpg"], "")
    found, told = scan(select="not dark")
    assert found == ["0.jpg", "2.jpg", "3.jpg"]
    assert told == "1 image is left out, see 'out/mine/left_out.csv'; the next run selects again"


def test_a_scan_reads_a_list_as_it_is_now(scan, tmp_path):
    (tmp_path / "list.txt").write_text("1.jpg\n3.jpg\n", encoding="utf-8")
    told = "2 images are left out, because 'list.txt' does not name them"
    assert scan(list="list.txt") == (["1.jpg", "3.jpg"], told)
    assert scan(list={"file": "list.txt"}, select="not dark")[0] == ["3.jpg"]


def test_a_list_that_a_run_has_yet_to_write_leaves_nothing_out(scan):
    assert scan(list="out/mine/splits.csv") == (["0.jpg", "1.jpg", "2.jpg", "3.jpg"], "")
    for missing in ("out/other/splits.csv", "out/mine/train.csv", "out/mine/light/splits.csv"):
        with pytest.raises(UserError, match=f"'{missing}' does not exist"):
            scan(list=missing)
