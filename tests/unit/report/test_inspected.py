"""The report tells what was found about the images of datasets that were inspected."""

import pytest

from pixelmill.core.errors import UserError
from pixelmill.core.tables import write_json, write_table
from pixelmill.report.inspected import inspected
from pixelmill.report.render import html, markdown
from tests.helpers.reports import REPORT

COLUMNS = ("source", "finding", "severity", "group", "value", "threshold")

ROWS = [
    ("a.jpg", "duplicate", "warning", "1", "2", ""),
    ("b.jpg", "duplicate", "warning", "1", "2", ""),
    ("c.jpg", "duplicate", "warning", "2", "2", ""),
    ("d.jpg", "duplicate", "warning", "2", "2", ""),
    ("a.jpg", "odd_size", "info", "", "9", "8"),
]

FOUND = [
    {"name": "duplicate", "severity": "warning", "images": 4, "groups": 2},
    {"name": "odd_size", "severity": "info", "images": 1, "groups": 0},
]


@pytest.fixture
def results(tmp_path):
    """Results with an inspected dataset, in a folder whose name needs to be quoted."""
    folder = tmp_path / "results" / "50 %"
    folder.mkdir(parents=True)
    write_table(folder / "findings.csv", COLUMNS, ROWS)
    write_json(folder / "statistics.json", {"images": 1205, "failed": 3})
    (folder / "inspection.html").touch()
    (tmp_path / "results" / "plain").mkdir()
    return tmp_path / "results"


def test_images_and_groups_of_each_finding_are_counted(results):
    folders = {"mine": str(results / "50 %"), "plain": str(results / "plain")}
    assert inspected(folders, str(results / "report")) == [
        {
            "dataset": "mine", "images": 1205, "failed": 3, "findings": FOUND,
            "link": "../50%20%25/inspection.html",
        }
    ]  # fmt: skip


def test_there_is_no_link_to_a_page_that_is_missing_or_not_beside_the_report(results, tmp_path):
    folders = {"mine": str(results / "50 %")}
    assert inspected(folders, str(tmp_path / "elsewhere" / "report"))[0]["link"] == ""
    (results / "50 %" / "inspection.html").unlink()
    assert inspected(folders, str(results / "report"))[0]["link"] == ""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("statistics.json", "{"),
        ("statistics.json", "[]"),
        ("statistics.json", '{"images": null, "failed": 0}'),
        ("findings.csv", "a,b\n1,2\n"),
    ],
)
def test_a_damaged_table_is_named(results, name, content):
    (results / "50 %" / name).write_text(content)
    with pytest.raises(UserError, match=rf"{name}' is damaged; inspect the images again"):
        inspected({"mine": str(results / "50 %")}, "")


def test_the_page_shows_the_findings_of_each_dataset():
    entry = {"dataset": "mine", "images": 1205, "failed": 3, "findings": FOUND, "link": "../x.html"}
    report = {**REPORT, "inspected": [entry]}
    page = html(report)
    assert "1,205 images were inspected, of which 3 could not be read." in page
    assert 'in <a href="../x.html">inspection.html</a>' in page
    assert '<th scope="row" class="text">odd size</th><td>1</td><td></td>' in page
    assert "Found about the images of mine: duplicate (4), odd size (1)." in markdown(report)


def test_a_dataset_without_findings_is_told_in_a_sentence():
    entry = {"dataset": "mine", "images": 1, "failed": 0, "findings": [], "link": ""}
    page = html({**REPORT, "inspected": [entry]})
    assert "1 image was inspected. Nothing unusual was found." in page
    assert 'id="inspected"' not in html(REPORT)
    none = html({**REPORT, "inspected": [{**entry, "images": 0}]})
    assert "0 images were inspected." in none
