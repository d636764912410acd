"""Sidecar check: compare what a sidecar says with the image that it describes and its source."""

from __future__ import annotations

import hashlib
import json
import os

from pixelmill.core.errors import TreeError
from pixelmill.core.filenames import escape
from pixelmill.core.root import Root
from pixelmill.storage.archives import Place, opened
from pixelmill.verification import second_sizes

#: What the names of sidecars end with.
SUFFIX = ".json"


def sidecar_fault(content: bytes, images: Root, source: str, place: Place) -> str | None:
    """Return what is wrong with the content of a sidecar, or None.

    Parameters
    ----------
    content : bytes
        Of the sidecar.
    images : Root
        Folder of the outputs.
    source : str
        Path of the source below its folder.
    place : path or Member
        The source.
    """
    try:
        parsed = json.loads(content)
        made, origin, _ = parsed["output"], parsed["source"], parsed["recipe"]
        path, claimed = str(made["path"]), (made["sha256"], made["bytes"])
        size_told = made["width"], made["height"]
        path_of_source, digest_of_source = str(origin["path"]), origin["sha256"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "is no sidecar"
    if path_of_source != source:
        return f"describes an output of another source, '{escape(path_of_source)}'"
    try:
        with os.fdopen(images.open(path), "rb", buffering=0) as file:
            image = file.readall()
        with opened(place) as file:
            stored = file.read()
    except OSError:  # other checks report what is missing
        return None
    except (TreeError, ValueError):
        return f"describes '{escape(path)}', which cannot be the path of an output"
    if claimed != (hashlib.sha256(image).hexdigest(), len(image)):
        return f"describes other content of '{escape(path)}'"
    if digest_of_source != hashlib.sha256(stored).hexdigest():
        return "describes other content of its source"
    size = second_sizes.size_of(image, upright=False)
    if size not in (None, size_told):
        return "says {}x{} pixels, not {}x{}".format(*size_told, *size or ())
    return None
