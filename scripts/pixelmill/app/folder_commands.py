"""Commands on a folder of images: `run`, `plan`, `verify` and `init`."""

from __future__ import annotations

import argparse
import logging
import operator
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from pixelmill.app import cli, console, launcher, recipe_options, run_summary
from pixelmill.app.config import default_recipes
from pixelmill.core.errors import RemovalsError, UserError
from pixelmill.core.suggestions import followed
from pixelmill.core.tables import iterate_table, read_json, write_json
from pixelmill.core.user_paths import lookalike
from pixelmill.dataset import catalog, catalog_table, globs
from pixelmill.dataset.entries import Entries
from pixelmill.dataset.file_names import LEDGER
from pixelmill.dataset.image_list import ImageList
from pixelmill.dataset.ledger import open_to_read
from pixelmill.imaging.recipe import Recipe
from pixelmill.imaging.recipe_parser import parse
from pixelmill.report.conclusion import LEVELS
from pixelmill.storage.archives import identity
from pixelmill.verification.check_results import ChecksData

if TYPE_CHECKING:
    from pixelmill.pipeline.host_process import HostProcess

log = logging.getLogger(__name__)

#: Below the results: the recipe they were made by, for the next run and for `verify`.
REMEMBERED = "recipe.json"


@dataclass(frozen=True)
class ChosenRecipe:
    """A recipe as it was given.

    Attributes
    ----------
    data : dict
        As a recipe file has it.
    folder : str
        Where its own steps are looked for.
    source : str
        The images that it was last applied to; empty if it was not.
    """

    data: dict[str, Any]
    folder: str
    source: str = ""

    @property
    def name(self) -> str:
        """The name of the preset that it is, or else ``recipe``."""
        return next(
            (name for name, data in default_recipes().items() if data == self.data), "recipe"
        )

    def parsed(self) -> Recipe:
        """Check the recipe.

        Raises
        ------
        UserError
            If something is wrong with it.
        """
        return parse(self.data, "recipe", self.folder)


def _choose(options: argparse.Namespace) -> ChosenRecipe:
    """Take the recipe that is asked for, and write it to a file if that is asked for too."""
    from pixelmill.pipeline.request import check_folders

    # Before anything is said or written.
    catalog.require_image(options.source)
    check_folders(options.source, options.target)
    return _saved(options, _given(options) or last_run(options.target) or _default())


def recipe_from(options: argparse.Namespace) -> ChosenRecipe:
    """Take the recipe that the options describe, else the default."""
    return _saved(options, _given(options) or _default())


def _saved(options: argparse.Namespace, chosen: ChosenRecipe) -> ChosenRecipe:
    if options.save_recipe:
        text = yaml.safe_dump(chosen.data, sort_keys=False, allow_unicode=True)
        _write_new(options.save_recipe, text, "--save-recipe")
    return chosen


def _default() -> ChosenRecipe:
    log.info("recipe: %s (`pixelmill presets` lists others)", recipe_options.DEFAULT)
    return ChosenRecipe(default_recipes()[recipe_options.DEFAULT], os.getcwd())


def _given(options: argparse.Namespace) -> ChosenRecipe | None:
    data = recipe_options.build(options, default_recipes())
    if data is None:
        return None
    return ChosenRecipe(data, os.path.abspath(os.path.dirname(options.recipe or "")))


def last_run(target: str) -> ChosenRecipe | None:
    """Read the recipe of the last run into a folder; None if there was none.

    Raises
    ------
    UserError
        If the file is damaged.
    """
    path = os.path.join(target, REMEMBERED)
    if not os.path.exists(path):
        return None
    try:
        data = read_json(path)
        return ChosenRecipe(dict(data["recipe"]), str(data["folder"]), str(data.get("source", "")))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UserError(
            f"'{path}' cannot be read; remove the file, and name the recipe by an option."
        ) from error


def _write_new(path: str, text: str, option: str) -> None:
    """Write a file that an option names; never over one that exists."""
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UserError(
            f"'{path}' exists; remove it, or give another name with {option}."
        ) from error
    except OSError as error:
        raise UserError(f"'{path}' cannot be written: {error.strerror}.") from error


#: Least number of pictures that are compared after a run, and most pixels of their sources
#: altogether, which take about 3 s of work.
LEAST_COMPARED, MOST_PIXELS = 10, 80_000_000


def chosen_by_list(options: argparse.Namespace) -> Callable[[Entries], Entries] | None:
    """Return a function that keeps the images that a list names; None without a list."""
    listed = ImageList.given(options.list, options.where, options.names)
    if listed is None:
        return None

    def keep(entries: Entries) -> Entries:
        found = listed.find(entries, globs.chosen(options.source)[0])
        if found.missing:
            log.warning("%s", found.missing)
        named = found.chosen(entries)
        log.info("%s names %s of %s images", listed.name, f"{len(named):,}", f"{len(entries):,}")
        return named

    return keep


def run(options: argparse.Namespace, host: HostProcess | None = None) -> int:
    """Process a folder or archives, verify the results, and say in a few lines what came of it."""
    from pixelmill.pipeline.policy import Policy
    from pixelmill.pipeline.request import ProcessRequest
    from pixelmill.pipeline.runner import process_folder

    keep = chosen_by_list(options)
    chosen = _choose(options)
    recipe = chosen.parsed()
    workers = cli.count_workers(options)
    if not options.allow_removals:
        _require_same_source(options)
    policy = Policy(max_removal_rate=1.0 if options.allow_removals else Policy.max_removal_rate)
    request = ProcessRequest(
        options.source, options.target, recipe, options.engine, workers, label="", policy=policy
    )
    try:
        done = process_folder(request, keep=keep, host=host)
    except RemovalsError as error:
        raise UserError(by_options(str(error))) from error
    write_json(
        os.path.join(options.target, REMEMBERED),
        {
            "recipe": chosen.data,
            "folder": chosen.folder,
            "source": os.path.abspath(globs.chosen(options.source)[0]),
        },
    )
    entries = catalog_table.read(os.path.join(options.target, "catalog.csv"))
    checks = (
        None
        if options.no_verify
        else _verify(options, recipe, workers, entries, sample=_sample(entries))
    )
    failures = list(iterate_table(os.path.join(options.target, "failures.csv")))
    with open_to_read(os.path.join(options.target, LEDGER)) as ledger:
        sizes = ledger.sizes() if ledger else (0, 0)
        kept = ledger.kept_sources() if ledger else (0, 0)
    summary = run_summary.summarize(
        done, len(entries), failures, sizes, checks, (options.source, options.target), kept
    )
    for line in summary.lines:
        log.info("%s", line)
    conclusion = summary.conclusion
    console.conclude(conclusion.sentence, LEVELS[conclusion.state])
    return conclusion.status


def _require_same_source(options: argparse.Namespace) -> None:
    """Check that results are not those of another folder or archive, which still exists.

    Raises
    ------
    UserError
        With what to do.
    """
    last = last_run(options.target)
    now = os.path.abspath(globs.chosen(options.source)[0])
    if last and _is_there(last.source) and not _is_same(last.source, now):
        raise UserError(
            f"'{options.target}' has the results of '{last.source}'; name another folder for the "
            f"results of '{options.source}', or replace them: --allow-removals"
        )


def _is_there(source: str) -> bool:
    """Whether a folder or archives exist."""
    return bool(source) and identity(source) is not None


def _is_same(source: str, other: str) -> bool:
    """Whether two paths stand for one folder or one archive, or are the same pattern."""
    exist = os.path.exists(source) and os.path.exists(other)
    return os.path.samefile(source, other) if exist else source == other


def plan(options: argparse.Namespace) -> None:
    """Tell what `run` would do."""
    from pixelmill.pipeline.planning import preview
    from pixelmill.pipeline.request import ProcessRequest

    keep = chosen_by_list(options)
    recipe = _choose(options).parsed()
    request = ProcessRequest(options.source, options.target, recipe).of_folder()
    entries = _entries(options, keep)
    made, seconds, size, refusal = preview(request, entries)
    cost = f"; about {seconds:.0f} s of one core and {size / 1e6:.0f} MB" * bool(seconds)
    images = "1 image" if len(entries) == 1 else f"{len(entries):,} images"
    log.info("%s: %s%s", images, made, cost)
    if refusal:
        log.warning("`pixelmill run` would stop before that: %s", by_options(refusal))


def by_options(advice: str) -> str:
    """Name the option of the command line where the advice names a key of the config."""
    return advice.replace("set removals.max_rate to 1", "add --allow-removals")


def verify(options: argparse.Namespace) -> int:
    """Check all results again."""
    if not os.path.isdir(options.target):
        advice = followed(lookalike(options.target), "`pixelmill run` creates the results.")
        raise UserError(f"'{options.target}' is not a folder{advice}")
    entries = _entries(options, chosen_by_list(options))
    result = _verify(
        options, _choose(options).parsed(), cli.count_workers(options), entries, scope="all"
    )
    console.print_checks(options.target, result)
    if failed := sum(1 for _ in iterate_table(os.path.join(options.target, "failures.csv"))):
        images = "1 image has" if failed == 1 else f"{failed:,} images have"
        log.info("%s no output because of a failure: %s/failures.csv", images, options.target)
    return 0 if result["passed"] else launcher.CHECK_FAILED


def _entries(options: argparse.Namespace, keep: Callable[[Entries], Entries] | None) -> Entries:
    """Return the images of a folder or of archives, or those that a list names."""
    entries = catalog.scan(*globs.chosen(options.source))[0].entries
    return entries if keep is None else keep(entries)


def _sample(entries: Entries) -> int:
    """Return how many pictures to compare after a run: fewer if they are large.

    The command `verify` compares more.
    """
    from pixelmill.verification.verify import SAMPLE

    pixels: int = sum(map(operator.mul, entries.widths, entries.heights))
    fitting: int = MOST_PIXELS * len(entries) // max(pixels, 1)
    return max(LEAST_COMPARED, min(SAMPLE, fitting))


def _verify(
    options: argparse.Namespace,
    recipe: Recipe,
    workers: int,
    entries: Entries,
    **how: Any,
) -> ChecksData:
    from pixelmill.verification.verify import verify

    folder = globs.chosen(options.source)[0]
    result = verify(folder, options.target, recipe.as_data(), entries, workers, **how)
    write_json(os.path.join(options.target, "verification.json"), result)
    return result


def init(options: argparse.Namespace) -> None:
    """Write a config for a folder or archives, and say what they hold."""
    from pixelmill.app import starting_config

    catalog.require_image(options.folder)
    found, _ = catalog.scan(*globs.chosen(options.folder))
    formats = Counter(entry.format for entry in found.entries)
    for line in starting_config.findings(options.folder, formats, found.left_out):
        log.info("%s", line)
    _write_new(options.config, starting_config.text(options.folder), "--config")
    log.info("Wrote '%s'. Next: pixelmill workflow process", options.config)
