"""Commands that measure and report: `report`, `inspect` and `scaling`."""

from __future__ import annotations

import argparse
import logging
import os
from typing import TYPE_CHECKING

from pixelmill.app import cli, folder_commands
from pixelmill.app.launcher import refuse_images
from pixelmill.core.errors import RemovalsError, UserError
from pixelmill.core.filenames import escape
from pixelmill.dataset.layout import Tree

if TYPE_CHECKING:
    from pixelmill.pipeline.host_process import HostProcess

#: What the report of a single run names, by the targets of the workflow. The folders may be
#: absolute, and reports are shared: the words of the help stand for them.
COMMANDS = {
    "all": "pixelmill run SRC DST",
    "verify": "pixelmill verify SRC DST",
    "report": "pixelmill report DST",
    "scaling": "pixelmill scaling SRC",
}

log = logging.getLogger(__name__)

#: What is needed once images have been measured.
_AFTERWARDS = ("pixelmill.inspection.parts", "pixelmill.report.inspection_page")


def report(options: argparse.Namespace) -> None:
    """Write the report of a run, or of all runs of a workflow, as one page."""
    from pixelmill.report.collect import (
        WORKFLOW_COMMANDS,
        collect,
        describe,
        find_trees,
        tables_of,
    )
    from pixelmill.report.contact_sheet import contact_sheet
    from pixelmill.report.inspected import inspected
    from pixelmill.report.render import folder_in, require_own, write

    folder = options.output or folder_in(options.target)
    require_own(folder)  # before the pictures are made
    sheets = {}
    commands = WORKFLOW_COMMANDS
    if last := folder_commands.last_run(options.target):
        if os.path.isdir(last.source):
            refuse_images("--output", folder, last.source)
        path = options.target
        full = (Tree("", "", "", path).read("timing.json") or {}).get("last_full_pass")
        engine = full["engine"] if full else "auto"
        dataset = escape(os.path.basename(os.path.normpath(last.source))) or "images"
        trees = [Tree(dataset, last.name, engine, path)]
        sheets[dataset, last.name] = contact_sheet(path, last.source, folder)
        commands = COMMANDS
        tables = {dataset: path}
    else:
        trees = find_trees(options.target)
        tables = tables_of(trees)
    if not trees:
        raise UserError(
            f"'{options.target}' holds no results; give the folder that `pixelmill run` wrote to, "
            "or the results of the workflow."
        )
    found = {"inspected": inspected(tables, folder)}
    write({**collect(trees, {}, commands), **describe(trees), **found}, folder, sheets)
    log.info("Report: %s", os.path.join(folder, "report.html"))


def inspect(options: argparse.Namespace, host: HostProcess | None = None) -> None:
    """Measure the images of a folder, and write the tables and a page about them."""
    from pixelmill.dataset import catalog
    from pixelmill.dataset.file_names import LISTS
    from pixelmill.inspection.inspect import inspect
    from pixelmill.inspection.measuring.measurer import RECIPE
    from pixelmill.inspection.split import check_ratios
    from pixelmill.pipeline.policy import Policy
    from pixelmill.pipeline.request import ProcessRequest, check_folders

    keep = folder_commands.chosen_by_list(options)
    catalog.require_image(options.source)
    check_folders(options.source, options.target)
    workers = cli.count_workers(options)
    policy = Policy(max_removal_rate=1.0 if options.allow_removals else Policy.max_removal_rate)
    request = ProcessRequest(
        options.source, options.target, RECIPE, workers=workers, label="", policy=policy
    )
    thresholds = dict(options.threshold)
    names = [name for name, _ in options.split]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"--split: '{repeated}' is given twice; give each part one share.")
    shares = check_ratios(dict(options.split), "--split") if options.split else {}
    try:
        found = inspect(request, thresholds=thresholds, keep=keep, host=host, later=_AFTERWARDS)
    except RemovalsError as error:
        raise UserError(folder_commands.by_options(str(error))) from error
    from pixelmill.inspection.parts import SPLITS, split_images
    from pixelmill.report import inspection_page

    page = inspection_page.write(found, options.source, options.target)
    counts_told, *found_told = inspection_page.lines(found)
    for line in (counts_told, *found_told):
        log.info("%s", line)
    if shares:
        counts = split_images(options.target, shares, thresholds=thresholds)
        told = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        log.info("Split: %s; see %s", told, os.path.join(options.target, SPLITS))
    log.info("Findings: %s", os.path.join(options.target, "findings.csv"))
    if found_told:
        log.info("Lists of images: %s", os.path.join(options.target, LISTS, "*.txt"))
    log.info("Page: %s", page)


def scaling(options: argparse.Namespace) -> None:
    """Measure the speedup of each engine and number of workers on a folder of images."""
    from pixelmill.benchmark import manager, samples

    recipe = folder_commands.recipe_from(options).parsed()
    result = manager.run(
        options.source,
        recipe,
        samples.cases_for(cli.count_workers(options)),
        options.images,
        options.repeats,
        log=log.info,
        output=options.json,
    )
    for line in manager.told(result):
        log.info("%s", line)
