"""The gathered results of shards equal those of one job."""

import contextlib
import shutil
import sqlite3

import pytest

from pixelmill.core.errors import TreeError, UserError
from pixelmill.core.locks import exclusive
from pixelmill.dataset import catalog, gather, ledger_backup, outputs_state
from pixelmill.dataset.ledger import Ledger, open_to_read
from pixelmill.dataset.shards import all_of, shard_of, shards_of
from pixelmill.report.timings import distributions
from tests.helpers.namesakes import name_outputs
from tests.helpers.sharding import COUNT, Tree


@pytest.mark.parametrize("count", [3])
def test_shards_make_the_same_bytes_and_tables_as_one_job(whole, fresh, count):
    made, done = fresh.divided(count)
    assert (sum(made), done.images, done.failed, done.is_full) == (COUNT, COUNT, 1, True)
    assert fresh.outputs() == whole.outputs()
    assert fresh.tables() == whole.tables()


def test_an_image_that_several_shards_have_to_know_is_gathered_once(whole, fresh):
    """One shard needs it for the name of its folder, which an output of another image could get."""
    known = "sub/a.jpg/0.jpg"
    count = next(n for n in range(2, 99) if len(shards_of(known, n)) > 1)
    made, done = fresh.divided(count)
    assert (sum(made), done.images, done.is_full) == (COUNT, COUNT, True)
    assert [row["path"] for row in fresh.rows("catalog.csv")].count(known) == 1
    assert fresh.tables() == whole.tables()


def test_gathered_passes_tell_what_all_shards_did_since(fresh, picture):
    fresh.divided(3)
    timing = fresh.timing()
    assert timing["last_pass"] == timing["last_full_pass"]
    assert timing["last_pass"]["images"] == COUNT
    assert timing["last_pass"]["catalog"] == catalog.scan(str(fresh.source))[0].digest()
    picture(60).save(fresh.source / "new.jpg")
    fresh.divided(3)
    again = fresh.timing()
    assert again["last_pass"]["images"] == 1
    assert again["last_full_pass"] == timing["last_full_pass"]


def test_seconds_of_shards_are_summed(fresh):
    passes = [fresh.process(shard=shard) for shard in all_of(3)]
    done = fresh.gather(3)
    assert done.seconds == pytest.approx(sum(one.seconds for one in passes))
    assert done.bytes_out == sum(one.bytes_out for one in passes)


def test_without_any_work_nothing_is_exported(in_shards):
    tree = in_shards(3)
    before = tree.timing()
    assert tree.gather(3) is None
    assert tree.timing() == before


def test_the_report_has_the_times_of_all_images(in_shards):
    tree = in_shards(3)
    found = distributions(str(tree.target))
    assert found["images"] == COUNT - 1
    (worker,) = found["workers"]
    assert worker["images"] == COUNT


def test_only_the_shard_of_a_new_image_makes_something(in_shards, picture):
    tree = in_shards(2)
    picture(60).save(tree.source / "new.jpg")
    made, _ = tree.divided(2)
    assert made[shard_of("new.jpg", 2) - 1] == sum(made) == 1


def test_removing_an_image_removes_its_output_and_empty_folders(in_shards):
    tree = in_shards(2)
    shutil.rmtree(tree.source / "sub")
    for shard in all_of(2):
        tree.process(shard=shard)
    assert [*(tree.images / "sub").iterdir()]  # other shards may be about to write into its folders
    tree.gather(2)
    assert not (tree.images / "sub").exists()
    assert {row["source"] for row in tree.rows()} == {
        entry.path for entry in catalog.scan(str(tree.source))[0].entries
    }


def test_a_name_passes_to_another_image_of_the_shard(in_shards):
    tree = in_shards(2)
    (tree.source / "0.jpg").unlink()
    (tree.source / "0.jpg.gif").unlink()
    made, _ = tree.divided(2)
    assert sum(made) == 1
    assert {row["output"] for row in tree.rows() if row["source"] == "0.png"} == {"0.jpg"}


def test_temporaries_and_other_divisions_are_removed_if_no_shard_is_running(in_shards):
    tree = in_shards(2)
    left = tree.images / "sub/.pixelmill-1f-2e-3d4c.tmp"
    left.write_bytes(b"half")
    tree.process(shard=all_of(2)[0])
    assert left.exists()  # the other one may be using it
    (tree.target / "shards/1-of-3").mkdir()
    (tree.target / "shards/1-of-3/ledger.sqlite").touch()
    tree.gather(2)
    assert not left.exists()
    assert {path.name for path in (tree.target / "shards").iterdir()} == {"1-of-2", "2-of-2"}


@pytest.mark.parametrize("folder", ["shards", "shards/2-of-2"])
def test_nothing_is_gathered_or_changed_through_a_link(in_shards, tmp_path, folder):
    tree = in_shards(2)
    (tree.target / folder).rename(tmp_path / "elsewhere")
    (tree.target / folder).symlink_to(tmp_path / "elsewhere")

    def there():
        files = (tmp_path / "elsewhere").rglob("*.*")
        return {path: path.is_file() and path.read_bytes() for path in files}

    before = there()
    with pytest.raises(TreeError, match=f"{folder}' is a link"):
        tree.gather(2)
    assert there() == before != {}


@pytest.mark.slow
def test_a_tree_is_not_gathered_while_a_shard_is_running(in_shards):
    tree = in_shards(2)
    with exclusive(tree.target, together=True), pytest.raises(UserError, match="Another run"):
        tree.gather(2)


def test_names_that_were_made_to_collide_are_refused_and_not_lost(tmp_path, picture):
    """Such a name is not accidental: it contains a digest of another name."""
    tree = Tree(tmp_path)
    tree.source.mkdir()
    sources = ["0.gif", "0.gif.png", "0.jpg"]
    made_up = name_outputs(sources, ".jpg")["0.gif"].replace(".jpg", ".png")
    for number, name in enumerate([*sources, made_up]):
        picture(number).save(tree.source / name)
    count = next(n for n in range(2, 99) if shard_of(made_up, n) != shard_of("0.gif", n))
    with pytest.raises(UserError, match="have the same output; rename one"):
        tree.divided(count)


@pytest.mark.parametrize("damage", ["damaged", "missing"])
def test_a_shard_whose_ledger_has_a_backup_is_gathered_normally(fresh, whole, damage):
    for shard in all_of(3):
        fresh.process(shard=shard)
    path = fresh.target / "shards/2-of-3/ledger.sqlite"
    path.write_bytes(b"damaged") if damage == "damaged" else path.unlink()
    fresh.gather(3)
    assert fresh.tables() == whole.tables()
    for ledger in (path, fresh.target / "ledger.sqlite"):  # now that the outputs were looked at
        assert not ledger_backup.is_in_doubt(str(ledger))


def test_a_shard_whose_ledger_is_lost_is_made_again_before_it_is_gathered(fresh, whole):
    """Snakemake considers a shard finished if its manifest exists."""
    for shard in all_of(3):
        fresh.process(shard=shard)
    folder = fresh.target / "shards/2-of-3"
    for path in folder.glob("ledger.*"):
        path.write_bytes(b"damaged")
    with pytest.raises(UserError, match="shard 2-of-3 cannot be combined; process the shard again"):
        fresh.gather(3)
    assert not (folder / "manifest.csv").exists()
    fresh.process(shard=all_of(3)[1])
    fresh.gather(3)
    assert fresh.tables() == whole.tables()
    assert fresh.outputs() == whole.outputs()


def rows_of(tree):
    """All rows of the ledger of a tree."""
    with open_to_read(str(tree.target / "ledger.sqlite")) as ledger:
        return sorted(ledger.all_rows())


HOSTILE = {
    "view": "ALTER TABLE images RENAME TO i; CREATE VIEW images AS SELECT * FROM i",
    "trigger": "CREATE TRIGGER t AFTER INSERT ON images BEGIN DELETE FROM images; END",
    "table": "CREATE TABLE more (x TEXT)",
    "column": "ALTER TABLE images ADD COLUMN x TEXT",
    "computed": "ALTER TABLE images ADD COLUMN x TEXT AS (upper(source))",
    "version": "PRAGMA user_version = 0",
    "damage": "PRAGMA writable_schema = 1; UPDATE sqlite_master SET sql = 'CREATE TABLE'",
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_sealed_ledger_of_a_shard_with_other_tables_is_not_attached(in_shards, change):
    tree = in_shards(3)
    path = tree.target / "shards/2-of-3/ledger.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(change)
    ledger_backup.seal(str(path), in_doubt=False)
    before = rows_of(tree)
    with pytest.raises(UserError, match=r"2-of-3/ledger\.|shard 2-of-3 cannot be combined"):
        tree.gather(3)
    assert rows_of(tree) == before


def test_a_ledger_of_a_shard_that_is_a_link_is_not_attached(in_shards, tmp_path):
    tree = in_shards(2)
    for path in (tree.target / "shards/2-of-2").glob("ledger.*sqlite"):
        path.rename(tmp_path / path.name)
        path.symlink_to(tmp_path / path.name)
    before = {path: path.read_bytes() for path in tmp_path.glob("ledger.*")}
    with pytest.raises(UserError, match="shard 2-of-2 cannot be combined"):
        tree.gather(2)
    assert {path: path.read_bytes() for path in tmp_path.glob("ledger.*")} == before != {}


def test_ledgers_of_an_earlier_version_are_gathered(in_shards):
    tree = in_shards(3)
    tables = tree.tables()
    for path in tree.target.glob("shards/*/ledger.sqlite"):
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.executescript("ALTER TABLE images DROP COLUMN facts; PRAGMA user_version = 7")
        for name in ("ledger.check.json", "ledger.backup.sqlite"):
            (path.parent / name).unlink()
    tree.gather(3)
    assert tree.tables() == tables


@pytest.mark.parametrize("shards", [1, 3, 5])
def test_after_gathering_was_killed_nothing_is_made_again(in_shards, monkeypatch, shards):
    """Even if there was no ledger of the tree, so that it has the rows of the first shard only."""
    tree = in_shards(3)
    tables = tree.tables()
    for path in tree.target.glob("ledger.*"):
        path.unlink()

    def killed(self, other):
        if "1-of-3" not in other._path:
            raise KeyboardInterrupt
        return adopt_from(self, other)

    with monkeypatch.context() as changed:
        adopt_from = Ledger.adopt_from
        changed.setattr(Ledger, "adopt_from", killed)
        with pytest.raises(KeyboardInterrupt):
            tree.gather(3)
    if shards == 1:
        assert tree.process().images == 0
    else:
        assert tree.divided(shards)[0] == [0] * shards
    assert tree.tables() == tables


def spoil(path, page):
    """Overwrite a page of a database."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        (size,) = database.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)


@pytest.mark.parametrize("kind", ["table", "index"])
def test_a_shard_whose_sealed_ledger_proves_to_be_damaged_is_named_and_nothing_is_lost(
    in_shards, kind
):
    tree = in_shards(3)
    path = tree.target / "shards/2-of-3/ledger.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as database:
        query = "SELECT rootpage FROM sqlite_master WHERE type = ? AND tbl_name = 'images'"
        (page,) = database.execute(query, (kind,)).fetchone()
    spoil(path, page)
    ledger_backup.seal(str(path), in_doubt=False)
    before = rows_of(tree)
    with pytest.raises(UserError, match=r"2-of-3/ledger\.sqlite' is damaged or missing"):
        tree.gather(3)
    assert rows_of(tree) == before
    assert not (path.parent / "manifest.csv").exists()


@pytest.fixture
def conditions(monkeypatch):
    """Function that sets the condition in which the ledger of the second shard is found."""
    usual = gather.readable

    def set_to(**condition):
        def readable(path):
            found = usual(path)
            return found._replace(**condition) if "2-of-3" in path else found

        monkeypatch.setattr(gather, "readable", readable)

    return set_to


def test_a_shard_whose_backup_lacks_its_last_images_is_not_gathered(fresh, conditions):
    for shard in all_of(3):
        fresh.process(shard=shard)
    conditions(lost=True)
    with pytest.raises(UserError, match="results of shard 2-of-3 cannot be combined"):
        fresh.gather(3)


@pytest.mark.parametrize("in_doubt", [True, False])
def test_doubt_about_a_shard_is_doubt_about_the_whole(fresh, conditions, in_doubt):
    """What belongs to no image is then moved away, and everything that is left is known."""
    for shard in all_of(3):
        fresh.process(shard=shard)
    (fresh.images / "my").mkdir()
    (fresh.images / "my/own.jpg").write_bytes(b"mine")
    conditions(in_doubt=in_doubt)
    fresh.gather(3)
    assert (fresh.images / "my/own.jpg").exists() != in_doubt
    assert (fresh.images / "my").exists() != in_doubt
    assert (fresh.target / "unclaimed/my/own.jpg").exists() == in_doubt
    assert not ledger_backup.is_in_doubt(str(fresh.target / "ledger.sqlite"))


def test_the_outputs_are_recorded_with_the_token_of_the_workflow_once_all_are_gathered(fresh):
    """A shard knows only its own."""
    for shard in all_of(2):
        fresh.process(shard=shard, token="first")
        assert not (fresh.target / outputs_state.NAME).exists()
    fresh.gather(2, "first")
    assert outputs_state.token(str(fresh.target)) == "first"


def test_the_libraries_that_rendered_the_images_are_gathered_too(in_shards):
    tree = in_shards(3)
    with Ledger(str(tree.target / "ledger.sqlite")) as ledger:
        (code,) = ledger.codes()
        assert ledger.software_of(code)["Pillow"]


def test_a_damaged_ledger_of_the_whole_is_made_from_those_of_the_shards(in_shards):
    tree = in_shards(3)
    tables = tree.tables()
    for path in tree.target.glob("ledger.*"):
        path.write_bytes(b"damaged")
    tree.gather(3)
    assert tree.tables() == tables
