"""Findings: thresholds, rows and the table."""

import csv
import dataclasses
import math

import numpy as np
import pytest

from pixelmill.core.errors import UserError
from pixelmill.inspection import findings
from pixelmill.inspection.detectors import Detected
from pixelmill.inspection.findings import FINDINGS, SEVERITIES, find, rows, thresholds
from pixelmill.inspection.metrics_table import MetricsTable
from tests.helpers.columns import ArrayColumns

#: The kinds of findings that users know, in their order.
NAMES = [
    *("duplicate", "same_pixels", "near_duplicate", "blurred", "dark", "bright"),
    *("low_information", "odd_aspect", "odd_size", "gray", "suspicious_orientation", "upscaled"),
    *("truncated_edges", "screenshot", "blank_scan"),
]


def test_the_kinds_of_findings_are_those_that_are_documented():
    assert list(FINDINGS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_finding_says_what_it_is_and_why(name):
    finding = FINDINGS[name]
    assert finding.severity in SEVERITIES
    assert finding.meaning and finding.value and finding.source
    assert "TODO" not in "".join((finding.meaning, finding.value, finding.source, finding.reason))
    if finding.threshold is not None:
        low, high = finding.limits
        assert low <= finding.threshold <= high
        assert finding.reason.endswith(".")


def test_thresholds_are_the_defaults_unless_given():
    given = thresholds({"blurred": 41, "dark": 12.5})
    assert (given["blurred"], given["dark"]) == (41.0, 12.5)
    assert given["bright"] == FINDINGS["bright"].threshold
    assert "duplicate" not in given


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"blured": 3}, "findings.blured: unknown finding; did you mean 'blurred'? Allowed are "),
        ({"duplicate": 3}, "findings.duplicate: has no threshold; leave it out."),
        ({"blurred": "60"}, "findings.blurred: found '60'; give a number of at least 0."),
        ({"blurred": None}, "findings.blurred: found nothing; give a number of at least 0."),
        ({"blurred": True}, "findings.blurred: found True; give"),
        ({"blurred": math.nan}, "findings.blurred: found nan; give"),
        ({"blurred": math.inf}, "findings.blurred: found inf; give"),
        ({"dark": 256}, "findings.dark: found 256; give a number from 0 to 255."),
        ({"near_duplicate": 13}, "findings.near_duplicate: found 13; give a number from 0 to 12."),
    ],
)
def test_a_wrong_threshold_is_told(given, problem):
    with pytest.raises(UserError) as raised:
        thresholds(given)
    assert str(raised.value).startswith(problem)


def dataset():
    random = np.random.default_rng(1)
    hashes = random.integers(0, 2**64, 6, dtype=np.uint64)
    hashes[5] = hashes[2] ^ np.uint64(1)
    valid = np.array([True, True, True, True, False, True])
    values = {
        "content_digest": np.array(["a", "b", "c", "b", "", "d"], object),
        "sharpness": np.array([500, 12.3456789, 500, 500, np.nan, 10]),
        "luma_std": np.array([40, 40, 40, 40, np.nan, 40]),
        "luma_p99": np.array([200, 30, 200, 200, np.nan, 200]),
    }
    names = ["a.jpg", "=b.jpg", "c.jpg", "d.jpg", "e.jpg", "f.jpg"]
    return ArrayColumns(names, values, {"phash": (hashes, valid), "dhash": (hashes, valid)})


@pytest.fixture
def found():
    return find(dataset(), thresholds({"blurred": 60, "dark": 80, "near_duplicate": 8}))


def test_all_kinds_are_searched_with_the_thresholds(found):
    counts = {name: count for name, count in found.counts().items() if count}
    assert list(found.found) == NAMES
    assert counts == {"duplicate": 2, "near_duplicate": 2, "blurred": 2, "dark": 1}
    assert np.flatnonzero(found.mask("blurred")).tolist() == [1, 5]
    assert found.near.distance == 8


def test_a_search_that_ended_early_is_told(found):
    assert found.warning() is None
    early = dataclasses.replace(found, near=found.near._replace(distance=3))
    assert "found only within 3 bits instead of 8; set findings.near_duplicate" in early.warning()


def test_the_table_of_metrics_is_searched_as_it_is():
    facts = {"width": 64, "height": 48, "luma_std": 40.0, "sharpness": 900.0, "dhash": "00" * 8}
    table = MetricsTable(
        [
            ("a.jpg", {**facts, "phash": "f0" * 8}, "", 9000, "0" * 32),
            ("b.jpg", {**facts, "phash": "f0" * 7 + "f1", "luma_p99": 9}, "", 8000, "1" * 32),
            ("c.jpg", {}, "corrupt", 9, "2" * 32),
        ]
    )
    counts = find(table, thresholds({})).counts()
    assert {name: count for name, count in counts.items() if count} == {
        "near_duplicate": 2,
        "dark": 1,
    }


def test_rows_are_sorted_by_kind_group_and_source(found):
    columns = dataset()
    assert [row[:4] for row in rows(columns.sources, found)] == [
        ("=b.jpg", "duplicate", "warning", 1),
        ("d.jpg", "duplicate", "warning", 1),
        ("c.jpg", "near_duplicate", "warning", 2),
        ("f.jpg", "near_duplicate", "warning", 2),
        ("=b.jpg", "blurred", "warning", ""),
        ("f.jpg", "blurred", "warning", ""),
        ("=b.jpg", "dark", "warning", ""),
    ]
    measured = [(row.value, row.threshold) for row in rows(columns.sources, found)]
    assert measured[:2] == [("2", ""), ("2", "")]
    assert sorted(measured[2:4]) == [("0", "8"), ("1", "8")]  # the representative, and the other
    assert measured[4] == ("12.3457", "60")


def test_groups_are_numbered_by_their_first_image():
    digests = np.array(["x", "y", "z", "y", "x", "z"], object)
    columns = ArrayColumns([f"{place}" for place in range(6)], {"content_digest": digests})
    made = rows(columns.sources, find(columns, thresholds({})))
    assert [(row.source, row.group) for row in made] == [
        *(("0", 1), ("4", 1), ("1", 2), ("3", 2), ("2", 3), ("5", 3)),
    ]


def test_the_table_has_the_documented_columns_and_no_formulas(found, tmp_path):
    findings.write(tmp_path / "findings.csv", dataset().sources, found)
    with open(tmp_path / "findings.csv", encoding="utf-8", newline="") as file:
        table = list(csv.reader(file))
    assert table[0] == ["source", "finding", "severity", "group", "value", "threshold"]
    assert table[1] == [r"\u003db.jpg", "duplicate", "warning", "1", "2", ""]
    assert len(table) == 8


def test_without_findings_the_table_has_only_its_header(tmp_path):
    columns = ArrayColumns([], {})
    findings.write(tmp_path / "findings.csv", [], find(columns, thresholds({})))
    text = (tmp_path / "findings.csv").read_text("utf-8")
    assert text == "source,finding,severity,group,value,threshold\n"


@pytest.fixture
def page(repository):
    return (repository / "docs/findings.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_the_page_has_each_finding_as_it_is(page, name):
    finding = FINDINGS[name]
    threshold = "" if finding.threshold is None else f"{finding.threshold:g}"
    row = (f"`{name}`", finding.severity, finding.meaning, finding.value, threshold, finding.reason)
    assert f"| {' | '.join(row)} |\n" in page


def test_each_finding_has_a_list_of_its_images(found, tmp_path):
    sources = dataset().sources
    findings.write_lists(str(tmp_path), sources, found)
    texts = {path.name: path.read_text() for path in (tmp_path / "findings").iterdir()}
    assert texts["blurred.txt"] == "=b.jpg\nf.jpg\n"
    assert texts.keys() == {f"{name}.txt" for name, count in found.counts().items() if count}


def test_a_list_goes_with_its_finding_and_other_files_stay(found, tmp_path):
    findings.write_lists(str(tmp_path), dataset().sources, found)
    (tmp_path / "findings/mine.txt").write_text("mine")
    none = Detected(np.zeros(len(dataset().sources), bool), np.zeros(len(dataset().sources)))
    gone = dataclasses.replace(found, found={"blurred": findings.Found(none, 25.0)})
    findings.write_lists(str(tmp_path), dataset().sources, gone)
    names = {path.name for path in (tmp_path / "findings").iterdir()}
    assert "blurred.txt" not in names
    assert "mine.txt" in names


def test_a_path_with_a_line_end_is_in_no_list(tmp_path):
    every = Detected(np.ones(3, bool), np.ones(3))
    found = findings.Findings({"dark": findings.Found(every, 80.0)}, None)
    findings.write_lists(str(tmp_path), [r"a\u000ab.jpg", r"caf\udce9.jpg", "c.jpg"], found)
    assert (tmp_path / "findings/dark.txt").read_bytes() == b"caf\xe9.jpg\nc.jpg\n"


def listed(**detected):
    """Rows of four images, of which these were found."""
    kinds = {name: findings.Found(one, 25.0) for name, one in detected.items()}
    return rows([*"abcd"], findings.Findings(kinds, None))


def test_groups_are_numbered_on_over_all_kinds():
    groups = {
        "duplicate": [2, 2, 0, 0],
        "same_pixels": [1, -1, 1, -1],
        "blurred": None,
        "near_duplicate": [-1, 3, -1, 3],
        "suspicious_orientation": [0, -1, -1, 0],
    }
    made = listed(**{
        name: Detected(np.ones(4, bool), np.ones(4))
        if group is None
        else Detected(np.array(group) >= 0, np.ones(4), np.array(group))
        for name, group in groups.items()
    })  # fmt: skip
    assert [(row.source, row.group) for row in made if row.group] == [
        ("a", 1), ("b", 1), ("c", 2), ("d", 2), ("a", 3), ("c", 3), ("b", 4), ("d", 4),
        ("a", 5), ("d", 5),
    ]  # fmt: skip


def test_the_limit_of_a_soft_set_is_told_in_place_of_the_threshold():
    mask = np.array([True, False, False, False])
    value = np.array([3.0, np.nan, 9.0, 9.0])
    (row,) = listed(blurred=Detected(mask, value, limit=5.625))
    assert (row.value, row.threshold) == ("3", "5.625")
    (row,) = listed(blurred=Detected(mask, value))
    assert row.threshold == "25"
