"""Buckets: object stores such as S3, Google Cloud Storage and Azure, read and written by obstore.

Credentials are those that obstore finds: in the environment, or those of the machine. They are in
no config, log or record.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import queue
import re
import threading
import urllib.parse
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any, BinaryIO, NamedTuple

from pixelmill.core.errors import UserError, shortened, shown
from pixelmill.core.files import write_all
from pixelmill.transfer.place import Fetched, Item, TransferError

#: Schemes of URLs, and what they stand for.
SCHEMES = {"s3": "Amazon S3", "gs": "Google Cloud Storage", "az": "Azure Blob Storage"}

#: Requests at the same time: they wait for the network most of the time.
AT_ONCE = 32

#: How often a request is repeated if the store or the network fails, and for how long.
_RETRIES: Any = {"max_retries": 6, "retry_timeout": timedelta(minutes=2)}

#: The last second that counts as a time.
_LATEST = 1 << 33

#: Objects that are listed, and bytes that are read, at once.
_LISTED, _READ = 1000, 1 << 20

#: Parts of a list that are asked for ahead, and the most seconds that one may take.
_AHEAD, _LONGEST_WAIT = 2, 600.0

#: The most objects of a bucket: a list that never ends would fill the memory.
_MOST_OBJECTS = 10_000_000

#: Characters that have a meaning of their own in URLs.
_AMBIGUOUS = re.compile(r"[#%\\\x00-\x1f\x7f]")

#: Parts of an object that are sent at the same time.
_PARTS = 8


def is_bucket(source: str) -> bool:
    """Whether a text is the URL of a bucket.

    Examples
    --------
    >>> is_bucket("s3://photos/2024"), is_bucket("photos/2024"), is_bucket("https://example.org")
    (True, False, False)
    """
    return source.partition("://")[0] in SCHEMES and "://" in source


def check_url(url: str) -> None:
    """Check that a text is the URL of a bucket, and has no credentials in it.

    Raises
    ------
    UserError
        Without the credentials.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.username or parts.password or parts.query:
        raise UserError(
            f"'{parts.scheme}://{parts.hostname or ''}{parts.path}' was given with more than "
            "bucket and prefix; put credentials into the environment, such as "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    if not is_bucket(url) or not parts.netloc:
        raise UserError(
            f"{shown(url)} is not a bucket; give a URL such as s3://bucket/prefix, gs://bucket or "
            "az://container."
        )
    prefix = url.partition("://")[2].rstrip("/").split("/")
    if _AMBIGUOUS.search(url) or not all(prefix) or {".", ".."} & {*prefix}:
        raise UserError(
            f"{shown(url)} is not the same prefix to all programs: it has '#', '%', a backslash, a "
            "control character, or a part that is empty, '.' or '..'; choose another prefix."
        )


def library(url: str) -> ModuleType:
    """Return obstore.

    Raises
    ------
    UserError
        If it is not installed; the message names the bucket.
    """
    try:
        importlib.import_module("obstore.store")
        return importlib.import_module("obstore")
    except ImportError as error:
        raise UserError(
            f"'{url}' cannot be used: buckets need the package obstore: pip install obstore."
        ) from error


class Stored(NamedTuple):
    """What a store tells of an object.

    Attributes
    ----------
    size : int
        In bytes.
    tag : str
        Its ETag without quotes, or what else differs if the object was changed.
    """

    size: int
    tag: str


class Bucket:
    """Objects below a prefix of a bucket.

    Parameters
    ----------
    url : str
        Such as ``s3://bucket/prefix``.

    Raises
    ------
    UserError
        If the URL is wrong, or if obstore is not installed.
    """

    at_once = AT_ONCE

    def __init__(self, url: str) -> None:
        check_url(url)
        self.name = url.rstrip("/")
        self._library = library(self.name)
        _check_address()
        with self._told():
            self._store = self._library.store.from_url(self.name, retry_config=_RETRIES)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn errors of obstore into a sentence; what it calls a panic is no `Exception`."""
        try:
            yield
        except BaseException as error:
            if isinstance(error, Exception) or type(error).__name__ == "PanicException":
                raise self._unusable(error) from error
            raise

    def _unusable(self, error: BaseException) -> UserError:
        if no_path := _NO_PATH.search(str(error)):
            return UserError(
                f"The bucket '{self.name}' cannot be listed, because the key '{no_path[1]}' of one "
                "of its objects is no path; rename that object, or give a prefix without it."
            )
        return UserError(
            f"The bucket '{self.name}' cannot be used: {_reason(error)}; correct the URL, or the "
            "credentials and the address in the environment."
        )

    def items(self) -> Iterator[Item]:
        """List the objects, but for those by which some programs mark folders.

        Raises
        ------
        UserError
            If the bucket cannot be listed.
        """
        for path, stored in self.objects():
            if stored.size or "." in path.rpartition("/")[2]:
                yield Item(path, stored.size, stored.tag, path)

    def objects(self) -> Iterator[tuple[str, Stored]]:
        """List all objects by their keys below the prefix.

        Raises
        ------
        UserError
            If the bucket cannot be listed.
        """
        firsts = set[str]()
        for found in self._lists():
            if found[0]["path"] in firsts or len(firsts) * _LISTED > _MOST_OBJECTS:
                why = f"it has more than {_MOST_OBJECTS:,} objects"
                if found[0]["path"] in firsts:
                    why = f"it lists {shown(found[0]['path'])} twice, as if its list had no end"
                raise self._endless(why)
            firsts.add(found[0]["path"])
            for one in found:
                yield one["path"], Stored(one["size"], _tag(one))

    def _lists(self) -> Iterator[Sequence[Any]]:
        """Yield parts of the list, for which another thread waits: Ctrl-C does not end obstore."""
        found: queue.SimpleQueue[tuple[Sequence[Any] | None, BaseException | None]]
        found, wanted, is_over = queue.SimpleQueue(), threading.Semaphore(_AHEAD), threading.Event()

        def ask() -> None:
            try:
                lists = iter(self._library.list(self._store, chunk_size=_LISTED))
                part: Any = ()
                while part is not None and wanted.acquire() and not is_over.is_set():
                    part = next(lists, None)
                    found.put((part, None))
            except BaseException as error:  # what obstore calls a panic too
                found.put((None, error))

        threading.Thread(target=ask, name="list", daemon=True).start()
        try:
            while True:
                part, error = found.get(timeout=_LONGEST_WAIT)
                with self._told():
                    if error is not None:
                        raise error
                if part is None:
                    return
                yield part
                wanted.release()
        except queue.Empty as error:
            raise self._endless(f"nothing came for {_LONGEST_WAIT:.0f} seconds") from error
        finally:
            is_over.set()
            wanted.release()

    def _endless(self, why: str) -> UserError:
        return UserError(
            f"The bucket '{self.name}' cannot be listed: {why}; give another prefix, or ask those "
            "who run the store."
        )

    def fetch(self, item: Item, file: BinaryIO) -> Fetched | None:
        """Write the content of an object; None if that of its copy is current.

        Some stores tell another tag with an object than in their lists. Such a copy has both.

        Raises
        ------
        TransferError
        """
        tag, *listed = item.known.split("\n")
        if listed == [item.tag] and self._tag_of(item.address) == tag:
            return None
        meta, parts = self._opened(item.address)
        for part in parts:
            write_all(file.fileno(), part)
        changed: datetime = meta["last_modified"]
        seconds = changed.replace(tzinfo=UTC).timestamp()
        tag = _tag(meta)
        if tag != item.tag:
            tag = f"{tag}\n{item.tag}"
        return Fetched(tag, int(seconds * 1e6) * 1000 if 0 < seconds < _LATEST else 0)

    def _tag_of(self, key: str) -> str:
        try:
            return _tag(self._library.head(self._store, key))
        except Exception as error:
            raise TransferError(_reason(error)) from error

    def read(self, key: str) -> tuple[Stored, Iterator[Any]]:
        """Return what is known of an object, and its content in parts.

        Raises
        ------
        TransferError
            If it cannot be read; also from the iterator.
        """
        meta, parts = self._opened(key)
        return Stored(meta["size"], _tag(meta)), parts

    def _opened(self, key: str) -> tuple[Any, Iterator[Any]]:
        try:
            response = self._library.get(self._store, key)
            return response.meta, self._parts(response)
        except Exception as error:
            raise TransferError(_reason(error)) from error

    def _parts(self, response: Any) -> Iterator[Any]:
        size, expected = 0, response.meta["size"]
        parts = iter(response.stream(min_chunk_size=_READ))
        while True:
            try:
                part = next(parts, None)
            except Exception as error:
                raise TransferError(_reason(error)) from error
            if part is None:
                break
            yield part
            size += len(part)
        if size != expected:
            raise TransferError(f"{size:,} of {expected:,} bytes were received")

    def put(self, key: str, content: bytes | Iterator[bytes], kind: str, part_size: int) -> str:
        """Write an object, which appears when it is complete.

        Parameters
        ----------
        key : str
            Below the prefix.
        content : bytes or iterator of bytes
            An iterator is sent in parts. If it raises an error, there is no object.
        kind : str
            Media type, such as ``image/jpeg``.
        part_size : int
            Bytes of each part but the last.

        Returns
        -------
        str
            Its tag.

        Raises
        ------
        TransferError
            If it cannot be written.
        UserError
            Of the iterator.
        """
        try:
            answer: Any = self._library.put(
                self._store,
                key,
                content,
                attributes={"Content-Type": kind},
                use_multipart=not isinstance(content, bytes),
                chunk_size=part_size,
                max_concurrency=_PARTS,
            )
        except UserError:
            raise
        except Exception as error:
            raise TransferError(_reason(error)) from error
        return _unquoted(answer["e_tag"] or "")

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects, which exist.

        Raises
        ------
        TransferError
        """
        try:
            for start in range(0, len(keys), _LISTED):
                self._library.delete(self._store, keys[start : start + _LISTED])
        except Exception as error:
            raise TransferError(_reason(error)) from error


def _tag(meta: Any) -> str:
    """Return what differs if an object was changed."""
    if tag := _unquoted(meta["e_tag"] or ""):
        return tag
    # Lists have fractions of seconds, and answers have none.
    return f"{meta['size']} {meta['last_modified']:%Y-%m-%d %H:%M:%S}"


def _unquoted(tag: str) -> str:
    return " ".join(tag.split()).removeprefix("W/").strip('"')


#: Codes that stores give in their answers, in XML or JSON.
_CODE = re.compile(r"<Code>(\w+)</Code>|status code: (\d{3} [A-Za-z ]+)")


#: What obstore says of a key that it takes for no path.
_NO_PATH = re.compile(r'invalid path: (?:Error parsing )?Path "(.+?)"(?:: | contained )', re.DOTALL)

#: User name and password in a URL, such as that of the address of a store.
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*@")


def _check_address() -> None:
    """Check the address of the store in the environment, over which obstore would stumble.

    Raises
    ------
    UserError
    """
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"):
        address = os.environ.get(name, "")
        if address and not re.match(r"https?://[^\s/]", address):
            raise UserError(
                f"The environment variable {name} is no URL that begins with https:// or http://; "
                "correct it."
            )


def _reason(error: BaseException) -> str:
    """Return the cause of an error of obstore in a few words: its texts have many lines.

    Examples
    --------
    >>> _reason(OSError("Generic S3 error: Server returned status code: 403 Forbidden: <Error>"))
    '403 Forbidden'
    """
    text = _CREDENTIALS.sub("", str(error))
    found = [code or status for code, status in _CODE.findall(text)]
    return shortened(found[-1].strip() if found else text.partition("\n")[0].strip().rstrip(".:"))
