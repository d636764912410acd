"""A plan compares catalog, ledger and files; only `remove_orphans` changes anything."""

import os

import pytest

from pixelmill.core.errors import UserError
from pixelmill.core.sandbox import Sandbox
from pixelmill.dataset import catalog, catalog_table
from pixelmill.dataset.output_tree import Workspace
from pixelmill.dataset.shards import Shard, all_of, shard_of
from pixelmill.imaging import fingerprint
from pixelmill.imaging.codecs.limits import Limits
from pixelmill.imaging.recipe_parser import parse
from pixelmill.pipeline.planning import fingerprints_of, plan_pass, preview, remove_orphans
from pixelmill.pipeline.policy import Policy
from pixelmill.pipeline.request import PassContext, ProcessRequest
from tests.helpers.processed import RECIPE, Tree, filled


@pytest.fixture
def tree(tmp_path, photos):
    return Tree(filled(tmp_path, photos))


def request_of(tree, **options):
    return ProcessRequest(str(tree.source), str(tree.target), RECIPE, **options)


def entries_of(tree):
    return catalog.scan(str(tree.source))[0].entries


def files_of(tree):
    return {path: path.stat().st_mtime_ns for path in tree.target.rglob("*")}


def test_a_preview_changes_nothing_and_estimates_the_cost(tree, picture):
    for number in (50, 51):
        picture(number).save(tree.source / f"{number}.jpg")
    with Workspace(str(tree.target)).open_to_read() as ledger:
        seconds_of_one, size_of_one = ledger.cost()
    before = files_of(tree)
    plan, seconds, size, refusal = preview(request_of(tree), entries_of(tree))
    assert dict(plan.reasons) == {"new": 2}
    assert seconds == pytest.approx(2 * seconds_of_one) and seconds > 0
    assert refusal == ""
    assert size == pytest.approx(2 * size_of_one)
    assert size == pytest.approx(2 * sum(map(len, tree.outputs().values())) / len(tree.outputs()))
    assert files_of(tree) == before


def test_the_preview_of_a_new_tree_knows_no_cost(tree, tmp_path):
    request = ProcessRequest(str(tree.source), str(tmp_path / "other"), RECIPE)
    plan, seconds, size, _ = preview(request, entries_of(tree))
    assert (len(plan.to_render), seconds, size) == (len(entries_of(tree)), 0, 0)
    assert not (tmp_path / "other").exists()


def test_a_preview_tells_that_a_pass_would_not_remove_so_much(tree):
    entries = entries_of(tree)
    for entry in entries:
        if entry.path != "0.jpg":
            (tree.source / entry.path).unlink()
    few = entries_of(tree)
    found = preview(request_of(tree), few)
    assert len(found.plan.remove) == len(entries) - 1
    with pytest.raises(UserError) as refused:
        tree.process()
    assert found.refusal == str(refused.value)
    allowed = request_of(tree, policy=Policy(max_removal_rate=1))
    assert preview(allowed, few).refusal == ""


@pytest.mark.parametrize("shards", [1, 3])
def test_two_inputs_with_one_output_name_are_refused_if_the_policy_says_so(tree, picture, shards):
    picture(50).save(tree.source / "0.png")
    shard = Shard(shard_of("0.jpg", shards), shards)
    request = request_of(tree, policy=Policy(collisions="error"), shard=shard)
    with pytest.raises(UserError, match=r"'0\.jpg' and '0\.png' have the same output name"):
        preview(request, entries_of(tree))
    assert preview(request_of(tree), entries_of(tree)).plan.to_render


def test_outputs_are_compared_with_their_digests_only_if_asked(tree):
    output = tree.images / "0.jpg"
    content = bytearray(output.read_bytes())
    content[-3] ^= 1
    output.write_bytes(content)
    assert preview(request_of(tree), entries_of(tree)).plan.keep == len(entries_of(tree))
    request = request_of(tree, policy=Policy(check_outputs=True))
    assert dict(preview(request, entries_of(tree)).plan.reasons) == {"output altered": 1}


@pytest.mark.parametrize("change", ["recipe", "limits", "sandbox"])
def test_a_fingerprint_follows_what_decides_an_output_and_nothing_else(change):
    policy = Policy()
    before = fingerprints_of(ProcessRequest("in", "out", RECIPE, policy=policy))
    recipe = parse({"steps": ["grayscale"]}) if change == "recipe" else RECIPE
    if change == "limits":
        policy = Policy(limits=policy.limits.__class__(max_pixels=1))
    elif change == "sandbox":
        policy = Policy(sandbox=Sandbox(on=False))
    after = fingerprints_of(ProcessRequest("in", "out", recipe, policy=policy))
    assert (before.recipe == after.recipe) == (change != "recipe")
    assert (before.limits == after.limits) == (change != "limits")
    assert before.code == after.code


def test_a_plan_says_which_libraries_changed_since_the_images_were_rendered(
    tree, monkeypatch, caplog
):
    caplog.set_level("INFO")
    monkeypatch.setattr(fingerprint, "code_fingerprint", lambda *given: "other code")
    changed = ("Pillow", "avif", "libtiff", "simplejpeg", "webp", "zlib")
    now = {**dict.fromkeys(reversed(changed), "2"), "NumPy": "2.4", "not used before": "1"}
    monkeypatch.setattr(fingerprint, "rendering_software", lambda *given: now)
    request = request_of(tree)
    workspace = Workspace(request.target)
    with workspace.open() as ledger:
        (code,) = ledger.codes()
        ledger.note_software(code, {**dict.fromkeys(changed, "1"), "NumPy": "2.4"})
        fingerprints = fingerprints_of(request)
        plan_pass(PassContext(request, entries_of(tree), workspace, ledger, fingerprints))
        assert ledger.software_of("other code") == now
    words = ", ".join(f"{name} 1 is now 2" for name in changed)
    assert f"code changed: {words}" in caplog.messages


def test_if_no_library_changed_since_then_the_steps_did(tree, monkeypatch, caplog):
    caplog.set_level("INFO")
    monkeypatch.setattr(fingerprint, "code_fingerprint", lambda *given: "other code")
    tree.process()
    assert "code changed: pixelmill's or your own steps'" in caplog.messages


OPENCV = parse({"backend": "opencv", "steps": ["grayscale"], "output": {"format": "png"}})
OWN = parse({"steps": ["grayscale"], "output": {"format": "png"}})


@pytest.mark.parametrize("recipe", [OPENCV, OWN], ids=["opencv", "without"])
def test_the_code_and_the_libraries_are_those_that_the_recipe_uses(tree, monkeypatch, recipe):
    asked = []
    monkeypatch.setattr(
        fingerprint, "code_fingerprint", lambda *given: asked.append(given) or "code"
    )
    monkeypatch.setattr(
        fingerprint, "rendering_software", lambda *given: asked.append(given) or {"NumPy": "2"}
    )
    monkeypatch.setattr(type(recipe), "own_files", lambda self: ["own.py"])
    request = ProcessRequest(str(tree.source), str(tree.target), recipe)
    workspace = Workspace(request.target)
    with workspace.open() as ledger:
        fingerprints = fingerprints_of(request)
        plan_pass(PassContext(request, entries_of(tree), workspace, ledger, fingerprints))
    assert asked == [(["own.py"], recipe is OPENCV, ()), (recipe is OPENCV,)]


def test_a_decoder_that_was_installed_since_gives_other_limits(monkeypatch):
    """It may read images that failed because of a limit."""
    request = ProcessRequest("in", "out", RECIPE)
    before = fingerprints_of(request)
    monkeypatch.setattr(fingerprint, "extra_decoders", lambda: {"another": "1.0"})
    after = fingerprints_of(request)
    assert (before.limits != after.limits, before.code == after.code) == (True, True)


def test_a_source_with_new_times_is_read_within_the_limits(tree):
    """One that is too large now is taken for a changed one, and fails when it is rendered."""
    os.utime(tree.source / "1.jpg", ns=(1, 1))
    assert dict(preview(request_of(tree), entries_of(tree)).plan.reasons) == {}
    tight = request_of(tree, policy=Policy(limits=Limits(max_bytes=1)))
    assert preview(tight, entries_of(tree)).plan.reasons["source changed"] == 1


def test_outputs_are_compared_with_their_digests_if_the_ledger_is_in_doubt(tree):
    output = tree.images / "0.jpg"
    content = bytearray(output.read_bytes())
    content[-3] ^= 1
    output.write_bytes(content)
    request = request_of(tree)
    workspace = Workspace(request.target)
    with workspace.open() as ledger:
        context = PassContext(
            request, entries_of(tree), workspace, ledger, fingerprints_of(request)
        )
        assert dict(plan_pass(context).reasons) == {}
        ledger.doubt()
        assert dict(plan_pass(context).reasons) == {"output altered": 1}
    assert dict(preview(request, entries_of(tree)).plan.reasons) == {"output altered": 1}


def test_sources_that_are_gone_are_counted_and_not_their_outputs(tmp_path, photos, monkeypatch):
    photos(tmp_path / "in", 4)
    tree = Tree(tmp_path)
    recipe = parse({"outputs": [{"name": "a"}, {"name": "b"}]})
    tree.process(recipe=recipe)
    (tree.source / "1.jpg").unlink()
    asked = []

    def check_removals(self, count, rows, *others):
        asked.append((count, sorted(rows), *others))

    monkeypatch.setattr(Workspace, "check_removals", check_removals)
    policy = Policy(max_removal_rate=0.75)
    tree.process(recipe=recipe, policy=policy, selection="chosen", catalog=catalogued(tree))
    names = [f"{number}.jpg" for number in range(4)]
    assert asked == [(1, names, 0.75, str(tree.source), "chosen")]
    assert set(tree.outputs()) == {f"{v}/{n}.jpg" for v in "ab" for n in (0, 2, 3)}


def catalogued(tree):
    """Path of a table of the sources as they are now."""
    table = tree.target / "now.csv"
    catalog_table.write(table, entries_of(tree))
    return str(table)


def test_all_outputs_of_a_touched_source_get_its_time(tmp_path, photos):
    photos(tmp_path / "in", 2)
    tree = Tree(tmp_path)
    recipe = parse({"outputs": [{"name": "a"}, {"name": "b"}], "keep_mtime": True})
    tree.process(recipe=recipe)
    os.utime(tree.source / "1.jpg", ns=(10**9, 10**9))
    assert tree.process(recipe=recipe).images == 0
    assert [(tree.images / f"{v}/1.jpg").stat().st_mtime_ns for v in "ab"] == [10**9] * 2
    assert tree.process(recipe=recipe).images == 0
    assert "source changed" not in preview_of(tree, recipe).reasons


def preview_of(tree, recipe):
    return preview(
        ProcessRequest(str(tree.source), str(tree.target), recipe), entries_of(tree)
    ).plan


def test_failures_are_tried_again_if_the_policy_names_their_reason(tree):
    (row,) = tree.table("failures.csv")
    for reasons, again in (((), 0), ((row["reason"],), 1), (("timed_out",), 0)):
        request = request_of(tree, policy=Policy(retry_failed=reasons))
        assert preview(request, entries_of(tree)).plan.reasons["failed before"] == again


def test_a_shard_plans_its_own_images_only(tree):
    counts = [
        len(
            preview(request_of(tree, shard=shard, policy=Policy()), entries_of(tree)).plan.to_render
        )
        for shard in all_of(3)
    ]
    assert sum(counts) == len(entries_of(tree)) and max(counts) < sum(counts)


def test_planning_alone_keeps_the_output_of_a_source_that_is_gone(tree):
    (tree.source / "0.jpg").unlink()
    request = request_of(tree)
    workspace = Workspace(request.target)
    with workspace.open() as ledger:
        fingerprints = fingerprints_of(request)
        context = PassContext(request, entries_of(tree), workspace, ledger, fingerprints)
        plan = plan_pass(context)
        assert (plan.remove, plan.orphans) == (["0.jpg"], ["0.jpg"])
        assert "0.jpg" in ledger.rows() and (tree.images / "0.jpg").exists()
        remove_orphans(context, plan)
        assert "0.jpg" not in ledger.rows()
    assert not (tree.images / "0.jpg").exists()


def test_an_output_that_could_not_be_removed_is_not_forgotten(tree, monkeypatch):
    """Otherwise the next pass would not know whose it is."""
    (tree.source / "0.jpg").unlink()
    request = request_of(tree)
    workspace = Workspace(request.target)

    def fail(self, orphans):
        raise UserError("The disk is read-only.")

    monkeypatch.setattr(Workspace, "remove_orphans", fail)
    with workspace.open() as ledger:
        fingerprints = fingerprints_of(request)
        context = PassContext(request, entries_of(tree), workspace, ledger, fingerprints)
        with pytest.raises(UserError, match="read-only"):
            remove_orphans(context, plan_pass(context))
        assert "0.jpg" in ledger.rows()


def test_a_touched_source_is_recorded_with_its_new_time(tree):
    os.utime(tree.source / "1.jpg", ns=(10**9, 10**9))
    assert len(preview(request_of(tree), entries_of(tree)).plan.touched) == 1
    tree.process()
    assert preview(request_of(tree), entries_of(tree)).plan.touched == []


def test_a_source_that_was_only_touched_gives_its_output_the_new_time_if_outputs_keep_times(
    tmp_path, photos
):
    photos(tmp_path / "in", 2)
    tree = Tree(tmp_path)
    recipe = parse({**RECIPE.as_data(), "keep_mtime": True})
    tree.process(recipe=recipe)
    os.utime(tree.source / "1.jpg", ns=(10**9, 10**9))
    assert tree.process(recipe=recipe).images == 0
    assert (tree.images / "1.jpg").stat().st_mtime_ns == 10**9
