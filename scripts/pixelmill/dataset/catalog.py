"""Catalog: which images a folder holds, from one walk, in a stable order."""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from pixelmill.core.errors import UserError
from pixelmill.core.filenames import escape, unescape
from pixelmill.core.files import changed_ns, lies_in, modified_ns, sweep, walk
from pixelmill.core.regular_files import opened
from pixelmill.core.root import Root
from pixelmill.core.tables import iterate_table, write_table
from pixelmill.dataset.entries import Entries, Entry
from pixelmill.dataset.shards import WHOLE, Shard, homes, others
from pixelmill.imaging.codecs.formats import IMAGE_SUFFIXES, SNIFF_BYTES, dimensions, sniff

HEADER = ("path", "bytes", "mtime_ns", "format", "width", "height", "changed_ns")

#: Read at once of each file: most JPEGs tell their size within the first page.
LOOK_BYTES = 4096

#: What stands for the format of a file that is no image, in the memory of a scan.
_OTHER = "-"


@dataclass(frozen=True)
class Catalog:
    """The images of a folder, sorted by path, and how many other files lie there."""

    entries: Entries
    left_out: Mapping[str, int]

    def digest(self) -> str:
        """Digest of the set: paths and sizes, not times."""
        return digest(self.entries)


def digest(entries: Iterable[Entry]) -> str:
    """Digest of a set of inputs: paths and sizes, not times."""
    state = hashlib.blake2b(digest_size=16)
    for entry in entries:
        state.update(f"{escape(entry.path)}\t{entry.bytes}\n".encode())
    return state.hexdigest()


class Selection:
    """Which paths belong to a dataset: globs in which ``*`` also matches ``/``.

    Case does not matter. No `include` means everything; `exclude` wins.

    Examples
    --------
    >>> chosen = Selection(["*.jpg"], ["private/*"])
    >>> [chosen(path) for path in ("a/b.JPG", "private/c.jpg", "d.png")]
    [True, False, False]
    """

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._include = _compile(include)
        self._exclude = _compile(exclude)
        # A glob that ends so and matches a folder matches all that lies below it.
        self._whole = _compile([glob for glob in exclude if glob.endswith("*")])
        self._heads = [match[0].lower() for match in map(_HEAD.match, include) if match]

    def __call__(self, path: str) -> bool:
        """Whether the path is chosen."""
        if self._exclude and self._exclude.match(path):
            return False
        return not self._include or bool(self._include.match(path))

    def may_hold(self, folder: str) -> bool:
        """Whether a chosen path may begin with a folder, given with ``/`` at its end.

        Where it cannot, the folder need not be opened.

        Examples
        --------
        >>> chosen = Selection(["2024/*.jpg", "*.png"], ["*/private/*"])
        >>> [chosen.may_hold(folder) for folder in ("2024/", "2024/private/", "2023/")]
        [True, False, True]
        """
        if self._whole and self._whole.match(folder):
            return False
        return not self._heads or any(
            # Folding of case is simple among these characters alone.
            not folder.isascii() or head.startswith(folder.lower()[: len(head)])
            for head in self._heads
        )


#: What stands before the first character of a glob that stands for others, or for its
#: other case in more ways than one.
_HEAD = re.compile(r"[^*?\[\x80-\U0010ffff]*")


def _compile(globs: Sequence[str]) -> re.Pattern[str] | None:
    expression = "|".join(fnmatch.translate(glob) for glob in globs)
    return re.compile(expression, re.IGNORECASE) if globs else None


def scan(
    folder: str,
    select: Selection | None = None,
    known: Entries = Entries(),  # noqa: B008 - never changed
    shard: Shard = WHOLE,
) -> tuple[Catalog, Entries]:
    """Find the images of a folder.

    Parameters
    ----------
    folder : str
        Read, never written to. Dot files and dot folders are skipped; links to
        files inside the folder are followed, other links are left out.
    select : Selection, optional
    known : Entries, optional
        Of an earlier scan, sorted: files of the same size and times are not opened again.
    shard : Shard, optional
        Only what concerns this part of the dataset.

    Returns
    -------
    catalog : Catalog
    memory : Entries
        What to hand in as `known` next time.

    Raises
    ------
    UserError
        If the folder is missing.
    """
    left_out: Counter[str] = Counter()
    files = _files(folder, select or Selection(), left_out)
    found = Entries(_looked_at((f for f in files if shard.concerns(f[0])), known)).sorted()
    flags = bytearray(entry.format != _OTHER for entry in found)
    if left := flags.count(0):
        left_out["other files"] += left
    return Catalog(found.where(flags, 1), left_out), found


def _looked_at(files: Iterable[_File], known: Entries) -> Iterator[Entry]:
    near = 0
    for path, size, mtime_ns, changed, full in files:
        number = known.find(path, near)
        if number is not None:
            near = number + 1
            entry = known[number]
            if (entry.bytes, entry.mtime_ns, entry.changed_ns) == (size, mtime_ns, changed):
                yield entry
                continue
        format_, width, height = _look(full)
        if not format_ and PurePosixPath(path).suffix.lower() not in IMAGE_SUFFIXES:
            format_ = _OTHER
        yield Entry(path, size, mtime_ns, format_, width, height, changed)


def fingerprints(folder: str, select: Selection | None = None, shards: int = 1) -> list[str]:
    """Digest of a folder's names, sizes and times for each shard; opens no file.

    A sum of digests, which the order of files does not change: none has to be kept.
    """
    totals = [0] * shards
    for path, size, mtime_ns, changed, _ in _files(folder, select or Selection(), Counter()):
        state = f"{escape(path)}\t{size}\t{mtime_ns}\t{changed}".encode()
        digest = int.from_bytes(hashlib.blake2b(state, digest_size=16).digest(), "big")
        for number in homes(path, shards) if shards > 1 else (1,):
            totals[number - 1] += digest
    return [f"{total % 2**128:032x}" for total in totals]


def paths(folder: str, select: Selection | None = None) -> set[str]:
    """Paths of a folder's files, images or not; opens none."""
    return {path for path, *_ in _files(folder, select or Selection(), Counter())}


#: Path below the folder, size in bytes, times of modification and of change, whole path.
_File: TypeAlias = tuple[str, int, int, int, str]


def _files(folder: str, select: Selection, left_out: Counter[str]) -> Iterable[_File]:
    if not os.path.isdir(folder):
        raise UserError(f"The folder '{folder}' does not exist; correct its path or mount it.")

    def enter(below: str) -> bool:
        return not (below.startswith(".") or "/." in below) and select.may_hold(below)

    for path, entry in walk(folder, enter):
        if path.startswith(".") or "/." in path or not select(path):
            continue
        try:
            if entry.is_symlink() and not lies_in(entry.path, folder):
                left_out["links that leave the folder"] += 1
                continue
            if not entry.is_file():
                left_out["links to folders" if entry.is_dir() else "special files"] += 1
                continue
            state = entry.stat()
        except PermissionError as error:  # to go on would take it for removed
            raise UserError(
                f"'{escape(entry.path)}' cannot be looked at: {error.strerror}; exclude it by "
                f"'{escape(path)}', or mend its folder."
            ) from error
        except OSError:  # it vanished between the listing and now
            continue
        yield path, state.st_size, modified_ns(state), changed_ns(state), entry.path


def _look(path: str) -> tuple[str, int, int]:
    """Format and claimed size of a file; an empty format where it is no image."""
    try:
        with os.fdopen(opened(path), "rb", buffering=LOOK_BYTES) as file:
            head = file.read(SNIFF_BYTES)
            format_ = sniff(head)
            return (format_ or "", *dimensions(file, head, format_))
    except OSError:
        return "", 0, 0  # the suffix decides; processing says what is wrong


def write(path: str | os.PathLike[str], entries: Iterable[Entry]) -> None:
    """Write a catalog as a table."""
    write_table(path, HEADER, ((escape(e.path), *e[1:]) for e in entries))


def read(path: str | os.PathLike[str]) -> Entries:
    """Read a catalog that `write` wrote, sorted, whoever had it in hand since."""
    return Entries(iterate(path)).sorted()


def iterate(path: str | os.PathLike[str]) -> Iterator[Entry]:
    """Read a catalog as `read` does, entry by entry."""
    for row in iterate_table(path):
        try:
            entry = _entry(row)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"The table '{path}' is no catalog of pixelmill's; give one, or none."
            ) from error
        source = entry.path
        if source[:1] == "/" or ".." in source.split("/") or "\0" in source:
            raise UserError(
                f"The table '{path}' names '{row['path']}', which leads out of the folder of "
                "images; remove the table, then run the same again."
            )
        yield entry


def _entry(row: Mapping[str, str]) -> Entry:
    return Entry(
        path=unescape(row["path"]),
        bytes=int(row["bytes"]),
        mtime_ns=int(row["mtime_ns"]),
        format=sys.intern(row["format"]),
        width=int(row["width"]),
        height=int(row["height"]),
        changed_ns=int(row.get("changed_ns", 0)),  # tables of earlier versions have none
    )


def refresh(
    table: str, folder: str, select: Selection | None = None, shard: Shard = WHOLE
) -> Catalog:
    """Bring a catalog table up to date, opening only files that are new or changed.

    The memory lies beside the table, because Snakemake deletes the table itself
    before it runs the step. Where the dataset was divided otherwise before, the
    memories from then count too.
    """
    dataset = Path(table).parents[0 if shard.is_whole else 2]
    memory = Path(table).with_suffix(_MEMORY)
    if memory.parent.is_dir():
        sweep(memory.parent)
    known = Entries(_remembered((*_memories(dataset, memory.name, shard), memory), shard))
    catalog, seen = scan(folder, select, known.sorted(), shard)
    write(memory, seen)
    write(table, catalog.entries)
    if shard.is_whole:
        forget_others(table, shard)
    return catalog


def _remembered(memories: Iterable[Path], shard: Shard) -> Iterator[Entry]:
    for path in memories:
        # A memory that cannot be read saves no time, and costs nothing else.
        with contextlib.suppress(UserError, KeyError, ValueError, TypeError):
            for entry in iterate(path):
                if shard.concerns(entry.path):
                    yield entry


#: Suffix of what a scan remembers, beside its table.
_MEMORY = ".known.csv"


def _memories(dataset: Path, name: str, shard: Shard) -> list[Path]:
    """Memories of a dataset from when it was divided otherwise."""
    folders = [*([] if shard.is_whole else [dataset]), *map(Path, others(dataset, shard))]
    return [folder / name for folder in folders if (folder / name).exists()]


def forget_others(table: str, shard: Shard) -> None:
    """Remove tables and memories from when the dataset of a table was divided otherwise."""
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
