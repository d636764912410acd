"""The plan renders what is new or changed, and keeps the rest."""

import pytest

from pixelmill.core.jobs import OutputFile
from pixelmill.dataset.entries import Entries, Entry
from pixelmill.dataset.ledger_rows import Fingerprints, Row
from pixelmill.dataset.output_names import Outputs
from pixelmill.dataset.plan import FileProbes, make_plan
from pixelmill.dataset.shards import all_of
from pixelmill.imaging.recipe_parser import parse

RECIPE = parse({})
ENTRY = Entry("a.jpg", bytes=100, mtime_ns=5, format="jpeg", changed_ns=6)
FINGERPRINTS = Fingerprints("recipe", "code", "limits")
FILE = OutputFile("", "a.jpg", 4, 3, bytes=40, sha256="bytes")
ROW = Row(
    status="ok",
    reason="",
    bytes_in=100,
    mtime_ns=5,
    changed_ns=6,
    digest="same",
    fingerprints=FINGERPRINTS,
    files=(FILE,),
)
PRESENT = {"a.jpg": 40}


def plan_of(
    entries=(ENTRY,),
    rows=None,
    present=None,
    recipe=RECIPE,
    digest=lambda path: "same",
    altered=lambda made: False,
    **options,
):
    rows = {"a.jpg": ROW} if rows is None else rows
    present = PRESENT if present is None else present
    entries = Entries(entries).sorted()
    outputs = Outputs(entries, recipe)
    probes = FileProbes(lambda paths: [*map(present.get, paths)], digest, altered)
    return make_plan(entries, rows, outputs, FINGERPRINTS, probes, **options)


def by(**changes):
    """The image as another fingerprints made it."""
    return ROW._replace(fingerprints=FINGERPRINTS._replace(**changes))


def of(*paths):
    """The image with its outputs under these names."""
    return ROW._replace(files=tuple(FILE._replace(path=path) for path in paths))


def failed(reason, **changes):
    return ROW._replace(status="failed", reason=reason, files=(), **changes)


def test_an_image_that_did_not_change_is_kept():
    plan = plan_of()
    assert (plan.to_render, plan.keep, plan.remove, plan.orphans) == ([], 1, [], [])
    assert (plan.renames, plan.passed_on, plan.in_the_way) == (False, set(), [])


@pytest.mark.parametrize(
    ("entries", "rows", "is_first", "is_empty"),
    [
        ([ENTRY], {}, True, False),
        ([ENTRY], {"gone.jpg": of("gone.jpg")}, False, False),
        ([ENTRY, ENTRY._replace(path="b.jpg")], {"a.jpg": ROW}, False, False),
        ([ENTRY], {"a.jpg": ROW}, False, True),
        ([], {"a.jpg": ROW}, False, False),
    ],
    ids=["new", "new and gone", "new and kept", "kept", "gone"],
)
def test_a_plan_is_the_first_one_or_empty_only_as_a_whole(entries, rows, is_first, is_empty):
    plan = plan_of(entries, rows)
    assert (plan.is_first, plan.is_empty) == (is_first, is_empty)


def test_a_shard_makes_and_keeps_its_own_images_alone():
    entries = [ENTRY._replace(path=f"{number}.jpg") for number in range(9)]
    rows = {e.path: by(code="other")._replace(files=of(e.path).files) for e in entries[:6]}
    present = dict.fromkeys(rows, 40)
    for shard in all_of(2):
        own = [entry for entry in entries if shard.owns(entry.path)]
        assert 0 < len(own) < 9
        assert plan_of(entries, rows, present, shard=shard).to_render == own
        kept = {path: of(path) for path in rows}
        plan = plan_of(entries, kept, present, shard=shard)
        assert plan.keep == sum(entry.path in kept for entry in own)


@pytest.mark.parametrize(("earlier", "other"), [("B.JPG", "b.jpg/x.jpg"), ("B.JPG/y.jpg", "b.jpg")])
def test_an_earlier_output_is_in_the_way_of_a_folder_that_a_file_system_takes_for_it(
    earlier, other
):
    plan = plan_of([ENTRY, ENTRY._replace(path=other)], {"a.jpg": of(earlier)})
    assert plan.in_the_way == [("a.jpg", earlier)]


@pytest.mark.parametrize(
    ("reason", "row", "present"),
    [
        ("new", None, PRESENT),
        ("recipe changed", by(recipe="other"), PRESENT),
        ("code changed", by(code="other"), PRESENT),
        ("source changed", ROW._replace(bytes_in=99), PRESENT),
        ("source changed", ROW._replace(mtime_ns=4, digest="other"), PRESENT),
        ("source changed", ROW._replace(changed_ns=4, digest="other"), PRESENT),
        ("output missing", ROW, {}),
        ("output altered", ROW, {"a.jpg": 39}),
        ("name changed", of("old.jpg"), PRESENT),
        ("failed before", failed("vanished"), {}),
        ("failed before", failed("unreadable"), {}),
        ("failed before", failed("write_failed"), {}),
        ("source changed", failed("corrupt", bytes_in=99), {}),
        ("code changed", failed("corrupt", fingerprints=FINGERPRINTS._replace(code="other")), {}),
    ],
)
def test_an_image_is_made_where(reason, row, present):
    plan = plan_of(rows={} if row is None else {"a.jpg": row}, present=present)
    assert dict(plan.reasons) == {reason: 1}
    assert plan.to_render == [ENTRY]


@pytest.mark.parametrize("reason", ["corrupt", "truncated", "not_an_image", "step_failed"])
def test_an_image_that_failed_by_its_own_fault_is_not_tried_again(reason):
    assert plan_of(rows={"a.jpg": failed(reason)}, present={}).keep == 1


@pytest.mark.parametrize("time", ["mtime_ns", "changed_ns"])
def test_a_touched_image_is_kept_and_its_new_times_are_recorded(time):
    plan = plan_of(rows={"a.jpg": ROW._replace(**{time: 4})})
    assert (plan.keep, plan.touched) == (1, [("a.jpg", 5, 6)])


def test_a_digest_is_computed_only_if_nothing_but_a_time_changed():
    asked = []
    same, changed = ENTRY._replace(path="same.jpg"), ENTRY._replace(path="changed.jpg")
    rows = {
        "a.jpg": ROW._replace(mtime_ns=4),
        "replaced.jpg": of("replaced.jpg")._replace(changed_ns=4),
        "same.jpg": of("same.jpg"),
        "changed.jpg": of("changed.jpg")._replace(bytes_in=1, mtime_ns=4, changed_ns=4),
    }
    present = dict.fromkeys(rows, 40)
    entries = [ENTRY, same, changed, ENTRY._replace(path="replaced.jpg")]
    plan_of(entries, rows, present, digest=lambda path: asked.append(path) or "same")
    assert asked == ["a.jpg", "replaced.jpg"]


def test_an_altered_output_is_made_again_if_outputs_are_checked():
    plan = plan_of(altered=lambda made: made == FILE)
    assert dict(plan.reasons) == {"output altered": 1}


def test_an_output_that_is_made_anyway_is_not_checked():
    def altered(made):
        raise AssertionError("was asked")

    assert plan_of(rows={"a.jpg": by(code="other")}, altered=altered).to_render == [ENTRY]


def test_failures_are_tried_again_for_listed_reasons():
    rows = {"a.jpg": failed("timed_out")}
    assert plan_of(rows=rows, present={}).keep == 1
    assert plan_of(rows=rows, present={}, retry=["timed_out"]).to_render == [ENTRY]


@pytest.mark.parametrize("reason", ["too_large", "unsupported", "timed_out", "out_of_memory"])
def test_an_image_refused_by_limits_is_tried_again_with_other_limits(reason):
    rows = {"a.jpg": failed(reason)}
    assert plan_of(rows=rows, present={}).keep == 1
    rows = {"a.jpg": failed(reason, fingerprints=FINGERPRINTS._replace(limits="other"))}
    assert dict(plan_of(rows=rows, present={}).reasons) == {"limits changed": 1}


@pytest.mark.parametrize(
    "reason", ["", "not_an_image", "corrupt", "truncated", "step_failed", "crashed"]
)
def test_other_limits_affect_no_other_image(reason):
    row = failed(reason) if reason else ROW
    rows = {"a.jpg": row._replace(fingerprints=FINGERPRINTS._replace(limits="other"))}
    assert plan_of(rows=rows).keep == 1


def test_an_image_whose_source_is_gone_is_removed_with_its_output():
    plan = plan_of(entries=[])
    assert (plan.remove, plan.orphans) == (["a.jpg"], ["a.jpg"])


def test_a_failed_image_whose_source_is_gone_leaves_no_output_to_remove():
    plan = plan_of(entries=[], rows={"a.jpg": failed("corrupt")}, present={})
    assert (plan.remove, plan.orphans) == (["a.jpg"], [])


def test_an_output_that_another_source_takes_over_is_not_removed():
    png = ENTRY._replace(path="a.png")
    plan = plan_of([ENTRY, png], {"a.png": ROW})
    assert [plan.outputs.of(entry) for entry in plan.to_render] == [("a.jpg",), ("a.png.jpg",)]
    assert dict(plan.reasons) == {"new": 1, "name changed": 1}
    assert (plan.orphans, plan.renames, plan.passed_on) == ([], True, {"a.jpg"})


def test_an_orphan_whose_name_another_source_takes_over_is_not_removed():
    """It is kept until its replacement is complete."""
    png = ENTRY._replace(path="a.png")
    plan = plan_of([png], {"a.jpg": ROW})
    assert plan.remove == ["a.jpg"]
    assert (plan.orphans, plan.passed_on) == ([], {"a.jpg"})


def test_another_suffix_renders_all_images_and_keeps_the_old_outputs_until_then():
    plan = plan_of(recipe=parse({"output": {"format": "png"}}))
    assert dict(plan.reasons) == {"name changed": 1}
    assert (plan.orphans, plan.renames, plan.passed_on) == ([], True, set())


TWO = parse({"outputs": [{"name": "a"}, {"name": "b", "sidecar": "json"}]})
FILES = (
    OutputFile("a", "a/a.jpg", 4, 3, 40, "bytes"),
    OutputFile("b", "b/a.jpg", 4, 3, 40, "bytes"),
    OutputFile("b.json", "b/a.jpg.json", 0, 0, 40, "bytes"),
)


def made_with(**recipes):
    """The image with outputs of earlier recipes."""
    earlier = {"a": "recipe", "b": "recipe", "b.json": "recipe", **recipes}
    first = FINGERPRINTS._replace(recipe=earlier["a"], outputs=earlier)
    return ROW._replace(files=FILES, fingerprints=first)


ALL = tuple(file.path for file in FILES)


@pytest.mark.parametrize(
    ("row", "outputs"),
    [
        (made_with(a="other"), ("a/a.jpg", "", "")),
        (made_with(**{"b": "other", "b.json": "other"}), ("", "b/a.jpg", "b/a.jpg.json")),
        (made_with(a="other")._replace(bytes_in=9), ALL),
        (made_with(a="other")._replace(mtime_ns=4, digest="other"), ALL),
        (made_with(**dict.fromkeys(TWO.variants, "other")), ALL),
    ],
    ids=["one", "one with a sidecar", "the source too", "the content too", "all"],
)
def test_of_several_outputs_those_that_the_recipe_changed_are_made(row, outputs):
    plan = plan_of(rows={"a.jpg": row}, present=dict.fromkeys(ALL, 40), recipe=TWO)
    assert plan.outputs.job(plan.to_render[0]).outputs == outputs
    assert plan.paths_of("a.jpg") == ALL
    assert plan.is_whole == (outputs == ALL)
    both = plan_of(
        [ENTRY, ENTRY._replace(path="b.jpg")], {"a.jpg": row}, dict.fromkeys(ALL, 40), TWO
    )
    made = [both.outputs.job(entry).outputs for entry in both.to_render]
    assert made == [outputs, ("a/b.jpg", "b/b.jpg", "b/b.jpg.json")]


def test_an_output_that_the_recipe_did_not_have_before_is_made():
    row = made_with()._replace(files=FILES[:1])
    plan = plan_of(rows={"a.jpg": row}, present={"a/a.jpg": 40}, recipe=TWO)
    assert (plan.to_render, plan.keep) == ([ENTRY], 0)


@pytest.mark.parametrize("size", [None, 39])
def test_an_image_that_lost_an_output_that_would_stay_is_made_as_a_whole(size):
    present = {"a/a.jpg": 40, "b/a.jpg": 40, "b/a.jpg.json": size}
    plan = plan_of(rows={"a.jpg": made_with(a="other")}, present=present, recipe=TWO)
    assert plan.outputs.job(ENTRY).outputs == ALL


def test_an_output_that_changes_anyway_is_not_looked_for():
    asked = []
    present = {"b/a.jpg": 40, "b/a.jpg.json": 40}
    outputs = Outputs(Entries([ENTRY]), TWO)
    probes = FileProbes(
        lambda paths: asked.extend(paths) or [*map(present.get, paths)],
        lambda path: "same",
        lambda made: False,
    )
    row = made_with(a="other")
    plan = make_plan(Entries([ENTRY]), {"a.jpg": row}, outputs, FINGERPRINTS, probes)
    assert dict(plan.reasons) == {"recipe changed": 1}
    assert asked == ["b/a.jpg", "b/a.jpg.json"]


def test_a_plan_names_only_the_outputs_that_it_makes():
    plan = plan_of(entries=[ENTRY, ENTRY._replace(path="b.png")])
    assert plan.paths_of("a.jpg") == ()
    assert plan.paths_of("b.png") == ("b.jpg",)
    assert plan.paths_of("missing.jpg") == ()
