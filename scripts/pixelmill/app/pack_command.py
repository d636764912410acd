"""The command `pack`: outputs packed into shards, and shards checked."""

from __future__ import annotations

import argparse
import logging

from pixelmill.app import cli, launcher
from pixelmill.core.errors import UserError
from pixelmill.packing import pack as packing
from pixelmill.packing.check import check
from pixelmill.packing.division import Division

log = logging.getLogger(__name__)


def pack(options: argparse.Namespace) -> int:
    """Pack the results of a run into shards, or check the shards of a folder."""
    if options.check is not None:
        if options.target is not None:
            raise UserError("--check takes the folder of the shards and nothing else.")
        return _check(options.check)
    if options.folder is None:
        missing = "FOLDER is" if options.target else "DST and FOLDER are"
        raise UserError(f"{missing} missing; see `pixelmill pack --help`.")
    from pixelmill.app.folder_commands import last_run

    last = last_run(options.target)
    request = packing.PackRequest(
        options.target,
        options.folder,
        options.format,
        Division(options.images, options.bytes),
        workers=cli.count_workers(options),
        source=last.source if last else "",
    )
    log.info("%s: %s", options.folder, packing.pack(request))
    return 0


def _check(folder: str) -> int:
    members, faults = check(folder)
    for fault in faults:
        log.error("%s", fault)
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults):,} faults"
        log.error("%s: %s; remove the files that are named, then pack again", folder, count)
        return launcher.CHECK_FAILED
    many = f"{members:,} members are as they were packed"
    log.info("%s: %s", folder, "1 member is as it was packed" if members == 1 else many)
    return 0
