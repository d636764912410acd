"""Fingerprint of everything that decides a pixel: this package, own steps, and libraries."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence

from pixelmill.core.environment import version_of
from pixelmill.core.fingerprints import digest_of_code, digest_of_file, digest_of_text

#: Packages that decide pixels in most recipes, by the name that is shown.
_LIBRARIES = {
    "Pillow": ("pillow-simd", "pillow"),  # pillow-simd replaces pillow
    "NumPy": ("numpy",),
    "cykooz-resizer": ("cykooz-resizer",),
    "simplejpeg": ("simplejpeg",),
    "tifffile": ("tifffile",),
    "imagecodecs": ("imagecodecs",),
}

#: Libraries that Pillow is built with, by Pillow's names.
_BUILT_WITH = [
    *("libjpeg_turbo", "jpg", "zlib", "libtiff", "webp", "avif", "littlecms2", "freetype2"),
    *("raqm", "harfbuzz"),  # place the letters of a text
]


def code_fingerprint(
    own_files: Iterable[str] = (), opencv: bool = False, others: Sequence[str] = ()
) -> str:
    """Digest of the code and the libraries that render images.

    It is computed from syntax trees without docstrings, so that a changed comment does not make
    a million images stale.

    Parameters
    ----------
    own_files : iterable of str
        Paths of the files of the recipe's own steps.
    opencv : bool
        Whether OpenCV decides some of the pixels.
    others : sequence of str
        Other packages and modules of this library that decide the results.
    """
    libraries = json.dumps(rendering_software(opencv), sort_keys=True)
    parts = [digest_of_code("imaging", *others), *sorted(map(digest_of_file, own_files)), libraries]
    return digest_of_text("\n".join(parts))


@functools.cache
def rendering_software(opencv: bool = False) -> dict[str, str]:
    """Versions of the libraries that decide pixels."""
    versions = {name: version_of(*packages) for name, packages in _LIBRARIES.items()}
    for library in _BUILT_WITH:
        versions[library] = str(_version_in_pillow(library))
    if opencv:
        versions["OpenCV"] = version_of("opencv-python-headless")
    return versions


def extra_decoders() -> str:
    """Describe the optional decoders that are installed."""
    return f"pillow-heif {version_of('pillow-heif')}"


def _version_in_pillow(library: str) -> str | None:
    from PIL import features

    known = library in {*features.modules, *features.codecs, *features.features}
    return features.version(library) if known else None
