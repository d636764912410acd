"""The command `pixelmill`: a folder of images processed in one line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from pixelmill.app import cli, launcher, recipe_options
from pixelmill.app.argument_parser import Parser, assignment, path
from pixelmill.core import streams
from pixelmill.dataset.file_names import INSPECTION

#: Engines by name; their registry takes longer to import than the help may take.
_ENGINES = ("auto", "sequential", "threads", "processes", "futures", "distributed")


def _parser() -> argparse.ArgumentParser:
    from pixelmill import __version__

    parser = Parser(
        allow_abbrev=False,
        prog="pixelmill",
        description="Process a folder of images on all cores, verify the results, and process\n"
        "again only the images that changed.",
        example="pixelmill run photos out --preset web",
    )
    parser.add_argument("--version", action="version", version=f"pixelmill {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, summary: str, example: str = "") -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            example=example or f"pixelmill {name}",
            allow_abbrev=False,
        )

    run = add(
        "run",
        "process the images of a folder, and verify the results",
        "pixelmill run photos out --longest 2048 --format webp --quality 82\n"
        "  pixelmill run photos out --output large:2048:jpeg --output thumb:256:webp "
        '--watermark "(c) Ada"',
    )
    _add_folders(run, "folder of the results, created if missing; the images go to DST/images")
    recipe_options.add(run)
    cli.add_list(run)
    run.add_argument(
        "--engine",
        default="auto",
        choices=_ENGINES,
        help="how to use the cores (default: auto, which chooses)",
    )
    run.add_argument("--no-verify", action="store_true", help="do not check the results")
    run.add_argument(
        "--allow-removals",
        action="store_true",
        help="remove the results of any number of images that are gone or left out, also if SRC is "
        "another folder than in the last run",
    )
    plan = add(
        "plan",
        "show what `run` would do, without doing it",
        "pixelmill plan photos out --preset web",
    )
    _add_folders(plan)
    recipe_options.add(plan)
    cli.add_list(plan)
    verify = add("verify", "check all results of `run` again", "pixelmill verify photos out")
    _add_folders(verify)
    recipe_options.add(verify)
    cli.add_list(verify)
    report = add(
        "report",
        "write a page about the results of `run`, or of the workflow",
        "pixelmill report out",
    )
    report.add_argument("target", type=path, metavar="DST", help="folder of the results")
    report.add_argument(
        "--output", type=path, metavar="DIR", help="folder of the page (default: DST/report)"
    )
    inspect = add(
        "inspect",
        "measure the images of a folder, and find duplicates, blurred and other odd ones",
        "pixelmill inspect photos out\n  cat out/findings/blurred.txt",
    )
    _add_folders(inspect, "folder of the tables and the page, created if missing")
    cli.add_list(inspect)
    inspect.add_argument(
        "--allow-removals",
        action="store_true",
        help="forget what is known of any number of images that are gone or left out",
    )
    inspect.add_argument(
        "--threshold",
        type=assignment,
        action="append",
        default=[],
        metavar="FINDING=NUMBER",
        help="threshold of a finding in place of the default, such as blurred=15; may be repeated",
    )
    inspect.add_argument(
        "--split",
        type=assignment,
        nargs="+",
        default=[],
        metavar="PART=SHARE",
        help="also assign the images to parts, such as train=0.8 val=0.1 test=0.1; near-duplicates "
        "stay together, and images that were assigned before stay where they are",
    )
    mirror = add(
        "mirror",
        "copy images from a bucket, a server, URLs or compressed tars into a folder, or only what "
        "changed",
        "pixelmill mirror s3://bucket/photos photos\n"
        "  pixelmill mirror sftp://me@nas/photos photos\n"
        "  pixelmill mirror urls.csv photos\n"
        "  pixelmill mirror 'crawl/*.tar.gz' tars",
    )
    mirror.add_argument(
        "place",
        metavar="PLACE",
        help="URL of a bucket and a prefix in it, or of a folder on a server (SFTP); a "
        "text or a CSV of URLs; or compressed tars",
    )
    mirror.add_argument(
        "folder", type=path, metavar="FOLDER", help="folder of the copies, created if missing"
    )
    mirror.add_argument(
        "--allow-removals",
        action="store_true",
        help="remove the copies of any number of files that are gone",
    )
    mirror.add_argument(
        "--column", default="", metavar="NAME", help="column of a list with the URLs"
    )
    mirror.add_argument(
        "--refresh",
        action="store_true",
        help="ask web servers if images of a list changed since they were fetched",
    )
    mirror.add_argument(
        "--allow-private",
        action="store_true",
        help="fetch from addresses of this machine and its network, too",
    )
    pack = add(
        "pack",
        "pack the results of `run` into shards for training, or check them",
        "pixelmill pack out shards --images 5000\n  pixelmill pack --check shards",
    )
    pack.add_argument(
        "target", nargs="?", type=path, metavar="DST", help="folder of the results; only read"
    )
    pack.add_argument("folder", nargs="?", type=path, metavar="FOLDER", help="folder of the shards")
    cli.add_packing(pack)
    pack.add_argument(
        "--check",
        type=path,
        metavar="FOLDER",
        help="read all shards of a folder back instead, and name each fault",
    )
    upload = add(
        "upload",
        "bring the results of `run`, or shards, into a bucket; send only what changed",
        "pixelmill upload out s3://bucket/photos\n  pixelmill upload shards s3://bucket/training",
    )
    cli.add_upload(upload)
    upload.add_argument(
        "--allow-removals",
        action="store_true",
        help="remove the objects of any number of files that are gone",
    )
    scaling = add(
        "scaling",
        "measure how much faster more cores are, with each engine",
        "pixelmill scaling photos --preset web --images 200",
    )
    scaling.add_argument(
        "source", type=path, metavar="SRC", help="folder or archive of images; never written to"
    )
    recipe_options.add(scaling)
    scaling.add_argument(
        "--images", type=cli.positive, default=200, help="how many are used (default: 200)"
    )
    scaling.add_argument(
        "--repeats",
        type=cli.positive,
        default=5,
        help="how often each case is measured; the median counts (default: 5)",
    )
    scaling.add_argument("--json", metavar="FILE", help="write all samples to this file")
    presets = add("presets", "list the recipes that come with pixelmill", "pixelmill presets web")
    presets.add_argument("name", nargs="?", help="show this recipe as YAML")
    steps = add("steps", "list the steps that a recipe can have", "pixelmill steps resize")
    steps.add_argument("name", nargs="?", help="explain this step")
    init = add("init", "write a config.yaml for a folder of images", "pixelmill init photos")
    init.add_argument(
        "folder",
        type=path,
        metavar="FOLDER",
        help="folder or archive of images; never written to",
    )
    init.add_argument(
        "--config",
        default="config.yaml",
        type=path,
        metavar="FILE",
        help="file to write (default: config.yaml)",
    )
    for parser_ in (run, plan, verify, report, inspect, mirror, pack, upload, scaling, init):
        cli.add_messages(parser_)
    for parser_ in (run, verify, inspect, pack, scaling):
        cli.add_workers(parser_)
    add("doctor", "show versions, codecs and limits, and what is missing")
    completion = add(
        "completion",
        "print a script that lets a shell complete words",
        "pixelmill completion bash >> ~/.bashrc",
    )
    completion.add_argument("shell", metavar="SHELL", choices=("bash", "zsh", "fish"))
    commands.add_parser(
        "workflow",
        add_help=False,
        help="run Snakemake on the workflow; takes Snakemake's arguments",
    )
    return parser


def _add_folders(parser: argparse.ArgumentParser, target: str = "folder of the results") -> None:
    parser.add_argument(
        "source",
        type=path,
        metavar="SRC",
        help="folder or archive of images, or one image; never written to",
    )
    parser.add_argument("target", type=path, metavar="DST", help=target)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["workflow"]:
        sys.exit(_run_workflow(given[1:]))
    parser = _parser()
    if given[:1] and given[0] in _INFORMATION:
        with streams.written_completely():
            sys.exit(_tell(parser.parse_args(given)))
        sys.exit(0)
    launcher.run(_run, lambda: parser.parse_args(given), given[:1] in _WITH_CREDENTIALS)


def _run_workflow(arguments: Sequence[str]) -> int:
    from pixelmill.app import workflow_command
    from pixelmill.core.errors import UserError

    try:
        return workflow_command.run(arguments)
    except UserError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return error.status


#: Commands that only write text to standard output.
_INFORMATION = ("presets", "steps", "doctor", "completion")


def _tell(options: argparse.Namespace) -> int:
    """Write what an information command says; it can be piped into a file or a pager."""
    from pixelmill.app import information
    from pixelmill.core.errors import UserError

    try:
        if options.command == "doctor":
            lines = information.doctor()
        elif options.command == "completion":
            lines = information.completion(options.shell, _parser())
        else:
            lines = getattr(information, options.command)(options.name)
        for line in lines:
            sys.stdout.write(f"{line}\n")
    except UserError as error:
        sys.stderr.write(f"ERROR: {error}\n")
        return error.status
    return 0


def _run(options: argparse.Namespace) -> int | None:
    if options.command not in _RENDERING:
        return _command(options)(options)
    from pixelmill.pipeline.host_process import early_host

    folder, renderer = _RENDERING[options.command]
    engine = getattr(options, "engine", "auto")
    with early_host(os.path.join(options.target, folder), engine, renderer) as host:
        return _command(options)(options, host)


def _command(options: argparse.Namespace) -> Callable[..., int | None]:
    """Import a command, while the process that will render imports what that needs."""
    from pixelmill.app import folder_commands

    commands: object = folder_commands
    if options.command in _MEASURING:
        from pixelmill.app import report_commands as commands
    elif options.command == "pack":
        from pixelmill.app import pack_command as commands
    elif options.command == "mirror":
        from pixelmill.app import mirror_command as commands
    elif options.command == "upload":
        from pixelmill.app import upload_command as commands
    command: Callable[..., int | None] = getattr(commands, options.command)
    return command


#: Commands that render: the folder of their ledger below the target, and their renderer.
_RENDERING = {
    "run": ("", "pixelmill.imaging.renderer"),
    "inspect": (INSPECTION, "pixelmill.inspection.measuring.measurer"),
}

#: Commands that reach object stores or servers, as words of the command line.
_WITH_CREDENTIALS = (["mirror"], ["upload"])

#: Commands that read or make measurements; their modules take long to import.
_MEASURING = ("report", "inspect", "scaling")
