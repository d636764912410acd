"""Find what Python files import from the library, in their syntax trees."""

import ast
import functools
from pathlib import Path

from tests.conftest import REPOSITORY


@functools.cache  # a syntax tree takes long, and most files are reached from several
def imports_of(path):
    """Files of the library that a file imports at any place, from its syntax tree."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or node.module.split(".")[0] != "pixelmill":
            continue
        for alias in node.names:
            place = REPOSITORY / "scripts/pixelmill"
            for part in [*node.module.split(".")[1:], alias.name]:
                place /= part
                found |= {place.with_suffix(".py"), place / "__init__.py"}
    return set(filter(Path.is_file, found))


def reached_from(*paths):
    """Files of the library that are imported by some files or by what they import."""
    found, pending = set(), list(paths)
    while pending:
        new = imports_of(pending.pop()) - found
        found |= new
        pending += new
    return found
