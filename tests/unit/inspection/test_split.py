"""The split: stable, and never near-duplicates on both sides."""

import collections
import itertools

import numpy as np
import pytest

from pixelmill.core.errors import UserError
from pixelmill.inspection import split
from pixelmill.inspection.split import NONE, SplitRow, assign, check_ratios
from tests.helpers.columns import ArrayColumns

RATIOS = {"train": 0.8, "val": 0.1, "test": 0.1}
DISTANCE = 6


def dataset(hashes, names=None, **values):
    """A dataset of pictures with the given hashes; each file has other bytes."""
    hashes = np.asarray(hashes, np.uint64)
    names = names if names is not None else [f"{place:05}.jpg" for place in range(len(hashes))]
    valid = np.ones(len(hashes), bool)
    values.setdefault("content_digest", np.array([f"digest of {name}" for name in names], object))
    return ArrayColumns(names, values, {"phash": (hashes, valid), "dhash": (hashes, valid)})


def planted(count, seed):
    """Hashes of pictures, of which a third are near-duplicates of others, some in chains."""
    random = np.random.default_rng(seed)
    hashes = random.integers(0, 2**64, count, dtype=np.uint64)
    for place in range(count * 2 // 3, count):
        hashes[place] = hashes[random.integers(0, place)]
        for bit in random.choice(64, random.integers(0, DISTANCE + 1), replace=False):
            hashes[place] ^= np.uint64(1 << int(bit))
    return random.permutation(hashes)


def sides(made):
    return {row.source: row.split for row in made.rows[: made.images]}


def near_duplicates_on_both_sides(columns, made):
    """Count them by comparing all images of one part with all of each other part."""
    hashes = columns.hashes("phash")[0]
    parts = np.array([row.split for row in made.rows[: made.images]], object)
    names = sorted(set(parts.tolist()) - {NONE})
    count = 0
    for name, other in itertools.combinations(names, 2):
        fewer, more = sorted((hashes[parts == name], hashes[parts == other]), key=len)
        for one in fewer:
            count += int((np.bitwise_count(one ^ more) <= DISTANCE).sum())
    return count


@pytest.mark.parametrize("seed", range(5))
def test_no_near_duplicates_are_on_both_sides_of_ten_thousand_images(seed):
    columns = dataset(planted(10_000, seed))
    made = assign(columns, [], RATIOS, seed, DISTANCE)
    assert near_duplicates_on_both_sides(columns, made) == 0
    shares = {name: count / 10_000 for name, count in made.counts().items()}
    assert shares == pytest.approx(RATIOS, abs=0.03)


def test_images_that_are_added_move_no_other_and_put_no_near_duplicates_on_both_sides():
    hashes = planted(2_000, 9)
    everything = dataset(hashes)
    random = np.random.default_rng(9)
    arrival = random.permutation(len(hashes))
    before, known = [], {}
    for count in (500, 501, 900, 1_500, 2_000):
        there = np.sort(arrival[:count])
        columns = dataset(hashes[there], [everything.sources[place] for place in there])
        made = assign(columns, before, RATIOS, 1, DISTANCE)
        assert known.items() <= sides(made).items()
        assert near_duplicates_on_both_sides(columns, made) == 0
        assert made.crossing is None
        before, known = made.rows, sides(made)
    assert collections.Counter(known.values())[NONE] < 100


def test_a_split_depends_on_content_and_seed_but_not_on_names_and_order():
    hashes = planted(300, 2)
    digests = np.array([f"digest {place}" for place in range(300)], object)
    first = assign(dataset(hashes, content_digest=digests), [], RATIOS, 1, DISTANCE)
    turned = dataset(hashes[::-1], [f"x{k}" for k in range(300)], content_digest=digests[::-1])
    second = assign(turned, [], RATIOS, 1, DISTANCE)
    by_digest = [{row.content_digest: row.split for row in made.rows} for made in (first, second)]
    assert by_digest[0] == by_digest[1]
    other = assign(dataset(hashes, content_digest=digests), [], RATIOS, 2, DISTANCE)
    assert [row.split for row in other.rows] != [row.split for row in first.rows]


def row(name, part, value, reason=""):
    return SplitRow(name, part, reason, f"digest of {name}", f"{value:016x}", f"{value:016x}")


#: Two pictures that are not near each other, and what is between them.
ONE, BETWEEN, OTHER = 0, 0b111111, 0b111111_111111

BEFORE = [row("one.jpg", "train", ONE), row("other.jpg", "val", OTHER)]


def test_a_near_duplicate_of_an_assigned_image_follows_it():
    for share in ({"train": 1, "val": 0}, {"train": 0, "val": 1}):
        made = assign(
            dataset([ONE, OTHER, OTHER ^ 1], ["one.jpg", "other.jpg", "new.jpg"]),
            BEFORE, share, 1, DISTANCE,
        )  # fmt: skip
        assert sides(made) == {"one.jpg": "train", "other.jpg": "val", "new.jpg": "val"}


def test_an_image_that_links_two_parts_goes_to_none_with_a_reason():
    names = ["link.jpg", "one.jpg", "other.jpg"]
    made = assign(dataset([BETWEEN, ONE, OTHER], names), BEFORE, RATIOS, 1, DISTANCE)
    assert sides(made) == {"link.jpg": NONE, "one.jpg": "train", "other.jpg": "val"}
    assert made.rows[0].reason == (
        "linked by near-duplicates to 'one.jpg' (train) and 'other.jpg' (val)"
    )


def test_images_with_equal_hashes_go_to_none_together():
    """If one of them links two parts, so do the others, even those that arrive later."""
    names = ["link.jpg", "link2.jpg", "one.jpg", "other.jpg"]
    hashes = [BETWEEN, BETWEEN, ONE, OTHER]
    made = assign(dataset(hashes, names), BEFORE, RATIOS, 1, DISTANCE)
    assert [one.split for one in made.rows] == [NONE, NONE, "train", "val"]
    later = dataset([*hashes, BETWEEN], [*names, "z.jpg"])
    again = assign(later, made.rows, RATIOS, 1, DISTANCE)
    assert again.rows[4][1:3] == (NONE, "it is the same as an image of none")


def test_what_equals_an_image_of_a_part_follows_it_even_if_it_equals_one_of_none_too():
    before = [row("left.jpg", NONE, ONE, "it could not be read"), row("one.jpg", "train", ONE)]
    names = ["left.jpg", "new.jpg", "one.jpg"]
    made = assign(dataset([ONE] * 3, names), before, {"val": 1}, 1, DISTANCE)
    assert sides(made) == {"left.jpg": NONE, "new.jpg": "train", "one.jpg": "train"}


def test_what_is_near_an_image_of_none_may_still_be_used():
    names = ["link.jpg", "new.jpg", "one.jpg", "other.jpg"]
    hashes = [BETWEEN, BETWEEN ^ (1 << 40) ^ 1 ^ (0b111 << 6), ONE, OTHER]
    made = assign(dataset(hashes, names), BEFORE, RATIOS, 1, DISTANCE)
    assert sides(made)["link.jpg"] == NONE
    assert sides(made)["new.jpg"] == "val"
    again = assign(dataset(hashes, names), made.rows, RATIOS, 1, DISTANCE)
    assert again == made


def test_new_images_that_link_two_parts_only_together_go_to_none():
    """Each of them is near one part and near the other new image."""
    step = 0b111111
    hashes = [0, step, step | step << 6, step | step << 6 | step << 12]
    names = ["one.jpg", "x.jpg", "y.jpg", "zother.jpg"]
    before = [row("one.jpg", "train", hashes[0]), row("zother.jpg", "val", hashes[3])]
    made = assign(dataset(hashes, names), before, RATIOS, 1, DISTANCE)
    assert [one.split for one in made.rows] == ["train", NONE, NONE, "val"]
    reason = "linked by near-duplicates to 'one.jpg' (train) and 'zother.jpg' (val)"
    assert made.rows[1].reason == made.rows[2].reason == reason


def test_a_near_duplicate_of_an_image_that_is_gone_goes_where_that_was():
    made = assign(dataset([OTHER ^ 1], ["new.jpg"]), BEFORE, {"train": 1}, 1, DISTANCE)
    assert sides(made) == {"new.jpg": "val"}
    assert [one.source for one in made.rows] == ["new.jpg", "one.jpg", "other.jpg"]
    assert made.counts() == {"val": 1}


def test_a_renamed_image_and_a_copy_keep_the_part():
    columns = dataset(
        [OTHER, OTHER], ["copy.jpg", "new name.jpg"],
        content_digest=np.array(["digest of other.jpg"] * 2, object),
    )  # fmt: skip
    made = assign(columns, BEFORE, {"train": 1}, 1, DISTANCE)
    assert sides(made) == {"copy.jpg": "val", "new name.jpg": "val"}


def test_flat_pictures_are_not_near_duplicates_unless_their_pixels_are_equal():
    count = 200
    flat = np.full(count, 2.0)
    pixels = np.array([f"pixels {place // 2}" for place in range(count)], object)
    columns = dataset(np.zeros(count), luma_std=flat, pixel_digest=pixels)
    parts = [one.split for one in assign(columns, [], RATIOS, 1, DISTANCE).rows]
    assert len(set(parts)) == 3
    assert parts[::2] == parts[1::2]


def test_an_image_that_could_not_be_read_goes_to_none_until_it_can_be():
    digests = np.array(["", "a"], object)
    made = assign(dataset([5, 1 << 50], content_digest=digests), [], {"train": 1}, 1, DISTANCE)
    assert [(one.split, one.reason) for one in made.rows] == [
        (NONE, "it could not be read"),
        ("train", ""),
    ]
    digests = np.array(["b", "a"], object)
    made = assign(
        dataset([5, 1 << 50], content_digest=digests), made.rows, {"train": 1}, 1, DISTANCE
    )
    assert [one.split for one in made.rows] == ["train", "train"]


def test_a_larger_distance_may_show_near_duplicates_on_both_sides_which_is_told():
    columns = dataset([ONE, OTHER], ["one.jpg", "other.jpg"])
    made = assign(columns, BEFORE, RATIOS, 1, 12)
    assert sides(made) == {"one.jpg": "train", "other.jpg": "val"}
    assert made.crossing == ("one.jpg", "other.jpg")


def test_a_split_is_read_back_as_it_was_written(tmp_path):
    columns = dataset(planted(50, 4), [f'=a{place},"b".jpg' for place in range(50)])
    made = assign(columns, [], RATIOS, 1, DISTANCE)
    split.write(tmp_path / "splits.csv", made)
    before = split.read(tmp_path / "splits.csv")
    assert before == made.rows
    assert assign(columns, before, {"other": 1}, 2, DISTANCE).rows == made.rows


def test_without_a_file_nothing_was_assigned(tmp_path):
    assert split.read(tmp_path / "splits.csv") == []


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        ("train", "tr ain", "split"),
        ("train", "", "split"),
        ("000000000000003f", "3f", "phash"),
        ("000000000000003f", "zz0000000000003f", "phash"),
        ("dhash", "d", "dhash"),
        ("content_digest", "digest", "content_digest"),
    ],
)
def test_a_file_that_was_damaged_is_told(tmp_path, old, new, column):
    path = tmp_path / "splits.csv"
    made = assign(dataset([BETWEEN], ["a.jpg"]), [], {"train": 1}, 1, DISTANCE)
    split.write(path, made)
    path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
    with pytest.raises(UserError, match=f"splits.csv', row 2: .*'{column}'; restore the file"):
        split.read(path)


def test_a_file_without_images_or_with_two_parts_for_one_image_is_refused(tmp_path):
    path = tmp_path / "splits.csv"
    split.write(path, assign(dataset([BETWEEN], ["a.jpg"]), [], {"train": 1}, 1, DISTANCE))
    header, row = path.read_text("utf-8").splitlines()
    for content in ("", f"{header}\n"):
        path.write_text(content, "utf-8")
        with pytest.raises(UserError, match="lists no image, as if it had been cut off"):
            split.read(path)
    path.write_text("\n".join([header, row, row.replace("train", "test")]), "utf-8")
    with pytest.raises(UserError, match="row 3: found 'test' in the column 'split'"):
        split.read(path)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (None, "split.ratios: found nothing"),
        ({}, "split.ratios: found {}"),
        ([0.8, 0.2], "give shares of the parts"),
        ({"train": 0.8, "val": 0.1}, "the sum is 0.9; give shares whose sum is 1"),
        ({"train": 0.8, "val": 0.4}, "the sum is 1.2"),
        ({"train": 1.2, "val": -0.2}, "split.ratios.train: found 1.2; give a number from 0 to 1"),
        ({"train": True}, "split.ratios.train: found True"),
        ({"train": "0.8", "val": 0.2}, "split.ratios.train: found '0.8'"),
        ({"train": float("nan")}, "split.ratios.train: found nan"),
        ({"none": 0.5, "train": 0.5}, "the name 'none' is not allowed"),
        ({"../x": 1}, "the name '../x' is not allowed"),
        ({7: 1}, "the name 7 is not allowed"),
    ],
)
def test_wrong_ratios_are_refused(given, problem):
    with pytest.raises(UserError) as raised:
        check_ratios(given)
    assert problem in str(raised.value)


def test_ratios_may_be_rounded():
    assert check_ratios({"a": 0.333, "b": 0.333, "c": 0.333}) == pytest.approx(
        {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}
    )
