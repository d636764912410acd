"""The public functions do what the scripts do, and importing the package is cheap."""

import json
import re
import subprocess
import sys

import pytest

import pixelmill
from pixelmill import ImageError, Recipe, UserError
from pixelmill.core import errors
from pixelmill.imaging import recipe
from pixelmill.imaging.recipe_parser import parse
from pixelmill.imaging.steps.registry import step
from tests.helpers.packed import pack

SMALL = {"steps": [{"resize": {"width": 8, "height": 8}}], "output": {"format": "png"}}


def test_a_folder_is_planned_processed_and_verified(tmp_path, photos, monkeypatch):
    """Paths may begin with the home folder, as a shell would replace it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    source, target = photos(tmp_path / "in", 3), tmp_path / "out"
    assert len(pixelmill.plan("~/in", "~/out", SMALL).to_render) == 3
    done = pixelmill.process("~/in", "~/out", SMALL, engine="sequential", workers=1)
    assert (done.images, done.failed) == (3, 0)
    assert {path.name for path in (target / "images").iterdir()} == {"0.png", "1.png", "2.png"}
    assert len(pixelmill.plan(source, target, SMALL).to_render) == 0
    result = pixelmill.verify("~/in", "~/out", SMALL, workers=1)
    assert result["passed"]


def test_an_archive_takes_the_place_of_a_folder(tmp_path, photos):
    source, target = pack(photos(tmp_path / "in", 3), tmp_path / "a.zip"), tmp_path / "out"
    assert len(pixelmill.plan(source, target, SMALL).to_render) == 3
    assert pixelmill.process(source, target, SMALL, engine="sequential", workers=1).images == 3
    assert pixelmill.process(source, target, SMALL, engine="sequential", workers=1).unchanged == 3
    assert pixelmill.verify(source, target, SMALL, workers=1)["passed"]


def test_the_result_tells_what_was_done_and_what_failed(tmp_path, photos):
    source, target = photos(tmp_path / "in", 2), tmp_path / "out"
    (source / "text.jpg").write_text("no image")
    told = []
    first = pixelmill.process(
        source, target, SMALL, "sequential", 1, progress=lambda *counts: told.append(counts)
    )
    assert (first.images, first.unchanged, first.failed) == (2, 0, 1)
    assert [(failure.source, failure.reason) for failure in first.failures] == [
        ("text.jpg", "not_an_image")
    ]
    assert first.output == target / "images"
    assert told[-1] == (3, 3)
    again = pixelmill.process(source, target, SMALL, "sequential", 1)
    assert (again.images, again.unchanged, again.failed) == (0, 2, 1)


def test_a_mistake_raises_a_user_error(tmp_path):
    with pytest.raises(UserError, match="missing"):
        pixelmill.process(tmp_path / "missing", tmp_path / "out", SMALL)


def test_images_are_generated_once(tmp_path):
    spec = {"width": [8, 16], "height": [8, 16], "format": "png"}
    assert pixelmill.generate(tmp_path / "images", 3, workers=1, **spec) == 3
    assert pixelmill.generate(tmp_path / "images", 3, workers=1, **spec) == 0
    assert len(list((tmp_path / "images").glob("*.png"))) == 3


def test_a_recipe_is_accepted_in_every_form(tmp_path, photos):
    source = photos(tmp_path / "in", 1)
    file = tmp_path / "recipe.yaml"
    file.write_text(json.dumps(SMALL), encoding="utf-8")
    target = tmp_path / "out"
    pixelmill.process(source, target, file, "sequential", 1)
    for same in (str(file), SMALL, parse(SMALL)):
        assert len(pixelmill.plan(source, target, same).to_render) == 0
    assert len(pixelmill.plan(source, target, "light").to_render) == 1


def test_the_public_names_are_those_of_the_packages(repository):
    assert Recipe is recipe.Recipe
    assert (UserError, ImageError) == (errors.UserError, errors.ImageError)
    assert pixelmill.step is step
    stub = (repository / "scripts/pixelmill/__init__.pyi").read_text(encoding="utf-8")
    assert {*re.findall(r"as (\w+)$", stub, re.MULTILINE), "__version__"} == set(pixelmill.__all__)
    assert set(pixelmill.__all__) <= set(dir(pixelmill))
    for name in pixelmill.__all__:
        assert getattr(pixelmill, name) is not None


def test_an_unknown_name_raises_an_attribute_error():
    with pytest.raises(AttributeError, match="'pixelmill' has no attribute 'mill'"):
        pixelmill.mill  # noqa: B018


def test_importing_the_package_imports_nothing_else(repository):
    program = "import sys; old = set(sys.modules); import pixelmill; print(set(sys.modules) - old)"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(repository / "scripts")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == "{'pixelmill'}"
