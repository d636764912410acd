"""Schemas: what the files for machines look like, field by field."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from pixelmill.core.errors import UserError

_FOLDER = Path(__file__).parents[3] / "workflow" / "schemas"


@functools.cache
def schema(name: str) -> dict[str, Any]:
    """Return the schema of a file: ``scaling`` or ``benchmark``."""
    path = _FOLDER / f"{name}.schema.yaml"
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def check(data: Any, name: str, where: str) -> None:
    """Refuse what is not as its schema says.

    Parameters
    ----------
    data : object
        As read from JSON.
    name : str
        Of the schema.
    where : str
        What to call the file.

    Raises
    ------
    UserError
        With the field and what is wrong with it.
    """
    error = best_match(Draft202012Validator(schema(name)).iter_errors(data))
    if error is not None:
        field = error.json_path.removeprefix("$.")
        raise UserError(
            f"'{where}' is no {name}.json of this version ({field}: {error.message[:120]}); "
            "measure again, or give another file."
        )
