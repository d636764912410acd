"""Ledger rows: what is known of each image, read from the ledger on access."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, Sequence
from itertools import compress, islice
from types import MappingProxyType
from typing import Any, NamedTuple

from pixelmill.core.filenames import escape, unescape, unescaped
from pixelmill.core.jobs import OutputFile


class Fingerprints(NamedTuple):
    """Fingerprints of what renders images: if one of them differs, the pixels may differ.

    Attributes
    ----------
    recipe, code, limits : str
    outputs : mapping
        For several outputs, the fingerprint of what the recipe says of each variant.
    """

    recipe: str
    code: str
    limits: str
    outputs: Mapping[str, str] = MappingProxyType({})

    def of(self, variant: str) -> str:
        """Return the fingerprint of what the recipe says of a variant."""
        return self.outputs.get(variant, self.recipe)


class Row(NamedTuple):
    """What the ledger knows of one image, as far as a plan needs it."""

    status: str
    reason: str
    bytes_in: int
    mtime_ns: int
    changed_ns: int
    digest: str
    fingerprints: Fingerprints
    files: tuple[OutputFile, ...]


#: Columns of a row: its source, its properties, its fingerprints, and one output.
COLUMNS = (
    "source, status, reason, bytes_in, mtime_ns, changed_ns, digest, recipe, code, limits,"
    " variant, output, width, height, bytes_out, sha256"
)


class Run(NamedTuple):
    """Images with one output each, in columns and in the order of a ledger.

    Attributes
    ----------
    sources, outputs : sequence of str
    bytes_in, mtimes_ns, changes_ns : sequence of int
        As in `Row`.
    bytes_out : sequence of int
        Sizes of the outputs.
    """

    sources: Sequence[str]
    bytes_in: Sequence[int]
    mtimes_ns: Sequence[int]
    changes_ns: Sequence[int]
    outputs: Sequence[str]
    bytes_out: Sequence[int]


#: The most images in a run, but for other outputs of the last one.
_MOST_IN_RUN = 1000

#: If more than one in so many images of a run must be read whole, all of them are.
_ONE_IN = 4

#: Runs a query with its values.
Query = Callable[..., Iterable[tuple[Any, ...]]]


class Rows(Mapping[str, Row]):
    """All images of a ledger by source.

    Parameters
    ----------
    query : callable
        Runs SQL, and returns an iterable of tuples.
    """

    def __init__(self, query: Query) -> None:
        self._query = query

    def __getitem__(self, source: str) -> Row:
        found = self._query(f"SELECT {COLUMNS} FROM images WHERE source = ?", (escape(source),))
        for _, row in _rows(found):
            return row
        raise KeyError(source)

    def __iter__(self) -> Iterator[str]:
        for (source,) in self._query("SELECT DISTINCT source FROM images"):
            yield unescape(source)

    def __bool__(self) -> bool:
        ((some,),) = self._query("SELECT EXISTS (SELECT 1 FROM images)")  # `len` reads all of them
        return bool(some)

    def __len__(self) -> int:
        ((count,),) = self._query("SELECT count(DISTINCT source) FROM images")
        return int(count)

    def items(self) -> ItemsView[str, Row]:
        """Return sources and their rows, from one reading of the table."""
        return _Items(self, self._query)

    def items_but(
        self, variant: str, fingerprints: Fingerprints, settled: Callable[[Run], Iterable[bool]]
    ) -> Iterator[tuple[str, Row]]:
        """Yield sources and their rows but for settled images, which takes a third of the time.

        Parameters
        ----------
        variant : str
        fingerprints : Fingerprints
        settled : callable
            Takes images that succeeded, whose only output is of this variant, and which were made
            with these fingerprints; returns for each whether its row is not needed.
        """
        found = iter(
            self._query(
                "SELECT source, bytes_in, mtime_ns, changed_ns, output, bytes_out,"
                " status = 'ok' AND output != '' AND variant = ? AND code = ? AND recipe IN (?, ?)"
                " FROM images ORDER BY source, variant",
                (variant, fingerprints.code, fingerprints.of(variant), fingerprints.recipe),
            )
        )
        after = next(found, None)
        while after is not None:
            some = [after, *islice(found, _MOST_IN_RUN - 1)]
            while (after := next(found, None)) is not None and after[0] == some[-1][0]:
                some.append(after)
            first, last, among = some[0][0], some[-1][0], len(some)
            columns = [*zip(*some, strict=True)]
            left = {*columns[0]}
            if not all(columns[6]):
                count = Counter(columns[0])
                eligible = [row for row in some if row[6] and count[row[0]] == 1]
                columns = [*zip(*eligible, strict=True)]
            if columns:
                sources, bytes_in, times, changes, outputs, sizes, _ = columns
                named, made = unescaped(sources), unescaped(outputs)
                run = Run(named, bytes_in, times, changes, made, sizes)
                left.difference_update(compress(sources, settled(run)))
            if left:
                yield from self._whole(left, first, last, among)

    def _whole(
        self, sources: set[str], first: str, last: str, among: int
    ) -> Iterator[tuple[str, Row]]:
        """Yield some sources, which are given escaped, and their rows."""
        by_source = f"SELECT {COLUMNS} FROM images WHERE source"
        if _ONE_IN * len(sources) > among:
            found = self._query(
                f"{by_source} BETWEEN ? AND ? ORDER BY source, variant", (first, last)
            )
            yield from _rows(columns for columns in found if columns[0] in sources)
            return
        for source in sorted(sources):
            yield from _rows(self._query(f"{by_source} = ? ORDER BY variant", (source,)))


class _Items(ItemsView[str, Row]):
    def __init__(self, rows: Rows, query: Query) -> None:
        super().__init__(rows)
        self._query = query

    def __iter__(self) -> Iterator[tuple[str, Row]]:
        return _rows(self._query(f"SELECT {COLUMNS} FROM images ORDER BY source, variant"))


def _rows(found: Iterable[tuple[Any, ...]]) -> Iterator[tuple[str, Row]]:
    """Combine the outputs of each source."""
    known: dict[tuple[str, ...], Fingerprints] = {}
    rest = iter(found)
    after = next(rest, None)
    while after is not None:
        group = [after]
        while (after := next(rest, None)) is not None and after[0] == group[0][0]:
            group.append(after)
        first = group[0]
        common = first[7:10]
        fingerprints = known.get(common)
        if fingerprints is None:
            fingerprints = known[common] = Fingerprints(*common)
        if len(group) > 1:
            recipes = {columns[10]: columns[7] for columns in group}
            fingerprints = fingerprints._replace(outputs=recipes)
        files = tuple([_file_of(columns) for columns in group if columns[11]])
        yield unescape(first[0]), Row._make((*first[1:7], fingerprints, files))


def _file_of(columns: tuple[Any, ...]) -> OutputFile:
    """Return the output of a row; the reason of one that succeeded is what is noted of it."""
    _, status, reason, *_, variant, path, width, height, size, sha256 = columns
    note = reason if status == "ok" else ""
    return OutputFile(variant, unescape(path), width, height, size, sha256, note)
