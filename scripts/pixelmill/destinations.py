"""Destinations: where each image's outputs go."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from pixelmill.core.jobs import Job
from pixelmill.entries import Entries, Entry
from pixelmill.imaging.codecs.encoding import suffix_for
from pixelmill.imaging.recipe import Recipe
from pixelmill.naming import first_collision, plain_name, renamed


class Outputs:
    """Paths of all outputs; no two are one for any file system.

    Parameters
    ----------
    entries : Entries
        The images that may want each other's names.
    recipe : Recipe, optional
        Without one, images have no outputs.
    """

    def __init__(self, entries: Entries = Entries(), recipe: Recipe | None = None) -> None:  # noqa: B008
        self._columns = [
            (
                f"{output.name}/" if output.name else "",
                output.format,
                renamed(partial(_sources, entries, output.format)),
            )
            for output in (recipe.outputs if recipe else ())
        ]

    def of(self, entry: Entry) -> tuple[str, ...]:
        """Paths of an image's outputs, in the order of the recipe's."""
        path = entry.path
        return tuple(
            folder + (others.get(path) or plain_name(path, suffix_for(format_, entry.format, path)))
            for folder, format_, others in self._columns
        )

    def job(self, entry: Entry) -> Job:
        """What is to be done for an image."""
        return Job(entry.path, self.of(entry), entry.bytes, entry.mtime_ns, entry.changed_ns)


def colliding(entries: Entries, recipe: Recipe) -> tuple[str, str] | None:
    """Two sources whose outputs would bear one name; None where all differ."""
    found = (first_collision(partial(_sources, entries, o.format)) for o in recipe.outputs)
    return next(filter(None, found), None)


def _sources(entries: Entries, format: str) -> Iterable[tuple[str, str]]:
    return ((entry.path, suffix_for(format, entry.format, entry.path)) for entry in entries)
