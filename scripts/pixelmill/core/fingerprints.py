"""Fingerprints: digests of code that do not depend on comments or on where files are."""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import os
import re
import sys
from importlib.util import cache_from_source
from pathlib import Path

from pixelmill.core.errors import UserError
from pixelmill.core.files import atomic
from pixelmill.core.project import PACKAGE, SCRIPTS

_DIGEST = re.compile("[0-9a-f]{32}")
#: Imports from this package; the names may be on several lines in parentheses.
_IMPORT = re.compile(r"^\s*from pixelmill(?:\.([\w.]+))? import (\([^)]*\)|.+)$", re.MULTILINE)


def code_of(script: str) -> list[Path]:
    """Return the files of a script and of all modules that it uses, the script first.

    Snakemake does not see imports: rules list these files as inputs instead.

    Examples
    --------
    >>> names = [path.name for path in code_of("compare_engines.py")]
    >>> names[0], "tables.py" in names
    ('compare_engines.py', True)
    """
    first = SCRIPTS / script
    found: set[Path] = set()
    pending = [first]
    while pending:
        new = _imported_by(pending.pop()) - found
        found |= new
        pending += new
    return [first, *sorted(found)]


@functools.cache  # a workflow asks for the code of two dozen scripts, which share most modules
def _imported_by(path: Path) -> frozenset[Path]:
    """Return the files of the modules that a file imports, wherever in it."""
    found: set[Path] = set()
    for module, names in _IMPORT.findall(path.read_text(encoding="utf-8")):
        parts = module.split(".") if module else []
        for name in re.findall(r"\w+", names):
            found.update(_files_of((*parts, name)))
    return frozenset(found)


@functools.cache
def _files_of(parts: tuple[str, ...]) -> frozenset[Path]:
    """Return the files that the import of a module or of a name in it runs."""
    if not parts:
        return frozenset()
    place = PACKAGE.joinpath(*parts)
    files = (place.with_suffix(".py"), place / "__init__.py")
    return _files_of(parts[:-1]).union(filter(Path.is_file, files))


def digest_of_code(*parts: str) -> str:
    """Return the digest of packages and modules of this library, without comments and docstrings.

    Parsing four dozen modules takes 50 ms; looking up that they were parsed before takes 1 ms.
    The digest is stored where Python stores compiled modules.

    Parameters
    ----------
    *parts : str
        Paths below the folder of the library: a package such as ``imaging``, or a module such
        as ``dataset/synthetic.py``.
    """
    places = [PACKAGE / part for part in parts]
    paths = [path for place in places for path in (sorted(place.rglob("*.py")) or [place])]
    text = digest_of_text(
        "\0".join([sys.version, *(path.read_text(encoding="utf-8") for path in paths)])
    )
    kept = Path(cache_from_source(str(PACKAGE / f"{text}.py"))).with_suffix(".digest")
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if _DIGEST.fullmatch(known := kept.read_text(encoding="ascii")):
            return known
    digest = digest_of_text("".join(map(digest_of_file, paths)))
    if not sys.dont_write_bytecode:
        with contextlib.suppress(UserError), atomic(kept) as file:
            file.write(digest)
    return digest


def digest_of_file(path: str | os.PathLike[str]) -> str:
    """Return the digest of a file of Python code, without comments and docstrings."""
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    return digest_of_text(ast.dump(_without_docstrings(tree)))


def digest_of_text(text: str) -> str:
    """Return the digest of a text, as 32 hexadecimal digits."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _without_docstrings(tree: ast.Module) -> ast.Module:
    pending: list[ast.AST] = [tree]
    while pending:  # only statements have docstrings
        node = pending.pop()
        if isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:]
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            pending += getattr(node, block, ())
    return tree
