"""Names of members: reversible, without dots in stems, and readable by every program.

WebDataset takes what precedes the first dot of a file name for the key of a sample, and leaves out
names that begin with a dot or with a folder such as ``__meta__``. Characters that would matter are
percent-encoded (RFC 3986, 2.1), and so is ``%`` itself: different paths have different names.
"""

from __future__ import annotations

import hashlib
import re

from pixelmill.core.filenames import escape

#: Characters that may have to be encoded; all others are kept.
_SUSPECT = re.compile(r"[^A-Za-z0-9_ +,=@()~-]")

#: A path that becomes a member as it is, if it has at most `_SHORT` characters, as most paths do.
_PLAIN = re.compile(r"[A-Za-z0-9 +,=@()~/-][A-Za-z0-9_ +,=@()~/-]*\.[a-z0-9]+")
_SHORT = 200

#: What is always encoded: the sign itself, and what separates names on some systems.
_SPECIAL = "%\\/:"

#: Longest name that file systems accept, in bytes, and the suffix of a sidecar, which has the key
#: of its image.
_LONGEST_NAME, _SIDECAR = 255, "json"


def is_plain(path: str) -> bool:
    """Whether the path of an output is the name of its member."""
    return len(path) <= _SHORT and bool(_PLAIN.fullmatch(path))


def key_of(path: str) -> str:
    r"""Return the key of the sample that an output belongs to.

    Parameters
    ----------
    path : str
        Path of the output below the folder of images.

    Examples
    --------
    >>> key_of("b/IMG.2024-05-01.jpg"), key_of("100%.v2/été.png"), key_of("a\\b\udce9.jpg")
    ('b/IMG%2E2024-05-01', '100%25.v2/été', 'a%5Cb%E9')
    >>> key_of("__meta__/.a.jpg")
    '%5F_meta__/%2Ea'
    """
    if is_plain(path):
        return path.rpartition(".")[0]
    *folders, name = path.split("/")
    room = _LONGEST_NAME - max(len(suffix_of(path).encode()), len(_SIDECAR)) - 1
    stem = _fitted(_encoded(name.rpartition(".")[0], f"{_SPECIAL}."), room)
    key = "/".join((*(_fitted(_encoded(one), _LONGEST_NAME) for one in folders), stem))
    return f"%5F{key[1:]}" if key.startswith("__") else key


def suffix_of(path: str) -> str:
    """Return the suffix of an output as its member has it: without the dot, in lower case.

    Examples
    --------
    >>> suffix_of("b/IMG.2024-05-01.JPG")
    'jpg'
    """
    suffix = path.rpartition(".")[2].lower()
    return suffix if suffix.isascii() and suffix.isalnum() else _encoded(suffix)


def _encoded(name: str, special: str = _SPECIAL) -> str:
    def encode(match: re.Match[str]) -> str:
        character = match[0]
        if character not in special and escape(character) == character:
            return character
        # Bytes of a name that are not UTF-8 are lone surrogates.
        is_byte = "\udc80" <= character <= "\udcff"
        data = character.encode("utf-8", "surrogateescape" if is_byte else "surrogatepass")
        return "".join(f"%{byte:02X}" for byte in data)

    return _SUSPECT.sub(encode, name)


def _fitted(name: str, room: int) -> str:
    """Shorten a name that became too long; a digest of the whole name replaces its end."""
    data = name.encode()
    if len(data) <= room:
        return name
    tail = f"~{hashlib.blake2b(data, digest_size=8).hexdigest()}"
    return data[: room - len(tail)].decode("utf-8", "ignore") + tail
