"""Compressed tars: decompressed into a folder as plain tars, whose members are read in any order.

Sources: RFC 1952 (gzip, "File format": members follow one another), RFC 8878 (zstd, "Frames"), the
.xz file format 1.2.1 ("Stream Padding"). Streams that follow one another are one content, and
zeros between or behind them count as padding, as GNU tar writes it to tapes.
"""

from __future__ import annotations

import bz2
import importlib
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Protocol

from pixelmill.core import regular_files
from pixelmill.core.errors import UserError
from pixelmill.core.filenames import escape
from pixelmill.core.files import changed_ns, modified_ns, write_all
from pixelmill.engines.machine import cores
from pixelmill.storage.archives import RANGE, is_pattern, matching, named, require, unreadable
from pixelmill.storage.tar_format import BLOCK, begins_as_tar, compression_of
from pixelmill.transfer.place import Fetched, Item, PermanentError, TransferError

#: How many times as large as its archive a tar may become, and what a small one may become
#: besides. Pictures become hardly smaller, and what is mostly zeros in tars does so by 100.
MOST_EXPANSION, _SLACK = 1000, 2**16

#: The most memory that the dictionary of a file may take while it is decompressed, in bytes;
#: ``xz -9`` needs 65 MiB.
MOST_MEMORY = 2**28

#: Bytes that are read at once, and the most that are made of them at once.
_READ, _MADE = 2**16, 2**18


class _Decompressor(Protocol):
    """A stream that is decompressed step by step, as the modules of Python do it."""

    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """The same for gzip, which Python does not have."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        made = self._stream.decompress(self._stream.unconsumed_tail + data, max_length)
        self.needs_input = not self._stream.unconsumed_tail and len(made) < max_length
        return made


def _xz() -> _Decompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_MEMORY)


def _zstd() -> _Decompressor:
    made: _Decompressor = zstd_library().ZstdDecompressor()
    return made


def zstd_library() -> Any:
    """Return the module of Python 3.14, or its copy for earlier versions.

    imagecodecs decompresses only what is in memory as a whole, and the package zstandard either
    does not tell that a stream was cut off, or makes 32,768 bytes of each that it is given.

    Raises
    ------
    ImportError
        If there is none.
    """
    try:
        return importlib.import_module("compression.zstd")
    except ImportError:
        return importlib.import_module("backports.zstd")


#: Compressions by name, and suffixes of tars that are compressed by them.
_STREAMS: dict[str, Callable[[], _Decompressor]] = {
    "gzip": _Gzip,
    "bzip2": bz2.BZ2Decompressor,
    "xz": _xz,
    "zstd": _zstd,
}
_SUFFIXES = {
    ".tar.gz": "gzip", ".tgz": "gzip",
    ".tar.bz2": "bzip2", ".tbz2": "bzip2",
    ".tar.xz": "xz", ".txz": "xz",
    ".tar.zst": "zstd", ".tzst": "zstd",
}  # fmt: skip

#: The suffix of what is copied as it is.
_PLAIN = ".tar"


def is_compressed_tar(source: str) -> bool:
    """Whether a path stands for compressed tars: by its suffix, or by those of what it matches.

    A pattern such as ``*.tar*`` may also match plain tars.

    Examples
    --------
    >>> is_compressed_tar("photos.TGZ"), is_compressed_tar("crawl/{00..99}.tar.zst")
    (True, True)
    >>> is_compressed_tar("photos.tar"), is_compressed_tar("photos.gz")
    (False, False)
    """
    if _suffix(source) in _SUFFIXES:
        return not os.path.isdir(source)
    if _PLAIN not in os.path.basename(source).lower() or not is_pattern(source):
        return False
    try:
        found = matching(source, _suffix)
    except UserError:
        return False
    return any(map(_compression, found))


def _suffix(path: str) -> str:
    name = os.path.basename(path).lower()
    found = (suffix for suffix in (*_SUFFIXES, _PLAIN) if name.endswith(suffix))
    suffix = next(found, "")
    return suffix if suffix != name else ""


class CompressedTars:
    """Archives as plain tars; those that are not compressed are copied as they are.

    Parameters
    ----------
    source : str
        Path of an archive, or a pattern as for `pixelmill.storage.archives.Archives`.

    Raises
    ------
    UserError
        If an archive is missing, if two have the same name, or if nothing can decompress them.
    """

    def __init__(self, source: str) -> None:
        paths = [source]
        if is_pattern(source):
            paths = matching(source, _suffix)
        else:
            require(source)
        self._paths = named(paths, _suffix)
        # A crawl that goes on, with more numbers, is the same place, and so is one that was moved.
        self.name = RANGE.sub("{..}", os.path.basename(source))
        self.at_once = cores()
        self._require_zstd()

    def _require_zstd(self) -> None:
        first = next((p for p in self._paths.values() if _compression(p) == "zstd"), None)
        if first is None:
            return
        try:
            zstd_library()
        except ImportError as error:
            raise UserError(
                f"The archive '{escape(first)}' is compressed by zstd, which Python reads since "
                "version 3.14; install the package backports.zstd: pip install backports.zstd."
            ) from error

    def items(self) -> Iterator[Item]:
        """List the archives.

        Raises
        ------
        UserError
            If one is gone.
        """
        for name, path in self._paths.items():
            try:
                tag = _tag(os.stat(path))
            except OSError as error:
                raise unreadable(path, error) from error
            yield Item(name + _PLAIN, -1, tag, path)

    def fetch(self, item: Item, file: BinaryIO) -> Fetched:
        """Write what an archive becomes.

        Raises
        ------
        TransferError
            If it cannot be read or decompressed, or was changed meanwhile.
        """
        path, shown = item.address, f"'{escape(item.address)}'"
        try:
            descriptor = regular_files.opened(path)
        except OSError as error:
            raise TransferError(f"cannot be read from {shown}: {error.strerror}") from error
        with open(descriptor, "rb", buffering=0) as source:
            before = os.fstat(descriptor)
            try:
                _decompress(source, _compression(path), before.st_size, file)
                fault = None
            except _DamageError as error:
                fault = error
            after = os.fstat(descriptor)
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise TransferError(f"cannot be read from {shown}, which is being changed")
        if fault is not None:
            verb = "decompressed" if _compression(path) else "copied"
            why = f"cannot be {verb} from {shown}, which {fault}; {fault.advice}"
            raise PermanentError(why) from fault
        return Fetched(_tag(before), modified_ns(before))


class _DamageError(Exception):
    """What is wrong with an archive, and what to do."""

    def __init__(self, what: str, advice: str = "copy or download it again") -> None:
        super().__init__(what)
        self.advice = advice


def _tag(state: os.stat_result) -> str:
    return f"{state.st_size} {modified_ns(state)} {changed_ns(state)}"


def _compression(path: str) -> str:
    """Return by what an archive is compressed; nothing for a plain tar."""
    return _SUFFIXES.get(_suffix(path), "")


def _decompress(source: BinaryIO, compression: str, size: int, file: BinaryIO) -> None:
    """Write what an archive of a size becomes.

    Raises
    ------
    _DamageError
    """
    most, made, beginning = MOST_EXPANSION * size + _SLACK, 0, b""
    for part in _streams(source, compression) if compression else _parts(source):
        made += len(part)
        if made > most:
            what = f"becomes more than {MOST_EXPANSION:,} times as large"
            raise _DamageError(what, "leave it out")
        if len(beginning) < BLOCK:
            beginning += part[:BLOCK]
            if len(beginning) >= BLOCK and not begins_as_tar(beginning):
                break
        write_all(file.fileno(), part)
    if not begins_as_tar(beginning):
        raise _DamageError("contains no tar")


def _streams(source: BinaryIO, compression: str) -> Iterator[bytes]:
    """Yield what the streams of a file become, one behind the other."""
    data = _read(source)
    found = compression_of(data)
    if found != compression and (found or begins_as_tar(data)):
        what = f"is compressed by {found}, not by" if found else "is not compressed by"
        raise _DamageError(f"{what} {compression}", "correct its suffix")
    complete = 0
    while data or not complete:
        stream, is_new = _STREAMS[compression](), True
        while not stream.eof:
            try:
                part = stream.decompress(data, _MADE)
            except Exception as error:  # of several kinds
                is_other = is_new and compression_of(data) != compression
                raise _damage(error, compression, is_other, complete) from error
            if part:
                yield part
            data, is_new = b"", False
            if stream.needs_input and not stream.eof:
                data = _read(source)
                if not data:
                    raise _DamageError("ends too early, as if it had been cut off")
        complete += 1
        data = _behind_padding(source, stream.unused_data)


def _damage(error: Exception, compression: str, is_other: bool, complete: int) -> _DamageError:
    """Return what an error of a library means."""
    if isinstance(error, MemoryError) or "memory" in str(error).lower():
        advice = "decompress it yourself, or compress it again with a smaller window"
        return _DamageError("needs too much memory", advice)
    if is_other and complete:
        return _DamageError("has other data behind its end")
    if is_other:
        return _DamageError(f"is not compressed by {compression}")
    return _DamageError("is damaged")


def _behind_padding(source: BinaryIO, data: bytes) -> bytes:
    """Return data that begin behind zeros; none if nothing else follows."""
    while not (rest := data.lstrip(b"\0")):
        data = _read(source)
        if not data:
            return b""
    return rest


def _parts(source: BinaryIO) -> Iterator[bytes]:
    while part := _read(source):
        yield part


def _read(source: BinaryIO) -> bytes:
    try:
        return source.read(_READ)
    except OSError as error:
        raise _DamageError(f"cannot be read ({error.strerror})") from error
