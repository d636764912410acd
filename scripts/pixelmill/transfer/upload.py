"""Upload: brings the objects of a bucket up to date with the outputs of a run, or with shards.

Only files that are new or changed are sent, and only objects that an upload of the same folder
made are replaced or removed. Each object is compared with its file by the digest that the store
tells, or by its bytes if the store tells none.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TypeVar

from pixelmill.core.errors import RemovalsError, UserError, shown
from pixelmill.core.filenames import escape
from pixelmill.core.locks import exclusive
from pixelmill.core.progress import Progress
from pixelmill.core.root import Root
from pixelmill.transfer.buckets import Bucket, Stored
from pixelmill.transfer.place import TransferError
from pixelmill.transfer.upload_files import File, files_of
from pixelmill.transfer.upload_record import FOLDER, Known, UploadRecord

#: Files of at most so many bytes are sent at once, larger ones in parts of this size, of which a
#: store takes at most so many.
PART, _MOST_PARTS = 8 << 20, 10_000

#: Small files that are sent at the same time. Large ones follow one another, but for their parts.
_AT_ONCE = 16

#: How often an object is uploaded before it counts as failed, and failures that end an upload.
_ATTEMPTS, _MOST_FAILED = 3, 20

#: The largest share of the objects that may be removed without being asked for.
MAX_REMOVAL_RATE = 0.5

#: Objects that are noted at once.
_TOGETHER = 200

_Result = TypeVar("_Result")


@dataclass
class Uploaded:
    """What an upload did.

    Attributes
    ----------
    sent, kept, removed : int
        Numbers of objects.
    bytes : int
        Of the objects that were sent.
    """

    sent: int = 0
    kept: int = 0
    removed: int = 0
    bytes: int = 0

    def __str__(self) -> str:
        """Return the numbers as a line of text.

        Examples
        --------
        >>> print(Uploaded(sent=12, kept=1988, bytes=3_400_000))
        12 files uploaded (3.4 MB), 1,988 kept, 0 removed
        """
        return (
            f"{self.sent:,} {'file' if self.sent == 1 else 'files'} uploaded "
            f"({self.bytes / 1e6:,.1f} MB), {self.kept:,} kept, {self.removed:,} removed"
        )


def upload(
    folder: str, bucket: Bucket, max_removal_rate: float = MAX_REMOVAL_RATE, label: str = "upload"
) -> Uploaded:
    """Bring the objects below the prefix of a bucket up to date with a folder.

    If it is interrupted, the next call goes on where it was.

    Parameters
    ----------
    folder : str
        Folder of the results of a run, or of shards.
    bucket : Bucket
    max_removal_rate : float
        The largest share of the objects, 0..1, that may be removed.
    label : str
        What is being done, for the progress.

    Raises
    ------
    RemovalsError
        If more objects would be removed.
    UserError
        If the folder is no such folder, or a file was altered since it was made; if an object of
        others has the key of a file; or if files could not be uploaded.
    """
    if not os.path.isdir(folder):
        raise UserError(f"'{folder}' is not a folder; give the folder that is to be uploaded.")
    root = Root(folder)
    files = files_of(root)
    root.make_folder(FOLDER)
    place = os.path.join(folder, FOLDER)
    with exclusive(place):
        record = UploadRecord(place, bucket.name)
        try:
            return _Upload(root, bucket, record, label).update(files, max_removal_rate)
        finally:
            record.close()


class _Upload:
    def __init__(self, root: Root, bucket: Bucket, record: UploadRecord, label: str) -> None:
        self._root, self._bucket, self._record, self._label = root, bucket, record, label
        self._done = Uploaded()
        self._written = set[str]()  # keys of objects that the store has taken
        # Whether the tags of this store are known to be no digests, as with encryption by keys.
        self._has_other_tags = False

    def update(self, files: Mapping[str, File], max_removal_rate: float) -> Uploaded:
        known = self._record.objects()
        gone = [key for key in known if key not in files]
        self._check_removals(gone, known, max_removal_rate)
        present = self._present({*files, *known})
        ours = {key for key, one in known.items() if key in present and _made(one, present[key])}
        missing = self._missing(files, known, present, ours)
        self._done.kept = len(files) - len(missing)
        self._record.begin(file.key for file in missing)
        try:
            sent = self._send_all(missing)
        except UserError:
            # What others put in the places of files that were not sent is not ours.
            sent_before = known.keys() | self._written
            self._record.forget(f.key for f in missing if f.key not in sent_before)
            raise
        self._check_arrived(missing, sent)
        self._remove([key for key in gone if key in ours])
        self._record.forget(gone)
        return self._done

    def _present(self, keys: set[str]) -> dict[str, Stored]:
        """Return those of the keys that the bucket has."""
        return {key: stored for key, stored in self._bucket.objects() if key in keys}

    def _check_removals(
        self, gone: list[str], known: Mapping[str, Known], max_removal_rate: float
    ) -> None:
        uploaded = sum(one.is_ours for one in known.values())
        removed = sum(known[key].is_ours for key in gone)
        if removed > max_removal_rate * uploaded:
            raise RemovalsError(
                f"{removed:,} of {uploaded:,} files are gone from '{self._root.folder}', and their "
                f"objects in '{self._bucket.name}' would be removed; correct the folder, or, if "
                "this is intended, set removals.max_rate to 1."
            )

    def _missing(
        self,
        files: Mapping[str, File],
        known: Mapping[str, Known],
        present: Mapping[str, Stored],
        ours: set[str],
    ) -> list[File]:
        """Return the files that must be sent: their object is missing, or has other bytes.

        Raises
        ------
        UserError
            If an object that no upload of the folder made has other bytes.
        """
        missing = [file for key, file in files.items() if key not in present]
        doubtful = [
            file
            for key, file in files.items()
            if key in present and not _is_current(file, known.get(key), present[key])
        ]
        others: list[str] = []
        equal: list[tuple[str, Known]] = []

        def is_equal(file: File) -> bool:
            return self._has_bytes_of(file, present[file.key], file.key in ours)

        def observe(file: File, result: bool) -> None:
            key = file.key
            if result:
                was_ours = key in known and known[key].is_ours
                equal.append((key, Known(file.sha256, *present[key], was_ours)))
            elif key in ours:
                missing.append(file)
            else:
                others.append(key)

        self._each(doubtful, is_equal, observe, _AT_ONCE)
        if others:
            many = "an object" if len(others) == 1 else f"{len(others):,} objects"
            raise UserError(
                f"'{self._bucket.name}' has {many} of others with the names of files of "
                f"'{self._root.folder}', such as {shown(min(others))}; upload to another prefix, "
                "or remove what is not needed there."
            )
        self._record.note(equal)
        return missing

    def _has_bytes_of(self, file: File, stored: Stored, is_ours: bool) -> bool:
        """Whether an object has the bytes of a file; one of others is read if its tag differs."""
        with _Reading(self._root, file) as reading:
            if reading.size != stored.size:
                return False
            for _ in reading:
                pass
        return reading.tag == stored.tag or (not is_ours and self._reads_as(file, stored)[0])

    def _reads_as(self, file: File, expected: Stored) -> tuple[bool, str]:
        """Read an object; return whether it has the bytes of a file, and its tag."""
        stored, parts = self._bucket.read(file.key)
        if stored.size != expected.size:
            return False, stored.tag
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part)
        return digest.hexdigest() == file.sha256, stored.tag

    def _send_all(self, files: Iterable[File]) -> dict[str, Stored]:
        """Upload files: first images or shards, then the tables that name them."""
        sent: dict[str, Stored] = {}
        ordered = sorted(files, key=lambda file: file.is_table)
        with Progress(len(ordered), self._label) as progress:
            finished: list[tuple[str, Known]] = []

            def observe(file: File, stored: Stored) -> None:
                sent[file.key] = stored
                finished.append((file.key, Known(file.sha256, *stored, is_ours=True)))
                self._done.sent += 1
                self._done.bytes += stored.size
                progress.advance(1)
                if len(finished) >= _TOGETHER:
                    note()

            def note() -> None:
                self._record.note(finished)
                finished.clear()

            try:
                for _, group in itertools.groupby(ordered, lambda file: file.is_table):
                    small, large = self._by_size(group)
                    self._each(small, self._send, observe, _AT_ONCE)
                    self._each(large, self._send, observe, 1)
            finally:
                note()
        return sent

    def _by_size(self, files: Iterable[File]) -> tuple[list[File], list[File]]:
        small: list[File] = []
        large: list[File] = []
        for file in files:
            state = self._root.lstat(file.path)
            (small if state is None or state.st_size <= PART else large).append(file)
        return small, large

    def _send(self, file: File) -> Stored:
        """Upload a file; return the object as the store tells it, and as it is listed from now on.

        Raises
        ------
        TransferError
            If it cannot be written, or if other bytes arrive.
        """
        with _Reading(self._root, file) as reading:
            content = b"".join(reading) if reading.size <= PART else iter(reading)
            tag = self._bucket.put(file.key, content, file.kind, reading.part)
        self._written.add(file.key)
        sent = Stored(reading.size, reading.tag)
        if tag == sent.tag:
            return sent
        if self._has_other_tags:
            return Stored(reading.size, tag)
        is_equal, listed = self._reads_as(file, sent)
        if not is_equal:
            raise TransferError("other bytes arrived than were sent")
        self._has_other_tags = listed == tag
        return Stored(reading.size, listed)

    def _check_arrived(self, files: Sequence[File], sent: dict[str, Stored]) -> None:
        """List what was uploaded; upload once more what is not listed as it was sent."""
        for attempt in range(2 if files else 0):
            present = self._present({file.key for file in files})
            wrong = [file for file in files if not self._is_as_sent(file, present, sent[file.key])]
            if not wrong:
                return
            if attempt:
                many = "an object" if len(wrong) == 1 else f"{len(wrong):,} objects"
                raise UserError(
                    f"'{self._bucket.name}' does not have {many} as uploaded, such as "
                    f"{shown(wrong[0].key)}; find out what else writes there, then run the same "
                    "command again."
                )
            self._record.begin(file.key for file in wrong)
            self._done.sent -= len(wrong)
            self._done.bytes -= sum(sent[file.key].size for file in wrong)
            files, sent = wrong, self._send_all(wrong)

    def _is_as_sent(self, file: File, present: Mapping[str, Stored], sent: Stored) -> bool:
        """Whether the store lists what was sent; an object with another tag is read."""
        found = present.get(file.key)
        if found == sent:
            return True
        try:
            if found is None or not self._reads_as(file, found)[0]:
                return False
        except TransferError:
            return False
        self._record.note([(file.key, Known(file.sha256, *found, is_ours=True))])
        return True

    def _remove(self, keys: list[str]) -> None:
        """Remove objects that earlier uploads made."""
        try:
            self._bucket.delete(keys)
        except TransferError as error:
            raise UserError(
                f"Objects of '{self._bucket.name}' cannot be removed: {error}; run the same "
                "command again."
            ) from error
        self._done.removed = len(keys)

    def _each(
        self,
        files: Iterable[File],
        work: Callable[[File], _Result],
        observe: Callable[[File, _Result], None],
        at_once: int,
    ) -> None:
        """Do work for several files at once; what fails is repeated, and does not end the others.

        Raises
        ------
        UserError
            In the end, if some failed; at once, if many did.
        """

        def repeated(file: File) -> _Result:
            for _ in range(_ATTEMPTS - 1):
                with contextlib.suppress(TransferError):
                    return work(file)
            return work(file)

        failed: list[str] = []
        remaining = iter(files)
        pool = ThreadPoolExecutor(at_once, "upload")
        pending: dict[Future[_Result], File] = {}
        try:
            while len(failed) < _MOST_FAILED:
                for file in itertools.islice(remaining, 2 * at_once - len(pending)):
                    pending[pool.submit(repeated, file)] = file
                if not pending:
                    break
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    file = pending.pop(future)
                    try:
                        observe(file, future.result())
                    except TransferError as error:
                        failed.append(f"{shown(file.key)}: {error}")
        except BaseException as error:
            # Nothing is sent without the lock of the folder, unless the process ends at once.
            pool.shutdown(wait=isinstance(error, UserError), cancel_futures=True)
            raise
        pool.shutdown(cancel_futures=True)
        if failed:
            many = "1 file" if len(failed) == 1 else f"{len(failed):,} files"
            raise UserError(
                f"{many} could not be uploaded to '{self._bucket.name}', such as {failed[0]}; "
                "correct this, then run the same command again. Finished work is kept."
            )


def _made(known: Known, stored: Stored) -> bool:
    """Whether an object is the one that an upload made, and nobody has replaced it.

    If an upload was killed, it is not known which of its objects it made.
    """
    return known.is_ours and (not known.sha256 or stored == (known.size, known.tag))


def _is_current(file: File, known: Known | None, stored: Stored) -> bool:
    """Whether an object is known to have the bytes of a file."""
    return known is not None and known.sha256 == file.sha256 and stored == (known.size, known.tag)


class _Reading:
    """The content of a file in parts, whose digests are computed while it is read.

    Attributes
    ----------
    size, part : int
        Bytes of the file, and of each part but the last.
    tag : str
        After the last part: the ETag that stores give an object that is sent so, if they compute
        it as S3 does.
    """

    def __init__(self, root: Root, file: File) -> None:
        self._path = escape(os.path.join(root.folder, file.path))
        self._sha256 = file.sha256
        self.tag = ""
        try:
            self._file = os.fdopen(root.open(file.path), "rb")
        except OSError as error:
            raise self._unreadable(error) from error
        self.size = os.fstat(self._file.fileno()).st_size
        self.part = max(PART, -(-self.size // _MOST_PARTS))

    def __enter__(self) -> _Reading:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[bytes]:
        """Yield the parts.

        Raises
        ------
        UserError
            If the file cannot be read; after the last part, if it was altered since it was made.
        """
        whole = hashlib.sha256()
        parts: list[bytes] = []
        while True:
            try:
                part = self._file.read(self.part)
            except OSError as error:
                raise self._unreadable(error) from error
            if not part:
                break
            whole.update(part)
            parts.append(_md5(part))
            yield part
        if whole.hexdigest() != self._sha256:
            raise UserError(
                f"'{self._path}' was altered after it was made; make it again, then upload again."
            )
        if self.size <= PART:
            self.tag = (parts or [_md5(b"")])[0].hex()
        else:
            self.tag = f"{_md5(b''.join(parts)).hex()}-{len(parts)}"

    def _unreadable(self, error: OSError) -> UserError:
        return UserError(
            f"'{self._path}' cannot be read: {error.strerror}; make it again, then upload again."
        )


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()
