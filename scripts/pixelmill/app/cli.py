"""Options that the scripts share: passes, policies, benchmarks, messages, workers."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pixelmill.app.argument_parser import Parser, byte_count, cell, number, path
from pixelmill.core.errors import UserError

if TYPE_CHECKING:
    from pixelmill.pipeline.policy import Policy


def parser(description: str, example: str) -> argparse.ArgumentParser:
    """Build a parser with the options of all scripts: log, quiet, debug."""
    made = Parser(description=description, example=example)
    add_messages(made)
    return made


def add_messages(made: argparse.ArgumentParser) -> None:
    """Add the options for the amount and the destination of messages."""
    made.add_argument("--log", type=path, metavar="FILE", help="also write messages to this file")
    made.add_argument("--quiet", action="store_true", help="print only warnings and errors")
    made.add_argument(
        "--progress",
        choices=("line", "json"),
        help="show progress as text (default) or as JSON lines",
    )
    made.add_argument("--debug", action="store_true", help="show tracebacks of errors")


def add_workers(made: argparse.ArgumentParser) -> None:
    """Add the option for the number of workers."""
    made.add_argument(
        "--workers", type=positive, metavar="N", help="number of workers (default: one per core)"
    )
    made.add_argument(
        "--cap-workers", action="store_true", help="use no more workers than there are cores"
    )


def add_pass(made: argparse.ArgumentParser) -> None:
    """Add the arguments of a pass: folders, recipe, catalog."""
    made.add_argument(
        "source",
        type=path,
        metavar="SRC",
        help="folder or archive of images, or one image; never written to",
    )
    made.add_argument("target", type=path, metavar="DST", help="folder of the results")
    made.add_argument(
        "--recipe", default="light", help="light, intensive, or FILE.yaml (default: light)"
    )
    made.add_argument(
        "--steps-folder", default=".", help="folder that is searched first for your own steps"
    )
    made.add_argument("--catalog", metavar="CSV", help="existing table of the inputs")
    made.add_argument("--label", default="images", help="name of the images in messages")


def add_list(made: argparse.ArgumentParser) -> None:
    """Add the options that name the images to process."""
    made.add_argument(
        "--list",
        type=path,
        metavar="FILE",
        help="process only the images that this file names: a text with one path a line, or a CSV "
        "such as findings.csv; - reads standard input",
    )
    made.add_argument(
        "--where",
        type=cell,
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        help="use only the rows of the list with this value, such as split=train; may be repeated",
    )
    made.add_argument(
        "--names",
        default="",
        metavar="COLUMN",
        help="name the outputs as this column of the list says, such as sku",
    )


def add_token(made: argparse.ArgumentParser) -> None:
    """Add the option by which the workflow recognises the outputs that it asked for."""
    made.add_argument("--token", default="", help="identifies the outputs to the workflow")


def add_benchmark(made: argparse.ArgumentParser, recipes: str) -> None:
    """Add the arguments of a benchmark; `recipes` describes the allowed recipes."""
    made.add_argument(
        "source",
        type=path,
        metavar="SRC",
        help="folder or archive of images, or one image; never written to",
    )
    made.add_argument("--recipe", default="light", help=recipes)
    made.add_argument(
        "--steps-folder", default=".", help="folder that is searched first for your own steps"
    )
    made.add_argument(
        "--images", type=positive, default=1000, help="number of images to measure (default: 1000)"
    )
    made.add_argument(
        "--repeats",
        type=positive,
        default=5,
        help="measurements of each case; the median is used (default: 5)",
    )
    made.add_argument("--catalog", metavar="CSV", help="existing table of the inputs")
    add_settings(made, "benchmark")
    made.add_argument("--scratch", metavar="DIR", help="folder for temporary outputs")
    made.add_argument("--output", metavar="JSON", help="file for all measurements")
    add_workers(made)


def add_policy(made: argparse.ArgumentParser) -> None:
    """Add the options of the policy of a pass."""
    made.add_argument(
        "--check-outputs", action="store_true", help="hash outputs too, to find altered ones"
    )
    made.add_argument(
        "--retry-failed",
        nargs="+",
        default=[],
        metavar="REASON",
        help="try images with these failures again",
    )
    add_sandbox(made)
    made.add_argument(
        "--policy", metavar="JSON", help="all policies of a config, in place of single options"
    )


def add_sandbox(made: argparse.ArgumentParser) -> None:
    """Add the option for the sandbox."""
    made.add_argument(
        "--sandbox",
        choices=("auto", "off"),
        default="auto",
        help="auto confines the workers if the system supports it (default: auto)",
    )


def add_cluster(made: argparse.ArgumentParser) -> None:
    """Add the options that say where the workers of a cluster are."""
    made.add_argument(
        "--scheduler",
        default="local",
        metavar="WHERE",
        help="Dask scheduler of engine distributed: an address such as tls://HOST:PORT, a "
        "scheduler file, or local (default)",
    )
    made.add_argument(
        "--tls",
        nargs=3,
        default=(),
        metavar=("CA", "CERT", "KEY"),
        help="PEM files for tls://: the certificate of the authority, your own, and your key",
    )


def add_selection(made: argparse.ArgumentParser) -> None:
    """Add the option with the globs of a dataset."""
    made.add_argument(
        "--selection", default="{}", metavar="JSON", help='globs: {"include": [], "exclude": []}'
    )


def policy(
    options: argparse.Namespace, complete: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> Policy:
    """Return the policy: the workflow passes all of it, a user single options.

    Parameters
    ----------
    options : argparse.Namespace
    complete : callable
        `pixelmill.app.config.complete`. It is not imported here: the rules take what this module
        imports for the code of every script, and the config's includes all steps.
    """
    from pixelmill.core.reasons import REASONS
    from pixelmill.core.sandbox import Sandbox
    from pixelmill.pipeline.policy import Policy

    if options.policy:
        from pixelmill.core.documents import from_json

        given = from_json(options.policy, "--policy")
        try:
            made = Policy.from_config(given)
        except (LookupError, TypeError, ValueError, AttributeError):  # not as the workflow does
            made = Policy.from_config(complete(given))
        made.sandbox.check()
        return made
    unknown = [reason for reason in options.retry_failed if reason not in REASONS]
    if unknown:
        raise UserError(
            f"--retry-failed: '{unknown[0]}' is not a reason; allowed are {', '.join(REASONS)}."
        )
    return Policy(
        check_outputs=options.check_outputs,
        retry_failed=tuple(options.retry_failed),
        sandbox=Sandbox.from_config(options.sandbox),
    )


def add_packing(made: argparse.ArgumentParser) -> None:
    """Add the options that say how outputs are packed."""
    made.add_argument(
        "--format",
        choices=("webdataset", "zip", "parquet"),
        help="format of the shards (default: webdataset)",
    )
    size = made.add_mutually_exclusive_group()
    size.add_argument(
        "--images",
        type=positive,
        metavar="N",
        help="images in a shard, on average, from which the number of shards is chosen once "
        "(default: 10000)",
    )
    size.add_argument(
        "--bytes", type=byte_count, metavar="SIZE", help="or bytes in a shard, such as 500M or 1G"
    )


def add_upload(made: argparse.ArgumentParser) -> None:
    """Add the arguments that say what is uploaded, and where."""
    made.add_argument(
        "folder",
        type=path,
        metavar="FOLDER",
        help="folder of the results of `run`, of which the images and the tables manifest.csv and "
        "failures.csv are uploaded, or folder of the shards of `pack`; its files are only read",
    )
    made.add_argument(
        "bucket",
        metavar="URL",
        help="bucket and prefix: s3://bucket/prefix, gs://... or az://...; credentials come from "
        "the environment",
    )


def add_settings(made: argparse.ArgumentParser, section: str) -> None:
    """Add an option for a whole section of the config, which the workflow passes."""
    made.add_argument(
        "--settings",
        metavar="JSON",
        help=f"section '{section}' of a config, in place of single options",
    )


def settings(options: argparse.Namespace, section: str, *names: str) -> dict[str, Any]:
    """Return a section of the config, as a whole or from single options.

    Parameters
    ----------
    options : argparse.Namespace
    section : str
        Name of the section.
    *names : str
        Keys that have their own option. Options that were not given are omitted.

    Raises
    ------
    UserError
        If the section does not conform to its schema.
    """
    if options.settings:
        from pixelmill.core.documents import from_json
        from pixelmill.core.schemas import complete_section

        return complete_section(section, from_json(options.settings, "--settings"), "--settings")
    given = {name: getattr(options, name) for name in names}
    return {name: value for name, value in given.items() if value is not None}


#: Parses an integer of at least one.
positive = number(1)


def count_workers(options: argparse.Namespace) -> int:
    """Return the number of workers to use, and log if it differs from the requested number."""
    from pixelmill.engines.machine import cores

    available = cores()
    if options.workers is None:
        return available
    wanted: int = options.workers
    if wanted > available and options.cap_workers:
        logging.info(
            "%d workers, not %d, because only %d cores may be used", available, wanted, available
        )
        return available
    if wanted > available:
        logging.warning(
            "%d workers share %d cores; one per core would be as fast", wanted, available
        )
    return wanted
