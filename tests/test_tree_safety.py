"""Nothing is changed outside the output tree, and no fault of a source costs an output."""

import csv
import os
import shutil
import sqlite3

import pytest
from PIL import Image

from pixelmill import catalog
from pixelmill.config import complete
from pixelmill.errors import TreeError, UserError
from pixelmill.layout import Layout
from pixelmill.policy import Policy
from pixelmill.process import process_folder
from pixelmill.recipe import parse
from pixelmill.sandbox import Sandbox
from pixelmill.shards import Shard
from pixelmill.verification import verify
from pixelmill.wiring import check_links

pytestmark = pytest.mark.skipif(os.name == "nt", reason="making links needs a privilege there")

SMALL = parse({"steps": [{"resize": {"width": 16, "height": 16}}], "output": {"format": "jpeg"}})
OTHER = parse({"steps": [{"resize": {"width": 24, "height": 24}}], "output": {"format": "jpeg"}})
RENAMED = parse({"steps": [{"resize": {"width": 16, "height": 16}}], "output": {"format": "png"}})
VARIANTS = parse({"outputs": [{"name": "a", "format": "png"}, {"name": "b", "format": "jpeg"}]})

#: Own steps of these tests reach outside on purpose.
FREE = Policy(sandbox=Sandbox(on=False))

FOLDERS = ("", "sub/", "sub/deep/")
COUNT = 4


def content(folder):
    """Everything below a folder: names, kinds, bytes and times of files."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class Place:
    """Sources, an output tree that is complete, and originals that lie elsewhere."""

    def __init__(self, root):
        self.source, self.tree, self.originals = root / "in", root / "out", root / "originals"
        self.images = self.tree / "images"

    def process(self, recipe=SMALL, engine="sequential", **options):
        source, target = str(self.source), str(self.tree)
        options.setdefault("policy", FREE)
        return process_folder(source, target, recipe, engine, 2, **options)

    def rows(self):
        with (self.tree / "manifest.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def outputs(self):
        return content(self.images)


@pytest.fixture(scope="module")
def complete_place(tmp_path_factory, photos):
    root = tmp_path_factory.mktemp("place")
    for folder in FOLDERS:
        photos(root / "in" / folder, COUNT, (40, 30))
    Place(root).process()
    return root


@pytest.fixture
def place(complete_place, tmp_path, photos):
    shutil.copytree(complete_place, tmp_path / "place", symlinks=True)
    made = Place(tmp_path / "place")
    # The names are those of outputs, and of all that a tree holds.
    for folder in ("", *FOLDERS, "images/", "images/sub/"):
        photos(made.originals / folder, COUNT, (200, 150))
    for name in ("ledger.sqlite", "manifest.csv", ".lock", ".reserve", "x.csv", ".crumbs/1-1"):
        (made.originals / name).parent.mkdir(exist_ok=True)
        (made.originals / name).write_bytes(b"an original")
    before = content(made.originals)
    yield made
    assert content(made.originals) == before


def changes(place):
    """What a pass may find that makes it write, rename and remove: all at once."""
    (place.source / "sub/0.jpg").unlink()
    (place.source / "sub/deep/0.jpg").unlink()
    (place.source / "sub/1.jpg").write_bytes(b"no image any more")
    Image.new("RGB", (9, 9)).save(place.source / "sub/new.jpg")
    (place.source / "more").mkdir()
    Image.new("RGB", (9, 9)).save(place.source / "more/new.jpg")


#: What may be replaced by a link to a folder of originals.
LINKED = ["images", "images/sub", "images/sub/deep", "images/more"]


@pytest.mark.parametrize("recipe", [SMALL, OTHER, RENAMED, VARIANTS],
                         ids=["same", "other", "renamed", "variants"])  # fmt: skip
@pytest.mark.parametrize("linked", LINKED)
def test_a_link_in_the_place_of_a_folder_of_outputs_stops_the_pass(place, linked, recipe):
    changes(place)
    shutil.rmtree(place.tree / linked, ignore_errors=True)
    (place.tree / linked).symlink_to(place.originals)
    if recipe is VARIANTS and linked != "images":
        (place.images / "a").mkdir()
        (place.images / "a" / linked.removeprefix("images/")).parent.mkdir(exist_ok=True)
        (place.images / "a" / linked.removeprefix("images/")).symlink_to(place.originals)
    with pytest.raises(TreeError, match="is a link"):
        place.process(recipe)


@pytest.mark.parametrize("engine", ["sequential", "threads", "processes", "futures"])
def test_workers_refuse_a_link_and_the_pass_stops_with_a_sentence(place, engine):
    """No output below it is known, so that only the workers can find the link."""
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


def test_folders_that_the_user_names_may_lie_behind_links(place, tmp_path):
    (tmp_path / "links").mkdir()
    for name in ("in", "out"):
        (tmp_path / "links" / name).symlink_to(tmp_path / "place" / name)
    source, target = str(tmp_path / "links/in"), str(tmp_path / "links/out")
    done = process_folder(source, target, OTHER, "sequential", 1)
    assert (done.images, done.failed) == (COUNT * len(FOLDERS), 0)


@pytest.mark.parametrize("name", [".reserve", "manifest.csv", "timing.json", "failures.csv",
                                  "failures.txt", ".pixelmill-0-0-0.tmp"])  # fmt: skip
@pytest.mark.parametrize("hard", [False, True], ids=["symbolic", "hard"])
def test_a_file_of_the_tree_that_is_a_link_is_replaced_and_not_written_through(place, name, hard):
    (place.tree / name).unlink(missing_ok=True)
    if hard:
        (place.tree / name).hardlink_to(place.originals / "x.csv")
    else:
        (place.tree / name).symlink_to(place.originals / "x.csv")
    place.process(OTHER)
    assert not (place.tree / name).is_symlink()
    state = place.tree / name
    assert not state.exists() or state.stat().st_nlink == 1


def test_a_lock_that_is_a_link_is_refused(place):
    (place.tree / ".lock").unlink()
    (place.tree / ".lock").symlink_to(place.originals / "nothing")
    with pytest.raises(TreeError, match="is a link"):
        place.process()
    assert not (place.originals / "nothing").exists()


@pytest.mark.parametrize("engine", ["sequential", "processes"])
def test_a_link_in_the_place_of_the_breadcrumbs_is_removed(place, engine):
    (place.tree / ".crumbs").symlink_to(place.originals / ".crumbs")
    place.process(OTHER, engine)
    assert not os.path.lexists(place.tree / ".crumbs")


@pytest.mark.parametrize("folder", ["shards", "shards/1-of-2"])
def test_a_link_in_the_place_of_a_shards_state_is_refused(place, folder):
    place.process(shard=Shard(1, 2))
    shutil.rmtree(place.tree / folder)
    (place.tree / folder).symlink_to(place.originals)
    for shard in (Shard(1, 2), Shard(2, 2), Shard(1, 1)):
        with pytest.raises(TreeError, match="is a link"):
            place.process(OTHER, shard=shard)


PATHS_OUT = ["{originals}/0.jpg", "../../originals/0.jpg", "sub/../../../originals/1.jpg", ".."]


@pytest.mark.parametrize("path", PATHS_OUT)
@pytest.mark.parametrize("gone", [False, True], ids=["kept", "gone"])
def test_an_output_of_the_ledger_that_leads_out_harms_nothing(place, path, gone):
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
    catalog.write(str(table), [first])
    (place.source.parent / "x.jpg").write_bytes((place.source / "0.jpg").read_bytes())
    shutil.rmtree(place.tree)
    with pytest.raises(UserError, match="leads out of the folder of images"):
        place.process(catalog=str(table))
    assert not (place.tree / "x.jpg").exists()


def test_a_hard_link_to_an_output_keeps_its_bytes_and_time(place):
    """As in a backup by ``cp -al``."""
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


def test_checks_do_not_look_at_what_lies_behind_a_link(place):
    entries = list(catalog.scan(str(place.source))[0].entries)
    (place.images).rename(place.tree / "away")
    place.images.symlink_to(place.tree / "away")
    with pytest.raises(TreeError, match="is a link"):
        verify(str(place.source), str(place.tree), SMALL.as_data(), entries, 1)


def test_what_passed_is_not_noted_through_a_link(place):
    entries = list(catalog.scan(str(place.source))[0].entries)
    (place.tree / "verification.sqlite").symlink_to(place.originals / "ledger.sqlite")
    (place.tree / "verification.sqlite-journal").symlink_to(place.originals / "x.csv")
    assert verify(str(place.source), str(place.tree), SMALL.as_data(), entries, 1)["passed"]


@pytest.mark.parametrize("catalogued", [False, True])
def test_files_of_somebody_else_in_a_new_results_folder_are_kept(tmp_path, photos, catalogued):
    place = Place(tmp_path)
    photos(place.source, COUNT, (40, 30))
    foreign = {"images/0.jpg": b"mine", "images/sub/notes": b"mine", "manifest.csv": b"mine",
               "timing.json": b"mine", "notes.txt": b"mine"}  # fmt: skip
    for name, data in foreign.items():
        (place.tree / name).parent.mkdir(parents=True, exist_ok=True)
        (place.tree / name).write_bytes(data)
    if catalogued:
        catalog.refresh(str(place.tree / "catalog.csv"), str(place.source))
    place.process()
    assert set(place.outputs()) == {f"{number}.jpg" for number in range(COUNT)}
    found = {path.relative_to(place.tree).as_posix() for path in place.tree.rglob("*")
             if path.is_file() and path.read_bytes() == b"mine"}  # fmt: skip
    assert found == {"notes.txt", *(f"unclaimed/{name}" for name in foreign if name != "notes.txt")}
    assert place.process().images == 0


# The sources go away


def unmount(place):
    place.source.rename(place.source.with_name("away"))


def empty(place):
    """A mount point after its disk is gone: there, and empty."""
    unmount(place)
    place.source.mkdir()


def lose_most(place):
    for path in list(place.source.rglob("*.jpg"))[:-2]:
        path.unlink()


GOING = {"unmounted": unmount, "emptied": empty, "most of it lost": lose_most}


@pytest.mark.parametrize("recipe", [OTHER, RENAMED, VARIANTS], ids=["other", "renamed", "variants"])
@pytest.mark.parametrize("going", GOING)
def test_a_source_that_goes_away_before_the_first_image_costs_no_output(place, going, recipe):
    table = place.source.parent / "catalog.csv"
    catalog.write(str(table), catalog.scan(str(place.source))[0].entries)
    before = place.outputs()
    GOING[going](place)
    with pytest.raises(UserError, match=r"removed or unmounted|vanished"):
        place.process(recipe, catalog=str(table))
    standing = place.outputs()
    assert before.items() <= standing.items() or going == "most of it lost"
    assert len(standing) >= len(before)


STEP = """
import os, pathlib
from PIL import Image
SOURCE = pathlib.Path({source!r})
def step(image):
    with open({counter!r}, "ab") as file:
        file.write(b".")
        if file.tell() == {moment}:
            SOURCE.rename(SOURCE.with_name("away"))
            if {empty}:
                SOURCE.mkdir()
    return image
"""


@pytest.mark.parametrize("renamed", [False, True], ids=["same names", "other names"])
@pytest.mark.parametrize("is_empty", [False, True], ids=["gone", "empty"])
@pytest.mark.parametrize("moment", range(1, 11))
def test_a_disk_that_unmounts_in_the_middle_of_a_pass_costs_no_output(
    place, tmp_path, moment, is_empty, renamed
):
    before = set(place.outputs())
    text = STEP.format(source=str(place.source), counter=str(tmp_path / "counter"),
                       moment=moment, empty=is_empty)  # fmt: skip
    (tmp_path / "away.py").write_text(text)
    steps = [{"call": {"function": "away:step"}}]
    output = {"format": "png" if renamed else "jpeg"}
    recipe = parse({"steps": steps, "output": output}, folder=str(tmp_path))
    with pytest.raises(UserError, match=r"unmounted during the run|vanished"):
        place.process(recipe)
    stems = {os.path.splitext(path)[0] for path in place.outputs()}
    assert {os.path.splitext(path)[0] for path in before} <= stems
    shutil.rmtree(place.source, ignore_errors=True)
    place.source.with_name("away").rename(place.source)
    assert place.process(OTHER).failed == 0
    assert set(place.outputs()) == before
    assert {row["status"] for row in place.rows()} == {"ok"}


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs permissions of Unix")
@pytest.mark.parametrize("why", ["vanished", "unreadable"])
@pytest.mark.parametrize("recipe", [OTHER, RENAMED], ids=["same name", "other name"])
def test_one_source_that_cannot_be_read_keeps_its_earlier_output_and_is_told(place, why, recipe):
    table = place.source.parent / "catalog.csv"
    catalog.write(str(table), catalog.scan(str(place.source))[0].entries)
    before = place.outputs()["sub/1.jpg"]
    (place.source / "sub/1.jpg").rename(place.source / "sub/kept")
    if why == "unreadable":
        (place.source / "sub/1.jpg").mkdir()
    assert place.process(recipe, catalog=str(table)).failed == 1
    assert place.outputs()["sub/1.jpg"] == before
    (row,) = [row for row in place.rows() if row["source"] == "sub/1.jpg"]
    assert (row["status"], row["reason"], row["output"]) == ("failed", why, "sub/1.jpg")
    entries = list(catalog.read(str(table)))
    checks = verify(str(place.source), str(place.tree), recipe.as_data(), entries, 1)
    assert checks["passed"], checks
    if why == "unreadable":
        (place.source / "sub/1.jpg").rmdir()
    (place.source / "sub/kept").rename(place.source / "sub/1.jpg")
    assert place.process(recipe, catalog=str(table)).images == 1
    names = {os.path.splitext(name)[1] for name in place.outputs()}
    assert names == {".png" if recipe is RENAMED else ".jpg"}


def test_a_source_that_is_gone_at_the_next_pass_takes_its_kept_output_with_it(place):
    table = place.source.parent / "catalog.csv"
    catalog.write(str(table), catalog.scan(str(place.source))[0].entries)
    (place.source / "0.jpg").unlink()
    place.process(RENAMED, catalog=str(table))
    assert "0.jpg" in place.outputs()
    place.process(RENAMED)
    assert not [name for name in place.outputs() if name in ("0.jpg", "0.png")]


def test_as_many_sources_may_vanish_as_may_be_removed(place):
    table = place.source.parent / "catalog.csv"
    catalog.write(str(table), catalog.scan(str(place.source))[0].entries)
    lose_most(place)
    done = place.process(OTHER, catalog=str(table), policy=Policy(max_removal_rate=1.0))
    assert done.failed == COUNT * len(FOLDERS) - 2


def test_sources_that_were_all_cut_off_cost_no_more_outputs_than_may_be_removed(place):
    """As by a disk that was full, or a file system after a crash."""
    for path in place.source.rglob("*.jpg"):
        path.write_bytes(b"")
    with pytest.raises(UserError, match="7 of 12 images fail that had an output"):
        place.process()
    assert len(place.outputs()) == COUNT * len(FOLDERS) // 2
    done = place.process(policy=Policy(max_removal_rate=1.0, sandbox=Sandbox(on=False)))
    assert (done.failed, place.outputs()) == (6, {})


@pytest.mark.parametrize("engine", ["threads", "processes", "futures"])
def test_an_image_that_fails_costs_no_other_one_in_its_folder(tmp_path, photos, engine):
    """A folder is empty when the first image of it fails, and another one is being written."""
    for number in range(60):
        folder = photos(tmp_path / f"in/{number}", 2, (9, 9))
        for name in ("2", "3"):
            (folder / f"{name}.jpg").write_bytes(b"\xff\xd8\xff and no more")
    done = process_folder(str(tmp_path / "in"), str(tmp_path / "out"), SMALL, engine, 2)
    assert (done.images, done.failed) == (240, 120)
    with (tmp_path / "out/failures.csv").open(encoding="utf-8") as file:
        assert "write_failed" not in file.read()


# The tree goes away


@pytest.mark.parametrize("part", [".", "images"])
@pytest.mark.parametrize("engine", ["sequential", "processes"])
def test_a_tree_that_is_removed_in_a_pass_is_told_and_made_by_the_next(
    place, tmp_path, engine, part
):
    text = (
        "import contextlib, pathlib, shutil\n"
        f"MARK = pathlib.Path({str(tmp_path / 'mark')!r})\n"
        "def step(image):\n"
        "    with contextlib.suppress(FileExistsError):\n"
        "        MARK.touch(exist_ok=False)\n"
        # At once: what another worker writes meanwhile could keep a folder from being removed.
        f"        pathlib.Path({str(place.tree / part)!r}).rename({str(tmp_path / 'gone')!r})\n"
        f"        shutil.rmtree({str(tmp_path / 'gone')!r}, ignore_errors=True)\n"
        "    return image\n"
    )
    (tmp_path / "removing.py").write_text(text)
    recipe = parse({"steps": [{"call": {"function": "removing:step"}}]}, folder=str(tmp_path))
    with pytest.raises(UserError, match="removed"):
        place.process(recipe, engine)
    assert place.process(recipe, engine).failed == 0
    assert len(place.outputs()) == COUNT * len(FOLDERS)


@pytest.mark.parametrize("name", ["images", "images/sub", ".crumbs", "images/sub/deep"])
def test_a_file_in_the_place_of_a_folder_is_told_and_the_next_pass_goes_on(place, name):
    path = place.tree / name
    shutil.rmtree(path, ignore_errors=True)
    path.write_bytes(b"a file")
    if name == ".crumbs":
        place.process(OTHER)
        return
    with pytest.raises(TreeError, match="is no folder"):
        place.process(OTHER)
    path.unlink()
    assert place.process(OTHER).failed == 0


# What Snakemake writes to, and clean removes


def config(**changes):
    data = {"datasets": {"demo": {"generate": {"count": 2}}}, "run": {"recipes": ["light"]}}
    return complete({**data, **changes})


ABOVE = ["results/demo", "results/demo/light", "results/demo/light/threads", "results/report",
         "results/demo/light/threads/shards", "results/demo/shards/1-of-2",
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


@pytest.mark.parametrize("folder", ["results/demo", "results/demo/light", "resources/demo",
                                    "logs", "results/demo/shards"])  # fmt: skip
def test_clean_removes_nothing_behind_a_link(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    originals = tmp_path / "originals"
    for name in ("light/threads/a", "threads/a", "catalog.csv", "1-of-2/catalog.csv", "demo/a",
                 "a.log", ".generated.json"):  # fmt: skip
        (originals / name).parent.mkdir(parents=True, exist_ok=True)
        (originals / name).write_bytes(b"original")
    before = content(originals)
    (tmp_path / folder).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / folder).symlink_to(originals)
    try:
        Layout(config()).clean()
    except TreeError as error:
        assert "is a link" in str(error)
    assert content(originals) == before


def test_clean_leaves_the_folder_that_holds_the_results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scratch/out/report").mkdir(parents=True)
    (tmp_path / "scratch/out/report/report.html").touch()
    Layout(config(results=str(tmp_path / "scratch/out"))).clean()
    assert (tmp_path / "scratch").is_dir()
    assert not (tmp_path / "scratch/out").exists()
