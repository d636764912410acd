"""Every real or hostile image of the corpus renders, or fails with a reason."""

import contextlib
import csv
import functools
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil
import pytest
from PIL import Image

from pixelmill.app import config
from pixelmill.core.errors import ImageError
from pixelmill.core.jobs import Job
from pixelmill.core.reasons import REASONS
from pixelmill.engines.registry import LOCAL
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.arrays import image_of
from pixelmill.imaging.codecs.decoded import DecodeOptions
from pixelmill.imaging.codecs.decoding import decode, decode_to_array
from pixelmill.imaging.codecs.formats import FORMATS, SNIFF_BYTES, sniff
from pixelmill.imaging.renderer import Renderer
from pixelmill.verification.similarity import psnr

CORPUS = os.environ.get("PIXELMILL_CORPUS")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CORPUS is None, reason="PIXELMILL_CORPUS is not set: image corpus not available"
    ),
    pytest.mark.filterwarnings("ignore"),  # Pillow warns about many findings
]

#: Pillow refuses these pictures: the first three for a text, a profile or an animation that they
#: carry, which we leave out, the others for bit fields, a palette or a mode that we decode
#: otherwise.
SPARED = (
    "robustness/pillow/apng/chunk_no_fctl.png",
    "robustness/pillow/png_decompression_dos.png",
    "robustness/pillow/unknown_compression_method.png",
    "robustness/pillow/bmp/b/badpalettesize.bmp",
    "robustness/pillow/bmp/g/rgb32bf.bmp",
    "robustness/pillow/bmp/q/pal2.bmp",
    "robustness/pillow/bmp/q/pal8os2v2-16.bmp",
    "robustness/pillow/bmp/q/pal8oversizepal.bmp",
    "robustness/pillow/bmp/q/rgb16-231.bmp",
    "robustness/pillow/bmp/q/rgb32-111110.bmp",
    "robustness/pillow/bmp/q/rgba16-4444.bmp",
    "robustness/pillow/bmp/q/rgba32abf.bmp",
    "robustness/pillow/hopper_unknown_pixel_mode.tif",
)

#: Pillow's names of formats that begin like another format.
BEGINS_AS = {"MPO": "jpeg"}

#: Minimum PSNR of two photos of one scene, rotated and saved separately, in dB.
LIKENESS = 24


#: Minimum PSNR of a photo decoded at a reduced size and one at full size, in dB.
UNSEEN = 45


@pytest.fixture(scope="module")
def rows():
    manifest = Path(CORPUS, "manifest.csv")
    if not manifest.is_file():
        pytest.fail("PIXELMILL_CORPUS is set, but its manifest.csv is missing")
    with open(manifest, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def outcomes(rows, tmp_path_factory):
    """The outcome of each image by its path."""
    target = tmp_path_factory.mktemp("corpus")
    renderer = Renderer(CORPUS, str(target), config.named_recipe("light"))
    made = {row["path"]: renderer.render(Job(row["path"], (row["path"] + ".jpg",))) for row in rows}
    written = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert written == {output.path for outcome in made.values() for output in outcome.files}
    return made


def chosen(rows, expect):
    paths = [row["path"] for row in rows if row["expect"] == expect]
    assert paths
    return paths


def test_decodable_images_are_rendered(rows, outcomes):
    taken = {
        row["path"]
        for row in rows
        if BEGINS_AS.get(row["format"], row["format"].lower()) in FORMATS
    }
    failed = {path: outcomes[path] for path in chosen(rows, "decodes") if path in taken
              and outcomes[path].status != "ok"}  # fmt: skip
    assert failed == {}


def test_undecodable_images_have_a_reason(rows, outcomes):
    for path in set(chosen(rows, "fails")).difference(SPARED):
        outcome = outcomes[path]
        assert (outcome.status, outcome.stage) == ("failed", "decode"), path
        assert outcome.reason in REASONS, path
        assert outcome.message, path


def test_images_that_only_pillow_refuses_are_rendered(outcomes):
    assert {outcomes[path].status for path in SPARED} == {"ok"}


def test_doubtful_images_are_rendered_or_have_a_reason(rows, outcomes):
    for path in chosen(rows, "either"):
        outcome = outcomes[path]
        assert (outcome.status == "ok") != (outcome.reason in REASONS), path


def test_every_output_has_the_requested_size(outcomes):
    sizes = {(o.width, o.height) for outcome in outcomes.values() for o in outcome.files}
    assert sizes == {(256, 256)}


def test_a_file_without_a_signature_is_not_an_image(rows, outcomes):
    unsigned = [row["path"] for row in rows if not row["format"]]
    assert unsigned
    assert {outcomes[path].reason for path in unsigned} == {"not_an_image"}


def test_decompression_bombs_are_too_large(rows, outcomes):
    bombs = [row["path"] for row in rows if row["note"].startswith("DecompressionBombError")]
    assert bombs
    assert {outcomes[path].reason for path in bombs} == {"too_large"}


@pytest.mark.parametrize("series", ["Landscape", "Portrait"])
@pytest.mark.parametrize("fit", ["stretch", "contain"])
def test_every_orientation_shows_the_same_upright_picture(rows, tmp_path, series, fit):
    step = {"resize": {"width": 256, "height": 256, "fit": fit}}
    parsed = recipe_parser.parse({"steps": [step], "output": {"format": "png"}})
    renderer = Renderer(str(Path(CORPUS, "orientation")), str(tmp_path), parsed)
    pictures = []
    for number in range(9):
        assert renderer.render(Job(f"{series}_{number}.jpg", (f"{number}.png",))).status == "ok"
        with Image.open(tmp_path / f"{number}.png") as image:
            pictures.append(np.asarray(image))
    upright = pictures[1]
    assert (upright.shape[0] < upright.shape[1]) == (series == "Landscape" and fit == "contain")
    likeness = [psnr(picture, upright) for picture in pictures]
    assert [number for number in range(9) if likeness[number] < LIKENESS] == []


#: Time after which a run is considered to hang, in seconds.
LONGEST = 120

#: Memory that all processes of a run may take together, in bytes. One bomb of the corpus
#: would take at least 4 GB if it were unpacked; everything else takes less than 0.2 GB.
MOST_MEMORY = 1_500_000_000

#: The lines that pixelmill itself writes about a pass.
OWN_LINES = re.compile(
    r"make [\d,]+: [\d,]+ new; keep 0; remove 0"
    r"|images: [\d,]+ images in .* workers?\)"
    r"|Left out: .*"
    r"|images \w+: [\d,]+/[\d,]+ images, .* left.*"  # on a slow machine
    r"|WARNING: [\d,]+ of [\d,]+ images failed \([^)]+\); see '.*failures\.csv'"
)


class Whole(NamedTuple):
    """A run over the whole folder: exit status, output and output tree."""

    status: int
    text: str
    memory: int
    tree: Path

    @property
    def rows(self):
        with open(self.tree / "manifest.csv", encoding="utf-8", newline="") as file:
            return {f"robustness/{row['source']}": row for row in csv.DictReader(file)}

    @property
    def files(self):
        """The bytes of each output, and of the tables that contain no times."""
        images = [path for path in (self.tree / "images").rglob("*") if path.is_file()]
        tables = [self.tree / name for name in ("manifest.csv", "failures.csv", "failures.txt")]
        return {str(path.relative_to(self.tree)): path.read_bytes() for path in images + tables}


def memory_of(process):
    """Memory of a process and its descendants in bytes, with shared memory counted once."""
    total = 0
    with contextlib.suppress(psutil.Error):
        for member in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error, OSError):
                total += member.memory_full_info().pss
    return total


@pytest.fixture(scope="module")
def whole(repository, tmp_path_factory):
    """Function that processes the whole folder `robustness` with an engine, once."""

    @functools.cache
    def process(engine):
        folder = tmp_path_factory.mktemp(engine)
        options = ("--engine", engine, "--workers", "2")
        name = "process_sequential.py" if engine == "sequential" else "process_parallel.py"
        command = [sys.executable, repository / "scripts" / name]
        command += [Path(CORPUS, "robustness"), folder / "out"]
        with open(folder / "text", "w+b") as text:
            run = subprocess.Popen(
                command if engine == "sequential" else [*command, *options],
                stdin=subprocess.DEVNULL, stdout=text, stderr=subprocess.STDOUT,
            )  # fmt: skip
            watched, memory, end = psutil.Process(run.pid), 0, time.monotonic() + LONGEST
            while run.poll() is None and time.monotonic() < end:
                memory = max(memory, memory_of(watched))
                with contextlib.suppress(subprocess.TimeoutExpired):
                    run.wait(0.05)
            run.kill()  # if it hangs
        written = (folder / "text").read_text(encoding="utf-8", errors="backslashreplace")
        return Whole(run.wait(), written, memory, folder / "out")

    return process


@pytest.mark.parametrize("engine", LOCAL)
def test_the_whole_folder_is_processed_by_every_engine_without_a_crash(engine, whole, rows):
    ran = whole(engine)
    assert ran.status == 0, ran.text
    folder = {row["path"] for row in rows if row["path"].startswith("robustness/")}
    assert ran.rows.keys() == folder


@pytest.mark.parametrize("engine", LOCAL)
def test_messages_of_libraries_are_not_printed(engine, whole):
    raw = [line for line in whole(engine).text.splitlines() if not OWN_LINES.fullmatch(line)]
    assert raw == []


@pytest.mark.parametrize("engine", LOCAL)
def test_every_image_of_the_folder_is_rendered_or_has_a_reason(engine, whole, rows):
    made = whole(engine).rows
    expected = {row["path"]: row for row in rows if row["path"] in made}
    decodes = [
        path
        for path, row in expected.items()
        if row["expect"] == "decodes"
        and BEGINS_AS.get(row["format"], row["format"].lower()) in FORMATS
    ]
    assert [path for path in decodes if made[path]["status"] != "ok"] == []
    fails = [
        path for path, row in expected.items() if row["expect"] == "fails" and path not in SPARED
    ]
    assert [path for path in fails if made[path]["reason"] not in REASONS] == []
    assert decodes
    assert fails


@pytest.mark.parametrize("engine", LOCAL[1:])
def test_every_engine_makes_the_same_files_of_the_whole_folder(engine, whole):
    assert whole(engine).files == whole("sequential").files


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is shared")
@pytest.mark.parametrize("engine", LOCAL)
def test_no_bomb_in_the_whole_folder_is_unpacked(engine, whole):
    assert 0 < whole(engine).memory < MOST_MEMORY


def decoded(data, decode):
    """The picture in a file with its metadata, or the reason why there is none."""
    target = None if len(data) % 2 else (lambda full: (full[0] / 4, full[1] / 4))
    try:
        made = decode(data, target, DecodeOptions(shrink_margin=1.0))
    except ImageError as error:
        return error.reason, str(error)
    return made.frames[0], (made.box, made.pixels, made.profile, made.exif)


def test_directly_decoded_jpegs_equal_those_of_pillow(rows):
    """Intact files give the same pixels, and damaged ones the same messages."""
    straight = 0
    for row in rows:
        data = Path(CORPUS, row["path"]).read_bytes()
        if sniff(data[:SNIFF_BYTES]) != "jpeg":
            continue
        expected, more = decoded(data, decode)
        made, as_well = decoded(data, decode_to_array)
        assert as_well == more, row["path"]
        if isinstance(made, np.ndarray):
            straight += 1
            made = image_of(made)
        np.testing.assert_array_equal(np.asarray(made), np.asarray(expected), row["path"])
    assert straight > 60


@pytest.mark.parametrize("side", [128, 256, 512])
def test_a_reduced_decode_of_photos_is_not_visible(rows, tmp_path, side):
    photos = [
        row["path"]
        for row in rows
        if row["path"].startswith("photos/")
        and row["path"].lower().endswith((".jpg", ".jpeg"))
        and "corrupted" not in row["path"]
    ]
    assert len(photos) > 10
    resize = {"resize": {"width": side, "height": side, "fit": "inside"}}
    pictures = []
    for more in ({}, {"shrink_margin": 0}):
        made = recipe_parser.parse({"steps": [resize], "output": {"format": "png"}, **more})
        renderer = Renderer(CORPUS, str(tmp_path), made)
        pictures.append([])
        for path in photos:
            renderer.render(Job(path, ("it.png",)))
            pictures[-1].append(np.asarray(Image.open(tmp_path / "it.png")))
    likeness = {path: psnr(a, b) for path, a, b in zip(photos, *pictures, strict=True)}
    assert {path: found for path, found in likeness.items() if found < UNSEEN} == {}
    assert len({round(found) for found in likeness.values()}) > 1  # some were decoded smaller
