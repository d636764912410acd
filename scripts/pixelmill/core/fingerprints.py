"""Fingerprints: digests of code that no comment and no place of a file changes."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.util import cache_from_source
from pathlib import Path

from pixelmill.core.errors import UserError
from pixelmill.core.files import atomic
from pixelmill.core.project import PACKAGE, SCRIPTS

_DIGEST = re.compile("[0-9a-f]{32}")
#: Where this package is imported from; names may stand on several lines in parentheses.
_IMPORT = re.compile(r"^\s*from pixelmill(?:\.([\w.]+))? import (\([^)]*\)|.+)$", re.MULTILINE)


def code_of(script: str) -> list[Path]:
    """Files of a script and of all modules that it uses, itself first.

    Snakemake sees no imports: rules list these files as inputs instead.

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
        new = set(_imported_by(pending.pop())) - found
        found |= new
        pending += new
    return [first, *sorted(found)]


def _imported_by(path: Path) -> Iterator[Path]:
    """Files of the modules that a file imports, wherever in it."""
    for module, names in _IMPORT.findall(path.read_text(encoding="utf-8")):
        parts = module.split(".") if module else []
        for name in re.findall(r"\w+", names):
            yield from _files_of([*parts, name])


def _files_of(parts: Sequence[str]) -> Iterator[Path]:
    """Files that the import of a module, or of a name in it, runs; this package's own aside."""
    for number in range(1, len(parts) + 1):
        place = PACKAGE.joinpath(*parts[:number])
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                yield file


def digest_of_code(*parts: str) -> str:
    """Digest of packages and modules of this library, comments and docstrings left aside.

    To read four dozen modules takes 50 ms, to know that they were read before 1 ms: the
    answer is kept where Python keeps compiled modules.

    Parameters
    ----------
    *parts : str
        Below the folder of the library: a package such as ``imaging``, or a module such as
        ``dataset/synthetic.py``.
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
    """Digest of a file of Python code, comments and docstrings left aside."""
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    return digest_of_text(ast.dump(_without_docstrings(tree)))


def digest_of_text(text: str) -> str:
    """Digest of a text, 32 hexadecimal digits."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _without_docstrings(tree: ast.Module) -> ast.Module:
    pending: list[ast.AST] = [tree]
    while pending:  # statements only: no expression has a docstring, and most nodes are in one
        node = pending.pop()
        if isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:]
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            pending += getattr(node, block, ())
    return tree
