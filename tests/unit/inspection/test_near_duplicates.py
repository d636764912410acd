"""Near-duplicates: exactly the pairs within a distance, in bounded time, and no chains."""

import itertools

import numpy as np
import pytest

from pixelmill.inspection import near_duplicates
from pixelmill.inspection.near_duplicates import (
    LARGEST_DISTANCE,
    components,
    connected,
    find,
    groups,
    turned,
)


@pytest.fixture(autouse=True, params=[0, near_duplicates._FEW], ids=["by the index", "few"])
def few(request, monkeypatch):
    """Search the pairs of few hashes by the index, too."""
    monkeypatch.setattr(near_duplicates, "_FEW", request.param)


def random_hashes(count, seed=1):
    return np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64)


def with_flipped_bits(hashes, most, seed=2):
    """Copies of hashes, each with 0 to `most` other bits."""
    random = np.random.default_rng(seed)
    copies = hashes.copy()
    for place in range(len(copies)):
        for bit in random.choice(64, random.integers(0, most + 1), replace=False):
            copies[place] ^= np.uint64(1 << int(bit))
    return copies


def found(hashes, distance, **others):
    everything = np.ones(len(hashes), bool)
    dhash = others.get("dhash", hashes)
    margin = others.get("dhash_distance", 64)
    return find(hashes, dhash, others.get("usable", everything), distance, margin)


def pairs_of_images(near):
    """All pairs of images that are near each other, also those that share a node."""
    nodes = {
        node: np.flatnonzero(near.node == node).tolist() for node in set(near.node.tolist()) - {-1}
    }
    pairs = set()
    for images in nodes.values():
        pairs |= set(itertools.combinations(images, 2))
    for first, second in zip(near.first.tolist(), near.second.tolist(), strict=True):
        pairs |= {tuple(sorted(pair)) for pair in itertools.product(nodes[first], nodes[second])}
    return pairs


def pairs_by_comparing_all(hashes, distance):
    bits = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
    return {(int(i), int(j)) for i, j in np.argwhere(bits <= distance) if i < j}


@pytest.mark.parametrize("distance", range(LARGEST_DISTANCE + 1))
def test_the_pairs_are_those_that_comparing_all_gives(distance):
    hashes = random_hashes(200)
    hashes = np.concatenate((hashes, with_flipped_bits(hashes, LARGEST_DISTANCE + 3), hashes[:9]))
    near = found(hashes, distance)
    assert near.distance == distance
    assert pairs_of_images(near) == pairs_by_comparing_all(hashes, distance)


def test_hashes_that_differ_in_few_places_are_compared_exactly():
    """As those of similar scenes: the buckets of an index are large."""
    hashes = random_hashes(400) & np.uint64(0x00FF_0000_0003_F000)
    assert pairs_of_images(found(hashes, 3)) == pairs_by_comparing_all(hashes, 3)


def test_both_hashes_must_be_near():
    phash = np.array([0, 1, 3], np.uint64)
    dhash = np.array([0, 2**20 - 1, 1], np.uint64)
    near = found(phash, 8, dhash=dhash, dhash_distance=8)
    assert pairs_of_images(near) == {(0, 2)}


def test_pictures_that_are_not_usable_are_near_none():
    hashes = np.zeros(4, np.uint64)
    near = found(hashes, 8, usable=np.array([True, False, True, False]))
    assert near.node.tolist() == [0, -1, 0, -1]


def test_many_equal_hashes_share_a_node_instead_of_making_pairs():
    near = found(np.full(100_000, 7, np.uint64), 8)
    assert len(near.phash) == 1
    assert near.first.size == 0


@pytest.mark.parametrize("limit", ["MOST_COMPARISONS", "MOST_PAIRS"])
def test_the_distance_is_reduced_if_there_would_be_too_many_pairs(monkeypatch, limit):
    monkeypatch.setattr(near_duplicates, "_FEW", 0)  # all pairs of few are within the limits
    hashes = random_hashes(3000) & np.uint64(0xFFF)
    monkeypatch.setattr(near_duplicates, limit, 200_000)
    near = found(hashes, 12)
    assert near.distance < 12
    unique = near.phash
    assert set(zip(near.first.tolist(), near.second.tolist(), strict=True)) == (
        pairs_by_comparing_all(unique, near.distance)
    )


def test_a_million_colliding_hashes_end_soon():
    """All of them have the same bits in each part that is looked up first."""
    near = found(np.arange(1_000_000, dtype=np.uint64) << np.uint64(24), 8)
    assert -1 <= near.distance < 8


def test_all_pairs_of_few_hashes_are_within_the_limits():
    pairs = near_duplicates._FEW * (near_duplicates._FEW - 1) // 2
    assert pairs <= near_duplicates.MOST_PAIRS <= near_duplicates.MOST_COMPARISONS


def test_no_hashes_have_no_pairs():
    near = found(np.empty(0, np.uint64), 8)
    assert (near.node.size, near.first.size, near.distance) == (0, 0, 8)
    assert connected(near).size == groups(near)[0].size == 0


@pytest.mark.parametrize("distance", [-1, LARGEST_DISTANCE + 1])
def test_a_distance_that_cannot_be_searched_is_refused(distance):
    with pytest.raises(ValueError, match="is not within 0 and 12"):
        found(random_hashes(3), distance)


def chain(length, step):
    """Hashes of which each differs from the next one in `step` bits."""
    return np.array([(1 << (step * place)) - 1 for place in range(length)], np.uint64)


def test_a_chain_is_connected_but_is_no_group():
    near = found(chain(10, 6), 6)
    assert set(connected(near).tolist()) == {0}
    representative, bits = groups(near)
    assert bits.max() <= 6
    assert len(set(representative.tolist())) > 1


def test_each_member_of_a_group_is_near_its_representative():
    hashes = random_hashes(300)
    near = found(np.concatenate((hashes, *(with_flipped_bits(hashes, 6, k) for k in range(4)))), 8)
    representative, bits = groups(near)
    differing = np.bitwise_count(near.phash ^ near.phash[representative])
    assert differing.max() <= 8
    assert bits.tolist() == differing.tolist()
    assert (representative[representative] == representative).all()


def test_groups_do_not_depend_on_the_order_of_the_pictures():
    hashes = random_hashes(200)
    hashes = np.concatenate((hashes, with_flipped_bits(hashes, 8), chain(10, 6)))
    order = np.random.default_rng(5).permutation(len(hashes))
    members = []
    for arranged, names in ((hashes, np.arange(len(hashes))), (hashes[order], order)):
        near = found(arranged, 8)
        number = groups(near)[0][near.node]
        members.append({frozenset(names[number == one].tolist()) for one in set(number.tolist())})
    assert members[0] == members[1]


def test_components_are_those_of_a_search():
    random = np.random.default_rng(3)
    first, second = random.integers(0, 500, (2, 300)).astype(np.int32)
    neighbors = {node: {node} for node in range(500)}
    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        neighbors[one].add(other)
        neighbors[other].add(one)
    expected = {}
    for node in range(500):
        pending = [] if node in expected else [node]
        while pending:
            here = pending.pop()
            expected[here] = node
            pending += [one for one in neighbors[here] if one not in expected]
    assert components(500, first, second).tolist() == [expected[node] for node in range(500)]


def test_a_long_path_is_one_component():
    order = np.random.default_rng(4).permutation(20_000).astype(np.int32)
    assert not components(20_000, order[:-1], order[1:]).any()


def hash_of(picture):
    """Perceptual hash of a picture of 32x32 values, from the definition of the transform."""
    places = np.arange(32) + 0.5
    cosines = np.cos(np.pi / 32 * np.outer(np.arange(8), places))
    block = cosines @ picture @ cosines.T
    bits = (block > np.median(block)).ravel()
    return int("".join("01"[int(bit)] for bit in bits), 2)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_the_hash_of_a_turned_picture_is_known_but_for_a_few_bits(quarters):
    random = np.random.default_rng(6)
    wrong = []
    for _ in range(100):
        picture = np.cumsum(np.cumsum(random.normal(size=(32, 32)), 0), 1)
        picture -= picture.mean()
        upright = np.array([hash_of(picture)], np.uint64)
        expected = np.uint64(hash_of(np.rot90(picture, quarters)))
        wrong.append(int(np.bitwise_count(turned(upright, quarters)[0] ^ expected)))
    assert np.percentile(wrong, 90) <= 8


def test_four_quarters_of_a_turn_give_the_same_hash():
    hashes = random_hashes(50)
    assert (turned(turned(hashes, 1), 3) == hashes).all()
