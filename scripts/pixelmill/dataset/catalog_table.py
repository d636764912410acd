"""Table of a catalog: kept from pass to pass, so that only new and changed files are opened."""

from __future__ import annotations

import contextlib
import itertools
import operator
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from pixelmill.core.errors import UserError
from pixelmill.core.filenames import escape, unescape, unescaped
from pixelmill.core.files import atomic, sweep
from pixelmill.core.regular_files import opened
from pixelmill.core.root import Root
from pixelmill.core.tables import iterate_columns, write_table
from pixelmill.dataset.catalog import Catalog, scan
from pixelmill.dataset.entries import Columns, Entries, Entry, flagged
from pixelmill.dataset.globs import Selection
from pixelmill.dataset.paths import CHUNK
from pixelmill.dataset.shards import WHOLE, Shard, others

HEADER = ("path", "bytes", "mtime_ns", "format", "width", "height", "changed_ns")

#: Columns that only tables of archives have, those with dates, and those with names of a list; and
#: what stands for them and for a column that tables of version 0.1 lack.
_OFFSET, _TAKEN, _NAME = "offset", "taken", "name"
_RARER = {"changed_ns": "0", _OFFSET: "0", _TAKEN: "0"}


def write(path: str | os.PathLike[str], entries: Iterable[Entry], are_named: bool = False) -> None:
    """Write a catalog as a table, also with names of outputs if entries have them."""
    rest = iter(entries)
    first = list(itertools.islice(rest, 1))
    rarer = [name for name in (_OFFSET, _TAKEN) if first and getattr(first[0], name)]
    header = (*HEADER, *rarer)
    rest_of = operator.attrgetter(*header[1:])
    every = itertools.chain(first, rest)
    if are_named:
        rows = ((escape(e.path), *rest_of(e), escape(e.name)) for e in every)
        write_table(path, (*header, _NAME), rows)
    else:
        write_table(path, header, ((escape(e.path), *rest_of(e)) for e in every))


def read(path: str | os.PathLike[str]) -> Entries:
    """Read a catalog that `write` wrote, and sort it, because it may have been edited."""
    return Entries.of_columns(read_columns(path)).sorted()


def is_catalog(path: str) -> bool:
    """Return whether a file begins like a catalog; any file that cannot be read does not."""
    folder, name = os.path.split(path)
    head = ",".join(HEADER).encode()
    try:
        with os.fdopen(Root(folder or ".").open(name), "rb") as file:
            return file.read(len(head)) == head
    except OSError:
        return False


def iterate(path: str | os.PathLike[str]) -> Iterator[Entry]:
    """Read a catalog entry by entry, unsorted."""
    for columns in read_columns(path):
        yield from map(Entry._make, zip(*columns, strict=True))


def read_columns(path: str | os.PathLike[str]) -> Iterator[Columns]:
    """Read a catalog, unsorted, many entries at a time."""
    names = ("path", _NAME, "format", "bytes", "mtime_ns", "width", "height", *_RARER)
    cells = iterate_columns(path, names, {_NAME: "", **_RARER}, CHUNK)
    try:
        for paths, given, formats, *numbers in cells:
            for column in (paths, given):
                if outside := _outside(column):
                    raise UserError(
                        f"The table '{path}' names '{outside[0]}', which leads out of the folder "
                        "of images; remove the table, then run the same command again."
                    )
            sizes, times, *rest = (tuple(map(int, column)) for column in numbers)
            named = tuple(map(sys.intern, formats))
            yield unescaped(paths), sizes, times, named, *rest, unescaped(given)
    except (KeyError, ValueError) as error:
        raise UserError(
            f"The table '{path}' is not a catalog of pixelmill; give one, or leave it out."
        ) from error


def _outside(cells: Sequence[str]) -> list[str]:
    """Return those of some escaped paths that lead out of their folder."""
    joined = "\n" + "\n".join(cells)
    # Nearly always there are none, as a look at all of them at once shows.
    if not any(sign in joined for sign in ("..", "\n/", "\0", "\\")):
        return []
    return [cell for cell in cells if _leads_out(unescape(cell))]


def _leads_out(path: str) -> bool:
    return path[:1] == "/" or "\0" in path or ".." in path.split("/")


def refresh(
    table: str,
    folder: str,
    select: Selection | None = None,
    shard: Shard = WHOLE,
    dated: bool = False,
    keep: Callable[[Entries], Entries] | None = None,
) -> Catalog:
    """Bring a catalog table up to date; opens only files that are new or changed.

    The memory of the scan is stored beside the table, because Snakemake deletes the table
    itself before it runs the job. If the dataset was divided into other shards before, their
    memories are used too. `keep` chooses the images that are written to the table and returned;
    if it raises an error, nothing is written.
    """
    dataset = Path(table).parents[0 if shard.is_whole else 2]
    memory = Path(table).with_suffix(_MEMORY)
    if memory.parent.is_dir():
        sweep(memory.parent)
    others_of = _memories(dataset, memory.name, shard)
    known = _remembered((*others_of, memory), shard)
    catalog, seen = scan(folder, select, known, shard, dated)
    if keep is not None:
        catalog = Catalog(keep(catalog.entries), catalog.left_out)
    if others_of or seen != known or not memory.exists():
        write(memory, seen)
    if catalog.entries is seen and not seen.are_named:
        with os.fdopen(opened(memory), "rb") as file, atomic(table, "wb") as copy:
            shutil.copyfileobj(file, copy)  # to write a million entries takes two seconds
    else:
        write(table, catalog.entries, catalog.entries.are_named)
    if shard.is_whole:
        forget_others(table, shard)
    return catalog


def _remembered(memories: Iterable[Path], shard: Shard) -> Entries:
    """Read the memories of earlier scans, as far as they concern a shard."""
    known = Entries()
    for path in memories:
        # A table of the last run that cannot be read only costs time.
        with contextlib.suppress(UserError, KeyError, ValueError, TypeError):
            for columns in read_columns(path):
                if not shard.is_whole:
                    columns = flagged(columns, map(shard.concerns, columns[0]))
                known.extend(columns)
    return known.sorted()


#: Suffix of the memory of a scan, beside its table.
_MEMORY = ".known.csv"


def _memories(dataset: Path, name: str, shard: Shard) -> list[Path]:
    """Return the memories of a dataset from when it was divided into other shards."""
    folders = [*([] if shard.is_whole else [dataset]), *map(Path, others(dataset, shard))]
    return [folder / name for folder in folders if (folder / name).exists()]


def forget_others(table: str, shard: Shard) -> None:
    """Remove tables and memories from when the dataset was divided into other shards."""
    whole = Path(table)
    memory = whole.with_suffix(_MEMORY).name
    root = Root(whole.parent)
    for path in _memories(whole.parent, memory, shard):
        root.unlink(path.relative_to(whole.parent).as_posix())
        if path.parent != whole.parent:
            folder = path.parent.relative_to(whole.parent)
            root.unlink(f"{folder.as_posix()}/{whole.name}")
            for empty in (folder, folder.parent):
                root.remove_empty(empty.as_posix())
