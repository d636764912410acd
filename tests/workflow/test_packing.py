"""Outputs are packed by the command, the script and the workflow."""

import json
import os

import pytest

from pixelmill.packing.check import check
from tests.helpers.projects import SMALL, is_up_to_date, write_config
from tests.helpers.trees import make_tree


@pytest.fixture
def tree(tmp_path):
    return make_tree(tmp_path / "out", {f"{number}.jpg": b"%d" % number for number in range(6)})


def test_the_command_packs_and_checks(pixelmill, tree, tmp_path):
    done = pixelmill("pack", "out", "shards", "--images", "2", "--format", "zip")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "shards: 6 images in 3 shards, 3 written now"
    again = pixelmill("pack", "out", "shards")
    assert again.stderr.splitlines()[-1] == "shards: 6 images in 3 shards, 0 written now"
    checked = pixelmill("pack", "--check", "shards")
    assert checked.returncode == 0
    assert checked.stderr.splitlines() == ["shards: 6 members are as they were packed"]
    (tmp_path / "shards/images-000001.zip").unlink()
    checked = pixelmill("pack", "--check", "shards")
    assert checked.returncode == 1
    assert checked.stderr.splitlines() == [
        "ERROR: images-000001.zip: is missing",
        "ERROR: shards: 1 fault; remove the files that are named, then pack again",
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "DST and FOLDER are missing; see `pixelmill pack --help`"),
        (["out"], "FOLDER is missing"),
        (["out", "shards", "--check", "shards"], "--check takes the folder of the shards"),
        (["out", "out"], "'out' is the folder of the results"),
        (["out", "out/images"], "'out/images' is inside the images of 'out'"),
        (["nowhere", "shards"], "'nowhere' is not a folder"),
        (["out", "shards", "--bytes", "1X"], "--bytes: found '1X'; give a number of bytes"),
        (["out", "shards", "--bytes", "1G", "--images", "2"], "not allowed with argument"),
        (["out", "shards", "--format", "tar"], "--format: found 'tar'; allowed are"),
        (["--check", "out"], "'out' holds no shards"),
    ],
    ids=" ".join,
)
def test_a_mistake_is_told_in_one_sentence(pixelmill, tree, tmp_path, arguments, told):
    done = pixelmill("pack", *arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert told in line
    assert not (tmp_path / "shards").exists()


def test_the_script_has_the_options_of_the_rule(call, tree, tmp_path, monkeypatch):
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(fsync(descriptor)))
    options = ["--format", "webdataset", "--bytes", "3", "--durable", "--label", "mine/light"]
    assert call("pack_outputs.py", tree, tmp_path / "shards", *options) == 0
    record = json.loads((tmp_path / "shards/packed.json").read_text())
    assert synced
    assert (record["format"], record["count"], record["bytes_per_shard"]) == ("webdataset", 2, 3)


def test_shards_do_not_go_to_the_images_that_were_processed(pixelmill, photos, tmp_path):
    photos(tmp_path / "in", 2)
    assert pixelmill("run", "in", "out", "--longest", "9", "--no-verify").returncode == 0
    done = pixelmill("pack", "out", "in/shards")
    assert done.returncode == 2
    assert "in/shards' is inside the folder of the images" in done.stderr
    assert not (tmp_path / "in/shards").exists()


@pytest.mark.slow
def test_a_run_is_packed_and_its_shards_can_be_processed(pixelmill, photos, tmp_path):
    photos(tmp_path / "in", 5)
    assert pixelmill("run", "in", "out", "--longest", "48", fresh=True).returncode == 0
    assert pixelmill("pack", "out", "shards", "--images", "2", fresh=True).returncode == 0
    assert pixelmill("pack", "--check", "shards", fresh=True).returncode == 0
    done = pixelmill("run", "shards/images-*.tar", "again", "--longest", "9", "--format", "png")
    assert done.returncode == 0, done.stderr
    made = {path.name for path in (tmp_path / "again/images").rglob("*.png")}
    assert made == {f"{number}.png" for number in range(5)}


@pytest.mark.slow
def test_the_workflow_packs_again_what_changed(small, snakemake, photos):
    write_config(small, {**SMALL, "pack": {"images": 1}})
    done = snakemake(small, "pack")
    assert done.status == 0, done.text
    assert "Pack mine with light" in done.jobs
    assert "Write the verdict" not in done.jobs
    folder = small / "results/mine/light/packed"
    assert check(str(folder)) == (3, [])
    assert is_up_to_date(snakemake(small, "pack"))
    before = {path.name: path.stat().st_ino for path in folder.glob("*.tar")}
    photos(small / "pictures", 4, size=(160, 120))
    done = snakemake(small, "pack")
    assert done.status == 0, done.text
    assert check(str(folder)) == (4, [])
    after = {path.name: path.stat().st_ino for path in folder.glob("*.tar")}
    assert len(before) == 3 and sum(before[name] != after[name] for name in before) == 1
    write_config(small, {**SMALL, "pack": {"images": 2}})
    done = snakemake(small, "pack")
    assert done.status != 0
    assert "which is kept; name another folder" in done.text
    assert check(str(folder)) == (4, [])


@pytest.mark.slow
def test_all_packs_if_the_config_says_so(small, snakemake):
    write_config(small, {**SMALL, "pack": {"format": "zip"}})
    assert "Pack mine with light" in snakemake(small, "--dry-run", "all").jobs
    write_config(small, SMALL)
    assert "Pack mine with light" not in snakemake(small, "--dry-run", "all").jobs
    assert "Pack mine with light" in snakemake(small, "--dry-run", "pack").jobs


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pack", "told"),
    [
        ({"images": 1, "bytes": "1G"}, "pack: found 'images' and 'bytes'; give one of them"),
        ({"bytes": "many"}, "pack.bytes: found 'many'; give a number of bytes such as 500M"),
        ({"format": "tar"}, "pack.format: found 'tar'"),
        ({"image": 3}, "pack.image: unknown key"),
    ],
    ids=str,
)
def test_a_mistake_in_the_config_is_told_before_any_job(small, snakemake, pack, told):
    write_config(small, {**SMALL, "pack": pack})
    done = snakemake(small, "pack")
    assert done.status != 0 and done.jobs == []
    assert told in done.text
