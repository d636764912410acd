"""Build EXIF blocks in either byte order, and read their raw fields."""

import io
import struct

from PIL import Image

from tests.helpers.imaging import chunk

#: Bytes of one value by its type (TIFF 6.0, page 15; BigTIFF; EXIF 3.0 for UTF-8).
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}

CAMERA, GPS, INTEROP = 0x8769, 0x8825, 0xA005


def raw_block(main, camera=(), gps=(), order="<", interop=(), thumbnail=b""):
    """An EXIF block from its TIFF header on. Fields are tuples of tag, type, bytes of the value."""

    def long(value):
        return struct.pack(f"{order}I", value)

    small = _thumbnail_fields(thumbnail, 0, order) if thumbnail else []
    tables = [list(main), list(camera), list(gps), list(interop), small]
    below = ((CAMERA, 0, 1), (GPS, 0, 2), (INTEROP, 1, 3))
    pointers = [(tag, parent, child) for tag, parent, child in below if tables[child]]
    for tag, parent, _ in pointers:
        tables[parent].append((tag, 4, bytes(4)))
    places, end = [], 8
    for table in tables:
        places.append(end)
        end += len(_directory(table, 0, order)) if table else 0
    for tag, parent, child in pointers:
        tables[parent].remove((tag, 4, bytes(4)))
        tables[parent].append((tag, 4, long(places[child])))
    if thumbnail:
        tables[4] = _thumbnail_fields(thumbnail, end, order)
    following = [places[4] if thumbnail else 0, 0, 0, 0, 0]
    parts = [
        _directory(table, place, order, after)
        for table, place, after in zip(tables, places, following, strict=True)
        if table
    ]
    head = (b"II*\0" if order == "<" else b"MM\0*") + long(8)
    return head + b"".join(parts) + thumbnail


def _thumbnail_fields(thumbnail, place, order):
    """Fields of the second directory, which describes a JPEG at a place in the block."""
    inch = struct.pack(f"{order}2I", 72, 1)
    return [
        (0x103, 3, struct.pack(f"{order}H", 6)), (0x11A, 5, inch), (0x11B, 5, inch),
        (0x128, 3, struct.pack(f"{order}H", 2)), (0x201, 4, struct.pack(f"{order}I", place)),
        (0x202, 4, struct.pack(f"{order}I", len(thumbnail))),
    ]  # fmt: skip


def _directory(table, place, order, following=0):
    entries, values = struct.pack(f"{order}H", len(table)), b""
    for tag, kind, value in sorted(table):
        inside = value.ljust(4, b"\0")
        if len(value) > 4:
            inside = struct.pack(f"{order}I", place + 6 + 12 * len(table) + len(values))
            values += value + bytes(len(value) % 2)
        entries += struct.pack(f"{order}HHI", tag, kind, len(value) // SIZES[kind]) + inside
    return entries + struct.pack(f"{order}I", following) + values


def fields_of(block):
    """The raw fields of an EXIF block or a TIFF: byte order, and three tables of (type, value)."""
    order = {b"II*\0": "<", b"MM\0*": ">"}[block[:4]]

    def table(place):
        found = {}
        (count,) = struct.unpack_from(f"{order}H", block, place)
        tags = []
        for begin in range(place + 2, place + 2 + 12 * count, 12):
            tag, kind, number = struct.unpack_from(f"{order}HHI", block, begin)
            size = SIZES[kind] * number
            where = begin + 8
            if size > 4:
                (where,) = struct.unpack_from(f"{order}I", block, where)
                assert where % 2 == 0
            assert where + size <= len(block)
            found[tag] = (kind, block[where : where + size])
            tags.append(tag)
        assert tags == sorted(set(tags)), "tags are not in order"
        return found

    main = table(struct.unpack_from(f"{order}I", block, 4)[0])
    pointed = [main.pop(tag, None) for tag in (CAMERA, GPS)]
    camera, gps = (
        {} if found is None else table(struct.unpack(f"{order}I", found[1])[0]) for found in pointed
    )
    return order, main, camera, gps


def block_in(data):
    """EXIF block in an image file, from its TIFF header on; empty if there is none."""
    if data[:4] in (b"II*\0", b"MM\0*"):
        return data
    if data[4:8] == b"ftyp":  # Pillow changes the block if there is an orientation
        places = [data.find(mark) for mark in (b"Exif\0\0II*\0", b"Exif\0\0MM\0*")]
        place = max(places)
        return data[place + 6 :] if place >= 0 else b""
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return image.info.get("exif", b"").removeprefix(b"Exif\0\0")


def with_block(block, format, picture):
    """An image file with an EXIF block, as bytes."""
    file = io.BytesIO()
    if format == "heif":
        import pillow_heif

        pillow_heif.from_pillow(picture).save(file, exif=b"Exif\0\0" + block)
    elif format == "tiff":
        return tiff(block, picture)
    elif format == "png":
        picture.save(file, "PNG")
        data = file.getvalue()
        return data[:33] + chunk(b"eXIf", block) + data[33:]
    else:
        options = {"lossless": True} if format == "webp" else {"quality": 95}
        picture.save(file, format.upper(), exif=b"Exif\0\0" + block, **options)
    return file.getvalue()


def tiff(block, picture):
    """A TIFF in the byte order of an EXIF block, with its fields and directories."""
    order, *tables = fields_of(block)
    main, camera, gps = (
        [(tag, *field) for tag, field in table.items() if tag != INTEROP] for table in tables
    )

    def whole(place):
        pixels = picture.tobytes()

        def long(*values):
            return struct.pack(f"{order}{len(values)}I", *values)

        def short(*values):
            return struct.pack(f"{order}{len(values)}H", *values)

        structure = [
            (0x100, 4, long(picture.width)), (0x101, 4, long(picture.height)),
            (0x102, 3, short(8, 8, 8)), (0x103, 3, short(1)), (0x106, 3, short(2)),
            (0x111, 4, long(place)), (0x115, 3, short(3)), (0x116, 4, long(picture.height)),
            (0x117, 4, long(len(pixels))), (0x11A, 5, long(72, 1)), (0x11B, 5, long(72, 1)),
            (0x128, 3, short(2)),
        ]  # fmt: skip
        return raw_block(main + structure, camera, gps, order)

    return whole(len(whole(0))) + picture.tobytes()
