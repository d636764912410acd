"""Limit what this process may write."""

import contextlib


@contextlib.contextmanager
def room_for(size):
    """Limit the size of the files of this process, in bytes."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
