"""Replace files without changing their size and modification time."""

import os

import pytest

#: For tests that need the time of the last change.
needs_changes = pytest.mark.skipif(os.name == "nt", reason="Windows has the time of creation")


def replace_preserving(path, content):
    """Replace the content of a file but not its size and modification time, as with ``cp -p``."""
    before = path.stat()
    assert len(content) <= before.st_size
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # a clock may tick every 10 ms only
        path.write_bytes(content.ljust(before.st_size, b"\0"))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def change_mode(path):
    """Change the permissions of a file, which changes only the time of its last status change."""
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        path.chmod(0o600)
        path.chmod(0o644)
