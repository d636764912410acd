"""Each output has a unique name that depends on its variant, format and source."""

import os
import random
import unicodedata

import pytest

from pixelmill.dataset import output_names
from pixelmill.dataset.entries import Entries, Entry
from pixelmill.dataset.output_names import Outputs, Source, colliding, first_collision, renamed
from pixelmill.imaging.recipe_parser import parse
from tests.helpers.namesakes import name_outputs

PNG = parse({"output": {"format": "png"}})
TWO = parse({"outputs": [{"name": "large", "format": "jpeg"}, {"name": "small", "format": "webp"}]})


def entries(*names):
    kinds = {"jpg": "jpeg", "png": "png", "gif": "gif"}
    return Entries(Entry(name, 1, 1, kinds[name.rpartition(".")[2]]) for name in names)


def destinations(recipe, *names):
    found = entries(*names)
    outputs = Outputs(found, recipe)
    return [outputs.of(entry) for entry in found]


def test_outputs_follow_the_tree_of_their_sources():
    assert destinations(PNG, "d/a.png", "d/b.gif", "b.gif") == [
        ("d/a.png",),
        ("d/b.png",),
        ("b.png",),
    ]


def test_each_variant_has_a_folder_and_settles_its_names_alone():
    first, second = destinations(TWO, "d/a.gif", "d/a.jpg")
    assert first == ("large/d/a.gif.jpg", "small/d/a.webp")
    assert second == ("large/d/a.jpg", "small/d/a.jpg.webp")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (None, ["shoes/12.v2.png", "b.png", "d/c.png"]),
        ("{name}", ["12.v2.png", "b.png", "c.png"]),
        ("{folder}-x/{stem}.{ext}", ["shoes-x/12.v2.png", "-x/b.png", "d-x/c.png"]),
    ],
)
def test_outputs_are_named_after_a_list_if_it_says_so(path, expected):
    asked = parse({"output": {"format": "png"} | ({"path": path} if path else {})})
    named = [("d/a.png", "shoes/12.v2"), ("d/b.gif", "b"), ("d/c.jpg", "")]
    found = Entries(Entry(source, 1, 1, "png", name=name) for source, name in named)
    outputs = Outputs(found, asked)
    assert [outputs.of(entry)[0] for entry in found] == expected


def test_a_name_of_a_list_goes_before_those_of_sources():
    named = [("a.png", ""), ("a.jpg", ""), ("z.gif", "a"), ("y.gif", "b/c"), ("b.png", "")]
    found = Entries(Entry(source, 1, 1, "png", name=name) for source, name in named)
    outputs = Outputs(found, PNG)
    assert [outputs.of(entry)[0] for entry in found] == [
        "a.png.png", "a.jpg.png", "a.png", "b/c.png", "b.png",
    ]  # fmt: skip


def test_names_of_a_list_that_become_one_path_get_a_digest():
    named = [("1.png", "b/x"), ("2.png", "c/x"), ("3.png", "c/x.png/y")]
    found = Entries(Entry(source, 1, 1, "png", name=name) for source, name in named)
    flat = Outputs(found, parse({"output": {"format": "png", "path": "{name}"}}))
    first, second, _ = (flat.of(entry)[0] for entry in found)
    assert first == "x.png"
    assert (second[:2], second[-4:], len(second)) == ("x.", ".png", len("x.12345678.png"))
    plain = Outputs(found, PNG)  # where a folder has the name of an output
    _, second, _ = (plain.of(entry)[0] for entry in found)
    assert (second[:4], len(second)) == ("c/x.", len("c/x.12345678.png"))


def test_without_a_recipe_there_are_none():
    (entry,) = entries("a.jpg")
    assert Outputs().of(entry) == ()


def test_two_sources_with_the_same_output_name_are_reported():
    assert colliding(entries("a.gif", "a.png", "b.png"), PNG) == ("a.gif", "a.png")
    assert colliding(entries("a.gif", "b.png"), PNG) is None
    second = parse({"outputs": [{"name": "same", "format": "same"}, {"name": "jpeg"}]})
    assert colliding(entries("a.gif", "a.png", "b.png"), second) == ("a.gif", "a.png")


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        pytest.param(["a.png"], {"a.png": "a.jpg"}, id="plain"),
        pytest.param(["a/b/c.TIFF"], {"a/b/c.TIFF": "a/b/c.jpg"}, id="keeps-folders"),
        pytest.param(["scan"], {"scan": "scan.jpg"}, id="no-suffix"),
        pytest.param(["take.001"], {"take.001": "take.001.jpg"}, id="number-is-no-suffix"),
        pytest.param(["a.edited"], {"a.edited": "a.edited.jpg"}, id="long-word-is-no-suffix"),
        pytest.param(
            ["IMG.2024-05-01"], {"IMG.2024-05-01": "IMG.2024-05-01.jpg"}, id="date-is-no-suffix"
        ),
        pytest.param(["a.x/b"], {"a.x/b": "a.x/b.jpg"}, id="suffix-of-a-folder-stays"),
        pytest.param(
            ["a.bmp", "a.jpg"], {"a.bmp": "a.bmp.jpg", "a.jpg": "a.jpg"}, id="bearer-wins"
        ),
        pytest.param(
            ["a.BMP", "a.JPG"], {"a.BMP": "a.BMP.jpg", "a.JPG": "a.jpg"}, id="bearer-in-capitals"
        ),
        pytest.param(
            ["a.png", "a.gif"], {"a.png": "a.png.jpg", "a.gif": "a.jpg"}, id="else-first-by-path"
        ),
        pytest.param(
            ["A.jpg", "a.jpg"], {"A.jpg": "A.jpg", "a.jpg": "a.jpg.jpg"}, id="case-of-name"
        ),
        pytest.param(
            ["D/x.png", "d/x.png"], {"D/x.png": "D/x.jpg", "d/x.png": "d/x.png.jpg"},
            id="case-of-folder",
        ),
        pytest.param(
            ["e\u0301.png", "\u00e9.png"],
            {"e\u0301.png": "e\u0301.jpg", "\u00e9.png": "\u00e9.png.jpg"},
            id="normalization",
        ),
        pytest.param(
            ["x/a.png", "y/a.gif"], {"x/a.png": "x/a.jpg", "y/a.gif": "y/a.jpg"},
            id="other-folders-do-not-collide",
        ),
    ],
)  # fmt: skip
def test_outputs_are_named(sources, expected):
    assert name_outputs(sources, ".jpg") == expected


def test_the_longer_name_may_be_taken_too():
    outputs = name_outputs(["a.jpg", "a.png", "a.png.jpg"], ".jpg")
    assert (outputs["a.jpg"], outputs["a.png.jpg"]) == ("a.jpg", "a.png.jpg")
    assert_distinct(outputs)


def test_the_name_with_a_digest_may_be_taken_too():
    # A folder that contains sources and copies of earlier outputs has such names.
    sources = ["a.jpg", "a.png", "a.png.jpg"]
    with_digest = name_outputs(sources, ".jpg")["a.png"]
    assert_distinct(name_outputs([*sources, with_digest], ".jpg"))


@pytest.mark.parametrize("below", ["x.jpg/page.png", "x.jpg/deep/page.png", "X.JPG/page.png"])
def test_no_output_has_the_name_of_another_folder(below):
    outputs = name_outputs(["x.png", below], ".jpg")
    assert outputs["x.png"].lower() != "x.jpg"
    assert outputs[below] == below.replace(".png", ".jpg")


def test_output_names_are_always_distinct():
    draw = random.Random(2026)
    stems = ["a", "A", "e\u0301", "\u00e9", "É", "ß", "ss", "d/a", "D/a"]
    suffixes = ["", ".jpg", ".JPG", ".png", ".png.jpg", ".jpg.jpg", ".jpg.png", ".png.jpg.jpg"]
    names = [stem + suffix for stem in stems for suffix in suffixes]
    for _ in range(500):
        sources = draw.sample(names, draw.randrange(1, len(names)))
        outputs = name_outputs(sources, ".jpg")
        assert sorted(outputs) == sorted(sources)
        assert_distinct(outputs)


@pytest.mark.parametrize("recipe", [PNG, TWO, parse({"output": {"format": "same"}})])
def test_names_that_are_made_many_at_a_time_are_those_of_one_image(recipe, monkeypatch):
    draw = random.Random(11)
    stems = ["a", "A", "b/a", "b.jpg/a", "é", "e\u0301", "IMG.2024-05-01", "long" * 70, "a.gif"]
    for _ in range(200):
        paths = {draw.choice(stems) + draw.choice(["", ".jpg", ".png", ".GIF"]) for _ in range(9)}
        given = draw.choice([{}, {"a.jpg": "sku", "A.png": "SKU"}])
        found = Entries(
            Entry(path, 1, 1, draw.choice(["jpeg", "png", ""]), name=given.get(path, ""))
            for path in sorted(paths)
        )
        outputs = Outputs(found, recipe)
        assert outputs.firsts(found, 0, len(found)) == [outputs.of(entry)[0] for entry in found]
        with monkeypatch.context() as changed:
            changed.setattr(output_names, "_plain_names", lambda columns, format: 1 / 0)
            changed.setattr(output_names, "_renamed", one_by_one)
            assert [*map(Outputs(found, recipe).of, found)] == [*map(outputs.of, found)]


def one_by_one(entries, format, naming):
    return renamed(lambda: [output_names._source(entry, format) for entry in entries], naming)


def test_the_order_of_the_sources_does_not_matter():
    sources = ["a.png", "a.jpg", "A.jpg", "a.png.jpg", "b/a.gif", "b/A.bmp", "\u00e9", "e\u0301"]
    expected = name_outputs(sources, ".png")
    draw = random.Random(2026)
    for _ in range(50):
        draw.shuffle(sources)
        assert name_outputs(sources, ".png") == expected


def test_a_newcomer_renames_only_its_own_collision():
    settled = ["a.png", "b.png", "b.gif", "c/a.png"]
    before = name_outputs(settled, ".jpg")
    after = name_outputs([*settled, "a.jpg"], ".jpg")
    assert after["a.jpg"] == "a.jpg"
    assert [source for source in settled if before[source] != after[source]] == ["a.png"]


@pytest.mark.parametrize(
    ("sources", "collision"),
    [
        (["a.png", "b.png", "a.x/a.png"], None),
        (["b.png", "a.png", "a.jpg"], ("a.jpg", "a.png")),
        (["A.jpg", "a.jpg"], ("A.jpg", "a.jpg")),
        (["\u00e9.png", "e\u0301.gif"], ("e\u0301.gif", "\u00e9.png")),
        ([], None),
    ],
    ids=["none", "suffix", "case", "normalization", "nothing"],
)
def test_the_first_collision_is_found(sources, collision):
    assert first_collision(lambda: [Source(source, ".jpg") for source in sources]) == collision


LONG = {
    "ascii": "a" * 251,
    "two-byte-letters": "é" * 125,
    "emoji": "\N{GRINNING FACE}" * 62,
    "undecodable": "\udce9" * 251,
}


@pytest.mark.parametrize("stem", LONG.values(), ids=LONG)
@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_the_longest_names_stay_within_the_limit_and_distinct(stem, suffix):
    sources = [stem + other for other in (".jpg", ".png", ".gif", "")]
    outputs = name_outputs(sources, suffix)
    for output in outputs.values():
        assert len(os.fsencode(output)) <= 255
        assert output.endswith(suffix)
    assert_distinct(outputs)


def test_long_names_that_differ_only_at_their_end_stay_distinct():
    sources = ["a" * 250 + last for last in "bcdef"]
    assert_distinct(name_outputs(sources, ".webp"))


def test_the_limit_applies_to_a_name_and_not_to_a_path():
    folder = "/".join(["d" * 200] * 3)
    assert name_outputs([f"{folder}/a.png"], ".jpg") == {f"{folder}/a.png": f"{folder}/a.jpg"}


def assert_distinct(outputs):
    """All outputs are different on a file system that ignores case and normalization."""
    decomposed = [unicodedata.normalize("NFD", output).casefold() for output in outputs.values()]
    same = [unicodedata.normalize("NFD", output) for output in decomposed]
    assert len(set(same)) == len(same), sorted(outputs.values())
