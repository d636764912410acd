"""Catalog gathering: combine the catalogs of a dataset's shards."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator

from pixelmill.dataset import catalog_table
from pixelmill.dataset.entries import Entry
from pixelmill.dataset.shards import Shard, all_of


def gather_catalog(table: str, shards: int) -> int:
    """Combine the catalogs of all shards; return the number of images.

    Parameters
    ----------
    table : str
        Table of the whole dataset; the tables of the shards are below its folder.
    shards : int
    """
    folder, name = os.path.split(table)
    count = 0

    def own(shard: Shard) -> Iterator[Entry]:
        entries = catalog_table.iterate(os.path.join(shard.below(folder), name))
        return (entry for entry in entries if shard.owns(entry.path))

    def counted() -> Iterator[Entry]:
        nonlocal count
        for entry in heapq.merge(*map(own, all_of(shards))):
            count += 1
            yield entry

    catalog_table.write(table, counted())
    catalog_table.forget_others(table, Shard(1, shards))
    return count
