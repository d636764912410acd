"""Place: what a mirror needs to know about where images are, whatever it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, Protocol


class Item(NamedTuple):
    """A file that a place has.

    Attributes
    ----------
    name : str
        Its path in the mirror, with ``/``.
    size : int
        In bytes; -1 if the place does not tell.
    tag : str
        A text that differs if the content does, as far as the place tells, such as an ETag; empty
        if only `Place.fetch` can tell.
    address : str
        How the place finds it.
    known : str
        The tag of the copy that the mirror has; empty if it has none. Set by the mirror.
    fault : str
        What it is if no copy of it can be a file of the mirror, in the plural, such as "links".
    """

    name: str
    size: int
    tag: str
    address: str
    known: str = ""
    fault: str = ""


class Fetched(NamedTuple):
    """What is known of a file once it was copied.

    Attributes
    ----------
    tag : str
        That of the content that was read: it may have changed since it was listed. The mirror
        compares its first line only; others are for the place.
    mtime_ns : int
        When it was changed at its place, in ns since 1970; 0 if the place does not tell.
    """

    tag: str
    mtime_ns: int


class TransferError(Exception):
    """A file could not be copied; the message says why, and what to do."""


class PermanentError(TransferError):
    """A file could not be copied, and another attempt in this run would not help."""


class Place(Protocol):
    """A place from which images are copied.

    Attributes
    ----------
    name : str
        How messages name it, and how a mirror knows it again. It contains no secret.
    at_once : int
        How many files to copy at the same time.
    """

    name: str
    at_once: int

    def items(self) -> Iterator[Item]:
        """List what the place has.

        Raises
        ------
        UserError
            If it cannot be listed.
        """
        ...

    def fetch(self, item: Item, file: BinaryIO) -> Fetched | None:
        """Write the content of a file; called by several threads.

        Returns
        -------
        Fetched, optional
            None if the content is that of `item.known`.

        Raises
        ------
        TransferError
            If it cannot be read.
        OSError
            If it cannot be written.
        """
        ...
