"""A web server on this machine, which answers as a test says, with the faults that servers have."""

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Answer(NamedTuple):
    """What a server sends.

    Attributes
    ----------
    content : bytes
    status : int
    headers : dict
    fault : str
        "cut" (in the middle of the content), "chunked" (no size is told), "raw" (the content is all
        that is sent), "silent" (after the headers nothing comes), or "".
    """

    content: bytes = b""
    status: int = 200
    headers: dict = {}  # noqa: RUF012 - never changed
    fault: str = ""


class WebServer:
    """Answers by path; of several, each is given once and the last again and again.

    Attributes
    ----------
    answers : dict
        Answers, lists of them, or functions of the headers of the request that return one.
    requests : list
        Path and headers of each request.
    connections : int
        How many there were.
    keeps : bool
        Whether connections stay open after an answer.
    """

    def __init__(self, context=None):
        self.answers, self.requests = {}, []
        self.connections, self.keeps = 0, False
        self.ended = threading.Event()
        handler = type("Handler", (_Handler,), {"web": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        if context is not None:
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_port
        self.scheme = "http" if context is None else "https"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def url(self, path, host="127.0.0.1"):
        return f"{self.scheme}://{host}:{self.port}{path}"

    @property
    def paths(self):
        return [path for path, _ in self.requests]

    def close(self):
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def handle(self):
        self.web.connections += 1
        with contextlib.suppress(OSError):
            super().handle()

    def do_GET(self):
        self.web.requests.append((self.path, self.headers))
        answer = self.web.answers.get(self.path, Answer(status=404))
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            answer = answer(self.headers)
        content, status, headers, fault = answer
        self.close_connection = not self.web.keeps
        if fault == "raw":
            self.wfile.write(content)
            return
        self.send_response(status)
        told = {"Content-Length": len(content), **headers}
        if fault == "chunked":
            del told["Content-Length"]
            told["Transfer-Encoding"] = "chunked"
            content = b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content)
        for name, value in told.items():
            self.send_header(name, value)
        self.end_headers()
        if fault == "silent":
            self.web.ended.wait(60)
        elif status != 304:
            self.wfile.write(content[: len(content) // 2] if fault == "cut" else content)

    def do_CONNECT(self):
        """Connect a client to another server, as a proxy does."""
        self.web.requests.append((self.path, self.headers))
        host, _, port = self.path.partition(":")
        with socket.create_connection((host, int(port)), 10) as there:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_copy, args=(there, self.connection), daemon=True)
            back.start()
            _copy(self.connection, there)
            back.join(10)
        self.close_connection = True


def _copy(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def certified(folder, address="127.0.0.1"):
    """Write a certificate for an address into a folder; return its path and a server's context."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test")])
    day, now = datetime.timedelta(days=1), datetime.datetime.now(datetime.UTC)
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(alternative, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    place = folder / "certificate.pem"
    place.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret = folder / "key.pem"
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place, secret)
    return place, context
