"""Layout: where the images, output trees and tables of a config are."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixelmill.core.errors import UserError
from pixelmill.core.tables import read_json
from pixelmill.dataset.globs import Selection, chosen
from pixelmill.engines.registry import BASELINE
from pixelmill.storage.archives import decompressed, is_compressed, is_pattern


@dataclass(frozen=True)
class Tree:
    """Where an output tree is, and what it holds: a dataset, by a recipe, by an engine."""

    dataset: str
    recipe: str
    engine: str
    path: str

    @classmethod
    def at(cls, path: str | os.PathLike[str]) -> Tree:
        """Take the names from the path ``.../dataset/recipe/engine``."""
        dataset, recipe, engine = Path(os.path.abspath(path)).parts[-3:]
        return cls(dataset, recipe, engine, os.fspath(path))

    def read(self, name: str) -> Any:
        """Read one of its JSON files; None if the file is missing.

        Raises
        ------
        UserError
            If it is damaged.
        """
        path = os.path.join(self.path, name)
        if not os.path.exists(path):
            return None
        try:
            data = read_json(path)
        except (OSError, ValueError):
            data = None
        if isinstance(data, dict):
            return data
        raise UserError(
            f"'{path}' cannot be read, as if it were damaged; remove it, and process the images "
            "again, which writes it."
        )


def place_of(dataset: Mapping[str, Any]) -> str | None:
    """Return the place of which a dataset is a mirror; None if its images are read where they are.

    Examples
    --------
    >>> place_of({"bucket": "s3://photos"}), place_of({"archive": "photos.zip"})
    ('s3://photos', None)
    """
    if archive := dataset.get("archive"):
        return archive if is_compressed(archive) else None
    urls = dataset.get("urls")
    place: str | None = urls["file"] if isinstance(urls, Mapping) else urls
    folder = dataset.get("folder", "")
    return place or dataset.get("bucket") or (folder if is_remote(folder) else None)


def is_remote(folder: str) -> bool:
    """Whether a folder is on a server that is reached by SFTP.

    Examples
    --------
    >>> is_remote("sftp://me@nas/photos"), is_remote("photos")
    (True, False)
    """
    return folder.lower().startswith("sftp://")


def mirror_of(name: str) -> str:
    """Return the folder of the mirror of a dataset; generated images never go there."""
    return f"mirrors/{name}"


def source_of(name: str, dataset: Mapping[str, Any]) -> str:
    """Return the folder or the archives of a dataset's images.

    Examples
    --------
    >>> source_of("mine", {"archive": "photos.zip"}), source_of("demo", {"generate": {}})
    ('photos.zip', 'resources/demo')
    >>> source_of("mine", {"archive": "photos.tgz"}), source_of("mine", {"archive": "*.tgz"})
    ('mirrors/mine/photos.tar', 'mirrors/mine/*.tar')
    """
    archive = dataset.get("archive")
    if place_of(dataset):
        files = ("*.tar" if is_pattern(archive) else decompressed(archive)) if archive else ""
        return os.path.join(mirror_of(name), files) if files else mirror_of(name)
    return str(dataset.get("folder") or archive or f"resources/{name}")


class Layout:
    """Paths of one complete configuration."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._results = config["results"]

    def source(self, dataset: str) -> tuple[str, Selection]:
        """Return the folder or the archives of a dataset, and which of the files belong to it."""
        data = self._config["datasets"][dataset]
        selection = Selection(data.get("include", []), data.get("exclude", []))
        return chosen(source_of(dataset, data), selection)

    def trees(self) -> Iterator[Tree]:
        """Yield the output trees that `run` covers, that of the production engine last."""
        run = self._config["run"]
        engines = dict.fromkeys([BASELINE, *run["engines"], run["production"]])
        for dataset in run["datasets"]:
            for recipe in run["recipes"]:
                for engine in engines:
                    path = f"{self._results}/{dataset}/{recipe}/{engine}"
                    yield Tree(dataset, recipe, engine, path)
