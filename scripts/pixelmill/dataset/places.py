"""Places: where the images of a catalog are read, from files of a folder or members of archives."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property

from pixelmill.dataset.entries import Entries, Entry
from pixelmill.storage.archives import Archives, Member, Place, is_archive
from pixelmill.storage.member import Spot


class Places:
    """Finds the images of a source.

    Parameters
    ----------
    source : str
        A folder, an archive, or a pattern of archives.
    entries : iterable of Entry, optional
        The catalog, if images are looked up by their paths.

    Examples
    --------
    >>> Places("photos").of("a/b.jpg") == os.path.join("photos", "a/b.jpg")
    True
    """

    def __init__(self, source: str, entries: Iterable[Entry] = ()) -> None:
        self._source = source
        self._archives = Archives(source) if is_archive(source) else None
        self._given = entries

    def at(self, entry: Entry) -> Place:
        """Return where an image is read.

        Raises
        ------
        FileNotFoundError
            If its archive is gone.
        """
        if self._archives is None:
            return os.path.join(self._source, entry.path)
        spot = Spot(entry.bytes, entry.changed_ns, entry.offset)
        return self._archives.member(entry.path, spot)

    def of(self, path: str) -> Place:
        """Return where an image is read, by its path.

        Raises
        ------
        FileNotFoundError
            If it is missing from the catalog of archives, or its archive is gone.
        """
        if self._archives is None:
            return os.path.join(self._source, path)
        number = self._entries.find(path)
        if number is None:
            raise FileNotFoundError(2, "it is missing from the catalog")
        return self.at(self._entries[number])

    def member(self, path: str) -> Member | None:
        """Return a member of an archive by its path; None for a file, or if it is missing."""
        try:
            place = self.of(path) if self._archives else None
        except FileNotFoundError:
            return None
        return place if isinstance(place, Member) else None

    @cached_property
    def _entries(self) -> Entries:
        given = self._given
        return given if isinstance(given, Entries) else Entries(given).sorted()
