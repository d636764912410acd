"""Root: files below one folder, accessed without following links.

Everything that is written, renamed or removed below an output tree goes through this module.
Folders are opened one by one, each by the descriptor of its parent, so that a link in the place of
a folder is refused, even if it appears during a run. The idea is that of `os.Root` in Go. On
systems without such calls (Windows), the real path of each folder is compared with the expected
one before it is used.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator

from pixelmill.core.errors import TreeError
from pixelmill.core.filenames import escape
from pixelmill.core.files import temporary_beside, write_all

#: Whether files can be accessed relative to the descriptor of their folder.
_BY_DESCRIPTOR = {os.open, os.stat, os.unlink, os.mkdir, os.rmdir, os.rename} <= os.supports_dir_fd

_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)

#: Flags to open a file that must be new, and one that is only read. A pipe in its place must not
#: block.
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_LINK | getattr(os, "O_BINARY", 0)
_READ = os.O_RDONLY | _NO_LINK | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

#: Folders whose descriptors are kept open; a process may open 256 files on macOS.
_KEPT = 32

#: Errors if something else is in the place of a folder.
_NO_FOLDER = (errno.ENOTDIR, errno.ELOOP)

#: Folders within one another that `Root.walk` enters. Nobody's images lie deeper, but what an own
#: step leaves may, and each level below `_KEPT` takes longer than the one above.
_DEEPEST = 256

#: How often a folder is created that another process removes before it contains a file.
_ATTEMPTS = 100

#: Names that lead elsewhere, and characters that no name contains.
_NO_NAMES = frozenset(("", ".", ".."))
_NO_CHARACTERS = re.compile(r"[\\:]") if os.name == "nt" else None  # beside "\0"


class _Folder:
    """An open folder; closed when it is no longer in use."""

    __slots__ = ("_path", "descriptor")

    def __init__(self, path: str, descriptor: int | None) -> None:
        self._path = path
        self.descriptor = descriptor

    def at(self, name: str) -> str:
        """Return a file's name as system calls expect it together with the descriptor."""
        return name if self.descriptor is not None else os.path.join(self._path, name)

    def names(self) -> tuple[list[str], list[str]]:
        """List what the folder contains: other things than folders, and folders."""
        files: list[str] = []
        folders: list[str] = []
        with os.scandir(self._path if self.descriptor is None else self.descriptor) as found:
            for entry in found:
                (folders if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
        return files, folders

    def __del__(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)


class Root:
    """Files and folders below one folder, which must exist.

    Paths are relative, with ``/``. Absolute paths and those with ``..`` are refused.

    Parameters
    ----------
    folder : str
    follow : bool
        Whether the folder itself may be a link. Nothing below it may be one.

    Raises
    ------
    TreeError
        In all methods: if a link, or something that is not a folder, is in the place of a
        folder; if a path leads outside; or if the folder does not exist any more.
    """

    def __init__(self, folder: str | os.PathLike[str], follow: bool = True) -> None:
        self.folder = os.fspath(folder)
        self._follow = follow
        self._open: dict[str, _Folder] = {}

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_open": {}}

    def refresh(self) -> None:
        """Check each folder again when it is used next."""
        self._open.clear()

    def create(self, path: str) -> int:
        """Create a file for writing and reading; return its descriptor. Its folder is created.

        Raises
        ------
        FileExistsError
            If there is a file of that name.
        """
        above, name = self._parted(path)
        for attempt in range(_ATTEMPTS):
            try:
                folder = self._folder(above, make=attempt > 0)
                return os.open(folder.at(name), _NEW, 0o666, dir_fd=folder.descriptor)
            except FileNotFoundError:  # another process may remove it while it is empty
                self.refresh()
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)

    def open(self, path: str) -> int:
        """Open a file for reading; return its descriptor.

        Raises
        ------
        OSError
            If it is missing, not a regular file, or cannot be read.
        """
        folder, name = self._split(path)
        descriptor = os.open(folder.at(name), _READ, dir_fd=folder.descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "it is not a regular file", path)
        return descriptor

    def read(self, path: str, most: int | None = None) -> bytes:
        """Return the content of a file.

        Parameters
        ----------
        path : str
        most : int, optional
            The largest size in bytes that is accepted.

        Raises
        ------
        OSError
            If it is missing, not a regular file, larger, or cannot be read.
        """
        with os.fdopen(self.open(path), "rb", buffering=0) as file:
            if most is not None and os.fstat(file.fileno()).st_size > most:
                raise OSError(errno.EFBIG, f"it has more than {most:,} bytes", path)
            return file.readall()

    def write(self, path: str, content: bytes) -> None:
        """Write a file, which gets its name when it is complete."""
        temporary = temporary_beside(path)
        descriptor = self.create(temporary)
        try:
            try:
                write_all(descriptor, content)
            finally:
                os.close(descriptor)
            self.replace(temporary, path)
        except BaseException:
            self.unlink(temporary)
            raise

    def replace(self, source: str, target: str) -> None:
        """Rename a file; an existing file of the new name is replaced."""
        there, new = self._split(target)
        here, old = self._split(source)
        try:
            os.replace(
                here.at(old), there.at(new), src_dir_fd=here.descriptor, dst_dir_fd=there.descriptor
            )
        except OSError as error:
            if not self._is_folder(target):
                raise
            message = f"a folder has the name '{escape(target)}'; move it away"
            raise IsADirectoryError(errno.EISDIR, message) from error

    def unlink(self, path: str) -> None:
        """Remove a file; a missing one is not an error, and a folder of that name stays."""
        try:
            folder, name = self._split(path)
            os.unlink(folder.at(name), dir_fd=folder.descriptor)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError:  # its kind differs between systems
            if not self._is_folder(path):
                raise

    def _is_folder(self, path: str) -> bool:
        state = self.lstat(path)
        return state is not None and stat.S_ISDIR(state.st_mode)

    def lstat(self, path: str) -> os.stat_result | None:
        """Return the state of a file or link; None if there is none."""
        try:
            folder, name = self._split(path)
            return os.stat(folder.at(name), dir_fd=folder.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def sizes(self, paths: Iterable[str]) -> list[int | None]:
        """Return the sizes of files or links in bytes; None for a missing one and for a folder.

        It takes less time than `lstat` for each of them.
        """
        found: list[int | None] = []
        last, folder = None, None
        for path in paths:
            above, name = self._parted(path)
            if above != last:
                last, folder = above, self._existing(above)
            try:
                if folder is None:
                    state = None
                else:
                    place, at = folder.at(name), folder.descriptor
                    state = os.stat(place, dir_fd=at, follow_symlinks=False)
            except FileNotFoundError:
                state = None
            if state is None or stat.S_ISDIR(state.st_mode):
                found.append(None)
            else:
                found.append(state.st_size)
        return found

    def _existing(self, path: str) -> _Folder | None:
        """Return an open folder; None if there is none."""
        try:
            return self._folder(path)
        except FileNotFoundError:
            return None

    def set_mtime(self, path: str, mtime_ns: int) -> None:
        """Set the modification time of a file, in ns since 1970; a missing file is not an error."""
        follow = os.utime not in os.supports_follow_symlinks  # as on Windows
        with contextlib.suppress(FileNotFoundError):
            folder, name = self._split(path)
            times = (mtime_ns, mtime_ns)
            os.utime(folder.at(name), ns=times, dir_fd=folder.descriptor, follow_symlinks=follow)

    def make_folder(self, path: str) -> None:
        """Create a folder and its parents, unless they exist."""
        self._folder(path, make=True)

    def remove_empty(self, path: str) -> bool:
        """Remove a folder if it is empty; return whether it was removed."""
        try:
            folder, name = self._split(path)
            os.rmdir(folder.at(name), dir_fd=folder.descriptor)
        except OSError:
            return False
        self._open.pop(path, None)
        return True

    def remove_tree(self, path: str) -> int:
        """Remove a file, a link, or a folder with everything in it.

        Returns
        -------
        int
            Number of files that were removed.
        """
        state = self.lstat(path)
        if state is None:
            return 0
        if not stat.S_ISDIR(state.st_mode):
            self.unlink(path)
            return 1
        count = sum(len(names) for _, names in self.walk(path))
        self.refresh()
        self._empty(path)
        folder, name = self._split(path)
        os.rmdir(folder.at(name), dir_fd=folder.descriptor)
        return count

    def _empty(self, path: str) -> None:
        """Remove all that a folder contains, however deep.

        Folders are moved up to it before they are removed, so that neither recursion nor the
        length of a path limits the depth.
        """
        top = self._folder(path)
        pending = _empty_but_for_folders(top)
        while pending:
            name = pending.pop()
            folder = self._enter(top, name, f"{path}/{name}", make=False)
            for inner in _empty_but_for_folders(folder):
                moved = f".removed-{os.urandom(8).hex()}"
                os.rename(
                    folder.at(inner),
                    top.at(moved),
                    src_dir_fd=folder.descriptor,
                    dst_dir_fd=top.descriptor,
                )
                pending.append(moved)
            os.rmdir(top.at(name), dir_fd=top.descriptor)

    def walk(self, path: str = "") -> Iterator[tuple[str, list[str]]]:
        """Walk over a folder and those below it, the deepest first; links are not followed.

        Yields
        ------
        folder : str
            Its path; empty for the root itself.
        names : list of str
            Names in it that are not folders.
        """
        pending: list[tuple[str, list[str] | None]] = [(path, None)]
        while pending:
            place, names = pending.pop()
            if names is not None:
                yield place, names
                continue
            try:
                folder = self._folder(place)
            except FileNotFoundError:  # it was removed in the meantime
                continue
            files, folders = folder.names()
            pending.append((place, files))
            prefix = f"{place}/" if place else ""
            if place.count("/") < _DEEPEST:
                pending += ((prefix + name, None) for name in folders)

    def sync(self, path: str) -> None:
        """Sync the names in a folder to the disk, if the system supports this."""
        descriptor = self._folder(path).descriptor
        if descriptor is not None:  # Windows opens no folder, and syncs names by itself
            with contextlib.suppress(OSError):
                os.fsync(descriptor)

    def check(self, path: str = "") -> None:
        """Check that a folder can be reached without a link; a missing folder is not an error."""
        self.refresh()
        with contextlib.suppress(FileNotFoundError):
            self._folder(path)

    def device_and_inode(self, path: str = "") -> tuple[int, int]:
        """Return device and inode of a folder, which identify it whatever its name."""
        folder = self._folder(path)
        state = os.stat(folder.at("."), dir_fd=folder.descriptor)
        return state.st_dev, state.st_ino

    def _split(self, path: str) -> tuple[_Folder, str]:
        above, name = self._parted(path)
        return self._folder(above), name

    def _parted(self, path: str) -> tuple[str, str]:
        """Split a path into the path of its folder and its name."""
        above, _, name = path.rpartition("/")
        if _leads_elsewhere(name) or path[0] == "/":
            raise self._leaves(path)
        return above, name

    def _folder(self, path: str, make: bool = False) -> _Folder:
        known = self._open.get(path)
        if known is not None:
            return known
        names = path.split("/") if path else []
        opened = max(0, len(names) - 1)
        above = self._open.get("/".join(names[:opened]))  # as it is when a tree is walked
        if above is None:
            above, opened = self._open.get("") or self._open_root(), 0
        folder = above
        for depth, name in enumerate(names[opened:], opened + 1):
            if _leads_elsewhere(name):
                raise self._leaves(path)
            folder = self._enter(folder, name, "/".join(names[:depth]), make)
        self._keep(path, folder)
        return folder

    def _open_root(self) -> _Folder:
        flags = _FOLDER if self._follow else _FOLDER | _NO_LINK
        try:
            if not _BY_DESCRIPTOR:
                folder = _real_folder(self.folder, self._follow)
            else:
                folder = _Folder(self.folder, os.open(self.folder, flags))
        except FileNotFoundError as error:
            raise TreeError(
                f"The folder '{escape(self.folder)}' was removed while it was in use; run the "
                "same command again."
            ) from error
        except OSError as error:
            if error.errno in _NO_FOLDER:
                raise self._no_folder("") from error
            raise
        self._keep("", folder)
        return folder

    def _enter(self, above: _Folder, name: str, path: str, make: bool) -> _Folder:
        """Open a folder relative to its parent."""
        place = above.at(name)
        try:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(place, dir_fd=above.descriptor)
            if above.descriptor is None:
                return _real_folder(place)
            return _Folder(place, os.open(place, _FOLDER | _NO_LINK, dir_fd=above.descriptor))
        except OSError as error:
            if error.errno in _NO_FOLDER:
                raise self._no_folder(path) from error
            raise

    def _keep(self, path: str, folder: _Folder) -> None:
        if len(self._open) >= _KEPT:
            with contextlib.suppress(KeyError, RuntimeError, StopIteration):  # by another thread
                self._open.pop(next(iter(self._open)))
        self._open[path] = folder

    def _leaves(self, path: str) -> TreeError:
        return TreeError(
            f"The path '{escape(path)}' leads out of '{escape(self.folder)}'; remove the table or "
            "ledger that names it, then run the same command again."
        )

    def _no_folder(self, path: str) -> TreeError:
        place = os.path.join(self.folder, path) if path else self.folder
        what = "a link" if _is_link(place) else "not a folder"
        return TreeError(
            f"'{escape(place)}' is {what}, and nothing is written through it; move it away, then "
            "run the same command again."
        )


def _leads_elsewhere(name: str) -> bool:
    """Return whether a name is that of another place, or of none. It is asked for each output."""
    if name in _NO_NAMES or "\0" in name:
        return True
    return _NO_CHARACTERS is not None and bool(_NO_CHARACTERS.search(name))


def _empty_but_for_folders(folder: _Folder) -> list[str]:
    """Remove the files that a folder contains; return the names of the folders."""
    files, folders = folder.names()
    for name in files:
        os.unlink(folder.at(name), dir_fd=folder.descriptor)
    return folders


def _real_folder(path: str, follow: bool = False) -> _Folder:
    """Check a folder on systems that open none by descriptor; links of any kind are refused."""
    if not os.path.isdir(path):
        os.lstat(path)
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
    above, name = os.path.split(os.path.abspath(path))
    expected = os.path.join(os.path.realpath(above), name)
    if not follow and os.path.normcase(os.path.realpath(path)) != os.path.normcase(expected):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    return _Folder(path, None)


def _is_link(path: str) -> bool:
    return os.path.islink(path) or getattr(os.path, "isjunction", os.path.islink)(path)
