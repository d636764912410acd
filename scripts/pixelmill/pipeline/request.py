"""Request: everything that decides what one pass does, and the state of a pass that began."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

from pixelmill.core.errors import UserError
from pixelmill.core.files import is_inside
from pixelmill.dataset import catalog
from pixelmill.dataset.entries import Entries, flagged
from pixelmill.dataset.globs import Selection, chosen
from pixelmill.dataset.ledger import Ledger
from pixelmill.dataset.ledger_rows import Fingerprints
from pixelmill.dataset.output_tree import Workspace
from pixelmill.dataset.shards import WHOLE, Shard
from pixelmill.engines.distributed import Cluster
from pixelmill.imaging.recipe import Recipe
from pixelmill.imaging.renderer import Renderer
from pixelmill.pipeline.policy import Policy


@dataclass(frozen=True)
class ProcessRequest:
    """What a pass is asked to do.

    Attributes
    ----------
    source : str
        Folder of the inputs, or an archive or a pattern of archives; only read.
    target : str
        Folder of the output tree: images, ledger and tables.
    recipe : Recipe
    engine : str
        One of `pixelmill.engines.registry.SELECTABLE`, or ``auto``.
    workers : int
        The most workers to use.
    label : str
        Name of the work in messages. If it is empty, the caller sums up the pass itself.
    policy : Policy
    cluster : Cluster
        Where the workers of the engine ``distributed`` are.
    shard : Shard
        The part of the dataset to process.
    selection : Selection or None
        Which files of `source` belong to the dataset; None for all of them.
    notify : callable or None
        Called with the numbers of images done and to do, instead of a progress line.
    token : str
        Identifies the outputs to the workflow: see `pixelmill.dataset.outputs_state`.
    renderer : type
        The class whose instances do the work in the workers.
    code : tuple of str
        What decides the results besides `pixelmill.imaging`: packages and modules of this
        library, as `pixelmill.core.fingerprints.digest_of_code` takes them.
    """

    source: str
    target: str
    recipe: Recipe
    engine: str = "auto"
    workers: int = 1
    label: str = "images"
    policy: Policy = field(default_factory=Policy)
    cluster: Cluster = field(default_factory=Cluster)
    shard: Shard = WHOLE
    selection: Selection | None = None
    notify: Callable[[int, int], None] | None = None
    token: str = ""
    renderer: type[Renderer] = Renderer
    code: tuple[str, ...] = ()

    def of_folder(self) -> ProcessRequest:
        """Return the same request with the folder of the image if the source is a single one.

        Raises
        ------
        UserError
            If the results cannot go where they should.
        """
        check_folders(self.source, self.target)
        if not os.path.isfile(self.source):
            return self
        folder, selection = chosen(self.source, self.selection)
        return replace(self, source=folder, selection=selection)


def check_folders(source: str, target: str) -> None:
    """Check that inputs and results are apart; results may be beside a single image.

    Parameters
    ----------
    source : str
        A folder, an image, an archive, or a pattern of archives.
    target : str
        Folder of the results.

    Raises
    ------
    UserError
        If the results cannot go where they should.
    """
    if os.path.isfile(target):
        raise UserError(f"'{target}' is a file; name a folder for the results.")
    folder = os.path.dirname(source) or "." if os.path.isfile(source) else source
    for place in (target, os.path.join(target, "images")):
        contains = os.path.isdir(source) and is_inside(place, source)
        if contains or is_inside(folder, place):
            raise UserError(
                f"The folder of the images '{source}' and that of the results '{target}' must not "
                "contain one another; choose separate folders."
            )


@dataclass(frozen=True)
class PassContext:
    """A pass that has begun: its request, its inputs, and the output tree that it holds.

    Attributes
    ----------
    request : ProcessRequest
    entries : Entries
        The catalog of the inputs, sorted by path; for a shard, the entries that concern it.
    tree : Workspace
        The output tree, or the shard of it, that this process has locked.
    ledger : Ledger
        The open ledger of `tree`.
    fingerprints : Fingerprints
        Fingerprints of what renders the images now.
    listed : object
        What identified the source before its inputs were listed; None if that is not known.
    """

    request: ProcessRequest
    entries: Entries
    tree: Workspace
    ledger: Ledger
    fingerprints: Fingerprints
    listed: object = None

    @cached_property
    def catalog_digest(self) -> str:
        """Digest of the inputs that this pass is responsible for."""
        owns, columns = self.request.shard.owns, self.entries.columns()
        if not self.request.shard.is_whole:
            columns = (flagged(some, map(owns, some[0])) for some in columns)
        return catalog.digest(columns)
