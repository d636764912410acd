"""Outputs and shards are uploaded by the command, the script and the workflow."""

import json
import os

import pytest

from pixelmill.app import command, upload_command
from pixelmill.core.errors import UserError
from tests.conftest import clean_environment
from tests.helpers.projects import SMALL, is_up_to_date, write_config
from tests.helpers.s3_server import SECRET
from tests.helpers.trees import make_tree

IMAGES = {f"{number}.jpg": b"%d" % number for number in range(3)}
URL = "s3://photos/set"


@pytest.fixture
def tree(tmp_path):
    return make_tree(tmp_path / "out", IMAGES)


def test_the_command_uploads_and_asks_before_it_removes_much(store, tree, caplog):
    caplog.set_level("INFO")

    def upload(*options):
        return upload_command.upload(
            command._parser().parse_args(["upload", str(tree), URL, *options])
        )

    assert upload() == 0
    assert caplog.messages[-1] == f"{URL}: 4 files uploaded (0.0 MB), 0 kept, 0 removed"
    make_tree(tree, {"new.jpg": b"new"})
    with pytest.raises(UserError, match=r"3 of 4 files are gone .* add --allow-removals\."):
        upload()
    assert upload("--allow-removals") == 0
    assert caplog.messages[-1] == f"{URL}: 2 files uploaded (0.0 MB), 0 kept, 3 removed"
    assert sorted(store.content()) == ["set/images/new.jpg", "set/manifest.csv"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "FOLDER and URL, the folder of the results of `run`, are missing; see"),
        (["out"], "URL, the bucket and prefix: s3://bucket/prefix, is missing"),
        (["out", "bucket"], "'bucket' is not a bucket; give a URL such as s3://bucket/prefix"),
        (["out", "https://e.org/b"], "'https://e.org/b' is not a bucket"),
        (["out", "s3:///prefix"], "'s3:///prefix' is not a bucket"),
        (["out", "s3://me:planted@bucket"], "put credentials into the environment"),
        (["nowhere", URL], "'nowhere' is not a folder; give the folder"),
        (["out/images", URL], "'out/images' has neither the results of `pixelmill run` nor"),
    ],
    ids=" ".join,
)
def test_a_mistake_is_told_in_one_sentence(pixelmill, tree, arguments, told):
    done = pixelmill("upload", *arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert told in line
    assert "planted" not in line


def test_the_script_has_the_options_of_the_rule(call, store, tree, tmp_path):
    record = tmp_path / "uploaded.json"
    options = ["--settings", '{"max_rate": 1}', "--output", record, "--label", "mine/light"]
    for contents, sent in ((IMAGES, 4), ({"new.jpg": b"new"}, 2)):
        make_tree(tree, contents)
        assert call("upload_outputs.py", tree, URL, *options) == 0
        assert json.loads(record.read_text()) == {"bucket": URL, "objects": sent}
    assert sorted(store.content()) == ["set/images/new.jpg", "set/manifest.csv"]


@pytest.mark.slow
def test_the_workflow_uploads_again_what_changed(small, snakemake, photos, store):
    env = {**clean_environment(), **store.environment}
    write_config(small, {**SMALL, "destination": "s3://photos/set/"})
    done = snakemake(small, "upload", env=env, fresh=True)
    assert done.status == 0, done.text
    assert "Upload mine with light" in done.jobs
    assert "Write the verdict" not in done.jobs
    before = store.content()
    names = [*(f"images/{number}.jpg" for number in range(3)), "failures.csv", "manifest.csv"]
    assert before.keys() == {f"set/mine/light/{name}" for name in names}
    assert is_up_to_date(snakemake(small, "upload", env=env, fresh=True))
    photos(small / "pictures", 4, size=(160, 120))
    store.requests.clear()
    done = snakemake(small, "upload", env=env, fresh=True)
    assert done.status == 0, done.text
    assert store.requests["PUT"] == 2  # the image and the manifest
    assert len(store.content()) == len(before) + 1
    for path in small.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path
    snakemake(small, "clean", env=env, fresh=True)
    assert not (small / "results").exists()


@pytest.mark.slow
def test_shards_are_uploaded_if_the_config_asks_for_shards(small, snakemake, store):
    env = {**clean_environment(), **store.environment}
    write_config(small, {**SMALL, "destination": "s3://photos", "pack": {"format": "zip"}})
    done = snakemake(small, "upload", env=env, fresh=True)
    assert done.status == 0, done.text
    names = ["images-000000.zip", "packed.csv", "packed.json"]
    assert {f"mine/light/{name}" for name in names} <= store.content().keys()
    assert not [key for key in store.content() if key.endswith(".jpg")]


@pytest.mark.slow
def test_all_uploads_if_the_config_says_so(small, snakemake):
    write_config(small, {**SMALL, "destination": "s3://photos"})
    assert "Upload mine with light" in snakemake(small, "--dry-run", "all").jobs
    write_config(small, SMALL)
    assert "Upload mine with light" not in snakemake(small, "--dry-run", "all").jobs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("destination", "told"),
    [
        (None, "destination is missing; give a bucket such as s3://bucket/prefix"),
        ("elsewhere", "destination: 'elsewhere' is not a bucket; give a URL such as"),
        ("s3://me:planted@bucket", "destination: 's3://bucket' was given with more than bucket"),
        (3, "destination: found 3; give a text"),
    ],
    ids=str,
)
def test_a_mistake_in_the_config_is_told_before_any_job(small, snakemake, destination, told):
    write_config(small, {**SMALL, "destination": destination})
    done = snakemake(small, "upload")
    assert done.status != 0 and done.jobs == []
    assert told in done.text
    assert "planted" not in done.text


@pytest.mark.slow
def test_a_bucket_that_refuses_is_told_in_one_sentence(small, snakemake, store):
    env = {**clean_environment(), **store.environment, "AWS_ACCESS_KEY_ID": "nobody"}
    write_config(small, {**SMALL, "destination": "s3://photos"})
    done = snakemake(small, "upload", env=env, fresh=True)
    assert done.status != 0
    assert "cannot be used: InvalidAccessKeyId" in done.text
    assert not os.path.exists(small / "results/mine/light/uploaded.json")
