"""Projects as users have them, for the tests of the workflow."""

import compileall
import shutil

import pytest
import yaml

from pixelmill.dataset.catalog import fingerprints

#: The files of the repository that a user needs besides a config.
CODE = ("Snakefile", "workflow", "scripts", "profiles", "envs")

COUNT = 8

RESIZE = {"resize": {"width": 96, "height": 72}}

CONFIG = {
    "datasets": {
        "mine": {"folder": "pictures"},
        "demo": {"generate": {"count": 4, "width": [120, 160], "height": [120, 160]}},
    },
    "recipes": {"light": {"steps": [RESIZE]}},
    "run": {"datasets": ["mine", "demo"], "recipes": ["light"], "engines": ["threads"]},
}

#: The same with as few jobs as possible.
SMALL = {
    "datasets": {"mine": {"folder": "pictures"}},
    "recipes": {"light": {"steps": [RESIZE]}},
    "run": {"datasets": ["mine"], "recipes": ["light"], "engines": []},
}

END = ["Write the report", "Write the verdict"]


def processing(dataset, recipe):
    """Messages of the jobs that process a dataset with a recipe."""
    made = f"Process {dataset} with {recipe}"
    return [f"{made}, one image after another", f"{made} on threads"]


def chain(dataset, recipe):
    """Messages of the jobs that process a dataset with a recipe and verify the outputs."""
    verified = [f"Verify {dataset} with {recipe} on {e}" for e in ("sequential", "threads")]
    compared = f"Compare the engines on {dataset} with {recipe}"
    return [*processing(dataset, recipe), *verified, compared]


EVERY_CHAIN = [*chain("mine", "light"), *chain("demo", "light")]


def write_config(folder, config):
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def times_below(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def is_up_to_date(ran):
    return ran.status == 0 and ran.jobs == [] and "Nothing to be done" in ran.text


@pytest.fixture(scope="session")
def new_project(repository, photos):
    """Function that makes a folder with the code, a config and some pictures."""
    compileall.compile_dir(repository / "scripts", quiet=1)  # otherwise each copy would do it

    def make(folder, config, count=COUNT):
        folder.mkdir()
        for part in CODE:
            copy = shutil.copytree if (repository / part).is_dir() else shutil.copy2
            copy(repository / part, folder / part)
        write_config(folder, config)
        photos(folder / "pictures", count, size=(160, 120))
        return folder

    return make


@pytest.fixture(scope="session")
def first(new_project, tmp_path_factory, snakemake):
    """A project after its first run, and the result of that run."""
    folder = new_project(tmp_path_factory.mktemp("first") / "project", CONFIG)
    return folder, snakemake(folder, "all")


def copied(project, target, shards=1):
    """Copy a project that was run as if it had been moved.

    Copies have new change times, which would make Snakemake catalog all pictures again.
    Therefore the recorded fingerprints are replaced.
    """
    shutil.copytree(project, target)
    before, after = (
        fingerprints(str(root / "pictures"), None, shards) for root in (project, target)
    )
    for record in (target / ".snakemake/metadata").iterdir():
        text = record.read_text(encoding="utf-8")
        for old, new in zip(before, after, strict=True):
            text = text.replace(old, new)
        record.write_text(text, encoding="utf-8")
    return target


@pytest.fixture
def finished(first, tmp_path):
    """A copy of the finished project that a test may change."""
    return copied(first[0], tmp_path / "project")


@pytest.fixture
def small(new_project, tmp_path):
    """A fresh project of few jobs."""
    return new_project(tmp_path / "project", SMALL, count=3)
