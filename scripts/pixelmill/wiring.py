"""Wiring: what the workflow does before it looks for jobs. Light to import."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pixelmill import catalog, generator
from pixelmill.errors import UserError
from pixelmill.files import exclusive


def prefer_this_python() -> None:
    """Let jobs run the Python that runs Snakemake, whether or not it is activated."""
    folder = os.path.dirname(sys.executable)
    os.environ["PATH"] = os.pathsep.join([folder, os.environ.get("PATH", "")])


#: Tells jobs which process runs them: where it ends, however it does, so do they.
RUNNER = "PIXELMILL_RUNNER"

#: The lock that `hold` took; the system lets go of it when this process dies.
_held = contextlib.ExitStack()


def announce_runner() -> None:
    """Let jobs know the process that runs them."""
    os.environ[RUNNER] = str(os.getpid())


def hold() -> None:
    """Hold the folder that Snakemake runs in, for this process alone.

    Snakemake's own lock holds no process: it outlives a run that was killed. It is off
    in our profile, and this one stands in its place.

    Raises
    ------
    UserError
        If another run holds the folder.
    """
    try:
        _held.enter_context(exclusive(os.path.join(".snakemake", "pixelmill")))
    except UserError as error:
        raise UserError(
            "Another Snakemake works in this folder; wait for it to end, or stop it."
        ) from error


def drop_false_marks(config: Mapping[str, Any]) -> None:
    """Remove the mark "generated" of each dataset whose images are gone.

    Snakemake knows the mark and not the images; without it, it makes them again.
    """
    for name, dataset in config["datasets"].items():
        if "generate" in dataset and not generator.stands(f"resources/{name}"):
            Path(config["results"], name, "generated.json").unlink(missing_ok=True)


def fingerprint(dataset: Mapping[str, Any]) -> str:
    """Digest of a user's folder as it is now; empty for generated images."""
    if "generate" in dataset:
        return ""
    return catalog.fingerprint(dataset["folder"], catalog.Selection(**selection(dataset)))


def selection(dataset: Mapping[str, Any]) -> dict[str, list[str]]:
    """Globs that say which of a folder's files belong to a dataset."""
    return {key: list(dataset.get(key, [])) for key in ("include", "exclude")}
