"""A cluster gives the same bytes, survives the loss of a batch, and reports its problems."""

import json
import os
import signal
import sys
from types import SimpleNamespace

import psutil
import pytest
from PIL import Image

from pixelmill.app.config import named_recipe
from pixelmill.core.errors import UserError
from pixelmill.core.jobs import Batch, Job
from pixelmill.engines import distributed as engine_distributed
from pixelmill.engines import machine
from pixelmill.engines.distributed import (
    MOST_LOSSES,
    PATIENCE,
    Cluster,
    _Distributed,
    open_cluster,
)
from pixelmill.imaging.renderer import Renderer
from pixelmill.pipeline.cluster_worker import ClusterWorker
from tests.conftest import clean_environment
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
from tests.helpers.projects import SMALL, is_up_to_date

COUNT = 400


def certificates(folder):
    """Make an authority, a certificate and its key; return their paths."""
    from distributed.security import Security

    made = Security.temporary()
    folder.mkdir()
    parts = {"ca": made.tls_ca_file, "cert": made.tls_client_cert, "key": made.tls_client_key}
    for name, text in parts.items():
        (folder / f"{name}.pem").write_text(text)
    return [folder / f"{name}.pem" for name in parts]


class RealCluster:
    """A scheduler and workers with TLS on the loopback address that cannot import pixelmill."""

    def __init__(self, folder, start, wait_until, **environment):
        self.file = folder / "scheduler.json"
        self.tls = certificates(folder / "tls")
        self._folder, self._start = folder, start
        self.scheduler = self._dask(
            "scheduler", "--port", "0", "--scheduler-file", self.file, "--host", "127.0.0.1",
            **environment,
        )  # fmt: skip
        wait_until(self.file.exists)

    @property
    def address(self):
        return json.loads(self.file.read_text())["address"]

    def add_worker(self, *options, **environment):
        """Start a worker; if `options` ask for it, with a nanny that restarts it."""
        return self._dask(
            "worker", "--scheduler-file", self.file, "--nthreads", "1", "--host", "127.0.0.1",
            *(options or ["--no-nanny"]), **environment,
        )  # fmt: skip

    def _dask(self, kind, *options, **environment):
        ca, cert, key = self.tls
        return self._start(
            [
                sys.executable, "-m", "dask", kind, "--protocol", "tls",
                "--dashboard-address", "127.0.0.1:0",
                "--tls-ca-file", ca, "--tls-cert", cert, "--tls-key", key, *options,
            ],
            cwd=self._folder,
            env={
                **clean_environment(), "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True",
                "DASK_TEMPORARY_DIRECTORY": str(self._folder), **environment,
            },
            stdout=open(self._folder / "log", "ab"), stderr=open(self._folder / "log", "ab"),
        )  # fmt: skip

    @property
    def options(self):
        """The options with which a script finds the cluster."""
        return ["--engine", "distributed", "--scheduler", self.file, "--tls", *self.tls]


@pytest.fixture
def cluster(tmp_path, start, wait_until):
    (folder := tmp_path / "cluster").mkdir()
    return RealCluster(folder, start, wait_until)


@pytest.fixture(scope="module")
def sources(tmp_path_factory, photos):
    return photos(tmp_path_factory.mktemp("sources") / "src", COUNT, (240, 180))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, sources, script):
    tree = tmp_path_factory.mktemp("undisturbed") / "out"
    assert script("process_sequential.py", sources, tree, "--recipe", "intensive").status == 0
    return tree_digest(tree)


@pytest.mark.parametrize(
    ("scheduler", "tls", "sentence"),
    [
        ("nowhere.json", (), "scheduler: 'nowhere.json' is not a file"),
        ("http://127.0.0.1:8786", (), "scheduler: 'http' in 'http://127.0.0.1:8786' is not"),
        ("tls://127.0.0.1:8786", (), "tls: 'tls://127.0.0.1:8786' is encrypted; give"),
        ("local", ("ca.pem", "cert.pem", "key.pem"), "tls: 'ca.pem' is not a file"),
    ],
)
def test_invalid_options_are_refused_before_anything_starts(scheduler, tls, sentence):
    with pytest.raises(UserError) as caught, open_cluster(Cluster(scheduler, tls), 1, "", ""):
        pass
    assert str(caught.value).startswith(sentence)
    assert str(caught.value).count("\n") == 0


def test_without_the_packages_the_error_says_how_to_install_them(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)  # as if it were not installed
    with pytest.raises(UserError, match=r"'distributed'; install envs/requirements-cluster\.lock"):
        open_cluster(Cluster(), 1, "", "").__enter__()


def test_each_certificate_must_be_a_file(tmp_path):
    for missing in range(3):
        paths = [tmp_path / f"{missing}-{number}.pem" for number in range(3)]
        for path in (*paths[:missing], *paths[missing + 1 :]):
            path.touch()
        cluster = Cluster("tls://127.0.0.1:1", tuple(map(str, paths)))
        with pytest.raises(UserError, match=rf"{missing}-{missing}\.pem' is not a file"):
            open_cluster(cluster, 1, "", "").__enter__()


def test_times_of_a_cluster_compare_with_those_of_no_machine():
    assert Cluster().machine == machine.machine_fingerprint()
    assert Cluster("tls://10.0.0.7:8786").machine == "cluster"


class StartError(Exception):
    """Ends the start of a cluster."""


def test_a_local_cluster_is_private_to_this_run_and_waits_as_long_as_an_image_may_take(
    tmp_path, monkeypatch
):
    import dask.config

    def start(**options):
        raise StartError(options, dask.config.get("distributed.scheduler.worker-ttl"),
                         dask.config.get("temporary-directory"))  # fmt: skip

    security = SimpleNamespace(temporary=lambda: "its own certificates")
    modules = {
        "distributed": SimpleNamespace(Client=None, LocalCluster=start),
        "distributed.security": SimpleNamespace(Security=security),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(engine_distributed, "_be_quiet", lambda: None)
    given = (Cluster(), 3, str(tmp_path), "report", 70.0, {"MARK": "1"})
    with pytest.raises(StartError) as started:
        open_cluster(*given).__enter__()
    options, patience, scratch = started.value.args
    assert options == {
        "n_workers": 3, "threads_per_worker": 1, "host": "127.0.0.1", "protocol": "tls://",
        "security": "its own certificates", "dashboard_address": "127.0.0.1:0",
        "env": {"MARK": "1"},
    }  # fmt: skip
    assert (patience, scratch) == ("90.0 s", str(tmp_path))


def test_the_result_of_a_batch_is_removed_when_it_was_read_and_cut_if_it_is_huge(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(engine_distributed, "MOST_RESULT_BYTES", 5)
    engine = _Distributed.__new__(_Distributed)
    engine._folder = str(tmp_path)
    for content in (b"short", b"longer"):
        (tmp_path / "result").write_bytes(content)
        assert engine._take("result") == content[:5]
        assert list(tmp_path.iterdir()) == []


def test_a_batch_that_is_lost_with_its_workers_is_tried_again_a_few_times(monkeypatch):
    class KilledWorker(Exception):  # noqa: N818
        pass

    module = SimpleNamespace(KilledWorker=KilledWorker, NoWorkerError=KeyError)
    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(scheduler=module))
    monkeypatch.setitem(sys.modules, "distributed.scheduler", module)
    engine = _Distributed.__new__(_Distributed)
    engine._scheduler = "tls://somewhere"
    tried = []
    lost = SimpleNamespace(exception=lambda: KilledWorker("it"), retry=lambda: tried.append("lost"))
    for losses in range(MOST_LOSSES):
        engine._try_again(lost, losses + 1)
    with pytest.raises(UserError, match=r"^Workers of 'tls://somewhere' keep dying; check their"):
        engine._try_again(lost, MOST_LOSSES + 1)
    refused = SimpleNamespace(exception=lambda: RuntimeError("The folder is not shared."))
    with pytest.raises(UserError, match=r"^The folder is not shared.$"):
        engine._try_again(refused, 1)
    assert len(tried) == MOST_LOSSES


@pytest.fixture
def clock(monkeypatch):
    """The clock of the engine, which a test sets."""
    time = SimpleNamespace(now=5000.0)
    monkeypatch.setattr(engine_distributed, "time", SimpleNamespace(monotonic=lambda: time.now))
    monkeypatch.setattr(engine_distributed, "_compare_versions", lambda client, workers: None)
    return time


@pytest.mark.parametrize("had_workers_for", [0, 10, 2 * PATIENCE, 1000 * PATIENCE])
def test_a_run_waits_for_new_workers_from_when_the_last_one_was_gone(clock, had_workers_for):
    threads = {"tls://a": 2}
    engine = _Distributed(SimpleNamespace(nthreads=lambda: threads), "tls://somewhere", "")
    assert engine.workers == 2
    for _ in range(2):  # each time that all are gone, the wait begins anew
        clock.now += had_workers_for
        engine._look()
        threads.clear()
        for _ in range(int(PATIENCE)):
            clock.now += 1
            engine._look()
        threads["tls://b"] = 3
        clock.now += 1
        engine._look()
    threads.clear()
    clock.now += PATIENCE
    engine._look()
    clock.now += 1
    with pytest.raises(UserError, match=r"All workers of 'tls://somewhere' are gone; start some"):
        engine._look()


@pytest.mark.slow
def test_a_cluster_with_tls_gives_the_same_bytes_and_one_new_image_makes_one(
    cluster, tmp_path, photos, picture, script
):
    for _ in range(2):
        cluster.add_worker()
    sources, tree = photos(tmp_path / "src", COUNT), tmp_path / "out"
    assert script("process_sequential.py", sources, tmp_path / "local").status == 0
    done = script("process_parallel.py", sources, tree, *cluster.options)
    assert done.status == 0, done.text
    assert done.made == [COUNT]
    assert "dashboard: http://127.0.0.1:" in done.text
    assert tree_digest(tree) == tree_digest(tmp_path / "local")
    assert b"<html" in (tree / "performance.html").read_bytes()[:200]
    assert json.loads((tree / "timing.json").read_text())["last_pass"]["engine"] == "distributed"
    assert not (tree / ".crumbs").exists()

    picture(COUNT).save(sources / "new.jpg")
    done = script("process_parallel.py", sources, tree, *cluster.options)
    assert done.status == 0, done.text
    assert done.made == [1]
    assert script("process_sequential.py", sources, tmp_path / "local").made == [1]
    assert tree_digest(tree) == tree_digest(tmp_path / "local")


@pytest.mark.slow
def test_each_thread_has_at_most_two_batches(tmp_path, photos):
    for name in ("breadcrumbs", "out"):
        (tmp_path / name).mkdir()
    sources, breadcrumb_dir = photos(tmp_path / "src", 40), str(tmp_path / "breadcrumbs")
    remote = ClusterWorker(
        Renderer(str(sources), str(tmp_path / "out"), named_recipe("light")), breadcrumb_dir
    )
    results, ahead = [], []

    def batches():
        for number in range(40):
            ahead.append(number - len(results))
            yield Batch([Job(f"{number}.jpg", (f"{number}.jpg",))])

    with open_cluster(Cluster(), 2, breadcrumb_dir, str(tmp_path / "performance.html")) as engine:
        engine.run(remote, batches(), results.append)
        assert engine.workers == 2
    assert len(results) == len(list((tmp_path / "out").iterdir())) == 40
    assert max(ahead) < 2 * 2


def running(cluster, sources, tree, start, repository, *options):
    """Start a pass on a cluster."""
    return start(
        [
            sys.executable, "scripts/process_parallel.py", sources, tree, *cluster.options,
            "--recipe", "intensive", "--log", f"{tree}.log", *options,
        ],
        cwd=repository,
    )  # fmt: skip


def made(tree):
    return len(list((tree / "images").rglob("*.jpg")))


@pytest.mark.slow
def test_a_worker_killed_and_one_added_midway_change_nothing(
    cluster, tmp_path, sources, undisturbed, start, repository, wait_until
):
    first, _ = cluster.add_worker(), cluster.add_worker()
    tree = tmp_path / "out"
    run = running(cluster, sources, tree, start, repository)
    wait_until(lambda: made(tree) > COUNT // 10)
    first.kill()
    (tree / "images/.pixelmill-0a-1-2.tmp").write_bytes(b"what it was writing")
    cluster.add_worker()
    assert run.wait(60) == 0
    assert tree_digest(tree) == undisturbed


@pytest.mark.slow
def test_all_workers_may_leave_if_others_join(
    cluster, tmp_path, sources, undisturbed, start, repository, wait_until
):
    only = cluster.add_worker()
    tree = tmp_path / "out"
    run = running(cluster, sources, tree, start, repository)
    wait_until(lambda: made(tree) > COUNT // 10)
    only.kill()
    only.wait()
    cluster.add_worker()
    assert run.wait(60) == 0
    assert tree_digest(tree) == undisturbed


@pytest.mark.slow
def test_a_scheduler_that_dies_ends_the_run_and_the_next_run_continues(
    cluster, tmp_path, sources, undisturbed, start, repository, wait_until, script
):
    cluster.add_worker()
    tree = tmp_path / "out"
    run = running(cluster, sources, tree, start, repository)
    wait_until(lambda: made(tree) > COUNT // 10)
    cluster.scheduler.kill()
    assert run.wait(60) == 2
    log = (tmp_path / "out.log").read_text()
    assert f"The scheduler at '{cluster.file}' is gone; start it again" in log
    assert partial_outputs(tree) == []

    (tmp_path / "another").mkdir()
    another = RealCluster(tmp_path / "another", start, wait_until)
    another.add_worker()
    done = script("process_parallel.py", sources, tree, *another.options, "--recipe", "intensive")
    assert done.status == 0, done.text
    assert 0 < done.made[0] < COUNT
    assert tree_digest(tree) == undisturbed


@pytest.mark.slow
def test_the_workflow_finds_the_cluster_by_its_config(cluster, tmp_path, new_project, snakemake):
    cluster.add_worker()
    parts = zip(("ca", "cert", "key"), map(str, cluster.tls), strict=True)
    scale = {"scheduler": str(cluster.file), "tls": dict(parts)}
    run = {**SMALL["run"], "engines": ["distributed"]}
    folder = new_project(tmp_path / "project", {**SMALL, "run": run, "scale": scale})
    done = snakemake(folder, "all")
    assert done.status == 0, done.text
    assert "engines agree" in done.text
    timing = json.loads((folder / "results/mine/light/distributed/timing.json").read_text())
    assert timing["last_pass"]["engine"] == "distributed"
    assert is_up_to_date(snakemake(folder, "all"))


@pytest.mark.slow
def test_only_the_killing_images_are_recorded_as_failed(cluster, tmp_path, photos, script):
    for _ in range(2):
        cluster.add_worker("--nanny", "--memory-limit", "700MB")
    sources, tree = photos(tmp_path / "src", 96), tmp_path / "out"
    for name, (height, _, _) in POISON.items():
        Image.new("RGB", (64, height)).save(sources / f"{name}.jpg")
    (tmp_path / "my_steps.py").write_text(STEPS)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    again = [
        sources, tree, *cluster.options, "--recipe", tmp_path / "recipe.yaml",
        "--policy", policy(seconds_per_image=SECONDS, memory_mb=400),
    ]  # fmt: skip
    done = script("process_parallel.py", *again)
    assert done.status == 0, done.text
    assert_poison_alone_is_blamed(tree, made=96)
    assert script("process_parallel.py", *again).made == [0]


@pytest.mark.slow
def test_a_worker_uses_the_current_own_steps(cluster, tmp_path, photos, script):
    cluster.add_worker()
    sources, local, tree = photos(tmp_path / "src", 8), tmp_path / "local", tmp_path / "out"
    (tmp_path / "recipe.yaml").write_text("steps: [{call: {function: 'my_steps:turn'}}]")
    recipe = ("--recipe", tmp_path / "recipe.yaml")
    for degrees in (90, 180):
        step = f"def turn(image):\n    return image.rotate({degrees})\n"
        (tmp_path / "my_steps.py").write_text(step)
        assert script("process_sequential.py", sources, local, *recipe).made == [8]
        # A pass that is known to be short would run in this process.
        for path in tree.glob("ledger.*"):
            path.unlink()
        done = script("process_parallel.py", sources, tree, *cluster.options, *recipe)
        assert done.made == [8], done.text
        assert (
            json.loads((tree / "timing.json").read_text())["last_pass"]["engine"] == "distributed"
        )
        assert tree_digest(tree) == tree_digest(local)


@pytest.mark.slow
def test_workers_that_always_die_end_the_run_with_a_sentence(
    tmp_path, sources, start, wait_until, script
):
    (tmp_path / "PIL.py").write_text("import os; os.abort()")
    allowed = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}  # or it would take minutes
    cluster = RealCluster(tmp_path, start, wait_until, **allowed)
    cluster.add_worker("--nanny", PYTHONPATH=str(tmp_path))
    done = script("process_parallel.py", sources, tmp_path / "out", *cluster.options)
    assert done.status == 2
    assert f"Workers of '{cluster.file}' keep dying" in done.text
    assert "Traceback" not in done.text


@pytest.mark.slow
def test_a_client_without_encryption_or_with_another_authority_is_refused(
    cluster, tmp_path, sources, script
):
    cluster.add_worker()
    plain = cluster.address.replace("tls://", "tcp://")
    stranger = certificates(tmp_path / "stranger")
    for options in (["--scheduler", plain], ["--scheduler", cluster.address, "--tls", *stranger]):
        done = script(
            "process_parallel.py", sources, tmp_path / "out", "--engine", "distributed", *options
        )
        assert done.status == 2
        assert "cannot be reached" in done.text
        assert "Traceback" not in done.text
        assert made(tmp_path / "out") == 0


def with_version(folder, name, version):
    """Make a folder that gives a package another version if it is first on Python's path."""
    (info := folder / f"{name}-{version}.dist-info").mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return str(folder)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shown"), [("dask", "dask"), ("pillow", "Pillow")])
def test_a_worker_of_other_versions_ends_the_run_with_a_sentence(
    name, shown, cluster, tmp_path, sources, script
):
    cluster.add_worker(PYTHONPATH=with_version(tmp_path / name, name, "0.1"))
    done = script("process_parallel.py", sources, tmp_path / "out", *cluster.options)
    assert done.status == 2
    assert f"has {shown} 0.1, but this machine has " in done.text
    assert "Traceback" not in done.text
    assert made(tmp_path / "out") == 0


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shown"), [("dask", "dask"), ("pillow", "Pillow")])
def test_a_worker_of_another_version_that_joins_later_ends_the_run(
    name, shown, cluster, tmp_path, sources, start, repository, wait_until
):
    first = cluster.add_worker()
    tree = tmp_path / "out"
    run = running(cluster, sources, tree, start, repository)
    wait_until(lambda: made(tree) > COUNT // 10)
    first.send_signal(signal.SIGSTOP)  # or it would be done before
    cluster.add_worker(PYTHONPATH=with_version(tmp_path / name, name, "0.1"))
    assert run.wait(60) == 2
    assert f"has {shown} 0.1, but this machine has " in (tmp_path / "out.log").read_text()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks at all sockets")
def test_a_local_cluster_listens_on_loopback_only_and_ends_with_its_run(
    tmp_path, sources, start, repository, wait_until
):
    tree = tmp_path / "out"
    run = start(
        [
            sys.executable, "scripts/process_parallel.py", sources, tree,
            "--engine", "distributed", "--workers", "2", "--recipe", "intensive",
        ],
        cwd=repository,
    )  # fmt: skip
    wait_until(lambda: made(tree) > 0)
    members = [psutil.Process(run.pid), *psutil.Process(run.pid).children(recursive=True)]
    listening = [
        connection.laddr.ip
        for member in members
        for connection in member.net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert set(listening) == {"127.0.0.1"}
    os.kill(run.pid, signal.SIGKILL)
    psutil.wait_procs(members, timeout=20)
    assert [member for member in members if member.is_running()] == []
