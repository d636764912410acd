"""Helpers for the tests of the sandbox."""

import json

import pytest

from pixelmill.app import config
from pixelmill.core import sandbox

needs_sandbox = pytest.mark.skipif(bool(sandbox.shortcoming()), reason=sandbox.shortcoming())


def policy_of(**allowed):
    """The policies of a config as the workflow passes them, with more permissions for own steps."""
    return ("--policy", json.dumps(config.complete({"sandbox": {"allow": allowed}})))


def tree_of(folder):
    images = folder / "images"
    return {str(p.relative_to(images)): p.read_bytes() for p in images.rglob("*") if p.is_file()}
