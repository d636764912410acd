"""Manifest: the outputs that a run recorded, in columns, so that a million fit into memory.

Users may have edited it: it may be unsorted, name an output twice, and hold any text.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set
from functools import cached_property
from itertools import compress, islice
from typing import NamedTuple, TypeAlias

from pixelmill.core.errors import UserError
from pixelmill.core.filenames import escape, unescape
from pixelmill.core.tables import iterate_cells
from pixelmill.dataset.entries import Entries
from pixelmill.dataset.paths import CHUNK, Paths, finder

#: Columns that are read.
_COLUMNS = ("source", "variant", "output", "status", "sha256")

#: Bytes and digits of a digest.
_BYTES, _DIGITS = 32, 64


#: Size of a source in bytes, and time of its modification in ns.
SourceState: TypeAlias = tuple[int, int]

#: State of a source that the catalog lacks.
UNKNOWN: SourceState = (-1, -1)


class Output(NamedTuple):
    """What a manifest records of an output.

    Attributes
    ----------
    path, source : str
        Paths below the folders of outputs and sources.
    variant : str
        Name of the output in its recipe.
    sha256 : str
        Any text, if the manifest was edited.
    source_state : tuple of int
    """

    path: str
    source: str
    variant: str
    sha256: str
    source_state: SourceState


class Sources:
    """Sources that a manifest names, as numbers: of entries of the catalog, and of others.

    Parameters
    ----------
    entries : Entries
        Sorted.

    Attributes
    ----------
    named : bytearray
        Whether each entry is named.
    """

    def __init__(self, entries: Entries) -> None:
        self.named = bytearray(len(entries))
        self._paths = entries.paths
        self._sizes, self._times = entries.sizes, entries.times
        self._others = Paths()  # as the manifest has them, some of them several times
        self._find = finder(entries.paths)
        self._last, self._number = "", -1

    def number(self, cell: str) -> int:
        """Note a source, escaped, and return its number."""
        if cell != self._last or self._number < 0:
            path = unescape(cell)
            number = self._find(path) if escape(path) == cell else None
            if number is None:
                self._others.extend([cell])
                number = len(self.named) + len(self._others) - 1
            else:
                self.named[number] = 1
            self._last, self._number = cell, number
        return self._number

    def path(self, number: int) -> str:
        """Return the path of a source."""
        if number < len(self.named):
            return self._paths[number]
        return unescape(self._others[number - len(self.named)])

    def state(self, number: int) -> SourceState:
        """Return the state of a source; `UNKNOWN` if it is no entry."""
        if number < len(self.named):
            return self._sizes[number], self._times[number]
        return UNKNOWN

    def not_named(self) -> list[str]:
        """Return the entries that the manifest does not name: their paths, escaped and sorted."""
        if self.named.count(0) == 0:
            return []
        left = (not named for named in self.named)
        return sorted(map(escape, compress(self._paths, left)))

    def others(self) -> Paths:
        """Return the sources that are no entries, sorted, as the manifest has them."""
        return self._others.take(self._others.ranked())


class Digests:
    """Digests as bytes, 32 each; what is no digest is kept as it is."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._texts: dict[int, str] = {}

    def extend(self, some: Sequence[str]) -> None:
        """Add some digests."""
        joined = "".join(some)
        known = _bytes_of(joined) if {*map(len, some)} == {_DIGITS} else None
        if known is not None:
            self._bytes += known
            return
        for text in some:
            known = _bytes_of(text) if len(text) == _DIGITS else None
            if known is None:
                self._texts[len(self)] = text
            self._bytes += known or bytes(_BYTES)

    def __len__(self) -> int:
        return len(self._bytes) // _BYTES

    def __getitem__(self, number: int) -> str:
        if number in self._texts:
            return self._texts[number]
        return self._bytes[_BYTES * number : _BYTES * (number + 1)].hex()

    def take(self, numbers: Sequence[int]) -> Digests:
        """Return the digests with these numbers, in this order."""
        taken, rest = Digests(), iter(numbers)
        while some := list(islice(rest, CHUNK)):
            taken.extend([*map(self.__getitem__, some)])
        return taken


def _bytes_of(digits: str) -> bytes | None:
    """Return the bytes that digits stand for; None if others would be written for these."""
    try:
        found = bytes.fromhex(digits)
    except ValueError:
        return None
    return found if found.hex() == digits else None  # spaces are skipped, capitals accepted


class Named:
    """Paths of files that a manifest names, and which of them exist.

    Parameters
    ----------
    paths : Paths
        Sorted.

    Attributes
    ----------
    paths : Paths
    exists : bytearray
        Whether each path was found.
    """

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.exists = bytearray(len(paths))

    def __len__(self) -> int:
        return len(self.paths)

    def missing(self) -> Iterator[str]:
        """Yield the paths that were not found, sorted."""
        if self.exists.count(0):
            yield from compress(self.paths, (not exists for exists in self.exists))


class Outputs(Named):
    """Outputs of images that succeeded, sorted by path; of several rows, the last one counts.

    Parameters
    ----------
    rows : iterable of tuple
        Path, number of the source, variant and digest of each output.
    sources : Sources

    Attributes
    ----------
    paths, exists
        See `Named`.
    sizes, times : array of int
        Size in bytes and time of modification in ns of each file that exists.
    digests : Digests
    """

    def __init__(self, rows: Iterable[tuple[str, int, str, str]], sources: Sources) -> None:
        paths, self.digests = Paths(), Digests()
        self._sources, self._source_numbers = sources, array("I")
        numbers: defaultdict[str, int] = defaultdict()
        numbers.default_factory = numbers.__len__
        self._variant_numbers = array("I")
        rest = iter(rows)
        while some := list(islice(rest, CHUNK)):
            more, source_numbers, variants, digests = zip(*some, strict=True)
            paths.extend(more)
            self._source_numbers.extend(source_numbers)
            self._variant_numbers.extend(map(numbers.__getitem__, variants))
            self.digests.extend(digests)
        self._variants = list(numbers)
        self._rows = paths.ranked()
        if self._rows != range(len(paths)):
            paths = paths.take(self._rows)
            self._source_numbers = _taken(self._source_numbers, self._rows)
            self._variant_numbers = _taken(self._variant_numbers, self._rows)
            self.digests = self.digests.take(self._rows)
        super().__init__(paths)
        self.sizes = array("q", bytes(8 * len(self)))
        self.times = array("q", bytes(8 * len(self)))

    def __getitem__(self, number: int) -> Output:
        return Output(
            self.paths[number],
            self._sources.path(self._source_numbers[number]),
            self._variants[self._variant_numbers[number]],
            self.digests[number],
            self.source_state(number),
        )

    def source_state(self, number: int) -> SourceState:
        """Return the state of the source of an output, as the catalog has it."""
        return self._sources.state(self._source_numbers[number])

    @cached_property
    def variants(self) -> Counter[str]:
        """How many outputs each variant has."""
        counts = Counter(self._variant_numbers)
        return Counter({self._variants[number]: count for number, count in counts.items()})

    def of(self, variants: Set[str]) -> Iterator[int]:
        """Yield the numbers of the outputs of some variants."""
        wanted = [variant in variants for variant in self._variants]
        return compress(range(len(self)), map(wanted.__getitem__, self._variant_numbers))

    def by_digest(self, digests: Set[str]) -> dict[str, str]:
        """Return paths of outputs with some digests; of several, that of the last row."""
        found: dict[str, int] = {}
        for number in range(len(self)) if digests else ():
            if (digest := self.digests[number]) in digests:
                other = found.get(digest, number)
                found[digest] = max(number, other, key=self._rows.__getitem__)
        return {digest: self.paths[number] for digest, number in found.items()}


def _taken(column: array[int], numbers: Sequence[int]) -> array[int]:
    return array(column.typecode, map(column.__getitem__, numbers))


class Manifest(NamedTuple):
    """A manifest.

    Attributes
    ----------
    outputs : Outputs
    kept : Named
        Outputs of earlier passes, kept because their sources could not be read.
    sources : Sources
    """

    outputs: Outputs
    kept: Named
    sources: Sources


def read_manifest(path: str, entries: Entries) -> Manifest:
    """Read a manifest.

    Parameters
    ----------
    path : str
    entries : Entries
        The catalog, sorted.

    Raises
    ------
    UserError
        If it is missing, or lacks a column.
    """
    sources, kept = Sources(entries), Paths()
    try:
        outputs = Outputs(_succeeded(path, sources, kept), sources)
    except KeyError as error:
        raise UserError(
            f"The table '{path}' has no column {error}; run the step that makes it again."
        ) from error
    return Manifest(outputs, Named(kept.take(kept.ranked())), sources)


def _succeeded(path: str, sources: Sources, kept: Paths) -> Iterator[tuple[str, int, str, str]]:
    """Yield what `Outputs` needs to know of each output; note the sources, and what was kept."""
    for cell, variant, output, status, sha256 in iterate_cells(path, _COLUMNS, lacking=""):
        source = sources.number(cell)
        if status == "ok":
            yield unescape(output), source, variant, sha256
        elif output:
            kept.extend([unescape(output)])
