"""Generated images depend only on seed and number, and only missing ones are generated."""

import json
import os
import re

import numpy as np
import pytest
from PIL import Image

from pixelmill.core.errors import UserError
from pixelmill.dataset import synthetic
from pixelmill.dataset.synthetic import BATCH, RECORD, Spec, generate

SMALL = {"width": (20, 40), "height": (20, 40)}


def spec(count=4, **more):
    return Spec(**{"count": count, **SMALL, **more})


def pictures(folder):
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def contents(folder):
    return {path.name: path.read_bytes() for path in pictures(folder)}


def times(folder):
    return {path.name: path.stat().st_mtime_ns for path in pictures(folder)}


# Images


@pytest.mark.parametrize("content", ["photo", "solid", "noise"])
def test_an_image_depends_only_on_seed_and_number(content):
    base, _ = synthetic.image(spec(content=content), 3)
    assert synthetic.image(spec(1, content=content), 3)[0] == base
    assert synthetic.image(spec(999, content=content), 3)[0] == base
    assert synthetic.image(spec(content=content), 2)[0] != base
    assert synthetic.image(spec(content=content, seed=7), 3)[0] != base


def test_neighbouring_seeds_and_numbers_give_other_images():
    made = [synthetic.image(spec(seed=seed), k)[0].tobytes() for seed in (1, 2) for k in range(3)]
    assert len(set(made)) == 6


def test_sides_lie_between_their_bounds_and_reach_them():
    sizes = [synthetic.image(spec(width=(5, 7), height=(9, 9)), k)[0].size for k in range(60)]
    assert {width for width, _ in sizes} == {5, 6, 7}
    assert {height for _, height in sizes} == {9}


def test_each_solid_image_has_a_single_colour_of_its_own():
    made = [synthetic.image(spec(content="solid"), number)[0] for number in range(50)]
    assert [len(image.getcolors()) for image in made] == [1] * 50
    colors = np.array([image.getpixel((0, 0)) for image in made])
    assert len(np.unique(colors, axis=0)) == 50
    assert (colors.min(axis=0) < 40).all()
    assert (colors.max(axis=0) > 215).all()


def test_noise_uses_all_levels_evenly():
    image, _ = synthetic.image(Spec(width=(200, 200), height=(200, 200), content="noise"), 0)
    counts = np.bincount(np.asarray(image).ravel(), minlength=256)
    assert counts.min() > 300  # of 469 expected


def test_photos_compress_as_photos_do(encoded):
    for number in range(10):
        image, _ = synthetic.image(Spec(), number)
        assert all(300 <= side <= 600 for side in image.size)
        size = len(encoded(image, "JPEG", quality=90))
        assert 10_000 <= size <= 120_000


def test_photos_have_structure_at_all_scales():
    for number in range(10):
        image = synthetic.image(Spec(), number)[0].convert("L")
        small, tiny = image.resize((64, 64), Image.Resampling.BOX), image.resize((4, 4))
        assert np.asarray(tiny).std() > 8  # light and shade
        assert np.abs(np.diff(np.asarray(small).astype(int))).max() > 30  # edges
        assert np.abs(np.diff(np.asarray(image).astype(int))).mean() > 0.5  # grain


def test_formats_are_mixed_by_their_weights():
    mixed = Spec.from_config({**SMALL, "content": "solid", "format": {"jpeg": 3, "png": 1}})
    formats = [synthetic.image(mixed, number)[1] for number in range(800)]
    assert formats.count("jpeg") + formats.count("png") == 800
    assert formats.count("png") == pytest.approx(200, abs=40)  # more than 3 deviations


def test_the_order_of_a_mix_does_not_matter():
    one, other = ({"format": {"png": 1, "jpeg": 2}}, {"format": {"jpeg": 2, "png": 1}})
    assert Spec.from_config(one) == Spec.from_config(other)


def test_a_range_in_the_wrong_order_is_refused():
    with pytest.raises(UserError, match=r"^generate\.height: found \[9, 5\]"):
        Spec.from_config({"height": [9, 5]})


# Folders


@pytest.mark.parametrize(
    ("format", "suffix"),
    [("jpeg", ".jpg"), ("png", ".png"), ("bmp", ".bmp"), ("gif", ".gif")],
)
def test_files_are_of_their_format_and_numbered(tmp_path, format, suffix):
    assert generate(str(tmp_path), spec(2, format=((format, 1.0),)), 1) == 2
    assert [path.name for path in pictures(tmp_path)] == [f"00000000{suffix}", f"00000001{suffix}"]
    for number, path in enumerate(pictures(tmp_path)):
        with Image.open(path) as image:
            assert image.format == format.upper()
            assert image.size == synthetic.image(spec(), number)[0].size


def test_a_jpeg_has_the_requested_quality(tmp_path, encoded):
    generate(str(tmp_path), spec(1), 1)
    image, _ = synthetic.image(spec(), 0)
    expected = encoded(image, "JPEG", quality=90)
    assert (tmp_path / "00000000.jpg").read_bytes() == expected


def test_the_number_of_workers_does_not_matter(tmp_path):
    generate(str(tmp_path / "one"), spec(70), 1)
    generate(str(tmp_path / "two"), spec(70), 2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert len(contents(tmp_path / "one")) == 70


def test_a_second_call_generates_nothing(tmp_path):
    generate(str(tmp_path), spec(), 1)
    before = times(tmp_path)
    assert generate(str(tmp_path), spec(), 1) == 0
    assert times(tmp_path) == before


def test_a_larger_count_generates_only_the_additional_images(tmp_path):
    generate(str(tmp_path), spec(3), 1)
    before = times(tmp_path)
    assert generate(str(tmp_path), spec(5), 1) == 2
    after = times(tmp_path)
    assert len(after) == 5
    assert {name: after[name] for name in before} == before


def test_a_smaller_count_removes_only_the_surplus(tmp_path):
    generate(str(tmp_path), spec(5), 1)
    before = times(tmp_path)
    assert generate(str(tmp_path), spec(2), 1) == 0
    assert times(tmp_path) == {name: before[name] for name in sorted(before)[:2]}


@pytest.mark.parametrize(
    "change", [{"seed": 7}, {"content": "solid"}, {"width": (41, 60)}, {"format": (("png", 1.0),)}]
)
def test_another_specification_generates_all_images_again(tmp_path, change):
    generate(str(tmp_path), spec(3), 1)
    before = contents(tmp_path)
    assert generate(str(tmp_path), spec(3, **change), 1) == 3
    assert len(contents(tmp_path)) == 3
    assert not set(contents(tmp_path).values()) & set(before.values())


@pytest.mark.parametrize("harm", ["delete", "cut", "empty"])
def test_a_file_that_is_missing_or_of_another_size_is_generated_again(tmp_path, harm):
    generate(str(tmp_path), spec(3), 1)
    before, kept = contents(tmp_path), times(tmp_path)
    victim = tmp_path / "00000001.jpg"
    if harm == "delete":
        victim.unlink()
    else:
        victim.write_bytes(before[victim.name][:100] if harm == "cut" else b"")
    assert generate(str(tmp_path), spec(3), 1) == 1
    assert contents(tmp_path) == before
    assert [name for name, time in times(tmp_path).items() if time != kept[name]] == [victim.name]


@pytest.mark.parametrize(
    "name", ["holiday.jpg", "readme.txt", "00000001.webp", "0000001.jpg", ".x"]
)
def test_other_files_are_kept(tmp_path, name):
    (tmp_path / name).write_bytes(b"mine")
    generate(str(tmp_path), spec(2), 1)
    generate(str(tmp_path), spec(1, seed=7), 1)
    assert (tmp_path / name).read_bytes() == b"mine"


def test_a_photo_that_is_named_after_its_date_is_kept(tmp_path):
    (tmp_path / "20260131.jpg").write_bytes(b"mine")
    generate(str(tmp_path), spec(2), 1)
    assert (tmp_path / "20260131.jpg").read_bytes() == b"mine"


def test_a_table_that_names_other_files_removes_none_of_them(tmp_path):
    generate(str(tmp_path / "in"), spec(1), 1)
    (tmp_path / "mine.txt").write_bytes(b"mine")
    with open(tmp_path / "in" / synthetic.TABLE, "a", encoding="utf-8") as table:
        table.write(f"../mine.txt,4,{'0' * 64}\n")
    generate(str(tmp_path / "in"), spec(1, seed=7), 1)
    assert (tmp_path / "mine.txt").read_bytes() == b"mine"


def test_images_generated_before_a_kill_are_kept(tmp_path):
    generate(str(tmp_path), spec(3), 1)
    before = times(tmp_path)
    # As after a kill: the last line of the table is cut off, and its image is not recorded.
    table = tmp_path / synthetic.TABLE
    table.write_text(table.read_text()[:-40])
    assert generate(str(tmp_path), spec(3), 1) == 1
    after = times(tmp_path)
    assert [name for name in before if before[name] != after[name]] == ["00000002.jpg"]


def test_surplus_images_of_a_killed_run_are_removed(tmp_path):
    generate(str(tmp_path), spec(3), 1)
    # As after a kill: images were written whose batch had not ended.
    table = tmp_path / synthetic.TABLE
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:2]))
    generate(str(tmp_path), spec(1), 1)
    assert [path.name for path in pictures(tmp_path)] == ["00000000.jpg"]


def test_the_table_lists_the_existing_files(tmp_path):
    generate(str(tmp_path), spec(3), 1)
    (tmp_path / "00000000.jpg").unlink()
    generate(str(tmp_path), spec(3), 1)
    lines = (tmp_path / synthetic.TABLE).read_text().splitlines()
    assert lines[0] == "name,bytes,sha256"
    assert lines[1:] == sorted(lines[1:])
    sizes = {line.split(",")[0]: int(line.split(",")[1]) for line in lines[1:]}
    assert sizes == {path.name: path.stat().st_size for path in pictures(tmp_path)}


def test_images_are_known_by_their_token_until_some_are_gone(tmp_path):
    generate(str(tmp_path), spec(3), 1, token="first")
    assert synthetic.token(str(tmp_path)) == "first"
    os.unlink(tmp_path / "00000001.jpg")
    assert synthetic.token(str(tmp_path)) not in ("", "first")
    assert synthetic.token(str(tmp_path)) != synthetic.token(str(tmp_path))
    generate(str(tmp_path), spec(3), 1, token="second")
    assert synthetic.token(str(tmp_path)) == "second"


def test_nothing_but_images_and_dot_files_is_left(tmp_path):
    generate(str(tmp_path), spec(3), 2)
    others = {path.name for path in tmp_path.iterdir()} - {path.name for path in pictures(tmp_path)}
    assert others == {".generated.json", ".generated.csv", ".lock"}


def test_files_that_were_not_generated_are_not_overwritten(tmp_path):
    mine = tmp_path / "00000000.jpg"
    mine.write_bytes(b"a photo of mine")
    with pytest.raises(UserError, match=r"contains '00000000\.jpg', which was not generated"):
        generate(str(tmp_path), Spec(count=2), 1)
    assert mine.read_bytes() == b"a photo of mine"


def test_what_a_killed_run_left_is_removed_without_a_look_at_every_number(tmp_path):
    folder = tmp_path / "images"
    generate(str(folder), Spec(count=2, width=(8, 8), height=(8, 8)), 1)
    (folder / "00000005.jpg").write_bytes(b"of a run that was killed")
    (folder / "notes.txt").write_text("mine")
    record = json.loads((folder / RECORD).read_text())
    (folder / RECORD).write_text(json.dumps({**record, "count": 10**15}))
    assert generate(str(folder), Spec(count=2, width=(8, 8), height=(8, 8)), 1) == 0
    assert not (folder / "00000005.jpg").exists()
    assert (folder / "notes.txt").exists()


def test_numbers_are_counted_as_they_are_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(synthetic, "MOST_TASKS", 1)
    folder, spec = str(tmp_path), Spec(count=2 * BATCH + 1, width=(8, 8), height=(8, 8))
    assert generate(folder, spec, 1) == 2 * BATCH + 1
    (tmp_path / "00000003.jpg").unlink()
    (tmp_path / f"{BATCH:08}.jpg").unlink()
    assert generate(folder, spec, 1) == 2


@pytest.mark.parametrize("count", [0, -1, 100_000_000])
def test_a_count_without_names_is_refused(count):
    with pytest.raises(UserError, match="give 1 to 99,999,999"):
        Spec(count=count)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"widht": [1, 2]}, "'widht' is unknown; did you mean 'width'?"),
        ({"width": 5}, "generate: TypeError"),
        ({"width": [1, 2, 3]}, "generate: ValueError"),
        ({"format": 5}, "generate: AttributeError"),
    ],
)
def test_a_wrong_specification_is_told(data, message):
    with pytest.raises(UserError, match=re.escape(message)):
        Spec.from_config(data)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"spec": "a", "count": "b"}'])
def test_a_damaged_record_is_told_and_nothing_is_removed(tmp_path, content):
    generate(str(tmp_path), Spec(count=1, width=(8, 8), height=(8, 8)), 1)
    (tmp_path / RECORD).write_text(content)
    with pytest.raises(UserError, match="is damaged"):
        generate(str(tmp_path), Spec(count=1, width=(8, 8), height=(8, 8)), 1)
    assert (tmp_path / "00000000.jpg").exists()


@pytest.mark.parametrize("module", ["dataset/synthetic.py", "dataset/scenes.py"])
def test_images_of_other_code_are_not_those_of_this_one(monkeypatch, module):
    before = spec(2).fingerprint()
    assert spec(3).fingerprint() == before  # their number does not change any of them
    digest_of_code = synthetic.digest_of_code
    monkeypatch.setattr(
        synthetic, "digest_of_code", lambda *paths: digest_of_code(*paths) + "x" * (module in paths)
    )
    assert spec(2).fingerprint() != before
