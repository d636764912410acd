"""Output tree: the folder that a pass works in, whole or one shard of it.

All shards write their images into one folder. Each has its own state (lock, ledger, tables), so
that jobs on several nodes never write to the same file. What concerns the folder as a whole,
such as removing temporary files and writing the tables of the tree, is done when no shard is being
processed: see `pixelmill.dataset.gather`.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pixelmill.core.errors import RemovalsError, TreeError, UserError
from pixelmill.core.filenames import collision_key, escape, unescape
from pixelmill.core.files import TEMPORARY, free_name, sweep
from pixelmill.core.jobs import OutputFile
from pixelmill.core.locks import exclusive
from pixelmill.core.root import Root
from pixelmill.dataset.catalog import paths
from pixelmill.dataset.catalog_table import is_catalog
from pixelmill.dataset.file_names import LEDGER, SHARDS
from pixelmill.dataset.globs import Selection
from pixelmill.dataset.ledger import Ledger, open_to_read
from pixelmill.dataset.ledger_backup import readable, unfinished
from pixelmill.dataset.ledger_rows import Row
from pixelmill.dataset.shards import WHOLE, Shard, others

log = logging.getLogger(__name__)

#: Tables that describe a tree or a shard, and that are deleted before it changes.
_DESCRIPTIONS = ("manifest.csv", "verification.json")

#: What a pass writes, beside its ledger and the catalog.
_OUR_NAMES = (
    "images", "manifest.csv", "timing.json", "failures.csv", "failures.txt", "verification.json"
)  # fmt: skip

#: A shard with at least so many images is representative: if it lost few of them, so did the
#: dataset.
TELLING = 1000


class Workspace:
    """An output tree, or a shard of it, that a pass works in.

    Parameters
    ----------
    tree : str
        Folder of the output tree.
    shard : Shard
        The part to work on.
    """

    def __init__(self, tree: str, shard: Shard = WHOLE) -> None:
        self.tree = tree
        self.shard = shard
        self.root = Root(tree)
        self.images = Root(os.path.join(tree, "images"), follow=False)
        self.state = shard.below(tree)
        self.breadcrumb_dir = os.path.join(self.state, ".crumbs")
        self._place = "" if shard.is_whole else _below(self.state)
        self.ledger = os.path.join(self.state, LEDGER)

    @contextlib.contextmanager
    def open(self, durable: bool = False) -> Iterator[Ledger]:
        """Lock the tree or shard, and open its ledger.

        What was recorded when the tree was divided into other shards is added to the ledger.

        Raises
        ------
        UserError
            If another run has locked it, or if it cannot be written.
        """
        with contextlib.ExitStack() as held:
            held.enter_context(exclusive(self.tree, together=not self.shard.is_whole))
            self.check_folders()
            self.root.make_folder(self._place)
            if not self.shard.is_whole:
                held.enter_context(exclusive(self.state))
                self._invalidate_tables((self.tree, *others(self.tree, self.shard)))
            self._set_foreign_aside()
            ledger = held.enter_context(Ledger(self.ledger, durable=durable))
            self._migrate_shards(ledger)
            self.root.make_folder("images")
            self._places = self._devices_and_inodes()
            yield ledger

    def _set_foreign_aside(self) -> None:
        """Move files of others away that have our names, in a folder that no pass has used."""
        if not self.shard.is_whole:
            return
        with os.scandir(self.tree) as entries:
            names = [entry.name for entry in entries]
        if _was_used(names):
            return
        found = [name for name in _OUR_NAMES if name in names]
        if "images" in found and not any(names for _, names in self.images.walk()):
            found.remove("images")
        if found:
            aside = os.path.basename(free_name(os.path.join(self.tree, "unclaimed")))
            self.root.make_folder(aside)
            for name in found:
                self.root.replace(name, f"{aside}/{name}")
            self.images.refresh()
            log.warning(
                "'%s' contains %s, which pixelmill did not make; moved to '%s'.",
                self.tree, ", ".join(f"'{name}'" for name in found), aside,
            )  # fmt: skip

    def check_catalogs(self, *catalogs: str) -> None:
        """Refuse files of others in the place of catalogs, in a folder that no pass has used.

        Raises
        ------
        UserError
            If there is one.
        """
        if not os.path.isdir(self.state):
            return
        with os.scandir(self.state) as entries:
            names = [entry.name for entry in entries]
        if _was_used(names):
            return
        for path in (os.path.join(self.state, name) for name in catalogs if name in names):
            if not is_catalog(path):
                raise UserError(
                    f"'{path}' exists, but no run wrote it; name another folder for the results, "
                    "or move the file away."
                )

    def check_unmoved(self) -> None:
        """Check that the folders are still those with which the pass began.

        Raises
        ------
        TreeError
            If they were removed or replaced: what was written is gone with them.
        """
        for folder in (self.root, self.images):
            folder.refresh()
        with contextlib.suppress(FileNotFoundError):
            if self._places == self._devices_and_inodes():
                return
        raise TreeError(
            f"'{self.tree}' was removed or replaced during the run; run the same command again."
        )

    def _devices_and_inodes(self) -> list[tuple[int, int]]:
        return [self.root.device_and_inode(self._place), self.images.device_and_inode()]

    def check_folders(self) -> None:
        """Refuse links in the place of folders that are used by their paths.

        Raises
        ------
        TreeError
            If there is one.
        """
        for folder in (SHARDS, *map(_below, others(self.tree, WHOLE))):
            self.root.check(folder)

    def remove_state(self, folder: str) -> None:
        """Remove the state of a shard from when the tree was divided into other shards."""
        self.root.remove_tree(_below(folder))

    def open_to_read(self) -> contextlib.AbstractContextManager[Ledger | None]:
        """Open the ledger to read it; None if there is none."""
        return open_to_read(self.ledger)

    def size_of(self, output: str) -> int | None:
        """Return the size of an output in bytes; None if it is missing."""
        return size_of(self.images, output)

    def sizes_of(self, outputs: Sequence[str]) -> list[int | None]:
        """Return the sizes of some outputs in bytes; None for one that is missing."""
        try:
            return self.images.sizes(outputs)
        except OSError:
            return [*map(self.size_of, outputs)]  # tells which one cannot be accessed

    def remove(self, output: str) -> None:
        """Remove an output. Its folder stays, because workers may be about to write there."""
        self.images.unlink(output)

    def remove_orphans(self, outputs: Iterable[str]) -> None:
        """Remove outputs, and the folders that this leaves empty.

        An image may have the name that a folder had.
        """
        for output in outputs:
            self.remove(output)
            self._remove_empty_folders(output)

    def set_aside(self, output: str) -> str:
        """Move an output out of the way of others, within the folder of images; return its path.

        A missing one counts as moved: a run may have been killed after it moved the output.
        """
        aside = f".earlier-{hashlib.blake2b(escape(output).encode(), digest_size=8).hexdigest()}"
        name = os.path.basename(output)
        if self.images.lstat(output) is not None:
            self.images.make_folder(aside)
            self.images.replace(output, f"{aside}/{name}")
            self._remove_empty_folders(output)
        return f"{aside}/{name}"

    def _remove_empty_folders(self, output: str) -> None:
        """Remove the folders that are empty without an output.

        The folders of shards stay, because other shards may be about to write there.
        """
        folder = os.path.dirname(output)
        while folder and self.shard.is_whole and self.images.remove_empty(folder):
            folder = os.path.dirname(folder)

    def clean_up(self) -> None:
        """Remove temporary files of killed runs from where no other run may be writing."""
        sweep(self.state)
        if self.shard.is_whole:
            clean_up(self.images)

    def settle(self, ledger: Ledger) -> None:
        """Move files that belong to no image out of ``images``, if the ledger was replaced.

        For a shard, nothing is moved: a file that the shard does not know may belong to another
        shard. This is done when the shards are gathered.
        """
        if ledger.in_doubt and self.shard.is_whole:
            set_unclaimed_aside(self.root, ledger.outputs())
            clean_up(self.images)
            ledger.settle()

    def check_removals(
        self,
        lost: int,
        rows: Mapping[str, Row],
        most: float,
        source: str,
        select: Selection | None,
    ) -> None:
        """Refuse to remove too much: an unmounted disk must not empty the results.

        Parameters
        ----------
        lost : int
            Number of images whose sources are gone.
        rows : mapping
            What the ledger knows, by source.
        most : float
            The largest share of the dataset's images, 0..1, that may be removed.
        source : str
            Folder of the inputs.
        select : Selection or None
            Which of its files belong to the dataset.

        Raises
        ------
        UserError
            If more of the whole dataset is gone, whatever share of this shard that is.
        """
        if not lost:
            return
        known = len(rows)
        telling = known >= TELLING and lost < most * known / 2
        if not self.shard.is_whole and not telling:
            sources = self._sources(rows)
            lost, known = len(sources - paths(source, select)), len(sources)
        if lost > most * known:
            raise RemovalsError(
                f"The sources of {lost:,} of {known:,} images in '{self.tree}' are gone or left "
                "out, and their outputs would be removed; mount the missing disk, or, if this is "
                "intended, set removals.max_rate to 1."
            )

    def _sources(self, rows: Mapping[str, Row]) -> set[str]:
        """Return the paths of all images that the tree's ledgers know, including this shard's."""
        known = set(rows)
        for folder in {self.tree, *others(self.tree, WHOLE)} - {self.state}:
            path = os.path.join(folder, LEDGER)
            with open_to_read(path) as ledger:
                if ledger is not None:
                    known.update(ledger.rows())
        return known

    def invalidate(self) -> None:
        """Have Snakemake process this shard again, because its ledger cannot be gathered."""
        self._invalidate_tables((self.state,))

    def _invalidate_tables(self, folders: Iterable[str]) -> None:
        """Delete the tables before the tree changes, so that no rule reads stale data."""
        for folder in folders:
            for name in _DESCRIPTIONS:
                self.root.unlink(name if folder == self.tree else f"{_below(folder)}/{name}")

    def _migrate_shards(self, ledger: Ledger) -> None:
        """Add what was recorded when the tree was divided into other shards."""
        folders = list(others(self.tree, self.shard))
        if ledger.is_new and not self.shard.is_whole:
            folders.append(self.tree)
        for folder in folders:
            path = os.path.join(folder, LEDGER)
            found = readable(path)
            if found.in_doubt or unfinished(path):
                ledger.doubt()
            if found.path is not None:
                with Ledger(found.path, read_only=True) as other:
                    if other.is_current:
                        self._adopt(ledger, other)
        if self.shard.is_whole and folders:
            self.root.remove_tree(SHARDS)

    def _adopt(self, ledger: Ledger, other: Ledger) -> None:
        """Add the rows of another ledger, unless an image's files show that they are wrong."""
        wanted: set[str] = set()
        wrong: list[str] = []
        codes: set[str] = set()
        with ledger.reading(), other.reading():
            mine = ledger.rows()
            for source, row in other.rows().items():
                if not self.shard.owns(source):
                    continue
                ours = mine.get(source)
                if ours is not None:
                    if _facts(ours) == _facts(row) or self._is_true(ours):
                        continue
                    wrong.append(source)
                    if not self._is_true(row):
                        continue
                wanted.add(source)
                codes.add(row.fingerprints.code)
        ledger.forget(wrong)
        ledger.adopt(row for row in other.all_rows() if unescape(row[0]) in wanted)
        for code in codes:
            ledger.note_software(code, other.software_of(code))

    def holds(self, file: OutputFile) -> bool:
        """Return whether an output exists and has the bytes that were recorded."""
        try:
            content = self.images.read(file.path)
        except OSError:
            return False
        return hashlib.sha256(content).hexdigest() == file.sha256

    def _is_true(self, row: Row) -> bool:
        """Return whether the outputs of an image are those that its row describes."""
        return bool(row.files) and all(map(self.holds, row.files))


def _below(state: str) -> str:
    """Return the path of a shard's state below its tree."""
    return f"{SHARDS}/{os.path.basename(state)}"


def _facts(row: Row) -> Row:
    """Return what must agree in two rows of one image: everything but the times of its source."""
    return row._replace(mtime_ns=0, changed_ns=0)


def size_of(images: Root, path: str) -> int | None:
    """Return the size of an output in bytes; None if it is missing.

    Raises
    ------
    UserError
        If its folder cannot be read: otherwise the output would count as missing.
    """
    try:
        state = images.lstat(path)
    except OSError as error:
        raise UserError(
            f"The output '{escape(path)}' cannot be accessed: {error.strerror}; correct the "
            "permissions of its folder, then run the same command again."
        ) from error
    return None if state is None or stat.S_ISDIR(state.st_mode) else state.st_size


def clean_up(images: Root) -> None:
    """Remove temporary files of killed runs, and empty folders."""
    for folder, names in images.walk():
        for name in filter(TEMPORARY.fullmatch, names):
            images.unlink(f"{folder}/{name}" if folder else name)
        if folder:
            images.remove_empty(folder)


def _was_used(names: Iterable[str]) -> bool:
    """Whether a folder with these names has the state of a pass."""
    return any(name == SHARDS or name.startswith("ledger.") for name in names)


def set_unclaimed_aside(tree: Root, claimed: Iterable[str]) -> None:
    """Move files that are not outputs of any image to a folder beside that of the images.

    They may be outputs of images that are gone, or a user's own files: there is no way to tell.

    Parameters
    ----------
    tree : Root
        The output tree; no run may be writing to its images.
    claimed : iterable of str
        Paths of the outputs, below the folder of the images.
    """
    known = set(map(collision_key, claimed))
    images = Root(os.path.join(tree.folder, "images"), follow=False)
    aside = ""
    for folder, names in images.walk():
        for path in (f"{folder}/{name}" if folder else name for name in names):
            if collision_key(path) not in known and not TEMPORARY.fullmatch(os.path.basename(path)):
                aside = aside or free_name(os.path.join(tree.folder, "unclaimed"))
                target = f"{os.path.basename(aside)}/{path}"
                tree.make_folder(os.path.dirname(target))
                tree.replace(f"images/{path}", target)
    if aside:
        log.warning(
            "Files in '%s' that are no image's output were moved to '%s'.", images.folder, aside
        )


def set_mtime(images: Root, output: str, mtime_ns: int) -> None:
    """Set the modification time of an output, in ns since 1970.

    A file that has several names, as in a backup with hard links, is first replaced by a copy,
    because its names share one time.
    """
    state = images.lstat(output)
    if state is not None and state.st_nlink > 1:
        images.write(output, images.read(output))
    images.set_mtime(output, mtime_ns)
