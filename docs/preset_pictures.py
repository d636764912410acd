"""Draw docs/presets.png, which shows three pictures as each preset makes them: `make presets`."""

import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import pixelmill
from pixelmill.app.config import default_recipes
from pixelmill.app.run_summary import size
from pixelmill.dataset import synthetic

#: Recipes that only benchmarks need.
OMITTED = ("light", "intensive")

#: Sizes of the sources in pixels: a photo, one held upright, and a small one.
SOURCES = ((3600, 2400), (1800, 2400), (240, 180))

#: Sizes in the drawing: a cell, the picture in it, the column of names, in pixels.
CELL, PICTURE, NAMES = (236, 178), (216, 136), 110

#: Seed of the generated sources.
SEED = 10


def main(target: Path) -> None:
    """Process the sources with each preset, and draw a table of the results."""
    with tempfile.TemporaryDirectory() as place:
        source = Path(place, "source")
        source.mkdir()
        for number, (width, height) in enumerate(SOURCES):
            spec = synthetic.Spec(width=(width, width), height=(height, height))
            synthetic.image(spec, SEED)[0].save(source / f"{number}.jpg", quality=90)
        rows = [("source", sorted(source.iterdir()))]
        for name in default_recipes():
            if name not in OMITTED:
                made = pixelmill.process(source, Path(place, name), name, "sequential")
                rows.append((name, sorted(made.output.iterdir())))
        draw(rows).quantize(128).save(target, optimize=True)


def draw(rows: list[tuple[str, list[Path]]]) -> Image.Image:
    """Draw a row for each name, with the files and what they are."""
    sheet = Image.new("RGB", (NAMES + CELL[0] * len(SOURCES), CELL[1] * len(rows)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for row, (name, paths) in enumerate(rows):
        top = CELL[1] * row
        pen.text((12, top + 20), name, fill="black", font=ImageFont.load_default(18))
        for column, path in enumerate(paths):
            left = NAMES + CELL[0] * column
            with Image.open(path) as image:
                words = f"{image.width}x{image.height} {image.format}"
                picture = image.convert("RGB")
            picture.thumbnail(PICTURE)
            sheet.paste(picture, (left, top + 12))
            words += f", {size(path.stat().st_size)}"
            pen.text((left, top + 12 + picture.height + 4), words, fill="#444444", font=font)
    return sheet


if __name__ == "__main__":
    main(Path(__file__).with_name("presets.png"))
