"""In shards, Snakemake runs the jobs of those that changed, and no others; one shard is as none."""

import pytest
from projects import END, SMALL, copied, is_up_to_date, times_below, write_config

from pixelmill.shards import home

SHARDS = 3

SCALE = {"scale": {"shards": SHARDS}}

DIVIDED = {**SMALL, **SCALE}

#: Enough for each shard to have some.
COUNT = 9

TREE = "mine by light with sequential"


def of_shard(number):
    """Messages of the jobs that a shard has of its own."""
    name = f"shard {number}-of-{SHARDS}"
    return [f"Catalog mine, {name}", f"Process {TREE}, {name}"]


GATHER = ["Gather the catalogs of mine", f"Gather the shards of {TREE}"]

AFTER = [f"Verify {TREE}", "Compare the engines on mine by light", *END]


@pytest.fixture(scope="module")
def run_once(new_project, tmp_path_factory, snakemake):
    folder = new_project(tmp_path_factory.mktemp("divided") / "project", DIVIDED, COUNT)
    return folder, snakemake(folder, "all")


@pytest.fixture
def divided(run_once, tmp_path):
    """A copy of a project that was run once, in shards, to change something in."""
    return copied(run_once[0], tmp_path / "project", SHARDS)


def test_from_nothing_each_shard_has_its_jobs(run_once):
    _, ran = run_once
    assert ran.status == 0, ran.text
    shards = [job for number in range(1, SHARDS + 1) for job in of_shard(number)]
    assert ran.jobs == sorted([*shards, *GATHER, *AFTER])
    assert sum(ran.made) == COUNT


def test_every_job_has_its_log_and_its_benchmark(run_once):
    folder, ran = run_once
    assert len(list((folder / "logs").rglob("*.log"))) == len(ran.jobs)
    assert len(list((folder / "benchmarks").rglob("*.tsv"))) == len(ran.jobs)


def test_a_second_run_has_nothing_to_do(divided, snakemake):
    assert is_up_to_date(snakemake(divided, "all"))


def test_a_new_image_reruns_one_catalog_one_shard_and_gathers(divided, snakemake, picture):
    picture(50).save(divided / "pictures/new.jpg")
    ran = snakemake(divided, "all")
    assert ran.status == 0, ran.text
    assert ran.jobs == sorted([*of_shard(home("new.jpg", SHARDS)), *GATHER, *AFTER])
    assert ran.made == [1]


def test_an_image_that_is_gone_concerns_one_shard(divided, snakemake):
    (divided / "pictures/4.jpg").unlink()
    ran = snakemake(divided, "process", "--config", "run={production: sequential}")
    assert set(of_shard(home("4.jpg", SHARDS))) < set(ran.jobs)
    assert ran.made == [0]
    assert not (divided / "results/mine/light/sequential/images/4.jpg").exists()


def test_other_numbers_of_shards_make_no_image_and_end_with_the_same_tables(divided, snakemake):
    images = divided / "results/mine/light/sequential/images"
    before = times_below(images)
    tables = [images.parent / "manifest.csv", divided / "results/mine/catalog.csv"]
    texts = [table.read_bytes() for table in tables]
    for count in (1, SHARDS, 1):
        ran = snakemake(divided, "all", "--config", f"scale={{shards: {count}}}")
        assert ran.status == 0, ran.text
        assert sum(ran.made) == 0
        assert [table.read_bytes() for table in tables] == texts
    assert times_below(images) == before
    left = {path.name for path in images.parent.iterdir()} | {
        path.name for path in (divided / "results/mine").iterdir()
    }
    assert "shards" not in left


def test_a_run_in_more_shards_that_was_given_up_is_not_taken_for_done(divided, snakemake):
    """Its images may be of another recipe: all that the tree said before is to be looked at."""
    given_up = "results/mine/light/sequential/shards/1-of-2/manifest.csv"
    assert snakemake(divided, given_up, "--config", "scale={shards: 2}").status == 0
    ran = snakemake(divided, "all")
    assert ran.status == 0, ran.text
    processed = [job for job in ran.jobs if job.startswith("Process")]
    assert len(processed) == SHARDS
    assert sum(ran.made) == 0


def test_a_broken_image_of_a_shard_is_told_with_those_of_all(divided, snakemake):
    for name in ("x.jpg", "y.jpg", "z.jpg"):
        (divided / "pictures" / name).write_bytes(b"\xff\xd8\xff and no more")
    ran = snakemake(divided, "all", "--config", "failures={max_rate: 0.5}")
    assert ran.status == 0, ran.text
    text = (divided / "results/mine/light/sequential/failures.csv").read_text(encoding="utf-8")
    assert [line.split(",")[0] for line in text.splitlines()[1:]] == ["x.jpg", "y.jpg", "z.jpg"]
    assert "Failed: 3 of 12 images" in ran.text


def test_generated_images_come_in_shards_too(divided, snakemake):
    demo = {"demo": {"generate": {"count": 6, "width": [40, 50], "height": [40, 50]}}}
    config = {**DIVIDED, "datasets": demo, "run": {**SMALL["run"], "datasets": ["demo"]}}
    write_config(divided, config)
    ran = snakemake(divided, "all")
    assert ran.status == 0, ran.text
    assert sum(ran.made) == 6
    assert is_up_to_date(snakemake(divided, "all"))


def test_the_targets_for_looking_work_on_shards(divided, snakemake):
    ran = snakemake(divided, "plan", "verify")
    assert ran.status == 0, ran.text
    assert f"mine/light/sequential: make 0; keep {COUNT}; remove 0" in ran.text
    assert "All is well." in ran.text


def test_clean_removes_what_shards_left(divided, snakemake):
    assert snakemake(divided, "clean").status == 0
    assert not (divided / "results").exists()


@pytest.mark.parametrize("value", ["0", "1001", "2.5", "many"])
def test_a_number_of_shards_that_cannot_be_is_refused_by_its_key(divided, snakemake, value):
    ran = snakemake(divided, "--dry-run", "--config", f"scale={{shards: {value}}}")
    assert ran.status != 0
    assert "config: scale.shards: found" in ran.text


def test_with_one_shard_no_rule_of_shards_is_there(divided, snakemake):
    ran = snakemake(divided, "--list-rules", "--config", "scale={shards: 1}")
    assert "process_seq" in ran.text
    assert "gather" not in ran.text
