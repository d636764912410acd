"""Registry of engines: what other packages need to know of an engine is in its entry here.

Importing it is cheap: neither Dask nor `multiprocessing` is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from pixelmill.core.errors import UserError
from pixelmill.core.suggestions import allowed
from pixelmill.engines.base import Engine, Pool
from pixelmill.engines.local import DaskLocal, Futures, Sequential


class EngineSpec(NamedTuple):
    """An engine: how it runs, and when it is worth its start-up.

    Attributes
    ----------
    name : str
    description : str
        A sentence for users.
    pool : str
        Where tasks run: ``inline`` (one after another in the calling thread), ``threads``,
        ``processes``, or ``cluster``.
    create : callable or None
        Makes the engine from a pool; None for a cluster, which
        `pixelmill.engines.distributed.open_cluster` connects to.
    modules : tuple of str
        Modules that the engine imports for more than a few tasks.
    startup_seconds : float
        Typical time until its workers are ready, beyond that of a plain loop.
    serial_share : float
        Typical share of the work that does not run in parallel (Amdahl 1967).
    automatic : bool
        Whether `AUTO` may choose it.
    selectable : bool
        Whether users may choose it; other engines are only measured.
    """

    name: str
    description: str
    pool: Literal["inline", "threads", "processes", "cluster"]
    create: Callable[[Pool], Engine] | None
    modules: tuple[str, ...] = ()
    startup_seconds: float = 0.0
    serial_share: float = 0.0
    automatic: bool = False
    selectable: bool = True


#: The engine with which the others are compared: their speedups and their bytes.
BASELINE = "sequential"

#: Lets pixelmill choose an engine; see `pixelmill.pipeline.engine_choice`.
AUTO = "auto"

#: The part of Dask that hands out tasks on this machine.
_DASK = ("dask.callbacks", "dask.local")

# Start-up times are medians of nine starts on two cores, serial shares those of the recipes
# `light` and `intensive`. Threads contend for the GIL; with processes, 25 microseconds per
# image are spent outside the workers.
_SPECS = (
    EngineSpec(
        BASELINE,
        "A plain loop, the baseline of all speedups.",
        pool="inline",
        create=Sequential,
        automatic=True,
    ),
    EngineSpec(
        "threads",
        "Threads of one process, to which Dask hands out batches.",
        pool="threads",
        create=DaskLocal,
        modules=_DASK,
        startup_seconds=0.04,
        serial_share=0.12,
        automatic=True,
    ),
    EngineSpec(
        "processes",
        "Worker processes, to which Dask hands out batches.",
        pool="processes",
        create=DaskLocal,
        modules=_DASK,
        startup_seconds=0.06,
        serial_share=0.015,
        automatic=True,
    ),
    EngineSpec(
        "futures",
        "Worker processes without Dask, which shows what Dask costs.",
        pool="processes",
        create=Futures,
        startup_seconds=0.02,
        serial_share=0.015,
    ),
    EngineSpec(
        "distributed",
        "Workers of a Dask cluster, on this machine or on others.",
        pool="cluster",
        create=None,
        startup_seconds=1.4,
        serial_share=0.05,
    ),
    EngineSpec(
        "synchronous",
        "Dask's scheduler in a single thread, which shows what handing out batches costs.",
        pool="inline",
        create=DaskLocal,
        modules=_DASK,
        selectable=False,
    ),
)

#: All engines by name, in the order in which they are listed and coloured.
ENGINES = {spec.name: spec for spec in _SPECS}

#: Names of the engines that users may choose.
SELECTABLE = tuple(name for name, spec in ENGINES.items() if spec.selectable)

#: Those of them that run on this machine, without a cluster.
LOCAL = tuple(name for name in SELECTABLE if ENGINES[name].pool != "cluster")

#: What a configuration or an option may say.
CHOICES = (AUTO, *SELECTABLE)


def has_processes(name: str) -> bool:
    """Return whether this is the name of an engine whose workers are processes of this machine."""
    return name in ENGINES and ENGINES[name].pool == "processes"


def on_cluster(name: str) -> bool:
    """Return whether this is the name of an engine that runs on a cluster."""
    return name in ENGINES and ENGINES[name].pool == "cluster"


def engine_spec(name: str) -> EngineSpec:
    """Return the entry of an engine.

    Raises
    ------
    UserError
        If there is no such engine.
    """
    if name not in ENGINES:
        raise UserError(f"engine: '{name}' is unknown{allowed(name, SELECTABLE)}")
    return ENGINES[name]
