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
    include = sysconfig.get_paths()["include"]
    if not Path(include, "Python.h").exists():
        pytest.skip("Python's headers are not installed")
    flags = ["-O2", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", f"-I{include}"]
    flags.append(f"-DMOST_VECTORS={vectors}")
    flags += ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
    sources = sorted(map(str, (repository / "envs/kernel").glob("*.c")))
    made = folder / "pixelmill_kernel.so"
    subprocess.run(["cc", *flags, *sources, "-o", str(made), "-lm"], check=True)
    spec = importlib.util.spec_from_file_location("pixelmill_kernel", made)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
