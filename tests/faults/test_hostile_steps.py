"""An own step that changes its process affects at most the image that it is processing."""

import os

import pytest
import yaml
from PIL import Image

pytestmark = pytest.mark.skipif(os.name == "nt", reason="steps do what only POSIX systems know")

COUNT = 8

#: Height of the image at which the step does it: the largest one, which comes first.
HEIGHT = 301

STEP = """
import builtins, ctypes, gc, locale, os, signal, sys, time, warnings
import numpy as np
from PIL import Image, ImageFile


class Liar(Image.Image):
    size = (7, 7)


def limit(name, soft, hard=None):
    import resource
    kind = getattr(resource, name)
    resource.setrlimit(kind, (soft, resource.getrlimit(kind)[1] if hard is None else hard))


def give_up_rights():
    # As root, which may raise any limit again.
    import struct
    header, none = struct.pack("Ii", 0x20080522, 0), struct.pack("6I", *[0] * 6)
    assert os.geteuid() or ctypes.CDLL(None).capset(header, none) == 0


def nothing(*arguments, **options):
    return None


def refuse(*arguments, **options):
    raise RuntimeError("refused")


def f(image):
    if image.height == {height}:
        {body}
    return image
"""

#: What an own step may do accidentally without failing.
FORGIVEN = {
    "current-folder": "os.chdir('/')",
    "umask": "os.umask(0o777)",
    "few-files": "limit('RLIMIT_NOFILE', 3)",
    "small-files": "limit('RLIMIT_FSIZE', 10)",
    "little-memory": "limit('RLIMIT_AS', 2**20)",
    "little-time": "limit('RLIMIT_CPU', 1)",
    "no-environment": "os.environ.clear()",
    "no-standard-streams": "sys.stdout = sys.stderr = sys.stdin = None",
    "closed-standard-streams": "sys.stdout.close(); sys.stderr.close()",
    "closed-descriptors-of-streams": "os.closerange(0, 3)",
    "alarm": "signal.alarm(1); ",
    "timer": "signal.setitimer(signal.ITIMER_REAL, 0.2)",
    "low-recursion-limit": "sys.setrecursionlimit(100)",
    "no-garbage-collection": "gc.disable()",
    "warnings-are-errors": "warnings.simplefilter('error')",
    "numpy-raises": "np.seterr(all='raise')",
    "replaced-replace": "os.replace = nothing",
    "replaced-write": "os.write = nothing",
    "replaced-open": "builtins.open = os.open = refuse",
    "replaced-clock": "time.monotonic = time.perf_counter = time.time = lambda: 0.0",
    "replaced-pillow-open": "Image.open = refuse",
    "truncated-images": "ImageFile.LOAD_TRUNCATED_IMAGES = True",
    "no-modules": "sys.modules.pop('PIL.Image'); sys.path.clear()",
    "locale": "locale.setlocale(locale.LC_ALL, 'C')",
}

#: What makes an own step fail, and words of the message.
FAILED = {
    "sys-exit": ("sys.exit(0)", "step_failed", "mine.py, line"),
    "keyboard-interrupt": ("raise KeyboardInterrupt", "step_failed", "mine.py, line"),
    "generator-exit": ("raise GeneratorExit", "step_failed", "mine.py, line"),
    "base-exception": ("raise BaseException('odd')", "step_failed", "odd"),
    "os-exit": ("os._exit(0)", "crashed", "exit status 0"),
    "killed-by-limit": (
        "limit('RLIMIT_CPU', 1)\n        while True: pass", "crashed", "signal 24",
    ),
    "closed-descriptors": ("os.closerange(3, 256)", "crashed", "exit status"),
    "returns-none": ("return None", "step_failed", "must return an image"),
    "returns-a-text": ("return 'image'", "step_failed", "must return an image"),
    "returns-a-class": ("return Image.Image", "step_failed", "must return an image"),
    "returns-a-liar": (
        "lie = Liar(); lie.im = image.im; lie._mode = image.mode; return lie",
        "step_failed", "size",
    ),
    "returns-no-pixels": ("return Image.new('RGB', (0, 5))", "", ""),
    "returns-an-empty-image": ("return Image.Image()", "step_failed", ""),
    "returns-a-closed-image": ("image.close(); return image", "step_failed", ""),
    "returns-too-many-pixels": ("return Image.new('L', (10**9, 1))", "", ""),
    "hard-limit": (
        "give_up_rights(); limit('RLIMIT_NOFILE', 3, 3)", "step_failed", "RLIMIT_NOFILE",
    ),
}  # fmt: skip

#: Those that represent the others in short runs.
FAST = ("current-folder", "umask", "small-files", "replaced-open", "keyboard-interrupt",
        "closed-descriptors", "returns-a-liar")  # fmt: skip


def each(cases):
    """Cases distributed over the engines, each on two of them; only a few cases in short runs."""
    chosen = [
        (engine, name)
        for number, name in enumerate(cases)
        for engine in ("processes", ("sequential", "threads", "futures")[number % 3])
    ]
    return [
        pytest.param(
            engine, *(cases[name] if isinstance(cases[name], tuple) else (cases[name],)),
            id=f"{name}-{engine}",
            marks=() if engine == "processes" and name in FAST else pytest.mark.slow,
        )
        for engine, name in chosen
    ]  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory, photos):
    """A folder of images, one of which makes the step hostile, and one of which is broken."""
    folder = tmp_path_factory.mktemp("project")
    photos(folder / "in", COUNT)
    Image.new("RGB", (400, HEIGHT), "teal").save(folder / "in" / "hostile.jpg")
    whole = (folder / "in" / "0.jpg").read_bytes()
    (folder / "in" / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    return folder


@pytest.fixture
def process(project, forked_script, tmp_path):
    """Function that processes the images with a step with this body, from a relative path."""

    def run(body, engine="sequential"):
        (tmp_path / "in").symlink_to(project / "in", target_is_directory=True)
        (tmp_path / "steps").mkdir()
        (tmp_path / "steps" / "mine.py").write_text(STEP.format(height=HEIGHT, body=body))
        recipe = {"steps": [{"call": {"function": "mine:f"}}, {"enhance": {"contrast": 1.5}}]}
        (tmp_path / "steps" / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        options = ["--recipe", "steps/recipe.yaml", "--engine", engine, "--workers", "2"]
        done = forked_script("process_parallel.py", "in/", "out", *options, cwd=tmp_path)
        return done, tmp_path / "out"

    return run


@pytest.fixture(scope="module")
def expected(project, forked_script):
    """The outputs if the step does nothing: bytes by name."""
    (project / "mine.py").write_text(STEP.format(height=HEIGHT, body="pass"))
    recipe = {"steps": [{"call": {"function": "mine:f"}}, {"enhance": {"contrast": 1.5}}]}
    (project / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    options = ["--recipe", "recipe.yaml"]
    done = forked_script("process_sequential.py", "in", "out", *options, cwd=project)
    assert "1 of 10 images failed (1 truncated)" in done.text
    return bytes_of(project / "out")


def bytes_of(tree):
    return {path.name: path.read_bytes() for path in (tree / "images").iterdir()}


def failures_of(tree):
    return {row.split(",")[0]: row for row in (tree / "failures.csv").read_text().splitlines()[1:]}


@pytest.mark.parametrize(("engine", "body"), each(FORGIVEN))
def test_changes_of_the_process_by_a_step_affect_no_other_image(process, expected, engine, body):
    done, tree = process(body, engine)
    assert done.status == 0, done.text
    assert list(failures_of(tree)) == ["truncated.jpg"], failures_of(tree)
    assert ",truncated," in failures_of(tree)["truncated.jpg"]
    assert bytes_of(tree) == expected
    assert all(path.stat().st_mode & 0o400 for path in (tree / "images").iterdir())


@pytest.mark.parametrize(("engine", "body", "reason", "words"), each(FAILED))
def test_a_step_that_fails_affects_only_its_image(process, expected, engine, body, reason, words):
    done, tree = process(body, engine)
    assert done.status == 0, done.text
    failures = failures_of(tree)
    assert sorted(failures) == ["hostile.jpg", "truncated.jpg"]
    assert f",{reason}" in failures["hostile.jpg"]
    assert words in failures["hostile.jpg"]
    others = {name: made for name, made in expected.items() if name != "hostile.jpg"}
    assert bytes_of(tree) == others
