"""A file comes whole from the server that was checked, or a sentence says why not."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import pixelmill
from pixelmill.core.errors import UserError
from pixelmill.transfer import addresses, connections
from pixelmill.transfer import web as web_module
from pixelmill.transfer.place import PermanentError
from pixelmill.transfer.web import Web, parsed
from tests.helpers.web_server import Answer, WebServer, certified

IMAGE = bytes(range(256)) * 2000
HEADER = b"X: " + b"x" * 60_000 + b"\r\n"


@pytest.fixture
def fetch(tmp_path):
    """Function that fetches a URL and returns content and headers."""

    def fetched(url, validators=(), client=None, **options):
        options = {"allow_private": True, "max_bytes": 1_000_000, **options}
        with open(tmp_path / "file", "w+b", buffering=0) as file:
            headers = (client or Web(**options)).fetch(url, file, dict(validators))
            file.seek(0)
            return file.read(), headers

    return fetched


@pytest.fixture
def refused(fetch):
    """Function that fetches a URL in vain and returns why."""

    def told(url, **options):
        with pytest.raises(PermanentError) as raised:
            fetch(url, **options)
        return str(raised.value)

    return told


@pytest.fixture
def unused():
    """A port at which no server is."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


@pytest.fixture
def secure(tmp_path):
    """Function that starts a server with a certificate for an address; its path is returned too."""
    servers = []

    def start(address="127.0.0.1"):
        place, context = certified(tmp_path, address)
        servers.append(WebServer(context))
        servers[-1].answers["/a"] = Answer(IMAGE)
        return servers[-1], str(place)

    yield start
    for server in servers:
        server.close()


@pytest.mark.parametrize("fault", ["", "chunked"])
def test_a_file_is_fetched_with_its_headers(web, fetch, fault):
    web.answers["/a.jpg"] = Answer(IMAGE, headers={"ETag": '"1"'}, fault=fault)
    content, headers = fetch(web.url("/a.jpg"))
    assert (content, headers["ETag"]) == (IMAGE, '"1"')
    ((_, sent),) = web.requests
    assert sent["User-Agent"] == f"pixelmill/{pixelmill.__version__}"
    assert (sent["Host"], sent["Accept-Encoding"]) == (f"127.0.0.1:{web.port}", "identity")


def test_letters_and_blanks_are_sent_as_servers_expect_them(web, fetch):
    web.answers["/a%20%C3%A9%2F.jpg?q=%C3%9F&x=[1]".replace("[1]", "%5B1%5D")] = Answer(b"x")
    assert fetch(web.url("/a é%2F.jpg?q=ß&x=[1]#part"))[0] == b"x"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ftp://example.org/a.jpg", "is no URL that begins with https:// or http://"),
        ("file:///etc/passwd", "is no URL that begins"),
        ("example.org/a.jpg", "is no URL that begins"),
        ("https:///a.jpg", "is no URL that begins"),
        ("https://example.org/a\r\nHost: x", "is no URL that begins"),
        ("https://[::1/a.jpg", "is no valid URL"),
        ("https://example.org/\udce9.jpg", "is no valid URL"),
        ("https://example.org/a.jpg?\udce9", "is no valid URL"),
        ("https://\udce9.example/a.jpg", "is no valid URL"),
        ("https://example.org:x/", "is no valid URL"),
        ("https://example.org:99999/", "is no valid URL"),
        (f"https://{'ü' * 70}.example/", "is no valid URL"),
        ("https://user:planted@example.org/", "has a user name or a password"),
        ("https://planted@example.org/", "has a user name or a password"),
        ("http://127.0.0.1/a.jpg", "leads to the private address 127.0.0.1, which is not asked"),
        ("http://[::1]/a.jpg", "leads to the private address ::1"),
        ("http://169.254.169.254/latest/meta-data", "the private address 169.254.169.254"),
        ("http://2130706433/", "'2130706433' resolves to the private address 127.0.0.1"),
        ("http://example.org@127.0.0.1/", "has a user name"),
        ("http://127.0.0.1\\@example.org/", "has a user name"),
    ],
)
def test_what_must_not_be_asked_is_told_without_a_connection(refused, url, told):
    message = refused(url, allow_private=False)
    assert told in message and "planted" not in message


def test_international_names_are_sent_as_ascii():
    assert parsed("https://Bücher.example/").host == "xn--bcher-kva.example"
    assert parsed("https://[2606:4700::1111]:8443/").place == "[2606:4700::1111]:8443"


@pytest.mark.parametrize(
    ("answer", "told", "asked"),
    [
        (Answer(status=404), "404 Not Found", 1),
        (Answer(status=403), "403 Forbidden", 1),
        (Answer(status=304), "304 Not Modified", 1),
        (Answer(b"part", 206), "206 Partial Content", 1),
        (Answer(status=302), "302 Found", 1),
        (Answer(status=999), "999", 1),
        (Answer(status=503), "503 Service Unavailable", 3),
        (
            Answer(status=429, headers={"Retry-After": "3600"}),
            "429 Too Many Requests; the server asks to wait for 3,600 seconds",
            1,
        ),
        (
            Answer(status=503, headers={"Retry-After": "9" * 300}),
            "503 Service Unavailable; the server asks to wait for years",
            1,
        ),
        (Answer(IMAGE, fault="cut"), "256,000 of 512,000 bytes were received", 3),
        (
            Answer((b"HTTP/1.1 100 Go on\r\n" + HEADER * 90 + b"\r\n") * 3, fault="raw"),
            "sends more than 8,388,608 bytes of headers",
            1,
        ),
        (Answer(b"<!DOCTYPE HTML><p>Gone"), "is a web page, not an image", 1),
        (Answer(b"\xef\xbb\xbf\n <html>"), "is a web page, not an image", 1),
        (
            Answer(b"x", headers={"Content-Type": "text/html; charset=utf-8"}),
            "is a web page, not an image",
            1,
        ),
        (
            Answer(b"x", headers={"Content-Encoding": "gzip"}),
            "is compressed by its server as 'gzip'",
            1,
        ),
        (Answer(), "is empty", 1),
        (Answer(bytes(1_000_001)), "has more than 1,000,000 bytes", 1),
        (Answer(bytes(1_000_001), fault="chunked"), "has more than 1,000,000 bytes", 1),
        (Answer(b"SSH-2.0\r\n", fault="raw"), "the answer is not HTTP", 1),
        (Answer(b"", fault="raw"), "the connection was lost", 3),
        (Answer(b"HTTP/1.1 200\r\nA: " + bytes(99_999), fault="raw"), "is not HTTP", 1),
        (Answer(b"HTTP/1.1 200\r\n" + b"A: b\r\n" * 999, fault="raw"), "is not HTTP", 1),
        (
            Answer(b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", fault="raw"),
            "the connection was lost",
            3,
        ),
        (Answer(status=301, headers={"Location": "file:///etc/passwd"}), "is no URL that", 1),
        (Answer(status=301, headers={"Location": "http://u:p@127.0.0.1/"}), "has a user name", 1),
        (Answer(status=301, headers={"Location": "http://[x"}), "is no valid URL", 1),
        (Answer(status=301, headers={"Location": "/a"}), "is redirected more than 5 times", 6),
    ],
)
def test_an_answer_that_is_no_image_is_told(web, refused, answer, told, asked):
    web.answers["/a"] = answer
    assert told in refused(web.url("/a"))
    assert web.paths == ["/a"] * asked


def test_faults_that_pass_are_overcome(web, fetch):
    for fault in (Answer(status=503), Answer(IMAGE, fault="cut"), Answer(fault="raw")):
        web.answers["/a"] = [fault, Answer(IMAGE)]
        assert fetch(web.url("/a"))[0] == IMAGE


def test_a_server_that_asks_to_wait_is_left_alone(web, fetch, monkeypatch):
    paused = []
    monkeypatch.setattr(web_module._Servers, "pause", lambda _, *given: paused.append(given))
    web.answers["/a"] = [Answer(status=429, headers={"Retry-After": "7"}), Answer(IMAGE)]
    assert fetch(web.url("/a"))[0] == IMAGE
    assert paused == [("127.0.0.1", 7.0)]


def test_a_server_that_fails_again_and_again_is_not_asked_any_more(web, refused, monkeypatch):
    monkeypatch.setattr(web_module, "_MOST_FAILURES", 6)
    monkeypatch.setattr(web_module, "_FAILING", 0.0)
    client = Web(allow_private=True, max_bytes=9)
    web.answers |= {"/a": Answer(status=503), "/b": [Answer(status=503), Answer(status=404)]}
    told = [refused(web.url(path), client=client) for path in ["/a", "/b", "/a", "/a", "/a"]]
    assert told == [
        *("503 Service Unavailable", "404 Not Found"),
        *("503 Service Unavailable", "503 Service Unavailable"),
        "is not asked for: its server failed 6 times in a row",
    ]
    assert web.paths == ["/a"] * 3 + ["/b"] * 2 + ["/a"] * 6
    monkeypatch.setattr(web_module, "_FAILING", 1e9)  # a short failure costs few images
    assert refused(web.url("/a"), client=client) == "503 Service Unavailable"


def test_a_paused_server_is_asked_later():
    servers = web_module._Servers()
    servers.pause("photos.example", 0.02)
    with servers.connection_to("other.example"), servers.connection_to("photos.example"):
        assert servers._paused == {}


def test_redirects_are_followed(web, fetch):
    for number in range(5):
        to = [web.url("/1"), "/2", "3", "?4", "/é"][number]
        path = ["/0", "/1", "/2", "/3", "/3?4"][number]
        web.answers[path] = Answer(status=302, headers={"Location": to.encode().decode("latin-1")})
    web.answers["/%C3%A9"] = Answer(IMAGE)
    assert fetch(web.url("/0"))[0] == IMAGE
    assert len(web.requests) == 6


def test_a_redirect_to_a_private_address_is_refused(web, refused, monkeypatch):
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")
    place = web.url("/secret", host="127.0.0.2")
    web.answers["/a"] = Answer(status=302, headers={"Location": place})
    told = refused(web.url("/a"), allow_private=False)
    assert told.startswith("leads to the private address 127.0.0.2")
    assert web.paths == ["/a"]


def test_a_name_is_looked_up_once(web, fetch, monkeypatch):
    """It could lead to a private address when it is looked up again."""
    looked_up = []

    def lookup(host, port, **_):
        looked_up.append(host)
        there = "127.0.0.1" if len(looked_up) == 1 else "169.254.169.254"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (there, port))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1")
    web.answers["/a"] = Answer(IMAGE)
    assert fetch(web.url("/a", host="rebinding.example"), allow_private=False)[0] == IMAGE
    assert looked_up == ["rebinding.example"]


def test_a_second_address_is_tried(web, fetch, unused, monkeypatch):
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        for port in (unused, web.port)
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    web.answers["/a"] = Answer(IMAGE)
    assert fetch(web.url("/a", host="both.example"))[0] == IMAGE


def test_a_server_that_is_not_there_is_told(web, refused, unused):
    assert refused(f"http://127.0.0.1:{unused}/") == "the connection was refused"


def test_a_server_that_is_silent_is_given_up(web, refused, monkeypatch):
    monkeypatch.setattr(connections, "STALLED", 0.05)
    web.answers["/a"] = Answer(IMAGE, fault="silent")
    assert "nothing came" in refused(web.url("/a"))


def test_a_server_that_sends_for_ever_is_given_up(web, refused, monkeypatch):
    """Each part comes in time, but not the whole."""
    monkeypatch.setattr(web_module, "WHOLE", 0.05)
    endless = b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000_000
    web.answers["/a"] = Answer(endless, fault="raw")
    assert "took more than" in refused(web.url("/a"))


@pytest.mark.parametrize("is_secure", [False, True])
def test_a_connection_is_used_again(web, secure, fetch, monkeypatch, is_secure):
    if is_secure:
        web, place = secure()
        monkeypatch.setenv("SSL_CERT_FILE", place)
    monkeypatch.setattr(web, "keeps", True)
    before, client = web.connections, Web(allow_private=True, max_bytes=1_000_000)
    web.answers |= {"/a": Answer(IMAGE), "/b": Answer(b"b", fault="chunked")}
    web.answers["/c"] = Answer(status=304)
    for path, content in [("/a", IMAGE), ("/b", b"b"), ("/c", b"")] * 2:
        known = {"If-None-Match": '"1"'} if path == "/c" else {}
        assert fetch(web.url(path), known, client)[0] == content
    assert web.connections - before == 1


def test_a_connection_with_more_than_was_asked_for_is_not_used_again(web, fetch, monkeypatch):
    monkeypatch.setattr(web, "keeps", True)
    before, client = web.connections, Web(allow_private=True, max_bytes=1_000_000)
    planted = b"HTTP/1.1 200\r\nContent-Length: 7\r\n\r\nplanted"
    first = b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\na"
    web.answers["/a"] = Answer(first + bytes(connections.READ) + planted, fault="raw")
    web.answers["/b"] = Answer(b"b")
    assert fetch(web.url("/a"), client=client)[0] == b"a"
    assert fetch(web.url("/b"), client=client)[0] == b"b"
    assert web.connections - before == 2


def test_a_connection_that_its_server_closed_is_made_anew(web, fetch):
    web.answers["/a"] = Answer(b"a")
    before, client = web.connections, Web(allow_private=True, max_bytes=9)
    for _ in range(9):
        assert fetch(web.url("/a"), client=client)[0] == b"a"
    assert (web.connections - before, len(web.requests)) == (9, 9)


def test_few_idle_connections_are_kept():
    idle = connections.IdleConnections()
    made, servers = zip(*(socket.socketpair() for _ in range(40)), strict=True)
    for number, connection in enumerate(made):
        idle.put(("http", f"{number}.example", 80), connection)
    assert [connection.fileno() == -1 for connection in made] == [True] * 8 + [False] * 32
    assert idle.take(("http", "0.example", 80)) is None
    assert idle.take(("http", "39.example", 80)) is made[39]
    made[39].close()
    servers[38].close()
    assert idle.take(("http", "38.example", 80)) is None
    del idle
    assert {connection.fileno() for connection in made} == {-1}
    for server in servers:
        server.close()


def test_a_server_gets_four_requests_at_the_same_time(web, fetch, tmp_path):
    lock, full = threading.Lock(), threading.Event()
    active = []
    peaks = []

    def answer(_):
        with lock:
            active.append(1)
            peaks.append(len(active))
            if len(active) == 4:
                full.set()
        full.wait(60)
        with lock:
            active.pop()
        return Answer(b"x")

    web.answers["/a"] = answer
    client = Web(allow_private=True, max_bytes=9)

    def one(number):
        with open(tmp_path / str(number), "w+b", buffering=0) as file:
            client.fetch(web.url("/a"), file, {})

    with ThreadPoolExecutor(9) as pool:
        list(pool.map(one, range(9)))
    assert max(peaks) == 4 and len(peaks) == 9


def test_a_copy_that_is_current_is_not_sent(web, fetch):
    web.answers["/a"] = Answer(status=304)
    content, headers = fetch(web.url("/a"), validators={"If-None-Match": '"1"'})
    assert (content, headers) == (b"", None)
    assert web.requests[0][1]["If-None-Match"] == '"1"'


def test_certificates_are_checked(web, secure, fetch, refused, monkeypatch):
    server, place = secure()
    assert refused(server.url("/a")).startswith("the certificate is not valid: self")
    monkeypatch.setenv("SSL_CERT_FILE", place)
    assert fetch(server.url("/a"))[0] == IMAGE
    assert refused(web.url("/a").replace("http", "https")).startswith("the encrypted connection")
    other, place = secure("127.0.0.2")
    monkeypatch.setenv("SSL_CERT_FILE", place)
    assert "IP address mismatch" in refused(other.url("/a"))
    assert other.requests == []


def test_proxies_of_the_environment_are_used(web, secure, fetch, refused, monkeypatch):
    proxy = f"http://me:se%20cret@127.0.0.1:{web.port}"
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("https_proxy", proxy)
    web.answers["http://photos.example/a?b"] = Answer(IMAGE)
    assert fetch("http://photos.example/a?b", allow_private=False)[0] == IMAGE
    assert web.requests[0][1]["Host"] == "photos.example"
    assert web.requests[0][1]["Proxy-Authorization"] == "Basic bWU6c2UgY3JldA=="

    server, place = secure()
    monkeypatch.setenv("SSL_CERT_FILE", place)
    assert fetch(server.url("/a"))[0] == IMAGE
    assert web.paths[1:] == [f"127.0.0.1:{server.port}"]
    assert server.requests[0][1]["Proxy-Authorization"] is None

    assert "the private address" in refused(server.url("/a"), allow_private=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert fetch(server.url("/a"))[0] == IMAGE
    assert len(web.requests) == 2 and len(server.requests) == 2


def test_a_proxy_that_refuses_is_named(web, refused, monkeypatch):
    monkeypatch.setenv("https_proxy", f"http://me:planted@127.0.0.1:{web.port}")
    monkeypatch.setattr("tests.helpers.web_server._Handler.do_CONNECT", _forbid)
    told = refused("https://photos.example/a", allow_private=False)
    assert told == f"the proxy '127.0.0.1:{web.port}' answers 407 Proxy Authentication Required"


def _forbid(handler):
    handler.send_error(407)


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "http://[x", "http://"])
def test_a_proxy_of_another_kind_is_told(web, monkeypatch, proxy):
    monkeypatch.setenv("https_proxy", proxy)
    with pytest.raises(UserError, match=r"The proxy for https .* correct the variable https_proxy"):
        Web(allow_private=False, max_bytes=1)
