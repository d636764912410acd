"""Compare engines: whether all of them wrote the same bytes."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pixelmill.core.tables import read_table
from pixelmill.engines.registry import BASELINE
from pixelmill.verification.check_results import CheckResult, ChecksData, as_data


def compare(trees: Mapping[str, str]) -> ChecksData:
    """Check that engines wrote the same bytes as `BASELINE`, according to their manifests.

    `pixelmill.verification.verify` checks that each tree holds the bytes that its manifest
    records.

    Parameters
    ----------
    trees : mapping
        Output tree of each engine, including `BASELINE`.

    Returns
    -------
    dict
        ``passed``, ``checks`` (one for each engine), and ``summary`` for people.
    """
    manifests = {
        engine: {
            (row["source"], row["variant"]): row
            for row in read_table(os.path.join(tree, "manifest.csv"))
        }
        for engine, tree in trees.items()
    }
    baseline = manifests.pop(BASELINE)
    results = []
    for engine, manifest in manifests.items():
        question = f"Are its outputs byte-identical to those of {BASELINE}?"
        result = CheckResult(engine, question, compared=len(baseline))
        for key in sorted(baseline.keys() | manifest.keys()):
            ours, theirs = manifest.get(key), baseline.get(key)
            if ours != theirs:
                result.fail(key[0], _difference(ours, theirs))
        results.append(result)
    passed = not any(result.differing for result in results)
    engines = ", ".join(manifests) or "no engine"
    verdict = "byte-identical to" if passed else "NOT byte-identical to"
    outputs = sum(bool(row["output"]) for row in baseline.values())
    noun = "output" if outputs == 1 else "outputs"
    return as_data(results, f"{engines}: {verdict} {BASELINE} over {outputs:,} {noun}.")


def _difference(ours: Mapping[str, str] | None, theirs: Mapping[str, str] | None) -> str:
    if ours is None or theirs is None:
        return "only one of the two has it"
    return ", ".join(key for key in ours if ours[key] != theirs[key]) + " differ"
