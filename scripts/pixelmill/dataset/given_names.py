"""Given names: the paths after which a list names the outputs of its images."""

from __future__ import annotations

import os
from collections.abc import Callable

from pixelmill.core.errors import UserError, shown
from pixelmill.core.filenames import collision_key
from pixelmill.core.path_templates import UNFIT
from pixelmill.imaging.codecs.formats import IMAGE_SUFFIXES
from pixelmill.storage.member import member_path


class GivenNames:
    """Collects the names of a list, line by line, and refuses what contradicts itself.

    Parameters
    ----------
    wrong : callable
        Returns an error about a line, by its number and the problem.

    Attributes
    ----------
    of_entries : dict of int to str
        Names without suffixes of images, by the numbers of their entries in a catalog.
    """

    def __init__(self, wrong: Callable[[int, str], UserError]) -> None:
        self._wrong = wrong
        self._numbers: dict[str, int] = {}  # by name, as file systems compare it
        self.of_entries: dict[int, str] = {}

    def note(self, line: int, number: int, path: str, given: str) -> None:
        """Note a name for an entry; none if it is empty.

        Raises
        ------
        UserError
            If no file can have it, or if it contradicts an earlier line.
        """
        name = self._checked(line, given) if given else ""
        if self.of_entries.setdefault(number, name) != name:
            problem = f"{shown(path)} has another name in an earlier one; give one name."
            raise self._wrong(line, problem)
        if name and self._numbers.setdefault(collision_key(name), number) != number:
            problem = f"an earlier one gives the name {shown(given)} to another image; change one."
            raise self._wrong(line, problem)

    def _checked(self, line: int, given: str) -> str:
        """Return a name as every system accepts it, without a suffix of an image."""
        path, fault = member_path(given)
        parts = path.split("/")
        is_odd = any(part.startswith(".") or part.endswith((".", " ")) for part in parts)
        if fault or path != given or is_odd or UNFIT.search(path):
            raise self._wrong(
                line,
                f"{shown(given)} cannot name an output; give a relative path, without '..', hidden "
                'names, the characters < > : " \\ | ? * and dots or blanks at an end.',
            )
        stem, suffix = os.path.splitext(path)
        return stem if suffix.lower() in IMAGE_SUFFIXES else path
