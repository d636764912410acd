"""Layout: where a config's images, trees and tables lie, and how to remove them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pixelmill.catalog import Selection
from pixelmill.engines import ENGINES
from pixelmill.generator import RECORD
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
        """
        return sum(_remove(path) for path in self._made())

    def _made(self) -> Iterator[Path]:
        results = Path(self._results)
        for name, dataset in self._config["datasets"].items():
            if "generate" in dataset and Path("resources", name, RECORD).exists():
                yield Path("resources", name)
            for recipe in self._config["recipes"]:
                for engine in (*ENGINES, "auto"):
                    yield results / name / recipe / engine
                for table in ("comparison.json", "scaling.json", "rivals.json"):
                    yield results / name / recipe / table
            for table in ("catalog.csv", "catalog.known.csv", "generated.json"):
                yield results / name / table
            for table in ("catalog.csv", "catalog.known.csv"):
                yield from (results / name).glob(f"{FOLDER}/*/{table}")
            yield from (Path("logs", name), Path("benchmarks", name))
        yield results / "report"
        yield from results.glob("verdict*.txt")
        yield from Path("logs").glob("*.log")
        yield from Path("benchmarks").glob("*.tsv")


def _remove(path: Path) -> int:
    """Remove a file or a tree, and the folders above that it leaves empty."""
    if path.is_dir() and not path.is_symlink():
        count = sum(len(files) for _, _, files in os.walk(path))
        shutil.rmtree(path)
    elif path.exists():
        count = 1
        path.unlink()
    else:
        return 0
    for parent in path.parents:
        try:
            parent.rmdir()
        except OSError:  # not empty, or where we stand
            break
    return count
