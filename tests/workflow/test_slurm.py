"""On a real SLURM, shards are jobs, a lost job is submitted again, and the bytes are the same."""

import re
import subprocess
import sys

import pytest

from pixelmill.dataset.shards import Shard, all_of, shard_of
from tests.helpers.projects import RESIZE, SMALL, write_config

pytestmark = pytest.mark.slow

COUNT, SHARDS = 400, 8

#: Slow enough for there to be a middle of a shard.
CONFIG = {
    **SMALL,
    "recipes": {"light": {"steps": [RESIZE, "denoise"]}},
    "scale": {"shards": SHARDS},
}

TREE = "results/mine/light/processes"

#: What jobs of a second or two need; the profile has what those of minutes do.
QUICK = ["--cores", "1", "--latency-wait", "5", "--slurm-init-seconds-before-status-checks", "7"]


@pytest.fixture(scope="module")
def project(new_project, tmp_path_factory):
    return new_project(tmp_path_factory.mktemp("cluster") / "project", CONFIG, COUNT)


@pytest.fixture
def submit(project, slurm, start):
    """Function that starts Snakemake with SLURM's executor."""

    def start_it():
        command = [sys.executable, "-m", "snakemake", "--snakefile", project / "Snakefile"]
        command += ["--profile", project / "profiles/slurm", *QUICK, f"{TREE}/manifest.csv"]
        return start(
            command,
            cwd=project,
            env=slurm.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start_it


def job_halfway(project, slurm):
    """A job that has processed some but not all images of its shard, with the shard, if any."""
    outputs = [path.name for path in (project / TREE / "images").glob("*.jpg")]
    for shard in all_of(SHARDS):
        if 2 <= sum(map(shard.owns, outputs)) < 30:
            name = f"process_shard_wildcards_mine_light_processes_{shard}"
            return [(job, shard) for job, what in slurm.running() if what.endswith(name)]
    return []


def submitted(text, rule):
    """Wildcards of the jobs of a rule that were sent to the cluster."""
    return re.findall(
        rf"submitted with SLURM jobid \d+ \(log: \S+/rule_{rule}/(\S+?)/\d+\.log", text
    )


def outputs_of(tree):
    return {path.name: path.read_bytes() for path in (tree / "images").iterdir()}


def test_a_cancelled_shard_is_submitted_again_and_every_byte_is_right(
    project, slurm, submit, wait_until, snakemake
):
    run = submit()
    found = []
    wait_until(lambda: found.extend(job_halfway(project, slurm)) or found, seconds=120)
    ((job, lost),) = found
    slurm.run("scancel", job)
    text, _ = run.communicate(timeout=400)
    assert run.returncode == 0, text
    sent = submitted(text, "process_shard")
    assert sorted(sent) == sorted(
        f"mine_light_processes_{shard}" for shard in [*all_of(SHARDS), lost]
    )
    again = (project / f"logs/mine/light/processes/{lost}.log").read_text(encoding="utf-8")
    assert re.search(r"make \d+: \d+ new; keep [1-9]", again)  # what it had done is kept

    write_config(project, {**CONFIG, "results": "local", "scale": {"shards": 1}})
    assert snakemake(project, f"{TREE.replace('results', 'local')}/manifest.csv").status == 0
    local = project / TREE.replace("results", "local")
    assert outputs_of(project / TREE) == outputs_of(local)
    assert (project / TREE / "manifest.csv").read_bytes() == (local / "manifest.csv").read_bytes()


def test_an_image_that_is_added_is_one_job_for_its_shard(project, submit, picture):
    write_config(project, CONFIG)
    picture(1000).save(project / "pictures/new.jpg")
    run = submit()
    text, _ = run.communicate(timeout=300)
    assert run.returncode == 0, text
    shard = Shard(shard_of("new.jpg", SHARDS), SHARDS)
    assert submitted(text, "catalog_shard") == [f"mine_{shard}"]
    assert submitted(text, "process_shard") == [f"mine_light_processes_{shard}"]
    log = (project / f"logs/mine/light/processes/{shard}.log").read_text(encoding="utf-8")
    assert "make 1: 1 new" in log
