"""Messages: what a mirror did, for people."""

from __future__ import annotations

import logging

from pixelmill.core.errors import shown
from pixelmill.dataset.catalog import told_left_out
from pixelmill.transfer.mirror import Mirrored
from pixelmill.transfer.place import Place
from pixelmill.transfer.url_list import UrlList

#: Files that are named of those that could not be copied.
_MOST_EXAMPLES = 3


def announce(place: Place, log: logging.Logger) -> None:
    """Warn of what the user should know before anything is copied."""
    if isinstance(place, UrlList) and place.notice:
        log.warning("%s: %s", place.name, place.notice)


def tell(done: Mirrored, place: str, log: logging.Logger) -> None:
    """Log what was copied, what was left out, and what failed."""
    log.info("%s: %s", place, done)
    if done.left_out:
        log.info("%s: left out: %s", place, told_left_out(done.left_out))
    if done.failed:
        examples = ", ".join(f"{shown(name)} ({why})" for name, why in done.failed[:_MOST_EXAMPLES])
        more = len(done.failed) - _MOST_EXAMPLES
        log.warning(
            "%s: %s not be copied%s: %s%s",
            place,
            "1 file could" if len(done.failed) == 1 else f"{len(done.failed):,} files could",
            ", and will be tried again in the next run" * done.is_pending,
            examples,
            f" and {more:,} more" if more > 0 else "",
        )
