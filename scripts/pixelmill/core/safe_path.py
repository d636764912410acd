"""Safe path: child interpreters import nothing from the current folder.

``python -c`` and ``python -m``, with which `multiprocessing`, Dask and Snakemake start their
children, put the current folder first on the module search path. A file ``numpy.py`` among
downloaded images would then be run instead of the library.
"""

from __future__ import annotations

import os

#: Folder from which this package is imported; the package need not be installed.
LIBRARY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


def protect_children() -> None:
    """Keep the current folder off the module search path of all child interpreters.

    This is for programs, not for the library: it changes the environment of this process, and
    scripts that it starts no longer find modules in their own folder.
    """
    os.environ.update(protected())


def protected() -> dict[str, str]:
    """Return the environment of this process with protection for child interpreters.

    They find this package on ``PYTHONPATH``, because ``PYTHONSAFEPATH`` also keeps the folder of
    a script off the path.
    """
    return {**os.environ, "PYTHONSAFEPATH": "1", "PYTHONPATH": python_path()}


def python_path() -> str:
    """Return ``PYTHONPATH`` with the folder of this package first.

    Empty entries, which mean the current folder, are dropped.
    """
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    others = [path for path in given if path not in ("", LIBRARY)]
    return os.pathsep.join([LIBRARY, *others])
