"""Archives are processed by the command and by the workflow as folders are."""

import os
import shutil
import signal
import sys
import time

import pytest
import yaml

from pixelmill.core.files import TEMPORARY
from tests.helpers.packed import pack
from tests.helpers.projects import SMALL, is_up_to_date, write_config

pytestmark = pytest.mark.slow


def outputs(tree):
    """The bytes of each output that has its final name, also while a run goes on."""
    found = (path for path in (tree / "images").rglob("*") if not TEMPORARY.fullmatch(path.name))
    files = [path for path in found if path.is_file()]
    return {path.relative_to(tree).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("name", ["photos.zip", "photos.tar", "photos.parquet"])
def test_the_command_takes_an_archive_for_a_folder(pixelmill, photos, tmp_path, name):
    photos(tmp_path / "photos", 4)
    pack(tmp_path / "photos", tmp_path / name)
    first = pixelmill("run", name, "out", "--preset", "thumbnails")
    assert first.returncode == 0, first.stderr
    assert first.stderr.splitlines()[-1] == "Success: 4 of 4 images processed."
    assert pixelmill("run", "photos", "other", "--preset", "thumbnails").returncode == 0
    assert outputs(tmp_path / "out") == outputs(tmp_path / "other")
    assert "Nothing to do" in pixelmill("run", name, "out").stderr
    assert pixelmill("verify", name, "out").returncode == 0
    assert "keep 4" in pixelmill("plan", name, "out").stderr
    page = pixelmill("report", "out")
    assert page.returncode == 0, page.stderr
    assert (tmp_path / "out/report/report.html").read_text().count("data:image/jpeg;base64,") >= 8
    assert pixelmill("inspect", name, "seen").returncode == 0
    assert pixelmill("inspect", "photos", "also seen").returncode == 0
    seen = [(tmp_path / folder / "metrics.csv").read_bytes() for folder in ("seen", "also seen")]
    assert seen[0] == seen[1]
    refused = pixelmill("run", "photos", "out")
    assert f"'out' has the results of '{tmp_path / name}'" in refused.stderr
    assert pixelmill("init", name, "--config", "new.yaml").returncode == 0
    config = yaml.safe_load((tmp_path / "new.yaml").read_text(encoding="utf-8"))
    assert config["datasets"] == {"images": {"archive": name}}


@pytest.mark.parametrize(
    ("content", "name", "told"),
    [
        (b"text", "a.zip", "The archive 'a.zip' is not a zip archive"),
        (b"text", "a.parquet", "The archive 'a.parquet' is not a Parquet file"),
        (None, "b.tar", "The archive 'b.tar' does not exist"),
        (None, "*.tar", "No archive matches '*.tar'"),
    ],
)
def test_what_is_wrong_with_an_archive_is_told(pixelmill, tmp_path, content, name, told):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = pixelmill("run", name, "out", "--preset", "thumbnails")
    assert done.returncode == 2
    assert told in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.fixture
def project(new_project, tmp_path):
    """A project whose pictures are packed into two archives."""
    config = {**SMALL, "datasets": {"mine": {"archive": "packed/{0..1}.tar"}}}
    config["run"] = {**SMALL["run"], "engines": ["threads"]}
    folder = new_project(tmp_path / "project", config, count=3)
    (folder / "packed").mkdir()
    for number in range(2):
        pack(folder / "pictures", folder / f"packed/{number}.tar")
    return folder


def test_the_workflow_makes_what_changed_in_an_archive(project, snakemake, picture, encoded):
    first = snakemake(project, "all")
    assert first.status == 0, first.text
    assert first.made == [6, 6]
    tree = project / "results/mine/light/threads"
    made = outputs(tree)
    assert set(made) == {f"images/{a}/{n}.jpg" for a in range(2) for n in range(3)}
    assert made["images/0/1.jpg"] == made["images/1/1.jpg"]
    assert is_up_to_date(snakemake(project, "all"))
    os.utime(project / "packed/0.tar", ns=(0, 0))
    again = snakemake(project, "all")
    assert again.status == 0, again.text
    assert "Catalog mine" in again.jobs
    assert again.made == [0, 0]

    def change(name, content):
        return encoded(picture(50, (160, 120)), "JPEG") if name == "1.jpg" else content

    pack(project / "pictures", project / "packed/1.tar", change)
    changed = snakemake(project, "all")
    assert changed.status == 0, changed.text
    assert changed.made == [1, 1]
    after = outputs(tree)
    assert {name for name in made if made[name] != after[name]} == {"images/1/1.jpg"}
    page = (project / "results/report/report.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") >= 4
    assert "keep 6" in snakemake(project, "plan").text
    assert snakemake(project, "verify").status == 0
    (project / "packed/1.tar").unlink()
    gone = snakemake(project, "all")
    assert gone.status != 0
    assert "datasets.mine.archive: The archive 'packed/1.tar' does not exist" in gone.text


@pytest.mark.slow
def test_shards_and_benchmarks_take_archives(project, snakemake):
    config = yaml.safe_load((project / "config.yaml").read_text(encoding="utf-8"))
    config["scale"] = {"shards": 2}
    config["benchmark"] = {"images": 4, "repeats": 1}
    write_config(project, config)
    done = snakemake(project, "all")
    assert done.status == 0, done.text
    assert len(outputs(project / "results/mine/light/threads")) == 6
    measured = snakemake(project, "scaling", "rivals")
    assert measured.status == 0, measured.text


SLOW = {"steps": [{"resize": {"width": 100, "height": 100}}, {"denoise": {}}]}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups")
@pytest.mark.parametrize("name", ["in.zip", "in.tar", "in.parquet"])
def test_a_run_that_was_killed_continues(photos, script, start, repository, tmp_path, name):
    count = 60
    photos(tmp_path / "in", count, size=(200, 150))
    pack(tmp_path / "in", tmp_path / name)
    (tmp_path / "slow.yaml").write_text(yaml.safe_dump(SLOW), encoding="utf-8")
    options = ["--recipe", "slow.yaml", "--engine", "processes", "--workers", "2"]
    command = [sys.executable, repository / "scripts/process_parallel.py", name, "out", *options]
    for _ in range(3):
        running = start(command, cwd=tmp_path)
        before = len(outputs(tmp_path / "out"))
        while running.poll() is None and len(outputs(tmp_path / "out")) <= before + 2:
            time.sleep(0.01)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    done = script("process_parallel.py", name, "out", *options, cwd=tmp_path)
    assert done.status == 0, done.text
    assert done.made[0] < count
    shutil.rmtree(tmp_path / "undisturbed", ignore_errors=True)
    assert script("process_parallel.py", "in", "undisturbed", *options, cwd=tmp_path).status == 0
    assert outputs(tmp_path / "out") == outputs(tmp_path / "undisturbed")
    same = [(tmp_path / tree / "manifest.csv").read_bytes() for tree in ("out", "undisturbed")]
    assert same[0] == same[1]
