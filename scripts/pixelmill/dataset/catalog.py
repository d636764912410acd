"""Catalog: which images a folder or an archive contains, in a stable order."""

from __future__ import annotations

import hashlib
import itertools
import operator
import os
import re
import shlex
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO, TypeAlias

from pixelmill.core.errors import UserError
from pixelmill.core.filenames import escape, escaped
from pixelmill.core.files import changed_ns, is_inside, modified_ns, walk
from pixelmill.core.regular_files import opened
from pixelmill.core.suggestions import followed
from pixelmill.core.user_paths import lookalike
from pixelmill.dataset.entries import NO_DATE, Columns, Entries, Entry
from pixelmill.dataset.globs import Selection, chosen
from pixelmill.dataset.paths import CHUNK
from pixelmill.dataset.places import Places
from pixelmill.dataset.shards import WHOLE, Shard, shards_of
from pixelmill.imaging.codecs.formats import IMAGE_SUFFIXES, SNIFF_BYTES, dimensions, sniff
from pixelmill.storage.archives import Archives, Member, Place, is_archive, is_compressed

#: Bytes of a member of an archive in which a date is looked for, which may have to be inflated.
_REACH_IN_ARCHIVES = 2**26

#: Bytes that are read at once from a file: most JPEGs have their size within the first page.
LOOK_BYTES = 4096

#: Format of a file that is not an image, in the memory of a scan.
_OTHER = "-"


#: Kinds of files that are named before the rest is summed up, and suffixes that name a kind.
_MOST_KINDS, _SUFFIX = 6, re.compile(r"\.\w{1,8}", re.ASCII)

#: The most kinds that are counted: each of a million files may have a suffix of its own.
_MOST_COUNTED, _OF_NO_KIND = 1000, "other files"


@dataclass(frozen=True)
class Catalog:
    """The images of a folder, sorted by path, and the numbers of other files by kind."""

    entries: Entries
    left_out: Mapping[str, int]

    def digest(self) -> str:
        """Return the digest of the set of inputs: paths and sizes, not times."""
        return digest(self.entries.columns())


def digest(inputs: Iterable[Columns]) -> str:
    """Return the digest of a set of inputs in columns: paths and sizes, not times."""
    state = hashlib.blake2b(digest_size=16)
    for paths, sizes, *_ in inputs:
        lines = [f"{path}\t{size}\n" for path, size in zip(escaped(paths), sizes, strict=True)]
        state.update("".join(lines).encode())
    return state.hexdigest()


def scan(
    folder: str,
    select: Selection | None = None,
    known: Entries = Entries(),  # noqa: B008 - never changed
    shard: Shard = WHOLE,
    dated: bool = False,
) -> tuple[Catalog, Entries]:
    """Find the images of a folder or of archives.

    Parameters
    ----------
    folder : str
        Read, never written to. Hidden files and folders are skipped; links to files inside the
        folder are followed, other links are left out. Of archives (see
        `pixelmill.storage.archives`), members that are links are left out, and of several members
        with the same name, the last one counts, as if they were unpacked.
    select : Selection, optional
    known : Entries, optional
        Result of an earlier scan, sorted: files with the same size and times are not opened.
    shard : Shard, optional
        Only what concerns this part of the dataset is returned.
    dated : bool
        Whether to look for when each picture was taken.

    Returns
    -------
    catalog : Catalog
    memory : Entries
        To be passed as `known` to the next scan.

    Raises
    ------
    UserError
        If the folder is missing.
    """
    left_out: Counter[str] = Counter()
    files = _files(folder, select or Selection(), left_out)
    if not shard.is_whole:
        files = (file for file in files if shard.concerns(file[0]))
    listed = _listed(files, known, dated)
    found = listed.sorted()
    if repeated := len(listed) - len(found):
        left_out["earlier members with the same name"] += repeated
    del listed  # a million need 100 MB
    flags = found.flags(_OTHER)
    for entry in found.where(flags, 1):
        _leave_out(left_out, entry.path)
    return Catalog(found.where(flags, 0), left_out), found


def _listed(files: Iterable[_File], known: Entries, dated: bool) -> Entries:
    """Return the entries of files; the memory itself if it has all of them as they are."""
    listed: Entries | None = None
    rest, place, look_up = iter(files), 0, known.reader()
    while some := list(itertools.islice(rest, CHUNK)):
        begin = known.find(some[0][0], place)
        same = None if begin is None else _as_known(some, known, begin, dated)
        if listed is None and (same is None or begin != place):
            listed = Entries.of_columns(known.columns(place))
        if listed is not None:
            looked_at = _looked_at(some, look_up, dated)
            listed.extend(same or tuple(zip(*looked_at, strict=True)))
        place = (place if begin is None else begin) + len(some)
    if listed is None:
        listed = known if place == len(known) else Entries.of_columns(known.columns(place))
    return listed


def _as_known(some: Sequence[_File], known: Entries, begin: int, dated: bool) -> Columns | None:
    """Return what is known of files from a number on; None if not all are there as they are."""
    columns = known.columns_between(begin, min(begin + len(some), len(known)))
    paths, sizes, times, _, _, _, changes, offsets, taken, _ = columns
    *files, places = zip(*some, strict=True)
    found = (*files, tuple(map(_offset_of, places)))
    if not all(map(operator.eq, found, map(tuple, (paths, sizes, times, changes, offsets)))):
        return None
    return columns if (0 not in taken if dated else not any(taken)) else None


def _offset_of(place: str | Member) -> int:
    return place.spot.offset if isinstance(place, Member) else 0


def _looked_at(
    files: Iterable[_File], look_up: Callable[[str], tuple[int, Entry] | None], dated: bool
) -> Iterator[Entry]:
    for path, size, mtime_ns, changed, full in files:
        offset = _offset_of(full)
        found = look_up(path)
        if found is not None:
            entry = found[1]
            is_same = (entry.bytes, entry.mtime_ns, entry.changed_ns) == (size, mtime_ns, changed)
            if is_same and (entry.taken or not dated):
                taken = entry.taken if dated else 0
                if (entry.offset, entry.taken) != (offset, taken):
                    entry = entry._replace(offset=offset, taken=taken)
                yield entry
                continue
        format_, width, height, taken = _look(full, dated)
        if not format_ and PurePosixPath(path).suffix.lower() not in IMAGE_SUFFIXES:
            format_ = _OTHER
        yield Entry(path, size, mtime_ns, format_, width, height, changed, offset, taken)


def require_image(source: str, select: Selection | None = None) -> None:
    """Check that a path is an image or has one, or has a file that is named like one.

    Parameters
    ----------
    source, select
        As for `chosen`.

    Raises
    ------
    UserError
        If it is not, is missing, or cannot be read.
    """
    if "://" in source and not os.path.lexists(source):  # it may contain credentials
        raise UserError(
            "Images at a URL are copied first: `pixelmill mirror URL FOLDER`; then give FOLDER."
        )
    if is_compressed(source):
        raise UserError(
            f"'{source}' is decompressed first: `pixelmill mirror {shlex.quote(source)} FOLDER`; "
            "then give 'FOLDER/*.tar'."
        )
    folder, select = chosen(source, select)
    left_out = Counter[str]()
    if _has_image_on_top(folder, select):
        return
    for path, *_, full in _files(folder, select, left_out):
        if PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES or _look(full)[0]:
            return
        _leave_out(left_out, path)
    if os.path.isfile(source) and not is_archive(source):
        raise UserError(
            f"'{source}' is not an image; give an image, or a folder or an archive of images."
        )
    others = f"; left out: {told_left_out(left_out)}" if left_out else ""
    raise UserError(
        f"'{folder}' contains no image{others}; correct the path or the globs, or mount the disk."
    )


def told_left_out(left_out: Mapping[str, int]) -> str:
    """Tell the numbers of the files that are left out, by what they are.

    Examples
    --------
    >>> told_left_out({".pdf files": 1, ".txt files": 1200})
    '.txt files (1,200), .pdf files (1)'
    """
    ordered = sorted(left_out.items(), key=lambda item: (-item[1], item[0]))
    named, rest = ordered[:_MOST_KINDS], ordered[_MOST_KINDS:]
    if rest:
        named.append(("files of other kinds", sum(count for _, count in rest)))
    return ", ".join(f"{what} ({count:,})" for what, count in named)


def _leave_out(left_out: Counter[str], path: str) -> None:
    kind = _kind(path)
    left_out[kind if kind in left_out or len(left_out) < _MOST_COUNTED else _OF_NO_KIND] += 1


def _kind(path: str) -> str:
    """Tell what a file that is not an image is."""
    suffix = PurePosixPath(path).suffix.lower()
    return f"{suffix} files" if _SUFFIX.fullmatch(suffix) else _OF_NO_KIND


def _has_image_on_top(folder: str, select: Selection) -> bool:
    """Return whether a file of a folder is named like an image, without sorting a million names."""
    try:
        with os.scandir(folder) as entries:
            return any(
                PurePosixPath(entry.name).suffix.lower() in IMAGE_SUFFIXES
                and not entry.name.startswith(".")
                and select(entry.name)
                and entry.is_file(follow_symlinks=False)
                for entry in entries
            )
    except OSError:  # told by the walk
        return False


def fingerprints(folder: str, select: Selection | None = None, shards: int = 1) -> list[str]:
    """Return a digest of a folder's names, sizes and times for each shard; opens no file.

    It is a sum of digests, which does not depend on the order of the files, so that none of
    them has to be kept. Of archives, only the names, sizes and times of the archives count, which
    are the same for all shards.
    """
    if is_archive(folder):
        states = repr(list(Archives(folder).states((select or Selection()).may_hold)))
        return [hashlib.blake2b(escape(states).encode(), digest_size=16).hexdigest()] * shards
    totals = [0] * shards
    for path, size, mtime_ns, changed, _ in _files(folder, select or Selection(), Counter()):
        state = f"{escape(path)}\t{size}\t{mtime_ns}\t{changed}".encode()
        digest = int.from_bytes(hashlib.blake2b(state, digest_size=16).digest(), "big")
        for number in shards_of(path, shards) if shards > 1 else (1,):
            totals[number - 1] += digest
    return [f"{total % 2**128:032x}" for total in totals]


def paths(folder: str, select: Selection | None = None) -> set[str]:
    """Return the paths of the files of a folder or of archives, images or not; opens no file."""
    return {path for path, *_ in _files(folder, select or Selection(), Counter())}


#: Path below the folder, size in bytes, times of modification and of change, whole path; of a
#: member, its mark and itself take the last two places.
_File: TypeAlias = tuple[str, int, int, int, str | Member]


def _files(folder: str, select: Selection, left_out: Counter[str]) -> Iterable[_File]:
    if is_archive(folder):
        yield from _members(folder, select, left_out)
        return
    if os.path.isfile(folder):
        raise UserError(f"'{folder}' is a file; give the folder that contains it.")
    if not os.path.isdir(folder):
        advice = followed(lookalike(folder), "correct its path or mount it.")
        raise UserError(f"The folder '{folder}' does not exist{advice}")

    def enter(below: str) -> bool:
        return not (below.startswith(".") or "/." in below) and select.may_hold(below)

    for path, entry in walk(folder, enter):
        if path.startswith(".") or "/." in path or not select(path):
            continue
        try:
            if entry.is_symlink() and not is_inside(entry.path, folder):
                left_out["links that leave the folder"] += 1
                continue
            if not entry.is_file():
                left_out["links to folders" if entry.is_dir() else "special files"] += 1
                continue
            state = entry.stat()
        except PermissionError as error:  # if it were skipped, it would count as removed
            raise UserError(
                f"'{escape(entry.path)}' cannot be accessed: {error.strerror}; exclude it with "
                f"'{escape(path)}', or correct the permissions of its folder."
            ) from error
        except OSError:  # it vanished between the listing and now
            continue
        yield path, state.st_size, modified_ns(state), changed_ns(state), entry.path


def _members(source: str, select: Selection, left_out: Counter[str]) -> Iterator[_File]:
    def count(what: str) -> None:
        left_out[what] += 1

    for path, listed, member in Archives(source).members(select.may_hold, count):
        if not path.startswith(".") and "/." not in path and select(path):
            yield path, listed.size, listed.mtime_ns, listed.mark, member


def find(source: str, wanted: Collection[str]) -> Iterator[Entry]:
    """Yield entries of some members of archives, by their paths; their formats are not looked at.

    Raises
    ------
    UserError
        If an archive cannot be read.
    """
    for path, size, mtime_ns, mark, member in _members(source, Selection(), Counter()):
        if path in wanted and isinstance(member, Member):
            yield Entry(path, size, mtime_ns, "", 0, 0, mark, member.spot.offset)


def with_dates(source: str, entries: Entries) -> Entries:
    """Look for when pictures were taken, if that has not been done for all of them.

    Parameters
    ----------
    source : str
        A folder, an archive, or a pattern of archives.
    entries : Entries
        Of a catalog of it.
    """
    if entries.are_dated:
        return entries
    places = Places(source)
    return Entries(
        entry if entry.taken else entry._replace(taken=_taken(places, entry)) for entry in entries
    )


def _taken(places: Places, entry: Entry) -> int:
    try:
        return _look(places.at(entry), dated=True)[3]
    except FileNotFoundError:  # its archive is gone
        return 0


def _look(place: Place, dated: bool = False) -> tuple[str, int, int, int]:
    """Return format, claimed size and date of a file; the format is empty if it is no image."""
    found = "", 0, 0
    try:
        with _opened(place) as file:
            head = file.read(SNIFF_BYTES)
            format_ = sniff(head)
            found = (format_ or "", *dimensions(file, head, format_))
            return (*found, _date_in(file, format_, place) if dated else 0)
    except OSError:
        return (*found, 0)  # the suffix decides; processing reports what is wrong


def _date_in(file: BinaryIO, format_: str | None, place: Place) -> int:
    from pixelmill.imaging.codecs.date_taken import date_taken

    reach = _REACH_IN_ARCHIVES if isinstance(place, Member) else sys.maxsize
    taken = date_taken(file, format_, reach)
    return NO_DATE if taken is None else int(f"{taken.year}{taken:%m%d%H%M%S}")


def _opened(place: Place) -> BinaryIO:
    if isinstance(place, Member):
        return place.open()
    return os.fdopen(opened(place), "rb", buffering=LOOK_BYTES)
