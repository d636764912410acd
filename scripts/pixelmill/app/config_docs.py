"""Config docs: every key of the config in words, from the schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pixelmill.app.config import schema
from pixelmill.app.step_docs import as_recipe

#: Told on pages of their own.
_ELSEWHERE = {"recipes": "[recipes.md](recipes.md) and [steps.md](steps.md) have the rest."}

_INTRODUCTION = """\
# Configuration

Every key of `config.yaml`. All have defaults; `--config` and `--configfile` override any of them:
maps merge, lists replace. A wrong key, type, value or name stops before any job starts, with one
sentence that says what was found and what is allowed.

This page is written by `make docs`."""

_TABLE = "| key | what it says | allowed | default |\n|---|---|---|---|"


def markdown() -> str:
    """Write all keys as one page of Markdown."""
    parts = [_INTRODUCTION]
    for name, entry in schema()["properties"].items():
        parts += [f"## {name}", _resolved(entry)["description"]]
        if name in _ELSEWHERE:
            parts.append(_ELSEWHERE[name])
            continue
        rows = [_row(key, part) for key, part in _keys(_resolved(entry), f"{name}.")]
        parts.append("\n".join((_TABLE, *(rows or [_row(name, entry)]))))
    return "\n\n".join(parts) + "\n"


def _keys(part: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All keys below a part of the schema, with those of maps behind a dot."""
    extra = part.get("additionalProperties")
    if isinstance(extra, Mapping):
        yield from _keys(_resolved(extra), f"{prefix}NAME.")
    for key, entry in part.get("properties", {}).items():
        entry = _resolved(entry)
        if "properties" in entry:
            yield from _keys(entry, f"{prefix}{key}.")
        else:
            yield prefix + key, entry


def _resolved(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow a reference within the schema; what stands beside it goes before."""
    if "$ref" not in part:
        return part
    target: Any = schema()
    for key in part["$ref"].removeprefix("#/").split("/"):
        target = target[key]
    return {**target, **part}


def _row(key: str, entry: Mapping[str, Any]) -> str:
    entry = _resolved(entry)
    default = as_recipe(entry["default"]) if "default" in entry else "none"
    cells = (f"`{key}`", entry.get("description", ""), allowed(entry), default)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def allowed(entry: Mapping[str, Any]) -> str:
    """Say in words what a part of the schema allows.

    Examples
    --------
    >>> allowed({"type": "integer", "minimum": 1}), allowed({"enum": ["rename", "error"]})
    ('a whole number, at least 1', 'rename, error')
    >>> allowed({"type": "array", "items": {"type": "string"}})
    'a list of texts'
    """
    if "enum" in entry:
        return ", ".join(map(str, entry["enum"]))
    if "oneOf" in entry:
        return " or ".join(allowed(part) for part in entry["oneOf"])
    kinds = entry.get("type", "object")
    if kinds == "array":
        items = _resolved(entry.get("items", {}))
        what = "texts" if items.get("type") == "string" else allowed(items)
        count = entry["minItems"] if entry.get("minItems", 0) > 1 else None
        return f"{count} values, each {what}" if count else f"a list of {what}"
    words = [_TYPES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    return " or ".join(words) + _bounds(entry)


_TYPES = {
    "object": "a map",
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}


def _bounds(entry: Mapping[str, Any]) -> str:
    if "exclusiveMinimum" in entry:
        return f" above {entry['exclusiveMinimum']}"
    if "minimum" in entry and "maximum" in entry:
        return f", {entry['minimum']} to {entry['maximum']}"
    return f", at least {entry['minimum']}" if "minimum" in entry else ""
