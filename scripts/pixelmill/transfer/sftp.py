"""SFTP: the files of a folder on a server that is reached by SSH.

The protocol is that of draft-ietf-secsh-filexfer-02, version 3, as OpenSSH speaks it: times are
whole seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import posixpath
import re
import stat
import urllib.parse
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from typing import Any, BinaryIO, TypeAlias, TypeVar

from pixelmill.core.errors import UserError, shown
from pixelmill.core.files import write_all
from pixelmill.dataset.layout import is_remote
from pixelmill.transfer.place import Fetched, Item, PermanentError, TransferError
from pixelmill.transfer.ssh_connection import GoneError, Server, Session, SshConnection, library

#: Files that are fetched at the same time, and folders that are listed: over one connection, since
#: each request waits for the network most of the time.
AT_ONCE, _FOLDERS = 32, 16

#: Bytes of a file that are asked for before the first of them came.
_AHEAD = 1 << 21

#: How often a folder is listed if the connection is lost.
_ATTEMPTS = 3

#: The tag of a copy of which the server does not tell when it was changed.
_UNKNOWN = "unknown"

#: The files of a folder, and the folders in it.
_Listed: TypeAlias = "tuple[list[Item], list[str]]"

_T = TypeVar("_T")

#: Characters of hosts and users. They also become parts of commands that ``~/.ssh/config`` names.
_HOST = re.compile(r"[\w.:](?:[\w.:-]*[\w.])?", re.ASCII)
_USER = re.compile(r"\w[\w.+@-]*")

#: Characters that have a meaning of their own in URLs.
_AMBIGUOUS = re.compile(r"[#?%\\\x00-\x1f\x7f]")

#: What a URL says before the host, and possibly more.
_BEFORE_HOST = re.compile(r"(?<=://).*@", re.DOTALL)


def check_url(url: str) -> tuple[Server, str]:
    """Return what a URL means: the server, and the path of the folder on it.

    Raises
    ------
    UserError
        If it is no URL of SFTP, or contains a password, which is not shown.

    Examples
    --------
    >>> check_url("sftp://me@nas:2222/photos/2024/")
    (Server(host='nas', port=2222, user='me'), '/photos/2024')
    >>> check_url("sftp://nas/~/photos")[1]
    'photos'
    """
    told = shown(_BEFORE_HOST.sub("", url))
    place, slash, path = url.partition("://")[2].partition("/")
    user, _, address = place.rpartition("@")
    if ":" in user:
        raise UserError(
            f"{told} was given with a password, which is never used; remove it, and add a key to "
            "the SSH agent or to ~/.ssh/config."
        )
    if not is_remote(url) or not slash:
        raise UserError(
            f"{told} is no folder on a server; give a URL such as sftp://user@host/path, or "
            "sftp://user@host/~/path for a folder in your home."
        )
    try:
        parts = urllib.parse.urlsplit(f"sftp://{address}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not _HOST.fullmatch(host) or (user and not _USER.fullmatch(user)):
        raise UserError(f"{told} has no valid user, host or port; correct it.")
    folders = path.rstrip("/").split("/") if path.rstrip("/") else []
    if _AMBIGUOUS.search(url) or not all(folders) or {".", ".."} & {*folders}:
        raise UserError(
            f"{told} is not the same folder to all programs: it has '#', '?', '%', a backslash, a "
            "control character, or a part that is empty, '.' or '..'; choose another folder."
        )
    server = Server(host, port, user or None)
    if folders[:1] == ["~"]:
        return server, "/".join(folders[1:]) or "."
    return server, "/" + "/".join(folders)


class Sftp:
    """Files below a folder on a server.

    Parameters
    ----------
    url : str
        Such as ``sftp://user@host/path``.

    Raises
    ------
    UserError
        If the URL is wrong, or if asyncssh is not installed.
    """

    at_once = AT_ONCE

    def __init__(self, url: str) -> None:
        server, self._folder = check_url(url)
        scheme, _, rest = url.partition("://")
        place, _, path = rest.partition("/")
        self.name = f"{scheme.lower()}://{place}/{path.rstrip('/')}"
        self._library = library(self.name)
        self._connection = SshConnection(server, self.name)

    def items(self) -> Iterator[Item]:
        """List the files, folder by folder; links are not followed.

        Raises
        ------
        UserError
            If a folder cannot be listed: its files must not count as gone.
        """
        self._connection.run(self._require_folder())
        folders, pending = [""], deque[Future[_Listed]]()
        try:
            while folders or pending:
                while folders and len(pending) < _FOLDERS:
                    pending.append(self._connection.start(self._listed(folders.pop())))
                found, below = pending.popleft().result()
                yield from found
                folders += below
        finally:
            for future in pending:
                future.cancel()

    def fetch(self, item: Item, file: BinaryIO) -> Fetched:
        """Write the content of a file.

        Raises
        ------
        TransferError
            If it cannot be read, or was changed meanwhile.
        UserError
            If the connection is lost and cannot be made again.
        OSError
            If it cannot be written.
        """
        return self._connection.run(self._fetched(item.address, file))

    async def _require_folder(self) -> None:
        async def ask(session: Session) -> Any:
            return await session.sftp.stat(_bytes(self._folder))

        attributes = await self._asked(ask, "")
        if attributes.permissions is not None and not stat.S_ISDIR(attributes.permissions):
            raise UserError(f"'{self.name}' is not a folder; give the folder that it is in.")

    async def _listed(self, folder: str) -> _Listed:
        """Return the files of a folder and the folders in it, by their paths below the place."""
        try:
            return await self._asked(lambda session: self._read_folder(session, folder), folder)
        except GoneError:  # since the folder above it was listed
            return [], []

    async def _asked(self, ask: Callable[[Session], Awaitable[_T]], folder: str) -> _T:
        """Return what is known of a folder; if the connection is lost, ask again.

        Raises
        ------
        GoneError
            If there is none, other than the place itself.
        UserError
        """
        attempt = 0
        while True:
            attempt += 1
            session = await self._connection.session()
            try:
                return await session.answer(ask(session))
            except TransferError as error:
                if isinstance(error, GoneError):
                    if folder:
                        raise
                    raise UserError(
                        f"There is no folder '{self.name}'; correct the URL."
                    ) from error
                if isinstance(error, PermanentError) or attempt == _ATTEMPTS:
                    place = f"{shown(folder)} of '{self.name}'" if folder else f"'{self.name}'"
                    raise UserError(
                        f"The folder {place} cannot be listed: {error}; correct this, or give a "
                        "folder below it."
                    ) from error

    async def _read_folder(self, session: Session, folder: str) -> _Listed:
        found: list[Item] = []
        below: list[str] = []
        path = posixpath.join(self._folder, folder) if folder else self._folder
        async with contextlib.aclosing(session.sftp.scandir(_bytes(path))) as entries:
            async for entry in entries:
                session.hear()
                own = entry.filename.decode("utf-8", "surrogateescape")
                if own in (".", ".."):
                    continue
                name, address = posixpath.join(folder, own), posixpath.join(path, own)
                if not own or "/" in own or "\0" in own:
                    found.append(Item(name, -1, "", "", fault="files with impossible names"))
                    continue
                attributes = entry.attrs
                if attributes.permissions is None or attributes.size is None:
                    try:
                        attributes = await session.sftp.lstat(_bytes(address))
                    except self._library.SFTPNoSuchFile:
                        continue
                kind = stat.S_IFMT(attributes.permissions or 0)
                if kind == stat.S_IFDIR and not own.startswith("."):
                    below.append(name)
                elif kind in (stat.S_IFREG, stat.S_IFDIR):  # the mirror counts hidden ones
                    found.append(Item(name, attributes.size or 0, _tag(attributes), address))
                else:
                    fault = "links" if kind == stat.S_IFLNK else "special files"
                    found.append(Item(name, -1, "", address, fault=fault))
        return found, below

    async def _fetched(self, path: str, file: BinaryIO) -> Fetched:
        session = await self._connection.session()
        source = await session.answer(session.sftp.open(_bytes(path), "rb", encoding=None))
        try:
            before = await session.answer(source.stat())
            if before.size is None or not stat.S_ISREG(before.permissions or stat.S_IFREG):
                raise PermanentError("is no file any more")
            received = await _copy(session, source, before.size, file)
            after = await session.answer(source.stat())
        finally:
            with contextlib.suppress(TransferError):
                await session.answer(source.close())
        if _tag(before) != _tag(after):
            raise TransferError("is being changed")
        if received != before.size:
            raise TransferError(f"{received:,} of {before.size:,} bytes were received")
        return Fetched(_tag(before) or _UNKNOWN, (before.mtime or 0) * 1_000_000_000)


async def _copy(session: Session, source: Any, size: int, file: BinaryIO) -> int:
    """Write the content of an open file; return how many bytes there were."""
    length = min(source.read_len or _AHEAD, _AHEAD)
    starts = iter(range(0, size, length))
    parts = deque[asyncio.Task[bytes]]()
    received = 0
    try:
        while True:
            for start in itertools.islice(starts, _AHEAD // length - len(parts)):
                wanted = min(length, size - start)
                parts.append(asyncio.ensure_future(source.read(wanted, start)))
            if not parts:
                return received
            part = await session.answer(parts.popleft())
            write_all(file.fileno(), part)
            received += len(part)
            if len(part) < length:  # the last one, or the file became shorter
                return received
    finally:
        for task in parts:
            task.cancel()
        await asyncio.gather(*parts, return_exceptions=True)


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _tag(attributes: Any) -> str:
    """Return what differs if a file was changed; nothing if the server does not tell."""
    if attributes.size is None or attributes.mtime is None:
        return ""
    return f"{attributes.size} {attributes.mtime}"
