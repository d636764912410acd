"""What verification asks, and what it says about each check that fails."""

import inspect

from pixelmill.verification import remedy, verify

CHECKS = [
    "inputs", "missing", "extra", "temporaries", "decodes", "format", "size", "mode", "sha256",
    "similarity",
]  # fmt: skip


def test_each_check_has_a_remedy_that_is_told_if_it_fails():
    failed = [{"name": name, "passed": False} for name in CHECKS]
    passed = [{"name": name, "passed": True} for name in CHECKS]
    assert [line.split(": ", 1)[0] for line in remedy({"checks": failed})] == CHECKS
    assert all(line.split(": ", 1)[1] for line in remedy({"checks": failed}))
    assert list(remedy({"checks": passed})) == []


def test_by_default_processes_that_open_images_are_confined():
    assert inspect.signature(verify).parameters["confined"].default is True
