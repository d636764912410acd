"""Images that stay as they are found many at a time, and plans are the same as one by one."""

import random

import pytest

from pixelmill.core.jobs import STAGES, Outcome, OutputFile
from pixelmill.core.reasons import SOURCE_UNKNOWN
from pixelmill.dataset import ledger_rows
from pixelmill.dataset.entries import Entries, Entry
from pixelmill.dataset.ledger import Ledger
from pixelmill.dataset.ledger_rows import Fingerprints
from pixelmill.dataset.output_names import Outputs
from pixelmill.dataset.plan import FileProbes, make_plan
from pixelmill.imaging.recipe_parser import parse

RECIPES = {
    "plain": parse({}),
    "same format": parse({"output": {"format": "same"}}),
    "template": parse({"output": {"path": "{folder}/{stem}-x.{ext}"}}),
    "named": parse({"outputs": [{"name": "web", "format": "webp"}]}),
}
NOW = Fingerprints("recipe", "code", "limits")
OLD = (NOW._replace(recipe="other"), NOW._replace(code="other"), NOW._replace(limits="other"))

#: A source could not be read, so that its earlier output stays.
KEPT = sorted(SOURCE_UNKNOWN)[0]

NAMES = [
    "{}.jpg",
    "{}.PNG",
    "sub/{}.jpg",
    "Sub/{}.gif",
    "{}",
    "a\nb/{}.jpg",
    "\\{}.jpg",
    "é/{}.jpg",
]


def entry(draw, number):
    path = draw.choice(NAMES).format(f"{number // 2:04}" + draw.choice(["", "x", ".jpg"]))
    return Entry(path, draw.randrange(9), draw.randrange(9), "jpeg", 4, 3, draw.randrange(9))


def outcome(draw, one, paths, variants):
    files = tuple(
        OutputFile(variant, path, 4, 3, draw.randrange(5), "0" * 64)
        for variant, path in zip(variants, paths, strict=True)
    )
    return Outcome(
        one.path, files, "ok", "", "", "", one.bytes, one.mtime_ns, "0" * 32, 12,
        (0.0,) * len(STAGES), one.changed_ns,
    )  # fmt: skip


def altered(draw, one, made, rate):
    """What the ledger knows of an image, or what it knew of an earlier one."""
    if draw.random() >= rate:
        return made
    file = made.files[0]
    return draw.choice(
        [
            made._replace(bytes_in=one.bytes + 1),
            made._replace(mtime_ns=one.mtime_ns + 1),
            made._replace(changed_ns=one.changed_ns + 1),
            made._replace(digest="1" * 32, mtime_ns=one.mtime_ns + 1),
            made._replace(files=(file._replace(path=f"other/{file.path}"),)),
            made._replace(files=(file._replace(variant="more"),)),
            made._replace(files=(file, file._replace(variant="more", path=f"more/{file.path}"))),
            made._replace(files=(file._replace(note="source_kept"),)),
            made._replace(status="failed", stage="decode", reason="corrupt", files=()),
            made._replace(status="failed", stage="decode", reason="timed_out", files=()),
            made._replace(status="failed", stage="read", reason=KEPT),
        ]
    )


@pytest.fixture(params=[1000, 5], ids=["whole", "short runs"])
def runs(request, monkeypatch):
    monkeypatch.setattr(ledger_rows, "_MOST_IN_RUN", request.param)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("rate", [0.0, 0.02, 0.5, 1.0])
def test_a_plan_is_the_same_as_image_by_image(name, rate, tmp_path, runs):
    draw, recipe = random.Random(f"{name} {rate}"), RECIPES[name]
    known = Entries(entry(draw, number) for number in range(120)).sorted()
    outputs = Outputs(known, recipe)
    with Ledger(str(tmp_path / "ledger.sqlite")) as ledger:
        for one in known:
            made = outcome(draw, one, outputs.of(one), outputs.variants)
            by = draw.choice(OLD) if draw.random() < rate / 2 else NOW
            ledger.record([altered(draw, one, made, rate)], by)
        rows = dict(ledger.rows().items())
        sizes = {
            file.path: file.bytes
            for row in rows.values()
            for file in row.files
            if draw.random() >= rate / 5
        }
        kept = [one for one in known if draw.random() >= rate / 3]
        new = [entry(draw, number) for number in range(200) if draw.random() < rate / 3]
        entries = Entries([*new, *kept]).sorted()
        probes = FileProbes(lambda paths: [*map(sizes.get, paths)], lambda path: "0" * 32)
        found, expected = (
            make_plan(entries, some, Outputs(entries, recipe), NOW, probes)
            for some in (ledger.rows(), rows)
        )
    for field in ("reasons", "remove", "orphans", "renames", "passed_on", "in_the_way", "keep"):
        assert getattr(found, field) == getattr(expected, field), field
    assert found.to_render == expected.to_render
    assert found.touched == expected.touched
    assert [found.outputs.job(one) for one in found.to_render] == [
        expected.outputs.job(one) for one in expected.to_render
    ]
    assert expected.keep == len(known) or rate > 0


def test_rows_of_images_that_stay_are_not_read(tmp_path):
    recipe, draw = RECIPES["plain"], random.Random(1)
    entries = Entries(Entry(f"{n:04}.jpg", 1, 2, "jpeg", 4, 3, 3) for n in range(2500))
    outputs = Outputs(entries, recipe)
    with Ledger(str(tmp_path / "ledger.sqlite")) as ledger:
        ledger.record((outcome(draw, e, outputs.of(e), ("",)) for e in entries), NOW)
        rows = ledger.rows()
        read = []
        for source, _ in rows.items_but(
            "", NOW, lambda run: [s != "1700.jpg" for s in run.sources]
        ):
            read.append(source)
        assert read == ["1700.jpg"]
        assert [s for s, _ in rows.items_but("", NOW, lambda run: [False] * len(run.sources))] == [
            one.path for one in entries
        ]
