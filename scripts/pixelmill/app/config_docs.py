"""Config docs: a reference of every key of the config, generated from the schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pixelmill.app.config_schema import allowed, resolved, schema
from pixelmill.app.step_docs import as_recipe

#: Sections that have their own pages.
_ELSEWHERE = {
    "recipes": "[recipes.md](recipes.md) describes recipes; [steps.md](steps.md) lists all steps."
}

_INTRODUCTION = """\
# Configuration

This page lists every key of `config.yaml`. All keys have defaults. `--config` and `--configfile`
override any key: maps are merged, and lists are replaced. A wrong key, type, value or name stops
the run before any job starts, with one sentence that says what was found and what is allowed.

`make docs` generates this page."""

_TABLE = "| key | meaning | allowed | default |\n|---|---|---|---|"


def markdown() -> str:
    """Write all keys as one page of Markdown."""
    parts = [_INTRODUCTION]
    for name, entry in schema()["properties"].items():
        parts += [f"## {name}", resolved(entry)["description"]]
        if name in _ELSEWHERE:
            parts.append(_ELSEWHERE[name])
            continue
        rows = [_row(key, part) for key, part in _keys(resolved(entry), f"{name}.")]
        parts.append("\n".join((_TABLE, *(rows or [_row(name, entry)]))))
    return "\n\n".join(parts) + "\n"


def _keys(part: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield all keys below a part of the schema, with keys of maps after a dot."""
    extra = part.get("additionalProperties")
    if isinstance(extra, Mapping):
        yield from _keys(resolved(extra), f"{prefix}NAME.")
    for key, entry in part.get("properties", {}).items():
        entry = resolved(entry)
        if "properties" in entry:
            yield from _keys(entry, f"{prefix}{key}.")
        else:
            yield prefix + key, entry


def _row(key: str, entry: Mapping[str, Any]) -> str:
    entry = resolved(entry)
    default = as_recipe(entry["default"]) if "default" in entry else "none"
    cells = (f"`{key}`", entry.get("description", ""), allowed(entry), default)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
