"""Sidecars describe their outputs, and are made, checked and removed with them."""

import hashlib
import json
import os

import pytest
from PIL import Image

from pixelmill.core.errors import UserError
from pixelmill.dataset import catalog
from pixelmill.dataset.entries import Entries, Entry
from pixelmill.dataset.output_names import Outputs, sidecar_name
from pixelmill.dataset.shards import Shard
from pixelmill.imaging.recipe_parser import parse
from pixelmill.verification.verify import verify
from tests.helpers.imaging import exif_block
from tests.helpers.processed import Tree

RESIZE = {"resize": {"width": 32, "height": 24}}
WITH = parse({"steps": [RESIZE], "output": {"sidecar": "json"}})
WITHOUT = parse({"steps": [RESIZE]})

EXIF = exif_block(
    [(0x010F, "ascii", "Maker\n\x01"), (0x0110, "ascii", "Model 3"),
     (0x0132, "ascii", "2026:02:03 04:05:06")],
    camera=[(0x9003, "ascii", "2025:12:31 23:59:58")],
)  # fmt: skip

#: Dates that are none, and what stands in for them.
DATES = {
    "zeros": ("0000:00:00 00:00:00", None),
    "no-day": ("2025:02:31 00:00:00", None),
    "a-path": ("../../../etc/passwd", None),
    "letters": ("2025:aa:bb cc:dd:ee", None),
    "sound": ("2025:02:28 12:00:00", "2025-02-28T12:00:00"),
}


@pytest.fixture
def tree(tmp_path, photo):
    made = Tree(tmp_path)
    (made.source / "sub").mkdir(parents=True)
    for number, name in enumerate(("a.jpg", "b.png", "sub/c.jpg")):
        photo(80, 60, number).save(made.source / name, **({"exif": EXIF} if number == 0 else {}))
    made.process(recipe=WITH)
    return made


def checked(tree, recipe=WITH):
    entries = catalog.scan(str(tree.source))[0].entries
    return verify(str(tree.source), str(tree.target), recipe.as_data(), entries, 1, confined=False)


def failed(tree):
    return {check["name"] for check in checked(tree)["checks"] if not check["passed"]}


IMAGES = {"a.jpg", "b.jpg", "sub/c.jpg"}


def test_each_output_has_one_that_describes_it(tree):
    outputs = tree.outputs()
    assert outputs.keys() == IMAGES | {f"{path}.json" for path in IMAGES}
    described = json.loads(outputs["a.jpg.json"])
    source = (tree.source / "a.jpg").read_bytes()
    assert described["source"] == {
        "path": "a.jpg", "format": "jpeg", "bytes": len(source),
        "sha256": hashlib.sha256(source).hexdigest(), "taken": "2025-12-31T23:59:58",
        "make": "Maker", "model": "Model 3",
    }  # fmt: skip
    made = outputs["a.jpg"]
    assert described["output"] == {
        "path": "a.jpg", "format": "jpeg", "width": 32, "height": 24, "bytes": len(made),
        "sha256": hashlib.sha256(made).hexdigest(),
    }  # fmt: skip
    assert parse(described["recipe"]) == WITH
    assert json.loads(outputs["b.jpg.json"])["source"]["taken"] is None
    assert checked(tree)["passed"]


@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_every_engine_writes_the_same_bytes(tree, tmp_path, engine):
    other = Tree(tmp_path)
    other.target, other.images = tmp_path / "other", tmp_path / "other/images"
    other.process(engine, 2, recipe=WITH)
    assert other.outputs() == tree.outputs()
    assert other.table("manifest.csv") == tree.table("manifest.csv")


def test_nothing_is_made_again_without_a_reason(tree):
    assert tree.process(recipe=WITH).images == 0


def test_a_missing_or_altered_one_makes_the_output_again(tree):
    wanted = tree.outputs()
    (tree.images / "a.jpg.json").unlink()
    (tree.images / "sub/c.jpg.json").write_bytes(b"{}")
    assert failed(tree) == {"missing", "sha256", "sidecar"}
    assert tree.process(recipe=WITH).images == 2
    assert tree.outputs() == wanted
    assert checked(tree)["passed"]


def test_it_goes_with_its_source_and_with_its_key(tree):
    (tree.source / "a.jpg").unlink()
    tree.process(recipe=WITH)
    assert {path for path in tree.outputs() if path.startswith("a")} == set()
    tree.process(recipe=WITHOUT)
    assert tree.outputs().keys() == {"b.jpg", "sub/c.jpg"}


def test_each_of_several_outputs_may_have_one(tree):
    outputs = [{"name": "a", "sidecar": "json"}, {"name": "b", "format": "png"}]
    several = parse({"outputs": outputs})
    tree.process(recipe=several)
    names = {path for path in tree.outputs() if "/c." in path}
    assert names == {"a/sub/c.jpg", "a/sub/c.jpg.json", "b/sub/c.png"}
    assert checked(tree, several)["passed"]


def test_an_image_that_fails_has_none(tree):
    (tree.source / "a.jpg").write_bytes(b"\xff\xd8\xff and no more")
    tree.process(recipe=WITH)
    assert "a.jpg.json" not in tree.outputs()


def test_verification_notices_one_of_another_image(tree):
    """It is the one that the manifest records, so that its digest is right."""
    one, other = tree.images / "a.jpg.json", tree.images / "b.jpg.json"
    text = (tree.target / "manifest.csv").read_text(encoding="utf-8")
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (one, other)]
    (tree.target / "manifest.csv").write_text(text.replace(*digests), encoding="utf-8")
    one.write_bytes(other.read_bytes())
    assert failed(tree) == {"sidecar"}


@pytest.mark.parametrize(("date", "taken"), DATES.values(), ids=DATES)
def test_only_a_date_of_the_calendar_is_taken_over(tmp_path, photo, date, taken):
    made = Tree(tmp_path)
    made.source.mkdir()
    photo(16, 12).save(made.source / "a.jpg", exif=exif_block([(0x0132, "ascii", date)]))
    made.process(recipe=WITH)
    assert json.loads(made.outputs()["a.jpg.json"])["source"]["taken"] == taken


@pytest.mark.parametrize("form", ["png", "webp", "tiff"])
def test_dates_are_read_in_other_formats(tmp_path, form):
    made = Tree(tmp_path)
    made.source.mkdir()
    date = Image.Exif()
    date[0x0132] = "2025:02:28 12:00:00"
    Image.new("RGB", (16, 12)).save(made.source / f"a.{form}", exif=date)
    made.process(recipe=WITH)
    assert json.loads(made.outputs()["a.jpg.json"])["source"]["taken"] == "2025-02-28T12:00:00"


def named(*paths, **output):
    recipe = parse({"output": {"sidecar": "json", **output}})
    entries = Entries(Entry(path, 1, 1, "jpeg") for path in paths)
    outputs = Outputs(entries, recipe)
    return [outputs.of(entry) for entry in entries]


def test_one_with_the_name_of_a_folder_is_refused_before_anything_is_written():
    for folder in ("a.jpg.json", "A.JPG.JSON"):
        with pytest.raises(UserError, match=r"need the same name 'a.jpg.json', one of them for a"):
            named("a.jpg", f"{folder}/b.jpg")
    assert named("a.jpg", "b.jpg.json/b.jpg")


def test_an_image_is_never_named_like_one():
    names = [name for pair in named("a.jpg", "a.jpg.json", format="same") for name in pair]
    assert len({name.lower() for name in names}) == 4
    with pytest.raises(UserError, match="a path that ends with"):
        named("a.jpg", path="{stem}.json")


def test_a_name_that_is_too_long_is_shortened():
    (image, sidecar), *_ = named("a" * 251 + ".jpg")
    assert (len(os.fsencode(image)), len(os.fsencode(sidecar)) <= 255) == (255, True)
    assert sidecar == sidecar_name(image) != f"{image}.json"


def test_shards_are_refused(tree):
    with pytest.raises(UserError, match="names of sidecars cannot be compared between shards"):
        tree.process(recipe=WITH, shard=Shard(1, 2))
