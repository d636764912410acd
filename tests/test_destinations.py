"""Each output has a place of its own, by its variant, its format and its source."""

from pixelmill.destinations import Outputs, colliding
from pixelmill.entries import Entries, Entry
from pixelmill.imaging.recipe_parser import parse

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


def test_without_a_recipe_there_are_none():
    (entry,) = entries("a.jpg")
    assert Outputs().of(entry) == ()


def test_two_that_want_one_name_are_told():
    assert colliding(entries("a.gif", "a.png", "b.png"), PNG) == ("a.gif", "a.png")
    assert colliding(entries("a.gif", "b.png"), PNG) is None
