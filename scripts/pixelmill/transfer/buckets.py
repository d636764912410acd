"""Buckets: object stores such as S3, Google Cloud Storage and Azure, read and written by obstore.

Credentials are those that obstore finds: in the environment, or those of the machine. They are in
no config, log or record.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO

from pixelmill.core.errors import UserError
from pixelmill.core.files import write_all
from pixelmill.transfer.place import Fetched, Item, TransferError

#: Schemes of URLs, and what they stand for.
SCHEMES = {"s3": "Amazon S3", "gs": "Google Cloud Storage", "az": "Azure Blob Storage"}

#: Requests at the same time: they wait for the network most of the time.
AT_ONCE = 32

#: How often a request is repeated if the store or the network fails, and for how long.
_RETRIES: Any = {"max_retries": 6, "retry_timeout": timedelta(minutes=2)}

#: Objects that are listed, and bytes that are read, at once.
_LISTED, _READ = 1000, 1 << 20


def is_bucket(source: str) -> bool:
    """Whether a text is the URL of a bucket.

    Examples
    --------
    >>> is_bucket("s3://photos/2024"), is_bucket("photos/2024"), is_bucket("https://example.org")
    (True, False, False)
    """
    return source.partition("://")[0] in SCHEMES and "://" in source


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
        parts = urllib.parse.urlsplit(url)
        if parts.username or parts.password or parts.query:
            raise UserError(
                f"'{parts.scheme}://{parts.hostname or ''}{parts.path}' was given with more than "
                "bucket and prefix; put credentials into the environment, such as "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
            )
        try:
            import obstore
            from obstore.store import from_url
        except ImportError as error:
            raise UserError(
                f"'{url}' cannot be read: buckets need the package obstore: pip install obstore."
            ) from error
        self.name = url.rstrip("/")
        self._library = obstore
        try:
            self._store = from_url(self.name, retry_config=_RETRIES)
        except Exception as error:  # of several kinds
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> UserError:
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
        try:
            for found in self._library.list(self._store, chunk_size=_LISTED):
                for one in found:
                    path: str = one["path"]
                    if one["size"] or "." in path.rpartition("/")[2]:
                        yield Item(path, one["size"], _tag(one), path)
        except Exception as error:
            raise self._unusable(error) from error

    def fetch(self, item: Item, file: BinaryIO) -> Fetched:
        """Write the content of an object.

        Raises
        ------
        TransferError
        """
        size = 0
        try:
            response = self._library.get(self._store, item.address)
            meta: Any = response.meta
            parts = iter(response.stream(min_chunk_size=_READ))
        except Exception as error:
            raise TransferError(_reason(error)) from error
        while True:
            try:
                part = next(parts, None)
            except Exception as error:
                raise TransferError(_reason(error)) from error
            if part is None:
                break
            write_all(file.fileno(), part)
            size += len(part)
        if size != meta["size"]:
            raise TransferError(f"{size:,} of {meta['size']:,} bytes were received")
        changed: datetime = meta["last_modified"]
        return Fetched(_tag(meta), int(changed.replace(tzinfo=UTC).timestamp() * 1e6) * 1000)


def _tag(meta: Any) -> str:
    """Return what differs if an object was changed."""
    return str(meta["e_tag"] or f"{meta['size']} {meta['last_modified']}")


#: Codes that stores give in their answers, in XML or JSON.
_CODE = re.compile(r"<Code>(\w+)</Code>|status code: (\d{3} [A-Za-z ]+)")


def _reason(error: Exception) -> str:
    """Return the cause of an error of obstore in a few words: its texts have many lines.

    Examples
    --------
    >>> _reason(OSError("Generic S3 error: Server returned status code: 403 Forbidden: <Error>"))
    '403 Forbidden'
    """
    text = str(error)
    found = [code or status for code, status in _CODE.findall(text)]
    return found[-1].strip() if found else text.partition("\n")[0].strip().rstrip(".:")
