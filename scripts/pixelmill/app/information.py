"""Information: presets, steps, and what this machine has, as lines of text."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

import yaml

from pixelmill.app.config import default_recipes
from pixelmill.core.errors import UserError
from pixelmill.core.schemas import schema
from pixelmill.core.suggestions import unknown

if TYPE_CHECKING:
    from pixelmill.imaging.steps.registry import StepKind

#: Columns of wrapped text.
_WIDTH = 88

#: The first of the recipes that are meant for benchmarks.
_FIRST_FOR_BENCHMARKS = "light"

#: Packages that are used if they are installed, and what for.
_OPTIONAL = {
    "pillow-heif": "reading HEIC",
    "distributed": "the engine distributed",
}


def presets(name: str | None) -> Iterator[str]:
    r"""List the presets, or give one as YAML.

    Raises
    ------
    UserError
        If there is none of this name.

    Examples
    --------
    >>> print(*presets("thumbnails"), sep="\n")
    steps:
    - resize:
        longest: 320
        upscale: never
    output:
      format: webp
      quality: 80
    """
    known = default_recipes()
    if name is None:
        described = schema("config")["properties"]["recipes"]["properties"]
        for preset in known:
            if preset == _FIRST_FOR_BENCHMARKS:
                yield "For benchmarks:"
            yield f"{preset:<12} {described[preset]['description']}"
    elif name in known:
        yield from yaml.safe_dump(known[name], sort_keys=False).splitlines()
    else:
        raise UserError(f"presets: {unknown(name, known)}")


def steps(name: str | None) -> Iterator[str]:
    """List the steps by subject, or explain one.

    Raises
    ------
    UserError
        If there is none of this name.
    """
    from pixelmill.app import step_docs
    from pixelmill.imaging.steps import STEPS

    if name is None:
        for title, pages in step_docs.pages():
            yield f"{title}:"
            yield from (f"  {page.name:<16} {page.summary}" for page in pages)
        return
    if name not in STEPS:
        raise UserError(f"steps: {unknown(name, STEPS)}")
    page = step_docs.describe(STEPS[name])
    yield f"{page.name}: {page.summary}"
    yield _example(STEPS[name])
    if page.text:
        yield from ("", *textwrap.wrap(page.text, _WIDTH))
    for words in page.parameters:
        yield ""
        yield f"  {words.name}: {words.allowed}; default: {words.default}"
        yield from textwrap.wrap(
            words.meaning.replace("``", "").replace("`", ""),
            _WIDTH,
            initial_indent="    ",
            subsequent_indent="    ",
        )


def _example(kind: StepKind) -> str:
    """Write the first example of a step as a recipe has it."""
    if not kind.examples[0]:
        return f"Example: - {kind.name}"
    step = {kind.name: dict(kind.examples[0])}
    flow = yaml.safe_dump([step], default_flow_style=None, allow_unicode=True, width=1000)
    return f"Example: {flow.strip()}"


def completion(shell: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    """Give the completion script of a shell."""
    from pixelmill.app.completion import script
    from pixelmill.imaging.steps import STEPS

    recipes = list(default_recipes())
    names = {"--preset": recipes, "presets": recipes, "steps": list(STEPS)}
    yield script(shell, parser, names)


def doctor() -> Iterator[str]:
    """Describe what pixelmill finds on this machine, and what is missing."""
    from pixelmill import __version__
    from pixelmill.core import sandbox
    from pixelmill.core.environment import version_of
    from pixelmill.engines.machine import available_memory, cores, machine
    from pixelmill.imaging.arrays import kernel
    from pixelmill.imaging.fingerprint import rendering_software

    yield f"pixelmill {__version__}, Python {platform.python_version()}, {platform.platform()}"
    yield f"installed in {os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}"
    yield "Libraries:"
    for name, version in rendering_software(opencv=True).items():
        yield f"  {name} {version}"
    for name in ("snakemake", "dask"):
        yield f"  {name} {version_of(name)}"
    yield "Optional:"
    for package, purpose in _OPTIONAL.items():
        found = version_of(package)
        remedy = f"; {purpose} needs it: pip install {package}" * (found == "not installed")
        yield f"  {package} {found}{remedy}"
    found = version_of("pixelmill-kernel")
    remedy = (
        "; resizing and measuring would be faster: pip install ./envs/kernel in a clone, with a C "
        "compiler"
    )
    unused = " is of another version and not used" * (found != "not installed")
    yield f"  pixelmill-kernel {found}{(unused + remedy) * (kernel is None)}"
    yield "Machine:"
    yield f"  {cores()} cores ({machine()['processor']}), {available_memory() / 1e9:.1f} GB free"
    free = shutil.disk_usage(os.getcwd()).free
    yield f"  {free / 1e9:.1f} GB free in {os.getcwd()}"
    shortcoming = sandbox.shortcoming()
    yield f"  {shortcoming or 'the workers that open images are confined'}"
