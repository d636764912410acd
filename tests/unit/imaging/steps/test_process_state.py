"""The state of a process is restored (`test_hostile_steps.py` tests steps that change it)."""

import builtins
import gc
import os
import signal
import sys
import warnings

import numpy as np
import pytest
from PIL import Image, ImageFile

from pixelmill.imaging.steps.process_state import State


def umask():
    now = os.umask(0)
    os.umask(now)
    return now


#: What is changed, and how it is looked at.
CHANGES = {
    "current-folder": (lambda: os.chdir(os.sep), os.getcwd),
    "umask": (lambda: os.umask(0o777), umask),
    "recursion-limit": (lambda: sys.setrecursionlimit(5_000), sys.getrecursionlimit),
    "garbage-collection": (gc.disable, gc.isenabled),
    "warnings": (lambda: warnings.simplefilter("error"), lambda: list(warnings.filters)),
    "numpy": (lambda: np.seterr(all="raise"), np.geterr),
    "function": (lambda: setattr(os, "replace", None), lambda: os.replace),
    "removed-function": (lambda: delattr(os, "replace"), lambda: vars(os).get("replace")),
    "built-in-function": (lambda: setattr(builtins, "open", None), lambda: open),
    "method": (lambda: setattr(Image.Image, "save", None), lambda: Image.Image.save),
    "setting": (
        lambda: setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True),
        lambda: ImageFile.LOAD_TRUNCATED_IMAGES,
    ),
}


@pytest.mark.parametrize(("change", "look"), CHANGES.values(), ids=CHANGES)
def test_a_change_is_put_back(tmp_path, monkeypatch, change, look):
    if look is os.getcwd and os.name == "nt":
        pytest.skip("Windows has no descriptors of folders")
    monkeypatch.chdir(tmp_path)
    before, state = look(), State()
    try:
        change()
        assert look() != before
    finally:
        state.restore()
    assert look() == before


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such limits")
def test_a_limit_that_was_lowered_for_now_is_put_back():
    import resource

    before, state = resource.getrlimit(resource.RLIMIT_NOFILE), State()
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before[0] - 1, before[1]))
    finally:
        state.restore()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such timers")
def test_a_timer_does_not_ring_in_the_next_image():
    state = State()
    signal.setitimer(signal.ITIMER_REAL, 1000)
    state.restore()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_garbage_collection_that_was_off_is_off_again():
    gc.disable()
    try:
        state = State()
        gc.enable()
        state.restore()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_nothing_changes_without_an_effect(tmp_path):
    before = [look() for _, look in CHANGES.values()]
    state = State()
    assert [look() for _, look in CHANGES.values()] == before
    state.restore()
    assert [look() for _, look in CHANGES.values()] == before
