"""Division: how many shards there are, and which of them a sample belongs to."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import NamedTuple

from pixelmill.core.errors import UserError, shown

#: The most shards, whose numbers have six digits.
MOST_SHARDS = 1_000_000

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


class Division(NamedTuple):
    """How many images or bytes a shard has on average; neither, if nothing is asked.

    Attributes
    ----------
    images : int or None
    bytes : int or None
    """

    images: int | None = None
    bytes: int | None = None

    def shards(self, images: int, size: Callable[[], int]) -> int:
        """Return the number of shards.

        Parameters
        ----------
        images : int
            Number of all images.
        size : callable
            Returns the bytes of all members.

        Raises
        ------
        UserError
            If there would be too many.

        Examples
        --------
        >>> Division(images=100).shards(201, lambda: 0), Division(bytes=1000).shards(9, lambda: 900)
        (3, 1)
        """
        whole, part = (size(), self.bytes) if self.bytes else (images, self.images or 1)
        count = max(1, -(-whole // part))
        if count > MOST_SHARDS:
            raise UserError(
                f"The images would be packed into {count:,} shards; ask for more images or bytes "
                f"in each, so that there are at most {MOST_SHARDS:,}."
            )
        return count


#: Of a folder that is packed for the first time, if nothing else is asked.
DEFAULT = Division(images=10_000)


def shard_of(key: str, count: int) -> int:
    """Return the number of the shard that a sample belongs to, counted from 0.

    It depends on nothing but the key and the number of shards, so that a new image changes one
    shard.

    Examples
    --------
    >>> [shard_of(f"photos/{number}", 4) for number in range(6)]
    [2, 1, 2, 3, 2, 3]
    """
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % count


def byte_count(value: object) -> int:
    """Return a number of bytes, which may have a decimal unit.

    Raises
    ------
    ValueError
        If it is not one; the message says what was found and what is allowed.

    Examples
    --------
    >>> byte_count("500M"), byte_count("1.5 GB"), byte_count(4096)
    (500000000, 1500000000, 4096)
    """
    found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,3})?) ?([kMGT]?)B?", str(value).strip())
    count = round(float(found[1]) * _UNITS[found[2]]) if found else 0
    if isinstance(value, bool) or count < 1:
        raise ValueError(f"found {shown(value)}; give a number of bytes such as 500M or 1G")
    return count
