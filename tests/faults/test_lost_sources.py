"""If sources or an output tree disappear during a pass, no output is lost, and it is reported."""

import contextlib
import os
import shutil
import sqlite3

import pytest

from pixelmill.core.errors import TreeError, UserError
from pixelmill.core.sandbox import Sandbox
from pixelmill.dataset import catalog, catalog_table
from pixelmill.dataset.ledger_tables import fault_in
from pixelmill.imaging.recipe_parser import parse
from pixelmill.pipeline.policy import Policy
from pixelmill.verification.verify import verify
from tests.helpers.passes import process_folder
from tests.helpers.places import COUNT, FOLDERS, OTHER, RENAMED, SMALL, VARIANTS


def unmount(place):
    place.source.rename(place.source.with_name("away"))


def empty(place):
    """A mount point without its disk: an empty folder."""
    unmount(place)
    place.source.mkdir()


def lose_most(place):
    for path in list(place.source.rglob("*.jpg"))[:-2]:
        path.unlink()


GOING = {"unmounted": unmount, "emptied": empty, "most of it lost": lose_most}


@pytest.mark.parametrize(
    ("going", "recipe"),
    [("unmounted", OTHER), ("unmounted", VARIANTS), ("emptied", RENAMED),
     ("most of it lost", OTHER), ("most of it lost", RENAMED), ("most of it lost", VARIANTS)],
)  # fmt: skip
def test_a_source_folder_that_disappears_before_the_first_image_loses_no_output(
    place, going, recipe
):
    table = place.source.parent / "catalog.csv"
    catalog_table.write(str(table), catalog.scan(str(place.source))[0].entries)
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


#: The image at which the disk disappears, whether an empty folder stays, and whether outputs are
#: renamed.
MOMENTS = [
    pytest.param(1 + n, n % 2 == 1, n % 4 >= 2, marks=() if n < 4 else pytest.mark.slow)
    for n in range(10)
]


@pytest.mark.parametrize(("moment", "is_empty", "renamed"), MOMENTS)
def test_a_disk_that_is_unmounted_during_a_pass_loses_no_output(
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
def test_an_unreadable_source_keeps_its_earlier_output_and_is_reported(place, why, recipe):
    table = place.source.parent / "catalog.csv"
    catalog_table.write(str(table), catalog.scan(str(place.source))[0].entries)
    before = place.outputs()["sub/1.jpg"]
    (place.source / "sub/1.jpg").rename(place.source / "sub/kept")
    if why == "unreadable":
        (place.source / "sub/1.jpg").mkdir()
    assert place.process(recipe, catalog=str(table)).failed == 1
    assert place.outputs()["sub/1.jpg"] == before
    (row,) = [row for row in place.rows() if row["source"] == "sub/1.jpg"]
    assert (row["status"], row["reason"], row["output"]) == ("failed", why, "sub/1.jpg")
    with contextlib.closing(sqlite3.connect(place.tree / "ledger.sqlite")) as ledger:
        assert fault_in(ledger) == ""
    entries = list(catalog_table.read(str(table)))
    checks = verify(
        str(place.source), str(place.tree), recipe.as_data(), entries, 1, confined=False
    )
    assert checks["passed"], checks
    if why == "unreadable":
        (place.source / "sub/1.jpg").rmdir()
    (place.source / "sub/kept").rename(place.source / "sub/1.jpg")
    assert place.process(recipe, catalog=str(table)).images == 1
    names = {os.path.splitext(name)[1] for name in place.outputs()}
    assert names == {".png" if recipe is RENAMED else ".jpg"}


def test_a_source_missing_in_the_next_pass_loses_its_kept_output(place):
    table = place.source.parent / "catalog.csv"
    catalog_table.write(str(table), catalog.scan(str(place.source))[0].entries)
    (place.source / "0.jpg").unlink()
    place.process(RENAMED, catalog=str(table))
    assert "0.jpg" in place.outputs()
    place.process(RENAMED)
    assert not [name for name in place.outputs() if name in ("0.jpg", "0.png")]


def test_as_many_sources_may_vanish_as_may_be_removed(place):
    table = place.source.parent / "catalog.csv"
    catalog_table.write(str(table), catalog.scan(str(place.source))[0].entries)
    lose_most(place)
    done = place.process(OTHER, catalog=str(table), policy=Policy(max_removal_rate=1.0))
    assert done.failed == COUNT * len(FOLDERS) - 2


def test_truncated_sources_lose_no_more_outputs_than_allowed(place):
    """As if the disk had been full, or the file system had crashed."""
    for path in place.source.rglob("*.jpg"):
        path.write_bytes(b"")
    with pytest.raises(UserError, match="7 of 12 images failed in this pass"):
        place.process()
    assert len(place.outputs()) == COUNT * len(FOLDERS) // 2
    done = place.process(policy=Policy(max_removal_rate=1.0, sandbox=Sandbox(on=False)))
    assert (done.failed, place.outputs()) == (6, {})


@pytest.mark.parametrize("engine", ["threads", "processes", "futures"])
def test_an_image_that_fails_affects_no_other_one_in_its_folder(tmp_path, photos, engine):
    """A folder is empty when its first image fails while another one is being written."""
    for number in range(60):
        folder = photos(tmp_path / f"in/{number}", 2, (9, 9))
        for name in ("2", "3"):
            (folder / f"{name}.jpg").write_bytes(b"\xff\xd8\xff and no more")
    done = process_folder(str(tmp_path / "in"), str(tmp_path / "out"), SMALL, engine, 2)
    assert (done.images, done.failed) == (240, 120)
    with (tmp_path / "out/failures.csv").open(encoding="utf-8") as file:
        assert "write_failed" not in file.read()


# The tree disappears


@pytest.mark.parametrize(("part", "engine"), [(".", "processes"), ("images", "sequential")])
def test_a_tree_removed_during_a_pass_is_reported_and_made_by_the_next_pass(
    place, tmp_path, engine, part
):
    text = (
        "import contextlib, pathlib, shutil\n"
        f"MARK = pathlib.Path({str(tmp_path / 'mark')!r})\n"
        "def step(image):\n"
        "    with contextlib.suppress(FileExistsError):\n"
        "        MARK.touch(exist_ok=False)\n"
        # Atomically: another worker that is writing could keep a folder from being removed.
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
def test_a_file_in_place_of_a_folder_is_reported_and_the_next_pass_continues(place, name):
    path = place.tree / name
    shutil.rmtree(path, ignore_errors=True)
    path.write_bytes(b"a file")
    if name == ".crumbs":
        place.process(OTHER)
        return
    with pytest.raises(TreeError, match="is not a folder"):
        place.process(OTHER)
    path.unlink()
    assert place.process(OTHER).failed == 0
