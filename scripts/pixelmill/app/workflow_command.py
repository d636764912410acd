"""`pixelmill workflow`: Snakemake on the workflow that comes with pixelmill."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence

from pixelmill.app import config_layers
from pixelmill.app.workflow_targets import COMMAND
from pixelmill.core import safe_path
from pixelmill.core.errors import UserError
from pixelmill.core.project import PROJECT
from pixelmill.core.suggestions import followed, nearest

_SNAKEMAKE = (sys.executable, "-P", "-m", "snakemake")

#: What comes before the help of Snakemake.
_INTRODUCTION = """\
`pixelmill workflow TARGET` runs Snakemake on the workflow that comes with pixelmill, in a folder
with a config.yaml (`pixelmill init FOLDER` writes one). The usual targets are:

  process   process all datasets and verify the results
  all       also compare all engines, and write the report (default)
  plan      show what would be done, and why

All options are those of Snakemake:

"""

#: Options of Snakemake by which a number of cores is given.
_CORES = ("--cores", "-c", "--jobs", "-j", "--profile")

#: Options that need not be looked for in Snakemake's help, which takes a second.
_COMMON = (*_CORES, "--configfile", "--configfiles", "--config", "-C", "--directory", "-d",
           "--dry-run", "-n", "--help", "-h", "--version", "-v", "--quiet", "-q", "--list", "-l",
           "--forceall", "-F", "--force", "-f", "--keep-going", "-k", "--unlock")  # fmt: skip


def command(arguments: Sequence[str]) -> list[str]:
    """Build the command line of Snakemake; all cores are used if no number is given.

    Examples
    --------
    >>> command(["--cores=2", "plan"])[-2:]
    ['--cores=2', 'plan']
    >>> command(["plan"])[-3:]
    ['--cores', 'all', 'plan']
    >>> command(["plan", "--cores"])[-3:]
    ['plan', '--cores', 'all']
    """
    has_cores = any(argument.split("=")[0] in _CORES for argument in arguments)
    cores = [] if has_cores else ["--cores", "all"]
    value = ["all"] if arguments and arguments[-1] in ("--cores", "-c") else []
    snakefile = str(PROJECT / "Snakefile")
    return [*_SNAKEMAKE, "--snakefile", snakefile, *cores, *arguments, *value]


def check(arguments: Sequence[str]) -> None:
    """Check what Snakemake would refuse in many lines, or without naming file and line.

    Raises
    ------
    UserError
        With what to write instead.
    """
    given = [word.split("=")[0] for word in arguments if word.startswith("--")]
    if any(option not in _COMMON for option in given):
        help_ = subprocess.run([*_SNAKEMAKE, "--help"], capture_output=True, text=True, check=False)
        known = re.findall(r"--[a-z][\w-]*", help_.stdout)
        for option in given:
            if not any(name.startswith(option) for name in known):
                advice = "`pixelmill workflow --help` lists all."
                raise UserError(
                    f"'{option}' is not an option of Snakemake"
                    f"{followed(nearest(option, known), advice)}"
                )
    for value in _values(arguments, "--config", "-C"):
        if "=" not in value:
            raise UserError(
                f"--config: found {value!r}; write KEY=VALUE, and targets before --config."
            )
    folder = next(iter(_values(arguments, "--directory", "-d")), ".")
    files = [*_values(arguments, "--configfile", "--configfiles"),
             *filter(os.path.exists, [os.path.join(folder, config_layers.NAME)])]  # fmt: skip
    for path in files:
        config_layers.read_layer(path)


def _values(arguments: Sequence[str], *names: str) -> Iterator[str]:
    """Yield the values of an option, which end with the next option."""
    is_value = False
    for word in arguments:
        name, _, value = word.partition("=")
        if word.startswith("-"):
            is_value = name in names
            if is_value and value:
                yield value
        elif is_value:
            yield word


def run(arguments: Sequence[str]) -> int:
    """Replace this process with Snakemake, or run it as a child if the system cannot do that."""
    check(arguments)
    line = command(arguments)
    if {"--help", "-h"} & set(arguments):
        sys.stdout.write(_INTRODUCTION)
        sys.stdout.flush()
    safe_path.protect_children()  # Snakemake's own children too
    os.environ[COMMAND] = shlex.join(["pixelmill", "workflow", *arguments])
    if os.name == "nt":
        return subprocess.call(line)
    return os.execv(line[0], line)
