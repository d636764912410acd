"""Archives with any damage are read within bounds, and end in a sentence or a reason."""

import random
import zipfile

import pytest

from pixelmill.core.errors import UserError
from pixelmill.dataset import catalog
from pixelmill.storage.member import MemberError
from tests.helpers.packed import listed, tar_of, zip_of
from tests.helpers.parquets import CONTENT, parquet_of

CONTENTS = {f"sub/{n}.jpg": b"\xff\xd8\xff" + bytes(n) + b"some content " * 40 for n in range(6)}

ARCHIVES = {
    "deflated.zip": zip_of(CONTENTS.items()),
    "stored.zip": zip_of(CONTENTS.items(), zipfile.ZIP_STORED),
    "pax.tar": tar_of([("n" * 200, b"1"), *CONTENTS.items()], pax_headers={"mtime": "1.5"}),
    "gnu.tar": tar_of([("n" * 200, b"1"), *CONTENTS.items()], 1),
    "snappy.parquet": parquet_of(CONTENTS.items(), rows=4),
    "dictionary.parquet": parquet_of(CONTENTS.items(), rows=3, dictionary=True, version=2),
    "stored.parquet": parquet_of(CONTENTS.items(), codec="none", in_page=2),
    "zstd.parquet": parquet_of(CONTENTS.items(), CONTENT, codec="zstd"),
}

#: Values that are the limits of something, in the place of a few bytes.
LIMITS = [
    b"\0",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\x7f",
    b"PK\1\2",
    b"77777777777",
    b" ",
]

COUNT = 150


def damaged(data, chance):
    """Change some bytes, remove a part, or repeat one."""
    data = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(data))
        kind = chance.randrange(4)
        if kind == 0:
            data[at] = chance.randrange(256)
        elif kind == 1:
            value = chance.choice(LIMITS)
            data[at : at + len(value)] = value
        elif kind == 2:
            del data[at : at + chance.randint(1, 600)]
        else:
            data[at:at] = data[at : at + chance.randint(1, 600)]
        data = data or bytearray(1)
    return bytes(data)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ARCHIVES)
def test_no_damage_does_more_than_fail(tmp_path, name, seed):
    chance = random.Random(f"{name} {seed}")
    path = tmp_path / name
    ended = set()
    for _ in range(COUNT):
        path.write_bytes(damaged(ARCHIVES[name], chance))
        try:
            members, _ = listed(path)
            catalog.scan(str(path))
        except UserError as error:
            assert str(error).startswith("The archive '")
            ended.add("sentence")
            continue
        for member in members.values():
            try:
                assert len(member.read()) == member.spot.size < 10**6
                ended.add("read")
            except MemberError as error:
                assert error.reason in ("unreadable", "unsupported")
                ended.add("reason")
    assert ended >= {"read", "sentence"}


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_is_cut_off_anywhere_is_told(tmp_path, name):
    path, data = tmp_path / name, ARCHIVES[name]
    end = len(data.rstrip(b"\0")) if name.endswith("tar") else len(data)
    for size in range(1, end - 512, 97):
        path.write_bytes(data[:size])
        if name.endswith("tar") and size % 512 == 0:
            continue  # the end of a member, perhaps
        with pytest.raises(UserError, match="The archive '"):
            listed(path)
