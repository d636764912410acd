"""If files are removed or blocked during a pass, it reports this, and the next pass completes."""

import shutil
from itertools import cycle, product

import pytest

from pixelmill.core.errors import UserError, sentence
from pixelmill.engines.registry import LOCAL

COUNT = 12

#: A step that removes something once, when it is called.
STEP = """
import contextlib, os, pathlib, shutil

TREE, WHAT, MARK = (pathlib.Path(part) for part in {places!r})


def f(image):
    try:
        os.close(os.open(MARK, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return image
    for path in TREE.glob(str(WHAT)) if str(WHAT) != "." else [TREE]:
        while os.path.lexists(path):  # other workers write there meanwhile
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
        with contextlib.suppress(FileExistsError):  # they were faster
            {then}
    return image
"""

#: What is removed, as a glob below the tree.
REMOVED = {
    "tree": ".",
    "images": "images",
    "breadcrumbs": ".crumbs",
    "state": "[.l]*",
    "ledger": "ledger*",
    "catalog": "catalog*",
    "reserve": ".reserve",
}

#: The replacements.
THEN = {"gone": "pass", "a-file": "path.touch()", "a-folder": "path.mkdir()"}

#: Those that represent the others in short runs.
FAST = {"tree": "gone", "images": "gone", "breadcrumbs": "gone", "ledger": "a-folder"}


@pytest.fixture(scope="module")
def source(tmp_path_factory, photos):
    return photos(tmp_path_factory.mktemp("source") / "in", COUNT)


@pytest.fixture
def disturbed(source, forked_script, tmp_path):
    """Function that runs a pass during which something is removed, and then an undisturbed pass."""

    def run(engine, what, then):
        tree = tmp_path / "out"
        places = (str(tree), what, str(tmp_path / "mark"))
        (tmp_path / "mine.py").write_text(STEP.format(places=places, then=then))
        (tmp_path / "recipe.yaml").write_text('steps: [call: {function: "mine:f"}]\n')
        command = ["process_parallel.py", source, tree, "--recipe", tmp_path / "recipe.yaml"]
        # Confined, the step could remove nothing but images.
        command += ["--engine", engine, "--workers", "2", "--sandbox", "off"]
        first = forked_script(*command)
        for blocked in tree.glob(what) if what != "." else [tree]:
            if then == THEN["a-file"] and blocked.is_file() and not blocked.stat().st_size:
                blocked.unlink()
            elif then == THEN["a-folder"] and blocked.is_dir() and not list(blocked.iterdir()):
                blocked.rmdir()
        return first, forked_script(*command), tree

    return run


def is_complete(tree):
    manifest = tree / "manifest.csv"
    made = len(list((tree / "images").glob("*.jpg"))) if (tree / "images").is_dir() else 0
    return made == COUNT and manifest.exists() and manifest.read_text().count(",ok,") == COUNT


#: Each of them with one engine after another; only a few in short runs.
CASES = [
    pytest.param(
        "processes" if FAST.get(what) == then else engine, REMOVED[what], THEN[then],
        id=f"{what}-{then}", marks=() if FAST.get(what) == then else pytest.mark.slow,
    )
    for engine, (what, then) in zip(cycle(LOCAL), product(REMOVED, THEN), strict=False)
]  # fmt: skip


@pytest.mark.parametrize(("engine", "what", "then"), CASES)
def test_files_removed_during_a_pass_are_reported_and_made_again(disturbed, engine, what, then):
    first, second, tree = disturbed(engine, what, then)
    assert "Traceback" not in first.text
    assert "Unexpected" not in first.text
    assert first.status in (0, 1, 2)
    assert first.status == 0 or first.text.splitlines()[-1].startswith("ERROR: ")
    assert second.status == 0, second.text
    assert is_complete(tree)


#: Files in the place of a folder, and folders in the place of a file.
BLOCKED = {
    "tree": "out",
    "below-a-file": "file/out",
    "images": "out/images",
    "lock": "out/.lock/",
    "catalog": "out/catalog.csv/",
    "memory": "out/catalog.known.csv/",
}


#: What a pass moves away itself.
MOVED = ("out/.crumbs", "out/ledger.sqlite/", "out/manifest.csv/", "out/failures.csv/")


def block(path, tmp_path):
    """Put a file where a pass needs a folder, or a non-empty folder where it needs a file."""
    place = tmp_path / path.replace("file/out", "file")
    place.parent.mkdir(parents=True, exist_ok=True)
    if path.endswith("/"):
        (place / "something").mkdir(parents=True)
    else:
        place.write_text("")
    return place


@pytest.mark.parametrize("path", BLOCKED.values(), ids=BLOCKED)
def test_obstacles_are_named_and_a_pass_without_them_completes(source, call, tmp_path, path):
    place = block(path, tmp_path)
    tree = tmp_path / path.split("out")[0] / "out"
    with pytest.raises((UserError, OSError)) as blocked:
        call("process_sequential.py", source, tree)
    error = blocked.value
    told = str(error) if isinstance(error, UserError) else sentence(error)
    assert len(told.splitlines()) == 1
    assert str(tree) in told
    place.unlink() if place.is_file() else shutil.rmtree(place)
    assert call("process_sequential.py", source, tree) == 0
    assert is_complete(tree)


@pytest.mark.parametrize("path", MOVED)
def test_obstacles_that_can_be_moved_do_not_stop_a_pass(source, call, tmp_path, path):
    block(path, tmp_path)
    assert call("process_sequential.py", source, tmp_path / "out") == 0
    assert is_complete(tmp_path / "out")
