"""Outputs named by date: the same with every engine, and made again if a date changes."""

import csv
import os
import shutil

import pytest

from pixelmill.core.errors import UserError
from pixelmill.dataset import catalog, catalog_table
from pixelmill.dataset.shards import Shard
from pixelmill.imaging.codecs.metadata import Base
from pixelmill.imaging.recipe_parser import parse
from pixelmill.pipeline.policy import Policy
from pixelmill.verification.verify import verify
from tests.helpers import dated
from tests.helpers.packed import pack
from tests.helpers.passes import preview
from tests.helpers.processed import Tree
from tests.helpers.trees import packed


def recipe(path="{taken:%Y/%m}/{name}", **output):
    return parse({"steps": [{"resize": {"width": 32}}], "output": {"path": path, **output}})


BY_MONTH = recipe()

LEAP, NEW_YEAR = "2024:02:29 23:59:58", "2025:01:01 00:00:00"
ZEROS, IMPOSSIBLE, BLANK = "0000:00:00 00:00:00", "2024:13:45 00:00:00", "    :  :     :  :  "

#: Sources and when they were taken.
SOURCES = {
    "a/1.jpg": (LEAP, "jpeg"),
    "a/2.png": (NEW_YEAR, "png"),
    "b/3.webp": (NEW_YEAR, "webp"),
    "b/4.tif": (LEAP, "tiff"),
    "b/5.avif": (ZEROS, "avif"),
    "6.jpg": (IMPOSSIBLE, "jpeg"),
}

#: Their outputs.
OUTPUTS = {
    "2024/02/1.jpg", "2025/01/2.jpg", "2025/01/3.jpg", "2024/02/4.jpg", "undated/5.jpg",
    "undated/6.jpg",
}  # fmt: skip


@pytest.fixture(scope="module")
def pictures(tmp_path_factory, picture):
    """Photos in several formats, with dates and without."""
    folder = tmp_path_factory.mktemp("dated") / "in"
    for number, (path, (text, kind)) in enumerate(SOURCES.items()):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(dated.dated(text, kind, picture=picture(number)))
    return folder


@pytest.fixture
def tree(tmp_path, pictures):
    shutil.copytree(pictures, tmp_path / "in")
    made = Tree(tmp_path)
    made.process(recipe=BY_MONTH)
    return made


def another(root, source, **options):
    """A second tree, in a folder of its own."""
    made = Tree(root / "another")
    made.source = source
    made.process(**{"recipe": BY_MONTH, **options})
    return made


def correct(tree, name, before, after):
    """Change the date in a file and nothing else, as tools for EXIF do."""
    data = (tree.source / name).read_bytes()
    assert data.count(before.encode()) == 1
    (tree.source / name).write_bytes(data.replace(before.encode(), after.encode()))
    os.utime(tree.source / name, ns=(1, 1))


def test_outputs_are_sorted_by_date_and_verified(tree):
    assert set(tree.outputs()) == OUTPUTS
    entries = catalog_table.read(tree.target / "catalog.csv")
    found = verify(
        str(tree.source), str(tree.target), BY_MONTH.as_data(), entries, 1, confined=False
    )
    assert found["passed"]
    assert {check["name"]: check["compared"] for check in found["checks"]}["size"] == len(SOURCES)


@pytest.mark.parametrize(
    "engine", ["threads", "processes", pytest.param("futures", marks=pytest.mark.slow)]
)
def test_every_engine_gives_the_same_tree(tree, tmp_path, engine):
    other = another(tmp_path, tree.source, engine=engine, workers=2)
    assert other.outputs() == tree.outputs()
    for table in ("manifest.csv", "catalog.csv"):
        assert (other.target / table).read_bytes() == (tree.target / table).read_bytes()


@pytest.mark.parametrize("suffix", ["zip", "tar", "parquet"])
def test_an_archive_gives_the_same_tree(tree, tmp_path, suffix):
    other = another(tmp_path, pack(tree.source, tmp_path / f"a.{suffix}"))
    assert other.outputs() == tree.outputs()
    assert other.process(recipe=BY_MONTH).images == 0


def test_a_second_pass_opens_no_source(tree, monkeypatch):
    monkeypatch.setattr(catalog, "_opened", lambda place: pytest.fail(f"{place} was opened"))
    assert tree.process(recipe=BY_MONTH).images == 0


def test_a_plan_and_a_catalog_without_dates_agree(tree, tmp_path):
    entries = catalog.scan(str(tree.source))[0].entries
    assert str(preview(tree.source, tree.target, BY_MONTH, entries).plan).startswith("make 0")
    catalog_table.write(tmp_path / "c.csv", entries)
    assert tree.process(recipe=BY_MONTH, catalog=str(tmp_path / "c.csv")).images == 0


def test_a_photo_whose_date_is_corrected_moves(tree):
    correct(tree, "a/1.jpg", LEAP, NEW_YEAR)
    entries = catalog.scan(str(tree.source))[0].entries
    plan = preview(tree.source, tree.target, BY_MONTH, entries).plan
    assert str(plan) == "make 1: 1 name changed; keep 5; remove 0"
    assert tree.process(recipe=BY_MONTH).images == 1
    assert set(tree.outputs()) == OUTPUTS - {"2024/02/1.jpg"} | {"2025/01/1.jpg"}
    assert tree.process(recipe=BY_MONTH).images == 0


def test_a_photo_that_loses_its_date_or_gets_one_moves(tree):
    correct(tree, "a/1.jpg", LEAP, BLANK)
    correct(tree, "6.jpg", IMPOSSIBLE, LEAP)
    assert tree.process(recipe=BY_MONTH).images == 2
    moved = {"undated/1.jpg", "2024/02/6.jpg"}
    assert set(tree.outputs()) == OUTPUTS - {"2024/02/1.jpg", "undated/6.jpg"} | moved


def test_a_copy_with_other_times_of_its_files_gives_the_same_tree(tree, tmp_path):
    folder = shutil.copytree(tree.source, tmp_path / "copy")
    for number, path in enumerate(sorted(folder.rglob("*.*"))):
        os.utime(path, ns=(number * 10**18, number * 10**18))
    assert another(tmp_path, folder).outputs() == tree.outputs()


@pytest.mark.parametrize("path", ["{name}", "{taken}/{name}", "{taken:%y}-{stem}.{ext}"])
def test_a_new_template_moves_all_outputs(tree, tmp_path, path):
    assert tree.process(recipe=recipe(path)).images == len(SOURCES)
    assert tree.outputs() == another(tmp_path, tree.source, recipe=recipe(path)).outputs()
    assert tree.process(recipe=BY_MONTH).images == len(SOURCES)
    assert set(tree.outputs()) == OUTPUTS
    folders = [path for path in tree.images.rglob("*") if path.is_dir()]
    assert all(any(path.iterdir()) for path in folders)


def test_photos_of_one_second_get_names_of_their_own(tree):
    shutil.copy(tree.source / "a/1.jpg", tree.source / "a/1 copy.jpg")
    shutil.copy(tree.source / "a/1.jpg", tree.source / "b/1.JPG")
    by_second = recipe("{taken:%Y%m%d-%H%M%S}.{ext}")
    tree.process(recipe=by_second)
    made = sorted(name for name in tree.outputs() if name.startswith("20240229-235958."))
    assert len(made) == 4
    assert "20240229-235958.jpg" in made
    with pytest.raises(UserError, match=r"'a/1 copy.jpg' and 'a/1.jpg' have the same output name"):
        tree.process(recipe=by_second, policy=Policy(collisions="error"))


def test_copies_of_sources_are_sorted_too(tree):
    """What is copied because it would become larger has the name of any other output."""
    copied = parse({"output": {"path": "{taken:%Y}/{name}", "format": "same", "quality": 100,
                               "if_larger": "keep_source", "sidecar": "json"}})  # fmt: skip
    tree.process(recipe=copied)
    rows = {row["output"]: row["reason"] for row in tree.table("manifest.csv")}
    assert rows["2024/1.jpg"] == "source_kept"
    assert {"2024/1.jpg.json", "2025/2.png.json", "undated/6.jpg"} < set(rows)
    assert set(rows) == set(tree.outputs())


def test_the_date_counts_though_outputs_do_not_keep_it(tree):
    from PIL import Image

    with Image.open(tree.images / "2024/02/1.jpg") as image:
        assert Base.DateTimeOriginal not in image.getexif().get_ifd(Base.ExifOffset)


def test_each_variant_may_have_its_own_template(tree):
    two = parse({"outputs": [{"name": "sorted", "path": "{taken:%Y}/{name}"}, {"name": "plain"}]})
    tree.process(recipe=two)
    assert {"sorted/2024/1.jpg", "plain/a/1.jpg"} < set(tree.outputs())
    assert len(tree.outputs()) == 2 * len(SOURCES)


def test_shards_for_training_have_the_same_names(tree, tmp_path):
    packed(tree.target, tmp_path / "shards")
    with (tmp_path / "shards/packed.csv").open(encoding="utf-8", newline="") as file:
        assert {row["member"] for row in csv.DictReader(file)} == OUTPUTS


def test_shards_are_refused(tree):
    with pytest.raises(UserError, match="cannot be compared between shards"):
        tree.process(recipe=BY_MONTH, shard=Shard(1, 2))


def test_a_pass_that_was_interrupted_is_continued(tmp_path, pictures, monkeypatch):
    shutil.copytree(pictures, tmp_path / "in")
    tree = Tree(tmp_path)

    def stop(done, of):
        if done >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tree.process(recipe=BY_MONTH, notify=stop)
    monkeypatch.setattr(catalog, "_opened", lambda place: pytest.fail(f"{place} was opened"))
    tree.process(recipe=BY_MONTH)
    assert set(tree.outputs()) == OUTPUTS
