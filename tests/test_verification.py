"""Verification finds every planted fault and names it, and opens nothing twice without need."""

import csv
import hashlib
import os
import shutil
import sqlite3

import numpy as np
import pytest
from PIL import Image

from pixelmill import catalog, generator
from pixelmill.process import process_folder
from pixelmill.progress import Progress
from pixelmill.recipe import parse
from pixelmill.verification import BATCH, remedy, verify

RESIZE = {"resize": {"width": 48, "height": 32}}
COUNT = 26

CHECK_KEYS = {"name", "passed", "compared", "not_compared", "differing"}
CHECKS = [
    "inputs",
    "missing",
    "extra",
    "temporaries",
    "decodes",
    "format",
    "size",
    "mode",
    "sha256",
    "similarity",
]


class Tree:
    """An output tree and its source, to plant faults in and to verify."""

    def __init__(self, root, steps=(RESIZE,)):
        self.source, self.target, self.images = root / "in", root / "out", root / "out/images"
        self.recipe = parse({"steps": list(steps)})

    def process(self):
        process_folder(str(self.source), str(self.target), self.recipe, "sequential", 1)

    def entries(self):
        return list(catalog.scan(str(self.source))[0].entries)

    def verify(self, entries=None, workers=1, confined=False, **options):
        """Verify in this process, unless another one is to be confined for it."""
        entries = self.entries() if entries is None else entries
        data = self.recipe.as_data()
        source, target = str(self.source), str(self.target)
        return verify(source, target, data, entries, workers, confined=confined, **options)

    def note_as_made(self, *outputs):
        """Let the manifest note the bytes that stand there, so that these pass as made."""
        manifest = self.target / "manifest.csv"
        with manifest.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))
        for row in rows:
            if row[2] in outputs:
                row[7] = hashlib.sha256((self.images / row[2]).read_bytes()).hexdigest()
        with manifest.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


def check_of(result, name):
    return next(check for check in result["checks"] if check["name"] == name)


def faults_of(result):
    """What each failed check names, by check."""
    return {
        check["name"]: {named["image"]: named["why"] for named in check["named"]}
        for check in result["checks"]
        if not check["passed"]
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory, photos):
    """A tree with nothing wrong, but one input that failed."""
    root = tmp_path_factory.mktemp("made")
    photos(root / "in", COUNT)
    (root / "in" / "broken.jpg").write_bytes(b"\xff\xd8\xff and no more")
    Tree(root).process()
    return root


@pytest.fixture
def tree(made, tmp_path):
    return Tree(shutil.copytree(made, tmp_path / "tree"))


def edit(path, change):
    """Change the pixels of an output and write them as before."""
    with Image.open(path) as image:
        changed = change(image.convert("RGB"))
    changed.save(path, "JPEG", quality=95)


def swap_channels(image):
    return Image.merge("RGB", image.split()[::-1])


def exchange(one, other):
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def same_size_other_bytes(path):
    """Alter a file so that neither its size nor its time tells."""
    state = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


@pytest.mark.parametrize("confined", [False, True])
def test_a_tree_with_nothing_wrong_passes_every_check(tree, confined):
    result = tree.verify(confined=confined)
    assert result["passed"]
    assert [check["name"] for check in result["checks"]] == CHECKS
    assert all(check["passed"] for check in result["checks"])
    assert check_of(result, "inputs")["compared"] == COUNT + 1
    for name in CHECKS[1:]:
        assert check_of(result, name)["compared"] == COUNT, name
        assert check_of(result, name)["not_compared"] == 0, name
    assert "1 inputs failed" in result["summary"]


def test_the_result_has_the_keys_that_others_rely_on(tree):
    result = tree.verify()
    assert {"passed", "checks"} <= result.keys()
    assert all(check.keys() >= CHECK_KEYS for check in result["checks"])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (swap_channels, "channels are swapped"),
        (lambda image: image.transpose(Image.Transpose.ROTATE_180), "turned by 180 degrees"),
        (lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "mirrored"),
        (lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM), "orientation"),
        (lambda image: image.convert("L"), "colours are lost"),
        (lambda image: image.point(lambda level: level // 2), "does not look like its source"),
    ],
    ids=["channels swapped", "upside down", "mirrored", "flipped", "grey", "too dark"],
)
def test_wrong_pixels_that_the_manifest_notes_are_seen_by_their_looks_alone(tree, change, why):
    edit(tree.images / "3.jpg", change)
    tree.note_as_made("3.jpg")
    faults = faults_of(tree.verify())
    assert list(faults) == ["similarity"]
    assert list(faults["similarity"]) == ["3.jpg"]
    assert why in faults["similarity"]["3.jpg"]


def test_a_quarter_turn_is_named_where_the_output_is_square(tmp_path, photos):
    photos(tmp_path / "in", 2)
    square = Tree(tmp_path, [{"resize": {"width": 48, "height": 48}}])
    square.process()
    edit(square.images / "1.jpg", lambda image: image.transpose(Image.Transpose.ROTATE_90))
    square.note_as_made("1.jpg")
    faults = faults_of(square.verify())
    assert "turned by" in faults["similarity"]["1.jpg"]


def test_exchanged_outputs_are_named_with_each_other(tree):
    exchange(tree.images / "3.jpg", tree.images / "7.jpg")
    faults = faults_of(tree.verify())
    assert faults["sha256"] == {
        "3.jpg": "exchanged: holds the image of '7.jpg'",
        "7.jpg": "exchanged: holds the image of '3.jpg'",
    }


def test_exchanged_outputs_that_the_manifest_notes_are_seen_by_their_looks(tree):
    exchange(tree.images / "3.jpg", tree.images / "7.jpg")
    tree.note_as_made("3.jpg", "7.jpg")
    assert faults_of(tree.verify()) == {
        "similarity": {
            "3.jpg": "exchanged: looks like the image of '7.jpg'",
            "7.jpg": "exchanged: looks like the image of '3.jpg'",
        }
    }


def test_a_flipped_byte_is_seen(tree):
    path = tree.images / "3.jpg"
    data = bytearray(path.read_bytes())
    data[-1] ^= 0x01
    path.write_bytes(data)
    assert list(faults_of(tree.verify())["sha256"]) == ["3.jpg"]


def test_a_missing_output_is_seen(tree):
    (tree.images / "3.jpg").unlink()
    assert faults_of(tree.verify()) == {"missing": {"3.jpg": "is in the manifest and not there"}}


def test_an_extra_file_is_seen(tree, picture):
    (tree.images / "sub").mkdir()
    picture(0).save(tree.images / "sub/stray.jpg")
    assert faults_of(tree.verify()) == {
        "extra": {"sub/stray.jpg": "is there and not in the manifest"}
    }


def test_a_temporary_of_a_killed_run_is_seen_as_such(tree):
    (tree.images / ".pixelmill-1f-2e-3d4c.tmp").write_bytes(b"half")
    assert list(faults_of(tree.verify())) == ["temporaries"]


def test_a_wrong_size_is_seen(tree):
    edit(tree.images / "3.jpg", lambda image: image.resize((48, 33)))
    tree.note_as_made("3.jpg")
    assert faults_of(tree.verify())["size"] == {"3.jpg": "is 48x33, not 48x32"}


def test_wrong_colours_are_seen(tree):
    edit(tree.images / "3.jpg", lambda image: image.convert("CMYK"))
    tree.note_as_made("3.jpg")
    assert faults_of(tree.verify())["mode"] == {"3.jpg": "is CMYK, not RGB or L"}


def test_a_coloured_output_of_a_grey_recipe_is_seen(tmp_path, photos, picture):
    photos(tmp_path / "in", 2)
    grey = Tree(tmp_path, [RESIZE, "grayscale"])
    grey.process()
    picture(1, (48, 32)).save(grey.images / "1.jpg")
    grey.note_as_made("1.jpg")
    assert faults_of(grey.verify())["mode"] == {"1.jpg": "is RGB, not L"}


def test_a_wrong_format_is_seen_whatever_the_suffix(tree):
    path = tree.images / "3.jpg"
    with Image.open(path) as image:
        image.load()
    image.save(path, "PNG")
    tree.note_as_made("3.jpg")
    assert faults_of(tree.verify()) == {"format": {"3.jpg": "is PNG, not JPEG"}}


def test_a_truncated_output_that_the_manifest_notes_is_seen(tree):
    path = tree.images / "3.jpg"
    path.write_bytes(path.read_bytes()[:-200])
    tree.note_as_made("3.jpg")
    result = tree.verify()
    assert list(faults_of(result)["decodes"]) == ["3.jpg"]
    assert check_of(result, "format")["not_compared"] == 1


def test_an_empty_output_is_seen_and_described_the_same_every_time(tree):
    (tree.images / "3.jpg").write_bytes(b"")
    faults = faults_of(tree.verify())
    assert list(faults) == ["decodes", "sha256"]
    assert "object at 0x" not in faults["decodes"]["3.jpg"]


def test_an_input_without_a_row_is_seen(tree):
    late = tree.entries()[0]._replace(path="late.jpg")
    result = tree.verify([*tree.entries(), late])
    assert faults_of(result) == {"inputs": {"late.jpg": "is an input without a row"}}


def test_a_row_without_an_input_is_seen(tree):
    result = tree.verify([entry for entry in tree.entries() if entry.path != "3.jpg"])
    assert faults_of(result) == {"inputs": {"3.jpg": "has a row and is no input"}}


def test_all_are_counted_and_the_first_twenty_named(tree):
    for path in tree.images.iterdir():
        path.unlink()
    check = check_of(tree.verify(), "missing")
    assert (check["differing"], len(check["named"])) == (COUNT, 20)


def test_every_check_that_failed_has_a_remedy(tree):
    edit(tree.images / "0.jpg", lambda image: image.convert("CMYK").resize((20, 20)))
    exchange(tree.images / "1.jpg", tree.images / "2.jpg")
    (tree.images / "3.jpg").write_bytes(b"")
    (tree.images / "4.jpg").rename(tree.images / "stray.jpg")
    (tree.images / ".pixelmill-1-2-3.tmp").touch()
    with Image.open(tree.images / "5.jpg") as image:
        image.load()
    image.save(tree.images / "5.jpg", "PNG")
    result = tree.verify(tree.entries()[1:])
    assert [line.split(":")[0] for line in remedy(result)] == CHECKS


def test_a_tree_with_nothing_wrong_needs_no_remedy(tree):
    assert list(remedy(tree.verify())) == []


def test_a_tree_that_was_never_processed_is_said_so(tmp_path, photos):
    photos(tmp_path / "in", 1)
    with pytest.raises(Exception, match=r"manifest\.csv' is missing"):
        Tree(tmp_path).verify()


@pytest.mark.parametrize(
    "steps", [[RESIZE, "sharpen"], ["sharpen", RESIZE]], ids=["a filter after", "a filter before"]
)
def test_what_has_no_reference_is_counted_as_not_compared(tmp_path, photos, steps):
    photos(tmp_path / "in", 3)
    filtered = Tree(tmp_path, steps)
    filtered.process()
    check = check_of(filtered.verify(), "similarity")
    assert (check["compared"], check["not_compared"]) == (0, 3)


@pytest.mark.parametrize(("sample", "compared"), [(0, 0), (3, 3), (1000, COUNT)])
def test_the_sample_says_how_many_are_compared_and_the_rest_is_counted(tree, sample, compared):
    check = check_of(tree.verify(sample=sample), "similarity")
    assert (check["compared"], check["not_compared"]) == (compared, COUNT - compared)


def test_a_sample_is_the_same_every_time(tree, tmp_path):
    for path in tree.images.iterdir():
        edit(path, swap_channels)
    tree.note_as_made(*(path.name for path in tree.images.iterdir()))
    first = faults_of(tree.verify(sample=5, scope="all"))["similarity"]
    assert faults_of(tree.verify(sample=5, scope="all"))["similarity"] == first
    assert len(first) == 5


def test_an_output_that_fails_another_check_is_compared_whatever_the_sample(tree):
    exchange(tree.images / "3.jpg", tree.images / "7.jpg")
    assert list(faults_of(tree.verify(sample=0))["similarity"]) == ["3.jpg", "7.jpg"]


def test_the_least_similarity_decides(tree):
    assert "similarity" in faults_of(tree.verify(min_psnr=100.0))


def test_what_passed_and_did_not_change_is_not_opened_again(tree):
    """Shown by a fault that only opening could show."""
    tree.verify()
    same_size_other_bytes(tree.images / "3.jpg")
    result = tree.verify(scope="changed")
    assert result["passed"]
    assert "none changed" in result["summary"]
    assert check_of(result, "sha256")["compared"] == COUNT
    assert check_of(result, "similarity")["compared"] == COUNT


def test_all_are_opened_where_that_is_asked_for(tree):
    tree.verify()
    same_size_other_bytes(tree.images / "3.jpg")
    assert list(faults_of(tree.verify(scope="all"))["sha256"]) == ["3.jpg"]


def test_a_fault_that_was_seen_once_is_not_forgotten(tree):
    tree.verify()
    same_size_other_bytes(tree.images / "3.jpg")
    tree.verify(scope="all")
    assert list(faults_of(tree.verify(scope="changed"))["sha256"]) == ["3.jpg"]


def test_an_output_whose_digest_in_the_manifest_changed_is_opened_again(tree):
    """Its own bytes and time are those that passed before."""
    tree.verify()
    manifest = tree.target / "manifest.csv"
    digest = hashlib.sha256((tree.images / "3.jpg").read_bytes()).hexdigest()
    text = manifest.read_text(encoding="utf-8")
    assert digest in text
    manifest.write_text(text.replace(digest, "0" * 64), encoding="utf-8")
    result = tree.verify()
    assert faults_of(result)["sha256"] == {"3.jpg": "bytes differ from the manifest"}
    manifest.write_text(text, encoding="utf-8")
    assert tree.verify()["passed"]


def opened_in(result):
    """How many outputs a verification opened, by its summary."""
    return 0 if "none changed" in result["summary"] else int(result["summary"].split()[-2])


@pytest.mark.parametrize(
    ("options", "opened"),
    [({"sample": 0}, 0), ({"sample": 5}, 5), ({"sample": 0, "min_psnr": 29.0}, COUNT)],
    ids=["same rules", "larger sample", "other least similarity"],
)
def test_other_rules_open_what_they_concern(tree, options, opened):
    tree.verify(sample=0)
    assert opened_in(tree.verify(**options)) == opened


def test_what_passed_before_a_verification_was_stopped_is_not_opened_again(
    tmp_path, photos, monkeypatch
):
    photos(tmp_path / "in", BATCH + 10, size=(24, 16))
    tree = Tree(tmp_path)
    tree.process()
    batches = []

    def stop(self, done, failed=0):
        batches.append(done)
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr(Progress, "advance", stop)
        with pytest.raises(KeyboardInterrupt):
            tree.verify(workers=1)
    assert batches == [BATCH]
    assert opened_in(tree.verify(workers=1)) == 10


def test_a_touched_output_is_opened_again(tree):
    tree.verify()
    os.utime(tree.images / "3.jpg", ns=(1, 1))
    assert opened_in(tree.verify()) == 1


def test_an_image_made_anew_is_opened_again(tree, picture):
    tree.verify()
    picture(99).save(tree.source / "3.jpg", quality=95)
    tree.process()
    result = tree.verify()
    assert result["passed"]
    assert opened_in(result) == 1


def altered(script):
    def alter(path):
        database = sqlite3.connect(path)
        database.executescript(script)
        database.close()

    return alter


def a_folder(path):
    path.unlink()
    (path / "sub").mkdir(parents=True)


def a_pipe(path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("the system has no named pipes")
    path.unlink()
    os.mkfifo(path)


def a_link(path):
    path.rename(path.with_name("other.sqlite"))
    path.symlink_to("other.sqlite")


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"no database " * 1000),
        lambda path: os.truncate(path, 5000),
        altered("DROP TABLE passed; CREATE TABLE passed (x)"),
        altered("UPDATE passed SET sized = 'yes'"),
        altered("UPDATE passed SET output = CAST(x'ff' || output AS TEXT)"),
        a_folder,
        a_pipe,
        a_link,
    ],
    ids=["text", "cut off", "columns", "types", "text encoding", "folder", "pipe", "link"],
)
def test_a_damaged_memory_costs_time_only(tree, damage):
    tree.verify()
    damage(tree.target / "verification.sqlite")
    result = tree.verify()
    assert result["passed"]
    assert opened_in(result) == COUNT
    assert opened_in(tree.verify()) == 0


@pytest.mark.parametrize(
    ("content", "side"), [("photo", 16), ("photo", 32), ("photo", 48), ("noise", 64)]
)
def test_small_outputs_of_detailed_pictures_look_like_their_sources(tmp_path, content, side):
    """Two libraries' kernels and the compression differ most in pictures that are not reduced."""
    (tmp_path / "in").mkdir()
    for number in range(12):
        picture, _ = generator.image(generator.Spec(content=content), number)
        picture.save(tmp_path / "in" / f"{number}.jpg", quality=90)
    thumbnails = Tree(tmp_path, [{"resize": {"width": side, "height": side}}])
    thumbnails.process()
    assert faults_of(thumbnails.verify()) == {}


@pytest.mark.parametrize("filter", ["lanczos", "bicubic", "bilinear", "hamming", "box", "nearest"])
def test_enlarged_pictures_look_like_their_sources(tmp_path, filter):
    """Of a few pixels each kernel makes something else, and all are right."""
    (tmp_path / "in").mkdir()
    pixels = np.random.default_rng(1)
    for number, size in enumerate([(13, 7), (9, 30), (60, 40), (3, 3), (1, 1)]):
        levels = pixels.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(levels).save(tmp_path / "in" / f"{number}.png")
    tree = Tree(tmp_path, [{"resize": {"width": 256, "height": 200, "filter": filter}}])
    tree.process()
    assert faults_of(tree.verify()) == {}


def test_two_workers_find_what_one_finds(tmp_path, photos):
    photos(tmp_path / "in", 410, size=(24, 16))
    tree = Tree(tmp_path)
    tree.process()
    exchange(tree.images / "3.jpg", tree.images / "300.jpg")
    (tree.images / "17.jpg").unlink()
    alone, together = (tree.verify(workers=workers, scope="all") for workers in (1, 2))
    assert not alone["passed"]
    assert together == alone


def test_hostile_names_are_verified_and_named_on_one_line(tmp_path, picture):
    names = ["two\nlines.jpg", "back\\slash.jpg", 'quo"te, comma.jpg', "line\u2028end.jpg"]
    if os.name == "posix" and os.uname().sysname == "Linux":
        names.append(os.fsdecode(b"caf\xe9.jpg"))
    (tmp_path / "in").mkdir()
    for number, name in enumerate(names):
        picture(number).save(tmp_path / "in" / name, quality=95)
    tree = Tree(tmp_path)
    tree.process()
    assert tree.verify()["passed"]
    for path in list(tree.images.iterdir()):
        path.unlink()
    named = faults_of(tree.verify())["missing"]
    assert len(named) == len(names)
    for image in named:
        assert len(image.splitlines()) == 1
        image.encode()


def test_the_source_is_never_written_to(tree):
    def state():
        return {path: path.stat().st_mtime_ns for path in [tree.source, *tree.source.iterdir()]}

    before = state()
    tree.verify()
    assert state() == before


def test_what_is_wrong_is_told_without_the_place_on_this_disk(tree):
    (tree.images / "3.jpg").unlink()
    (tree.images / "4.jpg").write_bytes(b"")
    assert str(tree.source.parent) not in str(tree.verify())
