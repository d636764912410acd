"""The kernel of envs/kernel, compiled for tests with vectors of one size."""

import importlib.util
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

#: Sizes of vectors, by the value of MOST_VECTORS.
VECTORS = {0: "plain", 1: "32 bytes", 2: "64 bytes"}


def compiled(folder, repository, vectors):
    """Compile and import the kernel, if Python's headers are installed."""
    made = folder / "pixelmill_kernel.so"
    build(made, sorted((repository / "envs/kernel").glob("*.c")), vectors)
    spec = importlib.util.spec_from_file_location("pixelmill_kernel", made)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def build(made, sources, vectors):
    """Compile a shared library, if Python's headers are installed."""
    include = sysconfig.get_paths()["include"]
    if not Path(include, "Python.h").exists():
        pytest.skip("Python's headers are not installed")
    flags = ["-O2", "-ffp-contract=off", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror"]
    flags += [f"-I{include}", f"-DMOST_VECTORS={vectors}"]
    flags += ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
    subprocess.run(["cc", *flags, *map(str, sources), "-o", str(made), "-lm"], check=True)
