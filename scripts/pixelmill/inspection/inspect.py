"""Inspect: measure the images of a dataset that are new or changed, and write what was found."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pixelmill.core.errors import UserError
from pixelmill.core.root import Root
from pixelmill.core.tables import write_json
from pixelmill.dataset.entries import Entries
from pixelmill.dataset.file_names import INSPECTION, LEDGER, LISTS
from pixelmill.dataset.passes import Pass
from pixelmill.inspection.measuring.measurer import CODE, RECIPE, Measurer
from pixelmill.pipeline.host_process import HostProcess
from pixelmill.pipeline.request import ProcessRequest
from pixelmill.pipeline.runner import process_folder

if TYPE_CHECKING:  # NumPy is imported while the workers start
    from pixelmill.inspection.findings import Findings
    from pixelmill.inspection.metrics_table import MetricsTable
    from pixelmill.inspection.statistics import Statistics

log = logging.getLogger(__name__)

#: What is needed once all images have been measured.
_LATER = (
    "pixelmill.inspection.findings",
    "pixelmill.inspection.measured",
    "pixelmill.inspection.statistics",
)

#: Files and a folder that are written beside the folder of the ledger.
WRITTEN = (
    *("metrics.csv", "metrics.parquet", "findings.csv", "statistics.json", "inspection.html"),
    LISTS,
)


@dataclass(frozen=True)
class Inspection:
    """What is known of a dataset.

    Attributes
    ----------
    done : Pass
        The pass that measured what was new.
    table : MetricsTable
        The metrics of all images.
    findings : Findings
        What is unusual about some of them.
    statistics : dict
        Of all of them, as ``statistics.json`` has it.
    """

    done: Pass
    table: MetricsTable
    findings: Findings
    statistics: Statistics


def inspect(
    request: ProcessRequest,
    catalog: str | None = None,
    thresholds: Mapping[str, object] | None = None,
    keep: Callable[[Entries], Entries] | None = None,
    host: HostProcess | None = None,
    later: Sequence[str] = (),
) -> Inspection:
    """Measure images, and write ``metrics.csv``, ``findings.csv`` and ``statistics.json``.

    A list of the images with each finding is written too, and, with pyarrow, ``metrics.parquet``.

    Parameters
    ----------
    request : ProcessRequest
        Source, target, engine and the like; its recipe does not matter. The tables are written
        into the target, and the ledger below it.
    catalog : str, optional
        Table of the inputs that was made before.
    thresholds : mapping, optional
        Of findings by name, in place of the defaults.
    keep : callable, optional
        Chooses the images to measure of those that were found.
    host : HostProcess, optional
    later : sequence of str
        As for `pixelmill.pipeline.runner.process`.

    Raises
    ------
    UserError
        If a threshold is not allowed, if the folder has files of the same names that are not of an
        inspection, or if `pixelmill.pipeline.runner.process` cannot finish the pass.
    """
    if thresholds:
        _check_thresholds(thresholds)
    target = request.target
    _check_target(target)
    tree = os.path.join(target, INSPECTION)
    request = replace(request, recipe=RECIPE, renderer=Measurer, code=CODE).of_folder()
    done = process_folder(replace(request, target=tree), catalog, keep, host, (*_LATER, *later))
    from pixelmill.inspection import findings
    from pixelmill.inspection.measured import table_in
    from pixelmill.inspection.statistics import summarize

    table = table_in(target)
    table.write_csv(os.path.join(target, "metrics.csv"))
    if importlib.util.find_spec("pyarrow"):
        table.write_parquet(os.path.join(target, "metrics.parquet"))
    found = findings.find(table, findings.thresholds(thresholds or {}))
    if warning := found.warning():
        log.warning("%s", warning)
    findings.write(os.path.join(target, "findings.csv"), table.sources, found)
    findings.write_lists(target, table.sources, found)
    summary = summarize(table)
    write_json(os.path.join(target, "statistics.json"), summary)
    return Inspection(done, table, found, summary)


def _check_thresholds(given: Mapping[str, object]) -> None:
    from pixelmill.inspection.findings import thresholds

    thresholds(given)


def _check_target(target: str) -> None:
    """Refuse to write through a link, and over files of somebody else.

    Raises
    ------
    UserError
    """
    if not os.path.isdir(target):
        return
    Root(target).check(INSPECTION)
    if os.path.lexists(os.path.join(target, INSPECTION, LEDGER)):
        return
    for name in WRITTEN:
        path = os.path.join(target, name)
        if os.path.lexists(path):
            raise UserError(
                f"'{path}' exists, but no inspection wrote it; name another folder for the "
                "results, or move the file away."
            )
