"""Schemas: the structure of the config and of the files for machines, field by field."""

from __future__ import annotations

import functools
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from pixelmill.core import documents
from pixelmill.core.errors import UserError
from pixelmill.core.project import SCHEMAS


@functools.cache
def schema(name: str) -> dict[str, Any]:
    """Return a schema: ``config``, ``scaling`` or ``benchmark``."""
    path = SCHEMAS / f"{name}.schema.yaml"
    loaded: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), documents.loader())
    return loaded


def complete_section(name: str, given: Any, where: str) -> dict[str, Any]:
    """Check a section of the config and fill in its defaults.

    Parameters
    ----------
    name : str
        A section that contains no other sections, such as ``failures``.
    given : object
        The section as read from JSON.
    where : str
        Name of the section for messages.

    Raises
    ------
    UserError
        With the key and what is wrong with it.
    """
    part = schema("config")["properties"][name]
    error = best_match(Draft202012Validator(part).iter_errors(given))
    if error is not None:
        key = error.json_path.removeprefix("$").removeprefix(".")
        raise UserError(f"{where}: {key + ': ' if key else ''}{error.message[:120]}.")
    return {**{key: entry["default"] for key, entry in part["properties"].items()}, **given}


def check(data: Any, name: str, where: str) -> None:
    """Check data against its schema.

    Parameters
    ----------
    data : object
        As read from JSON.
    name : str
        Name of the schema.
    where : str
        Name of the file for messages.

    Raises
    ------
    UserError
        With the field and what is wrong with it.
    """
    error = best_match(Draft202012Validator(schema(name)).iter_errors(data))
    if error is not None:
        field = error.json_path.removeprefix("$.")
        raise UserError(
            f"'{where}' is not a {name}.json of this version ({field}: {error.message[:120]}); "
            "measure again, or give another file."
        )
