"""Output trees as runs leave them, made of contents, and the shards of a folder."""

import hashlib
import shutil
from importlib.util import find_spec

from pixelmill.core.filenames import escape
from pixelmill.core.root import Root
from pixelmill.core.tables import rows_as_text, write_table
from pixelmill.dataset.exports import MANIFEST
from pixelmill.packing import tables
from pixelmill.packing.division import Division
from pixelmill.packing.pack import PackRequest, pack
from pixelmill.packing.record import JOURNAL, RECORD, STATE, of_json
from pixelmill.packing.record import read_json as read_record

#: Formats that can be written here.
FORMATS = ["webdataset", "zip", *(["parquet"] if find_spec("pyarrow") else [])]

#: What belongs to one machine, and is not passed on with the shards.
OWN = (STATE, JOURNAL, ".lock")


def make_tree(tree, contents, sidecars=False):
    """Write outputs by path, and the manifest; earlier ones are removed."""
    shutil.rmtree(tree / "images", ignore_errors=True)
    (tree / "images").mkdir(parents=True)
    rows = []
    for path, content in sorted(contents.items()):
        for variant, name, data in [
            ("", path, content),
            (".json", f"{path}.json", b'{"of": "%d"}' % len(content)),
        ][: 1 + sidecars]:
            (tree / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / "images" / name).write_bytes(data)
            digest = hashlib.sha256(data).hexdigest()
            rows.append((escape(f"{path}.png"), variant, escape(name), "ok", "", 1, 1, digest))
    rows.append(("broken.png", "", "", "failed", "corrupt", 0, 0, ""))
    write_table(tree / "manifest.csv", MANIFEST, rows)
    return tree


def packed(tree, folder, images=None, **options):
    """Pack a tree; the division is given by the number of images in a shard."""
    return pack(PackRequest(str(tree), str(folder), division=Division(images), **options))


def packed_afresh(tree, folder, like):
    """Pack a tree into as many shards as another folder has."""
    folder.mkdir()
    record = of_json(read_record(Root(like)))
    (folder / RECORD).write_bytes(record.as_json([]))
    return packed(tree, folder)


def write_packed(folder, rows):
    """Write the tables of the members of a folder of shards, in one part."""
    with tables.writing(str(folder)) as put:
        put(0, lambda: rows_as_text(rows))


def files_of(folder):
    """The bytes of each file that is passed on, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in OWN}


def shards_of(folder):
    return {name: data for name, data in files_of(folder).items() if name.startswith("images-")}
