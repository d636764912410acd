"""Comparison: whether engines gave the same bytes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pixelmill.core.tables import read_table
from pixelmill.verification.checks import Check


def compare(trees: Mapping[str, str]) -> dict[str, Any]:
    """Check that engines gave the same bytes as `sequential`, by their manifests.

    That each tree has the bytes its manifest notes is `verify`'s to check.

    Parameters
    ----------
    trees : mapping
        Output tree by engine, `sequential` among them.

    Returns
    -------
    dict
        ``passed``, ``checks`` (one an engine), and ``summary`` for people.
    """
    manifests = {
        engine: {
            (row["source"], row["variant"]): row
            for row in read_table(os.path.join(tree, "manifest.csv"))
        }
        for engine, tree in trees.items()
    }
    baseline = manifests.pop("sequential")
    checks = []
    for engine, manifest in manifests.items():
        check = Check(engine, "has it the same bytes as sequential?", compared=len(baseline))
        for key in sorted(baseline.keys() | manifest.keys()):
            ours, theirs = manifest.get(key), baseline.get(key)
            if ours != theirs:
                check.fail(key[0], _difference(ours, theirs))
        checks.append(check)
    passed = all(check.differing == 0 for check in checks)
    engines = ", ".join(manifests) or "no engine"
    verdict = "byte-identical to" if passed else "NOT byte-identical to"
    return {
        "passed": passed,
        "summary": f"{engines}: {verdict} sequential over {len(baseline):,} outputs.",
        "checks": [check.as_dict() for check in checks],
    }


def _difference(ours: Mapping[str, str] | None, theirs: Mapping[str, str] | None) -> str:
    if ours is None or theirs is None:
        return "only one of the two has it"
    return ", ".join(key for key in ours if ours[key] != theirs[key]) + " differ"
