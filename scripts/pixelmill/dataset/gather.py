"""Gathering: combine the results of a tree's shards after all of them are done.

Everything streams from table to table, rows of ledgers within SQLite, so that memory does not grow
with the number of images.
"""

from __future__ import annotations

from collections.abc import Iterator

from pixelmill.core.errors import UserError
from pixelmill.core.jobs import BusyInterval
from pixelmill.core.locks import exclusive
from pixelmill.dataset import catalog as catalogs
from pixelmill.dataset import catalog_table, outputs_state
from pixelmill.dataset.entries import Columns
from pixelmill.dataset.exports import write_failures, write_tables
from pixelmill.dataset.ledger import DamagedPartError, Ledger
from pixelmill.dataset.ledger_backup import readable
from pixelmill.dataset.output_tree import Workspace
from pixelmill.dataset.passes import Pass, concatenate, merge_passes
from pixelmill.dataset.shards import Shard, all_of, others


def gather(tree: str, shards: int, catalog: str, token: str = "") -> Pass | None:
    """Combine the ledgers of all shards, and write the tables of the tree.

    Parameters
    ----------
    tree : str
    shards : int
        Number of shards, all of which must be done.
    catalog : str
        Table of the whole dataset.
    token : str
        Identifies the outputs to the workflow: see `pixelmill.dataset.outputs_state`.

    Returns
    -------
    Pass or None
        What the shards did since they were last gathered; None if they did nothing.

    Raises
    ------
    UserError
        If a run works in the tree, if the ledger of a shard is lost, or if two images have the
        same output.
    """
    whole = Workspace(tree)
    parts = [Workspace(tree, shard).ledger for shard in all_of(shards)]
    with exclusive(tree), Ledger(whole.ledger) as ledger:
        whole.check_folders()
        places = [Workspace(tree, shard) for shard in all_of(shards)]
        for place in places:
            _check_part(place, ledger)
        _adopt_rows(places, ledger)
        _check_outputs(ledger)
        timed = list(_passes(parts, ledger))
        done = None
        if timed:
            done = merge_passes([one for one, _ in timed], *_extent(catalog))
            ledger.add_pass(done, concatenate(timed))
        whole.clean_up()
        for folder in others(tree, Shard(1, shards)):
            whole.remove_state(folder)
        whole.settle(ledger)
        write_failures(ledger, tree)
        write_tables(ledger, tree)
        outputs_state.record(tree, ledger.output_sizes(), token)
        for path in parts:
            with Ledger(path) as part:
                part.forget_passes()
                part.settle()
    return done


def _check_part(place: Workspace, ledger: Ledger) -> None:
    """Refuse a shard whose ledger is damaged and cannot be restored in full from its backup."""
    found = readable(place.ledger)
    if found.path is None or found.lost or not _is_current(found.path):
        raise _unusable(place)
    if found.in_doubt:
        ledger.doubt()


def _unusable(place: Workspace) -> UserError:
    """Have a shard processed again, and return the error that says so."""
    place.invalidate()
    return UserError(
        f"The ledger '{place.ledger}' is damaged or missing, so the results of shard "
        f"{place.shard} cannot be combined; process the shard again, or run the same Snakemake "
        "command again."
    )


def _is_current(path: str) -> bool:
    with Ledger(path, read_only=True) as part:
        return part.is_current


def _opened(parts: list[str]) -> Iterator[Ledger]:
    """Open one ledger after the other."""
    for path in parts:
        with Ledger(readable(path).path or path, read_only=True) as part:
            yield part


def _adopt_rows(places: list[Workspace], ledger: Ledger) -> None:
    """Replace the rows of a ledger by those of all shards.

    SQLite attaches at most ten ledgers, and detaches none within a transaction, so each shard has
    a transaction of its own. After an error, each image has its old row or its new one, as after
    a pass that was killed.
    """
    paths = [place.ledger for place in places]
    count = 0
    for place, part in zip(places, _opened(paths), strict=True):
        try:
            count += ledger.adopt_from(part)
        except DamagedPartError as error:
            raise _unusable(place) from error
    if count != ledger.count_rows():  # the images of some rows are gone
        ledger.forget_all_but(_opened(paths))


def _check_outputs(ledger: Ledger) -> None:
    """Refuse names that were chosen to collide with those that pixelmill makes up."""
    pair = ledger.shared_output()
    if pair is not None:
        raise UserError(
            f"'{pair[0]}' and '{pair[1]}' have the same output; rename one, and run the same "
            "command again."
        )


def _passes(parts: list[str], ledger: Ledger) -> Iterator[tuple[Pass, list[BusyInterval]]]:
    for part in _opened(parts):
        for one, stretches in part.passes():
            ledger.note_software(one.code, part.software_of(one.code))
            yield one, stretches


def _extent(catalog: str) -> tuple[int, str]:
    """Return the number of images of a catalog, and its digest."""
    count = 0

    def counted() -> Iterator[Columns]:
        nonlocal count
        for columns in catalog_table.read_columns(catalog):
            count += len(columns[0])
            yield columns

    digest = catalogs.digest(counted())
    return count, digest
