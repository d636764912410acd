"""No interpreter imports modules from the current folder or from beside a config.

A folder of downloaded images may hold files that are named like modules.
"""

import os
import subprocess
import sys

import pytest
import yaml

from pixelmill.core import safe_path
from pixelmill.engines import processes

#: Modules that children of `multiprocessing`, Dask, Snakemake or pixelmill import: from the
#: standard library, from libraries, and those that Python looks for by itself.
PLANTED = (
    "PIL", "cv2", "dask", "distributed", "encodings", "json", "multiprocessing", "numpy", "pickle",
    "pixelmill", "psutil", "signal", "sitecustomize", "snakemake", "socket", "sqlite3", "struct",
    "threading", "usercustomize", "xxhash", "yaml",
)  # fmt: skip

#: Leaves a file of the module's name below the folder that an environment variable names.
MODULE = "import os\nopen(os.path.join(os.environ['MARKS'], {name!r}), 'w').close()\n"


@pytest.fixture
def marks(tmp_path):
    """The folder in which a planted module leaves a file when it is imported."""
    (tmp_path / "marks").mkdir()
    return tmp_path / "marks"


def plant(folder):
    """Put modules and packages that leave marks into a folder."""
    folder.mkdir(exist_ok=True)
    for name in PLANTED:
        text = MODULE.format(name=name)
        if name == "PIL":
            (folder / name).mkdir(exist_ok=True)
            (folder / name / "__init__.py").write_text(text, encoding="utf-8")
        else:
            (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def planted(tmp_path, marks):
    """Options of `subprocess.run` to start something in a folder of planted modules."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    folder = plant(tmp_path / "downloads")
    return {"cwd": folder, "env": {**environment, "MARKS": str(marks)}}


@pytest.mark.parametrize("how", [["-c", "import numpy"], ["-m", "numpy"]])
def test_planted_modules_are_run_by_an_interpreter_without_protection(planted, marks, how):
    subprocess.run([sys.executable, *how], check=True, **planted)
    assert "numpy" in names_in(marks)


@pytest.fixture
def long_path(tmp_path):
    """A folder for temporary files whose path is too long for the fork server's socket."""
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    return str(folder)


@pytest.mark.parametrize(
    ("engine", "method"),
    [
        ("sequential", "forkserver"), ("processes", "forkserver"),
        pytest.param("threads", "spawn", marks=pytest.mark.slow),
        pytest.param("processes", "spawn", marks=pytest.mark.slow),
        pytest.param("futures", "forkserver", marks=pytest.mark.slow),
        pytest.param("distributed", "spawn", marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_no_engine_runs_them(planted, marks, tmp_path, photos, script, long_path, engine, method):
    if method == "spawn":
        planted["env"]["TMPDIR"] = long_path
    elif processes.start_method() != "forkserver":
        pytest.skip("this system has no fork server")
    source = photos(planted["cwd"] / "pictures", 4)
    options = ("--engine", engine, "--workers", "2")
    done = script("process_parallel.py", source, tmp_path / "out", *options, **planted)
    assert done.status == 0, done.text
    assert names_in(marks) == []


def write_recipe(folder, code):
    """Write a recipe with one own step, and the code of the step beside it."""
    recipe = {"steps": [{"call": {"function": "mine:step"}}]}
    (folder / "mine.py").write_text(code, encoding="utf-8")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")


CRASH = """
import os
def step(image):
    os.abort()
"""


def test_neither_quarantine_nor_own_steps_run_them(planted, marks, tmp_path, photos, script):
    source = photos(planted["cwd"] / "pictures", 1)
    write_recipe(planted["cwd"], CRASH)
    options = ("--recipe", "recipe.yaml", "--engine", "threads")
    done = script("process_parallel.py", source, tmp_path / "out", *options, **planted)
    assert "1 of 1 images failed (1 crashed)" in done.text
    assert names_in(marks) == []


LIBRARIES = """
import numpy, PIL.Image, neighbour
def step(image):
    assert numpy.ones(1).dtype and PIL.Image.Image and neighbour.FOUND
    return image
"""


@pytest.mark.slow
def test_modules_beside_an_own_step_shadow_no_library(planted, marks, tmp_path, photos, script):
    """The modules beside it can be imported nevertheless."""
    folder = planted["cwd"]
    write_recipe(folder, LIBRARIES)
    (folder / "neighbour.py").write_text("FOUND = True\n", encoding="utf-8")
    source = photos(folder / "pictures", 2)
    for engine in ("sequential", "threads", "processes"):
        options = ("--recipe", "recipe.yaml", "--engine", engine, "--workers", "2")
        done = script("process_parallel.py", source, tmp_path / engine, *options, **planted)
        assert done.status == 0 and "failed" not in done.text, done.text
    assert names_in(marks) == []


@pytest.mark.slow
def test_neither_generating_nor_verifying_nor_measuring_runs_them(planted, marks, tmp_path, script):
    made, out = tmp_path / "made", tmp_path / "out"
    size = ("--width", "60", "80", "--height", "60", "80")
    workers = ("--workers", "2")
    for name, arguments in {
        "generate.py": (made, "--count", "210", *size, *workers),  # two batches of verification
        "process_sequential.py": (made, out),
        "verify.py": (made, out, *workers),
        "scaling.py": (made, "--images", "4", "--repeats", "1", *workers),
    }.items():
        done = script(name, *arguments, **planted)
        assert done.status == 0, (name, done.text)
    assert names_in(marks) == []


@pytest.mark.slow
@pytest.mark.parametrize("own_code", [True, False], ids=["its own Snakefile", "ours"])
def test_no_job_of_snakemake_runs_them(small, repository, marks, own_code):
    plant(small)
    command = [sys.executable, "-P", "-m", "snakemake", "--directory", small, "--cores", "2"]
    command += ["--snakefile", (small if own_code else repository) / "Snakefile", "all"]
    command += ["--config", "run={engines: [processes]}"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=small, env={**environment, "MARKS": str(marks)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert names_in(marks) == []


@pytest.mark.parametrize(
    ("given", "others"),
    [(None, []), ("", []), ("lib", ["lib"]), (os.pathsep.join(["", "lib", "", "."]), ["lib", "."])],
)
def test_children_find_the_library_and_what_the_user_named(monkeypatch, given, others):
    for name in ("PYTHONPATH", "PYTHONSAFEPATH"):  # so that both are restored
        monkeypatch.setenv(name, given or "")
    if given is None:
        monkeypatch.delenv("PYTHONPATH")
    for _ in range(2):  # once in Snakemake, once more in its jobs
        safe_path.protect_children()
        assert os.environ["PYTHONPATH"].split(os.pathsep) == [safe_path.LIBRARY, *others]
    assert os.environ["PYTHONSAFEPATH"] == "1"


def test_the_search_path_of_programs_has_no_empty_entry(monkeypatch):
    from pixelmill.app.workflow_setup import prefer_this_python

    for given in ("", None):
        monkeypatch.setenv("PATH", "") if given == "" else monkeypatch.delenv("PATH")
        prefer_this_python()
        assert os.environ["PATH"] == os.path.dirname(sys.executable)
