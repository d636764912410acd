"""Provenance: fingerprints of the code, the libraries and the machine."""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import json
import os
import platform
import re
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import cache_from_source
from pathlib import Path

from pixelmill.errors import UserError
from pixelmill.files import atomic

#: Libraries that make pixels of most recipes, by their names in words.
_LIBRARIES = {
    "Pillow": ("pillow-simd", "pillow"),  # a drop-in that may stand in its place
    "NumPy": ("numpy",),
    "cykooz-resizer": ("cykooz-resizer",),
    "simplejpeg": ("simplejpeg",),
    "tifffile": ("tifffile",),
    "imagecodecs": ("imagecodecs",),
}

#: What Pillow is built with, by Pillow's names.
_CODECS = ["libjpeg_turbo", "jpg", "zlib", "libtiff", "webp", "avif", "littlecms2", "freetype2"]

_LIBRARY = Path(__file__).parent
_DIGEST = re.compile("[0-9a-f]{32}")
_VERSION = re.compile(r"^Version: (.+)$", re.MULTILINE)
_AVAILABLE = re.compile(r"^MemAvailable: *(\d+) kB$", re.MULTILINE)
_IMPORT = re.compile(r"^\s*from pixelmill(?:\.(\w+))? import (.+)$", re.MULTILINE)

#: What makes an image; a change in one of them makes all images stale.
RENDERING = (
    *("alpha", "apng", "avif", "backends", "blurring", "bmp", "boxes", "canvas", "color"),
    "colorimetry",
    *("decoding", "encoding", "filters", "formats", "frame_reading", "frame_writing", "geometry"),
    *("gif", "icc", "ico", "ifd", "intake", "isobmff", "jpeg", "levels", "lookup_table"),
    *("metadata", "opencv_backend", "opencv_steps", "operations", "overlays", "own_steps"),
    *("parameters", "photometric", "png", "regular_files", "resampling", "resizing", "steps"),
    *("tiff", "timing"),
    *("tones", "transform"),
    "weights",
)


def code_of(script: str) -> list[Path]:
    """Files of a script and of all modules that it uses, itself first.

    Snakemake sees no imports: rules list these files as inputs instead.

    Examples
    --------
    >>> names = [path.name for path in code_of("compare_engines.py")]
    >>> names[0], "comparison.py" in names
    ('compare_engines.py', True)
    """
    found: dict[str, Path] = {}
    pending = _imported_by(_LIBRARY.parent / script)
    while pending:
        name = pending.pop()
        path = _LIBRARY / f"{name}.py"
        if name in found or not path.exists():
            continue
        found[name] = path
        pending += _imported_by(path)
    return [_LIBRARY.parent / script, *(found[name] for name in sorted(found))]


def _imported_by(path: Path) -> list[str]:
    names: list[str] = []
    for module, imported in _IMPORT.findall(path.read_text(encoding="utf-8")):
        names += [module] if module else re.findall(r"\w+", imported)
    return names


def code_fingerprint(own_files: Iterable[str] = (), opencv: bool = False) -> str:
    """Digest of the code and the libraries that make images.

    Taken from the syntax trees without docstrings, so that a changed comment does
    not make a million images stale.

    Parameters
    ----------
    own_files : iterable of str
        Files of the recipe's own steps.
    opencv : bool
        Whether OpenCV makes some of the pixels.
    """
    libraries = json.dumps(rendering_software(opencv), sort_keys=True)
    parts = [digest_of_modules(RENDERING), *sorted(map(_digest_of_code, own_files)), libraries]
    return _digest("\n".join(parts))


def digest_of_modules(names: Iterable[str]) -> str:
    """Digest of the code of some of the library's modules, comments left aside.

    To read two dozen modules takes 30 ms, to know that they were read before 1 ms: the
    answer is kept where Python keeps compiled modules.
    """
    paths = [_LIBRARY / f"{name}.py" for name in sorted(names)]
    text = _digest("\0".join([sys.version, *(path.read_text(encoding="utf-8") for path in paths)]))
    kept = Path(cache_from_source(str(_LIBRARY / f"{text}.py"))).with_suffix(".digest")
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if _DIGEST.fullmatch(known := kept.read_text(encoding="ascii")):
            return known
    digest = _digest("".join(map(_digest_of_code, paths)))
    if not sys.dont_write_bytecode:
        with contextlib.suppress(UserError), atomic(kept) as file:
            file.write(digest)
    return digest


def _digest_of_code(path: str | os.PathLike[str]) -> str:
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    return _digest(ast.dump(_without_docstrings(tree)))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _without_docstrings(tree: ast.Module) -> ast.Module:
    pending: list[ast.AST] = [tree]
    while pending:  # statements only: no expression has a docstring, and most nodes are in one
        node = pending.pop()
        if isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) and ast.get_docstring(node, clean=False):
            node.body = node.body[1:]
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            pending += getattr(node, block, ())
    return tree


@functools.cache
def rendering_software(opencv: bool = False) -> dict[str, str]:
    """Versions of the libraries that decide pixels: Pillow with its codecs and others."""
    from PIL import features

    versions = {name: _version(*packages) for name, packages in _LIBRARIES.items()}
    for codec in _CODECS:
        check = features.version_feature if codec == "libjpeg_turbo" else _codec_version
        versions[codec] = str(check(codec))
    if opencv:
        versions["OpenCV"] = _version("opencv-python-headless")
    return versions


def extra_decoders() -> str:
    """Decoders that are used where they are installed, in words."""
    return f"pillow-heif {_version('pillow-heif')}"


def _codec_version(name: str) -> str | None:
    from PIL import features

    known = name in features.modules or name in features.codecs
    return features.version(name) if known else None


def software() -> dict[str, str]:
    """Versions of all that a report should name."""
    return {
        "pixelmill": _pixelmill_version(),
        "Python": platform.python_version(),
        "Snakemake": _version("snakemake"),
        "Dask": _version("dask"),
        **rendering_software(opencv=True),
        **_kernel(),
    }


def _kernel() -> dict[str, str]:
    """Version of what a compiler made for this machine; it makes the same bytes."""
    version = _version("pixelmill-kernel")
    return {} if version == "not installed" else {"pixelmill-kernel": version}


def _pixelmill_version() -> str:
    from pixelmill import __version__

    return __version__


def _version(*packages: str) -> str:
    for package in packages:
        with contextlib.suppress(PackageNotFoundError):
            # To have the whole text parsed, as `version` does, takes ten times as long.
            known = distribution(package)
            text = known.read_text("METADATA") or known.read_text("PKG-INFO") or ""
            if found := _VERSION.search(text):
                return f"{found[1]}{' (SIMD)' if package == 'pillow-simd' else ''}"
    return "not installed"


def cores() -> int:
    """Cores that this process may use: affinity and container limits counted in."""
    from dask.system import CPU_COUNT

    return int(CPU_COUNT)


def machine() -> dict[str, str | int]:
    """The machine in words, without its name or its owner's."""
    return {
        "processor": _processor(),
        "cores": cores(),
        "memory_gib": round(_memory_bytes() / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
    }


@functools.cache
def machine_fingerprint() -> str:
    """Digest of the machine, to keep figures of several apart."""
    parts = [str(part) for part in machine().values()] + [sys.implementation.cache_tag or ""]
    return _digest("\n".join(parts))


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    match = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return match[1] if match else platform.machine()


def available_memory() -> int:
    """Bytes that are free for use now, container limits counted in; 0 where unknown."""
    free = _free_memory()
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii")
        return free if limit == "max" else min(free, int(limit) - int(used))
    except (OSError, ValueError):
        return free


def _free_memory() -> int:
    # As psutil reads it, whose import takes 10 ms of every pass.
    with contextlib.suppress(OSError):
        match = _AVAILABLE.search(Path("/proc/meminfo").read_text(encoding="ascii"))
        if match:
            return int(match[1]) * 1024
    import psutil

    return int(psutil.virtual_memory().available)  # type: ignore[no-untyped-call]


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0
