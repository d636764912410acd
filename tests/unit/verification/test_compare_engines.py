"""The comparison says whether engines gave the same bytes, and which images differ."""

import pytest

from pixelmill.core.errors import UserError
from pixelmill.core.tables import write_table
from pixelmill.dataset.exports import MANIFEST
from pixelmill.verification.compare_engines import compare


def row(source, sha256="same", status="ok", variant=""):
    output = source if sha256 else ""
    return (source, variant, output, status, "", 10, 10, sha256)


@pytest.fixture
def trees(tmp_path):
    """Function that writes manifests, given by engine, and returns where they are."""

    def write(**manifests):
        for engine, rows in manifests.items():
            write_table(tmp_path / engine / "manifest.csv", MANIFEST, rows)
        return {engine: str(tmp_path / engine) for engine in manifests}

    return write


def faults_of(result):
    """The differences by engine and image."""
    return {
        check["name"]: {named["image"]: named["why"] for named in check["named"]}
        for check in result["checks"]
        if not check["passed"]
    }


def test_equal_manifests_pass_with_one_check_for_each_engine(trees):
    rows = [row("a.jpg"), row("b.jpg", "", "failed")]
    result = compare(trees(sequential=rows, threads=rows, processes=rows))
    assert result["passed"]
    assert [check["name"] for check in result["checks"]] == ["threads", "processes"]
    assert [check["compared"] for check in result["checks"]] == [2, 2]
    assert result["summary"] == "threads, processes: byte-identical to sequential over 1 output."


def test_the_checks_have_the_keys_that_others_rely_on(trees):
    (check,) = compare(trees(sequential=[row("a.jpg")], threads=[row("a.jpg")]))["checks"]
    assert check.keys() >= {"name", "passed", "compared", "not_compared", "differing"}


@pytest.mark.parametrize(
    ("theirs", "why"),
    [
        ([row("a.jpg", "other")], "sha256 differ"),
        ([row("a.jpg", status="failed")], "status differ"),
        ([], "only one of the two has it"),
    ],
    ids=["other bytes", "other status", "missing"],
)
def test_a_difference_is_named(trees, theirs, why):
    result = compare(trees(sequential=[row("a.jpg")], threads=theirs, processes=[row("a.jpg")]))
    assert not result["passed"]
    assert faults_of(result) == {"threads": {"a.jpg": why}}
    assert "NOT byte-identical" in result["summary"]


def test_an_image_that_only_a_parallel_engine_has_is_named(trees):
    result = compare(trees(sequential=[row("a.jpg")], threads=[row("a.jpg"), row("b.jpg")]))
    assert faults_of(result) == {"threads": {"b.jpg": "only one of the two has it"}}


@pytest.mark.parametrize("other", ["large", "small", "tiny"])
def test_each_output_of_an_image_is_compared(trees, other):
    variants = ("large", "small", "tiny")
    ours = [row("a.jpg", variant=name) for name in variants]
    theirs = [row("a.jpg", "other" if name == other else "same", variant=name) for name in variants]
    result = compare(trees(sequential=ours, threads=theirs, processes=ours))
    assert faults_of(result) == {"threads": {"a.jpg": "sha256 differ"}}
    assert [check["compared"] for check in result["checks"]] == [3, 3]
    theirs = [one for one in ours if one[1] != other]
    result = compare(trees(sequential=ours, threads=theirs))
    assert faults_of(result) == {"threads": {"a.jpg": "only one of the two has it"}}


def test_all_differences_are_counted_and_the_first_twenty_named(trees):
    ours = [row(f"{number:02d}.jpg") for number in range(30)]
    result = compare(trees(sequential=ours, threads=[]))
    (check,) = result["checks"]
    assert (check["differing"], len(check["named"])) == (30, 20)


def test_without_another_engine_there_is_nothing_to_compare(trees):
    result = compare(trees(sequential=[row("a.jpg")]))
    assert result["passed"]
    assert result["checks"] == []


def test_a_missing_manifest_is_reported(trees, tmp_path):
    places = {**trees(sequential=[row("a.jpg")]), "threads": str(tmp_path / "threads")}
    with pytest.raises(UserError, match=r"threads.manifest\.csv' is missing"):
        compare(places)
