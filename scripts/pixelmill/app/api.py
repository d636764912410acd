"""Public functions that do from Python what the scripts do.

Each accepts a recipe as the content or the path of a recipe file, as a name, or as a `Recipe`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from pixelmill.app.config import named_recipe
from pixelmill.core.user_paths import expanded
from pixelmill.dataset import catalog, catalog_table, globs, synthetic
from pixelmill.dataset.exports import FailureRow, read_failures
from pixelmill.dataset.plan import Plan
from pixelmill.engines.machine import cores
from pixelmill.imaging.recipe import Recipe
from pixelmill.imaging.recipe_parser import parse
from pixelmill.pipeline import planning, runner
from pixelmill.pipeline.host_process import early_host
from pixelmill.pipeline.request import ProcessRequest
from pixelmill.verification import verify as verification
from pixelmill.verification.check_results import ChecksData

#: A path, as text or as a path object.
PathLike: TypeAlias = str | os.PathLike[str]

#: A name such as ``light``, the path of a YAML file, its content, or a recipe.
AnyRecipe: TypeAlias = PathLike | Mapping[str, Any] | Recipe


@dataclass(frozen=True)
class Result:
    """What `process` did.

    Attributes
    ----------
    images : int
        How many images this call processed; failed ones are not counted.
    unchanged : int
        How many images were up to date.
    failures : tuple of FailureRow
        The images without an output, with ``source``, ``stage``, ``reason`` and ``message``;
        those that failed in an earlier call and were not tried again, too.
    output : Path
        Folder of the outputs.
    seconds : float
        How long it took.
    engine : str
        The engine that processed them.
    """

    images: int
    unchanged: int
    failures: tuple[FailureRow, ...]
    output: Path
    seconds: float
    engine: str

    @property
    def failed(self) -> int:
        """How many images have no output."""
        return len(self.failures)


def process(
    source: PathLike,
    target: PathLike,
    recipe: AnyRecipe = "light",
    engine: str = "auto",
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Result:
    """Process a folder of images; images that are up to date are not processed again.

    Parameters
    ----------
    source : path
        Folder of images, an archive, a pattern of archives, or a single image; only read.
    target : path
        Folder for the outputs, in ``images``, and for the tables that describe them.
    recipe : str, path, mapping or Recipe
    engine : str
        One of `pixelmill.engines.registry.SELECTABLE`, or ``auto``.
    workers : int, optional
        By default, the number of cores.
    progress : callable, optional
        Called with the number of images that are done and the number to do, after each batch.
        By default, a progress line is written to standard error.

    Returns
    -------
    Result
        The number of images, the failures, and the folder of the outputs.

    Raises
    ------
    UserError
        If the pass cannot be run. An image that cannot be processed is not an error; it is one of
        `Result.failures`.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> source, target = f"{folder.name}/photos", f"{folder.name}/out"
    >>> generate(source, 2, workers=1, width=[64, 96], height=[48, 64])
    2
    >>> result = process(source, target, "thumbnails", "sequential", progress=print)
    1 2
    2 2
    >>> result.images, result.failed, sorted(path.name for path in result.output.iterdir())
    (2, 0, ['00000000.webp', '00000001.webp'])
    >>> process(source, target, "thumbnails", "sequential").unchanged
    2
    >>> folder.cleanup()
    """
    folder = _path(target)
    request = ProcessRequest(
        _path(source), folder, _recipe(recipe), engine, workers or cores(), notify=progress
    )
    with early_host(folder, engine) as host:
        done = runner.process_folder(request, host=host)
    failures = tuple(read_failures(folder))
    images = done.images - done.failed
    total = sum(1 for _ in catalog_table.iterate(os.path.join(folder, "catalog.csv")))
    return Result(
        images=images,
        unchanged=total - images - len(failures),
        failures=failures,
        output=Path(folder, "images"),
        seconds=done.seconds,
        engine=done.engine,
    )


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
    folder, selection = globs.chosen(_path(source))
    entries = catalog.scan(folder, selection)[0].entries
    data = _recipe(recipe).as_data()
    return verification.verify(folder, _path(target), data, entries, workers or cores())


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
    request = ProcessRequest(_path(source), _path(target), _recipe(recipe)).of_folder()
    entries = catalog.scan(request.source, request.selection)[0].entries
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
    return synthetic.generate(_path(folder), wanted, workers or cores())


def _path(given: PathLike) -> str:
    return expanded(os.fspath(given))


def _recipe(given: AnyRecipe) -> Recipe:
    if isinstance(given, Recipe):
        return given
    return parse(given) if isinstance(given, Mapping) else named_recipe(os.fspath(given))
