"""Environment of a measurement: the versions of all software that a report names."""

from __future__ import annotations

import contextlib
import platform
import re
from pathlib import Path

from pixelmill.core.environment import version_of
from pixelmill.core.project import PACKAGE
from pixelmill.imaging.arrays import kernel
from pixelmill.imaging.fingerprint import rendering_software


def software() -> dict[str, str]:
    """Return the versions of all software that a report names."""
    return {
        "pixelmill": _pixelmill_version(),
        "Python": platform.python_version(),
        "Snakemake": version_of("snakemake"),
        "Dask": version_of("dask"),
        **rendering_software(opencv=True),
        **_kernel(),
    }


def _kernel() -> dict[str, str]:
    """Return the version of the optional compiled kernel, which writes the same bytes."""
    return {} if kernel is None else {"pixelmill-kernel": version_of("pixelmill-kernel")}


def _pixelmill_version() -> str:
    from pixelmill import __version__

    return __version__


def commit(clone: Path = PACKAGE.parents[1]) -> str:
    """Return the Git commit of this code, shortened; empty if it is not in a clone.

    Parameters
    ----------
    clone : Path
        Folder of the clone. Its files are read, because Git may not be installed.
    """
    with contextlib.suppress(OSError):
        git = clone / ".git"
        if git.is_file():  # a further working tree
            git = clone / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        common = git
        if (git / "commondir").is_file():
            common = git / (git / "commondir").read_text(encoding="utf-8").strip()
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if head.startswith("ref:"):
            head = _resolve(head.removeprefix("ref:").strip(), git, common)
        return head[:12] if re.fullmatch("[0-9a-f]{40,64}", head) else ""
    return ""


def _resolve(reference: str, *folders: Path) -> str:
    """Return the commit of a branch, from its own file or from that of all of them."""
    for folder in folders:
        if (folder / reference).is_file():
            return (folder / reference).read_text(encoding="utf-8").strip()
    packed = (folders[-1] / "packed-refs").read_text(encoding="utf-8")
    found = re.search(rf"^([0-9a-f]+) {re.escape(reference)}$", packed, re.MULTILINE)
    return found[1] if found else ""
