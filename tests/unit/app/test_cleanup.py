"""Cleaning removes what pixelmill made, and nothing else."""

import contextlib
import json
from itertools import product

import pytest

from pixelmill.app.cleanup import clean
from pixelmill.core.errors import TreeError, UserError
from pixelmill.core.filenames import escape
from pixelmill.core.locks import exclusive
from pixelmill.dataset.shards import Shard
from pixelmill.dataset.synthetic import Spec, generate
from pixelmill.imaging.recipe_parser import parse
from tests.helpers.passes import process_folder

CONFIG = {
    "datasets": {"demo": {"generate": {}}, "mine": {"folder": "photos"}},
    "recipes": {"light": {}, "heavy": {}},
    "run": {"datasets": ["mine"], "recipes": ["light"], "engines": [], "production": "auto"},
    "results": "results",
}

#: Everything that pixelmill writes besides images, each in one of its places.
MADE = [
    "resources/demo/.generated.json",
    "resources/demo/.lock",
    "results/demo/generated.json",
    "results/demo/catalog.csv",
    "results/demo/catalog.known.csv",
    "results/demo/shards/1-of-2/catalog.csv",
    "results/demo/shards/1-of-2/catalog.known.csv",
    *(
        f"results/mine/light/{place}/{name}"
        for place, name in product(
            ["auto", "auto/shards/1-of-2"],
            [
                ".lock", ".reserve", ".offspring", ".outputs.json", ".crumbs/1/2", "timing.json",
                "failures.csv", "failures.txt", "ledger.check.json", "ledger.sqlite.version-3-2",
                "ledger.sqlite-journal.damaged", "verification.json", "verification.sqlite",
                "performance.html", "catalog.csv", ".pixelmill-0a-1-2.tmp",
            ],
        )
    ),
    "results/mine/light/auto/images/a/b/.pixelmill-0a-1-2.tmp",
    *(
        f"results/mine/{name}"
        for name in (
            "metrics.csv", "metrics.parquet", "findings.csv", "statistics.json", "inspection.html",
            "selected.csv", "left_out.csv", "splits.csv", "inspection/ledger.sqlite",
            "inspection/.lock", "inspection/failures.csv", "inspection/catalog.csv",
        )
    ),
    "results/mine/light/comparison.json",
    "results/mine/heavy/scaling.json",
    "results/mine/heavy/scaling.unfinished.json",
    "results/mine/light/rivals.unfinished.json",
    *(
        f"results/mine/heavy/packed/{name}"
        for name in (
            "images-000000.tar", "images-000012.parquet", "packed.csv", "packed.json",
            "packed.parquet", ".shards.jsonl", ".packing.jsonl", ".lock", ".upload/record.sqlite",
        )
    ),
    "results/mine/light/auto/.upload/.lock",
    "results/mine/heavy/uploaded.json",
    "logs/mine/light/pack.log",
    "logs/mine/light/upload.log",
    "results/mine/heavy/rivals.json",
    *(
        f"results/report/{name}"
        for name in ("report.html", "report.md", "benchmark.csv", "benchmark.json", "steps.html")
    ),
    "results/report/figures/mine.light.speedup.svg",
    "results/report/figures/.snakemake_timestamp",
    "results/verdict.txt",
    "results/verdict.json",
    "results/.verdict-ok",
    "results/.verdict-process-ok",
    "results/verdict-process.txt",
    "logs/demo/generate.log",
    "logs/demo/light/threads.verify.log",
    "logs/demo/light/threads/1-of-2.log",
    *(f"logs/mine/{job}.log" for job in ("inspect", "select", "split", "shards/1-of-2.catalog")),
    *(f"benchmarks/mine/light/{job}.tsv" for job in ("compare", "scaling", "rivals", "pack")),
    *(f"logs/{job}.log" for job in ("plan", "process", "steps", "verdict", "verify")),
    "logs/report.log",
    "benchmarks/mine/catalog.tsv",
    "benchmarks/report.tsv",
]  # fmt: skip

#: Files of others, also in folders that normally contain only files of pixelmill.
OTHERS = [
    "config.yaml",
    "photos/0.jpg",
    "resources/mine/0.jpg",
    "resources/demo/my_photo.jpg",
    "resources/demo/00000007.txt",
    "resources/demo/00000099.jpg",
    "results/notes.txt",
    "results/mine/light/my_notes.txt",
    "results/mine/light/packed/images.tar",
    "results/mine/other_recipe/sequential/images/0.jpg",
    "results/mine/light/auto/ledger.txt",
    "results/mine/light/auto/my.sqlite",
    "results/mine/light/auto/unclaimed/images/0.jpg",
    "results/mine/light/auto/images/mine/0.jpg",
    "results/mine/light/auto/images/.htaccess",
    "results/mine/light/auto/shards/notes.txt",
    "results/mine/light/auto/shards/1-of-2/0.jpg",
    "results/report/style.css",
    "logs/mine.log",
    "logs/demo/mine.log",
    "benchmarks/demo/light/mine.tsv",
]


def fill(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("{}", encoding="utf-8")


def files_below(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tree(here, photos):
    """An output tree with images, one of them in a sub-folder, and its parent folder."""
    photos(here / "photos/below", 1)
    photos(here / "photos", 3)
    process_folder("photos", "results/mine/light/auto", parse({"steps": []}), "sequential", 1)
    return here / "results/mine/light/auto"


def test_clean_removes_all_that_was_made_and_counts_it(here):
    fill(here, MADE)
    assert clean(CONFIG) == (len(MADE), [])
    assert list(here.iterdir()) == []


def test_clean_keeps_and_reports_files_that_pixelmill_did_not_make(here, tree):
    generate("resources/demo", Spec(count=2), 1)
    fill(here, [*MADE[2:], *OTHERS])
    _, left = clean(CONFIG)
    assert files_below(here) - {"photos/1.jpg", "photos/2.jpg", "photos/below/0.jpg"} == set(OTHERS)
    assert set(left) == {
        name for name in OTHERS if name.count("/") > 1 or name.endswith(".css")
    } - {"resources/mine/0.jpg"}


@pytest.mark.parametrize("lost", [[], ["manifest.csv"], ["ledger.sqlite", "ledger.backup.sqlite"]])
def test_clean_knows_images_by_the_ledger_or_by_the_manifest(here, tree, lost):
    for name in lost:
        (tree / name).unlink()
    clean(CONFIG)
    assert not (here / "results").exists()


def test_clean_knows_images_that_the_manifest_has_and_the_ledger_lacks(here, tree):
    """As after the loss of a ledger whose backup is older."""
    (tree / "images/0.jpg").rename(tree / "images/late.jpg")
    table = (tree / "manifest.csv").read_text(encoding="utf-8")
    (tree / "manifest.csv").write_text(table.replace(",0.jpg,", ",late.jpg,"), "utf-8")
    assert clean(CONFIG)[1] == []
    assert not (here / "results").exists()


def test_clean_knows_images_by_names_that_a_table_escapes(here, tree):
    name = "\u202e0.jpg"
    (tree / "images/0.jpg").rename(tree / "images" / name)
    table = (tree / "manifest.csv").read_text(encoding="utf-8")
    assert escape(name) != name and ",0.jpg," in table
    (tree / "manifest.csv").write_text(table.replace(",0.jpg,", f",{escape(name)},"), "utf-8")
    for name in ("ledger.sqlite", "ledger.backup.sqlite"):
        (tree / name).unlink()
    assert clean(CONFIG)[1] == []
    assert not (here / "results").exists()


@pytest.mark.parametrize("done", [["2-of-2"], ["1-of-2", "2-of-2"], ["1-of-2", "3-of-3"]], ids=str)
def test_clean_knows_images_of_shards_that_were_never_gathered(here, photos, done):
    """As after a run that was stopped, or of which a shard failed."""
    photos(here / "photos", 9)
    recipe = parse({"steps": []})
    for name in done:
        shard = Shard.parse(name)
        process_folder("photos", "results/mine/light/auto", recipe, "sequential", 1, shard=shard)
    assert any((here / "results/mine/light/auto/images").iterdir())
    assert clean(CONFIG)[1] == []
    assert not (here / "results").exists()


def test_clean_keeps_images_that_no_record_lists(here, tree):
    for name in ("manifest.csv", "ledger.sqlite", "ledger.backup.sqlite"):
        (tree / name).unlink()
    _, left = clean(CONFIG)
    assert files_below(tree) == {"images/0.jpg", "images/1.jpg", "images/2.jpg",
                                 "images/below/0.jpg"}  # fmt: skip
    assert len(left) == 4


def test_clean_removes_generated_images_also_of_a_run_that_was_killed(here):
    generate("resources/demo", Spec(count=3), 1)
    (here / "resources/demo/.generated.csv").write_text("name,bytes,sha256\n")
    clean(CONFIG)
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("number", [3, 4, 20260131])
def test_clean_keeps_files_with_numbers_that_were_never_generated(here, number):
    """Numbers begin at 0, so that the last of three images has the number 2."""
    generate("resources/demo", Spec(count=3), 1)
    mine = [f"resources/demo/{number:08d}{suffix}" for suffix in (".jpg", ".png")]
    fill(here, mine)
    clean(CONFIG)
    assert files_below(here) == set(mine)


def test_clean_keeps_a_folder_that_was_not_generated(here):
    """Images of a user in ``resources/demo`` are in no record of generated images."""
    fill(here, ["resources/demo/00000000.jpg"])
    assert clean(CONFIG) == (0, [])


@pytest.mark.parametrize("hostile", ["../../../../photos/0.jpg", "/etc/passwd"])
def test_no_table_makes_clean_remove_files_elsewhere(here, tree, hostile):
    table = (tree / "manifest.csv").read_text()
    (tree / "manifest.csv").write_text(table.replace(",0.jpg,", f",{hostile},"))
    clean(CONFIG)
    assert (here / "photos/0.jpg").exists()


@pytest.mark.parametrize("place", ["threads", "auto/images/link", "auto/shards"])
def test_clean_follows_no_link_and_keeps_it(here, tree, place):
    link = here / "results/mine/light" / place
    fill(here, ["elsewhere/ledger.sqlite", "elsewhere/0.jpg"])
    link.symlink_to(here / "elsewhere")
    clean(CONFIG)
    assert len(files_below(here / "elsewhere")) == 2
    assert link.is_symlink()


@pytest.mark.parametrize(
    "folder", ["results/mine", "results/mine/light", "resources/demo", "logs", "logs/mine"]
)
def test_clean_removes_nothing_through_a_link_below_the_results(here, tree, folder):
    generate("resources/demo", Spec(count=2), 1)
    fill(here, ["logs/mine/catalog.log"])
    (here / folder).rename(here / "elsewhere")
    (here / folder).symlink_to(here / "elsewhere")
    before = files_below(here / "elsewhere")
    with contextlib.suppress(TreeError):
        clean(CONFIG)
    assert files_below(here / "elsewhere") == before


def test_clean_follows_results_that_are_a_link_and_keeps_the_link(here, tree):
    (here / "results").rename(here / "scratch")
    (here / "results").symlink_to("scratch")
    clean(CONFIG)
    assert list((here / "results").iterdir()) == []


def test_clean_does_not_wait_for_a_run_and_removes_nothing_of_it(here, tree, monkeypatch):
    monkeypatch.setattr("pixelmill.core.locks.LOCK_PATIENCE", 0)
    before = files_below(tree)
    with exclusive(tree), pytest.raises(UserError, match="Another run"):
        clean(CONFIG)
    assert files_below(tree) == before


def test_clean_twice_finds_nothing_more(here):
    fill(here, MADE)
    clean(CONFIG)
    assert clean(CONFIG) == (0, [])


def test_the_script_reports_what_it_kept(here, tree, script):
    others = [f"results/mine/light/auto/images/{name}.txt" for name in ("a", "b", "c")]
    fill(here, others)
    done = script("clean.py", "--config", json.dumps(CONFIG), cwd=here)
    assert done.status == 0
    assert f"WARNING: Kept '{others[0]}' and 2 more, which this config did not make." in done.text


def test_clean_leaves_the_folder_that_holds_the_results(here):
    fill(here, ["scratch/out/report/report.html"])
    clean({**CONFIG, "results": str(here / "scratch/out")})
    assert (here / "scratch").exists()
