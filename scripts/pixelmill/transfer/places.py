"""Places: which kind of place a path or a URL stands for."""

from __future__ import annotations

from pixelmill.core.errors import UserError
from pixelmill.transfer.buckets import Bucket, is_bucket
from pixelmill.transfer.place import Place


def place_at(source: str) -> Place:
    """Return the place that a user names.

    Parameters
    ----------
    source : str
        The URL of a bucket.

    Raises
    ------
    UserError
        If there is no such place.
    """
    if is_bucket(source):
        return Bucket(source)
    raise UserError(
        f"'{source}' is not a place that can be mirrored; give the URL of a bucket, such as "
        "s3://bucket/prefix."
    )
