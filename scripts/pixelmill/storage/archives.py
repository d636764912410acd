"""Archives: zip, tar or Parquet, one or a pattern of many, whose members stand for files."""

from __future__ import annotations

import contextlib
import functools
import glob
import io
import itertools
import math
import os
import re
import threading
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple, TypeAlias

from pixelmill.core import regular_files
from pixelmill.core.errors import UserError
from pixelmill.core.files import changed_ns, modified_ns
from pixelmill.core.suggestions import followed
from pixelmill.core.user_paths import lookalike
from pixelmill.storage.member import (
    ArchiveFormat,
    Listed,
    MemberError,
    Spot,
    exactly,
    member_path,
)
from pixelmill.storage.parquet_format import PARQUET
from pixelmill.storage.tar_format import TAR
from pixelmill.storage.zip_format import ZIP

#: Formats by the suffix of an archive.
FORMATS = {".zip": ZIP, ".cbz": ZIP, ".tar": TAR, ".parquet": PARQUET}

#: Suffixes of tars that are mirrored before they are read: a member within compressed data
#: cannot be found.
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst")

#: What makes a path a pattern: wildcards, and ranges of numbers such as ``{00000..00999}``.
_WILDCARD, RANGE = re.compile(r"[*?\[]"), re.compile(r"\{(\d{1,18})\.\.(\d{1,18})\}")

#: Bytes that are read at once of a member, whose headers are often all that is needed, and of an
#: archive that is listed: the headers of small members follow one another.
_HEAD, _AHEAD = 4096, 16_384

#: The most archives that ranges may stand for.
MOST_ARCHIVES = 1_000_000


def is_archive(source: str) -> bool:
    """Whether a path stands for an archive or a pattern of archives: by its suffix.

    A folder may have such a suffix too.

    Examples
    --------
    >>> is_archive("photos.ZIP"), is_archive("crawl/{000..099}.tar"), is_archive("photos")
    (True, True, False)
    """
    return bool(_archive_suffix(source)) and not os.path.isdir(source)


def _archive_suffix(path: str) -> str:
    suffix = _suffix(path)
    return suffix if suffix in FORMATS else ""


def is_compressed(source: str) -> bool:
    """Whether a path stands for a compressed tar or a pattern of such: by its suffix.

    Examples
    --------
    >>> is_compressed("crawl/{000..099}.tar.GZ"), is_compressed("photos.tar")
    (True, False)
    """
    return source.lower().endswith(COMPRESSED) and not os.path.isdir(source)


def decompressed(path: str) -> str:
    """Return the name of a compressed tar once it is decompressed.

    Examples
    --------
    >>> decompressed("crawl/a.tar.gz"), decompressed("b.c.TGZ")
    ('a.tar', 'b.c.tar')
    """
    name = os.path.basename(path)
    suffix = max((one for one in COMPRESSED if name.lower().endswith(one)), key=len)
    return f"{name[: -len(suffix)]}.tar"


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()


class Member(NamedTuple):
    """A member of an archive, which is read like a file.

    Attributes
    ----------
    archive : str
        Path of the archive.
    spot : Spot
        Where it is there.
    """

    archive: str
    spot: Spot

    @property
    def _format(self) -> ArchiveFormat:
        return _format_of(self.archive)

    def open(self) -> BinaryIO:
        """Open it for reading; what is read is not checked.

        Raises
        ------
        OSError
        """
        if self.spot.size <= _HEAD:  # it would be read as a whole anyway
            listed = getattr(_of_thread, "listed", None)
            if listed is not None and listed[0] == self.archive and self.spot.offset > 0:
                listed[1].seek(self.spot.offset)
                return io.BytesIO(exactly(listed[1], self.spot.size))
            with contextlib.suppress(MemberError):
                return io.BytesIO(self.read())
        file = io.BufferedReader(_raw(self.archive), _HEAD)
        try:
            return self._format.stream(file, self.spot)
        except BaseException:
            file.close()
            raise

    def read(self) -> bytes:
        """Return its content, checked as far as its archive allows.

        Raises
        ------
        OSError
        """
        kept = getattr(_of_thread, "kept", None)
        if kept is not None and kept[0] == self.archive:
            with contextlib.suppress(
                OSError
            ):  # it may have been replaced: what has its name counts
                return self._format.content(kept[1], self.spot)
        file = _raw(self.archive)
        _of_thread.kept = self.archive, file
        return self._format.content(file, self.spot)


#: The archive from which a thread read last, which it keeps open: the next member is in it too, as
#: a rule, and small ones would be opened for longer than they are read. Also the tar that it lists.
_of_thread = threading.local()


@functools.lru_cache(maxsize=1024)
def _format_of(path: str) -> ArchiveFormat:
    return FORMATS[_suffix(path)]


#: Where an image is read: the path of a file, or a member.
Place: TypeAlias = "str | os.PathLike[str] | Member"


def opened(place: Place) -> BinaryIO:
    """Open a regular file, without a buffer, or a member.

    Raises
    ------
    OSError
    """
    if isinstance(place, Member):
        return place.open()
    return _raw(place)


def _raw(path: str | os.PathLike[str]) -> io.FileIO:
    return io.FileIO(regular_files.opened(path))


def content(place: Place, most: int) -> bytes:
    """Return the content of a file or of a member.

    Parameters
    ----------
    place : path or Member
    most : int
        The largest size in bytes that is accepted.

    Raises
    ------
    OSError
        If it cannot be read, or is larger.
    """
    if not isinstance(place, Member):
        return regular_files.content(place, most)
    if place.spot.size > most:
        raise MemberError(f"it has more than {most:,} bytes", "too_large")
    return place.read()


class Archives:
    """The archives of a dataset.

    Parameters
    ----------
    source : str
        Path of an archive, or a pattern. A pattern may have wildcards, and ranges of numbers in
        braces, each of which must exist.

    Attributes
    ----------
    paths : dict of str to str
        Paths of the archives by what precedes the names of their members: nothing for one
        archive, or its name without suffix and ``/`` if there is a pattern.

    Raises
    ------
    UserError
        If an archive is missing, or two have the same name.
    """

    def __init__(self, source: str) -> None:
        self.paths: dict[str, str] = {}
        if is_pattern(source):
            found = named(matching(source, _archive_suffix), _archive_suffix)
            self.paths = {f"{name}/": path for name, path in found.items()}
        else:
            require(source)
            self.paths[""] = source

    def members(
        self, may_hold: Callable[[str], bool], left_out: Callable[[str], None]
    ) -> Iterator[tuple[str, Listed, Member]]:
        """List the members that are files.

        Parameters
        ----------
        may_hold : callable
            Whether an archive is read, by what precedes its members.
        left_out : callable
            Called for each member that is left out, with what it is.

        Yields
        ------
        path : str
            What stands for its path below a folder.
        listed : Listed
        member : Member

        Raises
        ------
        UserError
            If an archive cannot be read.
        """
        for prefix, path in self._read(may_hold):
            for listed in _listed(path):
                name, fault = member_path(listed.name)
                if listed.kind or fault:
                    if listed.kind != "folders":
                        left_out(fault or listed.kind)
                    continue
                spot = Spot(listed.size, listed.mark, listed.offset)
                yield prefix + name, listed, Member(path, spot)

    def _read(self, may_hold: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
        return ((p, path) for p, path in self.paths.items() if not p or may_hold(p))

    def member(self, path: str, spot: Spot) -> Member:
        """Return a member that was listed before.

        Raises
        ------
        FileNotFoundError
            If its archive is not among these any more.
        """
        single = self.paths.get("")
        archive = single or self.paths.get(path.partition("/")[0] + "/")
        if archive is None:
            raise FileNotFoundError(2, "its archive is gone")
        return Member(archive, spot)

    def states(self, may_hold: Callable[[str], bool]) -> Iterator[tuple[str, int, int, int]]:
        """Yield what precedes the members, size, and times of each archive that is read.

        Parameters
        ----------
        may_hold : callable
            As for `members`.

        Raises
        ------
        UserError
            If one is gone.
        """
        for prefix, path in self._read(may_hold):
            try:
                state = os.stat(path)
            except OSError as error:
                raise unreadable(path, error) from error
            yield prefix, state.st_size, modified_ns(state), changed_ns(state)


def files_of(source: str) -> list[str]:
    """Return what must be read for the images of a source: a folder, or archives.

    Raises
    ------
    UserError
        If an archive is missing.
    """
    return list(Archives(source).paths.values()) if is_archive(source) else [source]


def identity(source: str) -> object:
    """Return what differs if a folder or an archive was replaced or changed; None if it is gone.

    A folder is the same while its device and inode are; an archive must also have the same
    size and times.
    """
    try:
        if is_archive(source):
            states = [os.stat(path) for path in files_of(source)]
            return [(s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns) for s in states]
        state = os.stat(source)
    except (OSError, UserError):
        return None
    return state.st_dev, state.st_ino


def is_pattern(source: str) -> bool:
    """Whether a path has wildcards or ranges, and is not that of a file."""
    return bool(_WILDCARD.search(source) or RANGE.search(source)) and not os.path.lexists(source)


def require(path: str) -> None:
    """Check that an archive exists.

    Raises
    ------
    UserError
        If it does not.
    """
    if not os.path.isfile(path):
        advice = followed(lookalike(path), "correct its path or mount it.")
        raise UserError(f"The archive '{path}' does not exist{advice}")


def matching(pattern: str, suffix: Callable[[str], str]) -> list[str]:
    """Return the archives that a pattern stands for, sorted.

    Parameters
    ----------
    pattern : str
    suffix : callable
        Returns the suffix of a path if it is that of an archive, else nothing: wildcards match
        no such path.

    Raises
    ------
    UserError
        If an archive is missing.
    """
    paths = []
    for path in _expanded(pattern):
        if not _WILDCARD.search(path):
            require(path)
            paths.append(path)
            continue
        # `Path.glob` does not take absolute patterns.
        found = glob.glob(path, recursive=True)  # noqa: PTH207
        paths += (name for name in found if suffix(name) and not os.path.isdir(name))
    if not paths:
        raise UserError(f"No archive matches '{pattern}'; correct the pattern, or mount the disk.")
    return sorted(set(paths))


def named(paths: list[str], suffix: Callable[[str], str]) -> dict[str, str]:
    """Return archives by their names without suffix.

    Parameters
    ----------
    paths : list of str
    suffix : callable
        As for `matching`.

    Raises
    ------
    UserError
        If two have the same name.
    """
    found: dict[str, str] = {}
    for path in paths:
        name = os.path.basename(path)
        name = name[: len(name) - len(suffix(path))]
        other = found.setdefault(name, path)
        if other != path:
            raise UserError(
                f"The archives '{other}' and '{path}' have the same name '{name}', by which their "
                "images are told apart; rename one of them."
            )
    return found


def _expanded(pattern: str) -> Iterator[str]:
    """Yield a pattern for each combination of the numbers in its ranges.

    Examples
    --------
    >>> list(_expanded("a/{08..10}-*.tar"))
    ['a/08-*.tar', 'a/09-*.tar', 'a/10-*.tar']
    """
    texts = RANGE.split(pattern)  # text, first, last, text, ...
    ranges, sizes = [], []
    for first, last in zip(texts[1::3], texts[2::3], strict=True):
        numbers = range(int(first), int(last) + 1)
        sizes.append(len(numbers))
        width = len(first) if first.startswith("0") else 0
        ranges.append(map(f"{{:0{width}d}}".format, numbers))
    if not 0 < math.prod(sizes) <= MOST_ARCHIVES:
        raise UserError(
            f"The ranges of '{pattern}' stand for {math.prod(sizes):,} archives; give the smaller "
            f"number first, and at most {MOST_ARCHIVES:,} altogether."
        )
    for chosen in itertools.product(*ranges):
        parts = itertools.zip_longest(texts[::3], chosen, fillvalue="")
        yield "".join(itertools.chain.from_iterable(parts))


def _listed(path: str) -> Iterator[Listed]:
    try:
        with io.BufferedReader(_raw(path), _AHEAD) as file:
            archive = FORMATS[_suffix(path)]
            if archive is TAR:  # members follow their headers, and are looked at one by one
                _of_thread.listed = path, file
            yield from archive.members(file, path)
    except OSError as error:
        raise unreadable(path, error) from error
    finally:
        _of_thread.listed = None


def unreadable(path: str, error: OSError) -> UserError:
    """Return the error for an archive that the system does not let read."""
    return UserError(
        f"The archive '{path}' cannot be read: {error.strerror}; mount it, or correct its "
        "permissions."
    )
