"""The metrics of a ledger are read in order, and nothing in them is relied on."""

import numpy as np
import pytest

from pixelmill.core.jobs import Job, StageTimer, failed
from pixelmill.dataset.ledger import Fingerprints, Ledger
from pixelmill.inspection.measured import table_in


@pytest.fixture
def record(tmp_path):
    """Function that records images with the given facts, and returns their table."""

    def run(**facts):
        with Ledger(str(tmp_path / "inspection/ledger.sqlite")) as ledger:
            outcomes = [failed(Job("broken", ()), "decode", "corrupt", "", "")]
            for name, text in facts.items():
                timer = StageTimer()
                timer.facts = text
                outcomes.append(timer.outcome(Job(name, ())))
            ledger.record(outcomes, Fingerprints("", "", ""))
        return table_in(str(tmp_path))

    return run


def test_rows_are_sorted_and_failures_have_their_reason(record):
    table = record(b='{"width": 3}', a='{"width": 5}')
    assert list(table.sources) == ["a", "b", "broken"]
    np.testing.assert_array_equal(table.numbers("width"), [5, 3, np.nan])
    assert table.texts("reason").tolist() == ["", "", "corrupt"]


@pytest.mark.parametrize("value", ['"many"', "[]", "null", "true", "1e999", "{}"])
def test_a_value_of_another_type_is_missing(record, value):
    assert np.isnan(record(a=f'{{"width": {value}, "unknown": 1}}').numbers("width")[0])


def test_without_a_ledger_there_are_no_images(tmp_path):
    assert len(table_in(str(tmp_path))) == 0
