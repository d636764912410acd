"""A folder that changes between passes, and the same packed, always give what a fresh run gives."""

import random
import shutil

import pytest

from pixelmill.core.sandbox import Sandbox
from pixelmill.pipeline.policy import Policy
from tests.helpers.packed import pack
from tests.helpers.processed import Tree

#: Every round may remove most images, on purpose.
FREE = Policy(max_removal_rate=1.0, sandbox=Sandbox(on=False))

ROUNDS = 8

PACKED = ("a.zip", "a.tar", "a.parquet")


def change(folder, chance, draw):
    """Add, replace, rename, touch and remove some images; return how many have a new content."""
    new = set()
    for _ in range(chance.randint(0, 4)):
        files = sorted(folder.rglob("*.jpg"))
        kind = chance.choice(["add", "add", "replace", "rename", "touch", "remove"])
        if kind == "add" or not files:
            path = folder / f"{chance.choice(['', 'a/', 'b/c/'])}{chance.randrange(50)}.jpg"
        else:
            path = chance.choice(files)
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind in ("add", "replace") or not files:
            draw(chance.randrange(10**6), (24, 16)).save(path, quality=90)
            new.add(path)
        elif kind == "touch":
            path.touch()
        elif kind == "remove":
            path.unlink()
            new.discard(path)
        else:
            target = path.with_name(f"renamed {chance.randrange(50)}.jpg")
            new.discard(path)
            path.replace(target)
            new.add(target)
    if not any(folder.rglob("*.jpg")):
        draw(1, (24, 16)).save(folder / "only.jpg")
        new.add(folder / "only.jpg")
    return len(new)


SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_history_of_changes_gives_the_bytes_of_a_fresh_run(tmp_path, picture, seed):
    chance, folder = random.Random(seed), tmp_path / "in"
    folder.mkdir()
    trees = {}
    for name in ("in", *PACKED):
        trees[name] = Tree(tmp_path / f"of {name}")
        trees[name].source = tmp_path / name
    for number in range(ROUNDS):
        made = change(folder, chance, picture)
        for name in PACKED:
            pack(folder, tmp_path / name)
        fresh = Tree(tmp_path / f"fresh {number}")
        fresh.source = folder
        fresh.process(policy=FREE)
        for tree in trees.values():
            assert tree.process(policy=FREE).images <= made
            assert tree.outputs() == fresh.outputs()
            assert tree.table("manifest.csv") == fresh.table("manifest.csv")
        shutil.rmtree(fresh.target)
