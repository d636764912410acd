"""State of outputs: whether those of a tree are still there, by their names and sizes.

Snakemake does not know the outputs. A pass records a digest of their names and sizes with a token,
which is a parameter of the job. Before Snakemake looks for jobs, the names and sizes that are
found are compared with it: if they differ, the parameter is a new token, and the job runs. The
same token is recorded by that job, so that the next run finds nothing to do.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from xxhash import xxh3_128_intdigest

from pixelmill.core.errors import UserError
from pixelmill.core.files import walk
from pixelmill.core.tables import read_json, write_json
from pixelmill.dataset import ledger_backup
from pixelmill.dataset.file_names import LEDGER

#: Name of the file in an output tree.
NAME = ".outputs.json"


class _Recorded(NamedTuple):
    """What a pass recorded: its token, the number of outputs, and their digest."""

    token: str = ""
    number: int = 0
    digest: str = ""


def record(tree: str, outputs: Iterable[tuple[str, int]], token: str = "") -> None:
    """Record the outputs of a tree at the end of a pass, if the workflow asks for it.

    Parameters
    ----------
    tree : str
        Folder of the output tree.
    outputs : iterable of (str, int)
        Path below the folder of the images, and size in bytes, of each output.
    token : str
        Identifies the outputs to the workflow. Without one, as when a user runs a script, that of
        the last run stays.
    """
    token = token or _read(tree).token
    if token:
        write_json(os.path.join(tree, NAME), _Recorded(token, *_digest(outputs))._asdict())


def token(tree: str) -> str:
    """Return the token of the outputs of a tree, a new one unless they are as recorded.

    No output is opened.

    Parameters
    ----------
    tree : str
        Folder of the output tree.
    """
    recorded = _read(tree)
    new = os.urandom(4).hex()
    if not recorded.token:
        return new
    if ledger_backup.is_in_doubt(os.path.join(tree, LEDGER)):
        return f"outputs were altered ({new})"
    try:
        found = _digest(
            (path, entry.stat(follow_symlinks=False).st_size)
            for path, entry in walk(os.path.join(tree, "images"))
        )
    except (UserError, OSError):  # the job says what is wrong, if it still is
        return f"outputs cannot be looked at ({new})"
    if found == (recorded.number, recorded.digest):
        return recorded.token
    if found[0] == recorded.number:
        return f"outputs were altered ({new})"
    return f"{found[0]:,} outputs were found, not {recorded.number:,} ({new})"


def _read(tree: str) -> _Recorded:
    """Read what was recorded; nothing if that cannot be read."""
    try:
        return _Recorded(**read_json(os.path.join(tree, NAME)))
    except (OSError, ValueError, TypeError):
        return _Recorded()


def _digest(outputs: Iterable[tuple[str, int]]) -> tuple[int, str]:
    """Return the number of outputs, and a digest that does not depend on their order."""
    count = total = 0
    for path, size in outputs:
        total += xxh3_128_intdigest(f"{path}\t{size}".encode(errors="surrogatepass"))
        count += 1
    return count, f"{total % 2**128:032x}"
