"""Connections: to checked addresses only, with a limit on the time of everything."""

from __future__ import annotations

import contextlib
import http.client
import io
import math
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from pixelmill.transfer.addresses import resolved
from pixelmill.transfer.place import PermanentError, TransferError

#: Seconds to connect, to wait for the next bytes, and for a whole file.
TO_CONNECT, STALLED, WHOLE = 10.0, 30.0, 600.0

#: Bytes that are read at once, and the most that may come before the content: more than the 100
#: headers that `http.client` accepts have.
READ, _MOST_BEFORE = 1 << 18, 1 << 23

#: Seconds for which a connection is kept that is not in use, and how many are.
_KEPT, _MOST_KEPT = 10.0, 32

#: A connection can be used again for the same scheme, host and port.
Key: TypeAlias = "tuple[str, str, int]"


def connected(host: str, port: int, allow_private: bool) -> socket.socket:
    """Connect to one of the addresses of a name that are allowed.

    Raises
    ------
    TransferError
        If there is none.
    OSError
        If none can be reached.
    """
    failure = OSError("it has no address")
    for family, sockaddr in resolved(host, port, allow_private):
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(TO_CONNECT)
            connection.connect(sockaddr)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        except OSError as error:
            connection.close()
            failure = error
        except BaseException:
            connection.close()
            raise
    raise failure


def asked(
    connection: socket.socket, method: str, target: str, headers: Mapping[str, str], deadline: float
) -> http.client.HTTPResponse:
    """Send a request, which names its host, and wait for the headers of the answer.

    Parameters
    ----------
    deadline : float
        When the whole answer must be there, as `time.monotonic` counts.

    Raises
    ------
    TransferError
        If the answer takes too long.
    OSError, http.client.HTTPException
        If the connection is lost, or if the answer is not HTTP.
    """
    client = http.client.HTTPConnection(headers["Host"])
    connection.settimeout(TO_CONNECT)
    wire: Any = _Wire(connection, deadline)
    client.sock = wire
    client.request(method, target, headers=dict(headers))
    answer = client.getresponse()
    wire.allow_any()
    return answer


class _Wire:
    """A connection as `http.client` uses one; whoever made the connection closes it."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._timed = _Timed(connection, deadline)
        self.sendall = connection.sendall

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._timed, READ)

    def allow_any(self) -> None:
        """Let any number of bytes come: the content begins, and is bounded elsewhere."""
        self._timed.left = math.inf

    def close(self) -> None:
        pass


class _Timed(io.RawIOBase):
    """What comes over a connection; each part must come in time, and all of it before an end.

    Attributes
    ----------
    left : float
        How many bytes may still come: a server may announce its answer for ever.
    """

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection, self._deadline = connection, deadline
        self.left: float = _MOST_BEFORE

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._deadline - time.monotonic()
        try:
            if left > 0:
                self._connection.settimeout(min(STALLED, left))
                size = self._connection.recv_into(buffer)
                self.left -= size
                if self.left < 0:
                    raise PermanentError(f"sends more than {_MOST_BEFORE:,} bytes of headers")
                return size
        except TimeoutError as error:
            if left > STALLED:
                raise TransferError(f"nothing came for {STALLED:.0f} seconds") from error
        raise PermanentError(f"took more than {WHOLE:.0f} seconds")


class IdleConnections:
    """Connections that can be used again: a new one costs several round trips."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[tuple[Key, float, socket.socket]] = []

    def put(self, key: Key, connection: socket.socket) -> None:
        """Keep a connection over which everything that was sent has been read."""
        with self._lock:
            self._kept.append((key, time.monotonic(), connection))
            old = self._kept[:-_MOST_KEPT]
            del self._kept[:-_MOST_KEPT]
        for _, _, other in old:
            other.close()

    def take(self, key: Key) -> socket.socket | None:
        """Return a connection of a server; None if there is none that is open."""
        while True:
            with self._lock:
                numbers = [number for number, kept in enumerate(self._kept) if kept[0] == key]
                if not numbers:
                    return None
                _, since, connection = self._kept.pop(numbers[-1])
            if time.monotonic() - since < _KEPT and _is_quiet(connection):
                return connection
            connection.close()

    def __del__(self) -> None:
        for _, _, connection in self._kept:
            connection.close()


def _is_quiet(connection: socket.socket) -> bool:
    """Whether nothing came since the last answer: neither the end nor what was not asked for."""
    try:
        return not select.select([connection], [], [], 0)[0]
    except (OSError, ValueError):  # more files are open than it knows
        return False


@contextlib.contextmanager
def in_words() -> Iterator[None]:
    """Turn the errors of a connection into sentences.

    Raises
    ------
    TransferError
    """
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise PermanentError(f"the certificate is not valid: {error.verify_message}") from error
    except ssl.SSLError as error:
        raise TransferError(f"the encrypted connection failed: {error.reason}") from error
    except TimeoutError as error:
        raise TransferError(f"no connection within {TO_CONNECT:.0f} seconds") from error
    except ConnectionRefusedError as error:
        raise TransferError("the connection was refused") from error
    except (ConnectionError, http.client.IncompleteRead) as error:
        raise TransferError("the connection was lost") from error
    except (http.client.HTTPException, ValueError) as error:
        raise PermanentError("the answer is not HTTP") from error
    except OSError as error:
        raise TransferError(f"no connection: {error.strerror or error}") from error
