"""With `durable`, outputs are synced before they are recorded; otherwise nothing is synced."""

import hashlib
import os
import re
import shutil
import sqlite3
import stat
import sys
from functools import partial

import pytest

from pixelmill.core.jobs import Batch, Job
from pixelmill.dataset.ledger import Ledger
from pixelmill.dataset.output_tree import Workspace
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.renderer import Renderer
from pixelmill.pipeline.policy import Policy
from tests.conftest import run
from tests.helpers.faults import policy
from tests.helpers.passes import process_folder

RESIZE = {"resize": {"width": 20, "height": 15}}

#: Every format that is written, with the suffix that is asked for here.
FORMATS = ["jpeg", "png", "webp", "avif", "tiff", "gif", "bmp"]

#: Levels of SQLite's PRAGMA synchronous.
NORMAL, EXTRA = 1, 3


class Recorder:
    """Records syncs and renames by inode, in their order."""

    def __init__(self, monkeypatch):
        self.events = []
        self._fsync, self._replace = os.fsync, os.replace
        monkeypatch.setattr(os, "fsync", self.fsync)
        monkeypatch.setattr(os, "replace", self.replace)

    def fsync(self, descriptor):
        state = os.fstat(descriptor)
        if stat.S_ISDIR(state.st_mode):
            self.events.append(("sync folder", state.st_ino))
        else:
            with open(os.dup(descriptor), "rb") as file:
                file.seek(0)
                content = hashlib.sha256(file.read()).hexdigest()
            self.events.append(("sync file", state.st_ino, content))
        self._fsync(descriptor)

    def replace(self, source, target, *, src_dir_fd=None, dst_dir_fd=None):
        inode = os.stat(source, dir_fd=src_dir_fd).st_ino
        self._replace(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        self.events.append(("rename", inode, target))


@pytest.fixture
def recorder(monkeypatch):
    if os.name == "nt":
        pytest.skip("Windows opens no folder and syncs names by itself")
    return Recorder(monkeypatch)


def render(tmp_path, photo, data, paths, **options):
    """Make the outputs of one picture; return the folder of all outputs."""
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    photo(40, 30).save(tmp_path / "in/a.jpg")
    renderer = Renderer(
        str(tmp_path / "in"), str(tmp_path / "out"), recipe_parser.parse(data), **options
    )
    (outcome,) = renderer(Batch([Job("a.jpg", tuple(paths))]))
    assert outcome.status == "ok", outcome.message
    return tmp_path / "out"


@pytest.mark.parametrize("backend", ["pillow", "opencv"])
@pytest.mark.parametrize("format", FORMATS)
def test_a_file_is_synced_whole_then_renamed_then_its_folders_are_synced(
    tmp_path, photo, recorder, backend, format
):
    data = {"steps": [RESIZE], "output": {"format": format}, "backend": backend}
    out = render(tmp_path, photo, data, ["new/deep/made"], durable=True)
    made = out / "new/deep/made"
    inode = made.stat().st_ino
    content = hashlib.sha256(made.read_bytes()).hexdigest()
    first, second, *rest = recorder.events
    assert (first, second) == (("sync file", inode, content), ("rename", inode, "made"))
    folders = {folder.stat().st_ino for folder in (out, out / "new", out / "new/deep")}
    assert {event for event, *_ in rest} == {"sync folder"}
    assert {number for _, number in rest} == folders


def test_no_output_takes_its_name_before_all_of_its_source_are_synced(tmp_path, photo, recorder):
    outputs = [{"name": name, "format": name} for name in ("png", "jpeg", "tiff")]
    data = {"steps": [RESIZE], "outputs": outputs}
    render(tmp_path, photo, data, ["png/a", "jpeg/a", "tiff/a"], durable=True)
    kinds = [event for event, *_ in recorder.events]
    assert kinds == ["sync file"] * 3 + ["rename"] * 3 + ["sync folder"] * 4


def test_the_folders_are_synced_once_a_batch(tmp_path, photo, recorder):
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    for number in range(5):
        photo(40, 30).save(tmp_path / f"in/{number}.jpg")
    jobs = [Job(f"{number}.jpg", (f"{number}.jpg",)) for number in range(5)]
    parsed = recipe_parser.parse({"steps": [RESIZE]})
    Renderer(str(tmp_path / "in"), str(tmp_path / "out"), parsed, durable=True)(Batch(jobs))
    kinds = [event for event, *_ in recorder.events]
    assert kinds == ["sync file", "rename"] * 5 + ["sync folder"]


def test_a_folder_without_new_outputs_is_not_synced(tmp_path, photo, recorder):
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    photo(40, 30).save(tmp_path / "in/a.jpg")
    jobs = [Job("a.jpg", ("one/a.jpg",)), Job("gone.jpg", ("other/gone.jpg",))]
    parsed = recipe_parser.parse({"steps": [RESIZE]})
    renderer = Renderer(str(tmp_path / "in"), str(tmp_path / "out"), parsed, durable=True)
    assert [outcome.reason for outcome in renderer(Batch(jobs))] == ["", "vanished"]
    kinds = [event for event, *_ in recorder.events]
    assert kinds == ["sync file", "rename", "sync folder", "sync folder"]


@pytest.mark.parametrize("format", FORMATS)
def test_without_durable_nothing_is_synced(tmp_path, photo, recorder, format):
    """A sync takes ten times as long as processing a small image."""
    render(tmp_path, photo, {"steps": [RESIZE], "output": {"format": format}}, ["new/made"])
    assert [event for event, *_ in recorder.events] == ["rename"]


@pytest.mark.parametrize(("durable", "level"), [(False, NORMAL), (True, EXTRA)])
def test_the_ledger_is_synced_like_the_outputs(tmp_path, durable, level):
    with Ledger(str(tmp_path / "ledger.sqlite"), durable=durable) as ledger:
        assert ledger._database.execute("PRAGMA synchronous").fetchone() == (level,)
    with Workspace(str(tmp_path)).open(durable) as ledger:
        assert ledger._database.execute("PRAGMA synchronous").fetchone() == (level,)


class Watched(sqlite3.Connection):
    """A connection that records how it synced its writes."""

    levels: list[int] = []  # noqa: RUF012 - of all of them

    def close(self):
        if self.total_changes:
            self.levels.append(self.execute("PRAGMA synchronous").fetchone()[0])
        super().close()


@pytest.mark.parametrize(("durable", "level"), [(False, NORMAL), (True, EXTRA)])
def test_a_pass_syncs_its_ledger_and_its_outputs_as_its_policy_says(
    tmp_path, photos, monkeypatch, durable, level
):
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Watched))
    monkeypatch.setattr(Watched, "levels", levels := [])
    renderers = []
    prepare = Renderer.__init__
    monkeypatch.setattr(
        Renderer, "__init__", lambda self, *args: renderers.append(self) or prepare(self, *args)
    )
    source = photos(tmp_path / "in", 1)
    parsed = recipe_parser.parse({"steps": [RESIZE]})
    rules = Policy(durable=durable)
    process_folder(str(source), str(tmp_path / "out"), parsed, "sequential", 1, policy=rules)
    assert [renderer.durable for renderer in renderers] == [durable]
    assert set(levels) == {level}


STRACE = shutil.which("strace")

#: A finished call, as strace writes it: time in seconds, name, arguments and result.
CALL = re.compile(r"^([0-9.]+) (\w+)\((.*)\) += (\d+)")

TRACED = "write,pwrite64,fsync,fdatasync,rename,renameat,renameat2"


@pytest.fixture(scope="module")
def traced(tmp_path_factory, photos, repository):
    """The system calls of a durable pass over three photos, and its output tree."""
    if STRACE is None:
        pytest.skip("strace is not installed")
    root = tmp_path_factory.mktemp("traced")
    rules = policy(sandbox="off").replace('"durable": false', '"durable": true')
    # One file per process: in a common file, calls of several processes would be interleaved.
    command = [STRACE, "-ff", "-ttt", "-y", "-q", "-s", "0", "-e", f"trace={TRACED}"]
    command += ["-o", root / "calls", sys.executable, repository / "scripts/process_sequential.py"]
    ran = run([*command, photos(root / "in", 3), root / "out", "--policy", rules])
    if "ptrace" in ran.text:
        pytest.skip("this system lets no process be traced")
    assert ran.status == 0, ran.text
    lines = [line for path in root.glob("calls.*")
             for line in path.read_text(errors="replace").splitlines()]  # fmt: skip
    calls = [found.groups() for found in map(CALL.match, lines) if found]
    ordered = sorted(calls, key=lambda call: float(call[0]))
    return [(name, arguments) for _, name, arguments, _ in ordered], root / "out"


@pytest.mark.slow
def test_the_system_is_asked_for_the_file_its_name_its_folder_and_then_the_ledger(traced):
    calls, out = traced

    def places(name, *words):
        return [
            place
            for place, (called, arguments) in enumerate(calls)
            if re.fullmatch(name, called) and all(word in arguments for word in words)
        ]

    folder = places("fsync", f"<{out}/images>")
    for number in range(3):
        (renamed,) = places("rename.*", f'"{number}.jpg"')
        temporary = re.search(r"\.pixelmill-[0-9a-f-]+\.tmp", calls[renamed][1])[0]
        (synced,) = places("fsync|fdatasync", temporary)
        assert max(places("write|pwrite64", temporary)) < synced < renamed < max(folder)
    ledger = f"<{out}/ledger.sqlite>"
    assert max(folder) < max(places("pwrite64", ledger)) < max(places("fsync|fdatasync", ledger))
