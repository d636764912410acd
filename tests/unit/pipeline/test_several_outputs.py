"""Several outputs of one source are made from one decode, and all of them or none."""

import csv
import hashlib
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from pixelmill.core.errors import UserError
from pixelmill.core.jobs import Job
from pixelmill.core.root import Root
from pixelmill.dataset import catalog
from pixelmill.dataset.output_names import Outputs, colliding
from pixelmill.dataset.output_tree import set_unclaimed_aside
from pixelmill.imaging.codecs import decoding
from pixelmill.imaging.recipe_parser import parse
from pixelmill.imaging.renderer import Renderer
from pixelmill.pipeline.policy import Policy
from pixelmill.verification.compare_engines import compare
from pixelmill.verification.verify import verify
from tests.helpers.imaging import opened, psnr
from tests.helpers.passes import preview, process_folder


def sized(side):
    return {"resize": {"width": side, "height": side, "fit": "contain"}}


VARIANTS = [
    {"name": "large", "steps": [sized(64)]},
    {"name": "small", "steps": [sized(32)], "format": "webp"},
    {"name": "tiny", "steps": [sized(16), "grayscale"], "format": "png"},
]
THREE = parse({"outputs": VARIANTS})
TWO = parse({"outputs": VARIANTS[:2]})

COUNT = 4


class Tree:
    """A folder of images and its output tree."""

    def __init__(self, root):
        self.source, self.target, self.images = root / "in", root / "out", root / "out/images"

    def process(self, recipe=THREE, engine="sequential", workers=1, **options):
        source, target = str(self.source), str(self.target)
        return process_folder(source, target, recipe, engine, workers, **options)

    def reasons(self, recipe=THREE):
        """The number of images that would be processed now, by reason."""
        entries = catalog.scan(str(self.source))[0].entries
        plan = preview(str(self.source), str(self.target), recipe, entries).plan
        return dict(plan.reasons)

    def outputs(self):
        files = (path for path in self.images.rglob("*") if path.is_file())
        return {path.relative_to(self.images).as_posix(): path.read_bytes() for path in files}

    def table(self, name="manifest.csv"):
        with (self.target / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def verify(self, recipe=THREE):
        entries = catalog.scan(str(self.source))[0].entries
        source, target = str(self.source), str(self.target)
        result = verify(source, target, recipe.as_data(), list(entries), 1, confined=False)
        return {check["name"]: {named["image"] for named in check["named"]}
                for check in result["checks"] if not check["passed"]}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory, photos):
    root = tmp_path_factory.mktemp("made")
    photos(root / "in", COUNT, (128, 96))
    photos(root / "in/sub", 1, (96, 128))
    (root / "in/broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    Tree(root).process()
    return root


@pytest.fixture
def tree(made, tmp_path):
    return Tree(shutil.copytree(made, tmp_path / "tree"))


def test_each_output_has_its_name_steps_and_format(made):
    outputs = Tree(made).outputs()
    stems = [str(number) for number in range(COUNT)] + ["sub/0"]
    assert set(outputs) == {
        f"{folder}/{stem}{suffix}"
        for folder, suffix in (("large", ".jpg"), ("small", ".webp"), ("tiny", ".png"))
        for stem in stems
    }
    expected = {"large/0.jpg": (64, 48), "small/0.webp": (32, 24), "tiny/sub/0.png": (12, 16)}
    found = {path: opened(outputs[path]).size for path in expected}
    assert found == expected
    assert opened(outputs["tiny/0.png"]).mode == "L"


def test_the_manifest_has_a_row_for_each_output_and_one_for_a_failure(made):
    tree = Tree(made)
    rows = tree.table()
    of_first = [row for row in rows if row["source"] == "0.jpg"]
    assert [(row["variant"], row["output"]) for row in of_first] == [
        ("large", "large/0.jpg"), ("small", "small/0.webp"), ("tiny", "tiny/0.png"),
    ]  # fmt: skip
    assert [(row["width"], row["height"]) for row in of_first] == [
        ("64", "48"), ("32", "24"), ("16", "12"),
    ]  # fmt: skip
    outputs = tree.outputs()
    for row in rows:
        if row["status"] == "ok":
            assert row["sha256"] == hashlib.sha256(outputs[row["output"]]).hexdigest()
    (failed,) = [row for row in rows if row["status"] == "failed"]
    assert (failed["source"], failed["variant"], failed["output"]) == ("broken.jpg", "", "")
    assert [row["source"] for row in tree.table("failures.csv")] == ["broken.jpg"]


def test_a_pass_counts_images_and_not_outputs(made):
    timing = json.loads((made / "out/timing.json").read_text(encoding="utf-8"))["last_pass"]
    assert (timing["images"], timing["failed"]) == (COUNT + 2, 1)
    assert timing["bytes_out"] == sum(map(len, Tree(made).outputs().values()))


def test_workers_make_the_same_bytes(made, tmp_path):
    other = Tree(tmp_path)
    shutil.copytree(made / "in", other.source)
    other.process(engine="processes", workers=2)
    assert other.outputs() == Tree(made).outputs()
    assert other.table() == Tree(made).table()


def test_an_output_is_the_same_alone_as_among_others(tree, tmp_path):
    """For sources that are too small to be decoded at a reduced size."""
    alone = Tree(tmp_path / "alone")
    shutil.copytree(tree.source, alone.source)
    alone.process(parse({"shrink_margin": 0, "outputs": VARIANTS[1:2]}))
    tree.process(parse({"shrink_margin": 0, "outputs": VARIANTS}))
    together = {path: data for path, data in tree.outputs().items() if path.startswith("small/")}
    assert alone.outputs() == together


def test_a_source_is_decoded_once(tmp_path, photo, monkeypatch):
    photo(800, 600).save(tmp_path / "a.jpg")
    decoded = []
    decode = decoding.decode_to_array
    monkeypatch.setattr(
        decoding, "decode_to_array", lambda *args: decoded.append(1) or decode(*args)
    )
    (tmp_path / "out").mkdir()
    renderer = Renderer(str(tmp_path), str(tmp_path / "out"), THREE)
    assert renderer.render(Job("a.jpg", ("a", "b", "c"))).status == "ok"
    assert decoded == [1]


def test_the_largest_output_determines_the_scale_of_the_decode(tmp_path, photo):
    photo(1600, 1200).save(tmp_path / "a.jpg", quality=95)
    sides = (320, 80, 40)
    recipe = parse({"outputs": [{"name": f"w{side}", "steps": [sized(side)], "format": "png"}
                                for side in sides]})  # fmt: skip
    renderer = Renderer(str(tmp_path), str(tmp_path), recipe)
    assert renderer.size_hint((1600, 1200)) == (320, 240)
    assert renderer.render(Job("a.jpg", ("0", "1", "2"))).status == "ok"
    for number, side in enumerate(sides):
        expected = photo(1600, 1200).resize((side, side * 3 // 4), Image.Resampling.LANCZOS)
        assert psnr(opened((tmp_path / str(number)).read_bytes()), expected) >= 35


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("size", [pytest.param((1600, 1200), marks=pytest.mark.slow), (1603, 1201)])
def test_smaller_outputs_are_made_from_fewer_pixels_without_a_visible_difference(
    tmp_path, photo, stored, size, orientation
):
    pixels, exif = stored(photo(*size), orientation)
    pixels.save(tmp_path / "a.jpg", quality=95, exif=exif)
    made = {}
    for margin in (0, 2.5):
        outputs = [{"name": f"w{side}", "steps": [sized(side)], "format": "png"}
                   for side in (640, 160, 100, 40)]  # fmt: skip
        recipe = parse({"outputs": outputs, "shrink_margin": margin})
        renderer = Renderer(str(tmp_path), str(tmp_path), recipe)
        assert renderer.render(Job("a.jpg", tuple("0123"))).status == "ok"
        made[margin] = [opened((tmp_path / name).read_bytes()) for name in "0123"]
    likeness = [psnr(*pair) for pair in zip(made[0], made[2.5], strict=True)]
    assert likeness[0] == np.inf  # the largest takes all of them
    assert all(48 <= dB < np.inf for dB in likeness[1:])


def test_the_steps_of_the_recipe_come_before_those_of_each_output(tmp_path, picture):
    picture(3, (64, 48)).save(tmp_path / "a.png")
    outputs = [{"name": "plain", "format": "png"},
               {"name": "grey", "format": "png", "steps": ["grayscale"]}]  # fmt: skip
    recipe = parse({"steps": [sized(32)], "outputs": outputs})
    renderer = Renderer(str(tmp_path), str(tmp_path), recipe)
    assert renderer.render(Job("a.png", ("plain", "grey"))).status == "ok"
    plain, gray = (opened((tmp_path / name).read_bytes()) for name in ("plain", "grey"))
    assert (plain.size, plain.mode, gray.size, gray.mode) == ((32, 24), "RGB", (32, 24), "L")
    assert np.abs(np.asarray(plain.convert("L")).astype(int) - np.asarray(gray)).max() <= 1


# What is stale


def test_a_second_pass_makes_nothing(tree):
    assert tree.process().images == 0


@pytest.mark.parametrize("path", ["large/1.jpg", "small/1.webp", "tiny/1.png"])
def test_a_missing_output_renders_only_its_source_again(tree, path):
    before = tree.outputs()
    (tree.images / path).unlink()
    assert tree.reasons() == {"output missing": 1}
    assert tree.process().images == 1
    assert tree.outputs() == before
    assert tree.process().images == 0


def test_an_output_of_another_size_renders_its_source_again(tree):
    before = tree.outputs()
    (tree.images / "small/2.webp").write_bytes(b"cut off")
    assert tree.reasons() == {"output altered": 1}
    tree.process()
    assert tree.outputs() == before


def test_an_altered_output_of_the_same_size_is_found_if_outputs_are_checked(tree):
    path = tree.images / "tiny/3.png"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert tree.process().images == 0
    assert tree.process(policy=Policy(check_outputs=True)).images == 1


def test_a_removed_output_is_deleted_and_an_added_one_is_rendered(tree, made):
    tree.process(TWO)
    assert {path.partition("/")[0] for path in tree.outputs()} == {"large", "small"}
    assert not (tree.images / "tiny").exists()
    assert {row["variant"] for row in tree.table()} == {"large", "small", ""}
    assert tree.process(TWO).images == 0
    tree.process(THREE)
    assert tree.outputs() == Tree(made).outputs()
    assert tree.table() == Tree(made).table()


def test_from_one_output_to_several_and_back(tree):
    one = parse({"steps": [sized(32)]})
    tree.process(one)
    assert set(tree.outputs()) == {"0.jpg", "1.jpg", "2.jpg", "3.jpg", "sub/0.jpg"}
    tree.process(THREE)
    assert all("/" in path for path in tree.outputs())
    assert len(tree.outputs()) == 3 * (COUNT + 1)


def test_a_source_that_fails_now_loses_all_its_outputs(tree):
    (tree.source / "1.jpg").write_bytes(b"\xff\xd8\xff and no more")
    tree.process()
    assert [path for path in tree.outputs() if "/1." in path] == []
    rows = [row for row in tree.table() if row["source"] == "1.jpg"]
    assert [(row["variant"], row["status"]) for row in rows] == [("", "failed")]


def test_removing_a_source_removes_all_its_outputs(tree):
    (tree.source / "sub/0.jpg").unlink()
    tree.process()
    assert [path for path in tree.outputs() if "sub" in path] == []
    assert not any((tree.images / name / "sub").exists() for name in ("large", "small", "tiny"))


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_if_one_output_cannot_be_made_none_is(tmp_path, failing):
    """WebP allows at most 16,383 pixels per side."""
    Image.new("L", (16_400, 20)).save(tmp_path / "a.png")
    formats = ["png", "jpeg", "bmp"]
    formats[failing] = "webp"
    outputs = [{"name": f"v{k}", "format": name} for k, name in enumerate(formats)]
    (tmp_path / "out").mkdir()
    renderer = Renderer(str(tmp_path), str(tmp_path / "out"), parse({"outputs": outputs}))
    outcome = renderer.render(Job("a.png", ("v0/a", "v1/a", "v2/a")))
    assert (outcome.status, outcome.stage, outcome.files) == ("failed", "encode", ())
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("blocked", [0, 1, 2])
def test_if_one_output_cannot_be_renamed_none_is(tmp_path, picture, blocked):
    picture(1).save(tmp_path / "a.jpg")
    places = ("large/a.jpg", "small/a.webp", "tiny/a.png")
    (tmp_path / "out" / places[blocked]).mkdir(parents=True)
    outcome = Renderer(str(tmp_path), str(tmp_path / "out"), THREE).render(Job("a.jpg", places))
    assert (outcome.reason, outcome.files) == ("write_failed", ())
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


# Verification and comparison


def test_a_whole_tree_passes_and_a_fault_in_one_variant_is_named(tree, picture):
    assert tree.verify() == {}
    picture(77, (32, 24)).save(tree.images / "small/0.webp")
    shutil.copy(tree.images / "large/1.jpg", tree.images / "tiny/1.png")
    (tree.images / "large/2.jpg").unlink()
    faults = tree.verify()
    assert faults["missing"] == {"large/2.jpg"}
    assert faults["sha256"] == {"small/0.webp", "tiny/1.png"}
    assert faults["format"] == faults["size"] == {"tiny/1.png"}
    assert faults["similarity"] == {"small/0.webp", "tiny/1.png"}


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        (parse({}), r"out' has an output 'large', which the recipe lacks; give the recipe of the"),
        (
            TWO,
            r"out' has an output 'tiny', which the recipe lacks; give the recipe of the last run",
        ),
    ],
)
def test_a_recipe_without_the_outputs_of_a_tree_is_refused(tree, recipe, told):
    with pytest.raises(UserError, match=told):
        tree.verify(recipe)


def test_a_recipe_of_several_outputs_is_refused_for_a_tree_of_one(tmp_path, photos):
    tree = Tree(tmp_path)
    photos(tree.source, 1)
    tree.process(parse({}))
    with pytest.raises(
        UserError, match="out' has a single output without a name, which the recipe"
    ):
        tree.verify(THREE)


def test_a_variant_that_differs_between_engines_is_named(tree, made, tmp_path):
    other = tree.target / "manifest.csv"
    text = other.read_text(encoding="utf-8")
    (row,) = [line for line in text.splitlines() if line.startswith("2.jpg,tiny,")]
    other.write_text(text.replace(row, row[:-4] + "0000"), encoding="utf-8")
    result = compare({"sequential": str(made / "out"), "threads": str(tree.target)})
    assert not result["passed"]
    (check,) = result["checks"]
    assert [named["image"] for named in check["named"]] == ["2.jpg"]


# Format `same`, names and times


def test_same_keeps_the_format_and_the_name_of_each_source(tmp_path, picture):
    tree = Tree(tmp_path)
    tree.source.mkdir()
    names = {"a.JPEG": "JPEG", "b.png": "PNG", "c.webp": "WEBP", "d.tiff": "TIFF", "e.gif": "GIF",
             "f.bmp": "BMP", "g.avif": "AVIF"}  # fmt: skip
    for number, (name, format) in enumerate(names.items()):
        picture(number).save(tree.source / name, format)
    picture(50).save(tree.source / "really_a_png.jpg", "PNG")
    picture(51).save(tree.source / "old.ppm", "PPM")
    recipe = parse({"steps": [sized(32)], "output": {"format": "same"}})
    assert tree.process(recipe).failed == 0
    outputs = tree.outputs()
    assert set(outputs) == {*names, "really_a_png.png", "old.png"}
    assert {name: opened(outputs[name]).format for name in names} == names
    assert tree.verify(recipe) == {}
    assert tree.process(recipe).images == 0


def test_a_source_whose_format_changed_gets_another_output_name(tmp_path, picture):
    tree = Tree(tmp_path)
    tree.source.mkdir()
    picture(0).save(tree.source / "a.jpg")
    recipe = parse({"output": {"format": "same"}})
    tree.process(recipe)
    picture(0).save(tree.source / "a.jpg", "PNG")
    tree.process(recipe)
    assert set(tree.outputs()) == {"a.png"}


def test_names_collide_only_within_a_variant(tmp_path, picture):
    tree = Tree(tmp_path)
    (tree.source / "large").mkdir(parents=True)
    for name in ("0.jpg", "0.png", "large/0.jpg"):
        picture(len(name)).save(tree.source / name)
    entries = catalog.scan(str(tree.source))[0].entries
    outputs = Outputs(entries, THREE)
    paths = {entry.path: outputs.of(entry) for entry in entries}
    assert paths["0.jpg"] == ("large/0.jpg", "small/0.webp", "tiny/0.jpg.png")
    assert paths["0.png"] == ("large/0.png.jpg", "small/0.png.webp", "tiny/0.png")
    every = [path.casefold() for of_one in paths.values() for path in of_one]
    assert len(set(every)) == len(every) == 9
    assert colliding(entries, THREE) == ("0.jpg", "0.png")
    tree.process()
    assert set(tree.outputs()) == {path for of_one in paths.values() for path in of_one}


def test_a_collision_is_refused_if_the_config_says_so(tmp_path, picture):
    tree = Tree(tmp_path)
    tree.source.mkdir()
    for name in ("a.jpg", "a.png"):
        picture(1).save(tree.source / name)
    same = parse({"outputs": [{"name": "x", "format": "same"}]})
    tree.process(same, policy=Policy(collisions="error"))
    with pytest.raises(UserError, match=r"'a\.jpg' and 'a\.png' have the same output name"):
        tree.process(THREE, policy=Policy(collisions="error"))


def test_the_time_of_the_source_is_kept_if_the_recipe_says_so(tmp_path, picture):
    tree = Tree(tmp_path)
    tree.source.mkdir()
    picture(1).save(tree.source / "a.jpg")
    then = 1_000_000_000_123_456_700
    os.utime(tree.source / "a.jpg", ns=(then, then))
    tree.process(parse({"keep_mtime": True, "outputs": VARIANTS}))
    noted = catalog.scan(str(tree.source))[0].entries[0].mtime_ns
    times = {path.stat().st_mtime_ns for path in tree.images.rglob("*") if path.is_file()}
    assert times == {noted}
    os.utime(tree.source / "a.jpg", ns=(then + 10**12, then + 10**12))
    assert tree.process(parse({"keep_mtime": True, "outputs": VARIANTS})).images == 0
    times = {path.stat().st_mtime_ns for path in tree.images.rglob("*") if path.is_file()}
    assert times == {catalog.scan(str(tree.source))[0].entries[0].mtime_ns}
    tree.process(parse({"outputs": VARIANTS}))
    times = {path.stat().st_mtime_ns for path in tree.images.rglob("*") if path.is_file()}
    assert then not in times


def test_unclaimed_outputs_are_moved_and_overwrite_nothing(tmp_path):
    kept, temporary = {"a.jpg", "b/c.jpg"}, "b/.pixelmill-1-2-3.tmp"
    for time in ("first", "second"):
        for name in (*kept, temporary, "b/d.jpg", "e.jpg"):
            path = tmp_path / "images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(time)
        set_unclaimed_aside(Root(str(tmp_path)), ["a.jpg", "B/C.jpg"])
    for folder, time in (("unclaimed", "first"), ("unclaimed-2", "second")):
        assert (tmp_path / folder / "b/d.jpg").read_text() == time
        assert (tmp_path / folder / "e.jpg").read_text() == time
    images = tmp_path / "images"
    left = {path.relative_to(images).as_posix() for path in images.rglob("*") if path.is_file()}
    assert left == {*kept, temporary}
