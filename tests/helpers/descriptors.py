"""Files that are open in this process."""

import contextlib
import gc
import os

import psutil


@contextlib.contextmanager
def assert_closes_what_it_opens():
    """Check that what runs within leaves no file open, also if it raises an error."""
    if os.name == "nt":
        yield
        return
    gc.disable()  # else a file of another test may be closed meanwhile
    before = psutil.Process().num_fds()
    try:
        yield
    finally:
        after = psutil.Process().num_fds()
        gc.enable()
        assert after == before
