"""Compare pixelmill with other programs on a folder of photos with two bad files.

Each installed program reduces the photos to at most 2048 pixels with one command, and runs again
on the unchanged folder. The results are two tables in Markdown: what was measured, and what the
manual of each program promises. `make figures` takes the first one.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import pixelmill

#: pixelmill of this folder, be it installed or not.
_OURS = [sys.executable, "-m", "pixelmill", "run", "SRC", "DST", "--preset", "web"]

#: Command line by program; ``SRC`` and ``DST`` stand for the folders, ``FILES`` for all files.
COMMANDS = {
    "pixelmill": _OURS,
    "pixelmill, not verified": [*_OURS, "--no-verify"],
    "mogrify": ["mogrify", "-path", "DST", "-resize", "2048x2048>", "-quality", "82", "FILES"],
    "vipsthumbnail": ["vipsthumbnail", "--size", "2048x2048>", "-o", "DST/%s.jpg[Q=82]", "FILES"],
    "sharp": ["sharp", "resize", "2048", "2048", "--fit", "inside", "--withoutEnlargement",
              "--quality", "82", "-o", "DST", "-i", "FILES"],
    "caesiumclt": ["caesiumclt", "-q", "82", "--long-edge", "2048", "--no-upscale", "-R",
                   "-o", "DST", "SRC"],
}  # fmt: skip

#: What the manuals promise.
FEATURES = (
    ("", "pixelmill 0.2", "sharp-cli 6", "caesium-clt 1.3", "mogrify 6", "vipsthumbnail 8"),
    ("install", "`pip install .`", "`npm install -g sharp-cli`", "`cargo install caesiumclt`",
     "`apt install imagemagick`", "`apt install libvips-tools`"),
    ("lines for a web-sized folder", "1", "1", "1", "1", "1"),
    ("commands for 2 sizes in 2 formats with a watermark", "1", "4", "no watermarks", "4",
     "no watermarks"),
    ("named recipes", "6, and files of your own", "no", "no", "no", "no"),
    ("sub-folders", "yes", "no", "yes", "no", "no"),
    ("progress", "a line with time left", "a line for each file", "a bar", "no", "no"),
    ("summary", "counts, bytes saved, failures by reason", "no", "counts, bytes saved", "no", "no"),
    ("dry run", "`plan`: counts, time, disk, reasons", "no", "`--dry-run`", "no", "no"),
    ("second run", "only what changed", "everything", "everything, or only missing files",
     "everything", "everything"),
    ("a recipe that changed", "noticed", "", "not noticed with `--overwrite never`", "", ""),
    ("bad files", "listed with a reason and a remedy", "an error message", "an error message",
     "an error message", "an error message"),
    ("results are verified", "yes, by other libraries", "no", "no", "no", "no"),
)  # fmt: skip

#: Sides of the photos in pixels.
SIDES = (2000, 3000)


class Row(NamedTuple):
    """What a program did.

    Attributes
    ----------
    program : str
    first, seconds, again : float
        Seconds until the first output, until the end, and of the same command once more.
    lines, status : int
        Number of lines printed, and exit status.
    bad_files : str
        What was written for the bad files.
    """

    program: str
    first: float
    seconds: float
    again: float
    lines: int
    status: int
    bad_files: str


def measured(count: int, photos: Path | None) -> list[Row]:
    """Measure each installed program, on generated photos or on those of a folder."""
    with tempfile.TemporaryDirectory() as place:
        source = Path(place, "photos")
        if photos is None:
            pixelmill.generate(source, count, width=SIDES, height=SIDES)
        else:
            shutil.copytree(photos, source)
        whole = sorted(source.glob("*.jpg"))
        (source / "cut off.jpg").write_bytes(whole[0].read_bytes()[:20_000])
        (source / "text.jpg").write_text("no image", encoding="utf-8")
        return [
            measure(name, command, source, Path(place, "out"))
            for name, command in COMMANDS.items()
            if shutil.which(command[0])
        ]


def main(count: int, photos: Path | None) -> None:
    """Measure each installed program, and print the tables."""
    titles = ["program", "first file", "all files", "again", "lines", "status", "bad files"]
    rows = [
        [row.program, *(f"{value:.2f} s" for value in row[1:4]), *map(str, row[4:])]
        for row in measured(count, photos)
    ]
    write(titles, rows)
    write(FEATURES[0], FEATURES[1:])


def write(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table in Markdown, with an empty line after it."""
    for row in (titles, ["---"] * len(titles), *rows):
        sys.stdout.write(f"| {' | '.join(row)} |\n")
    sys.stdout.write("\n")


def measure(name: str, command: list[str], source: Path, target: Path) -> Row:
    """Run a program twice."""
    files = [str(path) for path in sorted(source.glob("*.jpg"))]
    places = {"SRC": str(source), "DST": str(target)}
    words = [
        word for part in command for word in (files if part == "FILES" else [_filled(part, places)])
    ]
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    first, seconds, status, lines = _timed(words, target)
    again = _timed(words, target)[1]
    bad = [path for path in target.rglob("*.jpg") if path.stem in ("cut off", "text")]
    kept = f"{len(bad)} written as if right" if bad else "none written"
    return Row(name, first, seconds, again, lines, status, kept)


def _filled(part: str, places: dict[str, str]) -> str:
    for name, path in places.items():
        part = part.replace(name, path)
    return part


def _timed(words: list[str], target: Path) -> tuple[float, float, int, int]:
    """Return seconds to the first output and to the end, the status, and the lines printed."""
    with tempfile.TemporaryFile() as printed:
        began = time.perf_counter()
        library = {"PYTHONPATH": str(Path(pixelmill.__file__).parents[1])}
        run = subprocess.Popen(
            words, stdout=printed, stderr=subprocess.STDOUT, env={**os.environ, **library}
        )
        first = 0.0
        while run.poll() is None:
            if not first and any(path.suffix == ".jpg" for path in _files(target)):
                first = time.perf_counter() - began
            time.sleep(0.002)
        seconds = time.perf_counter() - began
        printed.seek(0)
        return first, seconds, run.returncode, len(printed.read().splitlines())


def _files(folder: Path) -> list[Path]:
    return [Path(where, name) for where, _, names in os.walk(folder) for name in names]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=64, help="how many photos are generated")
    parser.add_argument("--photos", type=Path, help="a folder of JPEGs, instead of generated ones")
    options = parser.parse_args()
    main(options.count, options.photos)
