"""Output names: where the outputs of each image go, without collisions on any file system.

Few sources compete for a name. The names of all others are kept as numbers of eight bytes, so
that a million of them fit into memory.
"""

from __future__ import annotations

import bisect
import copy
import functools
import hashlib
import itertools
import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import NamedTuple, TypeAlias

import xxhash

from pixelmill.core.errors import UserError
from pixelmill.core.filenames import collision_key, escape
from pixelmill.core.jobs import UP_TO_DATE, Job
from pixelmill.core.path_templates import DateTaken, fill
from pixelmill.dataset.entries import Columns, Entries, Entry
from pixelmill.dataset.paths import CHUNK
from pixelmill.imaging.codecs.formats import SAME, output_suffix, split_suffix
from pixelmill.imaging.recipe import SIDECAR, Output, Recipe

#: Longest file name that every common file system accepts, in bytes.
MAX_NAME_BYTES = 255

#: From this many numbers on, importing NumPy to sort them takes less time than sorting without it.
_MANY = 50_000

#: The most bytes that a character takes in a file name.
_MOST_BYTES = 4


class Source(NamedTuple):
    """What decides the name of an output.

    Attributes
    ----------
    path : str
        Of the source, relative with ``/``.
    suffix : str
        Of the output, with the dot.
    taken : int
        When the picture was taken, as in `pixelmill.dataset.entries.Entry`.
    name : str
        What a list names it after, in place of its path; see there.
    """

    path: str
    suffix: str
    taken: int = 0
    name: str = ""

    @property
    def stem(self) -> str:
        """The path after which it is named, without a suffix."""
        return self.name or split_suffix(self.path)[0]


#: Returns the path of an output that no other source wants.
Naming: TypeAlias = Callable[[Source], str]

#: Returns all sources.
Sources: TypeAlias = Callable[[], Iterable[Source]]


def plain_name(source: Source) -> str:
    """Return the path of an output that no other source wants.

    Examples
    --------
    >>> plain_name(Source("b/c.PNG", ".jpg")), plain_name(Source("IMG.2024-05-01", ".jpg"))
    ('b/c.jpg', 'IMG.2024-05-01.jpg')
    """
    return _fit(source.stem + source.suffix, source.path)


def templated_name(template: str, sides: Sequence[int | None], source: Source) -> str:
    """Return the path of an output by a template, if no other source wants it.

    Examples
    --------
    >>> source = Source("b/c.PNG", ".jpg", 20260501123000)
    >>> templated_name("{folder}/{stem}-{width}.{ext}", (640, None), source)
    'b/c-640.jpg'
    >>> templated_name("{taken:%Y/%m}/{name}", (None, None), source)
    '2026/05/c.jpg'
    """
    suffix = source.suffix
    folder, _, stem = source.stem.rpartition("/")
    values = {"folder": folder, "stem": stem, "name": stem + suffix, "ext": suffix[1:]}
    sized = {"width": sides[0], "height": sides[1]}
    made = fill(template, {**values, **sized, "taken": DateTaken(source.taken)})
    *folders, name = made.split("/")
    return "/".join((*map(_fit_folder, folders), _fit(name, source.path)))


def sidecar_name(output: str) -> str:
    """Return the path of the file that describes an output.

    Examples
    --------
    >>> sidecar_name("b/c.jpg")
    'b/c.jpg.json'
    """
    return _fit(output + SIDECAR, output)


def renamed(
    sources: Sources, naming: Naming = plain_name, names: Iterable[Sequence[str]] | None = None
) -> dict[str, str]:
    """Return the paths of the outputs that cannot have their plain names, by source.

    `names` are the plain names of all sources, many at a time, if they are known.

    Two paths collide if a file system that ignores case or Unicode normalization would treat
    them as one. The plain name goes to a source whose name a list gives, else to one that already
    has the suffix, else to the first one by path; the others keep their own suffix before the new
    one, or, with a template, get a digest of their paths there. Folders keep their names: no file
    may have the name of one.

    Examples
    --------
    >>> renamed(lambda: [Source(path, ".jpg") for path in ("a.gif", "a.png", "b/c.PNG")])
    {'a.png': 'a.png.jpg'}
    >>> renamed(lambda: [Source(path, ".jpg") for path in ("a.bmp", "a.jpg")])
    {'a.bmp': 'a.bmp.jpg'}
    """
    keys, taken = _survey(_named(sources, naming) if names is None else names)
    wanted_by_many = _repeated(keys) | {key for key in map(_key, taken) if _holds(keys, key)}
    rest: list[Source] = []
    for known_as, group in _crowds(sources, wanted_by_many, naming).items():
        if known_as in taken:
            rest.extend(group)
        elif len(group) > 1:
            bearing = (one for one in group if one.path.lower().endswith(one.suffix.lower()))
            given = (one for one in group if one.name)
            group.remove(next(given, None) or next(bearing, group[0]))
            rest.extend(group)
    outputs: dict[str, str] = {}
    for source in sorted(rest):
        for candidate in _candidates(source, naming):
            known_as = collision_key(candidate)
            if known_as not in taken and not _holds(keys, _key(known_as)):
                break
        taken.add(known_as)
        outputs[source.path] = candidate
    return outputs


def _candidates(source: Source, naming: Naming) -> Iterator[str]:
    """Yield other paths for an output whose plain name has gone to another source, without end."""
    path, suffix, base = source.path, source.suffix, source.path
    if naming is plain_name and not source.name:
        yield _fit(path + suffix, path)
    else:
        base = naming(source).removesuffix(suffix)
    for tries in itertools.count():
        mark = _short_digest(path + "/" * tries)
        yield _fit(f"{base}.{mark}{suffix}", path + "/" * tries)


def first_collision(sources: Sources, naming: Naming = plain_name) -> tuple[str, str] | None:
    """Return two sources with the same plain output name; None if there are none.

    Examples
    --------
    >>> first_collision(lambda: [Source("a.gif", ".jpg"), Source("A.png", ".jpg")])
    ('A.png', 'a.gif')
    """
    keys, _ = _survey(_named(sources, naming))
    crowds = _crowds(sources, _repeated(keys), naming).values()
    pairs = [(group[1].path, group[0].path) for group in crowds if len(group) > 1]
    return min(pairs)[::-1] if pairs else None


def _named(sources: Sources, naming: Naming) -> Iterator[list[str]]:
    """Yield the plain names of all sources, many at a time."""
    rest = map(naming, sources())
    while some := list(itertools.islice(rest, CHUNK)):
        yield some


def _survey(names: Iterable[Sequence[str]]) -> tuple[array[int], set[str]]:
    """Return the numbers of all plain names, sorted, and the collision keys of all folders."""
    keys = array("Q")
    folders = set()
    for some in names:
        keys.extend(map(_key, map(collision_key, some)))
        folders.update([name.rpartition("/")[0] for name in some])
    taken = {
        collision_key(str(parent))
        for folder in folders
        for parent in (PurePosixPath(folder), *PurePosixPath(folder).parents)
    }
    return _sorted(keys), taken


def _sorted(keys: array[int]) -> array[int]:
    if len(keys) < _MANY:
        return array("Q", sorted(keys))
    import numpy as np

    np.frombuffer(keys, np.uint64).sort()
    return keys


def _key(name: str) -> int:
    """Return a number for a name; two names share one once in a hundred million datasets."""
    return xxhash.xxh3_64_intdigest(name.encode("utf-8", "surrogatepass"))


def _repeated(keys: array[int]) -> set[int]:
    return {key for key, after in itertools.pairwise(keys) if key == after}


def _holds(keys: array[int], key: int) -> bool:
    place = bisect.bisect_left(keys, key)
    return place < len(keys) and keys[place] == key


def _crowds(sources: Sources, keys: set[int], naming: Naming) -> dict[str, list[Source]]:
    """Return the sources whose plain names have these numbers, by name, each group sorted."""
    crowds: dict[str, list[Source]] = {}
    for source in sources() if keys else ():
        known_as = collision_key(naming(source))
        if _key(known_as) in keys:
            crowds.setdefault(known_as, []).append(source)
    for group in crowds.values():
        group.sort()
    return crowds


def _fit(output: str, source: str) -> str:
    """Shorten a name that is too long; a digest of the source keeps it unique."""
    if len(output) * _MOST_BYTES <= MAX_NAME_BYTES:  # true for nearly all names
        return output
    parent, slash, name = output.rpartition("/")
    if len(os.fsencode(name)) <= MAX_NAME_BYTES:
        return output
    suffix = PurePosixPath(name).suffix
    tail = f"~{_short_digest(source)}{suffix}"
    return f"{parent}{slash}{_cut(name.removesuffix(suffix), tail)}"


def _fit_folder(name: str) -> str:
    """Shorten the name of a folder that is too long; a digest of the whole name replaces its end.

    Examples
    --------
    >>> _fit_folder("a.b"), len(_fit_folder(255 * "a" + ".b"))
    ('a.b', 255)
    """
    if len(os.fsencode(name)) <= MAX_NAME_BYTES:
        return name
    return _cut(name, f"~{_short_digest(name)}")


def _cut(name: str, tail: str) -> str:
    """Return as much of a name as fits, followed by a tail, which must be short."""
    room = MAX_NAME_BYTES - len(os.fsencode(tail))
    while len(os.fsencode(name)) > room:
        name = name[:-1]
    return name + tail


def _short_digest(text: str) -> str:
    return hashlib.blake2b(escape(text).encode(), digest_size=4).hexdigest()


def naming_of(recipe: Recipe, output: Output) -> Naming:
    """Return the function that names the files of an output."""
    template = output.delivery.get("path")
    if template is None:
        return plain_name
    return partial(templated_name, template, recipe.sides_of(output))


class Outputs:
    """Paths of all outputs; no two are the same on any file system.

    Parameters
    ----------
    entries : Entries
        The images whose output names may collide.
    recipe : Recipe, optional
        Without it, images have no outputs.
    """

    def __init__(self, entries: Entries = Entries(), recipe: Recipe | None = None) -> None:  # noqa: B008
        self._columns = (
            []
            if recipe is None
            else [
                (
                    f"{output.name}/" if output.name else "",
                    output.format,
                    naming_of(recipe, output),
                    _renamed(entries, output.format, naming_of(recipe, output)),
                )
                for output in recipe.outputs
            ]
        )

        self.variants = () if recipe is None else recipe.variants
        self._up_to_date: Mapping[tuple[str, ...], Entries] = {}
        described = [] if recipe is None else recipe.outputs
        self._with_sidecar = [n for n, output in enumerate(described) if output.has_sidecar]
        if self._with_sidecar:
            self._check_sidecars(entries)

    def _check_sidecars(self, entries: Entries) -> None:
        """Refuse sidecars with the name of a folder, or with one shortened name.

        Names of images never end like those of sidecars, and differ from each other.
        """
        images, folders, shortened = len(self._columns), dict[str, str](), dict[str, str]()
        for entry in entries:
            for path in self.of(entry)[:images]:
                for parent in PurePosixPath(path).parents:
                    if (key := collision_key(str(parent))).endswith(SIDECAR):
                        folders[key] = entry.path
        for entry in entries:
            paths = self.of(entry)
            for number, sidecar in zip(self._with_sidecar, paths[images:], strict=True):
                key = collision_key(sidecar)
                other = folders.get(key)
                if sidecar != paths[number] + SIDECAR:
                    other = shortened.setdefault(key, entry.path)
                if other not in (None, entry.path):
                    raise UserError(
                        f"'{escape(entry.path)}' and '{escape(str(other))}' need the same name "
                        f"'{escape(sidecar)}', one of them for a sidecar; rename one of them, or "
                        "leave 'sidecar' out."
                    )

    def of(self, entry: Entry) -> tuple[str, ...]:
        """Return the paths of an image's outputs, in the order of the recipe's variants."""
        path = entry.path
        images = tuple(
            [  # a list takes less time than a generator
                folder + (others.get(path) or naming(_source(entry, format_)))
                for folder, format_, naming, others in self._columns
            ]
        )
        if not self._with_sidecar:
            return images
        return images + tuple(sidecar_name(images[number]) for number in self._with_sidecar)

    def firsts(self, entries: Entries, begin: int, end: int) -> list[str]:
        """Return the paths of the first outputs of images by their numbers, in little time."""
        folder, format_, naming, others = self._columns[0]
        if naming is not plain_name or format_ == SAME:
            return [self.of(entry)[0] for entry in entries.between(begin, end)]
        columns = entries.columns_between(begin, end)
        names = _plain_names(columns, format_)
        if others:
            names = [others.get(path) or name for path, name in zip(columns[0], names, strict=True)]
        return [folder + name for name in names] if folder else names

    def without(self, up_to_date: Mapping[tuple[str, ...], Entries]) -> Outputs:
        """Return the same outputs, some of which are not to be made.

        Parameters
        ----------
        up_to_date : mapping
            Variants that stay as they are, and for which images.
        """
        rest = copy.copy(self)
        rest._up_to_date = up_to_date
        return rest

    @property
    def are_partial(self) -> bool:
        """Whether some outputs of images that are to be rendered stay as they are."""
        return bool(self._up_to_date)

    def job(self, entry: Entry) -> Job:
        """Return the job of an image."""
        paths = self.of(entry)
        for variants, entries in self._up_to_date.items():
            if entries.find(entry.path) is not None:
                named = zip(self.variants, paths, strict=True)
                paths = tuple(UP_TO_DATE if name in variants else path for name, path in named)
        return Job(
            entry.path,
            paths,
            entry.bytes,
            entry.mtime_ns,
            entry.changed_ns,
            entry.offset,
        )


def refuse_templates(recipe: Recipe, where: str = "recipe") -> None:
    """Refuse a recipe with templates or sidecars for a dataset in shards.

    A shard knows only the images whose plain names may collide with those of its own.

    Raises
    ------
    UserError
    """
    for output in recipe.outputs:
        if output.has_sidecar:
            raise UserError(
                f"{where}.output.sidecar: names of sidecars cannot be compared between shards; "
                "leave 'sidecar' out, or set scale.shards to 1."
            )
        if "path" in output.delivery:
            raise UserError(
                f"{where}.output.path: paths by a template cannot be compared between shards; "
                "leave 'path' out, or set scale.shards to 1."
            )


def colliding(entries: Entries, recipe: Recipe) -> tuple[str, str] | None:
    """Return two sources with the same plain output name; None if there are none."""
    found = (
        first_collision(partial(_sources, entries, output.format), naming_of(recipe, output))
        for output in recipe.outputs
    )
    return next(filter(None, found), None)


def _sources(entries: Entries, format: str) -> Iterable[Source]:
    return (_source(entry, format) for entry in entries)


def _renamed(entries: Entries, format: str, naming: Naming) -> dict[str, str]:
    names = None
    if naming is plain_name and format != SAME:
        names = (_plain_names(columns, format) for columns in entries.columns())
    return renamed(partial(_sources, entries, format), naming, names)


def _plain_names(columns: Columns, format: str) -> list[str]:
    """Return what `plain_name` does for many entries; for any format but `SAME`."""
    paths, _, _, kinds, *_, names = columns
    suffixes = {kind: _suffix_of(format, kind) for kind in set(kinds)}
    return [
        _fit((name or split_suffix(path)[0]) + suffixes[kind], path)
        for path, kind, name in zip(paths, kinds, names, strict=True)
    ]


def _source(entry: Entry, format: str) -> Source:
    suffix = (
        output_suffix(format, entry.format, entry.path)
        if format == SAME
        else _suffix_of(format, entry.format)
    )
    return _source_of((entry.path, suffix, entry.taken, entry.name))


_source_of = partial(tuple.__new__, Source)  # takes half the time of Source itself

# Only the suffix of the format `SAME` depends on the path of the source.
_suffix_of = functools.cache(partial(output_suffix, source=""))
