"""Config docs: the page of all keys, and the keys that ``config.yaml`` lacks, from the schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pixelmill.app.config_schema import allowed, resolved, schema
from pixelmill.app.step_docs import as_recipe
from pixelmill.core.documents import from_yaml

#: Sections whose keys are names that the user chooses.
_NAMED = ("datasets", "recipes")

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


def with_missing_keys(text: str) -> str:
    r"""Add the keys that a config file lacks, with their defaults; keep all lines that it has.

    A section that is written in one line, in braces, stays as it is.

    Examples
    --------
    >>> completed = with_missing_keys("removals:\n\ndurable: true\n")
    >>> completed.splitlines()[1].split(" # ")[0], completed.splitlines()[3]
    ('  max_rate: 0.5', 'durable: true')
    """
    shown = from_yaml(text, "the config")
    lines = text.splitlines()
    for section, part in schema()["properties"].items():
        if section in _NAMED:
            continue
        keys = part.get("properties", {})
        if section not in shown:
            lines += ["", f"# {part['description']}"]
            lines.append(f"{section}:" if keys else f"{section}: {as_recipe(part['default'])}")
        place = next((k for k, line in enumerate(lines, 1) if _begins(line, section)), None)
        if place is None:
            continue
        while place < len(lines) and lines[place].startswith(" "):
            place += 1
        given = shown.get(section) or {}
        lines[place:place] = [
            f"  {key}: {as_recipe(entry['default'])} # {entry['description']}"
            for key, entry in keys.items()
            if "default" in entry and key not in given
        ]
    return "\n".join(lines) + "\n"


def _begins(line: str, section: str) -> bool:
    """Whether a line begins a section, with its keys in the lines below."""
    return line.partition("#")[0].rstrip() == f"{section}:"
