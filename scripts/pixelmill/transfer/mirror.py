"""Mirror: a local copy of images that are elsewhere, in which only what changed is copied again.

The folder has the files of the place and nothing else that counts as an image, so that it can be
processed like any other folder. Only files that the mirror wrote are replaced or removed.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from pixelmill.core.databases import COMPANIONS
from pixelmill.core.errors import RemovalsError, UserError, cannot_write, shown
from pixelmill.core.files import TEMPORARY, lock_for_sweeps, sweep, temporary_beside
from pixelmill.core.locks import exclusive
from pixelmill.core.progress import Progress
from pixelmill.core.root import Root
from pixelmill.dataset.globs import Selection
from pixelmill.storage.member import member_path
from pixelmill.transfer.mirror_record import FAILED, RECORD, Copy, MirrorRecord, names_in
from pixelmill.transfer.place import Item, PermanentError, Place, TransferError

#: How often a file is copied before it counts as failed: connections break, and files change.
_ATTEMPTS = 3

#: Files that are noted at once, and seconds after which those that are complete are noted.
_TOGETHER, _SECONDS = 500, 5.0

#: Errors of the disk, which concern all files.
_OF_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM}


@dataclass
class Mirrored:
    """What a mirror did.

    Attributes
    ----------
    copied, kept, removed : int
        Numbers of files.
    bytes : int
        Of the copied files.
    left_out : dict of str to int
        Numbers of files that cannot be images of a folder, by why.
    failed : list of tuple
        Names of the files that could not be copied, each with why.
    is_pending : bool
        Whether another run may copy some of these, although nothing changed at the place.
    """

    copied: int = 0
    kept: int = 0
    removed: int = 0
    bytes: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    failed: list[tuple[str, str]] = field(default_factory=list)
    is_pending: bool = False

    def __str__(self) -> str:
        """Return the numbers as a line of text.

        Examples
        --------
        >>> print(Mirrored(copied=12, kept=1988, bytes=3_400_000))
        12 files copied (3.4 MB), 1,988 kept, 0 removed
        """
        return (
            f"{self.copied:,} {'file' if self.copied == 1 else 'files'} copied "
            f"({self.bytes / 1e6:,.1f} MB), {self.kept:,} kept, {self.removed:,} removed"
        )


def mirror(
    place: Place,
    folder: str,
    selection: Selection | None = None,
    max_removal_rate: float = 0.5,
    token: str = "",
) -> Mirrored:
    """Bring a folder up to date with a place.

    If it is interrupted, the next call goes on where it was. A file that cannot be copied keeps its
    earlier copy.

    Parameters
    ----------
    place : Place
    folder : str
        Created if it is missing.
    selection : Selection, optional
        Which of the names belong to the mirror.
    max_removal_rate : float
        The largest share of the files, 0..1, that may be removed.
    token : str
        Kept if all files of the place that can be copied are here in the end; see `token`.

    Raises
    ------
    RemovalsError
        If more files would be removed.
    UserError
        If the place cannot be listed, if the folder is a mirror of another place or has files of
        others with the same names, or if nothing could be copied.
    """
    with exclusive(folder):
        sweep(folder)
        record = MirrorRecord(folder, place.name)
        try:
            record.token = ""
            done = _Mirror(place, Root(folder), record).update(
                selection or Selection(), max_removal_rate
            )
            if not done.is_pending:
                record.token = token
            return done
        finally:
            record.close()


def token(place: Place, folder: str, selection: Selection) -> str:
    """Return a token by which Snakemake, which does not know the files, sees whether all are here.

    It stays the same while the folder has what the place has, and is a new one if not; `mirror`
    then keeps it.

    Raises
    ------
    UserError
        If the place cannot be listed, or the folder is a mirror of another place.
    """
    if os.path.lexists(os.path.join(folder, RECORD)):
        record = MirrorRecord(folder, place.name)
        try:
            known = record.token
            if known and _Mirror(place, Root(folder), record).is_current(selection):
                return known
        finally:
            record.close()
    return secrets.token_hex(8)


def mirrored_in(folder: str) -> Callable[[str], bool] | None:
    """Return a test for names of files that a mirror wrote into a folder; None if there are none.

    Raises
    ------
    UserError
        If the record is damaged.
    """
    path = os.path.join(folder, RECORD)
    if not os.path.isfile(path):
        return None
    names = names_in(path)
    own = {RECORD, *(RECORD + suffix for suffix in COMPANIONS), ".lock"}

    def is_ours(name: str) -> bool:
        return name in names or name in own or TEMPORARY.fullmatch(name) is not None

    return is_ours


class _Mirror:
    def __init__(self, place: Place, root: Root, record: MirrorRecord) -> None:
        self._place, self._root, self._record = place, root, record
        self._done = Mirrored()

    def is_current(self, selection: Selection) -> bool:
        items, copies = self._listed(selection), self._record.copies()
        stale = self._stale(items.values(), copies)
        return items.keys() == copies.keys() and all(
            copies[item.name].tag == _failed(item) for item in stale
        )

    def update(self, selection: Selection, max_removal_rate: float) -> Mirrored:
        items = self._listed(selection)
        copies = self._record.copies()
        if not items and not copies:
            raise UserError(f"'{self._place.name}' has no file that could be copied; correct it.")
        gone = [name for name in copies if name not in items]
        self._check_removals(gone, copies, max_removal_rate)
        stale = list(self._stale(items.values(), copies))
        # What is gone may have the name of a folder of what is new, or be in such a folder.
        self._remove(gone, copies)
        self._check_ours(stale, copies)
        self._done.kept = len(items) - len(stale)
        self._copy(stale, copies)
        self._done.failed.sort()
        if stale and len(self._done.failed) == len(stale) and not self._done.kept:
            name, why = self._done.failed[0]
            raise UserError(f"No file of '{self._place.name}' could be copied: {shown(name)} {why}")
        return self._done

    def _listed(self, selection: Selection) -> dict[str, Item]:
        """Return by name what the place has, but for what cannot be in a folder."""
        items: dict[str, Item] = {}
        folders: set[str] = set()
        for item in self._place.items():
            name, fault = member_path(item.name)
            parts = name.split("/")
            fault = item.fault or fault
            if not fault and any(part.startswith(".") for part in parts):
                fault = "hidden files"
            if not fault and not _is_unicode(name):
                fault = "files whose names are no Unicode"
            if fault:
                self._leave_out(fault.replace("members", "files").replace("archive", "folder"))
            elif selection(name):
                name = item.name if item.name == name else name  # one text, not two
                items[name] = item._replace(name=name)
                folders.update(map("/".join, itertools.accumulate([part] for part in parts[:-1])))
        for name in folders & items.keys():
            del items[name]
            self._leave_out("files with the name of a folder")
        return items

    def _leave_out(self, what: str) -> None:
        self._done.left_out[what] = self._done.left_out.get(what, 0) + 1

    def _check_removals(
        self, gone: list[str], copies: Mapping[str, Copy], max_removal_rate: float
    ) -> None:
        here = sum(copy.is_here for copy in copies.values())
        lost = sum(copies[name].is_here for name in gone)
        if lost > max_removal_rate * here:
            raise RemovalsError(
                f"{lost:,} of {here:,} files are gone from '{self._place.name}' or left out, and "
                f"their copies in '{self._root.folder}' would be removed; correct the place, or, "
                "if this is intended, set removals.max_rate to 1."
            )

    def _stale(self, items: Iterable[Item], copies: Mapping[str, Copy]) -> Iterator[Item]:
        """Yield what must be copied or asked for, with the tag of a copy that is as it was."""
        for item in items:
            copy = copies.get(item.name)
            if copy is None or not copy.tag or not self._is_intact(item.name, copy):
                yield item
            elif copy.tag.partition("\n")[0] != item.tag:
                yield item._replace(known=copy.tag)

    def _is_intact(self, name: str, copy: Copy) -> bool:
        state = self._root.lstat(name)
        return state is not None and (state.st_size, state.st_mtime_ns) == (
            copy.size,
            copy.mtime_ns,
        )

    def _check_ours(self, stale: list[Item], copies: Mapping[str, Copy]) -> None:
        for item in stale:
            is_ours = item.name in copies and copies[item.name].is_here
            if not is_ours and self._root.lstat(item.name) is not None:
                raise UserError(
                    f"'{self._root.folder}' contains {shown(item.name)}, which is not from "
                    f"'{self._place.name}'; move it away, or choose another folder."
                )

    def _copy(self, stale: list[Item], copies: Mapping[str, Copy]) -> None:
        """Copy several files at once, and note in batches which are complete."""
        self._record.begin(item.name for item in stale if not item.known)
        finished: list[tuple[str, Copy]] = []
        noted = time.monotonic()
        items = iter(stale)
        pool = ThreadPoolExecutor(self._place.at_once, "mirror")
        pending: dict[Future[Copy | None], Item] = {}
        try:
            with Progress(len(stale), "mirror") as progress:
                while True:
                    for item in itertools.islice(items, 2 * self._place.at_once - len(pending)):
                        pending[pool.submit(self._copied, item)] = item
                    if not pending:
                        break
                    for future in wait(pending, return_when=FIRST_COMPLETED).done:
                        item = pending.pop(future)
                        failed = self._observe(item, future, finished, copies)
                        progress.advance(1, int(failed))
                    if len(finished) >= _TOGETHER or time.monotonic() - noted > _SECONDS:
                        self._record.finish(finished)
                        finished.clear()
                        noted = time.monotonic()
        except BaseException as error:
            # No copy goes on without the lock of the folder, unless the process ends at once.
            pool.shutdown(wait=isinstance(error, UserError), cancel_futures=True)
            with contextlib.suppress(UserError):  # of a full disk: the first one says more
                self._record.finish(finished)
            raise
        pool.shutdown()
        self._record.finish(finished)

    def _observe(
        self,
        item: Item,
        future: Future[Copy | None],
        finished: list[tuple[str, Copy]],
        copies: Mapping[str, Copy],
    ) -> bool:
        """Take the result of a copy; return whether it failed."""
        try:
            copy = future.result()
        except PermanentError as error:
            self._failed(item, str(error))
            if not item.known:  # else its copy stays as it was
                earlier = self._earlier(item.name, copies)
                finished.append((item.name, Copy(_failed(item), earlier.size, earlier.mtime_ns)))
            return True
        except TransferError as error:
            self._failed(item, str(error))
            self._done.is_pending = True
            if not self._earlier(item.name, copies).is_here:
                self._record.forget([item.name])  # whatever has its name is not of the mirror
            return True
        except OSError as error:
            if error.errno in _OF_DISK:
                raise UserError(cannot_write(self._root.folder, error.strerror)) from error
            self._failed(item, f"cannot be written: {error.strerror}")
            self._done.is_pending = True
            return True
        if copy is None:
            self._done.kept += 1
            return False
        finished.append((item.name, copy))
        self._done.copied += 1
        self._done.bytes += copy.size
        return False

    def _failed(self, item: Item, why: str) -> None:
        # A million files may fail for a few reasons.
        self._done.failed.append((item.name, sys.intern(why)))

    def _copied(self, item: Item) -> Copy | None:
        """Copy a file beside its name, and rename it when it is complete; None if it is known."""
        temporary = temporary_beside("")
        attempt = 0
        while True:
            attempt += 1
            descriptor = self._root.create(temporary)
            try:
                with os.fdopen(descriptor, "wb", buffering=0) as file:
                    lock_for_sweeps(file)
                    fetched = self._place.fetch(item, file)
                    size = file.tell()
                if fetched is None:
                    self._root.unlink(temporary)
                    return None
                if fetched.mtime_ns:
                    self._root.set_mtime(temporary, fetched.mtime_ns)
                self._root.make_folder(item.name.rpartition("/")[0])
                self._root.replace(temporary, item.name)
                state = self._root.lstat(item.name)
                return Copy(fetched.tag, size, state.st_mtime_ns if state else 0)
            except BaseException as error:
                self._root.unlink(temporary)
                passes = isinstance(error, TransferError) and not isinstance(error, PermanentError)
                if not passes or attempt == _ATTEMPTS:
                    raise

    @staticmethod
    def _earlier(name: str, copies: Mapping[str, Copy]) -> Copy:
        return copies.get(name, _NOTHING)

    def _remove(self, gone: list[str], copies: Mapping[str, Copy]) -> None:
        for name in gone:
            if not copies[name].is_here:
                continue
            self._done.removed += 1
            self._root.unlink(name)
            folder = name.rpartition("/")[0]
            while folder and self._root.remove_empty(folder):
                folder = folder.rpartition("/")[0]
        self._record.forget(gone)


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _failed(item: Item) -> str:
    """Return the tag that is noted of a file that cannot be copied as it is."""
    return f"{FAILED}{item.tag}"


#: Stands for a file of which there is no copy.
_NOTHING = Copy(FAILED, 0, 0)
