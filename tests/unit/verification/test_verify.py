"""Every fault of an output tree is reported by the check that it concerns."""

import os
import shutil

import pytest
from PIL import Image

from pixelmill.imaging.recipe_parser import parse
from pixelmill.verification.checks import remedies
from tests.helpers.verified import COUNT, RESIZE, Tree, check_of, edit, exchange, faults_of, filled

CHECK_KEYS = {"name", "passed", "compared", "not_compared", "differing"}


CHECKS = [
    "inputs",
    "missing",
    "extra",
    "temporaries",
    "decodes",
    "format",
    "size",
    "mode",
    "sha256",
    "similarity",
]


@pytest.fixture(scope="module")
def made(tmp_path_factory, photos):
    return filled(tmp_path_factory.mktemp("made"), photos)


@pytest.fixture
def tree(made, tmp_path):
    return Tree(shutil.copytree(made, tmp_path / "tree"))


@pytest.mark.parametrize("confined", [False, True])
def test_a_tree_with_nothing_wrong_passes_every_check(tree, confined):
    result = tree.verify(confined=confined)
    assert result["passed"]
    assert {check["name"] for check in result["checks"]} >= set(CHECKS)
    assert all(check["passed"] for check in result["checks"])
    assert check_of(result, "inputs")["compared"] == COUNT + 1
    for name in CHECKS[1:]:
        assert check_of(result, name)["compared"] == COUNT, name
        assert check_of(result, name)["not_compared"] == 0, name
    assert result["summary"] == (
        f"Verified: {COUNT} outputs, {COUNT} opened, {COUNT} of them compared with their sources."
    )


def test_the_result_has_the_keys_that_others_rely_on(tree):
    result = tree.verify()
    assert {"passed", "checks"} <= result.keys()
    assert all(check.keys() >= CHECK_KEYS for check in result["checks"])


@pytest.mark.parametrize(("sample", "compared"), [(0, 0), (4, 4), (99, 9)])
def test_the_sample_is_drawn_from_outputs_that_can_be_compared(tmp_path, photos, sample, compared):
    """Else a recipe with blurred outputs would be checked by fewer images than were asked for."""
    photos(tmp_path / "in", 9)
    tree = Tree(tmp_path)
    soft = [{"gaussian_blur": {"radius": 1}}]
    outputs = [{"name": "a", "steps": soft}, {"name": "b"}, {"name": "c", "steps": soft}]
    tree.recipe = parse({"steps": [RESIZE], "outputs": outputs})
    tree.process()
    similarity = check_of(tree.verify(sample=sample), "similarity")
    assert (similarity["compared"], similarity["not_compared"]) == (compared, 27 - compared)


def test_exchanged_outputs_are_named_with_each_other(tree):
    exchange(tree.images / "3.jpg", tree.images / "7.jpg")
    faults = faults_of(tree.verify())
    assert faults["sha256"] == {
        "3.jpg": "exchanged: holds the image of '7.jpg'",
        "7.jpg": "exchanged: holds the image of '3.jpg'",
    }


def test_a_flipped_byte_is_found(tree):
    path = tree.images / "3.jpg"
    data = bytearray(path.read_bytes())
    data[-1] ^= 0x01
    path.write_bytes(data)
    assert list(faults_of(tree.verify())["sha256"]) == ["3.jpg"]


def test_a_missing_output_is_found(tree):
    (tree.images / "3.jpg").unlink()
    assert faults_of(tree.verify()) == {
        "missing": {"3.jpg": "is in the manifest but does not exist"}
    }


def test_an_extra_file_is_found(tree, picture):
    (tree.images / "sub").mkdir()
    picture(0).save(tree.images / "sub/stray.jpg")
    assert faults_of(tree.verify()) == {
        "extra": {"sub/stray.jpg": "exists but is not in the manifest"}
    }


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_a_link_among_the_outputs_is_found_and_not_followed(tree):
    (tree.images / "stray.jpg").symlink_to("nowhere")
    assert faults_of(tree.verify()) == {"extra": {"stray.jpg": "exists but is not in the manifest"}}


def test_a_temporary_of_a_killed_run_is_recognised(tree):
    (tree.images / ".pixelmill-1f-2e-3d4c.tmp").write_bytes(b"half")
    assert list(faults_of(tree.verify())) == ["temporaries"]


def test_a_wrong_size_is_found(tree):
    edit(tree.images / "3.jpg", lambda image: image.resize((48, 33)))
    tree.note_as_made("3.jpg")
    assert faults_of(tree.verify())["size"] == {"3.jpg": "is 48x33, not 48x32"}


def test_wrong_colours_are_found(tree):
    edit(tree.images / "3.jpg", lambda image: image.convert("CMYK"))
    tree.note_as_made("3.jpg")
    assert faults_of(tree.verify())["mode"] == {"3.jpg": "is CMYK, not RGB or L"}


def test_a_coloured_output_of_a_grey_recipe_is_found(tmp_path, photos, picture):
    photos(tmp_path / "in", 2)
    grey = Tree(tmp_path, [RESIZE, "grayscale"])
    grey.process()
    picture(1, (48, 32)).save(grey.images / "1.jpg")
    grey.note_as_made("1.jpg")
    assert faults_of(grey.verify())["mode"] == {"1.jpg": "is RGB, not L"}


def test_a_wrong_format_is_found_regardless_of_the_suffix(tree):
    path = tree.images / "3.jpg"
    with Image.open(path) as image:
        image.load()
    image.save(path, "PNG")
    tree.note_as_made("3.jpg")
    assert faults_of(tree.verify()) == {"format": {"3.jpg": "is PNG, not JPEG"}}


def test_a_truncated_output_recorded_in_the_manifest_is_found(tree):
    path = tree.images / "3.jpg"
    path.write_bytes(path.read_bytes()[:-200])
    tree.note_as_made("3.jpg")
    result = tree.verify()
    assert list(faults_of(result)["decodes"]) == ["3.jpg"]
    assert check_of(result, "format")["not_compared"] == 1


def test_an_empty_output_is_found_and_described_identically(tree):
    (tree.images / "3.jpg").write_bytes(b"")
    faults = faults_of(tree.verify())
    assert list(faults) == ["decodes", "sha256"]
    assert "object at 0x" not in faults["decodes"]["3.jpg"]


def test_an_input_without_a_row_is_found(tree):
    late = tree.entries()[0]._replace(path="late.jpg")
    result = tree.verify([*tree.entries(), late])
    assert faults_of(result) == {"inputs": {"late.jpg": "is an input without a row"}}


def test_a_row_without_an_input_is_found(tree):
    result = tree.verify([entry for entry in tree.entries() if entry.path != "3.jpg"])
    assert faults_of(result) == {"inputs": {"3.jpg": "has a row but is not an input"}}


def test_all_are_counted_and_the_first_twenty_named(tree):
    for path in tree.images.iterdir():
        path.unlink()
    check = check_of(tree.verify(), "missing")
    assert (check["differing"], len(check["named"])) == (COUNT, 20)


def test_every_check_that_failed_has_a_remedies(tree):
    edit(tree.images / "0.jpg", lambda image: image.convert("CMYK").resize((20, 20)))
    exchange(tree.images / "1.jpg", tree.images / "2.jpg")
    (tree.images / "3.jpg").write_bytes(b"")
    (tree.images / "4.jpg").rename(tree.images / "stray.jpg")
    (tree.images / ".pixelmill-1-2-3.tmp").touch()
    with Image.open(tree.images / "5.jpg") as image:
        image.load()
    image.save(tree.images / "5.jpg", "PNG")
    result = tree.verify(tree.entries()[1:])
    assert [line.split(":")[0] for line in remedies(result)] == CHECKS


def test_a_tree_with_nothing_wrong_needs_no_remedies(tree):
    assert list(remedies(tree.verify())) == []


def test_a_tree_that_was_never_processed_is_reported(tmp_path, photos):
    photos(tmp_path / "in", 1)
    with pytest.raises(Exception, match=r"manifest\.csv' is missing"):
        Tree(tmp_path).verify()


def test_two_workers_find_what_one_finds(tmp_path, photos):
    photos(tmp_path / "in", 410, size=(24, 16))
    tree = Tree(tmp_path)
    tree.process()
    exchange(tree.images / "3.jpg", tree.images / "300.jpg")
    (tree.images / "17.jpg").unlink()
    alone, together = (tree.verify(workers=workers, scope="all") for workers in (1, 2))
    assert not alone["passed"]
    assert together == alone


def test_hostile_names_are_verified_and_named_on_one_line(tmp_path, picture):
    names = ["two\nlines.jpg", "back\\slash.jpg", 'quo"te, comma.jpg', "line\u2028end.jpg"]
    if os.name == "posix" and os.uname().sysname == "Linux":
        names.append(os.fsdecode(b"caf\xe9.jpg"))
    (tmp_path / "in").mkdir()
    for number, name in enumerate(names):
        picture(number).save(tmp_path / "in" / name, quality=95)
    tree = Tree(tmp_path)
    tree.process()
    assert tree.verify()["passed"]
    for path in list(tree.images.iterdir()):
        path.unlink()
    named = faults_of(tree.verify())["missing"]
    assert len(named) == len(names)
    for image in named:
        assert len(image.splitlines()) == 1
        image.encode()


def test_sources_that_vanished_since_they_were_catalogued_are_no_fault_of_outputs(tmp_path, photos):
    """Format and size of these outputs depend on their sources."""
    photos(tmp_path / "in", 2)
    tree = Tree(tmp_path, [])
    tree.recipe = parse({"output": {"format": "same"}})
    tree.process()
    entries = tree.entries()
    (tree.source / "0.jpg").unlink()
    result = tree.verify(entries)
    assert result["passed"], result
    assert [check_of(result, name)["not_compared"] for name in ("size", "similarity")] == [1, 1]


def test_the_source_is_never_written_to(tree):
    def state():
        return {path: path.stat().st_mtime_ns for path in [tree.source, *tree.source.iterdir()]}

    before = state()
    tree.verify()
    assert state() == before


def test_faults_are_reported_without_absolute_paths(tree):
    (tree.images / "3.jpg").unlink()
    (tree.images / "4.jpg").write_bytes(b"")
    assert str(tree.source.parent) not in str(tree.verify())
