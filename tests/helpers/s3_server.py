"""A server of the S3 protocol on this machine, with the faults that networks and stores have.

It knows the operations of https://docs.aws.amazon.com/AmazonS3/latest/API that object stores of
any maker offer: list, get, put, uploads in parts, delete. Signatures are not checked, only whose
they are.
"""

import contextlib
import hashlib
import threading
import time
import urllib.parse
from collections import Counter
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import pytest

#: The name and the secret of a user that exists.
USER, SECRET = "mill-user", "planted-secret-of-the-store"

#: Objects in an answer to a list, so that tests see several answers.
_LISTED = 5


class Stored:
    """An object: its content, its ETag, its media type, and when it was written."""

    def __init__(self, content, etag=None, kind=None):
        self.content = content
        self.kind = kind
        self.etag = etag or f'"{hashlib.md5(content).hexdigest()}"'
        self.written = time.time()


class S3Server:
    """Buckets by name, each with objects by key.

    Attributes
    ----------
    fault : callable
        Called with method and key of a request; returns what goes wrong: "503", "cut" (the
        connection, in the middle of the content), "slow", "etag" (a wrong one), "old" (of the
        year 1), "again" (a list begins anew at its end), "empty" (it has nothing and never
        ends), or "". If an
        object is put, "cut" loses it, "lost" only loses the answer, and "damaged" alters it.
    has_digests : bool
        Whether the ETags of objects are MD5 digests.
    requests : Counter
        Number of requests by method.
    """

    def __init__(self):
        self.buckets = {"photos": {}}
        self.uploads = {}
        self.fault = lambda method, key: ""
        self.has_digests = True
        self.requests = Counter()
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"store": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def environment(self):
        """Variables by which programs find the server."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.server_port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": USER,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }

    def put(self, key, content, bucket="photos"):
        self.buckets[bucket][key] = Stored(content)

    def content(self, bucket="photos"):
        return {key: stored.content for key, stored in self.buckets[bucket].items()}

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def store(monkeypatch):
    """A server of S3 with an empty bucket, which is the one that the environment names."""
    server = S3Server()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    yield server
    server.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle_one_request(self):
        with contextlib.suppress(ConnectionError):
            super().handle_one_request()

    def _begin(self):
        parts = urllib.parse.urlsplit(self.path)
        bucket, _, key = urllib.parse.unquote(parts.path[1:]).partition("/")
        query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.store.requests[self.command] += 1
        fault = self.store.fault(self.command, key)
        if fault == "slow":
            time.sleep(0.2)
        if fault == "503":
            return self._refuse(503, "SlowDown")
        if USER not in self.headers.get("Authorization", ""):
            return self._refuse(403, "InvalidAccessKeyId")
        if bucket not in self.store.buckets:
            return self._refuse(404, "NoSuchBucket")
        return self.store.buckets[bucket], key, query, body, fault

    def _refuse(self, status, code):
        self._answer(status, f"<Error><Code>{code}</Code></Error>".encode())

    def _answer(self, status=200, content=b"", headers=(), cut=False):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self.close_connection = True

    def do_GET(self):
        if (asked := self._begin()) is None:
            return
        objects, key, query, _, fault = asked
        if "list-type" in query:
            self._list({} if fault == "empty" else objects, query, fault in ("again", "empty"))
        elif key not in objects:
            self._refuse(404, "NoSuchKey")
        else:
            stored = objects[key]
            headers = {
                "ETag": '"0123"' if fault == "etag" else stored.etag,
                "Last-Modified": formatdate(
                    -62_135_596_800 if fault == "old" else stored.written, usegmt=True
                ),
            }
            content, status = stored.content, 200
            if asked := self.headers.get("Range"):
                first, _, last = asked.removeprefix("bytes=").partition("-")
                end = int(last) + 1 if last else len(content)
                headers["Content-Range"] = f"bytes {first}-{end - 1}/{len(content)}"
                content, status = content[int(first) : end], 206
            self._answer(status, content, headers, cut=fault == "cut")

    do_HEAD = do_GET  # noqa: N815

    def _list(self, objects, query, again):
        after = "" if again else query.get("continuation-token", "")
        with self.store.lock:
            keys = sorted(k for k in objects if k.startswith(query.get("prefix", "")) and k > after)
        parts = []
        for key in keys[:_LISTED]:
            stored = objects[key]
            written = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(stored.written))
            parts.append(
                f"<Contents><Key>{escape(key)}</Key><Size>{len(stored.content)}</Size><ETag>"
                f"{escape(stored.etag)}</ETag><LastModified>{written}</LastModified></Contents>"
            )
        more = again or len(keys) > _LISTED
        last = escape(max(keys[:_LISTED], default="nothing"))
        token = f"<NextContinuationToken>{last}</NextContinuationToken>"
        self._answer(
            content=f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>"
            f"{''.join(parts)}{token * more}</ListBucketResult>".encode()
        )

    def do_PUT(self):
        if (asked := self._begin()) is None:
            return
        objects, key, query, body, fault = asked
        stored = Stored(
            body[::-1] if fault == "damaged" else body, kind=self.headers["Content-Type"]
        )
        if fault == "cut":
            self.close_connection = True
            return
        with self.store.lock:
            if "partNumber" not in query:
                if not self.store.has_digests:
                    stored.etag = f'"{self.store.requests.total():032x}"'
                objects[key] = stored
            elif query["uploadId"] in self.store.uploads:
                self.store.uploads[query["uploadId"]][int(query["partNumber"])] = stored
        if fault == "lost":
            self.close_connection = True
            return
        self._answer(headers={"ETag": '"0123"' if fault == "etag" else stored.etag})

    def do_POST(self):
        if (asked := self._begin()) is None:
            return
        objects, key, query, body, _ = asked
        if "uploads" in query:
            with self.store.lock:
                number = f"upload-{len(self.store.uploads)}"
                self.store.uploads[number] = {}
            self._answer(
                content=f"<InitiateMultipartUploadResult><UploadId>{number}</UploadId>"
                "</InitiateMultipartUploadResult>".encode()
            )
        elif "uploadId" in query:
            parts = self.store.uploads.pop(query["uploadId"])
            whole = b"".join(parts[number].content for number in sorted(parts))
            digests = b"".join(
                hashlib.md5(parts[number].content).digest() for number in sorted(parts)
            )
            stored = Stored(whole, f'"{hashlib.md5(digests).hexdigest()}-{len(parts)}"')
            objects[key] = stored
            self._answer(
                content=f"<CompleteMultipartUploadResult><ETag>{escape(stored.etag)}</ETag>"
                "</CompleteMultipartUploadResult>".encode()
            )
        else:  # delete several
            names = [
                one.text for one in ElementTree.fromstring(body).iter() if one.tag.endswith("Key")
            ]
            for name in names:
                objects.pop(name, None)
            done = "".join(f"<Deleted><Key>{escape(name)}</Key></Deleted>" for name in names)
            self._answer(content=f"<DeleteResult>{done}</DeleteResult>".encode())

    def do_DELETE(self):
        if (asked := self._begin()) is None:
            return
        objects, key, query, *_ = asked
        if "uploadId" in query:
            self.store.uploads.pop(query["uploadId"], None)
        else:
            objects.pop(key, None)
        self._answer(204)
