"""The registry of metrics agrees with what computes them, and with their documentation."""

import re

import numpy as np

from pixelmill.inspection.measuring.file_facts import facts_of
from pixelmill.inspection.measuring.picture_metrics import measure
from pixelmill.inspection.metrics import METRICS, Kind, Origin, names_from


def test_names_are_unique_words_in_lower_case():
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in METRICS)
    assert all(name == metric.name for name, metric in METRICS.items())


def test_every_metric_of_the_picture_is_measured_and_has_its_type():
    gray = np.arange(64 * 64, dtype=np.uint32).reshape(64, 64).astype(np.uint8)
    measured = measure(gray)
    assert tuple(measured) == names_from(Origin.PICTURE)
    types = {Kind.INTEGER: int, Kind.NUMBER: float, Kind.HASH: str}
    for name, value in measured.items():
        assert type(value) is types[METRICS[name].kind], name


def test_every_fact_of_a_file_but_its_format_is_read():
    assert {*facts_of(b"", "jpeg"), "format"} == set(names_from(Origin.FILE))


def test_numbers_have_a_unit_and_descriptions_are_sentences():
    for name, metric in METRICS.items():
        assert bool(metric.unit) == (metric.kind in (Kind.INTEGER, Kind.NUMBER)), name
        assert re.fullmatch(r"[A-Z].*\.", metric.description), name


def test_the_page_has_every_column_in_order_with_its_type_and_unit(repository):
    page = (repository / "docs/metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]*) \|", page, re.MULTILINE)
    assert [(name, kind.strip(), unit.strip()) for name, kind, unit in rows] == [
        (metric.name, metric.kind.value, metric.unit) for metric in METRICS.values()
    ]
