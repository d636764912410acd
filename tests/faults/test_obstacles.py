"""Folders where files belong, and files where folders were: one image is lost at most."""

import csv
import os
import shutil

import pytest

from pixelmill.core.root import Root
from pixelmill.engines.registry import LOCAL
from pixelmill.imaging.recipe_parser import parse
from tests.helpers.passes import process_folder

SMALL = parse({"steps": [{"resize": {"width": 8, "height": 8}}]})


def process(folder, engine="sequential"):
    return process_folder(str(folder / "in"), str(folder / "out"), SMALL, engine, 2)


def manifest(folder):
    with (folder / "out/manifest.csv").open(encoding="utf-8", newline="") as file:
        return {row["source"]: row for row in csv.DictReader(file)}


def obstruct(folder, name):
    """Put a folder with a file in the place of an output."""
    output = folder / "out/images" / name
    output.unlink(missing_ok=True)
    output.mkdir(parents=True)
    (output / "theirs").write_text("kept")


@pytest.mark.parametrize("engine", LOCAL)
def test_a_folder_in_the_place_of_an_output_costs_that_image_alone(tmp_path, photos, engine):
    photos(tmp_path / "in", 3)
    process(tmp_path, engine)
    obstruct(tmp_path, "1.jpg")
    photos(tmp_path / "in", 5)
    for _ in range(2):  # it is tried again by each pass
        done = process(tmp_path, engine)
        assert done.failed == 1
        rows = manifest(tmp_path)
        assert [source for source, row in rows.items() if row["status"] == "ok"] == [
            "0.jpg", "2.jpg", "3.jpg", "4.jpg",
        ]  # fmt: skip
        assert rows["1.jpg"]["reason"] == "write_failed"
        failures = (tmp_path / "out/failures.csv").read_text(encoding="utf-8")
        assert "a folder has the name '1.jpg'; move it away" in failures
        assert (tmp_path / "out/images/1.jpg/theirs").read_text() == "kept"
    shutil.rmtree(tmp_path / "out/images/1.jpg")
    assert process(tmp_path, engine).failed == 0
    assert manifest(tmp_path)["1.jpg"]["status"] == "ok"


def test_an_orphan_whose_place_a_folder_has_taken_is_forgotten(tmp_path, photos):
    photos(tmp_path / "in", 4)
    process(tmp_path)
    obstruct(tmp_path, "1.jpg")
    (tmp_path / "in/1.jpg").unlink()
    assert process(tmp_path).failed == 0
    assert sorted(manifest(tmp_path)) == ["0.jpg", "2.jpg", "3.jpg"]
    assert (tmp_path / "out/images/1.jpg/theirs").read_text() == "kept"


@pytest.mark.parametrize("engine", LOCAL)
def test_an_image_may_take_the_name_of_a_folder_and_the_other_way_round(tmp_path, photos, engine):
    photos(tmp_path / "in", 4)
    folder = photos(tmp_path / "in/a.jpg/deep", 1)
    process(tmp_path, engine)
    shutil.rmtree(folder.parent)
    shutil.copy(tmp_path / "in/0.jpg", tmp_path / "in/a.jpg")
    assert process(tmp_path, engine).failed == 0
    assert (tmp_path / "out/images/a.jpg").is_file()
    (tmp_path / "in/a.jpg").unlink()
    photos(tmp_path / "in/a.jpg/deep", 1)
    assert process(tmp_path, engine).failed == 0
    assert (tmp_path / "out/images/a.jpg/deep/0.jpg").is_file()


STEP = """
import os
def step(image, images):
    os.chdir(images)
    if not os.path.exists("d"):
        for _ in range(3000):
            os.mkdir("d")
            os.chdir("d")
    return image
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="paths are shorter there")
def test_folders_deeper_than_any_path_stop_no_later_pass(tmp_path, photos):
    photos(tmp_path / "in", 2)
    process(tmp_path)
    (tmp_path / "my_steps.py").write_text(STEP)
    images = str(tmp_path / "out/images")
    data = {"steps": [{"call": {"function": "my_steps:step", "images": images}}]}
    recipe = parse(data, folder=str(tmp_path))
    process_folder(str(tmp_path / "in"), str(tmp_path / "out"), recipe, "sequential", 1)
    done = process(tmp_path)
    assert (done.images, done.failed) == (2, 0)
    Root(tmp_path).remove_tree("out")  # which takes shutil too deep
