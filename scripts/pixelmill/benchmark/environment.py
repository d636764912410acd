"""Environment of a measurement: the versions of all software that a report names."""

from __future__ import annotations

import platform

from pixelmill.core.environment import version_of
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
    version = version_of("pixelmill-kernel")
    return {} if version == "not installed" else {"pixelmill-kernel": version}


def _pixelmill_version() -> str:
    from pixelmill import __version__

    return __version__
