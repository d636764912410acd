"""Check: read all shards back with the code that reads archives, and name what is wrong.

Nothing of what wrote the shards is used.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pixelmill.core import regular_files
from pixelmill.core.errors import UserError
from pixelmill.core.filenames import escape
from pixelmill.core.root import Root
from pixelmill.packing import record, tables
from pixelmill.storage import parquet_format
from pixelmill.storage.archives import Archives, Member, opened
from pixelmill.storage.member import Listed, Spot

#: The column of Parquet files with the keys of the samples.
_KEY = "key"


class Found(NamedTuple):
    """A member as it was read: its name, size and digest; or why it could not be read."""

    name: str
    bytes: int
    sha256: str
    fault: str = ""


def check(folder: str) -> tuple[int, list[str]]:
    """Compare the shards of a folder with its tables.

    Parameters
    ----------
    folder : str

    Returns
    -------
    members : int
        How many members were read.
    faults : list of str
        One sentence for each fault, with the shard and the member.

    Raises
    ------
    UserError
        If the folder has no shards, or if its packing did not end.
    """
    if not os.path.isdir(folder):
        raise UserError(f"'{folder}' is not a folder; give the folder of the shards.")
    root = Root(folder)
    data = record.read_json(root)
    if data is None:
        raise UserError(f"'{folder}' holds no shards; give the folder that `pack` wrote to.")
    table = root.lstat(record.TABLE)
    if table is None or not data["shards"]:
        raise UserError(f"The packing of '{folder}' did not end; pack again, then check.")
    if not stat.S_ISREG(table.st_mode):
        path = escape(os.path.join(folder, record.TABLE))
        raise UserError(f"'{path}' is not a regular file; remove it, then pack again.")
    expected: dict[str, dict[str, tuple[int, str]]] = {s["name"]: {} for s in data["shards"]}
    faults = []
    for row in tables.read(folder):
        if row.shard in expected:
            expected[row.shard][row.member] = (row.bytes, row.digest)
        else:
            faults.append(f"{row.shard}: is in {record.TABLE}, but not in {record.RECORD}")
    faults = list(dict.fromkeys(faults))
    with os.fdopen(root.open(record.TABLE), "rb", buffering=0) as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != data.get("table_sha256"):
            faults.append(f"{record.TABLE}: was altered")
    faults += [
        f"{escape(name)}: is no shard of this packing; remove it"
        for name in sorted(path.name for path in Path(folder).iterdir())
        if record.LIKE_SHARD.fullmatch(name) and name not in expected
    ]
    members = 0
    for shard in data["shards"]:
        count, wrong = _check_shard(root, shard, expected[shard["name"]])
        members += count
        faults += [f"{shard['name']}: {fault}" for fault in wrong]
    return members, faults


def _check_shard(
    root: Root, shard: dict[str, object], expected: dict[str, tuple[int, str]]
) -> tuple[int, list[str]]:
    """Return how many members of a shard were read, and what is wrong with it."""
    name = str(shard["name"])
    try:
        os.close(root.open(name))  # not a link
    except FileNotFoundError:
        return 0, ["is missing"]
    except OSError as error:
        return 0, [f"cannot be read: {error.strerror}"]
    path = os.path.join(root.folder, name)
    faults: list[str] = []
    left_out: list[str] = []
    seen: Counter[str] = Counter()
    owners = {digest: member for member, (_, digest) in expected.items()}
    sizes = {size for size, _ in expected.values()}
    try:
        read = _parquet if name.endswith(".parquet") else _archive
        for found in read(path, left_out, sizes):
            seen[found.name] += 1
            if why := _fault(found, expected, owners):
                faults.append(f"'{escape(found.name)}' {why}")
        faults += [f"'{one}' is missing" for one in expected if one not in seen]
    except UserError as error:
        faults.append(str(error))
    faults += [f"'{one}' is there {n} times" for one, n in seen.items() if n > 1]
    faults += [f"has foreign members: {kind}" for kind in sorted(set(left_out))]
    if not faults:
        with os.fdopen(root.open(name), "rb", buffering=0) as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != shard["sha256"]:
                faults.append("its bytes differ, but not those of its members")
    if not faults and (len(expected), os.stat(path).st_size) != (shard["members"], shard["bytes"]):
        faults.append(f"has another size or number of members than {record.RECORD} says")
    return seen.total(), faults


def _fault(found: Found, expected: dict[str, tuple[int, str]], owners: dict[str, str]) -> str:
    """Return what is wrong with a member; empty if nothing is."""
    if found.fault:
        return f"cannot be read: {found.fault}"
    if found.name not in expected:
        return "is a foreign member"
    if (found.bytes, found.sha256) == expected[found.name]:
        return ""
    other = owners.get(found.sha256)
    if other and other != found.name:
        return f"has the bytes of '{other}'"
    return "has other bytes than the output"


def _archive(path: str, left_out: list[str], sizes: set[int]) -> Iterator[Found]:
    """Read the members of a tar or a zip."""
    for name, listed, member in Archives(path).members(lambda _: True, left_out.append):
        yield _read(member, listed, sizes)._replace(name=name)


def _read(member: Member, listed: Listed, sizes: set[int]) -> Found:
    """Read a member, unless no output has its size."""
    if listed.size not in sizes:
        return Found(listed.name, listed.size, "")
    try:
        with opened(member) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    except OSError as error:
        return Found(listed.name, 0, "", error.strerror or str(error))
    return Found(listed.name, listed.size, digest)


def _parquet(path: str, left_out: list[str], sizes: set[int]) -> Iterator[Found]:
    """Read the images of a Parquet file, each with its key."""
    with _buffered(path) as file, _buffered(path) as again:
        try:
            if _KEY not in parquet_format.text_columns(file):
                raise UserError(f"has no column '{_KEY}' of texts")
            rows = parquet_format.PARQUET.members(file, path)
            keys = parquet_format.texts(again, [_KEY])
            for listed, (key,) in zip(rows, keys, strict=True):
                if listed.kind:
                    left_out.append(listed.kind)
                    continue
                member = Member(path, Spot(listed.size, listed.mark, listed.offset))
                found = _read(member, listed, sizes)
                is_right = found.fault or key == listed.name.rpartition(".")[0]
                yield found if is_right else found._replace(fault="its key differs")
        except ValueError as error:  # of a page, or of columns of different lengths
            raise UserError(f"cannot be read: {error}") from error


def _buffered(path: str) -> BinaryIO:
    return os.fdopen(regular_files.opened(path), "rb")
