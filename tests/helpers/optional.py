"""Tests of packages that are not installed for development, because they are large."""

from importlib.util import find_spec


def if_installed(*packages):
    """Decorator: where a package is missing, there is no such test, and so none that is skipped."""
    return (lambda test: test) if all(map(find_spec, packages)) else (lambda test: None)
