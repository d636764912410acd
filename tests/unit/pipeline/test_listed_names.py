"""Outputs that a list names: the same with every engine, and made again if a name changes."""

import pytest

from pixelmill.dataset import catalog, catalog_table
from pixelmill.dataset.image_list import ImageList
from pixelmill.imaging.recipe_parser import parse
from tests.helpers.processed import Tree

PLAIN = {"steps": [{"resize": {"width": 32}}], "output": {"format": "png"}}
FLAT = {**PLAIN, "output": {"format": "png", "path": "x{name}", "sidecar": "json"}}


@pytest.fixture
def tree(tmp_path, photos):
    photos(tmp_path / "in", 4)
    return Tree(tmp_path)


def process(tree, recipe, *names, **options):
    """Process four images in a pass over the catalog of a list with names."""
    path = tree.source.parent / "list.csv"
    rows = "".join(f"{number}.jpg,{name}\n" for number, name in enumerate(names))
    path.write_text(f"path,sku\n{rows}", encoding="utf-8")
    entries = catalog.scan(str(tree.source))[0].entries
    named = ImageList(str(path), names="sku").find(entries, str(tree.source)).chosen(entries)
    table = str(tree.source.parent / "selected.csv")
    catalog_table.write(table, named, named.are_named)
    return tree.process(recipe=parse(recipe), catalog=table, **options)


def outputs_by_source(tree):
    """Name and content of the output of each image, in the order of the manifest."""
    made, rows = tree.outputs(), tree.table("manifest.csv")
    assert {row["output"] for row in rows} == made.keys()
    images = (row for row in rows if not row["output"].endswith(".json"))
    return {row["source"]: (row["output"], made[row["output"]]) for row in images}


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (PLAIN, ["shoes/a.png", "shoes/b.png", "2.png", "c.png"]),
        (FLAT, ["xa.png", "xb.png", "x2.png", "xc.png"]),
    ],
)
def test_outputs_have_the_names_of_a_list_with_every_engine(tree, tmp_path, recipe, expected):
    names = ("shoes/a", "shoes/b.jpg", "", "c")
    process(tree, recipe, *names)
    found = outputs_by_source(tree)
    assert [name for name, _ in found.values()] == expected
    tree.target, tree.images = tmp_path / "another", tmp_path / "another/images"
    process(tree, recipe, *names, engine="threads", workers=2)
    assert outputs_by_source(tree) == found


def test_an_output_whose_name_changes_is_made_again_and_the_earlier_one_is_gone(tree):
    process(tree, PLAIN, "a", "b", "c", "d")
    before = [data for _, data in outputs_by_source(tree).values()]
    for names, made, expected in (
        (("b", "a", "", "d"), 3, ["b.png", "a.png", "2.png", "d.png"]),
        (("b", "d.png/x", "", "e/y"), 2, ["b.png", "d.png/x.png", "2.png", "e/y.png"]),
        (("b", "d.png/x", "", "e/y"), 0, ["b.png", "d.png/x.png", "2.png", "e/y.png"]),
    ):
        assert process(tree, PLAIN, *names).images == made
        found = outputs_by_source(tree).values()
        assert [data for _, data in found] == before
        assert [name for name, _ in found] == expected
