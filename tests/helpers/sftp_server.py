"""A server of SSH with SFTP on this machine, with the faults that networks and servers have.

It is asyncssh's own. Its users are those whose key it knows; the keys are made for the tests.
"""

import asyncio
import posixpath
import threading
from collections import Counter
from types import SimpleNamespace

import pytest

#: A user that exists.
USER = "mill-user"


class SftpServer:
    """Files below a folder.

    Attributes
    ----------
    root : Path
        What users see as ``/``, in which their home is ``/home``.
    fault : callable
        Called with a request ("list", "open", "stat" or "read") and its path; returns what goes
        wrong: "cut" (the connection), "denied", "failed", "hangs", "short" (nothing is read), or
        "", or a function that is called with the path of the file on this machine.
    refuses : bool
        Whether new connections are lost at once.
    planted : dict
        Names that a folder is said to have besides, each with its mode, by the path of the folder.
    requests : Counter
        Numbers of requests, and of connections as "connect".
    port : int
    """

    def __init__(self):
        import asyncssh  # which takes a while

        self._library = asyncssh
        self._files = _files(asyncssh)
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        self.user_key = asyncssh.generate_private_key("ssh-ed25519")
        self.reset(None)
        started = threading.Event()
        self._thread = threading.Thread(
            target=asyncio.run, args=(self._serve(started),), daemon=True
        )
        self._thread.start()
        started.wait()

    def reset(self, root):
        self.root = root
        self.refuses = False
        self.fault = lambda request, path: ""
        self.planted = {}
        self.requests = Counter()

    async def _serve(self, started):
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        self._connections = set()
        async with await self._listen() as listener:
            self.port = listener.get_port()
            started.set()
            await self._ended.wait()
        for connection in self._connections:
            connection.abort()

    def close(self):
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    async def _listen(self):
        state, asyncssh = self, self._library

        class Login(asyncssh.SSHServer):
            def connection_made(self, connection):
                state.requests["connect"] += 1
                state._connections.add(connection)
                if state.refuses:
                    connection.abort()

            def begin_auth(self, username):
                return True

            def public_key_auth_supported(self):
                return True

            def validate_public_key(self, username, key):
                return username == USER and key == state.user_key.convert_to_public()

        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=Login,
            server_host_keys=[self.key],
            sftp_factory=lambda channel: self._files(channel, state),
        )

    def known_hosts(self, key=None, host="127.0.0.1"):
        """A line with the key of the server."""
        shown = (key or self.key).export_public_key().decode()
        return f"[{host}]:{self.port} {shown}"


def _files(asyncssh):
    """Return the class of what a session shows."""

    class Files(asyncssh.SFTPServer):
        def __init__(self, channel, state):
            super().__init__(channel, chroot=str(state.root).encode())
            self._state = state
            self._paths = {}

        def map_path(self, path):
            return super().map_path(posixpath.join(b"/home", path))

        async def _strike(self, request, path):
            state = self._state
            state.requests[request] += 1
            fault = state.fault(request, path.decode(errors="surrogateescape"))
            if callable(fault):
                return fault(state.root / path.decode().lstrip("/"))
            if fault == "cut":
                self.connection.abort()
            if fault == "hangs":
                await asyncio.Event().wait()
            if fault == "denied":
                raise asyncssh.SFTPPermissionDenied("not yours")
            if fault == "failed":
                raise asyncssh.SFTPFailure("the disk\n\x1b[31m is broken")
            return fault

        async def scandir(self, path):
            await self._strike("list", path)
            async for entry in super().scandir(path):
                yield entry
            for name, mode in self._state.planted.get(path.decode(), {}).items():
                given = {} if mode is None else {"permissions": mode, "size": 7, "mtime": 9}
                yield asyncssh.SFTPName(name, b"", asyncssh.SFTPAttrs(**given))

        async def open(self, path, pflags, attrs):
            await self._strike("open", path)
            file = super().open(path, pflags, attrs)
            self._paths[file] = path
            return file

        async def fstat(self, file):
            await self._strike("stat", self._paths[file])
            return super().fstat(file)

        async def read(self, file, offset, size):
            fault = await self._strike("read", self._paths[file])
            return b"" if fault == "short" else super().read(file, offset, size)

    return Files


@pytest.fixture(scope="session")
def only_sftp():
    server = SftpServer()
    yield server
    server.close()


@pytest.fixture
def sftp(only_sftp, tmp_path, monkeypatch):
    """A server that a user knows and whose key it has, and the URL of an empty folder on it."""
    home, root = tmp_path / "user", tmp_path / "server"
    (home / ".ssh").mkdir(parents=True)
    (root / "home").mkdir(parents=True)
    (root / "photos").mkdir()
    only_sftp.reset(root)
    only_sftp.user_key.write_private_key(home / ".ssh/id_ed25519")
    (home / ".ssh/known_hosts").write_text(only_sftp.known_hosts())
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setattr("pixelmill.transfer.ssh_connection._PAUSE", 0.0)
    return SimpleNamespace(
        server=only_sftp,
        ssh=home / ".ssh",
        photos=root / "photos",
        url=f"sftp://{USER}@127.0.0.1:{only_sftp.port}/photos",
    )
