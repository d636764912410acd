"""An upload that is killed at any moment is continued, and ends with the same objects."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from pixelmill.transfer.buckets import Bucket
from pixelmill.transfer.upload import upload
from tests.helpers.trees import make_tree

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")

BEFORE = {f"{number}.jpg": b"%d" % number * 50 for number in range(4)}
AFTER = {"0.jpg": b"0" * 50, "1.jpg": b"other" * 20, "new.jpg": b"new", "large.png": b"large" * 999}

#: Uploads in parts, so that also these are interrupted.
UPLOAD = """
import sys
from pixelmill.transfer import buckets, upload
upload.PART, upload._AT_ONCE = 1000, 1
upload.upload(sys.argv[1], buckets.Bucket("s3://photos/set"))
"""


def killed_at(moment, tree, server):
    """Upload in a process of its own, which is killed at a request; return whether it was."""
    left = moment

    def kill(method, key):
        nonlocal left
        left -= 1
        if left == 0:
            process.send_signal(signal.SIGKILL)
        return "cut" if left == 0 else ""

    process = subprocess.Popen([sys.executable, "-c", UPLOAD, str(tree)])
    server.fault = kill
    status = process.wait()
    server.fault = lambda method, key: ""
    assert status in (0, -signal.SIGKILL)
    return status != 0


@pytest.mark.slow
def test_an_upload_that_is_killed_at_any_moment_is_continued(tmp_path, store, monkeypatch):
    monkeypatch.syspath_prepend("scripts")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    tree, start = tmp_path / "out", tmp_path / "start"
    bucket = Bucket("s3://photos/set")
    store.put("set/images/theirs.jpg", b"theirs")
    upload(str(make_tree(start, BEFORE)), bucket)
    make_tree(start, AFTER)
    wanted = {f"set/images/{name}": data for name, data in AFTER.items()}
    wanted |= {"set/images/theirs.jpg": b"theirs"}
    wanted |= {"set/manifest.csv": (start / "manifest.csv").read_bytes()}
    before = dict(store.buckets["photos"])
    whole = {one.content for one in before.values()} | set(wanted.values())
    moment, was_killed = 0, True
    while was_killed:
        moment += 1
        shutil.rmtree(tree, ignore_errors=True)
        shutil.copytree(start, tree)
        store.buckets["photos"] = dict(before)
        was_killed = killed_at(moment, tree, store)
        assert set(store.content().values()) <= whole, moment
        upload(str(tree), bucket)
        assert store.content() == wanted, moment
    assert moment > 12
