"""Request: everything that decides what one pass does, and the state of a pass that began."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from pixelmill.dataset import catalog
from pixelmill.dataset.catalog import Selection
from pixelmill.dataset.entries import Entries
from pixelmill.dataset.ledger import Ledger
from pixelmill.dataset.ledger_rows import Fingerprints
from pixelmill.dataset.output_tree import Workspace
from pixelmill.dataset.shards import WHOLE, Shard
from pixelmill.engines.distributed import Cluster
from pixelmill.imaging.recipe import Recipe
from pixelmill.pipeline.policy import Policy


@dataclass(frozen=True)
class ProcessRequest:
    """What a pass is asked to do.

    Attributes
    ----------
    source : str
        Folder of the inputs, which is only read.
    target : str
        Folder of the output tree: images, ledger and tables.
    recipe : Recipe
    engine : str
        One of `pixelmill.engines.registry.SELECTABLE`, or ``auto``.
    workers : int
        The most workers to use.
    label : str
        Name of the work in the progress line.
    policy : Policy
    cluster : Cluster
        Where the workers of the engine ``distributed`` are.
    shard : Shard
        The part of the dataset to process.
    selection : Selection or None
        Which files of `source` belong to the dataset; None for all of them.
    notify : callable or None
        Called with the numbers of images done and to do, instead of a progress line.
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
    """

    request: ProcessRequest
    entries: Entries
    tree: Workspace
    ledger: Ledger
    fingerprints: Fingerprints

    @cached_property
    def catalog_digest(self) -> str:
        """Digest of the inputs that this pass is responsible for."""
        owned = (entry for entry in self.entries if self.request.shard.owns(entry.path))
        return catalog.digest(owned)
