"""Starting config: what a folder holds, and a config.yaml that processes it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from pixelmill.core.environment import version_of
from pixelmill.core.filenames import escape
from pixelmill.dataset.catalog import told_left_out
from pixelmill.storage.archives import is_archive

_TEMPLATE = """\
# Processes the images of {folder}. Every key that is not here has a default, and
# `pixelmill presets` lists other recipes. All keys: docs/configuration.md in the source code

datasets:
  images:
    {key}: {quoted}
    # include: ["*.jpg"]        # only these files; "*" also matches "/"
    # exclude: ["drafts/*"]     # all but these

run:
  datasets: [images]
  recipes: [web] # or a recipe of your own, as below

# recipes:
#   mine:
#     steps:
#       - resize: {{longest: 2048, upscale: never}}
#     output: {{format: webp, quality: 82}}

results: results # where outputs, tables and the report go
"""


def findings(folder: str, formats: Mapping[str, int], left_out: Mapping[str, int]) -> Iterator[str]:
    """Say what was found in a folder or in archives, a line for each kind of file.

    Parameters
    ----------
    folder : str
    formats : mapping of str to int
        Images by format.
    left_out : mapping of str to int
        Other files, by what they are.
    """
    yield f"'{escape(folder)}' holds {sum(formats.values()):,} images:"
    for name, count in sorted(formats.items(), key=lambda entry: -entry[1]):
        yield f"  {count:,} {name.upper() or 'with an unknown content'}{_remedy(name)}"
    if left_out:
        yield f"  left out: {told_left_out(left_out)}"


def _remedy(name: str) -> str:
    if name == "heif" and version_of("pillow-heif") == "not installed":
        return " (reading them needs pillow-heif: pip install pillow-heif)"
    return ""


def text(folder: str) -> str:
    r"""Return a config that processes a folder or archives for the web.

    Examples
    --------
    >>> 'folder: "my photos"' in text("my photos")
    True
    """
    key = "archive" if is_archive(folder) else "folder"
    return _TEMPLATE.format(folder=escape(folder), quoted=json.dumps(folder), key=key)
