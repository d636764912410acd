"""Measure all figures of README and docs, and write them there: `make figures`.

Run it on an idle machine. Each part is kept as soon as it is measured, so that a run which was
stopped continues with the next measurement. The load of the machine is recorded with each part.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import figure_parts
import figure_tables
from figure_parts import PARTS, REPOSITORY, Place, Sizes

import pixelmill
from pixelmill.benchmark import environment
from pixelmill.core.fingerprints import digest_of_code
from pixelmill.core.machine_load import conditions, merge, snapshot
from pixelmill.core.tables import write_json
from pixelmill.engines.machine import machine

#: Where the measurements are kept until all of them are taken.
KEPT = REPOSITORY / "results/figures"


def measure(
    sizes: Sizes, kept: Path, scratch: Path, names: Iterable[str] = tuple(PARTS)
) -> dict[str, Any]:
    """Measure each part that is not kept, and return the content of the file.

    Parameters
    ----------
    sizes : Sizes
    kept : Path
        Folder for the parts. One that was measured with other code, on another machine or in
        other sizes is measured again.
    scratch : Path
        Folder for images.
    names : iterable of str
        The parts.
    """
    kept.mkdir(parents=True, exist_ok=True)
    measuring = Path(figure_parts.__file__).read_text(encoding="utf-8")
    state = [digest_of_code("."), measuring, environment.software(), machine(), sizes]
    digest = hashlib.sha256(repr(state).encode()).hexdigest()
    parts = {}
    for name in names:
        path = kept / f"{name}.json"
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if found.get("digest") != digest:
            figure_parts.tell(f"measuring {name}")
            place = Place(scratch / f"pixelmill-figures-{name}", kept / f"{name}-samples.json")
            loads = kept / f"{name}-loads-{digest[:8]}.json"
            found = {"digest": digest, "part": _measured(name, sizes, place, loads)}
            write_json(str(path), found)
            shutil.rmtree(place.scratch, ignore_errors=True)
        parts[name] = found["part"]
    return {"schema": 1, "machine": machine(), "parts": parts}


def _measured(name: str, sizes: Sizes, place: Place, loads: Path) -> dict[str, Any]:
    """Measure a part, with the state of code and machine.

    The file of loads has the conditions of each run that was stopped; the worst of them count.
    """
    place.scratch.mkdir(parents=True, exist_ok=True)
    found = json.loads(loads.read_text(encoding="utf-8")) if loads.exists() else []
    before = snapshot()
    try:
        part = PARTS[name](sizes, place)
    finally:
        reap_orphans()
        found.append(conditions(before, snapshot()))
        write_json(str(loads), found)
    state = {
        "date": datetime.now(UTC).date().isoformat(),
        "version": pixelmill.__version__,
        "commit": environment.commit(),
        "files": file_system(place.scratch),
        "conditions": merge(found),
        "software": environment.software(),
    }
    return {**state, **part}


#: Option of Linux's prctl: processes whose parent has ended become children of this one.
_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of fork servers that outlive the command that started them.

    The processor time of their workers would otherwise count as that of other programs.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_orphans() -> None:
    """Collect the adopted processes that have ended, so that their processor time is known."""
    with contextlib.suppress(AttributeError, ChildProcessError):  # Windows has none
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def file_system(folder: Path, mounts: Path = Path("/proc/mounts")) -> str:
    """Return the type of the file system of a folder; empty if the system does not tell."""
    if not mounts.exists():
        return ""
    lines = [line.split() for line in mounts.read_text(encoding="utf-8").splitlines()]
    places = {Path(words[1]): words[2] for words in lines}
    return next(kind for path in (folder.resolve() / "x").parents if (kind := places.get(path)))


def file_name(figures: dict[str, Any]) -> str:
    """Return the name of the file, from the date of the last part and the machine.

    Examples
    --------
    >>> file_name({"machine": {"processor": "AMD EPYC 7B13", "cores": 2},
    ...            "parts": {"start": {"date": "2026-11-29"}}})
    '2026-11-29-amd-epyc-7b13-2-cores.json'
    """
    date = max(part["date"] for part in figures["parts"].values())
    processor = re.sub(r"[^a-z0-9]+", "-", figures["machine"]["processor"].lower()).strip("-")
    return f"{date}-{processor}-{figures['machine']['cores']}-cores.json"


def main(scratch: Path) -> None:
    """Measure everything, write the file, and write its tables to README and docs."""
    adopt_orphans()
    try:
        figures = measure(Sizes(), KEPT, scratch)
    except KeyboardInterrupt:
        sys.exit("Stopped; 'make figures' continues with the next measurement.")
    write_json(str(figure_tables.FOLDER / file_name(figures)), figures)
    shutil.rmtree(KEPT)
    figure_tables.update(REPOSITORY, figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--scratch", type=Path, metavar="DIR", default=tempfile.gettempdir(),
        help="folder for images, with 8 GB and two million files free, best in memory",
    )  # fmt: skip
    sys.exit(main(parser.parse_args().scratch))
