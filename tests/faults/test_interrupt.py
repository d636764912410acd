"""An interrupted run ends soon, leaves only whole images, and can be continued."""

import os
import signal
import sys

import psutil
import pytest
import yaml
from PIL import Image

from pixelmill.core.files import TEMPORARY
from pixelmill.engines.registry import SELECTABLE

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups")

COUNT = 48

#: Slow enough that a run can be interrupted in the middle.
RECIPE = {"steps": [{"resize": {"width": 100, "height": 100}}, {"denoise": {}}]}

#: Exit status after Ctrl-C, as shells expect it.
INTERRUPTED = 130

#: Signals that ask a process to end, and that report that its terminal was closed.
ASKED = [signal.SIGTERM, *([signal.SIGHUP] if os.name != "nt" else [])]


def images_of(tree):
    """The bytes of each output that has its final name."""
    files = [path for path in (tree / "images").rglob("*") if path.is_file()]
    return {path.name: path.read_bytes() for path in files if not TEMPORARY.fullmatch(path.name)}


def family_of(process):
    return [process, *psutil.Process(process.pid).children(recursive=True)]


def is_gone(process):
    try:
        return psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def assert_only_whole_images(tree):
    for path in (tree / "images").rglob("*.jpg"):
        with Image.open(path) as image:
            image.load()


@pytest.fixture(scope="module")
def source(tmp_path_factory, photos):
    return photos(tmp_path_factory.mktemp("source") / "in", COUNT, size=(200, 150))


@pytest.fixture(scope="module")
def recipe(source):
    path = source.parent / "slow.yaml"
    path.write_text(yaml.safe_dump(RECIPE), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def undisturbed(source, recipe, script):
    """The outputs of a run that is not interrupted."""
    tree = source.parent / "undisturbed"
    assert script("process_parallel.py", source, tree, "--recipe", recipe).status == 0
    assert len(images_of(tree)) == COUNT
    return tree


@pytest.fixture
def command(repository, source, recipe, tmp_path):
    """Function that gives the arguments to process the images with an engine."""

    def arguments(engine):
        options = ["--recipe", recipe, "--engine", engine, "--workers", "2"]
        return ["process_parallel.py", source, tmp_path / "out", *options]

    return arguments


@pytest.fixture
def start_script(repository, start):
    """Function that starts a script."""

    def start_it(name, *arguments):
        return start([sys.executable, repository / "scripts" / name, *arguments])

    return start_it


def assert_goes_on_to_the_same_end(ran, tree, undisturbed):
    assert ran.status == 0, ran.text
    assert images_of(tree) == images_of(undisturbed)
    assert (tree / "manifest.csv").read_bytes() == (undisturbed / "manifest.csv").read_bytes()
    assert not [path for path in tree.rglob("*") if TEMPORARY.fullmatch(path.name)]


#: One engine represents all in short runs.
EACH = [
    "processes",
    *(pytest.param(e, marks=pytest.mark.slow) for e in SELECTABLE if e != "processes"),
]


@pytest.mark.parametrize("engine", EACH)
def test_ctrl_c_ends_a_pass_and_the_next_one_continues(
    engine, command, start_script, script, wait_until, undisturbed, tmp_path
):
    tree = tmp_path / "out"
    process = start_script(*command(engine))
    wait_until(lambda: len(images_of(tree)) >= 2)
    family = family_of(process)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=30) == INTERRUPTED
    wait_until(lambda: all(map(is_gone, family)))
    assert 2 <= len(images_of(tree)) < COUNT
    assert_only_whole_images(tree)
    assert_goes_on_to_the_same_end(script(*command(engine)), tree, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("number", ASKED)
@pytest.mark.parametrize("engine", SELECTABLE)
def test_a_signal_ends_a_pass_and_its_workers(
    engine, number, command, start_script, script, wait_until, undisturbed, tmp_path
):
    tree = tmp_path / "out"
    process = start_script(*command(engine))
    wait_until(lambda: len(images_of(tree)) >= 2)
    family = family_of(process)
    process.send_signal(number)
    assert process.wait(timeout=30) == 128 + number
    wait_until(lambda: all(map(is_gone, family)))
    assert_only_whole_images(tree)
    assert_goes_on_to_the_same_end(script(*command(engine)), tree, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("engine", SELECTABLE)
def test_a_killed_pass_leaves_no_worker_and_can_be_continued(
    engine, command, start_script, script, wait_until, undisturbed, tmp_path
):
    tree = tmp_path / "out"
    process = start_script(*command(engine))
    wait_until(lambda: len(images_of(tree)) >= 2)
    family = family_of(process)
    process.kill()
    process.wait(timeout=30)
    wait_until(lambda: all(map(is_gone, family)))
    assert_only_whole_images(tree)
    assert_goes_on_to_the_same_end(script(*command(engine)), tree, undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("number", ["SIGINT", "SIGKILL"])
def test_interrupted_snakemake_continues_without_an_option(
    number, repository, source, start, snakemake, wait_until, undisturbed, tmp_path
):
    config = {
        "datasets": {"mine": {"folder": str(source)}},
        "recipes": {"slow": RECIPE},
        "run": {"datasets": ["mine"], "recipes": ["slow"]},
    }
    folder, target = tmp_path / "run", "results/mine/slow/processes/manifest.csv"
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    options = ["--snakefile", repository / "Snakefile", "--directory", folder, "--cores", "2"]
    process = start([sys.executable, "-m", "snakemake", *options, target])
    tree = (folder / target).parent
    wait_until(lambda: len(images_of(tree)) >= 2)
    family = family_of(process)
    if number == "SIGINT":
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.kill()
    assert process.wait(timeout=30) != 0
    wait_until(lambda: all(map(is_gone, family)))
    assert not (folder / target).exists()
    assert_only_whole_images(tree)
    ran = snakemake(folder, target, code=repository)
    assert ran.jobs == ["Process mine with slow on processes"]
    assert_goes_on_to_the_same_end(ran, tree, undisturbed)
