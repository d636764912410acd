"""What a pass hands on of its request and its policy, and what it does when rendering ends."""

import os
import re
import shutil
from collections import Counter
from types import SimpleNamespace

import pytest

from pixelmill.core.errors import UserError
from pixelmill.core.jobs import failed
from pixelmill.core.sandbox import REFUSED, Sandbox
from pixelmill.dataset import catalog_table
from pixelmill.dataset.entries import Entries, Entry
from pixelmill.dataset.globs import Selection
from pixelmill.dataset.output_tree import Workspace
from pixelmill.dataset.passes import Totals
from pixelmill.dataset.plan import Plan
from pixelmill.dataset.shards import Shard
from pixelmill.engines.distributed import Cluster
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.recipe_parser import parse
from pixelmill.pipeline import child_processes, runner, supervisor
from pixelmill.pipeline.host_process import early_host
from pixelmill.pipeline.policy import Policy
from pixelmill.pipeline.request import ProcessRequest
from pixelmill.pipeline.runner import process_folder
from pixelmill.pipeline.supervisor import RenderStats
from pixelmill.storage.archives import identity
from tests.helpers.processed import RECIPE, Tree, change, filled


def request(source="in", target="out", **options):
    return ProcessRequest(source, target, options.pop("recipe", RECIPE), **options)


@pytest.mark.parametrize(
    ("sandbox", "withheld"),
    [
        (Sandbox(), True),
        (Sandbox(network=True), False),  # a step may need a key for it
        (Sandbox(on=False), False),
        (Sandbox(on=False, network=True), False),
    ],
)
def test_secrets_are_withheld_from_confined_processes_without_a_network(
    tmp_path, monkeypatch, sandbox, withheld
):
    asked = []
    monkeypatch.setattr(runner, "ChildProcesses", lambda state, withhold: asked.append(withhold))
    given = request(target=str(tmp_path), policy=Policy(sandbox=sandbox))
    runner._child_processes_of(given, Workspace(str(tmp_path)), None)
    assert asked == [withheld]


def test_a_renderer_gets_absolute_folders_limits_and_durability(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = parse(RECIPE.as_data(), folder=os.pathsep.join(["own", "steps"]))
    policy = Policy(limits=Limits(max_pixels=77), durable=True)
    made = runner._renderer(request(recipe=recipe, policy=policy), Workspace("out"))
    assert made.source_root == str(tmp_path / "in")
    assert made.output_root == str(tmp_path / "out/images")
    assert made.recipe.folder == os.pathsep.join(str(tmp_path / n) for n in ("own", "steps"))
    assert made.recipe == recipe
    assert (made.limits, made.durable) == (policy.limits, True)


def entries(count):
    return Entries(Entry(f"{n}.jpg", 1000 * n, 1, "jpeg", 10, 10) for n in range(count))


@pytest.mark.parametrize("measured", [None, 0.25])
@pytest.mark.parametrize(
    ("engine", "chosen", "used"),
    [
        ("auto", "processes", "substitute"),  # the system may have no semaphores
        ("processes", "processes", "processes"),
        ("auto", "threads", "threads"),
    ],
)
def test_the_engine_is_chosen_by_the_work_and_whether_it_was_measured(
    monkeypatch, engine, chosen, used, measured
):
    asked = []
    monkeypatch.setattr(
        runner, "choose", lambda *given, known: asked.append((*given, known)) or chosen
    )
    monkeypatch.setattr(runner, "processes_or_threads", lambda: "substitute")
    monkeypatch.setattr(type(RECIPE), "scales_on_threads", "as the recipe does")
    plan = Plan(to_render=entries(8))
    assert runner._engine_for(request(engine=engine), 3, plan, measured) == used
    ((name, workers, scales, work, known),) = asked
    assert (name, workers, scales) == (engine, 3, "as the recipe does")
    assert known is (measured is not None)
    if measured:
        assert work == pytest.approx(8 * measured)
    else:
        assert 8 * 0.0005 < work < 8 * 0.001


def test_the_work_is_that_of_the_plan_within_what_the_request_and_its_policy_allow(
    tmp_path, monkeypatch
):
    allowed = []
    monkeypatch.setattr(
        runner, "confinement", lambda *given: allowed.append(given) or "what is allowed"
    )
    given = request(
        "in", str(tmp_path / "out"), engine="processes", workers=2, cluster=Cluster("file"),
        policy=Policy(limits=Limits(max_pixels=77), sandbox=Sandbox(network=True)),
    )  # fmt: skip
    workspace, plan = Workspace(given.target), Plan(to_render=entries(80))
    context = SimpleNamespace(
        request=given, tree=workspace, fingerprints=SimpleNamespace(recipe="r"),
        ledger=SimpleNamespace(seconds_per_image=lambda made: {"r": 0.25}.get(made.recipe)),
    )  # fmt: skip
    work = runner._work_of(context, plan)
    assert (work.engine, work.workers) == ("processes", 2)
    assert (work.limits, work.seconds_per_image) == (given.policy.limits, 0.25)
    assert (work.cluster, work.confinement) == (Cluster("file"), "what is allowed")
    assert work.breadcrumb_dir == str(tmp_path / "out/.crumbs")
    written = [str(tmp_path / "out/images"), work.breadcrumb_dir]
    assert allowed == [(given.policy.sandbox, RECIPE, "in", written, "processes")]


@pytest.fixture(scope="module")
def made(tmp_path_factory, photos):
    return filled(tmp_path_factory.mktemp("made"), photos)


@pytest.fixture
def tree(made, tmp_path):
    return Tree(shutil.copytree(made, tmp_path / "tree"))


LEFTOVER = ".pixelmill-1f-2e-3d4c.tmp"


@pytest.fixture
def rendering(monkeypatch, tree):
    """Function that replaces rendering: a temporary file is left, and this is what came of it."""

    def replace(trouble=False, fails=False, error=None):
        def render(work, to_render, outputs, on_result, *others):
            (tree.images / LEFTOVER).write_bytes(b"half")
            (tree.target / ".crumbs").mkdir(exist_ok=True)
            if fails:
                jobs = map(outputs.job, to_render)
                on_result([failed(job, "decode", "corrupt", "why", "") for job in jobs])
            if error:
                raise error
            return RenderStats(had_trouble=trouble)

        monkeypatch.setattr(runner, "render", render)

    return replace


@pytest.mark.parametrize(
    ("trouble", "fails"), [(True, False), (False, True), (True, True), (False, False)]
)
def test_what_was_left_by_processes_that_died_or_images_that_failed_is_removed(
    tree, picture, rendering, trouble, fails
):
    """Otherwise nothing is left, and no time is spent on looking for it."""
    change(tree, picture)
    rendering(trouble, fails)
    tree.process()
    assert (tree.images / LEFTOVER).exists() is not (trouble or fails)
    assert not (tree.target / ".crumbs").exists()


def test_what_a_lost_worker_of_a_cluster_was_writing_is_removed(tree, rendering):
    """The cluster does not say that it lost one."""
    rendering()
    tree.process("distributed", recipe=parse({}))  # a recipe whose time is not known
    assert not (tree.images / LEFTOVER).exists()


def test_failures_are_listed_where_a_full_disk_has_room_again(
    tree, picture, rendering, monkeypatch
):
    change(tree, picture)
    rendering(error=UserError("full"))
    reserved = []
    monkeypatch.setattr(
        runner,
        "write_failures",
        lambda ledger, state: reserved.append(os.path.exists(f"{state}/.reserve")),
    )
    with pytest.raises(UserError, match="full"):
        tree.process()
    assert reserved == [False]


@pytest.mark.parametrize("sandbox", [Sandbox(), Sandbox(on=False)])
@pytest.mark.parametrize("secrets", [{}, {"MY_KEY": "x"}, {"PLACE": "p"}])
def test_an_early_host_is_used_unless_it_lacks_what_the_recipe_may_need(
    tmp_path, monkeypatch, sandbox, secrets
):
    monkeypatch.setattr(child_processes, "_SECRET", re.compile("^MY_KEY$"))
    monkeypatch.setattr(child_processes, "_PASSWORD", re.compile("^p$"))
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    given = request(target=str(tmp_path), policy=Policy(sandbox=sandbox))
    with early_host(str(tmp_path)) as host:
        children = runner._child_processes_of(given, Workspace(str(tmp_path)), host)
        is_used = sandbox.on or not secrets
        assert (children is host.children) is is_used
        assert (tmp_path / child_processes.RECORD).exists() is is_used
        assert runner._early(given, children, host, certain=False) is (host if is_used else None)


def test_a_pass_gives_its_work_to_the_host_that_was_started_before(tmp_path, photos, monkeypatch):
    monkeypatch.setattr(supervisor, "HostProcess", None)  # no other is started
    source, target = photos(tmp_path / "in", 3), tmp_path / "out"
    with early_host(str(target), "processes") as host:
        assert not target.exists()
        done = process_folder(request(str(source), str(target), engine="processes"), host=host)
        assert (done.images, done.failed) == (3, 0)
        assert host.process.process.poll() is not None  # it ended with the pass, not later
    assert not (target / child_processes.RECORD).exists()


@pytest.mark.parametrize(("makes", "certain"), [("nothing", False), ("everything", True)])
def test_a_host_starts_before_the_plan_is_made_only_if_it_is_certainly_needed(
    tree, monkeypatch, makes, certain
):
    asked = []
    early = runner._early
    monkeypatch.setattr(
        runner,
        "_early",
        lambda *given, certain: asked.append(certain) or early(*given, certain=False),
    )
    if makes == "everything":
        for path in tree.target.glob("ledger.*"):
            path.unlink()
    tree.process()
    assert asked == [certain]


def test_a_pass_that_stops_leaves_no_temporary_and_an_up_to_date_table_of_failures(
    tree, picture, rendering
):
    change(tree, picture)
    rendering(fails=True, error=UserError("enough"))
    with pytest.raises(UserError, match="enough"):
        tree.process()
    assert not (tree.images / LEFTOVER).exists()
    assert not (tree.target / ".crumbs").exists()
    assert [row["source"] for row in tree.table("failures.csv")] == ["1.jpg", "broken.jpg"]


def totals(**sums):
    made = Totals()
    vars(made).update(sums)
    return made


@pytest.mark.parametrize(
    ("engine", "machine"), [("distributed", "of the cluster"), ("threads", "of this computer")]
)
def test_a_pass_is_summed_up_from_its_plan_its_outcomes_and_its_engine(
    monkeypatch, engine, machine
):
    monkeypatch.setattr(runner.machine, "machine_fingerprint", lambda: "of this computer")
    monkeypatch.setattr(Cluster, "machine", "of the cluster", raising=False)
    context = SimpleNamespace(
        request=request(engine=engine), catalog_digest="all",
        fingerprints=SimpleNamespace(recipe="r", code="c"),
    )  # fmt: skip
    work = SimpleNamespace(engine=engine, workers=8)
    began = runner.machine_load.Snapshot(1e9, 2.0, None, 1.0, None, None, None)
    monkeypatch.setattr(runner.machine_load, "snapshot", lambda: began._replace(now=9.0, own=4.0))
    conditions = {"started": 1e9, **({} if engine == "distributed" else {"cpu_seconds": 3.0})}
    sums = totals(images=9, failed=2, bytes_in=30, bytes_out=4, pixels_in=5_000_000)
    plan = Plan(keep=0, remove=["gone.jpg"])
    done = runner._summary(context, plan, work, RenderStats(3, 0.5), sums, began)
    assert done._asdict() == {
        "is_full": True, "engine": engine, "workers": 3, "seconds": 7.0, "startup_seconds": 0.5,
        "images": 9, "failed": 2, "bytes_in": 30, "bytes_out": 4, "megapixels_in": 5.0,
        "catalog": "all", "recipe": "r", "code": "c", "machine": machine,
        "conditions": conditions,
    }  # fmt: skip
    partial = runner._summary(context, Plan(keep=1), work, RenderStats(), sums, began)
    assert (partial.is_full, partial.workers) == (False, 8)  # no engine was started


def test_a_warning_counts_failures_by_reason_the_most_frequent_first(caplog):
    workspace, work = Workspace("out"), SimpleNamespace(confinement=None)
    reasons = Counter(truncated=1, corrupt=1200)
    runner._warn_of_failures(
        request(), workspace, work, totals(images=5000, failed=1201, reasons=reasons)
    )
    assert caplog.messages == [
        "1,201 of 5,000 images failed (1,200 corrupt, 1 truncated); see 'out/failures.csv'"
    ]
    caplog.clear()
    runner._warn_of_failures(request(), workspace, work, totals(images=5000))
    assert caplog.messages == []


@pytest.mark.parametrize("confinement", [None, "some"])
@pytest.mark.parametrize("refused", [False, True])
def test_the_sandbox_is_named_only_if_it_may_have_refused_something(caplog, refused, confinement):
    work = SimpleNamespace(confinement=confinement)
    runner._warn_of_failures(request(), Workspace("out"), work, totals(refused=refused))
    assert caplog.messages == [REFUSED] * (refused and confinement is not None)


@pytest.mark.parametrize("shard", [Shard(1, 1), Shard(2, 3)])
def test_a_folder_is_catalogued_as_far_as_it_belongs_to_the_dataset_and_the_shard(
    tree, monkeypatch, shard
):
    asked = []

    def refresh(*given):
        asked.append(given)
        return SimpleNamespace(entries="those", left_out={})

    chosen = Selection(["*.jpg"], [])
    monkeypatch.setattr(catalog_table, "refresh", refresh)
    monkeypatch.setattr(
        runner, "process", lambda *given: asked.append(given) or SimpleNamespace(images=0)
    )
    given = request(str(tree.source), str(tree.target), shard=shard, selection=chosen)
    process_folder(given, host="host")
    table = os.path.join(shard.below(str(tree.target)), "catalog.csv")
    listed = identity(str(tree.source))
    assert asked == [
        (table, str(tree.source), chosen, shard, False, None),
        (given, "those", listed, "host", ()),
    ]


@pytest.mark.parametrize("label", ["mine/light", ""])
def test_the_end_of_a_pass_is_told_unless_the_caller_sums_it_up(tree, caplog, label):
    caplog.set_level("INFO")
    (tree.source / "text.jpg").write_text("no image")
    process_folder(request(str(tree.source), str(tree.target), label=label))
    told = " ".join(caplog.messages)
    for words in ("mine/light: 1 image in", "1 of 1 images failed"):
        assert (words in told) is bool(label)


def test_images_may_not_lie_in_the_folder_of_the_outputs_either(tmp_path, photos):
    photos(tmp_path / "elsewhere", 1)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/images").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="must not contain one another"):
        process_folder(request(str(tmp_path / "elsewhere"), str(tmp_path / "out")))
