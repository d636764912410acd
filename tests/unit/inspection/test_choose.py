"""Which images are processed follows from what they are, and the others have a reason."""

import csv

import pytest
from PIL import Image

from pixelmill.core.errors import UserError
from pixelmill.dataset import catalog
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


def chosen(target, *how):
    table = str(target / "inspection/catalog.csv")
    numbers = choose(table, str(target), *how)
    found = [entry.path for entry in catalog.read(target / "selected.csv")]
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


def test_an_image_that_was_not_measured_is_left_out(inspected):
    table = inspected / "inspection/catalog.csv"
    entries = list(catalog.read(table))
    catalog.write(table, [*entries, entries[-1]._replace(path="new.jpg")])
    assert chosen(inspected, "not dark")[1]["new.jpg"] == "not measured"


def test_a_choice_of_nothing_stops_and_says_where_the_reasons_are(inspected):
    told = r"No image is left of 6; '0.jpg', for example, is not selected by 'width > 9999'\."
    with pytest.raises(UserError, match=told):
        chosen(inspected, "width > 9999")
