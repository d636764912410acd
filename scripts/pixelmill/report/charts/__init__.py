"""Charts of the report, one module each. To add one, write its module, and add it to `CHARTS`."""

from __future__ import annotations

from pixelmill.report.charts import latencies, rivals, scaling, stages, throughput, workers
from pixelmill.report.charts.base import NARROW, WIDE, Chart

__all__ = ["CHARTS", "NARROW", "WIDE", "Chart"]

#: All charts, in the order of the page.
CHARTS: tuple[Chart, ...] = (
    throughput.CHART,
    scaling.CHART,
    rivals.CHART,
    stages.CHART,
    latencies.CHART,
    workers.CHART,
)
