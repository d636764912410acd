"""In unusual environments, scripts give their result or one sentence, and the right exit status."""

import os
import shutil
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import pytest

from pixelmill.dataset import catalog
from pixelmill.engines.registry import LOCAL, has_processes
from pixelmill.imaging.recipe_parser import parse
from pixelmill.verification.verify import verify
from tests.helpers.passes import process_folder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="streams are closed by a POSIX shell")

#: Exit status if the script could not run.
CANNOT_RUN = 2

COUNT = 4


@pytest.fixture
def tmp_path():
    """A folder that is not in /dev/shm, which some of these tests replace."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def source(photos):
    with tempfile.TemporaryDirectory() as folder:
        yield photos(Path(folder) / "in", COUNT)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def shell(repository):
    """Function that runs a script with a shell that first runs other commands."""

    def run(prologue, name, *arguments, redirections="", **options):
        command = f'{prologue}\nexec "$@" {redirections}'
        arguments = [sys.executable, repository / "scripts" / name, *arguments]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.run(
            ["sh", "-c", command, "sh", *map(str, arguments)],
            text=True, timeout=120, check=False, **options,
        )  # fmt: skip

    return run


def assert_one_sentence(done, *words):
    """The script failed, and its last line gives the reason without a traceback."""
    assert done.returncode == CANNOT_RUN, done.stderr
    assert "Traceback" not in done.stderr
    assert "Unexpected" not in done.stderr
    sentence = done.stderr.splitlines()[-1]
    assert sentence.startswith("ERROR: ")
    assert [word for word in words if word not in sentence] == [], sentence


def assert_complete(tree, count=COUNT):
    """Every image was processed, and the tables say so."""
    assert len(list((tree / "images").rglob("*.jpg"))) == count
    assert (tree / "manifest.csv").read_text().count(",ok,") == count


# Standard streams


#: Redirections of a shell after which writing is impossible or fails.
REDIRECTIONS = {
    "no-stdin": "<&-",
    "no-stdout": ">&-",
    "no-stderr": "2>&-",
    "none-at-all": "<&- >&- 2>&-",
    "full-stdout": ">/dev/full",
    "full-stderr": "2>/dev/full",
}

#: The one that lacks all of them represents all in short runs.
SOME = [
    pytest.param(text, marks=() if name == "none-at-all" else pytest.mark.slow)
    for name, text in REDIRECTIONS.items()
]

WITH_PROCESSES = list(filter(has_processes, LOCAL))
EACH = ["processes", *(pytest.param(e, marks=pytest.mark.slow) for e in LOCAL if e != "processes")]


def skip_without_dev_full(redirections):
    if "/dev/full" in redirections and not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")


@pytest.mark.parametrize("redirections", SOME, ids=REDIRECTIONS)
@pytest.mark.parametrize("engine", EACH)
def test_a_pass_needs_no_standard_streams(shell, source, out, engine, redirections):
    skip_without_dev_full(redirections)
    options = ["--engine", engine, "--workers", "2"]
    done = shell("", "process_parallel.py", source, out, *options, redirections=redirections)
    assert done.returncode == 0, done.stderr
    assert_complete(out)


#: The arguments of a script and its exit status.
ASKED = {
    "work": (["catalog.py", "{source}", "catalog.csv"], 0),
    "error": (["catalog.py", "nowhere", "catalog.csv"], CANNOT_RUN),
    "help": (["catalog.py", "--help"], 0),
    "usage": (["catalog.py"], CANNOT_RUN),
}

#: Each of these with two redirections, and each redirection with at least one of these.
ASKED_SO = [
    ("work", "none-at-all"), ("work", "full-stdout"), ("error", "full-stderr"),
    ("error", "no-stderr"), ("help", "full-stdout"), ("help", "no-stdout"),
    ("usage", "none-at-all"), ("usage", "no-stdin"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "redirections"), ASKED_SO)
def test_the_exit_status_does_not_depend_on_standard_streams(
    shell, source, tmp_path, asked, redirections
):
    (arguments, status), redirections = ASKED[asked], REDIRECTIONS[redirections]
    skip_without_dev_full(redirections)
    name, *rest = [part.format(source=source) for part in arguments]
    done = shell("", name, *rest, redirections=redirections, cwd=tmp_path)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_a_pass_continues_if_nobody_reads_its_messages(shell, source, out):
    reader, writer = os.pipe()
    os.close(reader)
    options = ["--engine", "processes", "--workers", "2", "--progress", "json"]
    try:
        done = shell("", "process_parallel.py", source, out, *options, stdout=writer, stderr=writer)
    finally:
        os.close(writer)
    assert done.returncode == 0
    assert_complete(out)


def test_a_full_disk_under_the_log_affects_only_the_log(shell, source, out):
    skip_without_dev_full("/dev/full")
    done = shell("", "process_sequential.py", source, out, "--log", "/dev/full")
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "4 images in" in done.stderr
    assert_complete(out)


def test_a_step_may_print_where_nobody_reads(shell, source, out, tmp_path):
    (tmp_path / "mine.py").write_text(
        "def f(image):\n    print('x' * 100_000, flush=True)\n    return image\n"
    )
    (tmp_path / "recipe.yaml").write_text('steps: [call: {function: "mine:f"}]\n')
    options = ["--recipe", tmp_path / "recipe.yaml"]
    done = shell("", "process_sequential.py", source, out, *options, redirections=">/dev/full")
    assert done.returncode == 0
    assert_complete(out)


@pytest.mark.parametrize("log", ["file/messages.log", "folder"], ids=["below-a-file", "a-folder"])
def test_a_log_that_cannot_be_written_gives_one_sentence(shell, source, tmp_path, log):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    options = ["--log", log]
    done = shell("", "process_sequential.py", source, "out", *options, cwd=tmp_path)
    assert_one_sentence(done, "--log", f"'{log}'", "cannot be written")


# Folders that are mounted twice


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mounted", "at"), [("in", "out"), ("out", "in"), ("in", "out/images"), ("out/images", "in")]
)
def test_a_folder_of_images_mounted_as_that_of_the_results_is_refused(
    repository, may_mount, source, tmp_path, mounted, at
):
    shutil.copytree(source, tmp_path / "in")
    (tmp_path / "out/images").mkdir(parents=True)
    shutil.copytree(source, tmp_path / "out/images", dirs_exist_ok=True)
    script = repository / "scripts/process_parallel.py"
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f'mount --bind {mounted} {at}\nexec "$@"', "sh",
         sys.executable, script, "in", "out", "--engine", "sequential"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert_one_sentence(done, "'in'", "'out'", "must not contain one another")


# Semaphores and temporary files


@pytest.fixture(scope="session")
def may_mount():
    """Skip the test if it cannot mount file systems in a namespace of its own."""
    tried = subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/dev/shm"],
        check=False, capture_output=True,
    ) if shutil.which("unshare") else None  # fmt: skip
    if tried is None or tried.returncode != 0:
        pytest.skip("mounting file systems takes root and the command unshare")


#: What a shell does to /dev/shm in a mount namespace of its own.
SHARED_MEMORY = {
    "read-only": "mount -t tmpfs -o ro none /dev/shm",
    "full": "mount -t tmpfs -o size=4k none /dev/shm && head -c 4096 /dev/zero > /dev/shm/full",
    "missing": (
        "mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && "
        "mknod -m 666 /dev/urandom c 1 9"
    ),
}


@pytest.fixture
def without_shared_memory(repository, may_mount):
    """Function that runs a script with /dev/shm as one of `SHARED_MEMORY` prepares it."""

    def run(how, name, *arguments):
        command = [sys.executable, repository / "scripts" / name, *arguments]
        return subprocess.run(
            ["unshare", "-m", "sh", "-c", f'{SHARED_MEMORY[how]}\nexec "$@"', "sh",
             *map(str, command)],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    return run


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.parametrize("how", SHARED_MEMORY)
@pytest.mark.parametrize("engine", WITH_PROCESSES)
def test_without_semaphores_engines_of_processes_are_refused(
    without_shared_memory, source, out, how, engine
):
    options = ["--engine", engine, "--workers", "2"]
    done = without_shared_memory(how, "process_parallel.py", source, out, *options)
    assert_one_sentence(done, f"'{engine}'", "/dev/shm", "'threads'")


@pytest.mark.slow
@pytest.mark.parametrize("how", SHARED_MEMORY)
@pytest.mark.parametrize("engine", [name for name in LOCAL if name not in WITH_PROCESSES])
def test_other_engines_need_no_semaphores(without_shared_memory, source, out, how, engine):
    options = ["--engine", engine, "--workers", "2"]
    done = without_shared_memory(how, "process_parallel.py", source, out, *options)
    assert done.returncode == 0, done.stderr
    assert_complete(out)


@pytest.fixture
def costly(source, tmp_path):
    """Images that claim to be large enough for processes to be worth their start-up."""
    folder = shutil.copytree(source, tmp_path / "costly")
    size = (8_000).to_bytes(4, "big")
    header = b"IHDR" + size + size + bytes([8, 2, 0, 0, 0])
    chunk = (13).to_bytes(4, "big") + header + zlib.crc32(header).to_bytes(4, "big")
    for number in range(4):
        (folder / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk)
    return folder


@pytest.mark.slow
def test_without_semaphores_auto_chooses_threads(
    without_shared_memory, shell, costly, out, tmp_path
):
    (tmp_path / "mine.py").write_text("def f(image):\n    return image\n")
    (tmp_path / "recipe.yaml").write_text('steps: [call: {function: "mine:f"}]\n')
    options = ["--recipe", tmp_path / "recipe.yaml", "--engine", "auto", "--workers", "2"]
    assert ", processes, " in shell("", "process_parallel.py", costly, out, *options).stderr
    shutil.rmtree(out)
    done = without_shared_memory("read-only", "process_parallel.py", costly, out, *options)
    assert done.returncode == 0, done.stderr
    assert ", threads, " in done.stderr
    assert_complete(out)


@pytest.mark.slow
def test_images_are_generated_without_semaphores(without_shared_memory, out):
    options = ["--count", "3", "--workers", "2"]
    done = without_shared_memory("read-only", "generate.py", out, *options)
    assert done.returncode == 0, done.stderr
    assert len(list(out.glob("*.jpg"))) == 3


@pytest.mark.parametrize("engine", EACH)
@pytest.mark.parametrize(
    "folder",
    [pytest.param("absent", id="missing"),
     pytest.param("file", id="a-file", marks=pytest.mark.slow),
     pytest.param("/".join(["long" * 30] * 4), id="long", marks=pytest.mark.slow),
     pytest.param("relative", id="relative", marks=pytest.mark.slow)],
)  # fmt: skip
def test_a_pass_works_with_an_unusual_folder_for_temporary_files(
    shell, source, tmp_path, engine, folder
):
    (tmp_path / "file").write_text("")
    (tmp_path / "/".join(["long" * 30] * 4)).mkdir(parents=True)
    (tmp_path / "relative").mkdir()
    place = folder if folder == "relative" else tmp_path / folder
    options = ["--engine", engine, "--workers", "2"]
    done = shell(
        "", "process_parallel.py", source, "out", *options,
        env={**os.environ, "TMPDIR": str(place)}, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert_complete(tmp_path / "out")
    assert list((tmp_path / "relative").iterdir()) == []


# The surroundings of the process


#: Commands of a shell before a script that restrict its environment.
SURROUNDINGS = {
    "little": (
        "unset HOME USER LOGNAME; export TZ=:nonsense; umask 077; ulimit -S -n 32; "
        "export LANG=C LC_ALL=POSIX PYTHONUTF8=0 PYTHONCOERCECLOCALE=0"
    ),
    "home-not-writable": "export HOME=/proc/1",
}


@pytest.mark.parametrize(
    "prologue",
    [pytest.param(text, id=name, marks=() if name == "little" else pytest.mark.slow)
     for name, text in SURROUNDINGS.items()],
)  # fmt: skip
def test_a_pass_works_in_unusual_surroundings(shell, source, out, prologue):
    options = ["--engine", "processes", "--workers", "2"]
    done = shell(prologue, "process_parallel.py", source, out, *options)
    assert done.returncode == 0, done.stderr
    assert_complete(out)


@pytest.mark.slow
@pytest.mark.parametrize(
    "engine",
    [pytest.param(e, marks=() if e == "processes" else pytest.mark.slow) for e in WITH_PROCESSES],
)
def test_as_many_workers_start_as_the_hard_limit_on_files_allows(shell, source, out, engine):
    options = ["--engine", engine, "--workers", "12"]
    done = shell("ulimit -S -n 32", "process_parallel.py", source, out, *options)
    assert done.returncode == 0, done.stderr
    done = shell("ulimit -n 32", "process_parallel.py", source, out.parent / "few", *options)
    assert_one_sentence(done, f"'{engine}'", "12 workers", "use fewer", "ulimit")


@pytest.mark.parametrize(
    "arguments", [["process_sequential.py", "in", "out"], ["catalog.py", "{source}", "c.csv"]],
    ids=lambda arguments: arguments[0],
)  # fmt: skip
def test_a_missing_current_folder_gives_one_sentence(shell, source, tmp_path, arguments):
    (tmp_path / "gone").mkdir()
    name, *rest = [part.format(source=source) for part in arguments]
    done = shell("rmdir ../gone", name, *rest, cwd=tmp_path / "gone")
    assert_one_sentence(done, "current folder")


@pytest.mark.parametrize("blocks", [pytest.param(0, marks=pytest.mark.slow), 64])
@pytest.mark.parametrize("engine", EACH)
def test_a_small_limit_on_the_size_of_files_gives_one_sentence(shell, source, out, engine, blocks):
    options = ["--engine", engine, "--workers", "2"]
    done = shell(f"ulimit -f {blocks}", "process_parallel.py", source, out, *options)
    assert_one_sentence(done, str(out))


# Times and sizes of files


#: Times of sources in seconds since 1970; a file system may support fewer.
TIMES = {
    "zero": 0,
    "before-1970": -1,
    "before-1901": -(2**31) - 5,
    "before-1677": -(2**35),
    "after-2038": 2**32,
    "after-2262": 2**34,
    "far-away": 2**40,
}


@pytest.fixture
def memory_folder(tmp_path):
    """A folder on a file system that can store any file time, if there is one."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.mark.parametrize("seconds", TIMES.values(), ids=TIMES)
def test_a_source_may_have_any_time(photos, memory_folder, seconds):
    source, out = photos(memory_folder / "in", 2), memory_folder / "out"
    os.utime(source / "0.jpg", (seconds, seconds))
    recipe = parse({"steps": [], "keep_mtime": True})

    def run():
        return process_folder(str(source), str(out), recipe, "sequential", 1)

    assert (run().images, run().images) == (2, 0)
    held = (source / "0.jpg").stat().st_mtime
    kept = (out / "images/0.jpg").stat().st_mtime
    if abs(held) < 2**33:
        assert kept == held
    else:  # as far as 64 bits of nanoseconds go
        assert abs(kept) == pytest.approx(2**63 / 1e9)
        assert (kept > 0) == (held > 0)
    entries = catalog.scan(str(source))[0].entries
    assert verify(str(source), str(out), recipe.as_data(), entries, 1, confined=False)["passed"]


def test_a_changed_time_of_a_source_is_detected_in_every_range(photos, memory_folder):
    source = photos(memory_folder / "in", 1)
    recipe = parse({"steps": []})
    made = []
    for seconds in (0, -1, 2**32, 2**34, 1):
        os.utime(source / "0.jpg", (seconds, seconds))
        finished = process_folder(str(source), str(memory_folder / "out"), recipe, "sequential", 1)
        made.append(finished.images)
    assert made == [1, 0, 0, 0, 0]  # only its time changed


@pytest.mark.parametrize("size", [2**60, 2**62, 2**63 - 2**13])
def test_a_file_of_any_size_affects_no_other(photos, memory_folder, size):
    source, out = photos(memory_folder / "in", 2), memory_folder / "out"
    try:
        with (source / "huge.jpg").open("wb") as file:
            file.truncate(size)
    except OSError:
        pytest.skip("this file system holds no such size")
    finished = process_folder(str(source), str(out), parse({"steps": []}), "sequential", 1)
    assert (finished.images, finished.failed) == (3, 1)
    assert "huge.jpg," in (out / "failures.csv").read_text()
