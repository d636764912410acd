"""Pack: write the outputs of a run into shards, and write again only the shards that changed."""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from pixelmill.core.errors import UserError
from pixelmill.core.files import changed_ns, is_inside, modified_ns, sweep
from pixelmill.core.locks import exclusive
from pixelmill.core.progress import Progress
from pixelmill.core.root import Root
from pixelmill.engines.lifecycle import open_engine
from pixelmill.engines.registry import BASELINE
from pixelmill.engines.semaphores import processes_or_threads
from pixelmill.packing import outputs, record, tables
from pixelmill.packing.division import DEFAULT, Division, shard_of
from pixelmill.packing.outputs import Images, Outputs
from pixelmill.packing.record import Record, ShardState, State
from pixelmill.packing.shard_formats import FORMATS, ShardFormat, require
from pixelmill.packing.shard_writer import Shard, ShardWriter, Written
from pixelmill.storage.archives import is_archive

#: The format if none is asked for, and the folder was not packed before.
FORMAT = "webdataset"

#: Outputs from which processes write the shards; fewer are written sooner than processes start.
_WORTHWHILE = 20_000

#: What may stand for anything in a pattern of archives: folders, and ranges of numbers.
_ANY = re.compile(r"\*\*/|\{\d+\.\.\d+\}")


@dataclass(frozen=True)
class PackRequest:
    """What is packed, and how.

    Attributes
    ----------
    tree : str
        Folder of an output tree, which a run made; only read.
    folder : str
        Folder of the shards, created if missing.
    format : str or None
        A key of `pixelmill.packing.shard_formats.FORMATS`; by default that of the folder.
    division : Division
        Images or bytes in a shard. The number of shards is chosen once for a folder.
    workers : int
        How many processes write shards, if there are many images.
    durable : bool
        Sync each shard to the disk.
    source : str
        Folder of the inputs, to which nothing is written; empty if it is not known.
    label : str
        What is being done, for the progress.
    """

    tree: str
    folder: str
    format: str | None = None
    division: Division = field(default_factory=Division)
    workers: int = 1
    durable: bool = False
    source: str = ""
    label: str = "pack"

    def source_has(self, suffix: str) -> bool:
        """Whether the source is a pattern of archives that a shard would match."""
        shard = os.path.join(os.path.realpath(self.folder), record.shard_name(0, suffix))
        folder, pattern = os.path.split(os.path.abspath(_ANY.sub("*", self.source)))
        return fnmatch.fnmatch(shard, os.path.join(os.path.realpath(folder), pattern))


@dataclass(frozen=True)
class PackSummary:
    """What a packing did.

    Attributes
    ----------
    images : int
        Images in all shards.
    shards : int
        Number of shards.
    written : int
        How many of them were written; the others had not changed.
    """

    images: int
    shards: int
    written: int

    def __str__(self) -> str:
        images = "1 image" if self.images == 1 else f"{self.images:,} images"
        shards = "1 shard" if self.shards == 1 else f"{self.shards:,} shards"
        return f"{images} in {shards}, {self.written:,} written now"


def pack(request: PackRequest) -> PackSummary:
    """Pack the outputs of a run.

    Parameters
    ----------
    request : PackRequest

    Returns
    -------
    PackSummary

    Raises
    ------
    UserError
        If the folder cannot be used, was packed in another way, or is being packed by another
        process; if two outputs would have one key; if an output is missing or was altered; or if
        the disk is full. Shards that were written before are kept.
    """
    _check_places(request)
    if request.format is not None:
        require(request.format)
    found = outputs.read(request.tree)
    with exclusive(request.folder):
        root = Root(request.folder)
        known = record.read_json(root)
        record.check_names(root, is_ours=known is not None)
        sweep(request.folder)
        if known is None:
            made = _first_record(request, found)
            _write_record(request, root, made)
        else:
            made = _same_record(request, record.of_json(known))
        form = require(made.format)
        shards = _divided(found, made.count, form.has_sidecars)
        with State(root, request.durable) as state:
            stale = [
                number
                for number, lines in enumerate(shards)
                if not _is_current(root, state, number, form.suffix, lines)
            ]
            if stale:
                tables.remove(root)
                _write_record(request, root, made)
            with tables.writing(request.folder) as put:
                for number in set(range(made.count)).difference(stale):
                    name, sizes = record.shard_name(number, form.suffix), state.shards[number].sizes
                    members = map(outputs.of_line, shards[number])
                    put(number, partial(tables.rows_of, name, members, sizes))
                if stale:
                    _write_shards(request, root, made.format, shards, stale, state, put)
            _write_record(request, root, made, _described(state, made, form))
        return PackSummary(len(found.images), made.count, len(stale))


def _check_places(request: PackRequest) -> None:
    tree, folder = request.tree, request.folder
    if not os.path.isdir(tree):
        raise UserError(f"'{tree}' is not a folder; give the folder that `pixelmill run` wrote to.")
    if os.path.lexists(folder) and not os.path.isdir(folder):
        raise UserError(f"'{folder}' is a file; name a folder for the shards.")
    if is_inside(folder, os.path.join(tree, "images")):
        raise UserError(
            f"'{folder}' is inside the images of '{tree}'; name another folder for the shards."
        )
    if is_inside(folder, tree) and is_inside(tree, folder):
        raise UserError(
            f"'{folder}' is the folder of the results; name another folder for the shards."
        )
    if is_archive(request.source) and any(
        request.source_has(one.suffix) for one in FORMATS.values()
    ):
        raise UserError(
            f"Shards in '{folder}' would be taken for archives of the source '{request.source}'; "
            "name another folder for the shards."
        )
    if request.source and is_inside(folder, request.source):
        raise UserError(
            f"'{folder}' is inside the folder of the images '{request.source}', which is never "
            "written to; name another folder for the shards."
        )


def _first_record(request: PackRequest, found: Outputs) -> Record:
    """Choose how a folder is divided that was not packed before."""
    name = request.format or FORMAT
    members = [*found.images, *(found.sidecars if require(name).has_sidecars else ())]
    division = DEFAULT if request.division == Division() else request.division
    images = Images(request.tree)
    count = division.shards(
        len(found.images), lambda: sum(images.size(outputs.of_line(line)) for line in members)
    )
    return Record(name, count, division)


def _same_record(request: PackRequest, made: Record) -> Record:
    """Check that a folder is packed again as before.

    Raises
    ------
    UserError
        If something else is asked for.
    """
    asked, before = request.division, made.division
    if request.format not in (None, made.format):
        how = f"in the format {made.format}"
    elif asked not in (Division(), before):
        how = "with another number of images or bytes in a shard"
    else:
        return made
    raise UserError(
        f"'{request.folder}' was packed {how}, which is kept; name another folder for the shards, "
        "or remove this one."
    )


def _divided(found: Outputs, count: int, with_sidecars: bool) -> list[list[str]]:
    """Return the lines of each shard; those of a sample follow one another."""
    shards: list[list[str]] = [[] for _ in range(count)]
    for line in chain(found.images, found.sidecars if with_sidecars else ()):
        shards[shard_of(line.partition("\t")[0], count)].append(line)
    for lines in shards:
        lines.sort()
    return shards


def _listing(lines: Sequence[str]) -> str:
    """Return a digest of what a shard has, with the digests of its members."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _is_current(root: Root, state: State, number: int, suffix: str, lines: Sequence[str]) -> bool:
    """Whether a shard has these members, and is as it was written.

    If only its times changed, it is read once more.
    """
    name = record.shard_name(number, suffix)
    known, found = state.shards.get(number), root.lstat(name)
    if known is None or found is None or known.bytes != found.st_size:
        return False
    if known.listing != _listing(lines) or len(known.sizes) != len(lines):
        return False
    times = modified_ns(found), changed_ns(found)
    if times != (known.mtime_ns, known.changed_ns):
        if _sha256(root, name) != known.sha256:
            return False
        state.add(known._replace(mtime_ns=times[0], changed_ns=times[1]))
    return True


def _sha256(root: Root, name: str) -> str:
    with os.fdopen(root.open(name), "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_shards(
    request: PackRequest,
    root: Root,
    name: str,
    shards: Sequence[list[str]],
    stale: Sequence[int],
    state: State,
    put: Callable[[int, Callable[[], str]], None],
) -> None:
    """Write stale shards, note each of them, and put its rows into the table.

    The lines of a shard are forgotten then.

    Raises
    ------
    UserError
        If one cannot be written; those that were written before are kept.
    """
    suffix = FORMATS[name].suffix
    total = sum(len(shards[number]) for number in stale)
    workers = min(request.workers, len(stale)) if total > _WORTHWHILE else 1
    engine = processes_or_threads() if workers > 1 else BASELINE
    writer = ShardWriter(request.tree, request.folder, name, request.durable)
    tasks = (Shard(number, shards[number]) for number in stale)

    def on_result(written: Written | UserError) -> None:
        if isinstance(written, UserError):
            raise written
        number, lines = written.number, shards[written.number]
        shard = record.shard_name(number, suffix)
        record.put(root, written.temporary, shard, request.durable)
        found = root.lstat(shard)
        if found is None:
            raise UserError(
                f"'{shard}' was removed while it was packed; run the same command again."
            )
        times = modified_ns(found), changed_ns(found)
        listing = _listing(lines)
        state.add(ShardState(number, listing, written.sizes, found.st_size, written.sha256, *times))
        progress.advance(len(lines))
        put(number, lambda: written.rows)
        lines.clear()

    with (
        _swept(request.folder),
        open_engine(engine, workers, (ShardWriter.__module__,)) as pool,
        Progress(total, request.label) as progress,
    ):
        pool.run(writer, tasks, on_result)


@contextlib.contextmanager
def _swept(folder: str) -> Iterator[None]:
    """After an error, remove what workers had written that has no name yet."""
    try:
        yield
    except BaseException:
        sweep(folder)
        raise


def _write_record(
    request: PackRequest, root: Root, made: Record, shards: Sequence[dict[str, object]] = ()
) -> None:
    table = _sha256(root, record.TABLE) if shards else ""
    with record.whole(root, record.RECORD, request.durable) as file:
        file.write(made.as_json(shards, table))


def _described(state: State, made: Record, form: ShardFormat) -> list[dict[str, object]]:
    """Return what ``packed.json`` tells of each shard."""
    return [
        {
            "name": record.shard_name(number, form.suffix),
            "members": len(state.shards[number].sizes),
            "bytes": state.shards[number].bytes,
            "sha256": state.shards[number].sha256,
        }
        for number in range(made.count)
    ]
