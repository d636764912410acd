"""A killed run with pages, sidecars and metadata by list ends like one that was not disturbed."""

import io
import os
import signal
import sys

import numpy as np
import pytest
import yaml
from PIL import Image

from pixelmill.core.files import TEMPORARY

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="Windows has no process groups"),
]

COUNT = 60

#: Slow enough that a run can be killed in the middle.
RECIPE = {
    "steps": [{"resize": {"width": 100, "height": 100}}, {"denoise": {}}],
    "pages": "all",
    "metadata": ["Artist", "Title", "City"],
    "outputs": [
        {"name": "scan", "format": "tiff", "sidecar": "json"},
        {
            "name": "same",
            "format": "same",
            "path": "{taken}/{stem}-{width}.{ext}",
            "sidecar": "json",
        },
    ],
}

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    b'syntax-ns#"><rdf:Description xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" '
    b'photoshop:City="Lyon" photoshop:State="Rhone"/></rdf:RDF></x:xmpmeta>'
)


def files_of(tree):
    """The bytes of each file that has its final name, by its path."""
    files = (path for path in (tree / "images").rglob("*") if path.is_file())
    return {
        path.relative_to(tree).as_posix(): path.read_bytes()
        for path in files
        if not TEMPORARY.fullmatch(path.name)
    }


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Scans of two pages with metadata."""
    folder = tmp_path_factory.mktemp("source") / "in"
    folder.mkdir()
    for number in range(COUNT):
        levels = np.random.default_rng(number).integers(0, 256, (4, 5, 3), dtype=np.uint8)
        page = Image.fromarray(levels).resize((200, 150))
        tags = {315: "An Artist", 700: XMP, 270: "private"}
        page.save(
            folder / f"{number}.tif", save_all=True, append_images=[page.rotate(180)], tiffinfo=tags
        )
    return folder


def arguments(source, tree, engine, backend, folder):
    recipe = folder / f"{backend}.yaml"
    recipe.write_text(yaml.safe_dump({**RECIPE, "backend": backend}), encoding="utf-8")
    options = ["--recipe", recipe, "--engine", engine, "--workers", "2"]
    return ["process_parallel.py", source, tree, *options]


@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_a_killed_run_goes_on_to_the_same_end(
    source, engine, script, start, wait_until, repository, tmp_path
):
    undisturbed, tree = tmp_path / "undisturbed", tmp_path / "out"
    assert script(*arguments(source, undisturbed, "sequential", "pillow", tmp_path)).status == 0
    wanted = files_of(undisturbed)
    assert len(wanted) == 4 * COUNT
    name, *rest = arguments(source, tree, engine, "pillow", tmp_path)
    process = start([sys.executable, repository / "scripts" / name, *rest])
    wait_until(lambda: len(files_of(tree)) >= 8)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=30)
    assert len(files_of(tree)) < len(wanted)
    again = script(name, *rest)
    assert again.status == 0, again.text
    assert files_of(tree) == wanted
    assert (tree / "manifest.csv").read_bytes() == (undisturbed / "manifest.csv").read_bytes()
    assert not [path for path in tree.rglob("*") if TEMPORARY.fullmatch(path.name)]
    checked = script("verify.py", source, tree, "--recipe", tmp_path / "pillow.yaml")
    assert checked.status == 0, checked.text


@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_a_killed_run_that_makes_one_of_two_outputs_again_leaves_the_other_as_it_is(
    source, engine, script, start, wait_until, repository, tmp_path
):
    tree, undisturbed = tmp_path / "out", tmp_path / "undisturbed"
    assert script(*arguments(source, tree, engine, "pillow", tmp_path)).status == 0
    before = {path: path.stat() for path in (tree / "images/scan").iterdir()}
    scan, same = RECIPE["outputs"]
    changed = {**RECIPE, "outputs": [scan, {**same, "path": "{taken}/{stem}-again.{ext}"}]}
    (tmp_path / "changed.yaml").write_text(yaml.safe_dump(changed), encoding="utf-8")
    options = ["--recipe", tmp_path / "changed.yaml", "--engine", engine, "--workers", "2"]
    command = [repository / "scripts/process_parallel.py", source, tree, *options]
    process = start([sys.executable, *command])
    wait_until(lambda: sum("-again" in path for path in files_of(tree)) >= 8)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=30)
    assert sum("-again" in path for path in files_of(tree)) < 2 * COUNT
    again = script("process_parallel.py", *command[1:])
    assert again.status == 0, again.text
    assert script("process_parallel.py", source, undisturbed, *options).status == 0
    assert files_of(tree) == files_of(undisturbed)
    assert (tree / "manifest.csv").read_bytes() == (undisturbed / "manifest.csv").read_bytes()
    after = {path: path.stat() for path in (tree / "images/scan").iterdir()}
    remade = [path for path in before if before[path].st_ino != after[path].st_ino]
    assert len(remade) <= 20  # those that were in progress may have lost an output


@pytest.mark.parametrize("backend", ["pillow", "opencv"])
def test_each_page_and_tag_is_there_with_each_backend(source, backend, script, tmp_path):
    tree = tmp_path / "out"
    recipe = {"steps": [{"resize": {"width": 100, "height": 100}}], "pages": "all",
              "metadata": ["Artist", "City"], "backend": backend,
              "output": {"format": "tiff", "sidecar": "json"}}  # fmt: skip
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    ran = script("process_parallel.py", source, tree, "--recipe", tmp_path / "recipe.yaml")
    assert ran.status == 0, ran.text
    for path, data in files_of(tree).items():
        if path.endswith(".tif"):
            with Image.open(io.BytesIO(data)) as image:
                assert (image.n_frames, image.tag_v2[315]) == (2, "An Artist")
            assert (b"Lyon" in data, b"Rhone" in data, b"private" in data) == (True, False, False)
    checked = script("verify.py", source, tree, "--recipe", tmp_path / "recipe.yaml")
    assert checked.status == 0, checked.text
