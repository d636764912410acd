"""Failure docs: the table of reasons in `docs/failures.md`, from the registry."""

from __future__ import annotations

import re

from pixelmill.core.reasons import REASONS, Reason

_BEGIN = "<!-- The table of reasons is written by `make docs`. -->"
_END = "<!-- End of the table of reasons. -->"

_HEADER = "| reason | meaning | remedy | tried again | tried alone first |\n|---|---|---|---|---|"


def markdown(page: str) -> str:
    """Return the page with its table of reasons as the registry has them now.

    Parameters
    ----------
    page : str
        The page as it is, with the two comments between which the table stands.
    """
    table = "\n".join((_HEADER, *map(_row, REASONS.values())))
    between = re.compile(f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)
    return between.sub(lambda found: f"{_BEGIN}\n\n{table}\n\n{_END}", page)


def _row(reason: Reason) -> str:
    alone = "yes" if reason.tried_alone else ""
    cells = (f"`{reason.name}`", reason.meaning, reason.remedy, reason.retry.value, alone)
    return f"| {' | '.join(cells)} |"
