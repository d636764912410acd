"""Images that are elsewhere are processed by the command and by the workflow as folders are."""

import gzip
import os
import shutil

import pytest
import yaml

from tests.helpers.packed import pack
from tests.helpers.projects import SMALL, is_up_to_date, write_config
from tests.helpers.s3_server import SECRET, USER
from tests.helpers.web_server import Answer, WebServer
from tests.workflow.test_archives import outputs

pytestmark = pytest.mark.slow


@pytest.fixture
def project(new_project, tmp_path, store):
    """A project whose pictures are in a bucket."""
    config = {**SMALL, "datasets": {"mine": {"bucket": "s3://photos/holiday"}}}
    config["run"] = {**SMALL["run"], "engines": ["processes"]}
    folder = new_project(tmp_path / "project", config, count=3)
    for path in (folder / "pictures").iterdir():
        store.put(f"holiday/{path.name}", path.read_bytes())
    shutil.rmtree(folder / "pictures")
    return folder


def test_the_workflow_copies_and_makes_what_changed_in_a_bucket(
    project, snakemake, store, picture, encoded
):
    first = snakemake(project, "all")
    assert first.status == 0, first.text
    assert first.made == [3, 3]
    assert "s3://photos/holiday: 3 files copied" in first.text
    tree = project / "results/mine/light/processes"
    made = outputs(tree)
    assert is_up_to_date(snakemake(project, "all"))
    store.put("holiday/1.jpg", encoded(picture(50, (160, 120)), "JPEG"))
    again = snakemake(project, "all")
    assert again.status == 0, again.text
    assert "1 file copied" in again.text
    assert again.made == [1, 1]
    now = outputs(tree)
    assert {name for name in now if now[name] != made[name]} == {"images/1.jpg"}
    (project / "mirrors/mine/2.jpg").unlink()
    assert "1 file copied" in snakemake(project, "all").text
    assert is_up_to_date(snakemake(project, "all"))


def test_no_file_of_a_run_contains_the_secret(project, snakemake):
    assert snakemake(project, "all").status == 0
    for path in project.rglob("*"):
        if path.is_file() and path.stat().st_size < 10_000_000:
            assert SECRET.encode() not in path.read_bytes(), path


def test_a_file_that_cannot_be_copied_costs_one_image_and_is_tried_again(project, snakemake, store):
    store.fault = lambda method, key: "cut" if key.endswith("1.jpg") else ""
    first = snakemake(project, "all")
    assert first.status == 0, first.text
    assert "1 file could not be copied" in first.text
    assert first.made == [2, 2]
    store.fault = lambda method, key: ""
    assert snakemake(project, "all").made == [1, 1]


def test_a_bucket_that_cannot_be_listed_is_told(project, snakemake, monkeypatch):
    told = "The bucket 's3://photos/holiday' cannot be used: InvalidAccessKeyId"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    first = snakemake(project, "all")
    assert first.status != 0
    assert told in first.text
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", USER)
    assert snakemake(project, "all").status == 0
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    later = snakemake(project, "all")
    assert (later.status != 0, later.jobs) == (True, [])
    assert f"config: datasets.mine.bucket: {told}" in later.text


def test_a_dataset_has_no_images_of_its_earlier_source(project, snakemake):
    bucket = yaml.safe_load((project / "config.yaml").read_text(encoding="utf-8"))
    spec = {"count": 2, "width": [120, 160], "height": [120, 160]}
    write_config(project, {**bucket, "datasets": {"mine": {"generate": spec}}})
    assert snakemake(project, "process").status == 0
    write_config(project, bucket)
    done = snakemake(project, "process", "--config", "removals={max_rate: 1.0}")
    assert done.status == 0, done.text
    tree = project / "results/mine/light/auto"
    assert sorted(outputs(tree)) == [f"images/{number}.jpg" for number in range(3)]


def test_clean_removes_the_copies_and_nothing_else(project, snakemake):
    assert snakemake(project, "all").status == 0
    (project / "mirrors/mine/own.txt").write_text("mine")
    done = snakemake(project, "clean")
    assert done.status == 0, done.text
    left = [path.name for path in (project / "mirrors").rglob("*") if path.is_file()]
    assert left == ["own.txt"]


def test_the_command_mirrors_a_bucket(pixelmill, store, photos, tmp_path):
    photos(tmp_path / "photos", 3)
    for path in (tmp_path / "photos").iterdir():
        store.put(path.name, path.read_bytes())

    def mirror(*arguments):
        return pixelmill("mirror", *arguments, environment=store.environment)

    first = mirror("s3://photos", "copies")
    assert first.returncode == 0, first.stderr
    assert first.stderr.splitlines()[-1].startswith("s3://photos: 3 files copied")
    assert pixelmill("run", "copies", "out", "--preset", "thumbnails").returncode == 0
    assert pixelmill("run", "photos", "other", "--preset", "thumbnails").returncode == 0
    assert outputs(tmp_path / "out") == outputs(tmp_path / "other")
    store.buckets["photos"].clear()
    refused = mirror("s3://photos", "copies")
    assert refused.returncode == 2
    assert "3 of 3 files are gone from 's3://photos'" in refused.stderr
    assert "add --allow-removals" in refused.stderr
    assert len(list((tmp_path / "copies").glob("*.jpg"))) == 3
    assert mirror("s3://photos", "copies", "--allow-removals").returncode == 0
    left = {path.name for path in (tmp_path / "copies").iterdir()}
    assert left == {".lock", ".mirror.sqlite"}
    wrong = mirror("photos", "copies")
    assert wrong.returncode == 2
    assert "'photos' is not a place that can be mirrored" in wrong.stderr


@pytest.fixture
def sftp_project(new_project, tmp_path, sftp):
    """A project whose pictures are in a folder of a server."""
    config = {**SMALL, "datasets": {"mine": {"folder": sftp.url}}}
    project = new_project(tmp_path / "project", config, count=3)
    for path in (project / "pictures").iterdir():
        path.rename(sftp.photos / path.name)
    return project


def test_the_workflow_copies_and_makes_what_changed_on_a_server(
    sftp_project, snakemake, sftp, picture, encoded
):
    first = snakemake(sftp_project, "process")
    assert first.status == 0, first.text
    assert f"{sftp.url}: 3 files copied" in first.text
    tree = sftp_project / "results/mine/light/auto"
    made = outputs(tree)
    assert is_up_to_date(snakemake(sftp_project, "process"))
    (sftp.photos / "1.jpg").write_bytes(encoded(picture(50, (160, 120)), "JPEG"))
    again = snakemake(sftp_project, "process")
    assert (again.status, "1 file copied" in again.text) == (0, True), again.text
    now = outputs(tree)
    assert {name for name in now if now[name] != made[name]} == {"images/1.jpg"}
    key = (sftp.ssh / "id_ed25519").read_bytes().splitlines()[1:-1]
    for path in sftp_project.rglob("*"):
        if path.is_file() and path.stat().st_size < 10_000_000:
            assert not any(line in path.read_bytes() for line in key), path
    assert snakemake(sftp_project, "clean").status == 0
    assert not (sftp_project / "mirrors/mine/1.jpg").exists()
    assert (sftp.photos / "1.jpg").exists()


def test_a_server_that_cannot_be_used_is_told(sftp_project, snakemake, sftp):
    sftp.ssh.joinpath("known_hosts").write_text("")
    told = f"'{sftp.url}' cannot be used: the key of '127.0.0.1', SHA256:"
    first = snakemake(sftp_project, "process")
    assert (first.status != 0, told in first.text) == (True, True), first.text
    sftp.ssh.joinpath("known_hosts").write_text(sftp.server.known_hosts())
    assert snakemake(sftp_project, "process").status == 0
    sftp.ssh.joinpath("known_hosts").write_text("")
    later = snakemake(sftp_project, "process")
    assert (later.status != 0, later.jobs) == (True, [])
    assert f"config: datasets.mine.folder: {told}" in later.text


def test_the_command_mirrors_a_folder_of_a_server(pixelmill, sftp, photos, tmp_path):
    photos(sftp.photos, 3)
    environment = {"HOME": str(sftp.ssh.parent)}
    done = pixelmill("mirror", sftp.url, "copies", environment=environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"{sftp.url}: 3 files copied")
    refused = pixelmill("mirror", "sftp://me:planted@nas/a", "other", environment=environment)
    assert (refused.returncode, "planted" in refused.stderr) == (2, False)
    assert "'sftp://nas/a' was given with a password" in refused.stderr


@pytest.fixture
def web(monkeypatch):
    server = WebServer()
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    yield server
    server.close()


def test_the_workflow_fetches_the_images_of_a_list(new_project, tmp_path, snakemake, web):
    urls = {"file": "urls.csv", "allow_private": True}
    config = {**SMALL, "datasets": {"mine": {"urls": urls}}}
    folder = new_project(tmp_path / "project", config, count=3)
    rows = ["url,name"]
    for path in sorted((folder / "pictures").iterdir()):
        web.answers[f"/{path.name}"] = Answer(path.read_bytes())
        rows.append(f"{web.url(f'/{path.name}')},sea/{path.name}")
    web.answers["/gone.jpg"] = Answer(status=404)
    rows.append(f"{web.url('/gone.jpg')},gone.jpg")
    (folder / "urls.csv").write_text("\n".join(rows), encoding="utf-8")
    first = snakemake(folder, "process")
    assert first.status == 0, first.text
    tree = folder / "results/mine/light/auto"
    assert sorted(outputs(tree)) == [f"images/sea/{number}.jpg" for number in range(3)]
    assert "1 file could not be copied: 'gone.jpg' (404 Not Found)" in first.text
    assert is_up_to_date(snakemake(folder, "process"))
    (folder / "urls.csv").write_text("\n".join(rows[:-2]), encoding="utf-8")
    assert snakemake(folder, "process").status == 0
    assert sorted(outputs(tree)) == [f"images/sea/{number}.jpg" for number in range(2)]


@pytest.mark.parametrize("pattern", ["packed/0.tar.gz", "packed/*.tar.gz"])
def test_the_workflow_decompresses_tars(new_project, tmp_path, snakemake, pattern):
    config = {**SMALL, "datasets": {"mine": {"archive": pattern, "exclude": ["*2.jpg"]}}}
    folder = new_project(tmp_path / "project", config, count=3)
    (folder / "packed").mkdir()
    tar = pack(folder / "pictures", folder / "0.tar").read_bytes()
    (folder / "packed/0.tar.gz").write_bytes(gzip.compress(tar))
    first = snakemake(folder, "process")
    assert first.status == 0, first.text
    tree = folder / "results/mine/light/auto"
    above = "0/" if "*" in pattern else ""
    assert sorted(outputs(tree)) == [f"images/{above}{number}.jpg" for number in range(2)]
    assert is_up_to_date(snakemake(folder, "process"))
    os.utime(folder / "packed/0.tar.gz", ns=(0, 0))
    again = snakemake(folder, "process")
    assert (again.status, "1 file copied" in again.text, again.made[-1:]) == (0, True, [0])
    assert snakemake(folder, "clean").status == 0
    assert not (folder / "mirrors/mine/0.tar").exists()
    assert (folder / "packed/0.tar.gz").exists()
