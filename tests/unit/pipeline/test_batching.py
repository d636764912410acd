"""The work is divided into batches of similar cost."""

import pickle

import pytest

from pixelmill.core.jobs import Job
from pixelmill.dataset.entries import Entries, Entry
from pixelmill.dataset.output_names import Outputs
from pixelmill.imaging.recipe_parser import parse
from pixelmill.pipeline.batching import batches, costs, total_cost

RECIPE = parse({})


def entries_of(sizes):
    return Entries(Entry(f"{number}.jpg", size, 0, "jpeg") for number, size in enumerate(sizes))


def cut(sizes, workers=2, seconds_per_image=None):
    """Sources of each batch."""
    entries = entries_of(sizes)
    cut_up = batches(entries, Outputs(entries, RECIPE), workers, seconds_per_image)
    return [[job.source for job in batch.jobs] for batch in cut_up]


def order_of(sizes):
    """Sources in the order in which they are handed out."""
    return [source for batch in cut(sizes) for source in batch]


def test_batches_contain_every_image_once_the_costliest_first():
    sizes = [10, 10_000_000, 500_000, 20, 3_000_000]
    assert order_of(sizes) == ["1.jpg", "4.jpg", "2.jpg", "3.jpg", "0.jpg"]


def test_the_cost_of_an_image_grows_with_its_bytes_and_its_pixels():
    entries = Entries(
        Entry(path, size, 0, "jpeg", width, height)
        for path, size, width, height in (("a", 0, 0, 0), ("b", 10**6, 0, 0), ("c", 0, 10, 10**5))
    )
    assert list(costs(entries)) == pytest.approx([0.0005, 0.0205, 0.0055])
    assert list(costs(entries, 0.053)) == pytest.approx([0.003, 0.123, 0.033])
    assert len(costs(Entries(), 0.053)) == 0


@pytest.mark.parametrize("seconds", [None, 0.053])
def test_the_cost_of_all_images_is_the_sum_of_their_costs(seconds):
    entries = Entries(Entry(f"{n}.jpg", 997 * n, 1, "jpeg", 31 * n, 17 * n) for n in range(50))
    assert total_cost(entries, seconds) == pytest.approx(costs(entries, seconds).sum())
    assert total_cost(Entries(), seconds) == 0


def test_images_of_equal_cost_are_sorted_by_path():
    assert order_of([100] * 5) == [f"{number}.jpg" for number in range(5)]


def test_batches_know_where_their_outputs_go():
    entries = Entries([Entry("sub/0.png", 1, 0, "png")])
    (batch,) = batches(entries, Outputs(entries, RECIPE), 1)
    job = Job("sub/0.png", ("sub/0.jpg",), bytes=1, mtime_ns=0)
    assert (len(batch.jobs), list(batch.jobs)) == (1, [job])
    assert pickle.loads(pickle.dumps(batch)).jobs == (job,)


def test_without_images_there_is_no_batch():
    assert cut([]) == []


def test_batches_shrink_towards_the_end_so_that_workers_end_together():
    lengths = [len(batch) for batch in cut([0] * 5000, workers=4, seconds_per_image=0.004)]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] < lengths[0] / 10


def test_each_worker_gets_several_batches():
    assert len(cut([0] * 1000, workers=8)) >= 3 * 8


def test_without_a_measurement_batches_begin_small_and_grow_eightfold():
    lengths = [len(batch) for batch in cut([0] * 5000, workers=2)]
    assert lengths[:6] == [1, 1, 8, 8, 64, 64]


@pytest.mark.parametrize("seconds", [0.0001, 0.004, 0.05])
def test_the_size_of_a_batch_follows_measured_costs_within_bounds(seconds):
    *batches_, _ = cut([1000] * 20_000, workers=2, seconds_per_image=seconds)
    for batch in batches_:  # a hundredth of a second to one, and no more than 250 images
        assert 0.01 - 1e-9 <= len(batch) * seconds <= 1.0 + seconds + 1e-9
        assert len(batch) <= 250


def test_an_image_that_costs_more_than_a_batch_has_a_batch_of_its_own():
    assert ["0.jpg"] in cut([1_000_000_000, *[1000] * 100])


@pytest.mark.parametrize("workers", [1, 2, 16])
@pytest.mark.parametrize("seconds_per_image", [None, 0.004])
def test_images_of_medium_cost_come_before_the_largest_ones(workers, seconds_per_image):
    """Images that kill claim huge sizes; some harmless ones must come before them."""
    bombs = {f"{number}.jpg" for number in range(200)}
    handed_out = [
        source
        for batch in cut([10**9] * 200 + [1000] * 800, workers, seconds_per_image)
        for source in batch
    ]
    scouts = handed_out[:workers]
    assert not bombs & set(scouts)
    assert set(handed_out[workers : workers + 200]) == bombs
    assert len(set(handed_out)) == 1000
