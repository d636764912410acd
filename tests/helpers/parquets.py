"""Parquet files as programs write them, and such as none would, without pyarrow."""

import itertools
import struct
import zlib

import imagecodecs


def gzip(data):
    """Compress as gzip."""
    packing = zlib.compressobj(6, zlib.DEFLATED, 31)
    return packing.compress(data) + packing.flush()


#: Numbers of codecs (``parquet.thrift``), each with the function that compresses.
CODECS = {
    "none": (0, bytes),
    "snappy": (1, imagecodecs.snappy_encode),
    "gzip": (2, gzip),
    "brotli": (4, imagecodecs.brotli_encode),
    "zstd": (6, imagecodecs.zstd_encode),
    "lz4": (7, lambda data: imagecodecs.lz4_encode(data, header=False)),
}

#: Physical types, and repetitions.
INTEGERS, BYTES = 1, 6
REQUIRED, OPTIONAL, REPEATED = 0, 1, 2

PLAIN, RUNS, DICTIONARY = 0, 3, 8


class Long(int):
    """An integer of 64 bits, where others have 32."""


def batched(values, size):
    """Yield parts of a list."""
    return (values[begin : begin + size] for begin in range(0, len(values), size))


def varint(number):
    """Return a number in 7 bits a byte."""
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    return bytes([*made, number])


def thrift(fields):
    """Return a structure: fields by number, which are integers, bytes, truths, lists or dicts."""
    made, last = b"", 0
    for number in sorted(fields):
        value = fields[number]
        made += bytes([number - last << 4 | _kind(value)])
        made += b"" if isinstance(value, bool) else _encoded(value)
        last = number
    return made + b"\0"


def _kind(value):
    if isinstance(value, bool):
        return 1 if value else 2
    kinds = {Long: 6, int: 5, bytes: 8, list: 9, dict: 12}
    return kinds[type(value)]


def _encoded(value):
    if isinstance(value, int):
        return varint(value << 1 if value >= 0 else (-value << 1) - 1)
    if isinstance(value, bytes):
        return varint(len(value)) + value
    if isinstance(value, dict):
        return thrift(value)
    kind = _kind(value[0]) if value else 12
    return bytes([0xF0 | kind]) + varint(len(value)) + b"".join(map(_encoded, value))


def plain(values):
    """Return values one after the other, each behind its size."""
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


def runs(numbers, width):
    """Return numbers as lengths of runs."""
    grouped = ((number, len(list(same))) for number, same in itertools.groupby(numbers))
    size = (width + 7) // 8
    return b"".join(varint(count << 1) + n.to_bytes(size, "little") for n, count in grouped)


def page(kind, data, compress, fields, levels=b"", size=None):
    """Return a page with its header; levels are those that are apart."""
    packed = compress(data) if data else b""
    header = {1: kind, 2: len(levels + data) if size is None else size, 3: len(levels + packed)}
    return thrift({**header, **fields}) + levels + packed


def chunk(values, level, codec="snappy", version=1, in_page=1000, dictionary=False, size=None):
    """Return the pages of values, some of which may be None, and the size of the dictionary."""
    _, compress = CODECS[codec]
    made, known = b"", {}
    if dictionary:
        known = dict.fromkeys(value for value in values if value is not None)
        known = {value: number for number, value in enumerate(known)}
        made = page(2, plain(known), compress, {7: {1: len(known), 2: PLAIN}}, size=size)
    before = len(made)
    for some in batched(values, in_page):
        there = [value for value in some if value is not None]
        levels = runs([level if v is not None else 0 for v in some], level.bit_length())
        levels = levels if level else b""
        encoding, body = PLAIN, plain(there)
        if dictionary:
            width = max(1, (len(known) - 1).bit_length())
            encoding = DICTIONARY
            body = bytes([width]) + runs([known[value] for value in there], width)
        if version == 1:
            body = (struct.pack("<I", len(levels)) + levels if level else b"") + body
            about = {5: {1: len(some), 2: encoding, 3: RUNS, 4: RUNS}}
            made += page(0, body, compress, about, size=size)
        else:
            about = {1: len(some), 2: len(some) - len(there), 3: len(some), 4: encoding}
            about |= {5: len(levels), 6: 0, 7: codec != "none"}
            made += page(3, body, compress, {8: about}, levels, size=size)
    return made, before


def element(name, repetition=OPTIONAL, type=None, children=None, text=False):
    """Return an element of a schema."""
    made = {3: repetition, 4: name.encode()}
    if type is not None:
        made[1] = type
    if children is not None:
        made[5] = children
    if text:
        made[6] = 0
    return made


#: A column as `datasets` writes it.
IMAGE = [
    element("image", children=2),
    element("bytes", type=BYTES),
    element("path", type=BYTES, text=True),
]

#: A column of bytes that are never missing.
CONTENT = [element("content", REQUIRED, BYTES)]


def parquet_of(members, schema=IMAGE, rows=100, change=lambda footer: footer, **options):
    """Return a file of pairs of paths and contents, each of which may be None.

    Parameters
    ----------
    members : iterable
    schema : list
        `IMAGE` or `CONTENT`.
    rows : int
        Of a group.
    change : callable
        Changes the footer before it is written.
    options
        As of `chunk`.
    """
    made, groups = b"PAR1", []
    members = list(members)
    has_paths = schema is IMAGE
    for some in batched(members, rows):
        columns = []
        parts = [("bytes", [content for _, content in some], options)]
        if has_paths:
            names = [n if n is None else n.encode("utf-8", "surrogateescape") for n, _ in some]
            parts.append(("path", names, {**options, "size": None}))
        for name, values, how in parts:
            pages, before = chunk(values, 2 if has_paths else 0, **how)
            about = {
                1: BYTES, 2: [PLAIN, RUNS, DICTIONARY], 3: [name.encode()],
                4: CODECS[options.get("codec", "snappy")][0], 5: Long(len(some)),
                6: Long(len(pages)), 7: Long(len(pages)), 9: Long(len(made) + before),
            }  # fmt: skip
            if before:
                about[11] = Long(len(made))
            about[3] = [b"image", name.encode()] if has_paths else [b"content"]
            columns.append({2: Long(len(made)), 3: about})
            made += pages
        groups.append({1: columns, 2: Long(len(made)), 3: Long(len(some))})
    root = element("schema", REQUIRED, children=1)
    footer = {1: 1, 2: [root, *schema], 3: Long(len(members)), 4: groups}
    return made + ended(thrift(change(footer)))


def samples_of(members):
    """Return a file of pairs of names and contents with their keys, as shards are."""
    columns, made = [], b"PAR1"
    keys = [name.rpartition(".")[0].encode() for name, _ in members]
    names = [name.encode() for name, _ in members]
    parts = [
        ([b"image", b"bytes"], [content for _, content in members], 2),
        ([b"image", b"path"], names, 2),
        ([b"key"], keys, 1),
    ]
    for path, values, level in parts:
        pages, _ = chunk(values, level, codec="none")
        about = {
            1: BYTES, 2: [PLAIN, RUNS], 3: path, 4: 0, 5: Long(len(members)),
            6: Long(len(pages)), 7: Long(len(pages)), 9: Long(len(made)),
        }  # fmt: skip
        columns.append({2: Long(len(made)), 3: about})
        made += pages
    root = element("schema", REQUIRED, children=2)
    schema = [root, *IMAGE, element("key", OPTIONAL, BYTES, text=True)]
    group = {1: columns, 2: Long(len(made)), 3: Long(len(members))}
    return made + ended(thrift({1: 1, 2: schema, 3: Long(len(members)), 4: [group]}))


def table_of(columns, rows=100, **options):
    """Return a file of columns of texts by name; None is a missing text."""
    made, groups = b"PAR1", []
    count = len(next(iter(columns.values())))
    for begin in range(0, count, rows):
        parts = []
        for name, values in columns.items():
            some = [v if v is None else v.encode() for v in values[begin : begin + rows]]
            pages, before = chunk(some, 1, **options)
            about = {
                1: BYTES, 2: [PLAIN, RUNS, DICTIONARY], 3: [name.encode()],
                4: CODECS[options.get("codec", "snappy")][0], 5: Long(len(some)),
                6: Long(len(pages)), 7: Long(len(pages)), 9: Long(len(made) + before),
            }  # fmt: skip
            if before:
                about[11] = Long(len(made))
            parts.append({2: Long(len(made)), 3: about})
            made += pages
        groups.append({1: parts, 2: Long(len(made)), 3: Long(len(some))})
    schema = [element(name, OPTIONAL, BYTES, text=True) for name in columns]
    root = element("schema", REQUIRED, children=len(schema))
    return made + ended(thrift({1: 1, 2: [root, *schema], 3: Long(count), 4: groups}))


def ended(footer, magic=b"PAR1"):
    """Return what stands at the end of a file."""
    return footer + struct.pack("<I", len(footer)) + magic
