"""Fingerprints change if pixels may change, and otherwise stay the same."""

import os
import shutil
import subprocess
import sys

import pytest

from pixelmill.core import fingerprints
from pixelmill.core.fingerprints import code_of
from pixelmill.engines.machine import available_memory, machine
from pixelmill.imaging.fingerprint import code_fingerprint, rendering_software
from tests.helpers.imports import reached_from

STEP = '''
def lighten(image, amount=40):
    """Make lighter."""
    return image.point(lambda level: min(255, level + amount))
'''


def test_a_catalog_is_gathered_without_what_gathers_ledgers():
    modules = {path.stem for path in code_of("gather_catalog.py")}
    assert not modules & {"ledger", "workplace", "output_tree", "exports", "ledger_tables"}


def test_code_that_renders_images_is_in_the_fingerprinted_package(repository):
    """Otherwise, a change would leave stale images in place."""
    imaging = repository / "scripts/pixelmill/imaging"
    first = [imaging / "renderer.py", imaging / "backends/opencv.py"]  # which is found by its name
    outside = {path for path in reached_from(*first) if not path.is_relative_to(imaging)}
    # Words, files, and standard streams. What a path leads to is a part of the recipe, and what is
    # read from an archive has the digest of its content.
    no_pixels = {
        "errors",
        "filenames",
        "files",
        "jobs",
        "locks",
        "path_templates",
        "regular_files",
        "root",
        "streams",
        "suggestions",
        "user_paths",
    }
    assert {path.parent.name for path in outside} == {"core", "storage"}
    known = {path.stem for path in outside if path.parent.name == "core"}
    assert known - {"__init__"} == no_pixels


@pytest.fixture
def own_step(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(STEP, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("edit", "changes"),
    [
        (lambda text: text, False),
        (lambda text: f"# A comment.\n\n{text}", False),
        (lambda text: text.replace("Make lighter.", "Lighten."), False),
        (lambda text: text.replace('    """Make lighter."""\n', ""), False),
        (lambda text: text.replace("amount=40", "amount=41"), True),
        (lambda text: text.replace("min(255", "min(250"), True),
    ],
    ids=["nothing", "a comment", "the docstring", "no docstring", "a default", "the code"],
)
def test_only_code_counts_in_the_fingerprint(own_step, edit, changes):
    before = code_fingerprint([str(own_step)])
    own_step.write_text(edit(STEP), encoding="utf-8")
    assert (code_fingerprint([str(own_step)]) != before) is changes


def test_own_steps_count_in_the_fingerprint_and_their_order_does_not(own_step, tmp_path):
    other = tmp_path / "other.py"
    other.write_text("SIZE = 3\n", encoding="utf-8")
    both = code_fingerprint([str(own_step), str(other)])
    assert both == code_fingerprint([str(other), str(own_step)])
    assert both != code_fingerprint([str(own_step)]) != code_fingerprint()


def test_the_path_of_the_library_is_not_part_of_the_fingerprint(repository, tmp_path):
    """A repository that was moved or cloned again must not make all images stale."""
    shutil.copytree(repository / "scripts/pixelmill", tmp_path / "pixelmill")
    program = (
        "from pixelmill.imaging.fingerprint import code_fingerprint; print(code_fingerprint())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == code_fingerprint()


@pytest.mark.parametrize(
    "name", ["Pillow", "NumPy", "OpenCV", "libjpeg_turbo", "zlib", "webp", "freetype2"]
)
def test_the_software_that_decides_pixels_is_listed_with_its_version(name):
    assert rendering_software(opencv=True)[name][0].isdigit()


@pytest.fixture
def files_of_the_system(monkeypatch):
    """Function that replaces system files with texts; all other files are missing."""

    def put(texts):
        def read_text(path, **options):
            if str(path) in texts:
                return texts[str(path)]
            raise FileNotFoundError(path)

        monkeypatch.setattr(fingerprints.Path, "read_text", read_text)

    return put


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"/proc/cpuinfo": "processor\t: 0\nmodel name\t: Some CPU\nflags\t: a\n"}, "Some CPU"),
        ({"/proc/cpuinfo": "processor\t: 0\n"}, "x86"),
        ({}, "x86"),
    ],
)
def test_a_processor_has_its_name_or_that_of_its_kind(
    files_of_the_system, monkeypatch, texts, expected
):
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "x86")
    files_of_the_system(texts)
    assert machine()["processor"] == expected


@pytest.mark.parametrize(
    ("limit", "used", "expected"),
    [
        ("3000000\n", "1000000\n", 2_000_000),
        ("9000000\n", "1000000\n", 4_194_304),
        ("max\n", "1000000\n", 4_194_304),
        ("odd\n", "1000000\n", 4_194_304),
    ],
)
def test_memory_that_is_free_is_that_of_the_container(files_of_the_system, limit, used, expected):
    group = "/sys/fs/cgroup/memory"
    meminfo = "MemTotal: 8192 kB\nMemAvailable:    4096 kB\n"
    files_of_the_system({"/proc/meminfo": meminfo})
    assert available_memory() == 4_194_304
    files_of_the_system({"/proc/meminfo": meminfo, f"{group}.max": limit, f"{group}.current": used})
    assert available_memory() == expected


def test_free_memory_is_known_without_the_files_of_the_system(files_of_the_system):
    files_of_the_system({})
    assert available_memory() > 0


def test_what_was_read_before_is_known_and_a_change_is_seen(repository, tmp_path):
    shutil.copytree(
        repository / "scripts/pixelmill",
        tmp_path / "pixelmill",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    program = (
        "from pixelmill.imaging.fingerprint import code_fingerprint; print(code_fingerprint())"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONPYCACHEPREFIX": str(tmp_path / "kept")}
    env.pop("PYTHONDONTWRITEBYTECODE", None)

    def fingerprint():
        command = [sys.executable, "-c", program]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout

    first = fingerprint()
    assert len(list(tmp_path.rglob("*.digest"))) == 1
    assert fingerprint() == first
    module = tmp_path / "pixelmill/imaging/steps/canvas.py"
    code = module.read_text(encoding="utf-8")
    module.write_text(f"{code}\n# A comment.\n", encoding="utf-8")
    assert fingerprint() == first
    module.write_text(f"{code}\nMORE = 1\n", encoding="utf-8")
    assert fingerprint() != first
