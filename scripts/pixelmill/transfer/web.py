"""Web: files from servers, by HTTP and HTTPS, as far as strangers' URLs can be trusted.

Each address is checked before anything is sent to it, certificates are checked, and everything
has a bound: time, bytes, redirects, attempts, and connections to one server.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import http.client
import re
import socket
import ssl
import threading
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import BinaryIO, NamedTuple, TypeAlias

import pixelmill
from pixelmill.core.errors import UserError, shown
from pixelmill.core.files import write_all
from pixelmill.transfer.addresses import refuse_private
from pixelmill.transfer.connections import (
    READ,
    TO_CONNECT,
    WHOLE,
    IdleConnections,
    asked,
    connected,
    in_words,
)
from pixelmill.transfer.place import PermanentError, TransferError

#: Ports by the scheme of a URL.
_PORTS = {"http": 80, "https": 443}

#: How often a file is asked for, and seconds before the second attempt; later ones wait longer.
_ATTEMPTS = 3
_PAUSE = 1.0

#: The most seconds that a server may ask to wait, and how many are not told as a number.
_LONGEST_PAUSE, _FOREVER = 60.0, 1e8

#: The most redirects of a file, and connections to a server at the same time.
_REDIRECTS, _FOR_ONE_HOST = 5, 4

#: How often, and for how many seconds, a server may fail in a row; then it is not asked any more. A
#: thousand images of one that is gone would take hours.
_MOST_FAILURES, _FAILING = 30, 300.0

#: Answers that lead elsewhere, and those that may differ a little later.
_ELSEWHERE = {301, 302, 303, 307, 308}
_LATER = {408, 425, 429, 500, 502, 503, 504}

#: Characters that stay as they are in a path and in a query; `%` begins an escape.
_IN_PATH, _IN_QUERY = "/%:@!$&'()*+,;=", "/%:@!$&'()*+,;=?"

#: The longest URL that is asked for, in characters; servers accept some 8,000.
LONGEST_URL = 16_000

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

#: How a web page begins, what may precede this, and how its server calls it.
_PAGE = (b"<!doctype html", b"<html")
_BEFORE = b"\xef\xbb\xbf \t\r\n"
_PAGES = ("text/html", "application/xhtml+xml")


#: A connection, and the answer that comes over it.
_Asked: TypeAlias = "tuple[socket.socket, http.client.HTTPResponse]"


class Url(NamedTuple):
    """A URL in parts.

    Attributes
    ----------
    scheme : str
    host : str
        In lower case and as ASCII.
    port : int
    target : str
        Path and query, as they are sent.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def server(self) -> tuple[str, str, int]:
        """What is asked."""
        return self[:3]

    @property
    def place(self) -> str:
        """Host and port as servers expect them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def parsed(url: str) -> Url:
    """Take a URL apart.

    Raises
    ------
    PermanentError
        If it is none of HTTP or HTTPS, or contains credentials.

    Examples
    --------
    >>> parsed("HTTPS://Example.org/a b.jpg?größe=9#top").target
    '/a%20b.jpg?gr%C3%B6%C3%9Fe=9'
    """
    if len(url) > LONGEST_URL:
        raise PermanentError(f"has more than {LONGEST_URL:,} characters")
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("ascii" if url.isascii() else "idna").decode()
        target = urllib.parse.quote(parts.path or "/", safe=_IN_PATH)
        query = urllib.parse.quote(parts.query, safe=_IN_QUERY)
    except ValueError as error:
        raise PermanentError("is no valid URL") from error
    if parts.scheme not in _PORTS or not host or _CONTROL.search(url):
        raise PermanentError("is no URL that begins with https:// or http://")
    if parts.username is not None:
        raise PermanentError("has a user name or a password, which are not sent; remove them")
    return Url(
        parts.scheme,
        host,
        _PORTS[parts.scheme] if port is None else port,
        f"{target}?{query}" if query else target,
    )


class Web:
    """Files of web servers.

    Parameters
    ----------
    allow_private : bool
        Whether addresses that are not public are asked.
    max_bytes : int
        The largest file that is accepted.
    """

    def __init__(self, allow_private: bool, max_bytes: int) -> None:
        self._allow_private, self._max_bytes = allow_private, max_bytes
        self._servers, self._idle = _Servers(), IdleConnections()
        self._proxies = {
            scheme: proxy
            for scheme in _PORTS
            if (proxy := _proxy(urllib.request.getproxies(), scheme)) is not None
        }

    @functools.cached_property
    def _certificates(self) -> ssl.SSLContext:
        """What decides which certificates are valid; made when it is needed: it takes a while."""
        return ssl.create_default_context()

    @property
    def proxies(self) -> list[str]:
        """Host and port of each proxy that the environment names."""
        return sorted({proxy.place for proxy in self._proxies.values()})

    def fetch(self, url: str, file: BinaryIO, validators: Mapping[str, str]) -> Message | None:
        """Write the file of a URL; return the headers that came with it.

        Parameters
        ----------
        url : str
        file : BinaryIO
            Open for writing, and emptied before each attempt.
        validators : mapping of str to str
            Headers by which the server recognises a copy that is current.

        Returns
        -------
        Message, optional
            None if the copy is current.

        Raises
        ------
        PermanentError
            If it cannot be read.
        OSError
            If it cannot be written.
        """
        attempt = 0
        while True:
            attempt += 1
            file.seek(0)
            file.truncate()
            try:
                return self._followed(url, file, validators)
            except PermanentError:
                raise
            except TransferError as error:
                if attempt == _ATTEMPTS:
                    raise PermanentError(str(error)) from error
            time.sleep(_PAUSE * 4 ** (attempt - 1))

    def _followed(self, url: str, file: BinaryIO, validators: Mapping[str, str]) -> Message | None:
        for _ in range(_REDIRECTS + 1):
            place = parsed(url)
            with (
                self._servers.connection_to(place.host),
                self._answer(place, validators) as answer,
            ):
                if answer.status in _ELSEWHERE and (to := answer.headers.get("Location")):
                    url = _joined(url, to)
                    continue
                if answer.status == 304 and validators:
                    answer.read()  # nothing, so that the connection can be used again
                    return None
                if answer.status != 200:
                    raise self._failed(place.host, answer)
                self._receive(answer, file)
                return answer.headers
        raise PermanentError(f"is redirected more than {_REDIRECTS} times")

    def _failed(self, host: str, answer: http.client.HTTPResponse) -> TransferError:
        told = f"{answer.status} {http.client.responses.get(answer.status, '')}".rstrip()
        if answer.status not in _LATER:
            return PermanentError(told)
        seconds = _asked_to_wait(answer.headers.get("Retry-After", ""))
        if seconds > _LONGEST_PAUSE:
            asked_for = f"{seconds:,.0f} seconds" if seconds < _FOREVER else "years"
            return PermanentError(f"{told}; the server asks to wait for {asked_for}")
        if seconds > 0:
            self._servers.pause(host, seconds)
        return TransferError(told)

    def _receive(self, answer: http.client.HTTPResponse, file: BinaryIO) -> None:
        encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
        if answer.headers.get_content_type() in _PAGES and "Content-Type" in answer.headers:
            raise PermanentError("is a web page, not an image")
        if encoding not in ("", "identity"):
            raise PermanentError(f"is compressed by its server as {shown(encoding)}")
        size = answer.length  # as the server told it
        self._check_size(size or 0)
        received = 0
        while True:
            with in_words():
                part = answer.read(READ)
            if not part:
                break
            if not received and part.lstrip(_BEFORE)[:20].lower().startswith(_PAGE):
                raise PermanentError("is a web page, not an image")
            received += len(part)
            self._check_size(received)
            write_all(file.fileno(), part)
        if size is not None and received != size:
            raise TransferError(f"{received:,} of {size:,} bytes were received")
        if not received:
            raise PermanentError("is empty")

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            raise PermanentError(
                f"has more than {self._max_bytes:,} bytes, the limit of limits.max_bytes"
            )

    @contextlib.contextmanager
    def _answer(
        self, url: Url, validators: Mapping[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        """Ask a server; keep the connection if the answer was read to its end."""
        deadline = time.monotonic() + WHOLE
        proxy = self._proxies.get(url.scheme)
        if proxy is not None and urllib.request.proxy_bypass(url.place):
            proxy = None
        if proxy is not None and not self._allow_private:
            refuse_private(url.host)
        headers = {
            "Host": url.place,
            "User-Agent": f"pixelmill/{pixelmill.__version__}",
            "Accept": "*/*",  # if it named formats, some servers would convert the image
            "Accept-Encoding": "identity",
            **validators,
        }
        with in_words():
            known = self._asked_again(url, headers, deadline) if proxy is None else None
            connection, answer = known or self._asked_anew(url, proxy, headers, deadline)
        is_kept = False
        try:
            yield answer
            is_kept = proxy is None and answer.isclosed() and not answer.will_close
        finally:
            answer.close()
            if is_kept:
                self._idle.put(url.server, connection)
            else:
                connection.close()

    def _asked_again(self, url: Url, headers: Mapping[str, str], deadline: float) -> _Asked | None:
        """Ask over a connection that was used before; None if there is none."""
        while (connection := self._idle.take(url.server)) is not None:
            try:
                return connection, asked(connection, "GET", url.target, headers, deadline)
            except (ConnectionError, ssl.SSLError, http.client.HTTPException):
                connection.close()  # a server may close it at any time
            except BaseException:
                connection.close()
                raise
        return None

    def _asked_anew(
        self, url: Url, proxy: _Proxy | None, headers: Mapping[str, str], deadline: float
    ) -> _Asked:
        target = url.target
        if proxy is None:
            connection = connected(url.host, url.port, self._allow_private)
        else:
            connection = connected(proxy.host, proxy.port, allow_private=True)
        try:
            if proxy is not None and url.scheme == "https":
                _ask_for_tunnel(connection, url, proxy, deadline)
            elif proxy is not None:
                target = f"http://{url.place}{target}"
                headers = {**headers, **proxy.credentials, "Connection": "close"}
            if url.scheme == "https":
                connection.settimeout(TO_CONNECT)
                connection = self._certificates.wrap_socket(connection, server_hostname=url.host)
            return connection, asked(connection, "GET", target, headers, deadline)
        except BaseException:
            connection.close()
            raise


class _Proxy(NamedTuple):
    """A proxy, and the headers by which it is used."""

    host: str
    port: int
    credentials: Mapping[str, str]

    @property
    def place(self) -> str:
        return f"{self.host}:{self.port}"


def _proxy(proxies: Mapping[str, str], scheme: str) -> _Proxy | None:
    """Return the proxy that the environment names for a scheme."""
    given = proxies.get(scheme) or proxies.get("all")
    if not given:
        return None
    try:
        parts = urllib.parse.urlsplit(given if "://" in given else f"http://{given}")
        host = parts.hostname if parts.scheme == "http" else None
        port = parts.port or _PORTS["http"]
    except ValueError:
        host = None
    if host is None:
        raise UserError(
            f"The proxy for {scheme} of the environment is no URL such as 'http://host:8080', and "
            f"other kinds cannot be used; correct the variable {scheme}_proxy, or unset it."
        )
    credentials = {}
    if parts.username is not None:
        user = (
            f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        )
        coded = base64.b64encode(user.encode()).decode()
        credentials["Proxy-Authorization"] = f"Basic {coded}"
    return _Proxy(host, port, credentials)


class _Servers:
    """Which servers are being asked, so that none gets too many requests, and which fail."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._active: Counter[str] = Counter()
        self._paused: dict[str, float] = {}
        self._failures: dict[str, tuple[int, float]] = {}  # number, and time of the first one

    @contextlib.contextmanager
    def connection_to(self, host: str) -> Iterator[None]:
        """Wait until a server may be asked, and note whether it fails.

        Raises
        ------
        PermanentError
            If it failed too often.
        """
        with self._changed:
            while True:
                count, since = self._failures.get(host, (0, 0.0))
                if count >= _MOST_FAILURES and time.monotonic() - since >= _FAILING:
                    raise PermanentError(
                        f"is not asked for: its server failed {count} times in a row"
                    )
                left = self._paused.get(host, 0.0) - time.monotonic()
                if left <= 0:
                    self._paused.pop(host, None)
                    if self._active[host] < _FOR_ONE_HOST:
                        break
                self._changed.wait(left if left > 0 else None)
            self._active[host] += 1
        has_failed = False
        try:
            yield
        except TransferError as error:
            has_failed = not isinstance(error, PermanentError)
            raise
        finally:
            with self._changed:
                self._active[host] -= 1
                if not self._active[host]:
                    del self._active[host]
                count, since = self._failures.pop(host, (0, time.monotonic()))
                if has_failed:
                    self._failures[host] = count + 1, since
                self._changed.notify_all()

    def pause(self, host: str, seconds: float) -> None:
        """Let a server alone for a while."""
        with self._changed:
            self._paused[host] = max(self._paused.get(host, 0.0), time.monotonic() + seconds)


def _ask_for_tunnel(connection: socket.socket, url: Url, proxy: _Proxy, deadline: float) -> None:
    host = f"[{url.host}]" if ":" in url.host else url.host
    place = f"{host}:{url.port}"
    answer = asked(connection, "CONNECT", place, {"Host": place, **proxy.credentials}, deadline)
    if answer.status != 200:
        told = f"{answer.status} {http.client.responses.get(answer.status, '')}".rstrip()
        kind = TransferError if answer.status in _LATER else PermanentError
        raise kind(f"the proxy '{proxy.place}' answers {told}")


def _joined(url: str, to: str) -> str:
    """Return where a redirect leads, which is a part of a URL in the bytes of a header."""
    try:
        return urllib.parse.urljoin(url, to.encode("latin-1").decode())
    except ValueError as error:
        raise PermanentError("is redirected to what is no valid URL") from error


def _asked_to_wait(text: str) -> float:
    """Return the seconds that the header Retry-After stands for.

    Examples
    --------
    >>> _asked_to_wait("120"), _asked_to_wait("Wed, 21 Oct 2015 07:28:00 GMT"), _asked_to_wait("x")
    (120.0, 0.0, 0.0)
    """
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0
