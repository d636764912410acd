"""The command `mirror`: images that are elsewhere, copied into a folder."""

from __future__ import annotations

import argparse
import logging

from pixelmill.app import launcher
from pixelmill.core.errors import RemovalsError
from pixelmill.transfer.messages import announce, tell
from pixelmill.transfer.mirror import mirror as bring
from pixelmill.transfer.places import ListOptions, place_at

log = logging.getLogger(__name__)


def mirror(options: argparse.Namespace) -> int:
    """Bring a folder up to date with a place; 1 if some files could not be copied."""
    given = ListOptions(options.column, options.allow_private, options.refresh)
    place = place_at(options.place, given)
    announce(place, log)
    most = 1.0 if options.allow_removals else 0.5
    try:
        done = bring(place, options.folder, max_removal_rate=most)
    except RemovalsError as error:
        text = str(error).replace("set removals.max_rate to 1", "add --allow-removals")
        raise RemovalsError(text) from error
    tell(done, place.name, log)
    return launcher.CHECK_FAILED if done.failed else 0
