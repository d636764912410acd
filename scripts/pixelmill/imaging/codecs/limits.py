"""Limits on what an image may cost."""

from __future__ import annotations

import hashlib
import math
import sys
from dataclasses import dataclass, replace

from pixelmill.core.errors import ImageError
from pixelmill.imaging.codecs.formats import FORMATS

_MIB = 2**20


@dataclass(frozen=True)
class Limits:
    """What an image may cost; checked before decoding if the header allows it.

    Attributes
    ----------
    max_pixels : int
        Width times height. The default is Pillow's own: 0.5 GB as RGB.
    max_bytes : int
        Size of the file.
    max_frames : int
        Frames of an animation, or pages of a TIFF.
    max_scans : int
        Scans of a JPEG. Each covers the whole picture; a progressive JPEG has about ten.
    max_aspect : float
        Longer side divided by the shorter one.
    formats : tuple of str
        Formats that are read.
    seconds_per_image : float
        Time that a worker may spend on one image before it is killed.
    memory_mb : int
        Memory in MiB that an image may use in addition to that of the worker. Linux only.
    """

    max_pixels: int = 178_956_970
    max_bytes: int = 1_000_000_000
    max_frames: int = 10_000
    max_scans: int = 100
    max_aspect: float = 1_000.0
    formats: tuple[str, ...] = tuple(FORMATS)
    seconds_per_image: float = 60.0
    memory_mb: int = 4_096

    def fingerprint(self, decoders: str = "") -> str:
        """Digest of all limits and of the decoders; if it changes, failed images are retried."""
        # One config may say 1000 and another 1000.0, and formats may be in any order.
        alike = replace(
            self,
            max_aspect=float(self.max_aspect),
            seconds_per_image=float(self.seconds_per_image),
            formats=tuple(sorted(self.formats)),
        )
        return hashlib.blake2b(f"{alike}{decoders}".encode(), digest_size=16).hexdigest()

    def check_file(self, size: int, format_: str) -> None:
        """Refuse a file for its size in bytes or its format.

        Raises
        ------
        ImageError
        """
        if format_ not in self.formats:
            message = f"{format_} is not among limits.formats"
            raise ImageError("decode", "unsupported", message)
        self.check_size(size, "decode")

    def check_size(self, size: int, stage: str) -> None:
        """Refuse a file for its size in bytes, in the given stage.

        Raises
        ------
        ImageError
        """
        if size > self.max_bytes:
            message = f"{size:,} bytes exceed limits.max_bytes = {self.max_bytes:,}"
            raise ImageError(stage, "too_large", message)

    def check_scans(self, scans: int) -> None:
        """Refuse a JPEG for the number of its scans.

        Raises
        ------
        ImageError
        """
        if scans > self.max_scans:
            message = f"it has more scans than limits.max_scans = {self.max_scans:,}"
            raise ImageError("decode", "too_large", message)

    def check_header(self, width: int, height: int, frames: int) -> None:
        """Refuse an image for its size or its number of frames.

        Raises
        ------
        ImageError
        """
        pixels, aspect = width * height, max(width, height) / max(1, min(width, height))
        if pixels > self.max_pixels:
            message = f"{width}x{height} pixels exceed limits.max_pixels = {self.max_pixels:,}"
        elif aspect > self.max_aspect:
            message = f"{width}x{height} is longer than limits.max_aspect = {self.max_aspect:g}"
        elif frames > self.max_frames:
            message = f"{frames:,} frames exceed limits.max_frames = {self.max_frames:,}"
        else:
            return
        raise ImageError("decode", "too_large", message)

    def cap_memory(self, workers: int = 1) -> None:
        """Make allocations beyond the limit fail, before the machine runs out of memory.

        No file may grow larger either: an output is no larger than the memory that it was made
        in. This does nothing on systems other than Linux.
        """
        if sys.platform != "linux":
            return
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        for kind, most in (
            (resource.RLIMIT_AS, now + workers * self.memory_mb * _MIB),
            (resource.RLIMIT_FSIZE, self.memory_mb * _MIB),
        ):
            _, hard = resource.getrlimit(kind)
            if hard == resource.RLIM_INFINITY or most < hard:
                resource.setrlimit(kind, (most, hard))


#: Limits that a config can refer to by name.
PRESETS = {
    "untrusted": Limits(
        max_pixels=50_000_000,
        max_bytes=50_000_000,
        max_frames=500,
        max_scans=50,
        max_aspect=100.0,
        formats=("jpeg", "png", "gif", "webp"),
        seconds_per_image=20.0,
        memory_mb=1_024,
    )
}


#: Peak memory per pixel, in bytes: decoded, converted and resized.
BYTES_PER_PIXEL = 9

#: Memory of a worker without an image, in bytes.
WORKER_BYTES = 60 * _MIB


def workers_for_memory(workers: int, largest_pixels: int, available_bytes: int) -> int:
    """Number of workers that have enough memory for the largest images at the same time.

    Examples
    --------
    >>> workers_for_memory(8, 100_000_000, 4 * 2**30)
    4
    """
    if largest_pixels <= 0 or available_bytes <= 0:
        return workers
    each = largest_pixels * BYTES_PER_PIXEL + WORKER_BYTES
    return max(1, min(workers, math.floor(available_bytes / each)))
