"""Environment: the versions of installed packages."""

from __future__ import annotations

import contextlib
import re

_VERSION = re.compile(r"^Version: (.+)$", re.MULTILINE)


def version_of(*packages: str) -> str:
    """Return the version of the first of some packages that is installed."""
    from importlib.metadata import PackageNotFoundError, distribution  # takes 7 ms

    for package in packages:
        with contextlib.suppress(PackageNotFoundError):
            # `importlib.metadata.version` parses the whole text, which takes ten times as long.
            known = distribution(package)
            text = known.read_text("METADATA") or known.read_text("PKG-INFO") or ""
            if found := _VERSION.search(text):
                return f"{found[1]}{' (SIMD)' if package == 'pillow-simd' else ''}"
    return "not installed"
