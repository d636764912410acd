"""SSH connection: to a server that the user knows, and made again when it was lost.

asyncssh finds keys as ``ssh`` does: in the agent, in ``~/.ssh``, and where ``~/.ssh/config`` says.
The key of the server must be in known_hosts. Passwords are neither asked for nor sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import socket
import threading
import time
import weakref
from collections.abc import Awaitable, Coroutine
from concurrent.futures import Future
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

from pixelmill.core.errors import UserError, shown
from pixelmill.core.filenames import printable
from pixelmill.transfer.connections import STALLED
from pixelmill.transfer.place import PermanentError, TransferError

#: Seconds until a server must have accepted a connection and a key.
_TO_CONNECT = 30.0

#: How often a connection is tried, and seconds before the second attempt; later ones wait longer.
_ATTEMPTS = 3
_PAUSE = 1.0

#: Bytes that a server may send before they were read.
_WINDOW = 1 << 24

#: Files with the keys of servers, unless ``~/.ssh/config`` names others.
_KNOWN_HOSTS = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")

_T = TypeVar("_T")


class GoneError(PermanentError):
    """There is no such file or folder."""


class Server(NamedTuple):
    """Where a server is, and as whom it is used.

    Attributes
    ----------
    host : str
        A name, an address, or a name of ``~/.ssh/config``.
    port : int, optional
    user : str, optional
        As ``~/.ssh/config`` says if they are None, like `port`.
    """

    host: str
    port: int | None = None
    user: str | None = None

    @property
    def command(self) -> str:
        """The command that connects to it."""
        port = f"-p {self.port} " if self.port else ""
        return f"ssh {port}{self.user + '@' if self.user else ''}{self.host}"


def library(url: str) -> ModuleType:
    """Return asyncssh.

    Raises
    ------
    UserError
        If it is not installed; the message names the place.
    """
    try:
        found = importlib.import_module("asyncssh")
    except ImportError as error:
        raise UserError(
            f"'{url}' cannot be used: SFTP needs the package asyncssh: pip install asyncssh."
        ) from error
    logging.getLogger("asyncssh").setLevel(logging.CRITICAL)  # errors are told once
    return found


class Session:
    """Requests to the SFTP server of a machine over one connection.

    Parameters
    ----------
    library : module
        asyncssh.
    connection : asyncssh.SSHClientConnection
    sftp : asyncssh.SFTPClient

    Attributes
    ----------
    sftp : asyncssh.SFTPClient
        Whose methods make the requests for `answer`.
    """

    def __init__(self, library: ModuleType, connection: Any, sftp: Any) -> None:
        self._library, self._connection, self.sftp = library, connection, sftp
        self._is_lost = False
        self._waiting, self._heard = 0, 0.0

    @property
    def is_lost(self) -> bool:
        """Whether it can answer no more."""
        return self._is_lost or bool(self._connection.is_closed())

    def drop(self) -> None:
        """Close the connection, whether or not the server answers."""
        self._is_lost = True
        self._connection.abort()

    def hear(self) -> None:
        """Note that the server has said something."""
        self._heard = time.monotonic()

    async def answer(self, request: Awaitable[_T]) -> _T:
        """Wait for an answer of the server, as long as it says anything.

        Raises
        ------
        PermanentError
            If the server refuses the request.
        TransferError
            If the connection is lost, or if the server fails.
        """
        task = asyncio.ensure_future(request)
        if not self._waiting:
            self.hear()
        self._waiting += 1
        try:
            while not task.done():
                left = self._heard + STALLED - time.monotonic()
                if left <= 0:
                    self.drop()
                    raise TransferError(f"nothing came for {STALLED:.0f} seconds")
                await asyncio.wait({task}, timeout=left)
            self.hear()
            if task.cancelled():
                raise TransferError("the connection was lost")
            return task.result()
        except (self._library.Error, OSError) as error:
            raise self._failure(error) from error
        finally:
            self._waiting -= 1
            task.cancel()

    def _failure(self, error: Exception) -> TransferError:
        library = self._library
        if isinstance(error, library.SFTPNoSuchFile | library.SFTPNoSuchPath):
            return GoneError("is gone")
        if isinstance(error, library.SFTPPermissionDenied):
            return PermanentError("permission denied")
        is_alive = isinstance(error, library.SFTPError) and not isinstance(
            error, library.SFTPConnectionLost | library.SFTPNoConnection
        )
        if is_alive:
            return TransferError(f"the server failed: {_words(error)}")
        self.drop()
        return TransferError("the connection was lost")


class SshConnection:
    """A session with the SFTP server of a machine, whenever one is needed, for several threads.

    asyncssh runs in a thread of its own, which ends with this object.

    Parameters
    ----------
    server : Server
    name : str
        How messages name the place.

    Raises
    ------
    UserError
        If asyncssh is not installed.
    """

    def __init__(self, server: Server, name: str) -> None:
        self._library = library(name)
        self._server, self._name = server, name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting = threading.Lock()
        self._connecting = asyncio.Lock()
        self._sessions: list[Session] = []  # one at most
        self._gone: UserError | None = None

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do work that waits for answers of the server, in the thread of asyncssh."""
        return self.start(work).result()

    def start(self, work: Coroutine[Any, Any, _T]) -> Future[_T]:
        """Let such work begin."""
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_serve, args=(self._loop,), name="ssh", daemon=True).start()
                ending = weakref.finalize(self, _end, self._loop, self._sessions)
                ending.atexit = False
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def session(self) -> Session:
        """Return the session; a new one if the last one was lost.

        Raises
        ------
        UserError
            If there is none, whatever is tried.
        """
        async with self._connecting:
            if self._gone is not None:
                raise self._gone
            if not self._sessions or self._sessions[0].is_lost:
                try:
                    self._sessions[:] = [await self._connected()]
                except UserError as error:
                    self._gone = error  # other files need not try it
                    raise
            return self._sessions[0]

    async def _connected(self) -> Session:
        attempt = 0
        while True:
            attempt += 1
            refusals: list[str] = []
            try:
                return await self._opened(refusals)
            except UserError:
                raise
            except (self._library.Error, OSError, ValueError) as error:
                why, may_pass = self._reason(error, refusals)
                if not may_pass or attempt == _ATTEMPTS:
                    raise self._unusable(why) from error
            await asyncio.sleep(_PAUSE * 4 ** (attempt - 1))

    async def _opened(self, refusals: list[str]) -> Session:
        host, port, user = self._server
        given: dict[str, Any] = {"host": host}
        if port is not None:
            given["port"] = port
        if user is not None:
            given["username"] = user
        known = await self._known_hosts(given)
        client = _client(self._library, known, refusals)
        # What ~/.ssh/config allows for work on the server is not needed here.
        never = dict.fromkeys(
            ("agent_forwarding", "x11_forwarding", "password_auth", "kbdint_auth", "request_pty"),
            False,
        )
        connection = await self._library.connect(
            **given,
            **never,
            env=None,
            send_env=None,
            command=None,
            known_hosts=known,
            client_factory=lambda: client,
            connect_timeout=_TO_CONNECT,
            window=_WINDOW,
        )
        try:
            async with asyncio.timeout(_TO_CONNECT):
                sftp = await connection.start_sftp_client(path_encoding=None)
        except BaseException:
            connection.abort()
            raise
        return Session(self._library, connection, sftp)

    async def _known_hosts(self, given: dict[str, Any]) -> Any:
        """Return the keys of servers that the user knows.

        Raises
        ------
        UserError
            If the check of them is turned off, for the server or for one on the way to it.
        """
        make = self._library.SSHClientConnectionOptions.construct
        options = await make(config=(), **given)  # of ~/.ssh/config
        of_hosts, jumps = {given["host"]: options}, [options.tunnel]
        while jumps:
            for jump in filter(None, str(jumps.pop() or "").split(",")):
                host = jump.rpartition("@")[2].partition(":")[0]
                if host not in of_hosts:
                    of_hosts[host] = await make(config=(), host=host)
                    jumps.append(of_hosts[host].tunnel)
        for host, found in of_hosts.items():
            if found.known_hosts is None:
                raise self._unusable(
                    f"~/.ssh/config turns off the check of the key of {shown(host)} by "
                    "'UserKnownHostsFile none'; remove this line"
                )
        files = [os.path.expanduser(file) for file in options.known_hosts or _KNOWN_HOSTS]
        return self._library.read_known_hosts([file for file in files if os.path.isfile(file)])

    def _unusable(self, why: str) -> UserError:
        return UserError(f"'{self._name}' cannot be used: {why}.")

    def _reason(self, error: Exception, refusals: list[str]) -> tuple[str, bool]:
        """Return why there is no connection, with what to do, and whether it may pass."""
        library, try_it = self._library, f"try '{self._server.command}'"
        if isinstance(error, library.HostKeyNotVerifiable | library.KeyExchangeFailed):
            no_key = "none of its keys is of a kind that known_hosts has of it"
            told = no_key if "host key" in str(error) else _words(error)
            return "".join(refusals) or f"{told}; {try_it}", False
        if isinstance(error, library.PermissionDenied):
            return (
                "the server accepts none of your keys; add one to the SSH agent, or name it in "
                f"~/.ssh/config, and {try_it}"
            ), False
        if isinstance(error, library.ChannelOpenError):
            return "the server offers no SFTP; ask who runs it", False
        if isinstance(error, OSError) and error.filename:
            told = f"{shown(error.filename)}, which ~/.ssh/config names, cannot be used"
            return f"{told}: {error.strerror}; correct this", False
        if isinstance(error, socket.gaierror):
            told = f"there is no address of {shown(self._server.host)}"
            return f"{told}, or of a server on the way to it; correct the URL", False
        if isinstance(error, TimeoutError):
            return f"there was no connection within {_TO_CONNECT:.0f} seconds; {try_it}", True
        if isinstance(error, ConnectionRefusedError):
            return f"the connection was refused; {try_it}", True
        if isinstance(error, library.ConnectionLost | ConnectionError):
            return f"the connection was lost; {try_it}", True
        if isinstance(error, ValueError):  # of a file of the user, such as ~/.ssh/config
            return f"{_words(error)}; {try_it}", False
        return f"{_words(error)}; {try_it}", True


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop until `_end`."""
    try:
        loop.run_forever()
    finally:
        loop.run_until_complete(_finish())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


async def _finish() -> None:
    """Cancel everything else."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _end(loop: asyncio.AbstractEventLoop, sessions: list[Session]) -> None:
    """Close the connection, and let the thread of a loop end."""

    def stop() -> None:
        for session in sessions:
            session.drop()
        loop.stop()

    with contextlib.suppress(RuntimeError):  # it has ended
        loop.call_soon_threadsafe(stop)


def _client(library: ModuleType, known: Any, refusals: list[str]) -> Any:
    """Return what asyncssh asks about a key of a server that is not in known_hosts."""

    class Client(library.SSHClient):  # type: ignore[misc,name-defined]
        def validate_host_public_key(self, host: str, addr: str, port: int, key: Any) -> bool:
            others = known.match(host, addr, None if port == 22 else port)[0]
            told = f"the key of {shown(host)}, {key.get_fingerprint()},"
            if others:
                refusals.append(
                    f"{told} is not that of known_hosts: somebody may have taken the place of the "
                    "server; ask who runs it, and correct known_hosts"
                )
            else:
                refusals.append(
                    f"{told} is not in known_hosts; compare it with what those say who run the "
                    "server, and connect once by ssh, which adds it"
                )
            return False

    return Client()


def _words(error: Exception) -> str:
    """Return what a library or a server says, in a few words."""
    text = " ".join(str(getattr(error, "reason", "") or error).split()).rstrip(".")
    return printable(text[:200]) or type(error).__name__
