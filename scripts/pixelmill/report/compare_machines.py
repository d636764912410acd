"""Compare machines: the ``scaling.json`` of several machines on one page."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pixelmill.benchmark.samples import NAMES, PARALLEL
from pixelmill.benchmark.scaling_file import ScalingFile
from pixelmill.core.errors import UserError
from pixelmill.core.files import atomic
from pixelmill.core.root import Root
from pixelmill.core.schemas import check
from pixelmill.core.tables import read_json

#: Bytes at the beginning of a page that tell whether it is one.
_HEAD = 1024

#: Kinds of cases that are compared: what people can choose, and its limit.
KINDS = ("loop", "ceiling", *PARALLEL, "rival")

#: Letters that stand for the machines in the headers of tables.
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def read(paths: Sequence[str]) -> list[ScalingFile]:
    """Read several ``scaling.json``.

    Raises
    ------
    UserError
        If one of them is missing or invalid.
    """
    results = []
    for path in paths:
        try:
            result = read_json(path)
        except (OSError, ValueError) as error:
            raise UserError(f"'{path}' cannot be read as JSON: {error}.") from error
        check(result, "scaling", path)
        results.append(result)
    return results


def side_by_side(results: Sequence[ScalingFile]) -> dict[str, Any]:
    """Arrange results as plain data, with one column for each machine.

    Returns
    -------
    dict
        ``machines`` in the given order; ``cases``, with a row for each case of any machine and
        None for machines without it; ``fits`` likewise; and ``warnings``, which say why columns
        cannot be compared.
    """
    rows = [
        {(row["kind"], row.get("tool", ""), row["workers"]): row for row in result["figures"]}
        for result in results
    ]
    cases = sorted(
        {case for row in rows for case in row if case[0] in KINDS},
        key=lambda case: (KINDS.index(case[0]), case[1], case[2]),
    )
    engines = [kind for kind in KINDS if any(kind in result["fits"] for result in results)]
    return {
        "machines": [
            {
                "name": _name(number),
                **{key: result[key] for key in ("machine", "software", "images", "repeats")},
                "advice": result["advice"],
            }
            for number, result in enumerate(results)
        ],
        "cases": [
            {
                "kind": kind,
                "tool": tool,
                "workers": n,
                "cells": [row.get((kind, tool, n)) for row in rows],
            }
            for kind, tool, n in cases
        ],
        "fits": [
            {"engine": engine, "cells": [result["fits"].get(engine) for result in results]}
            for engine in engines
        ],
        "software": _table(result["software"] for result in results),
        "warnings": list(_warnings(results)),
    }


def _name(number: int) -> str:
    """Return the letter of a machine, or its number if there are too many."""
    return _LETTERS[number] if number < len(_LETTERS) else str(number + 1)


def _table(maps: Iterable[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Return the values of several maps by key, with None for a missing one."""
    columns = list(maps)
    keys = dict.fromkeys(key for column in columns for key in column)
    rows = [{"name": key, "cells": [column.get(key) for column in columns]} for key in keys]
    return [{**row, "differs": len(set(row["cells"])) > 1} for row in rows]


def _warnings(results: Sequence[ScalingFile]) -> Iterator[str]:
    if len({json.dumps(result["recipe"], sort_keys=True) for result in results}) > 1:
        yield "The recipes differ: compare speedups with care, and not throughput."
    if len({result["images"] for result in results}) > 1:
        counts = ", ".join(f"{result['images']:,}" for result in results)
        yield f"The numbers of images differ: {counts}."
    few = [_name(k) for k, result in enumerate(results) if result["repeats"] < 5]
    if few:
        yield f"Fewer than 5 repeats on {', '.join(few)}: the spread is unreliable."


def write(results: Sequence[ScalingFile], path: str | os.PathLike[str]) -> None:
    """Write the page; it needs no network and no other file.

    Raises
    ------
    UserError
        If a file of this name is no such page.
    """
    from pixelmill.report.templating import environment

    if os.path.lexists(path) and not _is_page(path):
        raise UserError(
            f"'{path}' exists, but no comparison wrote it; name another folder with --output, or "
            "move it away."
        )
    text = environment().get_template("compare.html").render(side_by_side(results), names=NAMES)
    with atomic(path) as file:
        file.write(text)


def _is_page(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins like the page."""
    folder, name = os.path.split(path)
    try:
        return b"<title>pixelmill" in Root(folder or ".").read(name)[:_HEAD]
    except OSError:
        return False
