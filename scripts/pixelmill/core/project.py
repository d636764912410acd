"""The project's files beside the package: Snakefile, workflow, default config, scripts."""

from __future__ import annotations

from pathlib import Path

#: Folder of this package.
PACKAGE = Path(__file__).parents[1]


def _project() -> Path:
    clone = PACKAGE.parents[1]
    return clone if (clone / "Snakefile").is_file() else PACKAGE / "project"


#: Folder of the Snakefile: the clone, or a part of the package if it was installed.
PROJECT = _project()

SCHEMAS = PROJECT / "workflow" / "schemas"
SCRIPTS = PROJECT / "scripts"
