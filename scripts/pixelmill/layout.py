"""Layout: where a config's images, trees and tables lie, and how to remove them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pixelmill.catalog import Selection
from pixelmill.engines import ENGINES
from pixelmill.generator import RECORD
from pixelmill.root import Root
from pixelmill.shards import FOLDER


class Place(NamedTuple):
    """An output tree: a dataset, by a recipe, by an engine."""

    dataset: str
    recipe: str
    engine: str
    path: str


class Layout:
    """Paths of one complete configuration."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._results = config["results"]

    def source(self, dataset: str) -> tuple[str, Selection]:
        """Folder of a dataset's images, and which of its files belong to it."""
        data = self._config["datasets"][dataset]
        selection = Selection(data.get("include", []), data.get("exclude", []))
        return data.get("folder", f"resources/{dataset}"), selection

    def trees(self) -> Iterator[Place]:
        """Output trees that `run` covers, the production engine's last."""
        run = self._config["run"]
        engines = dict.fromkeys(["sequential", *run["engines"], run["production"]])
        for dataset in run["datasets"]:
            for recipe in run["recipes"]:
                for engine in engines:
                    path = f"{self._results}/{dataset}/{recipe}/{engine}"
                    yield Place(dataset, recipe, engine, path)

    def clean(self) -> int:
        """Remove all that was made; return the number of files.

        Only names that pixelmill gives are touched: `results` may be set to a folder
        that holds other things too.

        Raises
        ------
        TreeError
            If a link stands in the place of a folder.
        """
        count = sum(_clean(self._results, path, follow=True) for path in self._results_made())
        count += sum(_clean("resources", path) for path in self._generated())
        for folder in ("logs", "benchmarks"):
            count += sum(_clean(folder, path) for path in self._of_jobs(folder))
        return count

    def _results_made(self) -> Iterator[str]:
        for name in self._config["datasets"]:
            for recipe in self._config["recipes"]:
                for engine in (*ENGINES, "auto"):
                    yield f"{name}/{recipe}/{engine}"
                for table in ("comparison.json", "scaling.json", "rivals.json"):
                    yield f"{name}/{recipe}/{table}"
            for table in ("catalog.csv", "catalog.known.csv", "generated.json"):
                yield f"{name}/{table}"
            for table in ("catalog.csv", "catalog.known.csv"):
                yield from _below(self._results, f"{name}/{FOLDER}/*/{table}")
        yield "report"
        yield from _below(self._results, "verdict*.txt")

    def _generated(self) -> Iterator[str]:
        for name, dataset in self._config["datasets"].items():
            if "generate" in dataset and Path("resources", name, RECORD).exists():
                yield name

    def _of_jobs(self, folder: str) -> Iterator[str]:
        """What jobs left of each run: a folder a dataset, and files."""
        yield from self._config["datasets"]
        yield from _below(folder, "*.log")
        yield from _below(folder, "*.tsv")


def _below(folder: str, pattern: str) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in Path(folder).glob(pattern)]


def _clean(folder: str, path: str, follow: bool = False) -> int:
    """Remove a file or a tree, and the folders that it leaves empty; return how many files."""
    if not os.path.isdir(folder):
        return 0
    root = Root(folder, follow=follow)
    count = root.remove_tree(path)
    while count and (path := os.path.dirname(path)):
        if not root.remove_empty(path):
            break
    if count and not path and not os.path.islink(folder):
        with contextlib.suppress(OSError):  # not empty, or where we stand
            os.rmdir(folder)
    return count
