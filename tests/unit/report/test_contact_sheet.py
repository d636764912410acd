"""The contact sheet shows a dozen images, the most different first, at a limited cost."""

import base64
import io

import pytest
from PIL import Image

from pixelmill.dataset.layout import Tree
from pixelmill.dataset.ledger import Ledger
from pixelmill.imaging.recipe_parser import parse
from pixelmill.report import contact_sheet as module
from pixelmill.report import thumbnails
from pixelmill.report.contact_sheet import contact_sheet, difference
from tests.helpers.passes import process_folder

SMALL = parse({"steps": [{"resize": {"width": 32, "height": 24}}]})


def opened(url):
    head, data = url.split(",", 1)
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.fixture
def tree(tmp_path, photos):
    """Function that processes some pictures; it returns the tree and the sources."""

    def make(count=3, recipe=SMALL):
        source = photos(tmp_path / "in", count)
        process_folder(str(source), str(tmp_path / "out"), recipe, "sequential", 1)
        return tmp_path / "out", source

    return make


def test_every_pair_is_the_source_and_what_was_made_of_it(tree):
    out, source = tree()
    pairs = contact_sheet(str(out), str(source))
    assert sorted(pair.source for pair in pairs) == ["0.jpg", "1.jpg", "2.jpg"]
    for pair in pairs:
        with Image.open(source / pair.source) as picture:
            assert difference(opened(pair.before), picture.convert("RGB")) < 0.02
        assert opened(pair.before).size == pair.before_size == (96, 64)
        assert opened(pair.after).size == pair.after_size == (32, 24)
        assert (pair.facts.width, pair.facts.height, pair.facts.pixels_in) == (32, 24, 96 * 64)


def test_the_largest_difference_comes_first(tree):
    out, source = tree()
    Image.new("RGB", (32, 24), "white").save(out / "images/1.jpg")
    pairs = contact_sheet(str(out), str(source))
    assert pairs[0].source == "1.jpg"
    assert [p.difference for p in pairs] == sorted((p.difference for p in pairs), reverse=True)


def test_a_dozen_is_shown_and_no_more_images_are_opened_than_a_bound(tree, monkeypatch):
    opened_paths = []
    whole = module.thumbnail
    monkeypatch.setattr(
        module, "thumbnail", lambda *given: opened_paths.append(given) or whole(*given)
    )
    monkeypatch.setattr(module, "MOST_EXAMPLES", 14)
    out, source = tree(count=40)
    assert len(contact_sheet(str(out), str(source))) == 12
    assert len(opened_paths) <= 2 * (14 + 2 * module.OF_EACH)  # a sample, and the extremes


def test_of_large_images_fewer_are_opened(tree, monkeypatch):
    out, source = tree(count=40)
    compared = []
    monkeypatch.setattr(module, "_opened", lambda *given: compared.append(given[2].source))
    monkeypatch.setattr(module, "MOST_PIXELS", 20 * 96 * 64)
    module._chosen(str(out), str(source), 12)
    assert 20 <= len(compared) <= 20 + 2 * module.OF_EACH
    monkeypatch.setattr(module, "LARGEST_PIXELS", 96 * 64 - 1)
    assert contact_sheet(str(out), str(source)) == []


def test_the_slowest_the_largest_savings_and_the_least_similar_are_shown_with_others(
    tree, tmp_path, photo
):
    out, source = tree(count=40)
    Image.new("RGB", (32, 24), "white").save(out / "images/1.jpg")
    with Ledger(str(out / "ledger.sqlite")) as ledger:
        ledger._database.execute("UPDATE images SET decode_seconds = 9 WHERE source = '2.jpg'")
        ledger._database.execute("UPDATE images SET bytes_in = 99999 WHERE source = '3.jpg'")
    sheet = contact_sheet(str(out), str(source))
    differences = [pair.difference for pair in sheet]
    assert differences == sorted(differences, reverse=True)
    pairs = {pair.source: pair for pair in sheet}
    assert len(pairs) == 12
    assert "least similar" in pairs["1.jpg"].kinds
    assert "slowest" in pairs["2.jpg"].kinds and pairs["2.jpg"].facts.seconds >= 9
    assert "largest savings" in pairs["3.jpg"].kinds
    for kind in ("least similar", "slowest", "largest savings"):
        assert sum(kind in pair.kinds for pair in pairs.values()) == module.OF_EACH
    assert [pair for pair in pairs.values() if pair.kinds == ("sample",)]


def test_what_became_larger_is_no_saving(tree):
    out, source = tree(count=6)
    with Ledger(str(out / "ledger.sqlite")) as ledger:
        ledger._database.execute("UPDATE images SET bytes_in = 1 WHERE source != '0.jpg'")
        ledger._database.execute("UPDATE images SET bytes_in = 99999 WHERE source = '0.jpg'")
    pairs = contact_sheet(str(out), str(source))
    saving = [pair.source for pair in pairs if "largest savings" in pair.kinds]
    assert (len(pairs), saving) == (6, ["0.jpg"])


def test_outputs_beside_the_page_are_linked_and_others_are_not(tree, tmp_path):
    out, source = tree(count=1)
    (out / "images/0.jpg").rename(out / "images/a #1.jpg")
    with Ledger(str(out / "ledger.sqlite")) as ledger:
        ledger._database.execute("UPDATE images SET output = 'a #1.jpg'")

    def link(page):
        (pair,) = contact_sheet(str(out), str(source), str(page) if page else "")
        return pair.link

    assert link(out / "report") == "../images/a%20%231.jpg"
    assert link(tmp_path / "report") == "../out/images/a%20%231.jpg"
    assert link(tmp_path / "elsewhere/report") == ""
    assert link(None) == ""


def test_a_page_of_many_recipes_has_fewer_pictures_of_each(tree, monkeypatch):
    out, source = tree(count=40)
    trees = [Tree("mine", f"r{k}", "threads", str(out)) for k in range(9)]
    monkeypatch.setattr(module, "by_recipe", lambda found: [("", [one]) for one in found])
    config = {"datasets": {"mine": {"folder": str(source)}}}
    sheets = module.contact_sheets(trees, config)
    assert {len(pairs) for pairs in sheets.values()} == {4}
    assert {len(pairs) for pairs in module.contact_sheets(trees[:2], config).values()} == {12}


def test_a_picture_that_is_too_large_now_is_not_opened(tree, monkeypatch):
    """It may have been replaced since, or the recipe may enlarge."""
    out, source = tree(count=1)
    Image.new("RGB", (400, 300)).save(source / "0.jpg")
    assert len(contact_sheet(str(out), str(source))) == 1
    monkeypatch.setattr(thumbnails, "LARGEST_PIXELS", 10_000)
    assert contact_sheet(str(out), str(source)) == []


def test_small_pictures_are_not_enlarged_and_large_ones_are_reduced(tree):
    out, source = tree(count=1)
    Image.new("RGB", (900, 600)).save(source / "0.jpg")
    (pair,) = contact_sheet(str(out), str(source))
    assert (pair.before_size, pair.after_size) == ((320, 213), (32, 24))


@pytest.mark.parametrize("spoil", ["source gone", "output gone", "source broken"])
def test_unreadable_images_are_omitted(tree, spoil):
    out, source = tree()
    path = out / "images/1.jpg" if spoil == "output gone" else source / "1.jpg"
    path.write_bytes(b"\xff\xd8\xff") if "broken" in spoil else path.unlink()
    assert len(contact_sheet(str(out), str(source))) == 2


@pytest.mark.parametrize("spoil", ["ledger.sqlite", "an old ledger"])
def test_without_a_ledger_there_is_no_sheet(tree, spoil):
    out, source = tree()
    if spoil == "ledger.sqlite":
        for path in out.glob("ledger.*"):
            path.unlink()
    else:
        with Ledger(str(out / "ledger.sqlite")) as ledger:
            ledger._database.execute("PRAGMA user_version = 1")
    assert contact_sheet(str(out), str(source)) == []


def test_of_variants_the_first_by_name_is_shown(tree):
    outputs = [{"name": "b", "format": "png"}, {"name": "a", "format": "jpeg"}]
    out, source = tree(count=1, recipe=parse({"steps": [], "outputs": outputs}))
    (pair,) = contact_sheet(str(out), str(source))
    assert pair.facts.output == "a/0.jpg"


def test_transparent_and_deep_pictures_are_shown_on_white_in_eight_bits(tmp_path):
    (tmp_path / "in").mkdir()
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(tmp_path / "in/clear.png")
    Image.new("I;16", (40, 40), 2**16 - 1).save(tmp_path / "in/deep.png")
    recipe = parse({"steps": [], "output": {"format": "png"}})
    process_folder(str(tmp_path / "in"), str(tmp_path / "out"), recipe, "sequential", 1)
    pairs = contact_sheet(str(tmp_path / "out"), str(tmp_path / "in"))
    assert [opened(pair.before).getpixel((9, 9)) for pair in pairs] == [(255,) * 3] * 2
