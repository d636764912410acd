"""With shards, Snakemake runs only the jobs of changed shards; one shard is the same as none."""

import csv

import pytest

from pixelmill.dataset.shards import shard_of
from tests.helpers.projects import END, SMALL, copied, is_up_to_date, times_below, write_config

pytestmark = pytest.mark.slow

SHARDS = 3

DIVIDED = {**SMALL, "scale": {"shards": SHARDS}}

#: Enough for each shard to have some.
COUNT = 9

TREE = "mine with light on sequential"

#: The table that Snakemake knows a tree by.
MANIFEST = "results/mine/light/sequential/manifest.csv"


def of_shard(number):
    """Messages of the jobs of one shard."""
    name = f"shard {number}-of-{SHARDS}"
    return [f"Catalog mine, {name}", f"Process {TREE}, {name}"]


GATHER = ["Gather the catalogs of mine", f"Gather the shards of {TREE}"]

AFTER = [f"Verify {TREE}", "Compare the engines on mine with light", *END]


@pytest.fixture(scope="module")
def run_once(new_project, tmp_path_factory, snakemake):
    folder = new_project(tmp_path_factory.mktemp("divided") / "project", DIVIDED, COUNT)
    return folder, snakemake(folder, "all")


@pytest.fixture
def divided(run_once, tmp_path):
    """A copy of a project that was run once in shards; a test may change it."""
    return copied(run_once[0], tmp_path / "project", SHARDS)


def test_from_nothing_each_shard_has_its_jobs_and_each_job_its_log_and_benchmark(run_once):
    folder, ran = run_once
    assert ran.status == 0, ran.text
    shards = [job for number in range(1, SHARDS + 1) for job in of_shard(number)]
    assert ran.jobs == sorted([*shards, *GATHER, *AFTER])
    assert sum(ran.made) == COUNT
    assert len(list((folder / "logs").rglob("*.log"))) == len(ran.jobs)
    assert len(list((folder / "benchmarks").rglob("*.tsv"))) == len(ran.jobs)


def test_images_that_come_and_go_concern_their_own_shards(divided, snakemake, picture):
    picture(50).save(divided / "pictures/new.jpg")
    asked = snakemake(divided, "--dry-run", "all")
    assert asked.jobs == sorted([*of_shard(shard_of("new.jpg", SHARDS)), *GATHER, *AFTER])
    (divided / "pictures/4.jpg").unlink()
    for name in ("x.jpg", "y.jpg", "z.jpg"):
        (divided / "pictures" / name).write_bytes(b"\xff\xd8\xff and no more")
    ran = snakemake(divided, "all", "--config", "failures={max_rate: 0.5}")
    assert ran.status == 0, ran.text
    assert sum(ran.made) == 4
    tree = (divided / MANIFEST).parent
    assert (tree / "images/new.jpg").exists()
    assert not (tree / "images/4.jpg").exists()
    text = (tree / "failures.csv").read_text(encoding="utf-8")
    assert [line.split(",")[0] for line in text.splitlines()[1:]] == ["x.jpg", "y.jpg", "z.jpg"]
    assert "Success with failures: 9 of 12 images processed; 3 failed: 3 " in ran.text


def test_a_glob_that_leaves_most_images_out_takes_no_output_of_any_shard(divided, snakemake):
    """The pictures still lie there, and do not count: no shard sees all of them."""
    before = times_below((divided / MANIFEST).parent / "images")
    assert len(before) == COUNT
    left_out = {"mine": {"folder": "pictures", "exclude": ["[0-6].jpg"]}}
    write_config(divided, {**DIVIDED, "datasets": left_out})
    ran = snakemake(divided, "--keep-going", "all")
    assert ran.status != 0
    assert f"7 of {COUNT} images in " in ran.text
    assert "would be removed" in ran.text
    assert times_below((divided / MANIFEST).parent / "images") == before


@pytest.mark.slow
def test_other_numbers_of_shards_make_no_image_and_end_with_the_same_tables(divided, snakemake):
    """Also after an interrupted run in other shards, which may have used another recipe."""
    images = (divided / MANIFEST).parent / "images"
    before = times_below(images)
    tables = tables_of(divided)
    given_up = MANIFEST.replace("manifest", "shards/1-of-2/manifest")
    assert snakemake(divided, given_up, "--config", "scale={shards: 2}").status == 0
    for count in (SHARDS, 1):
        ran = snakemake(divided, MANIFEST, "--config", f"scale={{shards: {count}}}")
        assert ran.status == 0, ran.text
        assert len([job for job in ran.jobs if job.startswith("Process")]) == count
        assert ("Gather" in ran.text) == (count > 1)
        assert sum(ran.made) == 0
        assert tables_of(divided) == tables
    assert times_below(images) == before
    left = {path.name for path in images.parent.iterdir()} | {
        path.name for path in (divided / "results/mine").iterdir()
    }
    assert "shards" not in left


def tables_of(project):
    """Manifest and catalog, without the change times, which differ in copies."""
    with (project / "results/mine/catalog.csv").open(encoding="utf-8", newline="") as file:
        catalog = [{**row, "changed_ns": ""} for row in csv.DictReader(file)]
    return (project / MANIFEST).read_bytes(), catalog


@pytest.mark.slow
def test_generated_images_come_in_shards_too(divided, snakemake):
    demo = {"demo": {"generate": {"count": 6, "width": [40, 50], "height": [40, 50]}}}
    config = {**DIVIDED, "datasets": demo, "run": {**SMALL["run"], "datasets": ["demo"]}}
    write_config(divided, config)
    target = MANIFEST.replace("mine", "demo")
    ran = snakemake(divided, target)
    assert ran.status == 0, ran.text
    assert sum(ran.made) == 6
    assert is_up_to_date(snakemake(divided, "--dry-run", target))


def test_the_read_only_targets_work_with_shards(divided, snakemake):
    ran = snakemake(divided, "plan", "verify")
    assert ran.status == 0, ran.text
    assert ran.jobs == ["Show what would be done, and why", "Verify the existing outputs"]
    assert f"mine/light/sequential: make 0; keep {COUNT}; remove 0" in ran.text
    assert "Success: 1 of 1 output trees verified." in ran.text
