"""Schema of the config: resolve its references, and describe the allowed values."""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from typing import Any

from pixelmill.core import schemas
from pixelmill.core.reasons import REASONS
from pixelmill.imaging.codecs.formats import FORMATS

_TYPES = {
    "object": "a map",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


@functools.cache
def schema() -> dict[str, Any]:
    """Return the schema of the config, with the defaults and the names from registries."""
    found = copy.deepcopy(schemas.schema("config"))
    found["properties"]["limits"]["properties"]["formats"]["items"] = {"enum": list(FORMATS)}
    found["$defs"]["reason"] = {"enum": list(REASONS)}
    return found


def resolved(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference within the schema; keys beside the reference take precedence."""
    if "$ref" not in part:
        return part
    target: Any = schema()
    for key in part["$ref"].removeprefix("#/").split("/"):
        target = target[key]
    return {**target, **part}


def allowed(part: Mapping[str, Any]) -> str:
    """Describe the values that a part of the schema allows.

    Examples
    --------
    >>> allowed({"type": "integer", "minimum": 1}), allowed({"enum": ["rename", "error"]})
    ('a whole number, at least 1', 'rename, error')
    >>> allowed({"type": "array", "items": {"type": "string"}})
    'a list of texts'
    """
    if "enum" in part:
        return ", ".join(map(str, part["enum"]))
    if "oneOf" in part:
        return " or ".join(allowed(choice) for choice in part["oneOf"])
    types = part.get("type", "object")
    if types == "array":
        items = resolved(part.get("items", {}))
        if part.get("minItems", 0) > 1:
            return f"a list of {part['minItems']} values, each {allowed(items)}"
        return f"a list of {'texts' if items.get('type') == 'string' else allowed(items)}"
    words = [_TYPES[name] for name in ([types] if isinstance(types, str) else types)]
    return " or ".join(words) + _bounds(part)


def _bounds(part: Mapping[str, Any]) -> str:
    if "exclusiveMinimum" in part:
        return f" above {part['exclusiveMinimum']}"
    if "minimum" in part and "maximum" in part:
        return f", {part['minimum']} to {part['maximum']}"
    return f", at least {part['minimum']}" if "minimum" in part else ""
