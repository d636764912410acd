"""Config layers: the config files and values of a run, from the default to the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pixelmill.app import config
from pixelmill.app.workflow_setup import check_images, check_trees, folders_of
from pixelmill.core.documents import Document, named_in, read
from pixelmill.core.errors import UserError, shown
from pixelmill.core.project import PROJECT

#: The config file in the working folder.
NAME = "config.yaml"

#: The same where the catalog of Snakemake workflows puts it. Own steps are beside its folder.
IN_FOLDER = "config/config.yaml"

#: Names that people give it instead, in lower case.
_MISTAKEN = (NAME, "config.yml", "config.yaml.txt", "config.yml.txt")


@dataclass(frozen=True)
class Loaded:
    """A config that was read, checked and completed.

    Attributes
    ----------
    config : dict
    folders : str
        Search path of own steps: the folders of the config files.
    base : str or None
        The config file in the working folder or, if there is none, the one that comes with
        pixelmill; None if that is missing too, since every key has a default.
    """

    config: dict[str, Any]
    folders: str
    base: str | None


def load(
    configfiles: Sequence[str | os.PathLike[str]],
    values: Mapping[str, Any],
    given: Mapping[str, Any] | None = None,
    replace: bool = False,
    look: bool = True,
) -> Loaded:
    """Load the config of a workflow.

    Parameters
    ----------
    configfiles : sequence of path
        Given on the command line, the one that counts least first.
    values : mapping
        Given with ``--config``, as text.
    given : mapping, optional
        Config of the workflow that includes this one as a module; no other file is read.
    replace : bool
        Whether the files and values replace the config file in the working folder.
    look : bool
        Whether to look for images in the folders of the datasets.

    Raises
    ------
    UserError
        With the file, line and column of the mistake if a file has it.
    """
    files = [os.path.relpath(path) for path in configfiles]
    base = None if given is not None else _base(optional=bool(files))
    layers = [Document("config", None, dict(given or {}))]
    if base and not (replace and (files or values)):
        layers = [read_layer(base)]
    layers += [read_layer(path) for path in files]
    layers.append(Document("--config", None, config.typed(values)))
    folders = folders_of([*files, NAME if base in (None, IN_FOLDER) else base])
    completed = complete(layers, folders)
    if look:
        with named_in(layers):
            check_images(completed)
            check_trees(completed)
    return Loaded(completed, folders, base)


def _base(optional: bool) -> str | None:
    """Return the path of the config file that all others are added to.

    Parameters
    ----------
    optional : bool
        Whether another config file is given.

    Raises
    ------
    UserError
        If the working folder has only one of a similar name, which would be ignored.
    """
    for path in (NAME, IN_FOLDER):
        if os.path.exists(path):
            return path
    for name in () if optional else sorted(entry.name for entry in os.scandir()):
        if name.lower() in _MISTAKEN:
            raise UserError(
                f"'{name}' is not read; rename it to '{NAME}', or give it by --configfile."
            )
    ours = os.path.relpath(PROJECT / NAME)
    return ours if os.path.exists(ours) else None


def read_layer(path: str) -> Document:
    """Read a config file, which holds a map of keys and values.

    Raises
    ------
    UserError
        If it cannot be read, or holds something else.
    """
    layer = read(path)
    if layer.data is None:
        raise UserError(
            f"{path} is empty; write a key such as 'datasets' into it, or remove the file, since "
            "every key has a default."
        )
    if not isinstance(layer.data, Mapping):
        raise UserError(
            f"{path}, line 1, column 1: found {shown(layer.data)}; give a map of keys and values, "
            "such as 'results: out'."
        )
    return layer


def complete(layers: Sequence[Document], base: str = ".") -> dict[str, Any]:
    """Merge the layers of a config, check it, and fill in its defaults.

    Parameters
    ----------
    layers : sequence of Document
        The one that counts least first.
    base : str
        Folder of the config, in which own steps are searched.

    Raises
    ------
    UserError
        With the file, line and column of the mistake if a file has it.
    """
    given: dict[str, Any] = {}
    for layer in layers:
        _update(given, layer.data)
    if names := _brought(layers):
        _update(given, {"run": {"datasets": names}})
    with named_in(layers):
        return config.complete(given, base)


def _update(one: dict[str, Any], other: Mapping[str, Any]) -> None:
    """Merge a map into another at every depth, as Snakemake does."""
    for key, value in other.items():
        if isinstance(value, Mapping):
            inner = one.get(key)
            one[key] = dict(inner) if isinstance(inner, Mapping) else {}
            _update(one[key], value)
        else:
            one[key] = value


def _brought(layers: Sequence[Document]) -> list[str]:
    """Return the datasets that later layers bring without saying which ones are to be run."""
    known: set[str] = set()
    brought: list[str] = []
    for number, layer in enumerate(layers):
        datasets, run = layer.data.get("datasets"), layer.data.get("run")
        names = list(datasets) if isinstance(datasets, Mapping) else []
        if number:
            brought += [name for name in names if name not in known]
        if isinstance(run, Mapping) and run.get("datasets") is not None:
            brought = []
        known.update(names)
    return brought
