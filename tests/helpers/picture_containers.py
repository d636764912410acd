"""Build image containers that libraries do not write."""

import struct


def box(name, content):
    """A box of an ISO media file (ISO/IEC 14496-12, 4.2)."""
    return struct.pack(">I4s", len(content) + 8, name) + content


def with_property(data, name, content):
    """Append a property to the primary item of an AVIF with one item."""
    added = box(name, content)
    place = data.index(b"ipco") - 4
    (length,) = struct.unpack_from(">I", data, place)
    end = place + length
    # `ipma`: version 0, one entry, its item, the number of associations, and each of a byte.
    map_ = data.index(b"ipma") - 4
    assert map_ == end
    (map_length,) = struct.unpack_from(">I", data, map_)
    head, count = data[map_ + 8 : map_ + 18], data[map_ + 18]
    number = count + 1
    widened = head + bytes([number]) + data[map_ + 19 : map_ + map_length] + bytes([0x80 | number])
    grown = data[:end] + added + box(b"ipma", widened) + data[map_ + map_length :]
    more = len(added) + 1
    parts = bytearray(grown)
    for outer in (b"ipco", b"iprp", b"meta"):
        at = grown.index(outer) - 4
        size = struct.unpack_from(">I", grown, at)[0] + (len(added) if outer == b"ipco" else more)
        struct.pack_into(">I", parts, at, size)
    # `iloc`: version 0, offsets of four bytes; the coded picture moved.
    at = grown.index(b"iloc") + 4
    extent = at + 4 + 2 + 2 + 2 + 2 + 2
    struct.pack_into(">I", parts, extent, struct.unpack_from(">I", grown, extent)[0] + more)
    return bytes(parts)


def with_tables_apart(data):
    """Give each of the two items of an AVIF with alpha its own table (`ipma`).

    Tables are of version 0, without flags; `iloc` has offsets of four bytes.
    """
    place = data.index(b"ipma") - 4
    (length,) = struct.unpack_from(">I", data, place)
    content = data[place + 16 : place + length]
    first = 3 + content[2]
    tables = [content[:first], content[first:]]
    apart = b"".join(box(b"ipma", bytes(4) + struct.pack(">I", 1) + table) for table in tables)
    more = len(apart) - length
    parts = bytearray(data[:place] + apart + data[place + length :])
    for outer in (b"iprp", b"meta"):
        at = data.index(outer) - 4
        struct.pack_into(">I", parts, at, struct.unpack_from(">I", data, at)[0] + more)
    at = data.index(b"iloc") + 4 + 4 + 2
    for number in range(struct.unpack_from(">H", data, at)[0]):
        extent = at + 2 + 14 * number + 6
        struct.pack_into(">I", parts, extent, struct.unpack_from(">I", data, extent)[0] + more)
    return bytes(parts)
