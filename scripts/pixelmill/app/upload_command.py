"""The command `upload`: outputs or shards brought into a bucket."""

from __future__ import annotations

import argparse
import logging

from pixelmill.core.errors import RemovalsError, UserError
from pixelmill.transfer import upload as uploading
from pixelmill.transfer.buckets import Bucket

log = logging.getLogger(__name__)


def upload(options: argparse.Namespace) -> int:
    """Upload the results of a run, or shards."""
    rate = 1.0 if options.allow_removals else uploading.MAX_REMOVAL_RATE
    try:
        done = uploading.upload(options.folder, Bucket(options.bucket), rate)
    except RemovalsError as error:
        from pixelmill.app.folder_commands import by_options

        raise UserError(by_options(str(error))) from error
    log.info("%s: %s", options.bucket, done)
    return 0
