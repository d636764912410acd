"""Outputs that are named by a template have names of their own on every file system."""

import os
import random
import unicodedata

import pytest

from pixelmill.core.errors import UserError
from pixelmill.core.filenames import collision_key
from pixelmill.dataset.entries import Entries, Entry
from pixelmill.dataset.output_names import Outputs, colliding
from pixelmill.imaging.recipe_parser import parse

RESIZE = {"resize": {"width": 640}}


def recipe(path, **output):
    return parse({"steps": [RESIZE], "output": {"path": path, **output}})


def entries(*names):
    return Entries(Entry(name, 1, 1, "jpeg") for name in names).sorted()


def names(asked, *sources):
    found = entries(*sources)
    outputs = Outputs(found, asked)
    return {entry.path: outputs.of(entry)[0] for entry in found}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("{folder}/{name}", "a/b/c.d.webp"),
        ("{name}", "c.d.webp"),
        ("{stem}-{width}.{ext}", "c.d-640.webp"),
        ("{folder}/w{width}/{stem}.{ext}", "a/b/w640/c.d.webp"),
        ("{stem}/{folder}/{stem}.{ext}", "c.d/a/b/c.d.webp"),
        ("{{{stem}}}.{ext}", "{c.d}.webp"),
    ],
)
def test_a_template_names_an_output(path, expected):
    assert names(recipe(path, format="webp"), "a/b/c.d.JPG") == {"a/b/c.d.JPG": expected}


def test_the_suffix_of_a_source_is_kept_with_its_format():
    assert names(recipe("{stem}-x.{ext}", format="same"), "a.JPEG") == {"a.JPEG": "a-x.JPEG"}


def test_each_variant_has_its_folder():
    asked = parse({"outputs": [{"name": n, "path": "{name}"} for n in ("one", "two")]})
    found = entries("a/b.png")
    assert Outputs(found, asked).of(found[0]) == ("one/b.jpg", "two/b.jpg")


def test_a_date_is_part_of_a_name():
    asked = recipe("{taken:%Y/%m}/{taken:%d}-{name}", format="webp")
    found = Entries(
        Entry(name, 1, 1, "jpeg", taken=taken)
        for name, taken in (("a/1.jpg", 20240229235958), ("a/2.jpg", -1), ("a/3.jpg", 0))
    )
    outputs = Outputs(found, asked)
    assert [outputs.of(entry) for entry in found] == [
        ("2024/02/29-1.webp",), ("undated/undated-2.webp",), ("undated/undated-3.webp",)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "sources"),
    [
        ("{taken:%Y%m%d-%H%M%S}.{ext}", ["1.jpg", "2.jpg"]),
        ("{taken:%Y}/{name}", ["a/1.jpg", "b/1.jpg"]),
        ("{taken:%Y}/{name}", ["a/É.jpg", "b/e\u0301.jpg"]),
        ("{stem}/{taken:%Y}.{ext}", ["IMG.jpg", "img.JPG"]),
    ],
)
def test_twins_of_one_date_get_names_of_their_own(path, sources):
    found = Entries(Entry(name, 1, 1, "jpeg", taken=20240229235958) for name in sources)
    outputs = Outputs(found, recipe(path))
    made = [outputs.of(entry)[0] for entry in found]
    assert len(set(map(collision_key, made))) == 2
    assert "2024" in made[0] and "2024" in made[1]
    assert colliding(found, recipe(path)) == tuple(sources)
    apart = Entries([found[0], found[1]._replace(taken=20250101000000)])
    assert colliding(apart, recipe(path)) is None


#: Sources whose outputs want one name in a flat folder on some file system.
TWINS = {
    "folders": ("2023/img.jpg", "2024/img.jpg"),
    "case": ("a/IMG.jpg", "b/img.jpg"),
    "suffixes": ("img.jpg", "img.png"),
    "normalization": (
        unicodedata.normalize("NFC", "a/é.jpg"), unicodedata.normalize("NFD", "b/é.jpg")
    ),
    "sharp s": ("a/straße.jpg", "b/STRASSE.jpg"),
    "long": ("a/" + "x" * 251 + ".jpg", "b/" + "x" * 251 + ".jpg"),
}  # fmt: skip


@pytest.mark.parametrize("sources", TWINS.values(), ids=TWINS)
def test_twins_get_names_of_their_own(sources):
    made = names(recipe("{name}", format="webp"), *sources)
    assert len({collision_key(name) for name in made.values()}) == 2
    assert all("/" not in name and name.endswith(".webp") for name in made.values())
    assert all(len(name.encode()) <= 255 for name in made.values())
    if len(sources[0]) < 200:  # names that are shortened have digests
        assert colliding(entries(*sources), recipe("{name}", format="webp")) is not None


def test_the_first_by_path_has_the_plain_name_and_others_a_digest():
    made = names(recipe("{name}", format="png"), "a/x.jpg", "b/x.jpg")
    assert made["a/x.jpg"] == "x.png"
    assert made["b/x.jpg"].startswith("x.") and made["b/x.jpg"].endswith(".png")
    more = names(recipe("{name}", format="png"), "a/x.jpg", "b/x.jpg", "c/y.jpg")
    assert more == {**made, "c/y.jpg": "y.png"}


def test_no_file_has_the_name_of_a_folder():
    made = names(recipe("{stem}/{name}"), "a/x.jpg.png", "x.jpg", "b/x.png")
    folders = {name.rpartition("/")[0] for name in made.values()}
    assert not {collision_key(name) for name in made.values()} & set(map(collision_key, folders))
    assert len(set(map(collision_key, made.values()))) == 3


@pytest.mark.parametrize(
    "path", ["{name}", "{stem}/{name}", "{folder}/{stem}-1.{ext}", "{ext}/{name}"]
)
def test_any_set_of_names_is_told_apart(path):
    chance = random.Random(7)
    parts = ["a", "A", "é", "e\u0301", "x.jpg", "..", ".", "a.png", "\udcff", " ", "s" * 250]
    for _ in range(200):
        sources = {
            "/".join(chance.choice(parts).strip(".") or "n" for _ in range(chance.randint(0, 2)))
            + "/" + chance.choice(parts) + chance.choice([".jpg", ".PNG", ""])
            for _ in range(12)
        }  # fmt: skip
        sources = {source.lstrip("/") for source in sources}
        made = names(recipe(path), *sources)
        keys = {collision_key(name) for name in made.values()}
        assert len(keys) == len(sources)
        for name in made.values():
            components = name.split("/")
            assert not {"", ".", ".."} & set(components)
            assert all(len(c.encode("utf-8", "surrogateescape")) <= 255 for c in components)
            for depth in range(1, len(components)):
                assert collision_key("/".join(components[:depth])) not in keys


@pytest.mark.parametrize(
    ("steps", "width", "height"),
    [
        ([], None, None),
        ([{"resize": {"width": 640}}], 640, None),
        ([{"resize": {"height": 48}}, "sharpen"], None, 48),
        ([{"resize": {"width": 64, "height": 48}}], 64, 48),
        ([{"resize": {"width": 64, "height": 48, "fit": "cover"}}], 64, 48),
        ([{"resize": {"width": 64, "height": 48, "fit": "pad"}}], 64, 48),
        ([{"resize": {"width": 64, "height": 48, "fit": "contain"}}], None, None),
        ([{"resize": {"width": 640, "upscale": "never"}}], None, None),
        ([{"resize": {"longest": 640}}], None, None),
        ([{"resize": {"width": 64, "height": 48}}, {"border": {"width": 2}}], None, None),
        (["grayscale", {"rotate": {"angle": 90}}, {"resize": {"width": 64}}], 64, None),
    ],
)
def test_sides_are_known_if_they_are_the_same_for_all_images(steps, width, height):
    asked = parse({"steps": steps})
    assert asked.sides_of(asked.outputs[0]) == (width, height)


@pytest.mark.parametrize("side", ["width", "height"])
def test_a_side_that_differs_is_refused(side):
    output = {"path": f"{{{side}}}-{{name}}"}
    for resize in ({"longest": 9}, {side: 9, "upscale": "never"}):
        with pytest.raises(UserError, match=f"the {side} is not the same for all images; write a"):
            parse({"steps": [{"resize": resize}], "output": output})


@pytest.mark.parametrize("path", ["{stem}", "../{name}", 5, "{taken:%b}/{name}"])
def test_what_is_no_template_is_refused(path):
    with pytest.raises(UserError, match=r"recipe.output.path: found .*; give a"):
        parse({"output": {"path": path}})


@pytest.mark.parametrize(
    "path",
    [
        "{stem}/{name}",
        "{stem}-small/{name}",
        "{folder}/" + 300 * "y" + "/{name}",
        "{stem}.{stem}/{name}",
    ],
)
@pytest.mark.parametrize(
    "stem", ["a." + 249 * "b", 125 * "\u00e9", 251 * "\udce9", "." + 250 * "b", "ok"]
)
def test_long_names_of_folders_are_shortened_and_stay_distinct(path, stem):
    sources = [f"{stem}.jpg", f"{stem[:-1]}c.jpg"]
    found = names(recipe(path), *sources)
    parts = [name for output in found.values() for name in output.split("/")]
    assert max(len(os.fsencode(name)) for name in parts) <= 255
    assert len({collision_key(output) for output in found.values()}) == 2


def test_images_whose_folder_is_too_long_share_it():
    path = f"{300 * 'y'}/{{name}}"
    folders = {
        output.rpartition("/")[0] for output in names(recipe(path), "a.jpg", "b.jpg").values()
    }
    assert len(folders) == 1
