"""An opened output is compared with the manifest and the recipe."""

import hashlib
import os

import pytest
from PIL import Image

from pixelmill.verification.inspector import Finding, Inspector, Task, Tasks

RECIPE = {"steps": [{"resize": {"width": 30, "height": 20}}], "output": {"format": "png"}}


@pytest.fixture
def inspected(tmp_path, photo):
    """Function that inspects an output `a.png`, of which it is given the image or the bytes."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    source = photo(90, 60)
    source.save(tmp_path / "in/a.png")

    def inspect(content, sampled=True, sha256=None, recipe=RECIPE):
        path = tmp_path / "out/a.png"
        if callable(content):
            content(source.resize((30, 20), Image.Resampling.LANCZOS)).save(path, "PNG")
        elif content is not None:
            path.write_bytes(content)
        found = hashlib.sha256(path.read_bytes()).hexdigest() if content is not None else ""
        inspector = Inspector(str(tmp_path / "in"), str(tmp_path / "out"), recipe, 30.0)
        (finding,) = inspector(Tasks([Task("a.png", "a.png", "", sha256 or found, sampled)]))
        return finding

    return inspect


def test_a_right_output_is_as_it_is_noted(inspected, tmp_path):
    finding = inspected(lambda right: right)
    state = os.stat(tmp_path / "out/a.png")
    assert finding.faults == ()
    assert (finding.bytes, finding.mtime_ns) == (state.st_size, state.st_mtime_ns)
    assert finding.similarity_db >= 40
    assert (finding.is_sampled, finding.sized, finding.pictures) == (True, True, None)


def test_an_output_is_compared_if_requested_or_if_another_check_fails(inspected):
    assert inspected(lambda right: right, sampled=False).similarity_db is None
    other = inspected(lambda right: right, sampled=False, sha256="0" * 64)
    assert other.faults == (("sha256", "bytes differ from the manifest"),)
    assert other.similarity_db >= 40


def test_an_unreadable_output_is_reported(inspected):
    finding = inspected(None)
    message = "cannot be read: No such file or directory"
    assert finding == Finding("a.png", (("decodes", message),), "", 0, 0, None, False, False, None)


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        (b"", [("decodes", "is empty")]),
        (b"some text", [("decodes", "is not an image")]),
    ],
)
def test_an_output_that_is_not_an_image_is_reported(inspected, content, faults):
    assert list(inspected(content).faults) == faults


@pytest.mark.parametrize(
    ("spoil", "name", "why"),
    [
        (lambda right: right.resize((31, 20)), "size", "is 31x20, not 30x20"),
        (lambda right: right.convert("CMYK").convert("1"), "mode", "is 1, not RGB or L or RGBA"),
    ],
)
def test_what_differs_from_the_recipe_is_reported(inspected, spoil, name, why):
    faults = dict(inspected(spoil).faults)
    assert faults[name].startswith(why)


def test_a_dissimilar_output_is_reported_with_both_pictures(inspected):
    finding = inspected(lambda right: right.transpose(Image.Transpose.ROTATE_180))
    ((name, why),) = finding.faults
    assert name == "similarity"
    assert why.startswith("wrong orientation: turned by 180 degrees (")
    assert [picture.shape for picture in finding.pictures] == [finding.pictures[0].shape] * 2


def test_a_format_is_the_recipes_and_else_that_of_the_source(inspected, tmp_path, encoded):
    jpeg = encoded(Image.new("RGB", (30, 20)), "JPEG")
    assert ("format", "is JPEG, not PNG") in inspected(jpeg).faults
    same = {**RECIPE, "output": {"format": "same"}}
    assert ("format", "is JPEG, not PNG") in inspected(jpeg, recipe=same).faults
    (tmp_path / "in/a.png").unlink()
    assert "format" not in dict(inspected(jpeg, recipe=same).faults)


def test_a_folder_that_was_replaced_since_the_last_outputs_is_opened_anew(tmp_path, photo):
    """A run may write to the tree that is verified."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out/sub").mkdir(parents=True)
    for path in ("in/a.png", "out/sub/a.png"):
        photo(30, 20).save(tmp_path / path)
    sha256 = hashlib.sha256((tmp_path / "out/sub/a.png").read_bytes()).hexdigest()
    tasks = Tasks([Task("sub/a.png", "a.png", "", sha256, False)])
    inspector = Inspector(str(tmp_path / "in"), str(tmp_path / "out"), RECIPE, 30.0)
    assert inspector(tasks)[0].faults == ()
    (tmp_path / "out/sub").rename(tmp_path / "before")
    (tmp_path / "out/sub").mkdir()
    (tmp_path / "out/sub/a.png").write_bytes(b"altered")
    assert [name for name, _ in inspector(tasks)[0].faults] == ["decodes", "sha256"]
