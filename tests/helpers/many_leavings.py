"""Repeat what `leavings` describes: `python -m tests.helpers.many_leavings [TIMES [ENGINE ...]]`.

Each step runs with each engine, one run after another; each run must end, make all other images,
and leave nothing behind.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from pixelmill.engines.registry import SELECTABLE
from tests.helpers.leavings import STEPS, Trace, command, prepare

TIMES = 20

#: Seconds within which a run must end: Dask takes half a minute to give up on a stopped worker.
MOST_SECONDS = 120

REPOSITORY = Path(__file__).parents[2]


def photos(folder, count):
    """Fill a folder with small pictures, and return it."""
    folder.mkdir()
    for number in range(count):
        noise = np.random.default_rng(number).integers(0, 256, (64, 96, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.jpg", quality=95)
    return folder


def run(engine, what):
    """Run a step once; return the seconds that it took."""
    does, is_made = STEPS[what]
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryDirectory() as scratch:
        folder, trace = Path(place), Trace(Path(scratch))
        prepare(folder, photos, does)
        began = time.perf_counter()
        done = subprocess.run(
            command(REPOSITORY, folder, engine),
            env=trace.environment,
            capture_output=True,
            timeout=MOST_SECONDS,
            check=False,
        )
        seconds = time.perf_counter() - began
        assert done.returncode == 0, done.stderr
        assert trace.left() == [], what
        assert not list((folder / "out").rglob(".pixelmill-*")), what
        made = {path.name for path in (folder / "out/images").iterdir()}
        assert made >= {f"{number}.jpg" for number in range(12) if number != 5}, what
        assert is_made in (None, "5.jpg" in made), what
    return seconds


def main(times=TIMES, engines=SELECTABLE):
    """Run each step with each engine so many times."""
    for engine in engines:
        for what in STEPS:
            taken = sorted(run(engine, what) for _ in range(times))
            print(
                f"{engine}: {what}: {times} runs, {taken[0]:.1f} to {taken[-1]:.1f} s", flush=True
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else TIMES, sys.argv[2:] or SELECTABLE)
