"""The ledger records every image and every pass, and survives crashes and damage."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pixelmill.core.errors import UserError
from pixelmill.core.jobs import Batch, BusyInterval, Job
from pixelmill.dataset.ledger import VERSION, Fingerprints, Ledger, Measured, open_to_read
from pixelmill.dataset.ledger_tables import fault_in
from pixelmill.dataset.passes import Pass
from pixelmill.imaging.recipe_parser import parse
from pixelmill.imaging.renderer import Renderer

RECIPE = parse({"steps": [{"resize": {"width": 16, "height": 12}}]})

FINGERPRINTS = Fingerprints(recipe="recipe", code="code", limits="limits")

PASS = Pass(
    is_full=True,
    engine="threads",
    workers=2,
    seconds=1.5,
    startup_seconds=0.5,
    images=10,
    failed=1,
    bytes_in=100,
    bytes_out=50,
    megapixels_in=0.25,
    catalog="catalog",
    recipe="recipe",
    code="code",
    machine="machine",
)

HOSTILE = ["two\nlines.jpg", "caf\udce9.jpg", "back\\slash.jpg", "line\u2028end.jpg", 'quo"te,.jpg']


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, photos):
    """The outcomes of an image that succeeded and of one that failed."""
    folder = tmp_path_factory.mktemp("rendered")
    photos(folder / "in", 1)
    (folder / "in/broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    (folder / "out").mkdir()
    renderer = Renderer(str(folder / "in"), str(folder / "out"), RECIPE)
    return renderer(Batch([Job("0.jpg", ("0.jpg",)), Job("broken.jpg", ("broken.jpg",))]))


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "tree" / "ledger.sqlite")


@pytest.fixture
def ledger(path):
    with Ledger(path) as opened:
        yield opened


def renamed(outcome, name):
    made = tuple(made._replace(path=name) for made in outcome.files)
    return outcome._replace(source=name, files=made)


def test_a_fresh_ledger_is_empty_and_its_folder_is_made(ledger):
    assert (ledger.rows(), list(ledger.manifest()), list(ledger.failures())) == ({}, [], [])
    assert ledger.last_pass() is None
    assert ledger.seconds_per_image(FINGERPRINTS) is None


def test_what_was_recorded_is_known_to_the_next_process(path, outcomes):
    with Ledger(path) as first:
        first.record(outcomes, FINGERPRINTS)
    with Ledger(path) as second:
        rows = dict(second.rows())
    good, bad = outcomes
    assert rows["0.jpg"].digest == good.digest
    assert (rows["0.jpg"].status, rows["0.jpg"].files) == ("ok", good.files)
    assert (rows["0.jpg"].bytes_in, rows["0.jpg"].mtime_ns) == (good.bytes_in, good.mtime_ns)
    assert rows["0.jpg"].fingerprints == FINGERPRINTS
    assert (rows["broken.jpg"].status, rows["broken.jpg"].files) == ("failed", ())
    assert rows["broken.jpg"].reason == bad.reason


def test_an_image_recorded_again_has_one_row(ledger, outcomes):
    ledger.record(outcomes, FINGERPRINTS)
    ledger.record(outcomes, FINGERPRINTS._replace(code="new code"))
    assert {row.fingerprints.code for row in ledger.rows().values()} == {"new code"}
    assert len(list(ledger.manifest())) == 2


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_every_name_is_read_back_as_written(ledger, outcomes, name):
    ledger.record([renamed(outcomes[0], name)], FINGERPRINTS)
    assert [made.path for made in ledger.rows()[name].files] == [name]
    ledger.touch([(name, 77, 88)])
    assert ledger.rows()[name][3:5] == (77, 88)
    ledger.forget([name])
    assert ledger.rows() == {}


def test_every_message_can_be_recorded(ledger, outcomes):
    ledger.record([outcomes[1]._replace(message="two\nlines, caf\udce9")], FINGERPRINTS)
    ((_, _, _, message),) = ledger.failures()
    message.encode()  # must be fit for a file
    assert "\n" not in message


def test_the_manifest_is_sorted_and_does_not_depend_on_order_or_time(tmp_path, outcomes):
    names = ["b.jpg", "a/z.jpg", "a.jpg", "B.jpg"]
    tables = []
    for number, order in enumerate((names, names[::-1])):
        with Ledger(str(tmp_path / f"{number}.sqlite")) as ledger:
            for name in order:
                late = renamed(outcomes[0], name)._replace(mtime_ns=number)
                ledger.record([late], FINGERPRINTS)
            tables.append(list(ledger.manifest()))
    assert tables[0] == tables[1]
    assert [row[0] for row in tables[0]] == sorted(names)


def test_a_row_of_the_manifest_has_size_and_digest_of_the_output(ledger, outcomes):
    ledger.record(outcomes, FINGERPRINTS)
    good, bad = outcomes
    assert list(ledger.manifest()) == [
        ("0.jpg", "", "0.jpg", "ok", "", 16, 12, good.files[0].sha256),
        ("broken.jpg", "", "", "failed", bad.reason, 0, 0, ""),
    ]


def test_failures_have_stage_reason_and_message(ledger, outcomes):
    ledger.record(outcomes, FINGERPRINTS)
    bad = outcomes[1]
    assert list(ledger.failures()) == [("broken.jpg", "decode", bad.reason, bad.message)]


def test_a_failed_image_that_kept_several_outputs_is_listed_once(ledger, outcomes):
    good, bad = outcomes
    kept = tuple(good.files[0]._replace(variant=name, path=name) for name in "ab")
    ledger.record([bad._replace(files=kept)], FINGERPRINTS)
    assert [row[0] for row in ledger.failures()] == ["broken.jpg"]
    assert len(list(ledger.manifest())) == 2


def test_failures_are_found_without_reading_all_images(ledger, path):
    ledger.record([], FINGERPRINTS)
    database = sqlite3.connect(path)
    query = "EXPLAIN QUERY PLAN SELECT message FROM images WHERE status = 'failed'"
    assert "USING INDEX failures" in str(database.execute(query).fetchall())
    database.close()


def test_the_last_pass_and_the_last_full_pass_are_distinguished(ledger):
    part = PASS._replace(is_full=False, images=1)
    ledger.add_pass(PASS._replace(images=9))
    ledger.add_pass(PASS)
    ledger.add_pass(part)
    assert ledger.last_pass() == part
    assert ledger.last_full_pass() == PASS


def test_without_a_full_pass_there_is_no_last_full_pass(ledger):
    ledger.add_pass(PASS._replace(is_full=False))
    assert ledger.last_full_pass() is None


def test_the_rate_is_that_of_this_recipe_and_code_and_of_images_that_went_well(ledger, outcomes):
    good, bad = outcomes
    slow = renamed(good, "slow.jpg")._replace(seconds=(1.0,) * 5, bytes_in=300)
    fast = good._replace(seconds=(0.2,) * 5, bytes_in=100)
    ledger.record([slow, fast, bad], FINGERPRINTS)
    ledger.record([renamed(good, "other.jpg")], FINGERPRINTS._replace(recipe="other recipe"))
    assert ledger.seconds_per_image(FINGERPRINTS) == pytest.approx(3.0)


def test_a_batch_is_recorded_completely_or_not_at_all(ledger, outcomes):
    unfit = renamed(outcomes[0], "unfit.jpg")._replace(bytes_in=object())
    with pytest.raises(sqlite3.Error):
        ledger.record([outcomes[0], unfit], FINGERPRINTS)
    assert ledger.rows() == {}


def test_a_damaged_ledger_is_set_aside_and_its_backup_takes_its_place(path, outcomes, tmp_path):
    with Ledger(path) as ledger:
        ledger.record(outcomes, FINGERPRINTS)
    damaged = tmp_path / "tree" / "ledger.sqlite"
    damaged.write_bytes(b"no database " * 1000)
    with Ledger(path) as ledger:
        assert set(ledger.rows()) == {"0.jpg", "broken.jpg"}
        assert ledger.in_doubt
    assert (tmp_path / "tree" / "ledger.sqlite.damaged").exists()


def test_a_ledger_stays_in_doubt_until_it_is_settled(path):
    with Ledger(path) as ledger:
        ledger.doubt()
    with Ledger(path) as ledger:
        assert ledger.in_doubt
        ledger.settle()
    with Ledger(path) as ledger:
        assert not ledger.in_doubt


def test_damage_found_while_reading_a_ledger_gives_one_sentence(path, outcomes):
    with Ledger(path) as ledger:
        many = [renamed(outcomes[0], f"{number}.jpg") for number in range(1000)]
        ledger.record(many, FINGERPRINTS)
    with pytest.raises(UserError, match="was damaged while it was in use"), Ledger(path) as ledger:
        size = Path(path).stat().st_size
        with open(path, "r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (size - 4096))
        list(ledger.rows().items())


def test_a_disk_that_cannot_be_written_is_reported_and_is_not_damage(path, outcomes):
    with Ledger(path) as ledger:
        ledger.record(outcomes, FINGERPRINTS)
    with (
        pytest.raises(UserError, match=r"cannot be written: .* full; free some space"),
        Ledger(path) as ledger,
    ):
        ledger._database.execute("PRAGMA max_page_count = 1")  # as few as it already has
        ledger.record([renamed(outcomes[0], "x" * 10**6)], FINGERPRINTS)
    with Ledger(path) as ledger:
        assert set(ledger.rows()) == {"0.jpg", "broken.jpg"}
    assert not os.path.exists(f"{path}.damaged")


def test_a_ledger_of_an_unknown_earlier_version_is_put_aside_not_misread(path, outcomes, tmp_path):
    with Ledger(path) as ledger:
        ledger.record(outcomes, FINGERPRINTS)
        ledger._database.execute("PRAGMA user_version = 2")
    with Ledger(path) as ledger:
        assert ledger.rows() == {}
    assert (tmp_path / "tree" / "ledger.sqlite.version-2").exists()


def test_a_ledger_of_a_newer_version_is_refused_in_a_sentence_that_says_what_to_do(path):
    with Ledger(path) as ledger:
        ledger._database.execute(f"PRAGMA user_version = {VERSION + 1}")
    for open_ledger in (Ledger, open_to_read):
        with (
            pytest.raises(UserError, match=rf"^The ledger '{path}' was .* newer .*; update pixel"),
            open_ledger(path),
        ):
            pass


def test_a_ledger_that_cannot_be_opened_gives_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"ledger '.*' cannot be opened"):
        Ledger(str(tmp_path / "file/ledger.sqlite"))


def test_the_ledger_uses_no_write_ahead_log(path, ledger):
    """A write-ahead log is not safe on network file systems."""
    ledger.add_pass(PASS)
    (mode,) = sqlite3.connect(path).execute("PRAGMA journal_mode").fetchone()
    assert mode != "wal"


KILLED = """
import os, sys
from pixelmill.dataset.ledger import Ledger

database = Ledger(sys.argv[1])._database
database.execute("PRAGMA cache_size = 1")  # what does not fit into it is written before the end
database.execute("BEGIN")
for number in range(1000):
    database.execute("REPLACE INTO makers VALUES (?, ?)", (str(number), "x" * 500))
os._exit(1)
"""


@pytest.mark.parametrize("read_only", [False, True], ids=["opened", "looked at"])
def test_a_ledger_of_a_killed_run_is_rolled_back(path, outcomes, repository, read_only):
    with Ledger(path) as ledger:
        ledger.record(outcomes, FINGERPRINTS)
    env = {**os.environ, "PYTHONPATH": str(repository / "scripts")}
    subprocess.run([sys.executable, "-c", KILLED, path], env=env, check=False)
    assert Path(f"{path}-journal").stat().st_size > 0
    with Ledger(path, read_only=read_only) as ledger:
        assert set(ledger.rows()) == {"0.jpg", "broken.jpg"}


def test_the_timeline_is_that_of_the_last_full_pass(ledger):
    stretches = [BusyInterval("b", 102.0, 103.5, 7), BusyInterval("a", 100.0, 101.0, 3)]
    ledger.add_pass(PASS, [BusyInterval("old", 1.0, 2.0, 1)])
    ledger.add_pass(PASS, stretches)
    ledger.add_pass(PASS._replace(is_full=False), [BusyInterval("part", 5.0, 6.0, 1)])
    assert ledger.timeline() == [(0, 0.0, 1.0, 3), (1, 2.0, 3.5, 7)]


@pytest.fixture
def timed(ledger, outcomes):
    """A ledger of two processed sources, one of them with two variants, and a failed one."""
    good, bad = outcomes
    several = good._replace(
        source="both",
        files=(good.files[0], good.files[0]._replace(variant="x")),
        seconds=(1.0,) * 5,
    )
    ledger.record([bad._replace(seconds=(9.0,) * 5), several], FINGERPRINTS)
    ledger.record([good._replace(seconds=(0.5,) * 5)], FINGERPRINTS)
    return ledger


def test_latencies_are_those_of_sources_the_slowest_first(timed, outcomes):
    good = outcomes[0]
    assert timed.latencies(10) == [("both", (1.0,) * 5), (good.source, (0.5,) * 5)]
    assert timed.latencies(1) == [("both", (1.0,) * 5)]


def test_what_took_and_saved_most_comes_first_and_equals_by_name(ledger, outcomes):
    good = outcomes[0]
    (made,) = good.files
    for name, seconds, before, after in (
        ("d", 1.0, 100, 90), ("b", 2.0, 100, 20), ("c", 2.0, 100, 20), ("a", 1.0, 100, 900),
    ):  # fmt: skip
        files = (made._replace(path=name, bytes=after),)
        ledger.record(
            [good._replace(source=name, files=files, bytes_in=before, seconds=(seconds,) * 5)],
            FINGERPRINTS,
        )
    assert [source for source, _ in ledger.latencies(10)] == ["b", "c", "a", "d"]
    for order, names in (("seconds", "bcad"), ("saved", "bcda")):
        assert [one.source for one in ledger.extremes(order, 4, 10**9)] == list(names)
        assert [one.source for one in ledger.extremes(order, 1, 10**9)] == ["b"]
        assert ledger.extremes(order, 4, good.pixels_in - 1) == []


def test_durations_and_their_means_count_a_source_once_and_no_failure(timed):
    assert sorted(timed.durations()) == [2.5, 5.0]
    assert timed.stage_means() == (0.75,) * 5


def test_without_images_there_are_no_means(ledger):
    assert ledger.stage_means() == ()
    assert ledger.extent(10**9) == (0, 0.0)


def test_examples_are_evenly_spread_and_not_too_large(ledger, outcomes):
    good = outcomes[0]
    ledger.record([good._replace(source=f"{k}", pixels_in=k) for k in range(10)], FINGERPRINTS)
    assert ledger.extent(7) == (8, 3.5)
    assert [example.source for example in ledger.sample(3, 7)] == ["0", "3", "6"]


def test_the_example_of_a_source_with_variants_is_the_first(timed):
    (example,) = (e for e in timed.sample(1, 10**9) if e.source == "both")
    assert example.output == timed.rows()["both"].files[0].path


def test_reading_a_ledger_changes_nothing(path, outcomes):
    with Ledger(path) as ledger:
        ledger.record(outcomes, FINGERPRINTS)
    before = os.stat(path).st_mtime_ns
    with Ledger(path, read_only=True) as ledger:
        assert len(ledger.rows()) == 2
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            ledger.add_pass(PASS)
    assert os.stat(path).st_mtime_ns == before


def test_the_libraries_behind_a_fingerprint_are_remembered(ledger):
    ledger.note_software("code", {"Pillow": "13.0"})
    assert ledger.software_of("code") == {"Pillow": "13.0"}
    assert ledger.software_of("never noted") == {}


def test_the_cost_of_an_image_is_that_of_all_its_outputs(ledger, outcomes):
    """One of 200 and 300 bytes, one of 700, and one that failed."""
    good, bad = outcomes
    first, second, alone = (
        good.files[0]._replace(variant=name, bytes=size)
        for name, size in (("a", 200), ("b", 300), ("a", 700))
    )
    ledger.record(
        [good._replace(source="two", files=(first, second), seconds=(1.0,) * 5)], FINGERPRINTS
    )
    ledger.record(
        [good._replace(source="one", files=(alone,), seconds=(1.0,) * 5), bad], FINGERPRINTS
    )
    assert ledger.cost() == (5.0, 600.0)
    assert ledger.sizes() == (2 * good.bytes_in, 1200)


def test_without_images_the_cost_is_unknown(ledger, outcomes):
    assert ledger.cost() == ledger.sizes() == (0, 0)
    ledger.record(outcomes[1:], FINGERPRINTS)
    assert ledger.cost() == ledger.sizes() == (0, 0)


def test_rows_of_another_ledger_are_added(ledger, outcomes, tmp_path):
    good, bad = outcomes
    with Ledger(str(tmp_path / "other.sqlite")) as other:
        other.record([renamed(good, "other.jpg")], FINGERPRINTS)
        rows = list(other.all_rows())
    ledger.record([bad], FINGERPRINTS)
    ledger.adopt(rows)
    assert set(ledger.rows()) == {"broken.jpg", "other.jpg"}


@pytest.fixture
def opened(path, outcomes, tmp_path):
    """Function that records a good and a bad image each in ledgers, and opens them to be read."""
    good, bad = outcomes

    def written(name):
        with Ledger(str(tmp_path / name)) as other:
            other.record([renamed(good, f"{name}.jpg"), renamed(bad, f"{name}-bad")], FINGERPRINTS)
        return str(tmp_path / name)

    with contextlib.ExitStack() as held:
        yield lambda *names: [
            held.enter_context(Ledger(written(name), read_only=True)) for name in names
        ]


def test_rows_of_other_ledgers_replace_those_of_the_same_images(ledger, outcomes, opened):
    """SQLite attaches at most ten of them at once."""
    others = opened(*(f"{number}.sqlite" for number in range(23)))
    rows = [row for other in others for row in other.all_rows()]
    older = renamed(outcomes[0], "3.sqlite.jpg")._replace(bytes_in=1)
    ledger.record([outcomes[0], older], FINGERPRINTS)
    for given in (others, reversed(others)):
        assert [ledger.adopt_from(other) for other in given] == [2] * 23
        assert sorted(set(ledger.all_rows()) - set(rows)) == sorted(
            row for row in ledger.all_rows() if row[0] == outcomes[0].source
        )
    assert ledger.count_rows() == len(rows) + 1
    ledger.forget_all_but(others)
    assert sorted(ledger.all_rows()) == sorted(rows)
    ledger.forget_all_but([])
    assert not ledger.rows()


ODD_PATHS = ["it's", 'quo"te', "a?mode=rwc", "a#b", "a%41", "file:a", "two\nlines", "caf\udce9"]


@pytest.mark.skipif(os.name == "nt", reason="Windows allows few of these characters")
@pytest.mark.parametrize("name", ODD_PATHS, ids=ascii)
@pytest.mark.parametrize("suffix", ["", ".backup"], ids=["ledger", "backup"])
def test_a_ledger_at_any_path_is_adopted_and_not_changed(ledger, opened, tmp_path, name, suffix):
    (tmp_path / name).mkdir()
    opened(f"{name}/other.sqlite")
    path = tmp_path / f"{name}/other{suffix}.sqlite"
    before = path.read_bytes(), sorted(path.parent.iterdir())
    with Ledger(str(path), read_only=True) as other:
        rows = list(other.all_rows())
        ledger.adopt_from(other)
    assert sorted(ledger.all_rows()) == sorted(rows) != []
    assert (path.read_bytes(), sorted(path.parent.iterdir())) == before


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no such name")
def test_the_path_of_a_ledger_is_never_taken_for_a_uri(tmp_path, outcomes, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Ledger("file:a?mode=memory") as ledger:
        ledger.record(outcomes, FINGERPRINTS)
    assert (tmp_path / "file:a?mode=memory").stat().st_size > 0


@pytest.mark.skipif(os.name == "nt", reason="Windows resolves .. before links")
def test_a_path_through_a_link_and_up_again_leads_where_the_system_says(tmp_path, outcomes):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a/b")
    with Ledger(str(tmp_path / "link/../ledger.sqlite")) as ledger:
        ledger.record(outcomes, FINGERPRINTS)
    assert (tmp_path / "a/ledger.sqlite").stat().st_size > 0
    assert not (tmp_path / "ledger.sqlite").exists()


def test_a_ledger_with_a_trigger_or_a_view_is_not_current(path, outcomes):
    with Ledger(path) as ledger:
        assert ledger.is_current
        ledger.record(outcomes, FINGERPRINTS)
        ledger._database.execute("CREATE VIEW others AS SELECT * FROM images")
        assert not ledger.is_current


def test_passes_are_read_back_with_the_times_of_their_workers(ledger):
    part = PASS._replace(is_full=False, images=3)
    ledger.add_pass(PASS, [BusyInterval("b", 102.0, 103.5, 7), BusyInterval("a", 100.0, 101.0, 3)])
    ledger.add_pass(part)
    assert list(ledger.passes()) == [
        (PASS, [BusyInterval("0", 0.0, 1.0, 3), BusyInterval("1", 2.0, 3.5, 7)]),
        (part, []),
    ]
    ledger.forget_passes()
    assert list(ledger.passes()) == []
    ledger.add_pass(part)  # gets the number of the first
    assert list(ledger.passes()) == [(part, [])]


def test_of_earlier_full_passes_only_the_sums_are_kept(ledger):
    busy = BusyInterval("0", 0.0, 1.0, 3)
    for _ in range(2):
        ledger.add_pass(PASS, [busy])
    assert list(ledger.passes()) == [(PASS, []), (PASS, [busy])]


def test_a_reader_of_a_ledger_learns_that_it_is_in_doubt(path, outcomes):
    with Ledger(path) as ledger:
        ledger.record(outcomes, FINGERPRINTS)
    with open_to_read(path) as ledger:
        assert not ledger.in_doubt
    with Ledger(path) as ledger:
        ledger.doubt()
    with open_to_read(path) as ledger:
        assert ledger.in_doubt


def test_what_was_measured_is_returned_in_order_with_what_failed(ledger, outcomes):
    made, failed = outcomes
    measured = made._replace(files=(), facts='{"width": 4}')
    ledger.record([failed, measured], FINGERPRINTS)
    assert list(ledger.facts()) == [
        Measured("0.jpg", "", made.bytes_in, made.digest, '{"width": 4}'),
        Measured("broken.jpg", failed.reason, failed.bytes_in, failed.digest, ""),
    ]
    assert fault_in(ledger._database) == ""


@pytest.mark.parametrize("facts", ["", "[1]", "no"])
def test_an_image_without_output_and_facts_is_a_fault_of_the_ledger(ledger, outcomes, facts):
    ledger.record([outcomes[0]._replace(files=(), facts=facts)], FINGERPRINTS)
    assert fault_in(ledger._database) == "the table images holds impossible values"


def test_two_sources_with_one_output_are_found_and_failures_share_nothing(ledger, outcomes):
    made, failed = outcomes
    ledger.record([made, failed, failed._replace(source="another.jpg")], FINGERPRINTS)
    assert ledger.shared_output() is None
    ledger.record([made._replace(source="1.jpg")], FINGERPRINTS)
    assert ledger.shared_output() == ("0.jpg", "1.jpg")


def test_an_output_is_moved_to_any_name_and_that_of_another_source_is_not(ledger, outcomes):
    good = outcomes[0]
    names = [r"x\u000ay.jpg", "two\nlines.jpg", "caf\udce9.jpg"]
    ledger.record([renamed(good, str(n)) for n in range(4)], FINGERPRINTS)
    moves = [(str(number), str(number), name) for number, name in enumerate(names)]
    ledger.move_outputs([*moves, ("3", "0", "not its own")])
    assert sorted(ledger.outputs()) == sorted([*names, "3"])
    assert ledger.rows()["0"].files[0].path == names[0]
