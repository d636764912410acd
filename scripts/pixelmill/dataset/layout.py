"""Layout: where a config's images, trees and tables lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pixelmill.dataset.catalog import Selection


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
