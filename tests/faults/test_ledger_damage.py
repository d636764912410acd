"""After any damage to the files of a ledger, the next pass leaves the tree as a clean run does."""

import os
import random
import shutil
import sqlite3
import stat

import pytest

from pixelmill.core.errors import TreeError, UserError
from pixelmill.imaging.recipe_parser import parse
from tests.helpers.passes import process_folder

SEED = 20261128

RESIZE = {"resize": {"width": 32, "height": 24}}

RECIPES = {
    "one output": parse({"steps": [RESIZE]}),
    "two outputs": parse(
        {
            "steps": [RESIZE],
            "outputs": [{"name": "a", "format": "jpeg"}, {"name": "b", "format": "png"}],
        }
    ),
}

#: Number of images that succeed, besides a broken one.
COUNT = 30

#: Files beside the ledger that a successful run leaves.
BACKUP, SEAL = "ledger.backup.sqlite", "ledger.check.json"


def overwrite(path, offset, content):
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


def noise(size, seed=SEED):
    return random.Random(seed).randbytes(size)


def run_sql(path, script):
    database = sqlite3.connect(path)
    database.executescript(script)
    database.close()


def truncated(size):
    def truncate(path):
        os.truncate(path, size if size >= 0 else path.stat().st_size + size)

    return truncate


def zeroed(offset, size):
    return lambda path: overwrite(path, offset, bytes(size))


def replaced(content):
    return lambda path: path.write_bytes(content)


def altered(script):
    return lambda path: run_sql(path, script.replace("{root}", str(path.parents[1])))


def flipped(seed):
    """Flip one bit at a random place."""

    def flip(path):
        content = bytearray(path.read_bytes())
        bit = random.Random(seed).randrange(len(content) * 8)
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)

    return flip


def scribbled(seed):
    """Overwrite a few bytes at a random place."""

    def scribble(path):
        place = random.Random(seed).randrange(path.stat().st_size - 64)
        overwrite(path, place, noise(64, seed))

    return scribble


def another_database(path):
    path.unlink()
    run_sql(path, "CREATE TABLE bookmarks (url TEXT); INSERT INTO bookmarks VALUES ('mine')")


def folder(path):
    path.unlink(missing_ok=True)
    (path / "sub").mkdir(parents=True)


def special(kind):
    """Replace the file with a pipe or a socket."""

    def make(path):
        if not hasattr(os, "mknod"):
            pytest.skip("the system makes no special files")
        path.unlink(missing_ok=True)
        os.mknod(path, kind | 0o600)

    return make


def removed(path):
    path.unlink(missing_ok=True)


#: Damage that is also found without a seal.
DAMAGES = {
    **{f"truncated to {size}": truncated(size) for size in (1, 50, 99, 100, 1000, 4096, 5000)},
    **{f"truncated by {size}": truncated(-size) for size in (1, 4096, 5000)},
    "header of zeros": zeroed(0, 100),
    "first page of zeros": zeroed(0, 4096),
    "second page of zeros": zeroed(4096, 4096),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "noise": lambda path: path.write_bytes(noise(path.stat().st_size)),
    "a page of noise": lambda path: overwrite(path, 4096, noise(4096)),
    "page size": lambda path: overwrite(path, 16, b"\3"),
    "write version": lambda path: overwrite(path, 18, b"\xff"),
    "read version": lambda path: overwrite(path, 19, b"\xff"),
    "payload fraction": lambda path: overwrite(path, 21, b"\0"),
    "schema format": lambda path: overwrite(path, 47, b"\xff"),
    "text encoding": lambda path: overwrite(path, 59, b"\2"),
    "schema": lambda path: path.write_bytes(path.read_bytes().replace(b"KEY", b"KE\xe3")),
    "text": replaced(b"no database\n" * 1000),
    "another database": another_database,
    "a folder": folder,
    "a pipe": special(stat.S_IFIFO),
    "a socket": special(stat.S_IFSOCK),
    "no images": altered("DROP TABLE images"),
    "no passes": altered("DROP TABLE passes"),
    "no makers": altered("DROP TABLE makers"),
    "a table too many": altered("CREATE TABLE other (x)"),
    "a trigger": altered(
        "CREATE TRIGGER t AFTER DELETE ON images BEGIN DELETE FROM passes; END"
    ),
    "another column": altered("ALTER TABLE images RENAME COLUMN digest TO hash"),
    "other pages": altered("DROP TABLE images; PRAGMA page_size = 512; VACUUM"),
    "no JSON": altered("UPDATE makers SET software = '{'"),
    "no UTF-8": altered("UPDATE images SET message = CAST(x'ff41' AS TEXT)"),
    **{
        value: altered(f"UPDATE images SET {value} WHERE source = '3.jpg'")
        for value in (
            "bytes_in = 'many'", "sha256 = x'00ff'", "width = -1", "sha256 = 'abc'",
            "digest = 'abc'", "status = 'maybe'", "status = 'failed'", "output = '../../victim'",
            "output = 'a/../../../victim'", "output = '{root}/victim'", "output = 'a//b'",
            r"output = 'a\u0000b'", "source = '../victim'", "source = '/victim'",
        )
    },
    "reason = 'fate'": altered("UPDATE images SET reason = 'fate' WHERE status = 'failed'"),
}  # fmt: skip

#: Damage after which a ledger is still well-formed: only a seal reveals it.
SUBTLE = {
    "removed": removed,
    "emptied": replaced(b""),
    "other digests": altered("UPDATE images SET sha256 = replace(sha256, 'a', 'b')"),
    "other sides": altered("UPDATE images SET width = width + 1"),
    "another version": altered("PRAGMA user_version = 99"),
    "no rows": altered("DELETE FROM images"),
    "no row of one image": altered("DELETE FROM images WHERE source = '0.jpg'"),
    **{f"bit flip {number}": flipped(SEED + number) for number in range(12)},
    **{f"scribble {number}": scribbled(SEED + number) for number in range(12)},
}


def journal_of_another_ledger(path):
    """Leave a journal that SQLite accepts, and that gives all images a wrong width."""
    other = path.with_name("other.sqlite")
    shutil.copy(path, other)
    run_sql(other, "UPDATE images SET width = width + 1")
    database = sqlite3.connect(other, isolation_level=None)
    database.executescript("PRAGMA cache_size = 1; BEGIN; UPDATE images SET height = height + 1")
    shutil.copy(f"{other}-journal", f"{path}-journal")
    database.close()
    other.unlink()


def beside(suffix, make):
    return lambda path: make(path.with_name(path.name + suffix))


def instead_of(name, make):
    return lambda path: make(path.with_name(name))


def both(one, other):
    def damage(path):
        one(path)
        other(path)

    return damage


FOREIGN = {"noise": replaced(noise(5000)), "a folder": folder, "a pipe": special(stat.S_IFIFO)}

#: What happens to the files beside a ledger.
COMPANIONS = {
    "the journal of another ledger": journal_of_another_ledger,
    **{
        f"{what} as {suffix}": beside(suffix, make)
        for suffix in ("-journal", "-wal", "-shm")
        for what, make in FOREIGN.items()
    },
    **{
        f"{what} as {name}": instead_of(name, make)
        for name in (SEAL, BACKUP)
        for what, make in {"nothing": removed, **FOREIGN}.items()
    },
}

EVERYTHING = {**DAMAGES, **SUBTLE, **COMPANIONS}

#: One of each kind, for short runs.
USUAL = {
    "truncated to 5000", "write version", "removed", "another database", "a pipe", "no passes",
    "sha256 = x'00ff'", "output = '{root}/victim'", "bit flip 0", "the journal of another ledger",
    "a folder as -journal", f"noise as {SEAL}", f"a pipe as {BACKUP}",
}  # fmt: skip


def each(damages):
    """Parameters of a test: all kinds of damage, most of them only in the slow tests."""
    return [
        pytest.param(damage, id=name, marks=() if name in USUAL else pytest.mark.slow)
        for name, damage in damages.items()
    ]


class Tree:
    """A folder of images, its output tree, and a file that pixelmill did not make."""

    def __init__(self, root, recipe):
        self.root, self.recipe = root, recipe
        self.source, self.target, self.victim = root / "in", root / "out", root / "victim"
        self.ledger = self.target / "ledger.sqlite"

    def process(self, **options):
        source, target = str(self.source), str(self.target)
        return process_folder(source, target, self.recipe, "sequential", 1, **options)

    def recover(self):
        """Process again, and a second time if the first run ends with an error."""
        try:
            return self.process()
        except UserError:
            return self.process()

    def interrupt(self):
        """Process again, and stop just before the end."""
        blocker = self.target / "timing.json"
        blocker.unlink()
        blocker.mkdir()  # which no file replaces
        with pytest.raises((OSError, UserError)):
            self.process()
        blocker.rmdir()

    def forget_the_backup(self):
        """Leave the tree as an earlier version or a killed first run leaves it."""
        for name in (BACKUP, SEAL):
            (self.target / name).unlink()

    def state(self):
        """Everything that must be as after an undisturbed run."""
        folders = (self.source, self.target / "images")
        paths = [path for folder in folders for path in folder.rglob("*")]
        paths += [self.target / "manifest.csv", self.target / "failures.csv", self.victim]
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes() if path.is_file() else None
            for path in paths
        }


@pytest.fixture(scope="module")
def made(tmp_path_factory, photos):
    """Function that returns a tree that was processed once with a recipe."""
    known = {}

    def make(name):
        if name not in known:
            root = tmp_path_factory.mktemp("made")
            photos(root / "in", COUNT - 2)
            photos(root / "in/sub", 2)
            (root / "in/broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
            (root / "victim").write_bytes(b"not pixelmill's")
            known[name] = Tree(root, RECIPES[name])
            known[name].process()
        return known[name]

    return make


@pytest.fixture
def copy_of(made, tmp_path):
    """Function that returns a copy of it."""

    def copy(name="one output"):
        original = made(name)
        return Tree(shutil.copytree(original.root, tmp_path / "tree"), original.recipe)

    return copy


def assert_it_stands_as_after(clean, tree):
    assert tree.state() == clean
    assert tree.process().images == 0
    assert tree.state() == clean


@pytest.mark.parametrize("damage", each(EVERYTHING))
@pytest.mark.parametrize(
    "recipe", ["one output", pytest.param("two outputs", marks=pytest.mark.slow)]
)
def test_after_a_run_that_ended_a_damaged_ledger_is_replaced_and_nothing_is_made(
    copy_of, recipe, damage
):
    tree = copy_of(recipe)
    clean = tree.state()
    damage(tree.ledger)
    assert tree.recover().images == 0
    assert_it_stands_as_after(clean, tree)


@pytest.mark.parametrize("damage", each(DAMAGES))
def test_without_a_backup_all_images_are_made_again_and_unclaimed_files_moved(copy_of, damage):
    tree = copy_of("two outputs")
    clean = tree.state()
    tree.forget_the_backup()
    damage(tree.ledger)
    (tree.target / "images/stray.jpg").write_bytes(b"of an image that is gone")
    assert tree.recover().images == COUNT + 1
    assert (tree.target / "unclaimed/stray.jpg").read_bytes() == b"of an image that is gone"
    assert_it_stands_as_after(clean, tree)


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory, made, picture):
    """A tree whose last run was killed, and the state of an undisturbed tree of the same images.

    The run had made a new image, made one again, and removed one.
    """
    original = made("one output")
    tree = Tree(tmp_path_factory.mktemp("interrupted") / "tree", original.recipe)
    shutil.copytree(original.root, tree.root)
    (tree.source / "0.jpg").unlink()
    picture(71).save(tree.source / "added.jpg")
    picture(72).save(tree.source / "3.jpg")
    tree.interrupt()
    fresh = Tree(tmp_path_factory.mktemp("fresh"), tree.recipe)
    shutil.copytree(tree.source, fresh.source)
    shutil.copy(tree.victim, fresh.victim)
    fresh.process()
    return tree, fresh.state()


@pytest.mark.parametrize("damage", each(DAMAGES))
def test_after_a_run_that_was_killed_a_backup_from_before_takes_its_place(
    interrupted, tmp_path, damage
):
    original, clean = interrupted
    tree = Tree(shutil.copytree(original.root, tmp_path / "tree"), original.recipe)
    damage(tree.ledger)
    assert tree.recover().images == 2
    assert_it_stands_as_after(clean, tree)


#: Before these are found, SQLite opens the ledger and rolls its journal back.
OPENED = ("noise", "truncated to 5000", "no passes")

#: Before these it does not.
UNOPENED = ("write version", "read version")


@pytest.mark.parametrize("name", OPENED + UNOPENED)
def test_the_journal_of_a_damaged_ledger_is_not_applied_to_its_backup(interrupted, tmp_path, name):
    """SQLite would restore the pages of the journal to any file with the name of the ledger."""
    original, clean = interrupted
    tree = Tree(shutil.copytree(original.root, tmp_path / "tree"), original.recipe)
    journal_of_another_ledger(tree.ledger)
    DAMAGES[name](tree.ledger)
    assert tree.process().images == 2
    assert_it_stands_as_after(clean, tree)


def test_outputs_of_a_killed_run_for_missing_sources_are_moved_away(copy_of, picture):
    tree = copy_of()
    clean = tree.state()
    picture(70).save(tree.source / "new.jpg")
    tree.interrupt()
    (tree.source / "new.jpg").unlink()
    tree.ledger.write_bytes(b"damaged")
    assert tree.process().images == 0
    assert (tree.target / "unclaimed/new.jpg").exists()
    assert_it_stands_as_after(clean, tree)


def test_an_output_that_was_altered_in_between_is_made_again(copy_of):
    tree = copy_of()
    clean = tree.state()
    output = tree.target / "images/3.jpg"
    tree.ledger.write_bytes(b"damaged")
    output.write_bytes(output.read_bytes()[::-1])
    assert tree.process().images == 1
    assert_it_stands_as_after(clean, tree)


def test_outputs_are_checked_again_if_the_run_that_replaced_the_ledger_was_killed(copy_of):
    tree = copy_of()
    clean = tree.state()
    tree.ledger.write_bytes(b"damaged")
    tree.interrupt()
    output = tree.target / "images/3.jpg"
    output.write_bytes(output.read_bytes()[::-1])
    assert tree.process().images == 1
    assert_it_stands_as_after(clean, tree)


def test_the_damage_is_reported_in_one_sentence(copy_of, caplog):
    tree = copy_of()
    overwrite(tree.ledger, 5000, b"?")
    tree.process()
    (message,) = [
        r.getMessage() for r in caplog.records if r.name == "pixelmill.dataset.ledger_backup"
    ]
    assert message == (
        f"The ledger '{tree.ledger}' is damaged (it is not as the last run left it), and was set "
        f"aside as '{tree.ledger}.damaged'; its backup took its place."
    )


def test_all_ledgers_that_were_set_aside_are_kept(copy_of):
    tree = copy_of()
    for content in (b"first", b"second"):
        tree.ledger.write_bytes(content)
        tree.process()
    kept = [tree.target / f"ledger.sqlite.{name}" for name in ("damaged", "damaged-2")]
    assert [path.read_bytes() for path in kept] == [b"first", b"second"]


@pytest.mark.parametrize("suffix", ["", "-journal", "-wal", "-shm"])
def test_a_link_is_refused_and_its_target_is_not_written(copy_of, suffix):
    tree = copy_of()
    path = tree.ledger.with_name(tree.ledger.name + suffix)
    path.unlink(missing_ok=True)
    path.symlink_to(tree.victim)
    before = tree.state()
    with pytest.raises(TreeError, match="is a symbolic link"):
        tree.process()
    assert tree.state() == before


@pytest.mark.parametrize("sealed", [True, False], ids=["sealed", "not sealed"])
@pytest.mark.parametrize("suffix", ["", "-journal"])
def test_a_hard_link_to_a_ledger_keeps_its_bytes(copy_of, picture, suffix, sealed):
    tree = copy_of()
    if not sealed:
        tree.forget_the_backup()
    path = tree.ledger.with_name(tree.ledger.name + suffix)
    other = tree.root / "other name"
    path.touch()
    os.link(path, other)
    before = other.read_bytes()
    picture(70).save(tree.source / "new.jpg")
    assert tree.process().images == 1
    assert other.read_bytes() == before
