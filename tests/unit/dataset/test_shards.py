"""Every image has one fixed shard, shared by all images that could have the same output name."""

import collections
import os

import pytest

from pixelmill.core.errors import UserError
from pixelmill.dataset.catalog_table import forget_others, refresh
from pixelmill.dataset.gather_catalog import gather_catalog
from pixelmill.dataset.shards import WHOLE, Shard, all_of, others, shard_of, shards_of
from tests.helpers.namesakes import name_outputs


def test_a_shard_is_read_as_it_was_written():
    assert [Shard.parse(str(shard)) for shard in all_of(12)] == all_of(12)


@pytest.mark.parametrize("text", ["", "2", "0-of-4", "5-of-4", "2-of-4x", "a-of-b", "-1-of-4"])
def test_an_invalid_shard_is_refused_in_a_sentence(text):
    with pytest.raises(UserError, match=f"'{text}' is not a shard; give one such as 2-of-16"):
        Shard.parse(text)


@pytest.mark.parametrize(
    ("shard", "left"),
    [
        ("1-of-2", ["1-of-1", "1-of-12", "12-of-12", "2-of-22"]),
        ("2-of-12", ["1-of-1", "1-of-2", "2-of-2", "2-of-22"]),
        ("1-of-1", ["1-of-1", "1-of-12", "1-of-2", "12-of-12", "2-of-2", "2-of-22"]),
    ],
)
def test_states_of_another_number_of_shards_are_distinguished(tmp_path, shard, left):
    """Twelve shards differ from two, although both end with the same digit."""
    for name in ("1-of-1", "1-of-2", "2-of-2", "1-of-12", "12-of-12", "2-of-22"):
        (tmp_path / "shards" / name).mkdir(parents=True)
    found = others(tmp_path, Shard.parse(shard))
    assert list(found) == [str(tmp_path / "shards" / name) for name in left]


def test_every_image_is_owned_by_one_shard():
    paths = [f"{folder}/{number:05}.jpg" for folder in "abc" for number in range(200)]
    for path in paths:
        assert [shard.owns(path) for shard in all_of(7)].count(True) == 1
    assert all(map(WHOLE.owns, paths))


@pytest.mark.parametrize("pattern", ["{:06}.jpg", "frame.{:06}.png", "2024.01.{:06}-x.tif", "{}"])
def test_shards_have_similar_sizes(pattern):
    counts = collections.Counter(shard_of(f"a/{pattern.format(k)}", 16) for k in range(16_000))
    assert len(counts) == 16
    assert max(counts.values()) < 1.2 * 1_000


def test_the_shard_of_an_image_never_changes():
    """Another assignment would cause work in every shard."""
    found = [shard_of(path, 1000) for path in ("a.jpg", "sub/b c.png", "Straße.webp")]
    assert found == [344, 461, 149]


#: Pairs of paths that could have the same output name.
RIVALS = [
    ("a.png", "a.jpg"),
    ("a.png", "A.JPG"),
    ("x/caf\u00e9.png", "x/cafe\u0301.gif"),
    ("a.png", "a.png.gif"),
    ("a.jpg", "a.jpg.png.gif"),
    ("a", "a.png"),
    ("a.2024-05-01", "a.2024-05-01.png"),
    ("a.dat", "a.png"),
]


@pytest.mark.parametrize(("one", "other"), RIVALS)
def test_images_that_could_have_the_same_output_name_share_a_shard(one, other):
    assert shard_of(one, 1000) == shard_of(other, 1000)


@pytest.mark.parametrize("other", ["A.png", "a.PNG", "a.png.webp", "a.PNG.webp", "a.Jpg.PNG.tif"])
def test_images_whose_outputs_may_want_one_name_share_a_shard(other):
    assert shard_of(f"sub/{other}", 1000) == shard_of("sub/a.gif", 1000)


def test_the_shard_of_an_image_knows_folders_with_the_name_of_an_output():
    assert shards_of("a.jpg/b.png", 1000) == {
        shard_of("a.jpg/b.png", 1000),
        shard_of("a.png", 1000),
    }
    assert shard_of("a.png", 1000) in shards_of("A.JPG/b.png", 1000)
    assert shards_of("example.com/b.png", 1000) == {shard_of("example.com/b.png", 1000)}
    nested = "x/a.jpg/y/b.png/c.gif"
    assert shards_of(nested, 1000) == {
        shard_of(path, 1000) for path in (nested, "x/a.png", "x/a.jpg/y/b.gif")
    }


def test_output_names_are_the_same_in_shards_as_in_the_whole_dataset():
    paths = {path for pair in RIVALS for path in pair} | {"x.jpg/1.png", "x.png", "x.gif", "y.png"}
    paths |= {f"{folder}/{path}" for folder in ("d", "d/e.jpg", "d.jpg/f") for path in paths}
    paths |= {"d/e.png", "d.png"}
    for count in (2, 3, 50):
        settled = {}
        for shard in all_of(count):
            names = name_outputs(filter(shard.concerns, paths), ".jpg")
            settled |= {path: name for path, name in names.items() if shard.owns(path)}
        assert settled == name_outputs(paths, ".jpg")


def test_a_shard_keeps_its_state_in_a_folder_of_its_own_and_the_whole_does_not():
    assert Shard(2, 16).below("tree") == os.path.join("tree", "shards", "2-of-16")
    assert Shard(1, 1).below("tree") == "tree"


@pytest.fixture
def dataset(tmp_path):
    """Tables and memories of a dataset, of the whole and of a shard of two."""
    for folder in (tmp_path, tmp_path / "shards/1-of-2"):
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("catalog.csv", "catalog.known.csv"):
            (folder / name).touch()
    return tmp_path


def files_below(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_an_undivided_dataset_removes_the_states_of_its_shards(dataset):
    forget_others(str(dataset / "catalog.csv"), WHOLE)
    assert files_below(dataset) == {"catalog.csv", "catalog.known.csv"}


def test_a_divided_dataset_removes_the_memory_of_the_whole_and_of_other_shards(dataset):
    forget_others(str(dataset / "catalog.csv"), Shard(1, 2))
    kept = {"catalog.csv", "shards", "shards/1-of-2"}
    shard = {"shards/1-of-2/catalog.csv", "shards/1-of-2/catalog.known.csv"}
    assert files_below(dataset) == kept | shard
    forget_others(str(dataset / "catalog.csv"), Shard(1, 3))
    assert files_below(dataset) == {"catalog.csv"}


def test_only_the_tables_of_the_present_division_stay(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jpg").write_bytes(b"of no known format")
    source, table = str(tmp_path / "in"), tmp_path / "out/catalog.csv"
    for count in (2, 3):
        for shard in all_of(count):
            refresh(os.path.join(shard.below(table.parent), table.name), source, shard=shard)
        assert gather_catalog(str(table), count) == 1
        kept = {"catalog.csv", "shards"}
        for shard in map(str, all_of(count)):
            kept |= {f"shards/{shard}{name}" for name in ("", "/catalog.csv", "/catalog.known.csv")}
        assert files_below(table.parent) == kept
    refresh(str(table), source)
    assert files_below(table.parent) == {"catalog.csv", "catalog.known.csv"}
