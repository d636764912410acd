"""The table of metrics: what it holds, how it is written, and that it stays small."""

import csv
import math
import sys
import tracemalloc

import numpy as np
import pytest

from pixelmill.core.errors import UserError
from pixelmill.core.tables import read_table
from pixelmill.inspection import metrics_table
from pixelmill.inspection.metrics import METRICS, Kind
from pixelmill.inspection.metrics_table import MetricsTable, Row
from tests.helpers.optional import if_installed

DIGESTS = ("0123456789abcdef0123456789abcdef", "ff" * 16)

FACTS = {
    "format": "jpeg", "mode": "RGB", "bits": 8, "width": 640, "height": 480,
    "taken": "2025-12-31T23:59:58+02:00", "camera": "Canon EOS 5D", "luma_mean": 127.25,
    "luma_p50": 120, "sharpness": 1234.5, "jpeg_quality": 85, "blockiness": None,
    "transparent": 0.0, "dhash": "80000000000000ff", "phash": "0" * 16,
    "pixel_digest": "f" * 31 + "0",
}  # fmt: skip

ROWS = [
    Row("a.jpg", FACTS, "", 30_720, DIGESTS[0]),
    Row("b.png", {}, "corrupt", 12, DIGESTS[1]),
    Row("c/ä.jpg", {**FACTS, "camera": "", "taken": None}, "", 307_200, DIGESTS[1]),
]


@pytest.fixture
def table():
    return MetricsTable(ROWS)


def test_columns_are_in_the_order_of_the_rows(table):
    assert len(table) == 3
    assert table.sources == ["a.jpg", "b.png", "c/ä.jpg"]
    assert table.numbers("bytes").tolist() == [30_720, 12, 307_200]


def test_missing_numbers_are_not_a_number(table):
    assert np.array_equal(table.numbers("luma_mean"), [127.25, math.nan, 127.25], equal_nan=True)
    assert np.isnan(table.numbers("blockiness")).all()


def test_aspect_and_bytes_per_pixel_follow_from_the_size(table):
    assert table.numbers("aspect")[0] == 1.33333
    assert table.numbers("bytes_per_pixel").tolist()[::2] == [0.1, 1.0]
    assert np.isnan(table.numbers("aspect")[1])


def test_missing_texts_are_empty(table):
    assert table.texts("source").tolist() == table.sources
    assert table.texts("reason").tolist() == ["", "corrupt", ""]
    assert table.texts("camera").tolist() == ["Canon EOS 5D", "", ""]
    assert table.texts("taken").tolist() == ["2025-12-31T23:59:58+02:00", "", ""]
    assert table.texts("content_digest").tolist() == [DIGESTS[0], DIGESTS[1], DIGESTS[1]]
    assert table.texts("pixel_digest").tolist() == ["f" * 31 + "0", "", "f" * 31 + "0"]
    assert table.texts("dhash").tolist() == ["80000000000000ff", "", "80000000000000ff"]


def test_hashes_are_numbers_with_a_mask(table):
    hashes, known = table.hashes("dhash")
    assert hashes.tolist() == [0x80000000000000FF, 0, 0x80000000000000FF]
    assert known.tolist() == [True, False, True]


def test_the_csv_has_a_column_for_each_metric_and_a_row_for_each_source(table, tmp_path):
    table.write_csv(tmp_path / "metrics.csv")
    rows = read_table(tmp_path / "metrics.csv")
    assert [list(row) for row in rows] == [list(METRICS)] * 3
    first = {name: cell for name, cell in rows[0].items() if cell}
    shown = {name: str(value) for name, value in FACTS.items() if value is not None}
    assert first == {
        **shown, "source": "a.jpg", "bytes": "30720", "content_digest": DIGESTS[0],
        "aspect": "1.33333", "bytes_per_pixel": "0.1",
    }  # fmt: skip
    assert {name: cell for name, cell in rows[1].items() if cell} == {
        "source": "b.png", "reason": "corrupt", "bytes": "12", "content_digest": DIGESTS[1],
    }  # fmt: skip


def test_the_same_rows_give_the_same_bytes(table, tmp_path):
    table.write_csv(tmp_path / "one.csv")
    MetricsTable(iter(ROWS)).write_csv(tmp_path / "two.csv")
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_a_table_that_is_written_in_parts_has_every_row_once(tmp_path, monkeypatch):
    """Each part of a large table has cells of its own, also of the columns that share texts."""

    def row(number):
        facts = {
            **FACTS,
            "camera": f"Canon {number}",
            "taken": f"2025-12-0{number}T00:00:00",
            "width": number,
            "phash": f"{number}" * 16,
        }
        return Row(f"{number}.jpg", facts, "", number, f"{number}" * 32)

    rows = [row(1), row(2), row(3), Row("4.jpg", {}, "corrupt", 4, ""), row(5)]
    table = MetricsTable(rows)
    table.write_csv(tmp_path / "whole.csv")
    monkeypatch.setattr(metrics_table, "_ROWS", 2)
    table.write_csv(tmp_path / "parts.csv")
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_table_without_sources_has_a_header(tmp_path):
    table = MetricsTable([])
    table.write_csv(tmp_path / "metrics.csv")
    assert (tmp_path / "metrics.csv").read_text(encoding="utf-8") == f"{','.join(METRICS)}\n"
    for name, metric in METRICS.items():
        if metric.kind in (Kind.INTEGER, Kind.NUMBER):
            assert table.numbers(name).size == 0
        elif metric.kind is not Kind.HASH:
            assert table.texts(name).size == 0
    assert table.hashes("phash")[0].size == 0


def test_no_text_is_a_formula_to_a_spreadsheet(tmp_path):
    facts = {"camera": "=HYPERLINK(0)", "mode": "@x", "taken": "-1"}
    MetricsTable([("+1.jpg", facts, "", 1, DIGESTS[0])]).write_csv(tmp_path / "metrics.csv")
    with open(tmp_path / "metrics.csv", encoding="utf-8", newline="") as file:
        cells = next(csv.DictReader(file))
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells.values())
    (row,) = read_table(tmp_path / "metrics.csv")
    assert (row["source"], row["camera"], row["mode"]) == ("+1.jpg", "=HYPERLINK(0)", "@x")


#: Values that a metric cannot have, and a metric that would have each.
WRONG = [
    ("width", "640"), ("width", True), ("width", 10**400), ("width", math.inf), ("width", [1]),
    ("camera", 5), ("camera", ["Canon"]), ("taken", 2025), ("dhash", "80"), ("dhash", 5),
    ("dhash", "+" + "0" * 15), ("dhash", " " * 16), ("dhash", "g" * 16),
    ("pixel_digest", "0" * 16), ("pixel_digest", "ä" * 32),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_value_of_another_type_is_missing(tmp_path, name, value):
    MetricsTable([("a", {name: value}, "", 1, DIGESTS[0])]).write_csv(tmp_path / "metrics.csv")
    (row,) = read_table(tmp_path / "metrics.csv")
    assert row[name] == ""


def test_a_time_that_is_too_long_is_cut():
    table = MetricsTable([("a", {"taken": "9" * 60}, "", 1, ""), ("b", {"taken": "ä"}, "", 1, "")])
    assert table.texts("taken").tolist() == ["9" * 25, "?"]


def test_a_row_takes_few_bytes():
    """A million rows fit into half a gigabyte, besides the names of the sources."""
    count = 20_000
    names = [f"{number}.jpg" for number in range(count)]
    tracemalloc.start()
    try:
        table = MetricsTable((name, FACTS, "", 30_720, DIGESTS[0]) for name in names)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size / len(table) < 500


@if_installed("pyarrow")
def test_parquet_has_types_units_and_the_same_values(table, tmp_path):
    from pyarrow import parquet

    table.write_csv(tmp_path / "metrics.csv")
    table.write_parquet(tmp_path / "metrics.parquet")
    read = parquet.read_table(tmp_path / "metrics.parquet")
    assert read.column_names == list(METRICS)
    kinds = {Kind.INTEGER: "int64", Kind.NUMBER: "double"}
    for field in read.schema:
        metric = METRICS[field.name]
        assert str(field.type) == kinds.get(metric.kind, "string"), field.name
        assert field.metadata[b"unit"].decode() == metric.unit
    for row, cells in zip(read.to_pylist(), read_table(tmp_path / "metrics.csv"), strict=True):
        assert {name: "" if value is None else str(value) for name, value in row.items()} == cells


def test_parquet_without_its_package_is_an_error_that_says_what_to_do(table, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"needs the package pyarrow: pip install pyarrow"):
        table.write_parquet(tmp_path / "metrics.parquet")
    assert list(tmp_path.iterdir()) == []
