"""Sidecars: a file beside each output that says in JSON what it is and what it was made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pixelmill.core.jobs import OutputFile
from pixelmill.imaging.codecs.exif_facts import facts_of


def facts_of_source(path: str, data: bytes, kind: str) -> dict[str, Any]:
    """Return what sidecars say about a source.

    Parameters
    ----------
    path : str
        Its path below the folder of the inputs.
    data : bytes
        Its content.
    kind : str
        Its format.
    """
    facts = facts_of(data, kind)
    return {
        "path": path,
        "format": kind,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "taken": None if facts.taken is None else facts.taken.isoformat(),
        "make": facts.make,
        "model": facts.model,
    }


def content(
    source: Mapping[str, Any], output: OutputFile, format_name: str, recipe: Mapping[str, Any]
) -> bytes:
    """Return the content of the sidecar of an output: the same bytes for the same facts.

    Parameters
    ----------
    source : mapping
        Of `facts_of_source`.
    output : OutputFile
    format_name : str
        Format of the output.
    recipe : mapping
        As `pixelmill.imaging.recipe.Recipe.as_data` returns it for this output.
    """
    made = {
        "path": output.path,
        "format": format_name,
        "width": output.width,
        "height": output.height,
        "bytes": output.bytes,
        "sha256": output.sha256,
    }
    text = json.dumps({"source": source, "output": made, "recipe": recipe}, indent=2)
    return f"{text}\n".encode("ascii")
