"""Places: which kind of place a path or a URL stands for."""

from __future__ import annotations

import dataclasses

from pixelmill.core.errors import UserError
from pixelmill.dataset.layout import is_remote
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.transfer.buckets import Bucket, is_bucket
from pixelmill.transfer.compressed_tars import CompressedTars, is_compressed_tar
from pixelmill.transfer.place import Place
from pixelmill.transfer.sftp import Sftp
from pixelmill.transfer.url_list import UrlList, is_url_list


@dataclasses.dataclass(frozen=True)
class ListOptions:
    """How the URLs of a list are fetched; see `pixelmill.transfer.url_list.UrlList`."""

    column: str = ""
    allow_private: bool = False
    refresh: bool = False
    max_bytes: int = Limits.max_bytes


def place_at(source: str, options: ListOptions | None = None) -> Place:
    """Return the place that a user names.

    Parameters
    ----------
    source : str
        The URL of a bucket or of a folder on a server, the path or a pattern of compressed tars, or
        the path of a list of URLs.
    options : ListOptions, optional
        Only for a list.

    Raises
    ------
    UserError
        If there is no such place.
    """
    if is_url_list(source):
        return UrlList(source, **dataclasses.asdict(options or ListOptions()))
    if options is not None and options != ListOptions():
        raise UserError(f"'{source}' is not a list of URLs, which alone has such options.")
    if is_remote(source):
        return Sftp(source)
    if is_bucket(source):
        return Bucket(source)
    if is_compressed_tar(source):
        return CompressedTars(source)
    raise UserError(
        f"'{source}' is not a place that can be mirrored; give the URL of a bucket, such as "
        "s3://bucket/prefix, or of a folder on a server, such as sftp://user@host/path, compressed "
        "tars, or a text or a CSV of URLs."
    )
