"""`pixelmill workflow`: Snakemake on the workflow that comes with pixelmill."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from pixelmill.core.project import PROJECT

#: Options of Snakemake by which a number of cores is given.
_CORES = ("--cores", "-c", "--jobs", "-j", "--profile")


def command(arguments: Sequence[str]) -> list[str]:
    """Build the command line of Snakemake; all cores are used if no number is given.

    Examples
    --------
    >>> command(["--cores=2", "plan"])[-2:]
    ['--cores=2', 'plan']
    >>> command(["plan"])[-3:]
    ['--cores', 'all', 'plan']
    """
    has_cores = any(argument.split("=")[0] in _CORES for argument in arguments)
    cores = [] if has_cores else ["--cores", "all"]
    snakefile = str(PROJECT / "Snakefile")
    return [sys.executable, "-m", "snakemake", "--snakefile", snakefile, *cores, *arguments]


def run(arguments: Sequence[str]) -> int:
    """Replace this process with Snakemake, or run it as a child if the system cannot do that."""
    line = command(arguments)
    if os.name == "nt":
        return subprocess.call(line)
    return os.execv(line[0], line)
