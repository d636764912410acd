"""Every kind of image file, through both backends: `python -m tests.helpers.matrix [FORMAT ...]`.

Each cell is a file of one format, mode, depth, alpha, orientation, compression, layout and byte
order. Both backends make a PNG of it by a recipe without steps. That is compared with the picture
that was drawn, and with what other libraries read: ImageMagick, OpenCV and imagecodecs (libtiff,
libpng, libjpeg-turbo, libwebp, libavif, giflib, EasyBMP). Prints how many cells are right, which
were refused for which reason, and which are wrong; ends with status 1 if any is.
"""

import collections
import itertools
import sys
import tempfile
import warnings
from pathlib import Path

import cv2
import imagecodecs

from pixelmill.core.jobs import Job
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.renderer import Renderer
from tests.helpers.matrix_cells import FORMATS
from tests.helpers.matrix_judges import judge, rgba


class Mill:
    """Both backends, each with a recipe without steps."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.renderers = {}
        for name, depth in itertools.product(("pillow", "opencv"), (8, "keep")):
            given = {"backend": name, "depth": depth, "output": {"format": "png"}}
            parsed = recipe_parser.parse(given)
            self.renderers[f"{name} {depth}"] = Renderer(folder, folder, parsed)

    def __call__(self, data):
        """Return the result of each backend for a file: RGBA, or the outcome of the failure."""
        (self.folder / "source").write_bytes(data)
        made = {}
        for name, renderer in self.renderers.items():
            outcome = renderer.render(Job("source", ("made",)))
            if outcome.status == "ok":
                made[name] = rgba(imagecodecs.png_decode((self.folder / "made").read_bytes()))
            else:
                made[name] = f"{outcome.reason}: {outcome.message}"
        return made


def main(names):
    """Check every cell of some formats, or of all."""
    warnings.filterwarnings("ignore")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    verdicts = collections.defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        mill = Mill(folder)
        for name in names or FORMATS:
            for cell in FORMATS[name]():
                verdict, why = judge(cell, mill(cell.data))
                verdicts[verdict].append((cell.name, why))
                if verdict == "wrong":
                    print(f"wrong: {cell.name}: {why}", flush=True)
    total = sum(map(len, verdicts.values()))
    for name, _ in verdicts["right by the drawing, against two others"]:
        print(f"against two others: {name}")
    for why, count in collections.Counter(why for _, why in verdicts["refused"]).most_common():
        print(f"refused: {count:,} cells: {why}")
    right = [verdict for verdict in verdicts if verdict.startswith("right")]
    for verdict in (*sorted(right), "refused", "wrong"):
        share = len(verdicts[verdict]) / max(1, total)
        print(f"{verdict}: {len(verdicts[verdict]):,} of {total:,} cells ({share:.1%})")
    return 1 if verdicts["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
