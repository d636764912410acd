"""File permissions, also for root, who ignores them by default."""

import contextlib
import ctypes
import os
import struct
import sys

import pytest

#: Linux capabilities with which root bypasses file permissions.
_OVERRIDE, _SEARCH = 1, 2

#: Version 3 of the kernel's structure of capabilities, for the calling thread.
_HEADER = struct.pack("Ii", 0x20080522, 0)


@contextlib.contextmanager
def obeying_permissions():
    """Make this thread obey file permissions even if it runs as root."""
    if os.name == "nt":
        pytest.skip("Windows has no such permissions")
    if os.geteuid() != 0:
        yield
        return
    if sys.platform != "linux":
        pytest.skip("root cannot give up its rights here")
    library = ctypes.CDLL(None, use_errno=True)
    before = ctypes.create_string_buffer(24)
    assert library.capget(_HEADER, before) == 0
    words = list(struct.unpack("6I", before.raw))
    words[0] &= ~(1 << _OVERRIDE | 1 << _SEARCH)  # of the effective ones
    assert library.capset(_HEADER, struct.pack("6I", *words)) == 0
    try:
        yield
    finally:
        assert library.capset(_HEADER, before.raw[:24]) == 0
