"""Check: read all shards back with the code that reads archives, and name what is wrong.

Nothing of what wrote the shards is used.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pixelmill.core.errors import UserError
from pixelmill.core.filenames import escape
from pixelmill.core.root import Root
from pixelmill.packing import record, tables
from pixelmill.storage.archives import Archives, opened


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
    if root.lstat(record.TABLE) is None or not data["shards"]:
        raise UserError(f"The packing of '{folder}' did not end; pack again, then check.")
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
    try:
        for found in _parquet(path) if name.endswith(".parquet") else _archive(path, left_out):
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


def _archive(path: str, left_out: list[str]) -> Iterator[Found]:
    """Read the members of a tar or a zip."""
    for name, listed, member in Archives(path).members(lambda _: True, left_out.append):
        try:
            with opened(member) as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
        except OSError as error:
            yield Found(name, 0, "", error.strerror or str(error))
            continue
        yield Found(name, listed.size, digest)


def _parquet(path: str) -> Iterator[Found]:
    """Read the images of a Parquet file, one row group at a time."""
    import pyarrow  # type: ignore[import-not-found,unused-ignore]
    from pyarrow import parquet  # type: ignore[import-not-found,unused-ignore]

    try:
        with parquet.ParquetFile(path) as file:
            for number in range(file.num_row_groups):
                for row in file.read_row_group(number).to_pylist():
                    data, name = row["image"]["bytes"], row["image"]["path"]
                    fault = "" if row["key"] == name.rpartition(".")[0] else "its key differs"
                    yield Found(name, len(data), hashlib.sha256(data).hexdigest(), fault)
    except (pyarrow.ArrowException, OSError, LookupError, TypeError) as error:
        raise UserError(f"cannot be read: {error}") from error
