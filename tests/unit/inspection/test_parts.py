"""Parts of a dataset are written once: images that come later move none to another part."""

import csv

import pytest
from PIL import Image

from pixelmill.inspection.inspect import inspect
from pixelmill.inspection.measuring.measurer import RECIPE
from pixelmill.inspection.parts import split_images
from pixelmill.pipeline.request import ProcessRequest

RATIOS = {"train": 0.5, "test": 0.5}


@pytest.fixture
def measure(tmp_path):
    def run():
        source, target = str(tmp_path / "in"), str(tmp_path / "out")
        inspect(ProcessRequest(source, target, RECIPE, "sequential", 1))
        return target

    return run


def parts(tmp_path):
    with (tmp_path / "out/splits.csv").open(encoding="utf-8", newline="") as file:
        return {row["source"]: row["split"] for row in csv.DictReader(file)}


def test_added_images_move_no_other(tmp_path, photos, measure):
    photos(tmp_path / "in", 12)
    counts = split_images(measure(), RATIOS)
    before = parts(tmp_path)
    assert sum(counts.values()) == len(before) == 12
    assert {*counts} == {"train", "test"}
    photos(tmp_path / "in", 20)
    split_images(measure(), RATIOS)
    assert parts(tmp_path).items() >= before.items()
    split_images(measure(), RATIOS, seed=7)
    assert parts(tmp_path).items() >= before.items()


def test_copies_are_in_one_part(tmp_path, photos, measure):
    photos(tmp_path / "in", 10)
    for number in range(10):
        content = (tmp_path / f"in/{number}.jpg").read_bytes()
        (tmp_path / f"in/copy{number}.jpg").write_bytes(content)
    split_images(measure(), RATIOS)
    found = parts(tmp_path)
    assert all(found[f"{n}.jpg"] == found[f"copy{n}.jpg"] for n in range(10))


def test_near_duplicates_in_different_parts_are_reported(tmp_path, photo, measure, caplog):
    """They were assigned before a larger threshold made them near-duplicates."""
    (tmp_path / "in").mkdir()
    for number in range(8):
        one, other = photo(300, 200, number), photo(300, 200, 100 + number)
        one.save(tmp_path / f"in/{number}.png")
        Image.blend(one, other, 0.12).save(tmp_path / f"in/{number}-edited.png")
    target = measure()
    split_images(target, RATIOS, thresholds={"near_duplicate": 0})
    assert not caplog.messages
    split_images(target, RATIOS, thresholds={"near_duplicate": 12})
    assert "near-duplicates in different parts, assigned before" in caplog.text
