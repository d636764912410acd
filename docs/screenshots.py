"""Take the pictures of the report for the README: `make screenshots`.

Take them on an idle machine, after `make run` and `snakemake --cores all scaling report`.
"""

import argparse
import io
import re
import sys
import tempfile
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.helpers import browser

#: Key of the text in each picture that names the version which it shows.
VERSION = "pixelmill"

#: Width and height in pixels, and whether the page is dark, by the name of the picture.
PICTURES = {"report": (1020, 1130, False), "report-phone": (390, 1400, True)}

#: Number of colours, which keeps the files small.
COLOURS = 128


def main(page: Path, folder: Path) -> None:
    """Take each of `PICTURES` of the page, and record the version that wrote it."""
    written = re.search(r"pixelmill (\d+\.\d+\.\d+)", page.read_text(encoding="utf-8"))
    if not written:
        sys.exit(f"'{page}' does not name a version of pixelmill; take pictures of a report.html.")
    info = PngInfo()
    info.add_text(VERSION, written[1])
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        browser.Browser(profile) as opened,
    ):
        for name, (width, height, dark) in PICTURES.items():
            shown = browser.Page(opened, page.resolve().as_uri(), width, dark=dark)
            with Image.open(io.BytesIO(shown.picture())) as whole:
                cut = whole.crop((0, 0, width, height))
                cut.convert("RGB").quantize(COLOURS).save(
                    folder / f"{name}.png", optimize=True, pnginfo=info
                )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path, help="report.html, with a benchmark in it")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, help="folder")
    options = parser.parse_args()
    main(options.page, options.output)
