"""Recipe options: the options of a command line that describe a recipe."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from typing import Any

from pixelmill.app.argument_parser import format_name, number, path
from pixelmill.core.documents import read
from pixelmill.core.errors import UserError
from pixelmill.core.suggestions import followed, nearest, unknown
from pixelmill.core.user_paths import expanded, lookalike

#: Formats and ways of fitting that the options offer; the parser of recipes checks them again.
_FORMATS = ("jpeg", "png", "webp", "avif", "tiff", "gif", "bmp", "same")
_FITS = ("contain", "cover", "pad", "stretch")

#: The longest side that a step makes.
_MOST_PIXELS = 65500

#: Suffixes by which a watermark is meant to be a file.
_IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".svg")

#: The recipe that is used by default.
DEFAULT = "web"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options to a parser."""
    group = parser.add_argument_group(
        "recipe", "A preset, a recipe file, or options that build one."
    )
    group.add_argument(
        "--preset",
        metavar="NAME",
        help=f"a recipe that comes with pixelmill (default: {DEFAULT}; see `pixelmill presets`)",
    )
    group.add_argument("--recipe", metavar="FILE.yaml", type=path, help="a recipe file")
    pixels = number(1, _MOST_PIXELS)
    group.add_argument(
        "--longest", type=pixels, metavar="PIXELS", help="largest longer side; nothing is enlarged"
    )
    group.add_argument("--width", type=pixels, metavar="PIXELS", help="width of the frame")
    group.add_argument("--height", type=pixels, metavar="PIXELS", help="height of the frame")
    group.add_argument(
        "--fit",
        choices=_FITS,
        help="how to fit the image into --width and --height (default: contain)",
    )
    group.add_argument("--format", type=format_name, choices=_FORMATS, help="format of the outputs")
    group.add_argument(
        "--quality", type=number(1, 100), metavar="1-100", help="quality of JPEG, WebP and AVIF"
    )
    group.add_argument(
        "--watermark", metavar="TEXT|IMAGE", help="put this in the lower right corner"
    )
    group.add_argument(
        "--metadata",
        choices=("strip", "keep", "none"),
        help="strip keeps only author and copyright (default), keep all of it, none nothing",
    )
    group.add_argument(
        "--output",
        action="append",
        default=[],
        type=_output,
        metavar="NAME:PIXELS:FORMAT[:QUALITY]",
        help="one of several outputs: name, longest side and format; can be repeated",
    )
    group.add_argument(
        "--save-recipe",
        type=path,
        metavar="FILE.yaml",
        help="write the recipe of these options to a file",
    )


def _output(text: str) -> dict[str, Any]:
    """Read ``thumb:256:webp:80``.

    Examples
    --------
    >>> _output("thumb:256:webp")
    {'name': 'thumb', 'steps': [{'resize': {'longest': 256, 'upscale': 'never'}}], \
'format': 'webp'}
    """
    parts = text.split(":")
    if len(parts) not in (3, 4) or not all(parts) or not parts[1].isdigit():
        raise argparse.ArgumentTypeError(f"'{text}': write it as in thumb:256:webp")
    name, pixels, form, *quality = parts
    if format_name(form) not in _FORMATS:
        advice = f"formats are {', '.join(_FORMATS)}"
        raise argparse.ArgumentTypeError(
            f"'{form}' is not a format{followed(nearest(form, _FORMATS), advice)}"
        )
    output: dict[str, Any] = {
        "name": name,
        "steps": [_resize(longest=int(pixels))],
        "format": format_name(form),
    }
    if quality:
        if not quality[0].isdigit():
            raise argparse.ArgumentTypeError(f"'{text}': the quality is a number from 1 to 100")
        output["quality"] = int(quality[0])
    return output


def _resize(**sides: Any) -> dict[str, Any]:
    return {"resize": {**sides, "upscale": "never"}}


def build(options: argparse.Namespace, presets: Mapping[str, Any]) -> dict[str, Any] | None:
    """Build the recipe that the options describe.

    A size replaces the preset's own; a format replaces the preset's with all its options.

    Parameters
    ----------
    options : argparse.Namespace
        With what `add` added.
    presets : mapping
        Recipes by name.

    Returns
    -------
    dict or None
        The recipe as a recipe file has it; None if no option says anything about it.

    Raises
    ------
    UserError
        If options contradict one another, a preset is unknown, or a file is not a recipe.
    """
    base = _base(options, presets)
    recipe = dict(base or {})
    resize, mark = _size(options), _watermark(options)
    if options.output:
        if resize or options.format or options.quality:
            raise UserError(
                "--output: sets size and format; leave out the other options for these."
            )
        recipe.pop("output", None)
        recipe["steps"] = _without_resize(recipe.get("steps", []))
        recipe["outputs"] = [{**one, "steps": [*one["steps"], *mark]} for one in options.output]
    else:
        if resize:
            recipe["steps"] = [*resize, *_without_resize(recipe.get("steps", []))]
        if mark:
            recipe["steps"] = [*recipe.get("steps", []), *mark]
        if options.format or options.quality:
            recipe["output"] = _encoding(options, recipe)
    if options.metadata:
        recipe["metadata"] = options.metadata
    return recipe if base is not None or recipe else None


def _base(options: argparse.Namespace, presets: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read the recipe that the others change; None if there is none."""
    if options.preset and options.recipe:
        raise UserError("--preset and --recipe: both name a recipe; give only one of them.")
    preset = options.recipe if options.recipe in presets else options.preset
    if preset:
        if preset not in presets:
            raise UserError(f"--preset: {unknown(preset, presets)}")
        return dict(presets[preset])
    if options.recipe:
        from pixelmill.app.config import parse_document

        document = read(options.recipe)
        parse_document(document, os.path.dirname(options.recipe) or ".")  # names the line
        return dict(document.data)
    return None


def _size(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Steps that give the requested size."""
    if options.longest and (options.width or options.height):
        raise UserError("--longest: give either this, or --width and --height.")
    if options.fit and not (options.width and options.height):
        raise UserError("--fit: give --width and --height too.")
    if options.longest:
        return [_resize(longest=options.longest)]
    sides = {key: getattr(options, key) for key in ("width", "height") if getattr(options, key)}
    if len(sides) == 2:
        sides["fit"] = options.fit or "contain"
    return [_resize(**sides)] if sides else []


def _watermark(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Steps that lay the mark over the picture: the file if there is one of that name."""
    if not options.watermark:
        return []
    if os.path.isfile(mark := expanded(options.watermark)):
        return [{"watermark": {"image": os.path.abspath(mark)}}]
    if options.watermark.lower().endswith(_IMAGES):
        advice = "correct the path, or give a text that does not end like a file."
        question = lookalike(options.watermark)
        raise UserError(
            f"--watermark: '{options.watermark}' does not exist{followed(question, advice)}"
        )
    return [{"watermark": {"text": options.watermark}}]


def _without_resize(steps: list[Any]) -> list[Any]:
    return [step for step in steps if not (isinstance(step, dict) and "resize" in step)]


def _encoding(options: argparse.Namespace, recipe: Mapping[str, Any]) -> dict[str, Any]:
    if "outputs" in recipe:
        raise UserError("--format and --quality: the recipe has several outputs; use --output.")
    output = dict(recipe.get("output", {}))
    if options.format:
        same = options.format == output.get("format", "jpeg")
        output = {**(output if same else {}), "format": options.format}
    return {**output, **({"quality": options.quality} if options.quality else {})}
