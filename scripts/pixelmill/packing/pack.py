"""Pack: write the outputs of a run into shards, and write again only the shards that changed."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from pixelmill.core.errors import UserError
from pixelmill.core.files import changed_ns, is_inside, modified_ns, sweep
from pixelmill.core.locks import exclusive
from pixelmill.core.progress import Progress
from pixelmill.core.root import Root
from pixelmill.packing import outputs, record, tables
from pixelmill.packing.division import DEFAULT, Division, shard_of
from pixelmill.packing.outputs import Images, Output
from pixelmill.packing.record import Record, ShardState, State
from pixelmill.packing.shard_formats import FORMATS, ShardFormat, require
from pixelmill.packing.tables import MemberRow
from pixelmill.storage.archives import is_archive

#: The format if none is asked for, and the folder was not packed before.
FORMAT = "webdataset"


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
    images = Images(request.tree)
    with exclusive(request.folder):
        root = Root(request.folder)
        known = record.read_json(root)
        record.check_names(root, is_ours=known is not None)
        sweep(request.folder)
        if known is None:
            made = _first_record(request, found, images)
            _write_record(request, root, made)
        else:
            made = _same_record(request, record.of_json(known))
        form = require(made.format)
        found = [output for output in found if output.is_image or form.has_sidecars]
        shards = _divided(found, made.count)
        with State(root, request.durable) as state:
            stale = [
                number
                for number, members in enumerate(shards)
                if not _is_current(root, state, number, form.suffix, members)
            ]
            if stale:
                tables.remove(root)
                _write_record(request, root, made)
            total = sum(output.is_image for number in stale for output in shards[number])
            with Progress(total, request.label) as progress:
                for number in stale:
                    members = shards[number]
                    state.add(_written(request, root, number, form, members, images, progress))
            tables.write(request.folder, _rows(shards, state, form))
            _write_record(request, root, made, _described(shards, state, form))
        return PackSummary(sum(output.is_image for output in found), made.count, len(stale))


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


def _first_record(request: PackRequest, found: Sequence[Output], images: Images) -> Record:
    """Choose how a folder is divided that was not packed before."""
    name = request.format or FORMAT
    has_sidecars = require(name).has_sidecars
    members = [output for output in found if output.is_image or has_sidecars]
    division = DEFAULT if request.division == Division() else request.division
    count = division.shards(
        sum(output.is_image for output in members), lambda: sum(map(images.size, members))
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


def _divided(found: Sequence[Output], count: int) -> list[list[Output]]:
    """Return the outputs of each shard; those of a sample follow one another."""
    shards: list[list[Output]] = [[] for _ in range(count)]
    for output in found:
        shards[shard_of(output.key, count)].append(output)
    for members in shards:
        members.sort(key=attrgetter("key", "member"))
    return shards


def _listing(members: Sequence[Output]) -> str:
    """Return a digest of the names and digests of members."""
    lines = [f"{output.member}\n{output.sha256}\n" for output in members]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _is_current(
    root: Root, state: State, number: int, suffix: str, members: Sequence[Output]
) -> bool:
    """Whether a shard has these members, and is as it was written.

    If only its times changed, it is read once more.
    """
    name = record.shard_name(number, suffix)
    known, found = state.shards.get(number), root.lstat(name)
    if known is None or found is None or known.bytes != found.st_size:
        return False
    if known.listing != _listing(members) or len(known.sizes) != len(members):
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


def _written(
    request: PackRequest,
    root: Root,
    number: int,
    form: ShardFormat,
    members: Sequence[Output],
    images: Images,
    progress: Progress,
) -> ShardState:
    """Write a shard, and return what is known of it."""
    sizes = []

    def opened(output: Output) -> tuple[int, Iterable[bytes]]:
        size, parts = images.read(output)
        sizes.append(size)
        progress.advance(output.is_image)
        return size, parts

    name = record.shard_name(number, form.suffix)
    with record.whole(root, name, request.durable) as file:
        form.write(file, members, opened)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    state = root.lstat(name)
    if state is None:
        raise UserError(f"'{name}' was removed while it was packed; run the same command again.")
    times = modified_ns(state), changed_ns(state)
    return ShardState(number, _listing(members), sizes, state.st_size, digest, *times)


def _rows(
    shards: Sequence[Sequence[Output]], state: State, form: ShardFormat
) -> Iterator[MemberRow]:
    for number, members in enumerate(shards):
        name = record.shard_name(number, form.suffix)
        for output, size in zip(members, state.shards[number].sizes, strict=True):
            yield MemberRow(output.key, output.member, name, size, output.sha256, output.source)


def _write_record(
    request: PackRequest, root: Root, made: Record, shards: Sequence[dict[str, object]] = ()
) -> None:
    table = _sha256(root, record.TABLE) if shards else ""
    with record.whole(root, record.RECORD, request.durable) as file:
        file.write(made.as_json(shards, table))


def _described(
    shards: Sequence[Sequence[Output]], state: State, form: ShardFormat
) -> list[dict[str, object]]:
    """Return what ``packed.json`` tells of each shard."""
    return [
        {
            "name": record.shard_name(number, form.suffix),
            "members": len(members),
            "bytes": state.shards[number].bytes,
            "sha256": state.shards[number].sha256,
        }
        for number, members in enumerate(shards)
    ]
