"""Process images of which some kill: `python -m tests.helpers.many_killers [COUNT [KILLERS]]`.

With each engine in one run; every other image must be made, and each that kills be told.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from pixelmill.engines.registry import LOCAL
from tests.helpers.faults import RECIPE, STEPS, policy
from tests.helpers.leavings import SECONDS

COUNT, KILLERS = 10_000, 500

#: Heights at which the steps of `faults` end their process.
DEADLY = (301, 304)


def fill(folder, count, killers):
    """Write images; those that kill are clustered at the beginning and evenly spread after that."""
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    together = killers // 4
    odd = {*range(together), *range(together, count, (count - together) // (killers - together))}
    for number in range(count):
        name = folder / f"{number:05}.jpg"
        if number in odd and killers > 0:
            Image.new("RGB", (64, DEADLY[number % 2])).save(name)
            killers -= 1
        else:
            Image.fromarray(np.roll(pixels, number)).save(name)


def main(count=COUNT, killers=KILLERS):
    """Run each engine."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        fill(folder / "src", count, killers)
        (folder / "my_steps.py").write_text(STEPS)
        (folder / "recipe.yaml").write_text(RECIPE)
        script = Path(__file__).parents[2] / "scripts/process_parallel.py"
        for engine in LOCAL:
            began = time.perf_counter()
            target = folder / engine
            subprocess.run(
                [
                    sys.executable, script, folder / "src", target, "--engine", engine,
                    "--workers", "2", "--recipe", folder / "recipe.yaml",
                    "--policy", policy(seconds_per_image=SECONDS),
                ],
                check=True,
            )  # fmt: skip
            seconds = time.perf_counter() - began
            manifest = (target / "manifest.csv").read_text()
            made, failed = manifest.count(",ok,"), manifest.count(",failed,crashed,")
            print(f"{engine}: {made:,} made, {failed:,} crashed, {seconds:.0f} s")
            assert (made, failed) == (count - killers, killers)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
