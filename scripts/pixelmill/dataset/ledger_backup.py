"""Ledger backup: whether a ledger is as it was last written, and what replaces it if not.

A run that ends normally leaves two files beside the ledger: a copy of it, and a seal with the
digest of both. Any change of either is noticed, down to one bit, and the copy replaces a ledger
that was damaged. While a run writes, the seal says so. After a run that was killed, SQLite repairs
the ledger from its journal, and everything in it is checked.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
import stat
from collections.abc import Iterator
from typing import IO, NamedTuple

import xxhash

from pixelmill.core.databases import COMPANIONS, connect_to_read, tells_of_system
from pixelmill.core.errors import TreeError, UserError
from pixelmill.core.files import atomic, free_name
from pixelmill.core.tables import write_json
from pixelmill.dataset.ledger_migration import MIGRATABLE, migrate
from pixelmill.dataset.ledger_tables import VERSION, fault_in

log = logging.getLogger(__name__)

#: Of the files that SQLite may keep beside a database, a ledger only ever has the first.
_JOURNAL = COMPANIONS[0]

#: A copy of the ledger from the end of the last run that ended normally.
_BACKUP = ".backup.sqlite"

#: The digest of that copy, and whether the ledger is still the same.
_SEAL = ".check.json"

#: The most bytes that are read of a seal.
_LARGEST_SEAL = 4096

#: Bytes that are read at a time.
_CHUNK = 2**20


class Condition(NamedTuple):
    """What can be relied on for a ledger.

    Attributes
    ----------
    path : str or None
        The file to open: the ledger or its backup; None if neither can be trusted.
    in_doubt : bool
        Whether the ledger was replaced since a full pass last checked everything: outputs must
        be compared with their digests, and some may belong to no image.
    lost : bool
        Whether the last content of the ledger could not be recovered in full.
    manifest : str
        State of the manifest that was written from this content; empty if none is known.
    """

    path: str | None
    in_doubt: bool = False
    lost: bool = False
    manifest: str = ""


class _Seal(NamedTuple):
    """Content of the file beside a ledger.

    `digest` is that of the backup, and also of the ledger if it is `closed`: then no run has
    begun to write since. `rendering` is the fingerprint of what a pass renders with that has not
    been completed. `manifest` is the state of the manifest with the content of the backup.
    """

    digest: str = ""
    closed: bool = False
    in_doubt: bool = False
    rendering: str = ""
    manifest: str = ""


class _Fault(NamedTuple):
    """What is wrong with a ledger, as the rest of a sentence; and a suffix to set it aside."""

    text: str
    suffix: str = "damaged"


def take(path: str) -> Condition:
    """Prepare a ledger for writing: replace it if it is damaged, migrate it if it is older.

    Parameters
    ----------
    path : str
        The ledger. No other process may write to it now.

    Raises
    ------
    TreeError
        If it is a link, or if a file that SQLite keeps beside it is one.
    UserError
        If it was written by a newer version, or if it cannot be read or replaced.
    """
    with _telling(path):
        return _take(path)


def _take(path: str) -> Condition:
    _refuse_links(path)
    seal = _read_seal(path)
    _set_strangers_aside(path, seal)
    for name in (path, path + _JOURNAL):
        _make_private(name)
    fault = _fault(path, seal) or _migrate(path)
    if fault is None:
        condition = Condition(path)
        if seal is not None:
            manifest = seal.manifest if seal.closed else ""
            condition = Condition(path, seal.in_doubt, manifest=manifest)
            _write_seal(path, seal._replace(closed=False))
        return condition
    seal = seal or _Seal()
    backup = _trusted_backup(path, seal)
    _write_seal(path, _Seal(seal.digest if backup else "", closed=False, in_doubt=True))
    aside = ""
    if os.path.lexists(path):
        aside = f", and was set aside as '{set_aside(path, fault.suffix)}'"
    if _size_of(path + _JOURNAL):
        set_aside(path + _JOURNAL, fault.suffix)
    if backup:
        _copy(backup, path)
    log.warning("The ledger '%s' %s%s; %s.", path, fault.text, aside, _instead(backup, seal))
    return Condition(path, in_doubt=True, lost=not (backup and seal.closed))


def readable(path: str) -> Condition:
    """Find the file to read for a ledger that other processes may be writing; change nothing.

    Parameters
    ----------
    path : str
        The ledger.

    Raises
    ------
    UserError
        If it was written by a newer version, or if it cannot be read.
    """
    with _telling(path):
        return _readable(path)


def _readable(path: str) -> Condition:
    seal = _read_seal(path)
    backup = _trusted_backup(path, seal)
    if backup and seal is not None and seal.closed:  # the same content, and no writer has to wait
        return Condition(backup, seal.in_doubt)
    fault = _fault(path, seal)
    if fault is not None and seal is not None and seal != _read_seal(path):
        return _readable(path)  # a run began or ended in the meantime
    if fault is None:
        there = os.path.lexists(path)
        return Condition(path if there else None, seal is not None and seal.in_doubt)
    log.warning("The ledger '%s' %s; the next pass replaces it.", path, fault.text)
    return Condition(backup, in_doubt=True, lost=True)


def seal(path: str, in_doubt: bool, manifest: str = "") -> None:
    """Keep a copy of a ledger that was closed, and record its digest.

    Parameters
    ----------
    path : str
        The ledger.
    in_doubt : bool
        Whether the next run must check outputs: see `Condition`.
    manifest : str
        State of the manifest that was written from it; empty if there is none.
    """
    with _telling(path):
        digest = _copy(path, _beside(path, _BACKUP))
        _write_seal(path, _Seal(digest, closed=True, in_doubt=in_doubt, manifest=manifest))


def doubt(path: str) -> None:
    """Record that a ledger cannot be relied on until a pass has ended."""
    with _telling(path):
        _write_seal(path, (_read_seal(path) or _Seal())._replace(closed=False, in_doubt=True))


def begin(path: str, rendering: str) -> None:
    """Record what a pass renders with, until the ledger is sealed."""
    with _telling(path):
        found = _read_seal(path) or _Seal()
        if found.rendering != rendering:
            _write_seal(path, found._replace(closed=False, rendering=rendering))


def unfinished(path: str) -> str:
    """Return what a pass rendered with that was not completed; empty if there is none.

    Some of its outputs may not be recorded, and may have replaced others of the same size.
    """
    found = _read_seal(path)
    return "" if found is None else found.rendering


def suspect(path: str) -> None:
    """Have the next pass compare outputs with their digests, although the ledger is sound."""
    with _telling(path):
        found = _read_seal(path)
        if found is not None:
            _write_seal(path, found._replace(in_doubt=True))


def is_in_doubt(path: str) -> bool:
    """Return whether the next pass must compare outputs with their digests."""
    found = _read_seal(path)
    return found is not None and found.in_doubt


@contextlib.contextmanager
def _telling(path: str) -> Iterator[None]:
    """Turn an error of the disk into a sentence."""
    try:
        yield
    except OSError as error:
        raise UserError(f"The ledger '{path}' cannot be opened: {error.strerror}.") from error


def is_backup(path: str) -> bool:
    """Return whether a path is that of a backup, which is never changed, only replaced."""
    return path.endswith(_BACKUP)


def set_aside(path: str, suffix: str) -> str:
    """Rename a file or a folder to a free name beside it; return that name."""
    name = free_name(f"{path}.{suffix}")
    os.rename(path, name)
    return name


def set_database_aside(path: str) -> None:
    """Set a damaged database aside, with the files that SQLite keeps beside it."""
    for name in (path, *(path + suffix for suffix in COMPANIONS)):
        if os.path.lexists(name):
            set_aside(name, "damaged")


def _refuse_links(path: str) -> None:
    for name in (path, *(path + suffix for suffix in COMPANIONS)):
        if os.path.islink(name):
            raise TreeError(
                f"'{name}' is a symbolic link, and writing the ledger would change the file that "
                "it leads to; remove the link, then run the same command again."
            )


def _set_strangers_aside(path: str, seal: _Seal | None) -> None:
    """Move files away that no run has left here, and that SQLite or this module would read."""
    hot = _size_of(path) and not (seal is not None and seal.closed)
    for name in [path + suffix for suffix in COMPANIONS]:
        own = hot and name.endswith(_JOURNAL) and _is_regular(name)
        if not own and (_size_of(name) or not _is_regular(name)) and os.path.lexists(name):
            log.warning("'%s' does not belong to the ledger; it was moved to '%s'.", name,
                        set_aside(name, "damaged"))  # fmt: skip
    for name in (_beside(path, _BACKUP), _beside(path, _SEAL)):
        if os.path.lexists(name) and not _is_regular(name):
            set_aside(name, "damaged")


def _make_private(path: str) -> None:
    """Copy a file that has several names, so that its other names keep the content."""
    if _is_regular(path) and os.lstat(path).st_nlink > 1:
        _copy(path, path)


def _fault(path: str, seal: _Seal | None) -> _Fault | None:
    """Return what is wrong with a ledger; None if nothing is."""
    if not os.path.lexists(path):
        return None if seal is None else _Fault("is missing")
    if not _is_regular(path):
        return _Fault("is not a regular file")
    if seal is not None and seal.closed:
        if _size_of(path + _JOURNAL):
            return _Fault("has a journal that is not its own")
        if _digest_of(path) != seal.digest:
            return _Fault("is damaged (it is not as the last run left it)")
    elif _size_of(path + _JOURNAL) and os.lstat(path).st_nlink > 1:
        return _Fault("was left unfinished, and has another name that must not change")
    elif found := _examine(path):
        return found
    version = _version_of(path)
    if version > VERSION:
        raise UserError(
            f"The ledger '{path}' was written by a newer version of pixelmill; update pixelmill, "
            f"or delete '{path}', '{_beside(path, _BACKUP)}' and '{_beside(path, _SEAL)}' to "
            "process all images again with this version."
        )
    if version not in (0, VERSION, *MIGRATABLE):
        return _Fault("is of another version of pixelmill", f"version-{version}")
    return None


def _migrate(path: str) -> _Fault | None:
    """Migrate a ledger of an earlier version; return why it cannot be migrated."""
    if not os.path.lexists(path) or _version_of(path) not in MIGRATABLE:
        return None
    version = _version_of(path)
    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
            migrate(database)
            found = fault_in(database)
    except sqlite3.Error as error:
        if tells_of_system(error):
            raise UserError(f"The ledger '{path}' cannot be migrated: {error}.") from error
        found = str(error)
    if found:
        return _Fault(f"cannot be migrated ({found})", f"version-{version}")
    log.info("The ledger '%s' of an earlier version was migrated.", path)
    return None


def _examine(path: str) -> _Fault | None:
    """Read the whole of a ledger that has no valid seal."""
    try:
        with open(path, "rb", buffering=0) as file:
            head = file.read(100)
        if head[18:20].strip(b"\1\2"):  # SQLite would report that the disk is write-protected
            return _Fault("is damaged (its header is unknown)")
        with contextlib.closing(connect_to_read(path)) as database:
            (page,) = database.execute("PRAGMA page_size").fetchone()
            # SQLite reads zeros beyond the end of a file, and takes a fragment for an empty file.
            found = fault_in(database) or ("it was cut off" if _size_of(path) % page else "")
    except (sqlite3.Error, MemoryError, OverflowError, UnicodeDecodeError) as error:
        if tells_of_system(error):
            raise UserError(f"The ledger '{path}' cannot be opened: {error}.") from error
        found = str(error)
    return _Fault(f"is damaged ({found})") if found else None


def _trusted_backup(path: str, seal: _Seal | None) -> str | None:
    backup = _beside(path, _BACKUP)
    if (
        seal is not None
        and seal.digest
        and _is_regular(backup)
        and _digest_of(backup) == seal.digest
        and _version_of(backup) == VERSION
    ):
        return backup
    return None


def _instead(backup: str | None, seal: _Seal) -> str:
    if backup is None:
        return "no backup of it can be trusted, so its images are made again"
    if seal.closed:
        return "its backup took its place"
    return "a backup from before an interrupted run took its place"


def _read_seal(path: str) -> _Seal | None:
    """Read the seal of a ledger; None if there is none."""
    name = _beside(path, _SEAL)
    if not os.path.lexists(name):
        return None
    unreadable = _Seal(in_doubt=True)
    if not _is_regular(name):
        return unreadable
    with open(name, "rb") as file:
        content = file.read(_LARGEST_SEAL)
    try:
        read = _Seal(**json.loads(content))
    except (ValueError, TypeError, RecursionError):
        return unreadable
    kinds = (str, bool, bool, str, str)
    return read if all(map(isinstance, read, kinds)) else unreadable


def _write_seal(path: str, value: _Seal) -> None:
    """Write a seal. It need not be synced: a seal that a power failure lost claims too little.

    Either the ledger has the digest that the seal names, or its backup replaces it.
    """
    write_json(_beside(path, _SEAL), value._asdict())


def _copy(path: str, target: str) -> str:
    """Copy a file; return the digest of its content."""
    with open(path, "rb", buffering=0) as file, atomic(target, "wb") as copy:
        return _digest(file, copy)


def _digest_of(path: str) -> str:
    with open(path, "rb", buffering=0) as file:
        return _digest(file)


def _digest(file: IO[bytes], copy: IO[bytes] | None = None) -> str:
    state = xxhash.xxh3_128()
    while chunk := file.read(_CHUNK):
        state.update(chunk)
        if copy is not None:
            copy.write(chunk)
    return state.hexdigest()


def _version_of(path: str) -> int:
    """Return the version of the tables in a ledger, from the header of its file."""
    with open(path, "rb", buffering=0) as file:
        return int.from_bytes(file.read(64)[60:], "big")


def _beside(path: str, suffix: str) -> str:
    return os.path.splitext(path)[0] + suffix


def _is_regular(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _size_of(path: str) -> int:
    """Return the size of a regular file in bytes; 0 if it is not one."""
    return os.lstat(path).st_size if _is_regular(path) else 0
