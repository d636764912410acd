"""Shard formats: how members are written into one file, with the same bytes for the same members.

Sources: POSIX.1-2024, pax, "ustar Interchange Format"; APPNOTE.TXT 6.3.10 of PKWARE. Times, owners
and modes are fixed. Images are compressed already, so nothing is compressed again.
"""

from __future__ import annotations

import json
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any, BinaryIO, NamedTuple, TypeAlias

from pixelmill.core.errors import UserError
from pixelmill.core.suggestions import allowed
from pixelmill.packing.outputs import Output

#: The first moment that a zip can hold, as a tuple and in seconds; tar warns of earlier ones.
_MOMENT, _SECONDS = (1980, 1, 1, 0, 0, 0), 315_532_800

#: Mode of a member: a file that its owner may write, and all may read.
_MODE = 0o644

#: Bytes of a block of a tar, and of a record, which its size is a multiple of.
_BLOCK, _RECORD = 512, 10_240

_ZEROS = bytes(_BLOCK)

#: System of a member of a zip whose attributes have a mode: Unix.
_UNIX = 3

#: Images of a row group, and bytes after which it ends earlier, since it is held in memory.
ROW_GROUP, _ROW_GROUP_BYTES = 100, 2**25

#: Opens an output: its size in bytes, and its content.
Opened: TypeAlias = Callable[[Output], tuple[int, Iterable[bytes]]]


class ShardFormat(NamedTuple):
    """A format of shards.

    Attributes
    ----------
    suffix : str
        Of its files.
    write : callable
        Writes outputs to an open file, in their order.
    has_sidecars : bool
        Whether sidecars are members too.
    """

    suffix: str
    write: Callable[[BinaryIO, Sequence[Output], Opened], None]
    has_sidecars: bool = True


def _write_tar(file: BinaryIO, outputs: Sequence[Output], opened: Opened) -> None:
    for output in outputs:
        size, parts = opened(output)
        file.write(_tar_header(output.member, size))
        file.writelines(parts)
        file.write(_ZEROS[: -size % _BLOCK])
    file.write(bytes(2 * _BLOCK))
    file.write(bytes(-file.tell() % _RECORD))


def _tar_header(name: str, size: int) -> bytes:
    """Return what precedes a member of a tar."""
    if len(name) <= _TAR_NAME and size <= _TAR_SIZE and name.isascii():
        head, digits = name.encode(), b"%011o" % size
        checksum = _PLAIN_CHECKSUM + sum(head) + sum(digits)
        owner, time, rest = _PLAIN_HEADER[100:124], _PLAIN_HEADER[136:148], _PLAIN_HEADER[156:]
        return b"%b%b%b\0%b%06o\0 %b" % (
            head.ljust(100, b"\0"), owner, digits, time, checksum, rest,
        )  # fmt: skip
    return _any_tar_header(name, size)


def _any_tar_header(name: str, size: int) -> bytes:
    """Return a header that a pax header precedes if its name or its size needs one."""
    info = tarfile.TarInfo(name)
    info.mode, info.mtime, info.size = _MODE, _SECONDS, size
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


#: Longest name in bytes and largest size of a member whose header is made from another one, which
#: takes a tenth of the time; and the sum of the bytes of that header, less those of its size.
_TAR_NAME, _TAR_SIZE = 100, 8**11 - 1
_PLAIN_HEADER = _any_tar_header("", 0)
_PLAIN_CHECKSUM = int(_PLAIN_HEADER[148:154], 8) - sum(b"%011o" % 0)


def _write_zip(file: BinaryIO, outputs: Sequence[Output], opened: Opened) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for output in outputs:
            info = zipfile.ZipInfo(output.member, _MOMENT)
            info.file_size, parts = opened(output)
            info.create_system, info.external_attr = _UNIX, (0o100000 | _MODE) << 16
            with archive.open(info, "w") as member:
                member.writelines(parts)


def _write_parquet(file: BinaryIO, outputs: Sequence[Output], opened: Opened) -> None:
    import pyarrow  # type: ignore[import-not-found,unused-ignore]
    from pyarrow import parquet  # type: ignore[import-not-found,unused-ignore]

    image = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    schema = pyarrow.schema([("image", image), ("key", pyarrow.string())], _FEATURES)
    options = {"compression": "none", "use_dictionary": False, "write_statistics": False}
    with parquet.ParquetWriter(file, schema, **options) as writer:
        for rows in _row_groups(outputs, opened):
            writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))


def _row_groups(outputs: Sequence[Output], opened: Opened) -> Iterator[list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    held = 0
    for output in outputs:
        size, parts = opened(output)
        data = b"".join(parts)
        rows.append({"image": {"bytes": data, "path": output.member}, "key": output.key})
        held += size
        if len(rows) == ROW_GROUP or held >= _ROW_GROUP_BYTES:
            yield rows
            rows, held = [], 0
    if rows:
        yield rows


#: What tells the library `datasets` of Hugging Face that the column holds images.
_FEATURES = {
    "huggingface": json.dumps(
        {
            "info": {
                "features": {
                    "image": {"_type": "Image"},
                    "key": {"dtype": "string", "_type": "Value"},
                }
            }
        }
    )
}

#: All formats by name.
FORMATS = {
    "webdataset": ShardFormat("tar", _write_tar),
    "zip": ShardFormat("zip", _write_zip),
    "parquet": ShardFormat("parquet", _write_parquet, has_sidecars=False),
}


def require(name: str) -> ShardFormat:
    """Return a format by its name.

    Raises
    ------
    UserError
        If there is no such format, or if the package is missing that writes it.
    """
    if name not in FORMATS:
        raise UserError(f"The format '{name}' is unknown{allowed(name, FORMATS)}")
    if name == "parquet" and not find_spec("pyarrow"):
        raise UserError(
            "The format 'parquet' needs the package pyarrow: pip install pyarrow; or choose the "
            "format webdataset or zip."
        )
    return FORMATS[name]
