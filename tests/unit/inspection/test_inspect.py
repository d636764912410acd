"""An inspection measures what is new or changed, and its tables have a row for each image."""

import csv
import json
import os

import pytest
from PIL import Image

from pixelmill.core.errors import UserError
from pixelmill.engines.registry import LOCAL
from pixelmill.inspection import near_duplicates
from pixelmill.inspection.inspect import WRITTEN, inspect
from pixelmill.inspection.measuring.measurer import RECIPE
from pixelmill.inspection.metrics import METRICS
from pixelmill.pipeline.request import ProcessRequest


@pytest.fixture
def dataset(tmp_path, photos):
    """Four photos, of which one is there twice, and one that cannot be decoded."""
    source = photos(tmp_path / "in", 4)
    (source / "twice.jpg").write_bytes((source / "2.jpg").read_bytes())
    (source / "broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    return source


def run(source, target, engine="sequential", **given):
    return inspect(ProcessRequest(str(source), str(target), RECIPE, engine, 2), **given)


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_image_has_a_row_and_one_that_failed_has_its_reason(tmp_path, dataset):
    run(dataset, tmp_path / "out")
    found = {row["source"]: row for row in rows(tmp_path / "out/metrics.csv")}
    assert list(found) == ["0.jpg", "1.jpg", "2.jpg", "3.jpg", "broken.jpg", "twice.jpg"]
    assert list(found["0.jpg"]) == list(METRICS)
    assert found["broken.jpg"]["reason"]
    assert found["broken.jpg"]["width"] == ""
    assert (found["0.jpg"]["reason"], found["0.jpg"]["width"]) == ("", "96")
    assert not list((tmp_path / "out").rglob("*.jpg"))


def test_findings_and_statistics_are_written(tmp_path, dataset):
    found = run(dataset, tmp_path / "out")
    pairs = {(row["source"], row["finding"]) for row in rows(tmp_path / "out/findings.csv")}
    assert {("2.jpg", "duplicate"), ("twice.jpg", "duplicate")} <= pairs
    statistics = json.loads((tmp_path / "out/statistics.json").read_text(encoding="utf-8"))
    assert statistics == found.statistics
    assert (statistics["images"], statistics["failed"]) == (6, 1)


def test_only_new_and_changed_images_are_measured(tmp_path, dataset, picture):
    assert run(dataset, tmp_path / "out").done.images == 6
    tables = {name: (tmp_path / "out" / name).read_bytes() for name in ("metrics.csv",)}
    assert run(dataset, tmp_path / "out").done.images == 0
    for path in dataset.iterdir():
        os.utime(path, ns=(1, 1))
    assert run(dataset, tmp_path / "out").done.images == 0
    assert (tmp_path / "out/metrics.csv").read_bytes() == tables["metrics.csv"]
    picture(9).save(dataset / "1.jpg")
    picture(10).save(dataset / "new.jpg")
    (dataset / "3.jpg").unlink()
    assert run(dataset, tmp_path / "out").done.images == 2
    sources = [row["source"] for row in rows(tmp_path / "out/metrics.csv")]
    assert sources == ["0.jpg", "1.jpg", "2.jpg", "broken.jpg", "new.jpg", "twice.jpg"]


def test_the_tables_are_the_same_with_each_engine(tmp_path, dataset):
    for engine in LOCAL:
        run(dataset, tmp_path / engine, engine)
    for name in ("metrics.csv", "findings.csv", "statistics.json"):
        assert len({(tmp_path / engine / name).read_bytes() for engine in LOCAL}) == 1, name


def test_a_threshold_changes_findings_without_measuring_again(
    tmp_path, dataset, monkeypatch, caplog
):
    with Image.open(dataset / "2.jpg") as image:
        image.save(dataset / "similar.jpg", quality=60)
    run(dataset, tmp_path / "out")
    assert "near-duplicates" not in caplog.text
    for limit in ("MOST_COMPARISONS", "_FEW"):
        monkeypatch.setattr(near_duplicates, limit, -1)
    found = run(dataset, tmp_path / "out", thresholds={"dark": 255, "near_duplicate": 12})
    assert found.done.images == 0
    assert found.findings.counts()["dark"] == 6
    assert "near-duplicates were found only within" in caplog.text


def test_an_unknown_threshold_stops_before_anything_is_measured(tmp_path, dataset):
    with pytest.raises(UserError, match=r"findings\.blured: unknown finding.*'blurred'"):
        run(dataset, tmp_path / "out", thresholds={"blured": 3})
    assert not (tmp_path / "out").exists()


def test_names_that_are_no_text_are_escaped(tmp_path, dataset):
    (dataset / "0.jpg").rename(os.path.join(dataset, "caf\udce9\n.jpg"))
    run(dataset, tmp_path / "out")
    assert rows(tmp_path / "out/metrics.csv")[-2]["source"] == r"caf\udce9\u000a.jpg"


def test_nothing_is_written_through_a_link(tmp_path, dataset):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/inspection").symlink_to("../elsewhere")
    with pytest.raises(UserError, match="inspection' is a link"):
        run(dataset, tmp_path / "out")
    assert not list((tmp_path / "elsewhere").iterdir())
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["inspection"]


@pytest.mark.parametrize("name", WRITTEN)
def test_files_of_somebody_else_are_not_overwritten(tmp_path, dataset, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match=rf"{name}' exists, but no inspection wrote it"):
        run(dataset, tmp_path / "out")
    assert (tmp_path / "out" / name).read_text(encoding="utf-8") == "mine"
