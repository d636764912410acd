"""Archives as tests pack them, also such as no program would pack."""

import io
import struct
import tarfile
import zipfile

from pixelmill.storage.archives import Archives
from tests.helpers.parquets import parquet_of

#: A moment that both formats can hold, as a tuple of zip and in seconds.
MOMENT, SECONDS = (2026, 11, 29, 12, 0, 0), 1795953600


def pack(folder, archive, change=lambda name, content: content, **options):
    """Pack a folder in the order of its names; `change` may replace a content, or return None."""
    members = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    kept = ((name, change(name, content)) for name, content in members.items())
    kept = {name: content for name, content in kept if content is not None}
    archive.write_bytes(packed(kept, archive.suffix, **options))
    return archive


def packed(members, suffix, **options):
    """Return an archive of members by name."""
    pack_ = {".tar": tar_of, ".parquet": parquet_of}.get(suffix, zip_of)
    return pack_(members.items(), **options)


def zip_of(members, method=zipfile.ZIP_DEFLATED, comment=b"", **attributes):
    """Return a zip of pairs of names and contents; attributes are those of `ZipInfo`."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name, MOMENT)
            info.compress_type = method
            for key, value in attributes.items():
                setattr(info, key, value)
            archive.writestr(info, content, method)
        archive.comment = comment
    return made.getvalue()


def tar_of(members, format=tarfile.PAX_FORMAT, **attributes):
    """Return a tar of pairs of names and contents; attributes are those of `TarInfo`."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=format) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), SECONDS
            for key, value in attributes.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def patched(archive, mark, place, form, value):
    """Change a field of each header of a zip that begins with a mark."""
    data, at = bytearray(archive), archive.find(mark)
    assert at >= 0
    while at >= 0:
        struct.pack_into(form, data, at + place, value)
        at = archive.find(mark, at + 1)
    return bytes(data)


def with_checksums(archive):
    """Return a tar whose headers' checksums fit again; contents must fill whole blocks."""
    data = bytearray(archive)
    for at in range(0, len(data), 512):
        if data[at + 257 : at + 262] == b"ustar":
            data[at + 148 : at + 156] = b" " * 8
            data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    return bytes(data)


def listed(path):
    """Members by what stands for their paths, and what is left out."""
    left_out = []
    found = Archives(str(path)).members(lambda _: True, left_out.append)
    return {name: member for name, _, member in found}, left_out
