"""Public functions that do from Python what the scripts do.

Each accepts a recipe as the content or the path of a recipe file, as a name, or as a `Recipe`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, TypeAlias

from pixelmill.app.config import named_recipe
from pixelmill.dataset import catalog, synthetic
from pixelmill.dataset.passes import Pass
from pixelmill.dataset.plan import Plan
from pixelmill.engines.machine import cores
from pixelmill.imaging.recipe import Recipe
from pixelmill.imaging.recipe_parser import parse
from pixelmill.pipeline import planning, runner
from pixelmill.pipeline.request import ProcessRequest
from pixelmill.verification import verify as verification
from pixelmill.verification.check_results import ChecksData

#: A path, as text or as a path object.
PathLike: TypeAlias = str | os.PathLike[str]

#: A name such as ``light``, the path of a YAML file, its content, or a recipe.
AnyRecipe: TypeAlias = PathLike | Mapping[str, Any] | Recipe


def process(
    source: PathLike,
    target: PathLike,
    recipe: AnyRecipe = "light",
    engine: str = "auto",
    workers: int | None = None,
) -> Pass:
    """Process a folder of images; images that are up to date are not processed again.

    Parameters
    ----------
    source : path
        Folder of images, which is only read.
    target : path
        Folder for the outputs, in ``images``, and for the tables that describe them.
    recipe : str, path, mapping or Recipe
    engine : str
        One of `pixelmill.engines.registry.SELECTABLE`, or ``auto``.
    workers : int, optional
        By default, the number of cores.

    Returns
    -------
    Pass
        The number of images and failures, and the time.

    Raises
    ------
    UserError
        If the pass cannot be run. An image that cannot be processed is not an error; it is listed
        in ``failures.csv``.
    """
    request = ProcessRequest(
        os.fspath(source), os.fspath(target), _recipe(recipe), engine, workers or cores()
    )
    return runner.process_folder(request)


def verify(
    source: PathLike,
    target: PathLike,
    recipe: AnyRecipe = "light",
    workers: int | None = None,
) -> ChecksData:
    """Check the outputs of `process` independently of the code that made them.

    Worker processes import the program that calls this; it must be protected by
    ``if __name__ == "__main__":``.

    Parameters
    ----------
    source, target, recipe, workers
        As for `process`.

    Returns
    -------
    dict
        ``passed``, ``summary``, and ``checks`` with the counts of each check.

    Raises
    ------
    UserError
        If there is nothing to check.
    """
    entries = catalog.scan(os.fspath(source))[0].entries
    data = _recipe(recipe).as_data()
    return verification.verify(
        os.fspath(source), os.fspath(target), data, entries, workers or cores()
    )


def plan(source: PathLike, target: PathLike, recipe: AnyRecipe = "light") -> Plan:
    """Find out what `process` would do, without doing it.

    Parameters
    ----------
    source, target, recipe
        As for `process`.

    Returns
    -------
    Plan
        Its text says how many images would be processed, and why.

    Raises
    ------
    UserError
        If `source` cannot be read.
    """
    entries = catalog.scan(os.fspath(source))[0].entries
    request = ProcessRequest(os.fspath(source), os.fspath(target), _recipe(recipe))
    return planning.preview(request, entries).plan


def generate(folder: PathLike, count: int = 1000, workers: int | None = None, **spec: Any) -> int:
    """Generate test images; existing ones are kept.

    Worker processes import the program that calls this; it must be protected by
    ``if __name__ == "__main__":``.

    Parameters
    ----------
    folder : path
    count : int
    workers : int, optional
        By default, the number of cores.
    **spec
        Keys under ``generate`` of the config, such as ``width=[300, 600]`` or ``seed=1``.

    Returns
    -------
    int
        Number of generated images.

    Raises
    ------
    UserError
        If a value is wrong, or the folder contains other files.
    """
    wanted = synthetic.Spec.from_config({"count": count, **spec})
    return synthetic.generate(os.fspath(folder), wanted, workers or cores())


def _recipe(given: AnyRecipe) -> Recipe:
    if isinstance(given, Recipe):
        return given
    return parse(given) if isinstance(given, Mapping) else named_recipe(os.fspath(given))
