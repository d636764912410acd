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

#: Formats that have a quality.
_WITH_QUALITY = ("jpeg", "webp", "avif")

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
    parser._action_groups.insert(1, parser._action_groups.pop())  # the help begins with it
    group.add_argument(
        "--preset",
        metavar="NAME",
        help=f"a recipe that comes with pixelmill, see `pixelmill presets` (default: {DEFAULT}, if "
        "no option says anything about the recipe)",
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
        "--quality",
        type=number(1, 100),
        metavar="1-100",
        help="quality of JPEG, WebP and AVIF (default: that of the preset, or 85)",
    )
    group.add_argument(
        "--if-larger",
        choices=("write", "keep_source"),
        help="keep_source copies a picture that would only be encoded again to a larger file",
    )
    group.add_argument(
        "--min-saving",
        type=number(0, 100),
        metavar="PERCENT",
        help="copy such a picture unless its file becomes smaller by this share",
    )
    group.add_argument(
        "--target-bytes",
        metavar="BYTES",
        help="largest size of a file, such as 200k; the best quality that fits is searched",
    )
    group.add_argument(
        "--target-ssim",
        metavar="0-1",
        help="least structural similarity, such as 0.98; the lowest such quality is searched",
    )
    group.add_argument(
        "--path",
        metavar="TEMPLATE",
        help="path of each output, such as {folder}/{stem}-{width}.{ext}; {name} alone is flat, "
        "{taken:%%Y/%%m}/{name} is sorted by date",
    )
    group.add_argument(
        "--sidecar",
        choices=("json",),
        help="write a file beside each output that describes it, its source and its recipe",
    )
    group.add_argument(
        "--pages",
        choices=("first", "all"),
        help="all processes every page of a TIFF, and writes a TIFF of as many (default: first)",
    )
    group.add_argument(
        "--watermark",
        metavar="TEXT|IMAGE",
        help="put this in the lower right corner; a recipe file can say more, see "
        "`pixelmill steps watermark`",
    )
    group.add_argument(
        "--metadata",
        type=_metadata,
        metavar="strip|keep|none|TAG,TAG",
        help="strip keeps author and copyright, and removes the rest, such as the place (default); "
        "keep removes nothing, none everything; or the tags to keep, such as Copyright,Creator",
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


def _metadata(text: str) -> str | list[str]:
    """Read a policy, or names of tags.

    Examples
    --------
    >>> _metadata("keep"), _metadata("Copyright, Artist")
    ('keep', ['Copyright', 'Artist'])
    """
    if text in ("strip", "keep", "none"):
        return text
    return [name.strip() for name in text.split(",")]


def _output(text: str) -> dict[str, Any]:
    """Read ``thumb:256:webp:80``.

    Examples
    --------
    >>> _output("thumb:256:webp")
    {'name': 'thumb', 'steps': [{'resize': {'longest': 256, 'upscale': 'never'}}], \
'format': 'webp'}
    """
    name, pixels, form, *quality = [*text.split(":"), "", ""][: max(3, text.count(":") + 1)]
    if not (name and pixels and form) or len(quality) > 1:
        raise argparse.ArgumentTypeError(f"found '{text}'; write it as in thumb:256:webp")
    side = number(1, _MOST_PIXELS)(pixels)
    if "," in form:
        raise argparse.ArgumentTypeError(f"found '{form}'; give one format, and repeat --output")
    if format_name(form) not in _FORMATS:
        advice = f"formats are {', '.join(_FORMATS)}"
        raise argparse.ArgumentTypeError(
            f"'{form}' is not a format{followed(nearest(form, _FORMATS), advice)}"
        )
    output: dict[str, Any] = {
        "name": name,
        "steps": [_resize(longest=side)],
        "format": format_name(form),
    }
    if quality:
        _require_quality(output["format"])
        output["quality"] = number(1, 100)(quality[0])
    return output


def _require_quality(form: str) -> None:
    """Refuse a quality that a format would ignore."""
    if form not in (*_WITH_QUALITY, "same"):
        raise argparse.ArgumentTypeError(f"{form} has no quality; leave it out")


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
        if resize or _encoding(options).keys() - {"quality"}:
            raise UserError(
                "--output: sets size and format; leave out the other options for these."
            )
        common = recipe.pop("output", {})
        recipe["steps"] = _without_resize(recipe.get("steps", []))
        recipe["outputs"] = [
            _output_with(one, common, mark, options.quality) for one in _distinct(options.output)
        ]
    else:
        if resize:
            recipe["steps"] = [*resize, *_without_resize(recipe.get("steps", []))]
        if mark:
            recipe["steps"] = [*recipe.get("steps", []), *mark]
        if encoding := _encoding(options):
            recipe["output"] = _with_encoding(recipe, encoding)
    for key in ("metadata", "pages"):
        if value := getattr(options, key):
            recipe[key] = value
    return recipe if base is not None or recipe else None


def _distinct(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Refuse two outputs of one name, which would be one folder."""
    names = [output["name"] for output in outputs]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"--output: '{name}' is given twice; give each output its own name.")
    return outputs


def _output_with(
    output: dict[str, Any], common: Mapping[str, Any], mark: list[Any], quality: int | None
) -> dict[str, Any]:
    """Complete an output by what the preset and the other options say about its format."""
    form = output["format"]
    encoding = dict(common) if common.get("format", "jpeg") == form else {}
    if quality and form in _WITH_QUALITY:
        encoding["quality"] = quality
    return {**encoding, **output, "steps": [*output["steps"], *mark]}


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
    if options.watermark is None:
        return []
    if not options.watermark.strip():
        raise UserError("--watermark: found ''; give a text, or the path of an image.")
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


def _encoding(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the options say about the encoding."""
    keys = ("format", "quality", "if_larger", "min_saving", "path", "sidecar")
    given = {key: getattr(options, key) for key in keys}
    encoding = {key: value for key, value in given.items() if value is not None}
    if options.target_bytes and options.target_ssim:
        raise UserError("--target-bytes and --target-ssim: give only one of them.")
    if options.target_bytes:
        encoding["target"] = {"bytes": options.target_bytes}
    if options.target_ssim:
        encoding["target"] = {"ssim": _decimal(options.target_ssim)}
    return encoding


def _decimal(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise UserError(
            f"--target-ssim: found '{text}'; give a number between 0 and 1, such as 0.98."
        ) from error


def _with_encoding(recipe: Mapping[str, Any], encoding: Mapping[str, Any]) -> dict[str, Any]:
    if "outputs" in recipe:
        names = " and ".join(f"--{key.replace('_', '-')}" for key in encoding)
        names = names.replace("--target", f"--target-{'-'.join(encoding.get('target', ()))}")
        raise UserError(f"{names}: the recipe has several outputs; use --output, or a recipe file.")
    output = dict(recipe.get("output", {}))
    form = encoding.get("format", output.get("format", "jpeg"))
    if "quality" in encoding and form not in (*_WITH_QUALITY, "same"):
        raise UserError(f"--quality: {form} has no quality; leave it out.")
    kept = output if form == output.get("format", "jpeg") else {}
    # The quality of a preset gives way to a target, and a target to a quality.
    other = "quality" if "target" in encoding else "target" if "quality" in encoding else ""
    return {**{key: value for key, value in kept.items() if key != other}, **encoding}
