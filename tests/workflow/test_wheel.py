"""The wheel holds all that a clone has: the command and the workflow run without the repository."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

MAIN = "from pixelmill.app.command import main; main()"


@pytest.fixture(scope="module")
def site(repository, tmp_path_factory):
    """Folder into which the wheel was installed."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=repository,
        check=True,
        capture_output=True,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.fixture
def pixelmill(site, tmp_path):
    def run(*arguments):
        kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        return subprocess.run(
            [sys.executable, "-c", MAIN, *map(str, arguments)],
            cwd=tmp_path,
            env={**kept, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def files(folder):
    return {path: path.stat().st_mtime_ns for path in Path(folder).rglob("*") if path.is_file()}


def test_it_holds_the_same_files_as_the_repository(repository, site):
    held = {path.relative_to(site / "pixelmill").as_posix() for path in files(site / "pixelmill")}
    package = repository / "scripts/pixelmill"
    expected = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    around = [
        "Snakefile",
        "workflow/Snakefile",
        "config.yaml",
        "envs/environment.yaml",
        "profiles/default/profile.yaml",
    ]
    around += [
        path.relative_to(repository).as_posix()
        for path in [*repository.glob("scripts/*.py"), *repository.glob("workflow/**/*.*")]
    ]
    assert held == expected | {f"project/{name}" for name in around}


def test_it_processes_a_folder(pixelmill, photos, tmp_path):
    photos(tmp_path / "in", 3)
    done = pixelmill("run", "in", "out", "--preset", "thumbnails")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "Success: 3 of 3 images processed."


def test_its_workflow_runs_and_writes_nothing_into_it(pixelmill, photos, site, tmp_path):
    photos(tmp_path / "in", 3)
    before = files(site)
    assert pixelmill("init", "in").returncode == 0
    done = pixelmill("workflow", "--cores", "2", "all")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results/report/report.html").exists()
    assert (tmp_path / "results/images/web/processes/images/0.jpg").exists()
    again = pixelmill("workflow", "--cores", "2", "all")
    assert "Nothing to be done" in again.stdout + again.stderr
    assert files(site) == before


def test_the_command_is_an_entry_point(site):
    (entries,) = site.glob("pixelmill-*.dist-info/entry_points.txt")
    assert "pixelmill = pixelmill.app.command:main" in entries.read_text(encoding="utf-8")
