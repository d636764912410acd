"""The measurements of several machines are compared on one page."""

import copy
import json

import pytest

from pixelmill.core.errors import UserError
from pixelmill.report.compare_machines import read, side_by_side, write

RESULT = {
    "schema": 1,
    "images": 100,
    "repeats": 5,
    "recipe": {"steps": []},
    "machine": {
        "processor": "Quick <i>1</i>",
        "cores": 2,
        "memory_gib": 8,
        "system": "Linux x86_64",
    },
    "software": {"Pillow": "13.0.0", "gm": "1.3"},
    "samples": [],
    "steps": [],
    "figures": [
        {
            "kind": kind,
            "workers": workers,
            "images_per_second": rate,
            "slowest": rate,
            "fastest": rate,
            "startup_seconds": 0.1,
            "tail_seconds": 0.0,
            "peak_mib": None,
            "speedup": rate / 100,
        }
        for kind, workers, rate in [("overhead", 1, 1.0), ("loop", 1, 100.0), ("threads", 2, 190.0)]
    ],
    "fits": {},
    "advice": [{"rule": "engine", "text": "Use `threads`.", "evidence": "1.9"}],
}


@pytest.fixture
def other():
    """A machine with four cores and another engine."""
    result = copy.deepcopy(RESULT)
    result["machine"]["cores"] = 4
    result["software"]["Pillow"] = "12.0.0"
    result["figures"].append({**RESULT["figures"][2], "workers": 4, "images_per_second": 1380.0})
    ends = {"low": 0.01, "high": 0.03}
    result["fits"]["threads"] = {
        "amdahl": {"serial_share": 0.02, **ends, "one_worker": 1.0},
        "usl": None,
        "note": "",
        "predictions": [{"workers": 8, "speedup": 7.0, "low": 6.6, "high": 7.4}],
    }
    return result


def test_each_case_has_a_row_and_each_machine_a_column(other):
    laid = side_by_side([RESULT, other])
    assert [(case["kind"], case["workers"]) for case in laid["cases"]] == [
        ("loop", 1),
        ("threads", 2),
        ("threads", 4),
    ]
    missing, there = laid["cases"][-1]["cells"]
    assert missing is None
    assert there["images_per_second"] == 1380.0
    assert [fit["cells"][0] for fit in laid["fits"]] == [None]


def test_each_tool_has_its_own_row_after_the_engines(other):
    row = {**RESULT["figures"][2], "kind": "rival"}
    rates = {"vips": 70.0, "gm": 50.0}
    other["figures"] += [
        {**row, "tool": tool, "images_per_second": rate} for tool, rate in rates.items()
    ]
    laid = side_by_side([RESULT, other])["cases"]
    assert [(case["kind"], case["tool"]) for case in laid[-2:]] == [
        ("rival", "gm"),
        ("rival", "vips"),
    ]
    assert [case["cells"][0] for case in laid[-2:]] == [None, None]
    assert [case["cells"][1]["images_per_second"] for case in laid[-2:]] == [50.0, 70.0]


def test_any_number_of_machines_have_names():
    names = [machine["name"] for machine in side_by_side([RESULT] * 28)["machines"]]
    assert (names[0], names[25:]) == ("A", ["Z", "27", "28"])


def test_libraries_that_differ_are_marked(other):
    software = side_by_side([RESULT, other])["software"]
    assert {row["name"]: row["differs"] for row in software} == {"Pillow": True, "gm": False}


def test_differences_that_prevent_a_comparison_are_reported(other):
    assert side_by_side([RESULT, other])["warnings"] == []
    changed = {**other, "recipe": {"steps": ["grayscale"]}, "images": 7, "repeats": 1}
    warnings = side_by_side([RESULT, changed])["warnings"]
    assert [w.split()[:3] for w in warnings] == [
        ["The", "recipes", "differ:"],
        ["The", "numbers", "of"],
        ["Fewer", "than", "5"],
    ]


def test_the_order_of_the_keys_of_a_recipe_is_no_difference():
    step = {"resize": {"width": 9, "height": 9}}
    one, other = ({**RESULT, "recipe": {"steps": [order], "depth": 8}} for order in (
        step, {"resize": {"height": 9, "width": 9}}
    ))  # fmt: skip
    assert side_by_side([one, other])["warnings"] == []


def test_the_page_shows_both_machines_and_escapes_texts(tmp_path, other):
    write([RESULT, other], tmp_path / "compare.html")
    page = (tmp_path / "compare.html").read_text(encoding="utf-8")
    for text in ("Quick &lt;i&gt;1", "1,380.0", "predicted 7.00x on 8", "not measured", "12.0.0"):
        assert text in page
    assert "Use <code>threads</code>." in page
    assert "http" not in page


def test_files_are_compared_by_hand(tmp_path, other, script):
    for name, result in {"a": RESULT, "b": other}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(result), encoding="utf-8")
    done = script("benchmark_report.py", "--compare", "a.json", "b.json", cwd=tmp_path)
    assert done.status == 0
    assert (tmp_path / "compare.html").exists()


def test_another_file_is_refused(tmp_path):
    (tmp_path / "no.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match=r"no\.json' is not a scaling\.json"):
        read([str(tmp_path / "no.json")])
    with pytest.raises(UserError, match="cannot be read as JSON"):
        read([str(tmp_path / "nowhere.json")])


def test_missing_results_and_files_are_reported(script, tmp_path):
    done = script("benchmark_report.py", cwd=tmp_path)
    assert "Give the folder of all results, or --compare" in done.text


def test_a_page_of_somebody_else_is_not_replaced(tmp_path):
    page = tmp_path / "compare.html"
    page.write_text("<title>mine</title>")
    with pytest.raises(UserError, match="exists, but no comparison wrote it"):
        write([RESULT, RESULT], page)
    assert page.read_text() == "<title>mine</title>"
    page.unlink()
    for _ in range(2):
        write([RESULT, RESULT], page)
    assert "<title>pixelmill" in page.read_text()
