"""Collect the data of the report from the files of a run.

`collect` reads what the verdict depends on, and `describe` what the report shows in addition.
"""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import groupby
from pathlib import Path, PureWindowsPath
from typing import Any

from pixelmill.benchmark.scaling_file import ScalingFile
from pixelmill.core.sandbox import remark
from pixelmill.core.tables import iterate_table, read_json
from pixelmill.dataset.file_names import LEDGER
from pixelmill.dataset.layout import Tree
from pixelmill.dataset.ledger import open_to_read
from pixelmill.engines.registry import BASELINE, on_cluster
from pixelmill.report.conclusion import Images
from pixelmill.report.verdict import judge

#: Columns of benchmark.csv; programs may rely on the first ten.
COLUMNS = (
    "dataset",
    "recipe",
    "engine",
    "workers",
    "images",
    "seconds",
    "images_per_second",
    "megapixels_per_second",
    "speedup",
    "efficiency",
    "startup_seconds",
    "failed",
)

#: Properties in which two passes must agree to be compared.
COMPARABLE = ("catalog", "recipe", "code", "machine")

#: Commands that the report names, for results of the workflow. Those of a single run are others.
WORKFLOW_COMMANDS = {
    name: f"snakemake --cores all {name}"
    for name in ("all", "process", "verify", "report", "scaling", "rivals")
}

#: Number of failures that the page lists for each output tree; failures.csv has all of them. If
#: there are several reasons, each has the same share, but at least the second number.
MOST_FAILURES = 2000
LEAST_OF_A_REASON = 150


def find_trees(results: str) -> list[Tree]:
    """Return all output trees below a folder of results."""
    return sorted(
        (Tree.at(path.parent) for path in Path(results).glob("*/*/*/timing.json")),
        key=lambda tree: (tree.dataset, tree.recipe, tree.engine != BASELINE, tree.engine),
    )


def collect(
    trees: Sequence[Tree],
    config: Mapping[str, Any],
    commands: Mapping[str, str] = WORKFLOW_COMMANDS,
) -> dict[str, Any]:
    """Collect the data that the verdict depends on.

    Parameters
    ----------
    trees : sequence of Tree
        Ordered by dataset and recipe, including that of `BASELINE`.
    config : mapping
        The effective configuration.
    commands : mapping
        What to run, by the names of the targets of the workflow; those that do not exist for
        these results are left out.
    """
    from pixelmill.benchmark.environment import commit, software
    from pixelmill.engines.machine import machine

    passes = {tree: (tree.read("timing.json") or {}).get("last_full_pass") for tree in trees}
    baselines = {
        (tree.dataset, tree.recipe): full
        for tree, full in passes.items()
        if tree.engine == BASELINE
    }
    remedy = f"run: {commands['scaling']}"
    rows = [
        _row(t, full, baselines.get((t.dataset, t.recipe)), remedy) for t, full in passes.items()
    ]
    unverified = {
        "passed": False,
        "summary": f"Not verified yet: {commands['verify']}",
        "checks": [],
    }
    verifications = [{**_names(t), **(t.read("verification.json") or unverified)} for t in trees]
    comparisons = _comparisons(trees)
    failures = [entry for tree in trees if (entry := _failures(tree))]
    report = {
        "schema": 1,
        "created": datetime.now().astimezone().isoformat(timespec="seconds"),
        "commit": commit(),
        "command": commands["all"].replace(
            "--cores all", f"--cores {max([1, *(row['workers'] or 1 for row in rows)])}", 1
        ),
        "commands": dict(commands),
        "machine": {**machine(), **_host(config)},
        "software": software(),
        "rows": rows,
        "conditions": [
            {**_names(tree), **full["conditions"]}
            for tree, full in passes.items()
            if full and full.get("conditions")
        ],
        "failures": failures,
        "verifications": verifications,
        "comparisons": comparisons,
        "sizes": _sizes(trees),
        "sandbox": remark(
            config.get("sandbox", "auto"), {t.engine for t in trees if on_cluster(t.engine)}
        ),
        "passed": all(v["passed"] for v in verifications) and all(c["passed"] for c in comparisons),
        "config": _without_paths(config),
    }
    verdict = judge(report, _count_images(trees, report), config.get("failures", {}))
    return {**report, "verdict": verdict}


def _count_images(trees: Sequence[Tree], report: Mapping[str, Any]) -> Images:
    """Count the images of all datasets; one that failed in several output trees counts once."""
    totals: dict[str, int] = {}
    for entry in report["verifications"]:
        checked = (c["compared"] for c in entry["checks"] if c["name"] == "inputs")
        totals[entry["dataset"]] = max(next(checked, 0), totals.get(entry["dataset"], 0))
    for entry in report["failures"]:
        totals[entry["dataset"]] = max(entry["images"], totals.get(entry["dataset"], 0))
    failed: dict[tuple[str, str], Mapping[str, str]] = {}
    for tree in trees:
        for row in _rows_of_failures(tree):
            failed.setdefault((tree.dataset, row["source"]), row)
    return Images.of(sum(totals.values()), failed.values())


def describe(trees: Sequence[Tree]) -> dict[str, Any]:
    """Collect what the report shows in addition: times and controlled benchmarks.

    Returns
    -------
    dict
        `times` of each output tree, see `pixelmill.report.timings.distributions`. For each
        dataset and recipe, `scaling`: ``scaling.json`` without its samples, and `rivals`, see
        `pixelmill.benchmark.ranking.ranking`; both with `stale`, whether the recipe has changed
        since.
    """
    from pixelmill.benchmark.ranking import ranking
    from pixelmill.report.timings import distributions

    return {
        "times": [{**_names(t), **found} for t in trees if (found := distributions(t.path))],
        "scaling": [
            {**{key: value for key, value in measured.items() if key != "samples"}, **names}
            for names, measured in _measured(trees, "scaling.json")
        ],
        "rivals": [
            {**ranking(measured), **names} for names, measured in _measured(trees, "rivals.json")
        ],
    }


def _measured(trees: Iterable[Tree], name: str) -> Iterator[tuple[dict[str, Any], ScalingFile]]:
    """Yield the names of datasets and recipes with their measurements."""
    for folder, group in by_recipe(trees):
        if (path := folder / name).exists():
            measured: ScalingFile = read_json(path)
            passes = [(tree.read("timing.json") or {}).get("last_full_pass") for tree in group]
            recipes = {full["recipe"] for full in passes if full}
            stale = bool(recipes) and measured.get("recipe_digest") not in recipes
            yield {"dataset": group[0].dataset, "recipe": group[0].recipe, "stale": stale}, measured


def tables_of(trees: Iterable[Tree]) -> dict[str, str]:
    """Return the folders that have the tables of the datasets of a workflow, by their names."""
    return {tree.dataset: str(Path(tree.path).parent.parent) for tree in trees}


def by_recipe(trees: Iterable[Tree]) -> Iterator[tuple[Path, list[Tree]]]:
    """Group output trees by dataset and recipe, each group with its folder."""
    for folder, group in groupby(trees, lambda tree: Path(tree.path).parent):
        yield folder, list(group)


def _host(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the name of the machine, if the config asks for it: reports are shared."""
    return {"host": platform.node()} if config.get("report", {}).get("host") else {}


def _without_paths(value: Any) -> Any:
    """Shorten the absolute paths in a config to their last part, because reports are shared."""
    if isinstance(value, Mapping):
        return {key: _without_paths(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_paths(entry) for entry in value]
    if isinstance(value, str) and _is_absolute(value):
        return f".../{PureWindowsPath(value).name}"
    return value


def _is_absolute(text: str) -> bool:
    """Whether a text is an absolute path, or one below a home, of this or another system."""
    return text.startswith(("/", "~", "\\\\")) or PureWindowsPath(text).is_absolute()


def _names(tree: Tree) -> dict[str, str]:
    names = asdict(tree)
    del names["path"]  # it may be absolute, and reports are shared
    return names


def _row(
    tree: Tree,
    full: Mapping[str, Any] | None,
    baseline: Mapping[str, Any] | None,
    remedy: str,
) -> dict[str, Any]:
    if full is None:
        cells: dict[str, Any] = dict.fromkeys(COLUMNS[3:])
        return {**_names(tree), **cells, "speedup": remedy, "efficiency": ""}
    seconds = full["seconds"]
    row = {
        **_names(tree),
        "workers": full["workers"],
        "images": full["images"],
        "seconds": round(seconds, 3),
        "images_per_second": _rounded(full["images"] / seconds),
        "megapixels_per_second": _rounded(full["megapixels_in"] / seconds),
        "speedup": remedy,
        "efficiency": "",
        "startup_seconds": round(full["startup_seconds"], 3),
        "failed": full["failed"],
    }
    if baseline is not None and all(full[key] == baseline[key] for key in COMPARABLE):
        speedup = baseline["seconds"] / seconds
        row["speedup"] = round(speedup, 2)
        row["efficiency"] = round(speedup / full["workers"], 3)
    return row


def _rounded(throughput: float) -> float:
    """Round a throughput to at least three digits, more of which would be noise."""
    return round(throughput, 1 if throughput >= 10 else 2 if throughput >= 1 else 4)


def _comparisons(trees: Iterable[Tree]) -> list[dict[str, Any]]:
    found = []
    for folder, (tree, *_) in by_recipe(trees):
        path = folder / "comparison.json"
        if tree.engine == BASELINE and path.exists():
            names = {"dataset": tree.dataset, "recipe": tree.recipe}
            found.append({**names, **read_json(path)})
    return found


def _sizes(trees: Sequence[Tree]) -> list[dict[str, Any]]:
    """Return the bytes of images before and after, for each dataset and recipe.

    The engines write the same bytes, so that one of them is asked.
    """
    found = []
    for _, (tree, *_) in by_recipe(trees):
        with open_to_read(os.path.join(tree.path, LEDGER)) as ledger:
            before, after = (0, 0) if ledger is None else ledger.sizes()
            count, size = (0, 0) if ledger is None else ledger.kept_sources()
        if after:
            kept = {"sources_kept": count, "bytes_kept": size} if count else {}
            found.append(
                {
                    "dataset": tree.dataset,
                    "recipe": tree.recipe,
                    "bytes_in": before,
                    "bytes_out": after,
                    **kept,
                }
            )
    return found


def _rows_of_failures(tree: Tree) -> Iterable[dict[str, str]]:
    path = os.path.join(tree.path, "failures.csv")
    return iterate_table(path) if os.path.exists(path) else ()


def _failures(tree: Tree) -> dict[str, Any] | None:
    reasons = Counter(row["reason"] for row in _rows_of_failures(tree))
    if not reasons:
        return None
    most = max(LEAST_OF_A_REASON, MOST_FAILURES // len(reasons))
    listed: list[dict[str, str]] = []
    seen: Counter[str] = Counter()
    for row in _rows_of_failures(tree):
        seen[row["reason"]] += 1
        if seen[row["reason"]] <= most:
            listed.append(row)
    manifest = iterate_table(os.path.join(tree.path, "manifest.csv"))
    # The manifest is sorted by source, so a million of them need not be kept in memory.
    total = sum(1 for _ in groupby(row["source"] for row in manifest))
    return {
        **_names(tree),
        "failed": reasons.total(),
        "images": total,
        "reasons": dict(reasons.most_common()),
        "listed": listed,
    }
