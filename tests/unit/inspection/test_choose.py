"""Which images are processed follows from what they are, and the others have a reason."""

import csv

import pytest
from PIL import Image

from pixelmill.core.errors import UserError
from pixelmill.dataset import catalog_table
from pixelmill.dataset.image_list import ImageList
from pixelmill.inspection.choose import choose
from pixelmill.inspection.inspect import inspect
from pixelmill.inspection.measuring.measurer import RECIPE
from pixelmill.pipeline.request import ProcessRequest


@pytest.fixture
def inspected(tmp_path, photo):
    """Results of three photos, one of them twice and in another format, and a dark picture."""
    source = tmp_path / "in"
    source.mkdir()
    for number in range(3):
        photo(300, 200, number).save(source / f"{number}.jpg", quality=95)
    (source / "again.jpg").write_bytes((source / "1.jpg").read_bytes())
    photo(300, 200, 1).resize((600, 400)).save(source / "large.png")
    Image.new("RGB", (300, 200), (3, 2, 1)).save(source / "night.jpg")
    inspect(ProcessRequest(str(source), str(tmp_path / "out"), RECIPE, "sequential", 1))
    return tmp_path / "out"


def chosen(target, *how, **named):
    table = str(target / "inspection/catalog.csv")
    numbers = choose(table, str(target), *how, source=str(target.parent / "in"), **named)
    found = [entry.path for entry in catalog_table.read(target / "selected.csv")]
    with (target / "left_out.csv").open(encoding="utf-8", newline="") as file:
        reasons = {row["source"]: row["reason"] for row in csv.DictReader(file)}
    assert numbers == (len(found), len(reasons))
    return found, reasons


def test_an_expression_chooses_and_says_why_the_others_are_left_out(inspected):
    found, reasons = chosen(inspected, "not dark and width >= 300")
    assert found == ["0.jpg", "1.jpg", "2.jpg", "again.jpg", "large.png"]
    assert reasons == {"night.jpg": "not selected by 'not dark and width >= 300'"}


@pytest.mark.parametrize(("how", "kept"), [("first", "1.jpg"), ("best", "large.png")])
def test_of_duplicates_one_is_chosen(inspected, how, kept):
    found, reasons = chosen(inspected, None, how)
    assert {"1.jpg", "again.jpg", "large.png"} & {*found} == {kept}
    assert all(f"a duplicate of '{kept}'" in reason for reason in reasons.values())


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """Function that makes a list of images."""
    monkeypatch.chdir(tmp_path)

    def make(*paths):
        (tmp_path / "list.txt").write_text("\n".join(paths), encoding="utf-8")
        return ImageList("list.txt")

    return make


def test_a_list_and_an_expression_must_both_hold(inspected, listed):
    named = listed("0.jpg", "night.jpg", "large.png")
    found, reasons = chosen(inspected, "not dark", listed=named)
    assert found == ["0.jpg", "large.png"]
    unnamed = "not named in 'list.txt'"
    assert reasons == {
        **dict.fromkeys(["1.jpg", "2.jpg", "again.jpg"], unnamed),
        "night.jpg": "not selected by 'not dark'",
    }


def test_an_image_that_is_not_listed_does_not_stand_for_its_duplicates(inspected, listed):
    found, reasons = chosen(inspected, None, "best", listed=listed("1.jpg", "again.jpg"))
    assert found == ["1.jpg"]
    assert reasons["again.jpg"] == "a duplicate of '1.jpg', which comes first"


def test_a_list_alone_needs_no_metrics(inspected, listed, caplog):
    (inspected / "inspection/ledger.sqlite").unlink()
    assert chosen(inspected, None, listed=listed("2.jpg", "gone.jpg"))[0] == ["2.jpg"]
    assert "'gone.jpg' (line 2) does not exist" in caplog.text


def test_a_mistake_in_a_list_stops_before_anything_is_written(inspected, listed):
    with pytest.raises(UserError, match=r"'list.txt', line 2: '../a.jpg' has the part"):
        chosen(inspected, None, listed=listed("2.jpg", "../a.jpg"))
    assert not list(inspected.glob("selected.csv"))
    assert not list(inspected.glob("left_out.csv"))


def test_an_image_that_was_not_measured_is_left_out(inspected):
    table = inspected / "inspection/catalog.csv"
    entries = list(catalog_table.read(table))
    catalog_table.write(table, [*entries, entries[-1]._replace(path="new.jpg")])
    assert chosen(inspected, "not dark")[1]["new.jpg"] == "not measured"


def test_a_choice_of_nothing_stops_and_says_where_the_reasons_are(inspected):
    told = r"No image is left of 6; '0.jpg', for example, is not selected by 'width > 9999'\."
    with pytest.raises(UserError, match=told):
        chosen(inspected, "width > 9999")
