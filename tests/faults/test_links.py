"""Nothing is written, renamed or removed through a link, or at a path outside the tree."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from PIL import Image

from pixelmill.app.config import complete
from pixelmill.app.workflow_setup import check_links
from pixelmill.core.errors import TreeError, UserError
from pixelmill.dataset import catalog, catalog_table
from pixelmill.dataset.shards import Shard
from pixelmill.engines.registry import LOCAL
from pixelmill.imaging.recipe_parser import parse
from pixelmill.verification.verify import verify
from tests.helpers.passes import process_folder
from tests.helpers.places import COUNT, FOLDERS, OTHER, RENAMED, SMALL, VARIANTS, Place, content

pytestmark = pytest.mark.skipif(os.name == "nt", reason="making links needs a privilege there")


def changes(place):
    """All changes that make a pass write, rename and remove, at once."""
    (place.source / "sub/0.jpg").unlink()
    (place.source / "sub/deep/0.jpg").unlink()
    (place.source / "sub/1.jpg").write_bytes(b"no image any more")
    Image.new("RGB", (9, 9)).save(place.source / "sub/new.jpg")
    (place.source / "more").mkdir()
    Image.new("RGB", (9, 9)).save(place.source / "more/new.jpg")


#: What may be replaced by a link to a folder of originals.
LINKED = ["images", "images/sub", "images/sub/deep", "images/more"]


@pytest.mark.parametrize(
    ("linked", "recipe"),
    [(LINKED[0], SMALL), (LINKED[0], VARIANTS), (LINKED[1], OTHER), (LINKED[1], VARIANTS),
     (LINKED[2], RENAMED), (LINKED[2], SMALL), (LINKED[3], VARIANTS), (LINKED[3], RENAMED)],
)  # fmt: skip
def test_an_output_folder_that_is_a_link_stops_the_pass(place, linked, recipe):
    changes(place)
    shutil.rmtree(place.tree / linked, ignore_errors=True)
    (place.tree / linked).symlink_to(place.originals)
    if recipe is VARIANTS and linked != "images":
        (place.images / "a").mkdir()
        (place.images / "a" / linked.removeprefix("images/")).parent.mkdir(exist_ok=True)
        (place.images / "a" / linked.removeprefix("images/")).symlink_to(place.originals)
    with pytest.raises(TreeError, match="is a link"):
        place.process(recipe)


@pytest.mark.parametrize("engine", LOCAL)
def test_workers_refuse_a_link_and_the_pass_stops_with_a_sentence(place, engine):
    """No output below the link is known, so that only the workers can find it."""
    (place.source / "sub").rename(place.source.parent / "later")
    shutil.rmtree(place.tree)
    place.process()
    (place.source.parent / "later").rename(place.source / "sub")
    (place.images / "sub").symlink_to(place.originals)
    with pytest.raises(UserError, match=r"images/sub' is a link"):
        place.process(engine=engine)


@pytest.mark.parametrize("level", ["image", "folder"])
def test_the_source_itself_is_not_overwritten_through_a_link(place, level):
    before = content(place.source)
    if level == "folder":
        shutil.rmtree(place.images / "sub")
        (place.images / "sub").symlink_to(place.source / "sub")
        with pytest.raises(TreeError):
            place.process(OTHER)
    else:
        (place.images / "sub/0.jpg").unlink()
        (place.images / "sub/0.jpg").symlink_to(place.source / "sub/0.jpg")
        place.process(OTHER)
        assert not (place.images / "sub/0.jpg").is_symlink()
    assert content(place.source) == before


def test_folders_that_the_user_names_may_be_links(place, tmp_path):
    (tmp_path / "links").mkdir()
    for name in ("in", "out"):
        (tmp_path / "links" / name).symlink_to(tmp_path / "place" / name)
    source, target = str(tmp_path / "links/in"), str(tmp_path / "links/out")
    done = process_folder(source, target, OTHER, "sequential", 1)
    assert (done.images, done.failed) == (COUNT * len(FOLDERS), 0)


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to], ids=["symbolic", "hard"])
def test_files_of_the_tree_that_are_links_are_replaced_and_not_written_through(place, link):
    names = (".reserve", "manifest.csv", "timing.json", "failures.csv", "failures.txt",
             ".pixelmill-0-0-0.tmp")  # fmt: skip
    for name in names:
        (place.tree / name).unlink(missing_ok=True)
        link(place.tree / name, place.originals / "x.csv")
    place.process(OTHER)
    for path in map(place.tree.joinpath, names):
        assert not path.is_symlink(), path
        assert not path.exists() or path.stat().st_nlink == 1, path


def test_a_lock_that_is_a_link_is_refused(place):
    (place.tree / ".lock").unlink()
    (place.tree / ".lock").symlink_to(place.originals / "nothing")
    with pytest.raises(TreeError, match="is a link"):
        place.process()
    assert not (place.originals / "nothing").exists()


@pytest.mark.parametrize("engine", ["sequential", "processes"])
def test_a_link_in_place_of_the_breadcrumbs_is_removed(place, engine):
    (place.tree / ".crumbs").symlink_to(place.originals / ".crumbs")
    place.process(OTHER, engine)
    assert not os.path.lexists(place.tree / ".crumbs")


@pytest.mark.parametrize("folder", ["shards", "shards/1-of-2"])
def test_a_shard_state_that_is_a_link_is_refused(place, folder):
    place.process(shard=Shard(1, 2))
    shutil.rmtree(place.tree / folder)
    (place.tree / folder).symlink_to(place.originals)
    for shard in (Shard(1, 2), Shard(2, 2), Shard(1, 1)):
        with pytest.raises(TreeError, match="is a link"):
            place.process(OTHER, shard=shard)


PATHS_OUT = ["{originals}/0.jpg", "../../originals/0.jpg", "sub/../../../originals/1.jpg", ".."]


@pytest.mark.parametrize(("path", "gone"), zip(PATHS_OUT, [False, True, True, False], strict=True))
def test_an_output_of_the_ledger_outside_the_tree_is_not_touched(place, path, gone):
    path = path.format(originals=place.originals)
    with sqlite3.connect(place.tree / "ledger.sqlite") as database:
        database.execute("UPDATE images SET output = ? WHERE source = '0.jpg'", (path,))
    database.close()
    if gone:
        (place.source / "0.jpg").unlink()
    try:
        place.process()
    except TreeError as error:
        assert "leads out of" in str(error)


@pytest.mark.parametrize("path", ["../x.jpg", "{originals}/0.jpg", "sub/../../x.jpg"])
def test_a_source_of_the_catalog_that_leads_out_is_refused(place, path, tmp_path):
    table = tmp_path / "catalog.csv"
    entries = catalog.scan(str(place.source))[0].entries
    first = entries[0]._replace(path=path.format(originals=place.originals))
    catalog_table.write(str(table), [first])
    (place.source.parent / "x.jpg").write_bytes((place.source / "0.jpg").read_bytes())
    shutil.rmtree(place.tree)
    with pytest.raises(UserError, match="leads out of the folder of images"):
        place.process(catalog=str(table))
    assert not (place.tree / "x.jpg").exists()


def test_a_hard_link_to_an_output_keeps_its_bytes_and_time(place):
    """As in a backup with ``cp -al``."""
    backup = place.tree.parent / "backup"
    shutil.copytree(place.images, backup, copy_function=os.link)
    before = content(backup)
    for path in place.source.rglob("*.jpg"):
        os.utime(path, ns=(10**18, 10**18))
    keeping = parse({**SMALL.as_data(), "keep_mtime": True})
    place.process(keeping)
    os.utime(place.source / "0.jpg", ns=(2 * 10**18, 2 * 10**18))
    shutil.rmtree(backup)
    shutil.copytree(place.images, backup, copy_function=os.link)
    before = content(backup)
    place.process(keeping)
    assert content(backup) == before
    assert (place.images / "0.jpg").stat().st_mtime_ns == 2 * 10**18


def test_checks_do_not_follow_links(place):
    entries = list(catalog.scan(str(place.source))[0].entries)
    (place.images).rename(place.tree / "away")
    place.images.symlink_to(place.tree / "away")
    with pytest.raises(TreeError, match="is a link"):
        verify(str(place.source), str(place.tree), SMALL.as_data(), entries, 1, confined=False)


def test_the_cache_of_passed_outputs_is_not_written_through_a_link(place):
    entries = list(catalog.scan(str(place.source))[0].entries)
    (place.tree / "verification.sqlite").symlink_to(place.originals / "ledger.sqlite")
    (place.tree / "verification.sqlite-journal").symlink_to(place.originals / "x.csv")
    assert verify(str(place.source), str(place.tree), SMALL.as_data(), entries, 1, confined=False)[
        "passed"
    ]


@pytest.mark.parametrize("catalogued", [False, True])
def test_files_of_others_in_a_new_results_folder_are_kept(tmp_path, photos, catalogued):
    place = Place(tmp_path)
    photos(place.source, COUNT, (40, 30))
    foreign = {"images/0.jpg": b"mine", "images/sub/notes": b"mine", "manifest.csv": b"mine",
               "timing.json": b"mine", "notes.txt": b"mine"}  # fmt: skip
    for name, data in foreign.items():
        (place.tree / name).parent.mkdir(parents=True, exist_ok=True)
        (place.tree / name).write_bytes(data)
    if catalogued:
        catalog_table.refresh(str(place.tree / "catalog.csv"), str(place.source))
    place.process()
    assert set(place.outputs()) == {f"{number}.jpg" for number in range(COUNT)}
    found = {path.relative_to(place.tree).as_posix() for path in place.tree.rglob("*")
             if path.is_file() and path.read_bytes() == b"mine"}  # fmt: skip
    assert found == {"notes.txt", *(f"unclaimed/{name}" for name in foreign if name != "notes.txt")}
    assert place.process().images == 0


# What Snakemake writes to, and clean removes


def config(**changes):
    data = {"datasets": {"demo": {"generate": {"count": 2}}}, "run": {"recipes": ["light"]}}
    return complete({**data, **changes})


ABOVE = ["results/demo", "results/demo/light", "results/demo/light/threads", "results/report",
         "results/demo/light/threads/shards", "results/demo/shards/1-of-2",
         "results/demo/light/packed",
         "results/report/figures", "resources", "resources/demo", "logs", "logs/demo",
         "logs/demo/light", "benchmarks", "benchmarks/demo/light"]  # fmt: skip


@pytest.mark.parametrize("folder", ABOVE)
def test_links_below_the_working_folder_are_refused_before_a_job_starts(
    tmp_path, monkeypatch, folder
):
    monkeypatch.chdir(tmp_path)
    check_links(config())
    (tmp_path / "originals").mkdir()
    (tmp_path / folder).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / folder).symlink_to(tmp_path / "originals")
    with pytest.raises(TreeError, match=f"{folder}' is a link"):
        check_links(config())


@pytest.mark.parametrize("top", ["logs", "benchmarks"])
def test_a_jobs_file_that_is_a_link_is_refused_and_a_hard_link_is_cut(tmp_path, monkeypatch, top):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "original").write_bytes(b"original")
    (tmp_path / top / "demo").mkdir(parents=True)
    (tmp_path / top / "demo/a.tsv").hardlink_to(tmp_path / "original")
    check_links(config())
    assert list((tmp_path / top / "demo").iterdir()) == []
    (tmp_path / top / "demo/a.tsv").symlink_to(tmp_path / "original")
    with pytest.raises(TreeError, match=r"a\.tsv' is a link"):
        check_links(config())
    assert (tmp_path / "original").read_bytes() == b"original"


def test_results_may_be_a_link(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scratch/demo/light").mkdir(parents=True)
    (tmp_path / "results").symlink_to(tmp_path / "scratch")
    check_links(config())
