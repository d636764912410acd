"""The examples of docs/metrics.md load the table as written, each with its library if installed."""

import csv

import pytest

from pixelmill.inspection.metrics_table import MetricsTable
from tests.helpers.optional import if_installed
from tests.repository.test_docs import blocks_of

DIGEST = "0123456789" * 3 + "ab"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with the table of four images as CSV."""
    hashes = ("0000000000000000", "00000000000000ff", "ffffffffffffffff")
    rows = [
        (
            f"{number}.jpg",
            {"sharpness": sharpness, "taken": "2026-05-01T12:30:00+02:00", "camera": "X100",
             "phash": phash, "pixel_digest": DIGEST},
            "",
            1000,
            DIGEST,
        )
        for number, (sharpness, phash) in enumerate(zip((49.5, 80.0, 7.25), hashes, strict=True))
    ]  # fmt: skip
    rows.append(("broken.jpg", {}, "corrupt", 5, DIGEST))
    MetricsTable(rows).write_csv(tmp_path / "metrics.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def example(repository, library):
    """The block of the page that imports a library."""
    blocks = blocks_of(repository / "docs/metrics.md", "python")
    (block,) = [block for block in blocks if block.startswith(f"import {library}")]
    return block


def run_example(repository, library):
    names = {}
    exec(compile(example(repository, library), "docs/metrics.md", "exec"), names)
    return names


@if_installed("pandas")
def test_pandas_loads_the_table(repository, folder):
    import pandas

    names = run_example(repository, "pandas")
    assert (folder / "blurred.txt").read_text(encoding="utf-8") == "2.jpg\n0.jpg\n"
    assert names["table"]["phash"].tolist()[:2] == ["0000000000000000", "00000000000000ff"]
    assert names["table"]["taken"][0] == pandas.Timestamp("2026-05-01 12:30")
    assert pandas.isna(names["table"]["taken"][3])


@if_installed("polars")
def test_polars_loads_the_table(repository, folder):
    names = run_example(repository, "polars")
    assert names["blurred"]["source"].to_list() == ["2.jpg", "0.jpg"]
    assert names["same_pixels"]["source"].to_list() == ["0.jpg", "1.jpg", "2.jpg"]
    assert names["table"]["phash"].to_list()[0] == "0000000000000000"


@if_installed("duckdb", "pyarrow")
def test_duckdb_loads_the_table(repository, folder):
    import duckdb

    with open("metrics.csv", encoding="utf-8", newline="") as file:
        rows = [
            ({**row, "sharpness": float(row["sharpness"] or "nan")}) for row in csv.DictReader(file)
        ]
    MetricsTable(
        (row["source"], row, row["reason"], int(row["bytes"]), row["content_digest"])
        for row in rows
    ).write_parquet(folder / "metrics.parquet")
    (block,) = blocks_of(repository / "docs/metrics.md", "sql")
    by_month, similar = [
        duckdb.sql(query).fetchall() for query in block.split(";\n") if query.strip()
    ]
    assert by_month == [("X100", "2026-05", 3)]
    assert similar == [("0.jpg", "1.jpg", 8)]
