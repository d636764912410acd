"""Every engine has one entry, and every list of engines agrees with the entries."""

import json
import re
import subprocess
import sys

import pytest

from pixelmill.app import config
from pixelmill.benchmark import samples
from pixelmill.core import schemas
from pixelmill.core.errors import UserError
from pixelmill.engines import registry
from pixelmill.report.palette import COLORS

#: The engines that users may choose, and where each runs its tasks.
POOLS = {
    "sequential": "inline",
    "threads": "threads",
    "processes": "processes",
    "futures": "processes",
    "distributed": "cluster",
}


def test_users_may_choose_these_engines():
    assert list(registry.SELECTABLE) == list(POOLS)
    assert list(registry.CHOICES) == ["auto", *POOLS]
    assert {name: registry.ENGINES[name].pool for name in POOLS} == POOLS


def with_pool(*pools):
    return [name for name, pool in POOLS.items() if pool in pools]


def test_every_engine_but_the_cluster_runs_on_this_machine_alone():
    assert list(registry.LOCAL) == with_pool("inline", "threads", "processes")
    assert list(filter(registry.on_cluster, registry.CHOICES)) == with_pool("cluster")
    assert list(filter(registry.has_processes, registry.CHOICES)) == with_pool("processes")


def test_no_two_entries_have_the_same_name():
    assert len(registry.ENGINES) == len(registry._SPECS)


def test_the_baseline_is_a_plain_loop_that_starts_at_once():
    baseline = registry.engine_spec(registry.BASELINE)
    assert (baseline.pool, baseline.startup_seconds, baseline.serial_share) == ("inline", 0.0, 0.0)


def test_auto_may_choose_a_loop_threads_or_processes():
    automatic = [name for name, spec in registry.ENGINES.items() if spec.automatic]
    assert automatic == ["sequential", "threads", "processes"]


def test_an_unknown_engine_is_refused_with_the_names_of_the_known_ones():
    with pytest.raises(UserError, match=r"^engine: 'gpu' is unknown; allowed are sequential, thr"):
        registry.engine_spec("gpu")


def test_configs_may_name_these_engines():
    run = config.schema()["properties"]["run"]["properties"]
    assert run["engines"]["items"]["enum"] == list(registry.SELECTABLE)
    assert run["production"]["enum"] == list(registry.CHOICES)


def test_reports_may_name_these_engines():
    assert set(schemas.schema("benchmark")["$defs"]["engine"]["enum"]) == set(registry.CHOICES)


def test_the_benchmark_measures_every_engine_on_this_machine():
    parallel, single = with_pool("threads", "processes"), with_pool("inline")
    assert list(samples.PARALLEL) == parallel
    measured = [(case.kind, case.workers) for case in samples.cases_for(2)]
    for name in parallel:
        assert {(name, 1), (name, 2)} <= {*measured}
    for name in ("synchronous", *single):
        assert ("loop" if name == "sequential" else name, 1) in measured
    schema = schemas.schema("scaling")
    assert {kind for kind, _ in measured} - {"steps"} <= set(schema["$defs"]["kind"]["enum"])
    assert schema["properties"]["fits"]["propertyNames"]["enum"] == parallel


def test_every_engine_has_a_colour_of_its_own():
    colours = [COLORS[name] for name in (*registry.ENGINES, "auto")]
    assert len(set(colours)) == len(colours)


def test_the_docs_describe_every_engine(repository):
    page = (repository / "docs/usage.md").read_text(encoding="utf-8")
    part = page[page.index("## Engines") : page.index("## What is processed again")]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", part, re.MULTILINE))
    assert list(rows) == [*POOLS, "auto"]
    for name in POOLS:
        assert rows[name] == registry.ENGINES[name].description


def test_names_are_known_without_importing_what_runs_the_engines(repository):
    program = "import json, sys, pixelmill.engines.registry; print(json.dumps([*sys.modules]))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=repository / "scripts", check=True, stdout=subprocess.PIPE)
    assert not {"dask", "distributed", "multiprocessing", "numpy"} & {*json.loads(done.stdout)}
