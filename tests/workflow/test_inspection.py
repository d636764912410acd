"""The images of datasets are inspected, selected and split as the config says."""

import csv
import json

import pytest

from pixelmill.core.schemas import check
from tests.helpers.projects import SMALL, is_up_to_date, write_config

pytestmark = pytest.mark.slow


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def project(new_project, tmp_path):
    """Function that makes a project whose dataset has two copies, with keys of the dataset."""

    def make(**keys):
        dataset = {"folder": "pictures", **keys}
        folder = tmp_path / "project"
        new_project(folder, {**SMALL, "datasets": {"mine": dataset}})
        copy = (folder / "pictures/1.jpg").read_bytes()
        (folder / "pictures/copy.jpg").write_bytes(copy)
        return folder

    return make


def test_an_inspection_writes_no_image_and_its_page_tells_what_is_odd(snakemake, project):
    folder = project()
    done = snakemake(folder, "inspect")
    assert done.jobs == ["Catalog mine", "Inspect the images of mine"]
    results = folder / "results/mine"
    assert not list(results.rglob("*.jpg"))
    found = {(row["source"], row["finding"]) for row in rows(results / "findings.csv")}
    assert {("1.jpg", "duplicate"), ("copy.jpg", "duplicate")} <= found
    assert "copy.jpg" in (results / "inspection.html").read_text(encoding="utf-8")
    assert is_up_to_date(snakemake(folder, "inspect"))


def test_only_selected_images_are_processed_and_the_plan_says_so(snakemake, project):
    folder = project(on_duplicate="first", select="width < 1000")
    done = snakemake(folder, "process")
    assert done.status == 0, done.text
    results = folder / "results/mine"
    assert [row["source"] for row in rows(results / "left_out.csv")] == ["copy.jpg"]
    assert not (results / "light/auto/images/copy.jpg").exists()
    assert is_up_to_date(snakemake(folder, "process"))
    assert "1 image is left out" in snakemake(folder, "plan").text
    assert snakemake(folder, "verify").status == 0


def test_only_listed_images_are_processed_and_a_changed_list_changes_nothing_else(
    snakemake, project
):
    folder = project(list="train.txt")
    listed = folder / "train.txt"
    listed.write_text("0.jpg\n2.jpg\n3.jpg\n4.jpg\ngone.jpg\n", encoding="utf-8")
    done = snakemake(folder, "process")
    assert done.status == 0, done.text
    assert "Select images of mine" in done.jobs
    assert "Inspect the images of mine" not in done.jobs
    assert "'gone.jpg' (line 5) does not exist" in done.text
    images = folder / "results/mine/light/auto/images"
    assert sorted(path.name for path in images.iterdir()) == ["0.jpg", "2.jpg", "3.jpg", "4.jpg"]
    listed.touch()
    assert is_up_to_date(snakemake(folder, "process"))

    listed.write_text("0.jpg\n1.jpg\n2.jpg\n3.jpg\n", encoding="utf-8")
    assert "5 images are left out, because 'train.txt'" in snakemake(folder, "plan").text
    kept = (images / "0.jpg").stat()
    done = snakemake(folder, "process")
    assert "Select images of mine" in done.jobs
    assert "Catalog mine" not in done.jobs
    assert "make 1: 1 new; keep 3; remove 1" in done.text
    assert sorted(path.name for path in images.iterdir()) == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    assert (images / "0.jpg").stat().st_mtime_ns == kept.st_mtime_ns
    assert snakemake(folder, "verify").status == 0

    listed.write_text("0.jpg\n", encoding="utf-8")
    done = snakemake(folder, "process")
    assert done.status != 0
    assert "3 of 4 images in 'results/mine/light/auto' are gone or left out" in done.text
    assert len(list(images.iterdir())) == 4


def test_outputs_are_named_after_a_list(snakemake, project):
    folder = project(list={"file": "shop.csv", "names": "sku"})
    (folder / "shop.csv").write_text("path,sku\n0.jpg,shoes/a\n1.jpg,b\n2.jpg,\n")
    done = snakemake(folder, "process")
    assert done.status == 0, done.text
    images = folder / "results/mine/light/auto/images"
    made = {path.relative_to(images).as_posix() for path in images.rglob("*.*")}
    assert made == {"shoes/a.jpg", "b.jpg", "2.jpg"}
    assert is_up_to_date(snakemake(folder, "process"))
    (folder / "shop.csv").write_text("path,sku\n0.jpg,b\n1.jpg,c\n2.jpg,\n")
    assert "make 2: 2 name changed; keep 1" in snakemake(folder, "plan").text
    assert snakemake(folder, "process").status == 0
    assert sorted(path.name for path in images.iterdir()) == ["2.jpg", "b.jpg", "c.jpg"]
    assert snakemake(folder, "verify").status == 0


def test_a_part_of_a_split_is_processed(snakemake, project):
    folder = project(
        split={"ratios": {"train": 0.5, "test": 0.5}},
        list={"file": "results/mine/splits.csv", "where": {"split": "train"}},
        select="width < 1000",
    )
    done = snakemake(folder, "process")
    assert done.status == 0, done.text
    parts = {row["source"]: row["split"] for row in rows(folder / "results/mine/splits.csv")}
    images = folder / "results/mine/light/auto/images"
    made = {path.name for path in images.iterdir()}
    assert made == {source for source, part in parts.items() if part == "train"}
    assert is_up_to_date(snakemake(folder, "process"))


def test_a_split_stays_when_images_are_added(snakemake, project, photos):
    folder = project(split={"ratios": {"train": 0.5, "test": 0.5}})
    assert snakemake(folder, "inspect").status == 0
    table = folder / "results/mine/splits.csv"
    before = {row["source"]: row["split"] for row in rows(table)}
    photos(folder / "pictures", 20)
    assert snakemake(folder, "inspect").status == 0
    after = {row["source"]: row["split"] for row in rows(table)}
    assert after.items() >= before.items() and len(after) == 21


def test_metrics_in_the_config_add_the_page_to_the_everyday_target(snakemake, project):
    folder = project()
    write_config(folder, {**SMALL, "metrics": True})
    assert "Inspect the images of mine" in snakemake(folder, "process").jobs


def test_with_metrics_the_report_tells_what_was_found(snakemake, project):
    folder = project()
    write_config(folder, {**SMALL, "datasets": {"mine": {"folder": "pictures"}}, "metrics": True})
    done = snakemake(folder, "report")
    assert done.status == 0, done.text
    report = json.loads((folder / "results/report/benchmark.json").read_text(encoding="utf-8"))
    check(report, "benchmark", "benchmark.json")
    (found,) = report["inspected"]
    assert found["findings"][0]["name"] == "duplicate"
    page = (folder / "results/report/report.html").read_text(encoding="utf-8")
    assert 'href="../mine/inspection.html"' in page
    assert is_up_to_date(snakemake(folder, "report"))


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"select": "sharpnes > 3"}, "datasets.mine.select: "),
        ({"split": {"ratios": {"train": 0.5}}}, "datasets.mine.split.ratios: the sum is 0.5"),
    ],
)
def test_a_mistake_is_told_before_any_job(snakemake, project, keys, told):
    done = snakemake(project(**keys), "process")
    assert done.status != 0 and done.jobs == []
    assert told in done.text
