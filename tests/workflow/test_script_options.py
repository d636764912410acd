"""The options of a command line reach the work that the script does."""

import importlib
import inspect
import json

import pytest

from pixelmill.app.config import complete
from pixelmill.core.errors import UserError
from pixelmill.core.sandbox import Sandbox
from pixelmill.dataset import catalog, catalog_table
from pixelmill.dataset.image_list import ImageList
from pixelmill.dataset.shards import Shard
from pixelmill.dataset.synthetic import Spec
from pixelmill.engines.distributed import Cluster
from pixelmill.pipeline.policy import Policy


@pytest.fixture
def handed(monkeypatch, call):
    """Function that calls a script, and returns what it passes to a function of the library.

    The function is not run. Arguments are returned by the names of its parameters, with its
    defaults.
    """

    def handed_to(module, function, result, script, *arguments):
        library = importlib.import_module(f"pixelmill.{module}")
        signature = inspect.signature(getattr(library, function))
        calls = []

        def noted(*given, **named):
            bound = signature.bind(*given, **named)
            bound.apply_defaults()
            calls.append(bound.arguments)
            return result

        monkeypatch.setattr(library, function, noted)
        call(script, *arguments)
        (one,) = calls
        return one

    return handed_to


#: A recipe as it is given by hand, and options of all passes.
RECIPE = '{"steps": [{"resize": {"longest": 9}}]}'
COMMON = ("--recipe", RECIPE, "--catalog", "c.csv", "--label", "mine")
POLICY = ("--check-outputs", "--retry-failed", "corrupt", "timed_out", "--sandbox", "off")


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("process_parallel.py", "--log"),
        ("process_sequential.py", "--log"),
        ("verify.py", "--output"),
        ("scaling.py", "--output"),
        ("scaling.py", "--scratch"),
        ("rivals.py", "--output"),
    ],
)
def test_no_option_writes_to_the_folder_of_the_images(script, photos, tmp_path, name, option):
    source = photos(tmp_path / "in", 1)
    before = {path: path.read_bytes() for path in source.iterdir()}
    measured = name in ("scaling.py", "rivals.py")
    folders = [source] if measured else [source, tmp_path / "out"]
    place = source / "0.jpg"
    done = script(name, *folders, option, place)
    assert f"{option}: '{place}' is in the folder of the images" in done.text
    assert done.status == 2
    assert {path: path.read_bytes() for path in source.iterdir()} == before


@pytest.mark.parametrize(
    ("name", "option"),
    [("catalog.py", "CSV"), ("generate.py", "--done"), ("process_parallel.py", "--log")],
)
def test_no_option_replaces_an_image(script, photos, tmp_path, name, option):
    photos(tmp_path / "in", 1)
    (image,) = photos(tmp_path / "other", 1).iterdir()
    before = image.read_bytes()
    places = {"catalog.py": ("in", image), "generate.py": ("made", "--count", 1, "--done", image)}
    done = script(name, *places.get(name, ("in", "out", option, image)), cwd=tmp_path)
    assert f"{option}: '{image}' exists, and is no text that pixelmill wrote" in done.text
    assert (done.status, image.read_bytes()) == (2, before)


def is_ours(recipe):
    return recipe.as_data()["steps"][0]["resize"]["longest"] == 9


@pytest.mark.parametrize("name", ["process_sequential.py", "process_parallel.py"])
def test_a_pass_gets_what_all_passes_take(handed, name):
    folder = ("--steps-folder", "own")
    found = handed(
        "pipeline.runner", "process_folder", None, name, "in", "out", *COMMON, *POLICY, *folder
    )
    request = found["request"]
    assert (request.source, request.target, found["catalog"]) == ("in", "out", "c.csv")
    assert is_ours(request.recipe) and request.recipe.folder == "own"
    assert request.label == "mine"
    assert request.policy == Policy(
        check_outputs=True, retry_failed=("corrupt", "timed_out"), sandbox=Sandbox(on=False)
    )


def test_a_sequential_pass_is_one(handed):
    found = handed("pipeline.runner", "process_folder", None, "process_sequential.py", "in", "out")
    assert (found["request"].engine, found["request"].workers) == ("sequential", 1)


def test_a_parallel_pass_gets_engine_workers_cluster_shard_and_selection(handed):
    found = handed(
        "pipeline.runner", "process_folder", None, "process_parallel.py", "in", "out",
        "--engine", "distributed", "--workers", 1, "--scheduler", "tls://host:1",
        "--tls", "ca", "cert", "key", "--shard", "2-of-3",
        "--selection", '{"include": ["*.jpg"], "exclude": ["draft*"]}',
    )  # fmt: skip
    request = found["request"]
    assert (request.engine, request.workers) == ("distributed", 1)
    assert request.cluster == Cluster("tls://host:1", ("ca", "cert", "key"))
    assert request.shard == Shard(2, 3)
    chosen = [path for path in ("a.jpg", "a.png", "draft.jpg") if request.selection(path)]
    assert chosen == ["a.jpg"]


def test_a_catalog_gets_selection_and_shard(handed, monkeypatch):
    class Found:
        entries, left_out = ("one",), {}

    found = handed(
        "dataset.catalog_table", "refresh", Found, "catalog.py", "in", "c.csv", "--shard", "2-of-3",
        "--selection", '{"include": ["*.jpg"], "exclude": ["draft*"]}',
    )  # fmt: skip
    assert (found["table"], found["folder"], found["shard"]) == ("c.csv", "in", Shard(2, 3))
    chosen = [path for path in ("a.jpg", "a.png", "draft.jpg") if found["select"](path)]
    assert chosen == ["a.jpg"]


@pytest.mark.parametrize("shard", ["1-of-1", "2-of-3"])
def test_only_a_whole_folder_without_an_image_is_a_mistake(handed, shard):
    class Found:
        entries, left_out = (), {".txt files": 2}

    given = (
        "dataset.catalog_table",
        "refresh",
        Found,
        "catalog.py",
        "in",
        "c.csv",
        "--shard",
        shard,
    )
    if shard == "2-of-3":
        assert handed(*given)["dated"] is False
    else:
        with pytest.raises(UserError, match=r"'in' contains no image; left out: .*txt files"):
            handed(*given)


@pytest.mark.parametrize("dates", [False, True])
def test_a_catalog_looks_for_dates_only_if_names_depend_on_them(handed, dates):
    class Found:
        entries, left_out = ("one",), {}

    options = ("--dates",) * dates
    found = handed("dataset.catalog_table", "refresh", Found, "catalog.py", "in", "c.csv", *options)
    assert found["dated"] is dates


def test_a_generator_gets_specification_workers_and_token(handed, tmp_path):
    found = handed(
        "dataset.synthetic", "generate", 0, "generate.py", tmp_path, "--count", 7, "--width", 9, 4,
        "--height", 5, 6, "--content", "noise", "--format", "gif", "--seed", 3, "--token", "known",
        "--workers", 1,
    )  # fmt: skip
    assert found["folder"] == str(tmp_path)
    assert found["spec"] == Spec(7, (4, 9), (5, 6), "noise", (("gif", 1.0),), 3)
    assert (found["token"], found["workers"]) == ("known", 1)


@pytest.mark.parametrize("sandbox", ["auto", "off"])
def test_a_verification_gets_scope_sample_likeness_and_sandbox(handed, tmp_path, sandbox):
    passed = {"passed": True, "summary": "", "checks": []}
    found = handed(
        "verification.verify", "verify", passed, "verify.py", tmp_path, "out", "--recipe", RECIPE,
        "--scope", "changed", "--sample", 3, "--min-psnr", 33.5, "--sandbox", sandbox,
        "--workers", 1,
    )  # fmt: skip
    assert (found["source"], found["target"]) == (str(tmp_path), "out")
    assert found["recipe"]["steps"][0]["resize"]["longest"] == 9
    assert (found["scope"], found["sample"], found["min_psnr"]) == ("changed", 3, 33.5)
    assert found["confined"] == (sandbox == "auto")


def test_a_verification_without_snakemake_opens_all_and_compares_250(handed, tmp_path):
    passed = {"passed": True, "summary": "", "checks": []}
    found = handed("verification.verify", "verify", passed, "verify.py", tmp_path, "out")
    assert (found["scope"], found["sample"], found["min_psnr"]) == ("all", 250, 30.0)


@pytest.mark.parametrize("name", ["scaling.py", "rivals.py"])
def test_a_benchmark_gets_recipe_images_repeats_scratch_and_catalog(handed, monkeypatch, name):
    for function in ("select", "entries_of"):
        monkeypatch.setattr(f"pixelmill.benchmark.manager.{function}", lambda *given: [])
    monkeypatch.setattr("pixelmill.benchmark.competitors.willing", lambda *given: ["gm"])
    monkeypatch.setattr("pixelmill.benchmark.competitors.versions", dict)
    result = {"figures": [], "advice": [], "software": {}}
    found = handed(
        "benchmark.manager", "run", result, name, "in", "--recipe", RECIPE, "--images", 12,
        "--repeats", 3, "--scratch", "here", "--catalog", "c.csv", "--workers", 1,
    )  # fmt: skip
    assert (found["source"], found["images"], found["repeats"]) == ("in", 12, 3)
    assert (found["scratch"], found["table"]) == ("here", "c.csv")
    assert is_ours(found["recipe"])
    names = [case.name for case in found["cases"]]
    assert any("gm" in name for name in names) == (name == "rivals.py")


def test_shards_are_gathered_by_tree_number_and_catalog(handed):
    found = handed("dataset.gather", "gather", None, "gather.py", "tree", 16, "c.csv")
    assert (found["tree"], found["shards"], found["catalog"]) == ("tree", 16, "c.csv")
    found = handed("dataset.gather_catalog", "gather_catalog", 1, "gather_catalog.py", "c.csv", 16)
    assert list(found.values()) == ["c.csv", 16]


def test_shards_without_any_image_leave_no_catalog(handed, tmp_path):
    (tmp_path / "c.csv").touch()
    given = ("dataset.gather_catalog", "gather_catalog", 0, "gather_catalog.py")
    with pytest.raises(UserError, match="No shard of the dataset contains an image"):
        handed(*given, tmp_path / "c.csv", 16)
    assert not (tmp_path / "c.csv").exists()


def test_an_inspection_gets_workers_policy_selection_catalog_and_thresholds(handed, monkeypatch):
    page = "pixelmill.report.inspection_page"
    monkeypatch.setattr(f"{page}.write", lambda found, source, target: target)
    monkeypatch.setattr(f"{page}.lines", lambda found: [])
    found = handed(
        "inspection.inspect", "inspect", None, "inspect_images.py", "in", "out", "--workers", 1,
        "--catalog", "c.csv", "--label", "mine", "--settings", '{"blurred": 15}', *POLICY,
        "--selection", '{"include": ["*.jpg"], "exclude": ["draft*"]}',
    )  # fmt: skip
    request = found["request"]
    assert (request.source, request.target, found["catalog"]) == ("in", "out", "c.csv")
    assert (request.label, request.workers) == ("mine", 1)
    assert found["thresholds"] == {"blurred": 15}
    assert request.policy == Policy(
        check_outputs=True, retry_failed=("corrupt", "timed_out"), sandbox=Sandbox(on=False)
    )
    chosen = [path for path in ("a.jpg", "a.png", "draft.jpg") if request.selection(path)]
    assert chosen == ["a.jpg"]


def test_a_choice_gets_expression_duplicates_list_and_thresholds(handed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.csv").write_text("source,split,a,sku\n")
    found = handed(
        "inspection.choose", "choose", (1, 2), "select_images.py", "out", "--catalog", "c.csv",
        "--select", "not dark", "--on-duplicate", "best", "--settings", '{"dark": 9}',
        "--list", "list.csv", "--where", "split=train", "--where", "a=b=c", "--source", "in",
        "--names", "sku",
    )  # fmt: skip
    listed = ImageList("list.csv", {"split": "train", "a": "b=c"}, "sku")
    assert list(found.values()) == ["c.csv", "out", "not dark", "best", {"dark": 9}, listed, "in"]


def test_a_choice_without_options_leaves_nothing_out(handed):
    found = handed(
        "inspection.choose", "choose", (1, 2), "select_images.py", "out", "--catalog", "c.csv"
    )
    assert list(found.values()) == ["c.csv", "out", None, "keep_all", {}, None, "."]


@pytest.mark.parametrize("seed", [{}, {"seed": 7}])
def test_a_split_gets_ratios_seed_and_thresholds(handed, seed):
    ratios = {"train": 0.5, "test": 0.5}
    found = handed(
        "inspection.parts", "split_images", {"train": 1}, "select_images.py", "out", "--split",
        json.dumps({"ratios": ratios, **seed}), "--settings", '{"near_duplicate": 3}',
    )  # fmt: skip
    assert list(found.values()) == ["out", ratios, seed.get("seed", 0), {"near_duplicate": 3}]


@pytest.fixture
def project(tmp_path, monkeypatch, photos):
    """A folder of images, and the config of a workflow over it as its rules pass it on."""
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "in", 3)
    return complete({
        "datasets": {"mine": {"folder": "in", "exclude": ["2.jpg"]}},
        "recipes": {"light": {"steps": ["sharpen"]}},
        "run": {
            "datasets": ["mine"], "recipes": ["light"], "engines": ["threads"],
            "production": "futures", "check_outputs": True,
        },
        "verify": {"scope": "all", "sample": 7, "min_psnr": 33.5},
        "sandbox": "off", "results": "made",
    })  # fmt: skip


TREES = [f"made/mine/light/{engine}" for engine in ("sequential", "threads", "futures")]


def test_a_plan_is_made_of_each_tree_with_its_selection_and_policy(
    call, project, monkeypatch, caplog
):
    caplog.set_level("INFO")
    asked = []

    def preview(request, entries):
        asked.append((request, [entry.path for entry in entries]))
        refusal = "Too many are gone." if len(asked) == 1 else ""
        return f"plan {len(asked)}", 2.4 * (len(asked) - 1), 3_400_000, refusal

    monkeypatch.setattr("pixelmill.pipeline.planning.preview", preview)
    call("plan.py", "--config", json.dumps(project), "--steps-folder", "own")
    assert [request.target for request, _ in asked] == TREES
    for request, paths in asked:
        assert (request.source, paths) == ("in", ["0.jpg", "1.jpg"])
        assert request.policy == Policy(check_outputs=True, sandbox=Sandbox(on=False))
        assert [step.name for step in request.recipe.steps] == ["sharpen"]
        assert request.recipe.folder == "own"
    assert caplog.messages == [
        "mine/light/sequential: plan 1",
        "It would stop before that: Too many are gone.",
        "mine/light/threads: plan 2; about 2 s of one core, 3 MB",
        "mine/light/futures: plan 3; about 5 s of one core, 3 MB",
    ]


def test_a_plan_of_images_that_are_not_generated_yet_says_so(call, project, caplog):
    caplog.set_level("INFO")
    project["datasets"]["mine"] = {"generate": {"count": 1200}}
    call("plan.py", "--config", json.dumps(project))
    assert caplog.messages == ["mine: 1,200 images would be generated and made"]


@pytest.mark.parametrize("wrong", [None, 0, 1])
def test_all_trees_that_are_there_are_verified_as_the_config_says(
    call, project, monkeypatch, caplog, wrong, tmp_path
):
    caplog.set_level("INFO")
    for tree in TREES[::2]:
        (tmp_path / tree).mkdir(parents=True)
        (tmp_path / tree / "manifest.csv").touch()
    asked = []

    def verify(*given, **settings):
        asked.append((given, settings))
        passed = len(asked) - 1 != wrong
        check = {"name": "missing", "passed": passed, "compared": 2, "not_compared": 0,
                 "differing": 1, "question": "Is it?", "named": []}  # fmt: skip
        return {"passed": passed, "summary": "Looked at.", "checks": [check]}

    monkeypatch.setattr("pixelmill.verification.verify.verify", verify)
    status = call("verify_results.py", "--config", json.dumps(project), "--workers", 1)
    assert status == (0 if wrong is None else 1)
    assert [given[1] for given, _ in asked] == TREES[::2]
    for (source, _, recipe, entries, workers), settings in asked:
        assert (source, [entry.path for entry in entries]) == ("in", ["0.jpg", "1.jpg"])
        assert (list(recipe["steps"][0]), workers) == (["sharpen"], 1)
        assert settings == {"scope": "all", "sample": 7, "min_psnr": 33.5, "confined": False}
    assert caplog.messages.count("missing: the next run makes them again") == (wrong is not None)
    assert caplog.messages[-1] == (
        "Success: 2 of 2 output trees verified."
        if wrong is None
        else "Failed: 1 of 2 output trees did not pass verification; to repair what a run can, "
        f"run: snakemake --cores all {TREES[::2][wrong]}/verification.json"
    )


def test_checks_are_written_with_the_token_of_the_workflow(handed, tmp_path):
    passed = {"passed": True, "summary": "", "checks": []}
    catalog_table.write(tmp_path / "c.csv", catalog.scan(str(tmp_path))[0].entries)
    found = handed(
        "verification.verify", "verify", passed, "verify.py", tmp_path, "out", "--token", "known",
        "--output", tmp_path / "checks.json", "--catalog", tmp_path / "c.csv",
    )  # fmt: skip
    assert len(found["entries"]) == 0
    written = json.loads((tmp_path / "checks.json").read_text(encoding="utf-8"))
    assert written == {**passed, "token": "known"}


def test_a_report_is_about_the_trees_that_are_named_and_shows_the_config(
    call, monkeypatch, tmp_path
):
    for tree in TREES:
        (tmp_path / tree).mkdir(parents=True)
        (tmp_path / tree / "timing.json").write_text("{}")
    asked = []
    collect, render = "pixelmill.report.collect", "pixelmill.report.render"
    monkeypatch.setattr(f"{collect}.collect", lambda *given: asked.append(given) or {"a": 1})
    monkeypatch.setattr(f"{collect}.describe", lambda trees: {"b": trees})
    monkeypatch.setattr(
        "pixelmill.report.contact_sheet.contact_sheets", lambda *given: asked.append(given) or "c"
    )
    monkeypatch.setattr(f"{render}.write", lambda *given: asked.append(given))
    monkeypatch.chdir(tmp_path)
    call("benchmark_report.py", "made", "--trees", *TREES[:2], "--config", '{"verify": 1}')
    (trees, config), sheets, (report, folder, pairs) = asked
    assert [tree.path for tree in trees] == TREES[:2]
    assert config == {"verify": 1}
    assert sheets == (trees, config, "made/report")
    assert report == {"a": 1, "b": trees, "inspected": []}
    assert (folder, pairs) == ("made/report", "c")
    asked.clear()
    call("benchmark_report.py", "made", "--output", "elsewhere")
    assert sorted(tree.path for tree in asked[0][0]) == sorted(TREES)
    assert asked[-1][1] == "elsewhere"


def test_only_the_cases_that_are_named_are_measured(handed):
    result = {"figures": [], "advice": [], "software": {}}
    found = handed(
        "benchmark.manager", "run", result, "scaling.py", "in", "--workers", 4,
        "--only", "loop-1", "threads-2",
    )  # fmt: skip
    assert [(case.kind, case.workers) for case in found["cases"]] == [("loop", 1), ("threads", 2)]


@pytest.mark.parametrize(
    ("differs", "options", "status"),
    [(False, (), 0), (True, (), 1), (True, ("--evidence",), 0)],
)
def test_engines_are_compared_under_their_names_and_the_result_is_written(
    call, monkeypatch, tmp_path, caplog, differs, options, status
):
    caplog.set_level("INFO")
    result = {"passed": not differs, "summary": "Compared.", "checks": []}
    asked = []
    monkeypatch.setattr(
        "pixelmill.verification.compare_engines.compare",
        lambda trees: asked.append(trees) or result,
    )
    output = ("--output", tmp_path / "comparison.json", "--label", "mine/light")
    assert call("compare_engines.py", "a/sequential", "a/threads", *output, *options) == status
    assert asked == [{"sequential": "a/sequential", "threads": "a/threads"}]
    assert json.loads((tmp_path / "comparison.json").read_text("utf-8")) == result
    assert caplog.messages[-1] == "mine/light: Compared."
