"""Measured: the metrics that the ledger of an inspection holds."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator

from pixelmill.dataset.file_names import INSPECTION, LEDGER
from pixelmill.dataset.ledger import Measured, open_to_read
from pixelmill.inspection.metrics_table import MetricsTable, Row


def table_in(target: str) -> MetricsTable:
    """Return the metrics of all images that were measured into a folder of results."""
    with open_to_read(os.path.join(target, INSPECTION, LEDGER)) as ledger:
        return MetricsTable(_rows(ledger.facts() if ledger else ()))


def _rows(measured: Iterable[Measured]) -> Iterator[Row]:
    """Yield the rows of the table; workers wrote the facts, so nothing in them is relied on."""
    for one in measured:
        facts = json.loads(one.facts) if one.facts else {}
        yield Row(one.source, facts, one.reason, one.bytes_in, one.digest)
