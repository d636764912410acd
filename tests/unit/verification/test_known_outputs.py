"""Outputs with the bytes of others that passed are not decoded again."""

import csv
import shutil
import sqlite3

import pytest

from pixelmill.dataset.file_names import PASSED, has_verification, verified_beside
from pixelmill.imaging.recipe_parser import parse
from tests.helpers.verified import COUNT, RESIZE, Tree, check_of, edit, faults_of, filled


@pytest.fixture(scope="module")
def made(tmp_path_factory, photos):
    return filled(tmp_path_factory.mktemp("made"), photos)


@pytest.fixture
def pair(made, tmp_path):
    """A tree that has passed, and one with equal outputs beside it that was never verified."""
    first = Tree(shutil.copytree(made, tmp_path / "tree"))
    second = Tree(tmp_path / "tree")
    second.target = tmp_path / "tree/second"
    second.images = second.target / "images"
    shutil.copytree(first.target, second.target)
    first.verify()
    return first, second


def verified(first, second, **options):
    return second.verify(beside=[str(first.target)], **options)


def test_equal_outputs_are_counted_as_the_others_and_not_decoded(pair):
    first, second = pair
    result = verified(first, second)
    assert result["passed"]
    assert result["summary"] == (
        f"Verified: {COUNT} outputs, {COUNT} equal to outputs that passed beside them."
    )
    assert result["checks"] == first.verify()["checks"]


def test_what_is_equal_has_passed_from_then_on(pair):
    first, second = pair
    verified(first, second)
    assert "none changed since" in second.verify()["summary"]


def test_equal_outputs_are_opened_too_if_all_are_asked_for(pair):
    result = verified(*pair, scope="all")
    assert "equal" not in result["summary"]
    assert f"{COUNT} opened" in result["summary"]


def test_a_file_that_differs_from_its_manifest_is_found(pair):
    _, second = pair
    path = second.images / "3.jpg"
    path.write_bytes(path.read_bytes() + b"\0")
    (second.images / "4.jpg").unlink()
    faults = faults_of(verified(*pair))
    assert faults["sha256"] == {"3.jpg": "bytes differ from the manifest"}
    assert list(faults["missing"]) == ["4.jpg"]


def test_an_output_that_differs_from_the_others_is_checked_itself(pair):
    _, second = pair
    edit(second.images / "3.jpg", lambda image: image.rotate(180))
    second.note_as_made("3.jpg")
    assert list(faults_of(verified(*pair))["similarity"]) == ["3.jpg"]


def test_an_output_of_another_source_is_checked_although_its_bytes_are_equal(pair, photos):
    """The source was replaced since, and the second tree was not made again."""
    first, second = pair
    shutil.copyfile(second.source / "5.jpg", second.source / "3.jpg")
    assert list(faults_of(verified(first, second))["similarity"]) == ["3.jpg"]
    assert list(faults_of(first.verify())["similarity"]) == ["3.jpg"]


def test_other_rules_are_no_evidence(pair):
    first, second = pair
    second.recipe = parse({"steps": [RESIZE], "background": "#000000"})
    assert "equal" not in verified(first, second)["summary"]


def test_pictures_that_were_not_compared_there_are_compared_here(made, tmp_path):
    first = Tree(shutil.copytree(made, tmp_path / "tree"))
    second = Tree(tmp_path / "tree")
    second.target, second.images = tmp_path / "tree/second", tmp_path / "tree/second/images"
    shutil.copytree(first.target, second.target)
    first.verify(sample=5)
    result = verified(first, second, sample=7)
    assert check_of(result, "similarity")["compared"] == 7
    assert f"{COUNT - 2} equal to outputs that passed beside them; 2 opened" in result["summary"]


def test_an_output_that_could_not_be_compared_there_is_compared_here(pair):
    first, second = pair
    entries = first.entries()
    for tree in pair:
        edit(tree.images / "3.jpg", lambda image: image.rotate(180))
        tree.note_as_made("3.jpg")
    source = first.source / "3.jpg"
    (first.target / PASSED).unlink()
    source.rename(first.source.parent / "away")
    assert check_of(first.verify(entries), "similarity")["not_compared"] == 1
    (first.source.parent / "away").rename(source)
    assert list(faults_of(verified(first, second, entries=entries))["similarity"]) == ["3.jpg"]


@pytest.mark.parametrize(
    "damage",
    [
        "garbage",
        "folder",
        "link",
        "second name",
        "missing",
        "old",
        "changing",
        "schema",
        "view",
        "computed",
    ],
)
def test_a_cache_that_cannot_be_read_is_no_evidence(pair, damage):
    first, second = pair
    cache = first.target / PASSED
    content = cache.read_bytes()
    cache.unlink()
    if damage == "garbage":
        cache.write_bytes(b"no database")
    elif damage == "folder":
        cache.mkdir()
    elif damage == "link":
        (first.target / "aside").write_bytes(content)
        cache.symlink_to("aside")
    elif damage == "second name":
        cache.write_bytes(content)
        (first.target / "aside").hardlink_to(cache)
    elif damage == "changing":
        cache.write_bytes(content)
        cache.with_name(f"{PASSED}-journal").write_bytes(b"of a run that was killed")
    elif damage == "schema":
        place = content.index(b"tablepassedpassed") + 5
        cache.write_bytes(content[:place] + b"\xff" + content[place + 1 :])
    elif damage in ("view", "computed"):
        cache.write_bytes(content)
        with sqlite3.connect(cache) as database:
            if damage == "view":
                database.execute("ALTER TABLE passed RENAME TO aside")
                database.execute(
                    "CREATE VIEW passed AS WITH RECURSIVE c(x) AS"
                    " (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT aside.* FROM aside, c"
                )
            else:
                database.execute("ALTER TABLE passed ADD COLUMN more AS (hex(zeroblob(400000000)))")
        database.close()
    elif damage == "old":
        with sqlite3.connect(cache) as database:
            database.execute("CREATE TABLE passed (rules TEXT, output TEXT)")
        database.close()
    before = sorted(first.target.iterdir())
    result = verified(first, second)
    assert result["passed"] and f"{COUNT} opened" in result["summary"]
    assert sorted(first.target.iterdir()) == before


def test_a_forged_row_does_not_hide_a_wrong_digest(pair):
    """The digest of the file decides, whatever the cache of the other tree says."""
    first, second = pair
    path = second.images / "3.jpg"
    path.write_bytes(b"no image")
    second.note_as_made("3.jpg")
    with (second.target / "manifest.csv").open(encoding="utf-8", newline="") as file:
        digest = next(row["sha256"] for row in csv.DictReader(file) if row["output"] == "3.jpg")
    result = verified(first, second)
    assert list(faults_of(result)["decodes"]) == ["3.jpg"]
    with sqlite3.connect(first.target / PASSED) as database:
        database.execute("UPDATE passed SET sized = 'x' WHERE output = '2.jpg'")
        database.execute("UPDATE passed SET similarity_db = 'x' WHERE output = '5.jpg'")
        database.execute("UPDATE passed SET sha256 = ? WHERE output = '4.jpg'", (digest,))
    database.close()
    (second.target / PASSED).unlink()
    assert list(faults_of(verified(first, second))["decodes"]) == ["3.jpg"]


def test_trees_beside_one_are_those_that_were_verified(pair, tmp_path):
    first, second = pair
    assert verified_beside(str(second.target)) == [str(first.target)]
    assert verified_beside(str(first.target)) == []
    assert has_verification(str(first.target)) and not has_verification(str(second.target))
    (tmp_path / "tree/third").symlink_to(first.target, target_is_directory=True)
    assert verified_beside(str(second.target)) == [str(first.target)]


def test_a_sidecar_is_compared_with_the_image_beside_it(tmp_path, photos):
    """Both trees have the same sidecar, and one of them another image."""
    photos(tmp_path / "in", 3)
    first, second = Tree(tmp_path), Tree(tmp_path)
    first.recipe = second.recipe = parse({"steps": [RESIZE], "output": {"sidecar": "json"}})
    first.process()
    second.target, second.images = tmp_path / "second", tmp_path / "second/images"
    shutil.copytree(first.target, second.target)
    first.verify()
    edit(second.images / "1.jpg", lambda image: image)
    second.note_as_made("1.jpg")
    faults = faults_of(verified(first, second))
    assert list(faults) == ["sidecar"]
    assert list(faults["sidecar"]) == ["1.jpg.json"]


def test_a_sidecar_of_an_image_that_changed_since_is_compared_again(tmp_path, photos):
    photos(tmp_path / "in", 3)
    tree = Tree(tmp_path)
    tree.recipe = parse({"steps": [RESIZE], "output": {"sidecar": "json"}})
    tree.process()
    tree.verify()
    edit(tree.images / "1.jpg", lambda image: image)
    tree.note_as_made("1.jpg")
    assert list(faults_of(tree.verify())) == ["sidecar"]
