"""The list of a dataset of a config is checked before any job starts."""

import pytest

from pixelmill.app.config import complete
from pixelmill.core.errors import UserError


@pytest.fixture(autouse=True)
def somewhere(tmp_path, monkeypatch):
    """Work in a folder with two lists and the tables of a dataset."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for folder in ("in", "results/mine/light/auto", "results/other"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "train.txt").write_text("a.jpg\n")
    made = ("mine/splits.csv", "mine/light/auto/manifest.csv", "other/left_out.csv")
    for path in ("parts.csv", *(f"results/{table}" for table in made)):
        (tmp_path / path).write_text("source,split\na.jpg,train\n")


def completed(given, **keys):
    dataset = {"folder": "in", "list": given, **keys}
    return complete({"datasets": {"mine": dataset, "other": {"folder": "in"}}})["datasets"]["mine"]


@pytest.mark.parametrize(
    ("given", "file", "where"),
    [
        ("train.txt", "train.txt", {}),
        ({"file": "./train.txt"}, "train.txt", {}),
        ({"file": "parts.csv", "where": {"split": 3}}, "parts.csv", {"split": "3"}),
        ("results/other/left_out.csv", "results/other/left_out.csv", {}),
        ("results/mine/findings.csv", "results/mine/findings.csv", {}),
        ("./results/../results/mine/findings.csv", "results/mine/findings.csv", {}),
    ],
    ids=["text", "map", "rows", "of another dataset", "yet to be written", "as rules name it"],
)
def test_a_list_is_completed(given, file, where):
    expected = {"file": file, "where": where}
    assert completed(given)["list"] == expected
    assert completed(expected)["list"] == expected


def test_a_list_may_name_outputs():
    given = {"file": "parts.csv", "where": {}, "names": "split"}
    assert completed({"file": "parts.csv", "names": "split"})["list"] == given
    assert completed(given)["list"] == given
    with pytest.raises(UserError, match="line 1: there is no column 'sku'"):
        completed({"file": "parts.csv", "names": "sku"})


def test_the_home_folder_is_expanded(somewhere, tmp_path):
    assert completed("~/train.txt")["list"]["file"] == str(tmp_path / "train.txt")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (3, "datasets.mine.list: found 3; Process only the images that a file names"),
        ({"where": {"split": "train"}}, "datasets.mine.list: found {'where'"),
        ("tran.txt", "datasets.mine.list: The list 'tran.txt' does not exist; did you mean"),
        ("-", "datasets.mine.list: found '-'; give a file, since a workflow reads no standard"),
        (
            {"file": "parts.csv", "where": {"splt": "train"}},
            "datasets.mine.list: 'parts.csv', line 1: there is no column 'splt'; did you mean",
        ),
        (
            "results/mine/left_out.csv",
            "datasets.mine.list: 'results/mine/left_out.csv' is written after the images of 'mine' "
            "are selected; give a copy in another folder.",
        ),
        (
            "results/other/light/auto/manifest.csv",
            "manifest.csv' does not exist; correct its",
        ),
        ("results/mine/split.csv", "'results/mine/split.csv' does not exist; did you mean"),
        ("results/mine/light/auto/manifest.csv", "is written after the images of 'mine' are"),
        ("results", "The list 'results' cannot be read"),
        ("results/mine/splits.csv", "is a table of datasets with 'split'; add this key to 'mine'"),
    ],
)
def test_a_mistake_is_told_with_the_key(given, told):
    with pytest.raises(UserError) as error:
        completed(given)
    assert told in str(error.value)


def test_a_table_of_the_parts_may_choose_from_its_own_dataset():
    split = {"ratios": {"train": 0.5, "test": 0.5}}
    given = {"file": "results/mine/splits.csv", "where": {"split": "train"}}
    assert completed(given, split=split)["list"] == given


def test_a_dataset_in_shards_has_no_list():
    dataset = {"folder": "in", "list": "train.txt"}
    with pytest.raises(UserError, match=r"mine\.list: images of a dataset in shards cannot be"):
        complete({"datasets": {"mine": dataset}, "scale": {"shards": 2}})
