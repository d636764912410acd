"""Near-duplicates: pictures whose perceptual hashes differ in few bits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Hashes: TypeAlias = NDArray[np.uint64]
Indices: TypeAlias = NDArray[np.int32]

#: Bits of a hash.
BITS = 64

#: The hash is divided into this many parts, each with every third bit. Three parts have about
#: 21 bits, the binary logarithm of two million: the number of hashes at which an index with three
#: parts is fastest (Norouzi et al. 2012, section 3.2).
_PARTS = 3

#: Largest distance that can be searched. Beyond it, most pairs are different pictures
#: (docs/decisions/near-duplicates.md), and the index looks up 12,000 neighbors of each hash.
LARGEST_DISTANCE = 12

#: Most pairs of hashes that are compared, which takes about 20 seconds. Hashes of photos need
#: far fewer; hashes that were made to collide would need the square of their number.
MOST_COMPARISONS = 1_000_000_000

#: Most pairs that are kept, in 9 bytes each.
MOST_PAIRS = 20_000_000

#: Pairs that are compared at a time.
_BLOCK = 1 << 20

#: Most hashes of which simply all pairs are compared, fewer than `MOST_PAIRS`: an index takes 0.1
#: seconds for any number.
_FEW = 6_000

#: Hashes that are compared with all others at once.
_AT_ONCE = 64


class NearDuplicates(NamedTuple):
    """Which pictures are near each other.

    Pictures with the same hashes share a node, so that a thousand copies need no pairs.

    Attributes
    ----------
    node : ndarray of shape (images,), int32
        The node of each picture; -1 if it was not compared.
    first, second : ndarray of shape (pairs,), int32
        Nodes that are near each other, each pair once.
    phash : ndarray of shape (nodes,), uint64
        The hash of each node.
    distance : int
        The distance within which all pairs were found. It is smaller than the one asked for if
        there would be more than `MOST_COMPARISONS` or `MOST_PAIRS`; -1 if only pictures with the
        same hashes are near each other.
    """

    node: Indices
    first: Indices
    second: Indices
    phash: Hashes
    distance: int


def find(
    phash: Hashes, dhash: Hashes, usable: NDArray[np.bool_], distance: int, dhash_distance: int
) -> NearDuplicates:
    """Find all pairs of pictures of which both hashes are near each other.

    Two hashes must agree, because each alone takes some different pictures for near-duplicates.
    The search is exact: a multi-index over the parts of `phash` (Norouzi, Punjani, Fleet, "Fast
    search in Hamming space with multi-index hashing", CVPR 2012).

    Parameters
    ----------
    phash, dhash : ndarray of shape (images,), uint64
    usable : ndarray of shape (images,), bool
        Which pictures to compare. The hashes of flat pictures are those of noise: they must be
        left out, or all of them are near each other.
    distance : int
        Most bits in which two values of `phash` may differ, at most `LARGEST_DISTANCE`.
    dhash_distance : int
        Most bits in which two values of `dhash` may differ.

    Examples
    --------
    >>> hashes = np.array([0b0000, 0b0001, 0b1111 << 60], np.uint64)
    >>> near = find(hashes, hashes, np.array([True] * 3), distance=2, dhash_distance=2)
    >>> near.first, near.second
    (array([0], dtype=int32), array([1], dtype=int32))
    """
    if not 0 <= distance <= LARGEST_DISTANCE:
        raise ValueError(f"distance {distance} is not within 0 and {LARGEST_DISTANCE}")
    chosen = np.flatnonzero(usable)
    order = np.lexsort((dhash[chosen], phash[chosen]))
    both = phash[chosen][order], dhash[chosen][order]
    is_new = np.ones(len(order), bool)
    is_new[1:] = (both[0][1:] != both[0][:-1]) | (both[1][1:] != both[1][:-1])
    node = np.full(len(phash), -1, np.int32)
    node[chosen[order]] = np.cumsum(is_new, dtype=np.int32) - 1
    nodes = both[0][is_new], both[1][is_new]
    first, second, found = _pairs(*nodes, distance, dhash_distance)
    return NearDuplicates(node, first, second, nodes[0], found)


def _pairs(
    phash: Hashes, dhash: Hashes, distance: int, dhash_distance: int
) -> tuple[Indices, Indices, int]:
    """Return all pairs of nodes that are near each other, and the distance that was searched.

    If two hashes differ in at most d bits, then for some part p, its bits differ in at most
    (d - p) // 3. So the search goes level by level: at level d, it compares all hashes that differ
    in exactly d // 3 bits of part d % 3, and then has all pairs within d bits. It ends before the
    level at which there would be too many.
    """
    if len(phash) <= _FEW:
        return *_among_all(phash, dhash, distance, dhash_distance), distance
    keys = sorted((_part(phash, part) for part in range(_PARTS)), key=_collisions)
    indexes: dict[int, _Index] = {}
    blocks: list[tuple[Indices, Indices, NDArray[np.uint8]]] = []
    compared = kept = 0
    for level in range(distance + 1):
        part = level % _PARTS
        if part not in indexes:
            indexes[part] = _Index(keys[part], phash)
        begun = len(blocks)
        for left, right, count in indexes[part].candidates(level // _PARTS, MOST_COMPARISONS):
            compared += count
            if compared > MOST_COMPARISONS or kept > MOST_PAIRS:
                return *_joined(blocks[:begun], level - 1), level - 1
            hashes, order = indexes[part].hashes, indexes[part].order
            bits = np.bitwise_count(hashes[left] ^ hashes[right])
            is_near = np.flatnonzero(bits <= distance)
            left, right, bits = order[left[is_near]], order[right[is_near]], bits[is_near]
            is_near = np.bitwise_count(dhash[left] ^ dhash[right]) <= dhash_distance
            if is_near.any():
                left, right = left[is_near], right[is_near]
                blocks.append((np.minimum(left, right), np.maximum(left, right), bits[is_near]))
                kept += int(is_near.sum())
    return *_joined(blocks, distance), distance


def _among_all(
    phash: Hashes, dhash: Hashes, distance: int, dhash_distance: int
) -> tuple[Indices, Indices]:
    """Compare each node with all that follow."""
    found = [(np.empty(0, np.int32),) * 2]
    for begin in range(0, len(phash), _AT_ONCE):
        some = phash[begin : begin + _AT_ONCE, None]
        is_near = np.bitwise_count(phash[None, begin:] ^ some) <= distance
        # `flatnonzero` takes a tenth of the time of `nonzero`.
        first, second = np.divmod(np.flatnonzero(is_near).astype(np.int32), is_near.shape[1])
        first, second = first[second > first] + begin, second[second > first] + begin
        is_near = np.bitwise_count(dhash[first] ^ dhash[second]) <= dhash_distance
        found.append((first[is_near], second[is_near]))
    one, other = (np.concatenate(places) for places in zip(*found, strict=True))
    return one, other


def _joined(
    blocks: list[tuple[Indices, Indices, NDArray[np.uint8]]], distance: int
) -> tuple[Indices, Indices]:
    """Join the pairs within a distance; a pair that several parts found is there once."""
    if not blocks:
        return np.empty(0, np.int32), np.empty(0, np.int32)
    first, second, bits = (np.concatenate(column) for column in zip(*blocks, strict=True))
    is_near = bits <= distance
    pairs = np.unique(first[is_near].astype(np.int64) << 32 | second[is_near])
    return (pairs >> 32).astype(np.int32), (pairs & 0xFFFFFFFF).astype(np.int32)


def _part(hashes: Hashes, part: int) -> NDArray[np.uint32]:
    """Return every third bit of each hash: neighboring bits depend on each other."""
    key = np.zeros(len(hashes), np.uint32)
    for place, bit in enumerate(range(part, BITS, _PARTS)):
        key |= ((hashes >> np.uint64(bit)) & np.uint64(1)).astype(np.uint32) << np.uint32(place)
    return key


def _collisions(key: NDArray[np.uint32]) -> int:
    """Return how many pairs have the same key."""
    counts = np.bincount(key)
    return int(np.dot(counts, counts - 1))


class _Index:
    """Hashes sorted by the bits of one part, so that those that are compared are close in memory.

    Attributes
    ----------
    order : ndarray of shape (nodes,), int32
        The node at each place.
    hashes : ndarray of shape (nodes,), uint64
        The hash at each place.
    """

    def __init__(self, key: NDArray[np.uint32], hashes: Hashes) -> None:
        self.order = np.argsort(key, kind="stable").astype(np.int32)
        self.hashes = hashes[self.order]
        self._key = key[self.order]
        self._size = 1 << (BITS // _PARTS + 1)
        counts = np.bincount(key, minlength=self._size)
        self._start = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)

    def candidates(self, bits: int, most: int) -> Iterator[tuple[Indices, Indices, int]]:
        """Yield blocks of all pairs of places whose keys differ in exactly `bits` bits.

        Each block comes with the number of its pairs.

        If a single step has more than `most` pairs, a block says so and is empty.
        """
        for highest, masks in _masks(bits):
            # Of two keys that differ in the highest bit of the mask, the one without it is asked.
            is_asking = (self._key & highest) == 0
            asking = np.flatnonzero(is_asking).astype(np.int32)
            keys = self._key[asking]
            for mask in masks:
                partner = keys ^ mask
                begin, end = self._start[partner], self._start[partner + np.uint32(1)]
                if not mask:  # within a bucket, only those that come later
                    begin = asking + np.int32(1)
                yield from _blocks(asking, begin, end, most)


def _blocks(
    asking: Indices, begin: Indices, end: Indices, most: int
) -> Iterator[tuple[Indices, Indices, int]]:
    """Yield all pairs of a place and each of those from its begin to its end."""
    has_any = np.flatnonzero(end > begin)
    asking, begin = asking[has_any], begin[has_any]
    counts = end[has_any] - begin
    total = np.cumsum(counts, dtype=np.int64)
    if len(total) and total[-1] > most:
        nothing = np.empty(0, np.int32)
        yield nothing, nothing, int(total[-1])
        return
    done = 0
    while done < len(counts):
        before = int(total[done - 1]) if done else 0
        stop = max(done + 1, int(np.searchsorted(total, before + _BLOCK, "right")))
        part = slice(done, stop)
        size = int(total[stop - 1]) - before
        # The places of each run follow each other; a run begins where the one before it ended.
        shift = begin[part] - (total[part] - counts[part] - before).astype(np.int32)
        right = np.arange(size, dtype=np.int32) + np.repeat(shift, counts[part])
        yield np.repeat(asking[part], counts[part]), right, size
        done = stop


def _masks(bits: int) -> Iterator[tuple[np.uint32, list[np.uint32]]]:
    """Yield all keys with `bits` ones, by their highest bit."""
    if bits == 0:
        yield np.uint32(0), [np.uint32(0)]
        return
    for highest in range(bits - 1, BITS // _PARTS + 1):
        rest = [0]
        for _ in range(bits - 1):
            rest = [mask | 1 << bit for mask in rest for bit in range(highest) if 1 << bit > mask]
        yield np.uint32(1 << highest), [np.uint32(mask | 1 << highest) for mask in rest]


def connected(near: NearDuplicates) -> Indices:
    """Number the sets of nodes that are connected by pairs, directly or through others.

    Returns
    -------
    ndarray of shape (nodes,), int32
        The smallest node of the set of each node.

    Examples
    --------
    >>> hashes = np.array([0, 1, 3, 7, 255 << 40], np.uint64)
    >>> connected(find(hashes, hashes, np.array([True] * 5), distance=1, dhash_distance=1))
    array([0, 0, 0, 0, 4], dtype=int32)
    """
    return components(len(near.phash), near.first, near.second)


def components(count: int, first: Indices, second: Indices) -> Indices:
    """Return the smallest node of the connected component of each of `count` nodes.

    Each round joins every component with its smallest neighbor, and shortens all paths to
    the smallest node (Shiloach, Vishkin, "An O(log n) parallel connectivity algorithm", 1982).
    """
    root = np.arange(count, dtype=np.int32)
    while True:
        ends = root[first], root[second]
        if not (ends[0] != ends[1]).any():
            return root
        low, high = np.minimum(*ends), np.maximum(*ends)
        np.minimum.at(root, high, low)
        while (root != (shorter := root[root])).any():
            root = shorter


def groups(near: NearDuplicates) -> tuple[Indices, Indices]:
    """Group nodes around representatives, so that no chain of pairs makes a group.

    In a chain, each picture is near the next one, while the first and the last are different. So
    each member of a group is near its representative. Nodes with many neighbors become
    representatives first; of several with equally many, the one with the smallest hash.

    Returns
    -------
    ndarray of shape (nodes,), int32
        The representative of each node: itself, if no other node is near.
    ndarray of shape (nodes,), int32
        Bits in which the hash of each node differs from that of its representative.
    """
    count = len(near.phash)
    left = np.concatenate((near.first, near.second))
    right = np.concatenate((near.second, near.first))
    neighbors = right[np.argsort(left, kind="stable")]
    degree = np.bincount(left, minlength=count)
    start = np.concatenate(([0], np.cumsum(degree)))
    representative = np.full(count, -1, np.int32)
    for node in np.argsort(-degree, kind="stable")[: np.count_nonzero(degree)].tolist():
        if representative[node] < 0:
            around = neighbors[start[node] : start[node + 1]]
            representative[around[representative[around] < 0]] = node
            representative[node] = node
    alone = representative < 0
    representative[alone] = np.flatnonzero(alone)
    bits = np.bitwise_count(near.phash ^ near.phash[representative]).astype(np.int32)
    return representative, bits


def turned(phash: Hashes, quarters: int) -> Hashes:
    """Return about the hash that each picture has if it is turned counterclockwise.

    The bits of the hash are those of an 8x8 block of a cosine transform, which are set if a
    coefficient is above the median. Transposing a picture transposes the block; mirroring it
    changes the sign of the odd columns, and so inverts their bits, because the median is about 0.
    For some coefficients near the median, this is not true: a few bits are wrong.

    Parameters
    ----------
    phash : ndarray of shape (images,), uint64
    quarters : int
        Quarters of a turn: 1, 2 or 3.
    """
    bits = np.unpackbits(phash.astype(">u8").view(np.uint8).reshape(-1, 8), axis=1)
    block = bits.reshape(-1, 8, 8)
    for _ in range(quarters):
        block = block.transpose(0, 2, 1).copy()
        block[:, 1::2, :] ^= 1  # after the transposition, rows are mirrored
    packed = np.packbits(block.reshape(-1, BITS), axis=1)
    return packed.view(">u8").reshape(-1).astype(np.uint64)
