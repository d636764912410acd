"""With real crashes and hangs, only the images that cause them fail."""

import json
import multiprocessing.util
import os
import random
import shutil
import signal
import subprocess
import sys

import psutil
import pytest
from PIL import Image

from pixelmill.app.config import named_recipe
from pixelmill.core.errors import UserError
from pixelmill.dataset.catalog_table import refresh
from pixelmill.dataset.output_names import Outputs
from pixelmill.engines.registry import LOCAL
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.renderer import Renderer
from pixelmill.pipeline.host import Work
from pixelmill.pipeline.supervisor import render
from tests.helpers.faults import (
    POISON,
    RECIPE,
    SECONDS,
    STEPS,
    assert_poison_alone_is_blamed,
    partial_outputs,
    policy,
    tree_digest,
)
from tests.helpers.passes import process_folder

pytestmark = pytest.mark.slow


def children():
    return [child.pid for child in psutil.Process().children(recursive=True)]


def open_files(pid):
    try:
        return psutil.Process(pid).num_fds()
    except psutil.NoSuchProcess:
        return 0


@pytest.fixture(scope="module")
def sources(tmp_path_factory, photos):
    return photos(tmp_path_factory.mktemp("sources") / "src", 300, (240, 180))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, sources, script):
    tree = tmp_path_factory.mktemp("undisturbed") / "out"
    assert script("process_sequential.py", sources, tree, "--recipe", "intensive").status == 0
    return tree_digest(tree)


def command(sources, tree, engine="processes"):
    name = [sys.executable, "scripts/process_parallel.py", sources, tree, "--engine", engine]
    return [*name, "--workers", "2", "--recipe", "intensive"]


@pytest.mark.parametrize("engine", LOCAL)
def test_only_the_killing_images_are_recorded_as_failed(engine, tmp_path, photos, script):
    sources = photos(tmp_path / "src", 296)
    for name, (height, _, _) in POISON.items():
        Image.new("RGB", (64, height)).save(sources / f"{name}.jpg")
    (tmp_path / "my_steps.py").write_text(STEPS)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    tree = tmp_path / "out"
    before = children()
    done = script(
        "process_parallel.py", sources, tree, "--engine", engine, "--workers", "2",
        "--recipe", tmp_path / "recipe.yaml", "--log", tmp_path / "log",
        "--policy", policy(seconds_per_image=SECONDS, memory_mb=400),
    )  # fmt: skip
    assert done.status == 0, done.text
    assert_poison_alone_is_blamed(tree, made=296)
    assert children() == before
    again = script(
        "process_parallel.py", sources, tree, "--engine", engine,
        "--recipe", tmp_path / "recipe.yaml",
        "--policy", policy(seconds_per_image=SECONDS, memory_mb=400),
    )  # fmt: skip
    assert "make 0; keep 300" in again.text


@pytest.mark.parametrize("engine", LOCAL)
@pytest.mark.parametrize(("kind", "count"), [("segfault", 60), ("memory", 6)])
def test_images_that_all_kill_are_all_reported_and_do_not_stop_the_run(
    engine, kind, count, tmp_path, photos, script
):
    sources = photos(tmp_path / "src", count, (64, POISON[kind][0]))
    (tmp_path / "my_steps.py").write_text(STEPS)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    done = script(
        "process_parallel.py", sources, tmp_path / "out", "--engine", engine, "--workers", "2",
        "--recipe", tmp_path / "recipe.yaml", "--policy", policy(memory_mb=400),
    )  # fmt: skip
    assert done.status == 0, done.text
    failed = f",failed,{POISON[kind][1]},"
    assert (tmp_path / "out/manifest.csv").read_text().count(failed) == count
    assert "Traceback" not in done.text


def test_one_killing_image_in_eight_affects_no_other_image(tmp_path, photos, script):
    """They are adjacent, and claim to be the largest images."""
    sources = photos(tmp_path / "src", 200)
    for number in range(25):
        Image.new("RGB", (640, POISON["abort"][0])).save(sources / f"x{number}.jpg")
    (tmp_path / "my_steps.py").write_text(STEPS)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    recipe = ("--recipe", tmp_path / "recipe.yaml")
    done = script("process_parallel.py", sources, tmp_path / "out", "--workers", "2", *recipe)
    assert done.status == 0, done.text
    manifest = (tmp_path / "out/manifest.csv").read_text()
    assert (manifest.count(",ok,"), manifest.count(",failed,crashed,")) == (200, 25)


DIES_AFTER_ITS_OUTPUT = """
import os, threading, time


def late(image):
    if image.height == 301:
        place = os.path.join({images!r}, "late.jpg")

        def end():
            while not os.path.exists(place):
                time.sleep(0.001)
            os._exit(3)

        threading.Thread(target=end).start()
    return image
"""


def test_a_failed_image_has_no_output(tmp_path, photos, script):
    """An image may end its process after its output has been renamed."""
    sources, tree = photos(tmp_path / "src", 20), tmp_path / "out"
    Image.new("RGB", (64, 301)).save(sources / "late.jpg")
    step = DIES_AFTER_ITS_OUTPUT.format(images=str(tree / "images"))
    (tmp_path / "my_steps.py").write_text(step)
    (tmp_path / "recipe.yaml").write_text("steps: [{call: {function: 'my_steps:late'}}]")
    recipe = ("--recipe", tmp_path / "recipe.yaml")
    done = script("process_parallel.py", sources, tree, "--workers", "2", *recipe)
    assert done.status == 0, done.text
    failed = "late.jpg," in (tree / "failures.csv").read_text()
    assert failed != (tree / "images/late.jpg").exists()


def test_thirty_kills_of_everything_change_nothing(sources, undisturbed, tmp_path, repository):
    tree = tmp_path / "out"
    moments = random.Random(3)
    for _ in range(30):
        run = subprocess.Popen(
            command(sources, tree),
            cwd=repository,
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )
        try:
            run.wait(moments.uniform(0.2, 1.6))
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
        if tree.exists():
            assert partial_outputs(tree) == []
    subprocess.run(command(sources, tree), cwd=repository, check=True, capture_output=True)
    assert tree_digest(tree) == undisturbed
    assert not list(tree.rglob("*.tmp"))


def test_after_eight_kills_of_everything_with_snakemake_the_same_command_continues(
    sources, undisturbed, trace, tmp_path, repository, start, wait_until, snakemake
):
    config = {
        "datasets": {"mine": {"folder": str(sources)}},
        "run": {"datasets": ["mine"], "recipes": ["intensive"]},
    }
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    tree = tmp_path / "results/mine/intensive/auto"
    options = ["--snakefile", repository / "Snakefile", "--directory", tmp_path, "--cores", "2"]
    moments, kills = random.Random(3), 0
    while kills < 8:
        run = start(
            [sys.executable, "-m", "snakemake", *options, "process"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=trace.environment,
        )  # fmt: skip
        try:
            run.wait(moments.uniform(0.5, 5))
        except subprocess.TimeoutExpired:
            kills += 1
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
            wait_until(lambda: trace.processes() == [], seconds=10)
            assert partial_outputs(tree) == []
        else:  # it has ended: start again
            assert tree_digest(tree) == undisturbed
            shutil.rmtree(tmp_path / "results")
    ran = snakemake(tmp_path, "process", code=repository)
    assert ran.status == 0, ran.text
    assert tree_digest(tree) == undisturbed
    assert not list(tmp_path.rglob("*.tmp"))


def test_ten_killed_workers_affect_no_output(
    sources, undisturbed, tmp_path, repository, start, wait_until
):
    tree = tmp_path / "out"
    run = start(command(sources, tree), cwd=repository, stderr=subprocess.DEVNULL)
    killed = set()

    def kill_one():
        """Kill a process that is working on an image, if there is one."""
        for breadcrumb in (tree / ".crumbs").glob("*") if (tree / ".crumbs").exists() else ():
            worker = int(breadcrumb.name.split("-")[0])
            if worker not in killed and psutil.pid_exists(worker):
                os.kill(worker, signal.SIGKILL)
                killed.add(worker)
                return True
        return run.poll() is not None

    for _ in range(10):
        wait_until(kill_one)
    wait_until(lambda: run.poll() is not None)
    assert run.returncode == 0
    assert len(killed) > 1
    assert tree_digest(tree) == undisturbed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "interrupt"])
@pytest.mark.parametrize("engine", LOCAL)
def test_a_signal_to_the_group_ends_it_and_the_next_run_continues(
    engine, number, sources, undisturbed, tmp_path, repository, start, wait_until
):
    tree = tmp_path / "out"
    run = start(command(sources, tree, engine), cwd=repository, stderr=subprocess.DEVNULL)
    wait_until(lambda: len(list(tree.glob("images/*.jpg"))) > 20 or run.poll() is not None)
    os.killpg(run.pid, number)
    assert run.wait(10) == 128 + number
    assert partial_outputs(tree) == []
    subprocess.run(command(sources, tree, engine), cwd=repository, check=True, capture_output=True)
    assert tree_digest(tree) == undisturbed


@pytest.mark.parametrize("engine", LOCAL)
def test_nothing_is_left_in_the_folder_for_temporary_files(engine, tmp_path, photos, script):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    env = {**os.environ, "TMPDIR": str(scratch)}
    sources = photos(tmp_path / "src", 8)
    options = ("--engine", engine, "--workers", "2")
    done = script("process_parallel.py", sources, tmp_path / "out", *options, env=env)
    assert done.status == 0, done.text
    assert list(scratch.iterdir()) == []


def test_the_folder_for_temporary_files_of_a_caller_is_not_changed(tmp_path, photos):
    folder = multiprocessing.util.get_temp_dir()
    light = named_recipe("light")
    process_folder(str(photos(tmp_path / "src", 8)), str(tmp_path / "out"), light, "processes", 1)
    assert os.path.isdir(folder)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "interrupt"])
def test_nothing_is_left_in_the_folder_for_temporary_files_by_a_run_that_was_stopped(
    number, sources, tmp_path, repository, start, wait_until
):
    tree, scratch = tmp_path / "out", tmp_path / "scratch"
    scratch.mkdir()
    env = {**os.environ, "TMPDIR": str(scratch)}
    run = start(command(sources, tree), cwd=repository, stderr=subprocess.DEVNULL, env=env)
    wait_until(lambda: list(tree.glob("images/*.jpg")) or run.poll() is not None)
    os.killpg(run.pid, number)
    assert run.wait(10) == 128 + number
    assert list(scratch.iterdir()) == []


def test_jobs_end_when_snakemake_alone_is_killed(
    sources, tmp_path, repository, start, wait_until, snakemake
):
    config = {
        "datasets": {"mine": {"folder": str(sources)}},
        "run": {"datasets": ["mine"], "recipes": ["intensive"], "engines": ["processes"]},
    }
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    run = start(
        [sys.executable, "-m", "snakemake", "--snakefile", repository / "Snakefile",
         "--directory", tmp_path, "--cores", "2", "process"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    images = tmp_path / "results/mine/intensive/auto/images"
    wait_until(lambda: len(list(images.glob("*.jpg"))) > 10 or run.poll() is not None)
    members = [psutil.Process(run.pid), *psutil.Process(run.pid).children(recursive=True)]
    run.kill()
    run.wait()
    _, alive = psutil.wait_procs(members, timeout=10)
    assert [process.cmdline() for process in alive] == []
    assert snakemake(tmp_path, "process", code=repository).status == 0


def test_a_second_run_says_so_and_stops(sources, tmp_path, repository, start, wait_until, script):
    tree = tmp_path / "out"
    run = start(command(sources, tree), cwd=repository, stderr=subprocess.DEVNULL)
    os.makedirs(tree, exist_ok=True)
    wait_until(lambda: (tree / "images").exists())
    os.kill(run.pid, signal.SIGSTOP)  # so that it exists for long enough
    second = script("process_parallel.py", sources, tree)
    assert second.status == 2
    assert "Another run is writing" in second.text


@pytest.mark.parametrize("engine", ["processes", "futures"])
def test_no_worker_has_an_open_file_after_a_pass_stopped(engine, photos, tmp_path, wait_until):
    breadcrumb_dir = tmp_path / "breadcrumbs"
    workers = set()

    def both_seen():
        workers.update(
            int(breadcrumb.name.split("-")[0]) for breadcrumb in breadcrumb_dir.iterdir()
        )
        return len(workers) == 2

    def stop(outcomes):
        wait_until(both_seen)
        raise UserError("enough")

    sources = photos(tmp_path / "src", 120, (1200, 900))  # so that it is far from done by then
    entries = refresh(str(tmp_path / "catalog.csv"), str(sources)).entries
    recipe = named_recipe("intensive")
    outputs = Outputs(entries, recipe)
    (tmp_path / "images").mkdir()
    renderer = Renderer(str(sources), str(tmp_path / "images"), recipe)
    work = Work(renderer, engine, 2, Limits(), str(breadcrumb_dir), seconds_per_image=None)
    with pytest.raises(UserError, match="enough"):
        render(work, entries, outputs, stop)
    assert [pid for pid in workers if open_files(pid)] == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
def test_a_full_disk_gives_one_sentence_and_the_next_run_completes(
    sources, undisturbed, tmp_path, script, wait_until
):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk], check=True)
    try:
        tree = disk / "out"
        options = ("--engine", "processes", "--recipe", "intensive")
        full = script("process_parallel.py", sources, tree, *options)
        assert full.status == 2
        assert "cannot be written" in full.text
        assert "free some space" in full.text
        assert "Traceback" not in full.text
        assert (tree / "failures.csv").exists()
        assert partial_outputs(tree) == []
        assert not list(tree.rglob("*.tmp"))
        subprocess.run(["mount", "-o", "remount,size=60m", disk], check=True)
        assert script("process_parallel.py", sources, tree, *options).status == 0
        assert tree_digest(tree) == undisturbed
        # The system may still be closing files of processes that have ended.
        read_only = ["mount", "-o", "remount,ro", disk]
        wait_until(lambda: subprocess.run(read_only, check=False).returncode == 0)
        shutil.copytree(sources, tmp_path / "more")
        (tmp_path / "more" / "0.jpg").unlink()
        refused = script("process_parallel.py", tmp_path / "more", tree, *options)
        assert refused.status == 2
        assert "Read-only" in refused.text
        assert tree_digest(tree) == undisturbed
    finally:
        subprocess.run(["umount", disk], check=True)
