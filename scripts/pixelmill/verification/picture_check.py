"""Picture check: compare what is visible of an output with what its recipe makes of its source.

Everything visible is compared: colours, alpha, depth, orientation, colour profile, and in
animations the number of frames, their order, and the picture and the duration of each frame.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from pixelmill.verification import reference, similarity
from pixelmill.verification.color_conversion import described_alike
from pixelmill.verification.expectations import Expectation
from pixelmill.verification.second_decoder import Seen, decode, turned
from pixelmill.verification.second_encoder import compressed
from pixelmill.verification.second_ssim import luma_ssim

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

#: Formats without alpha, with several frames, with EXIF, and with an ICC profile.
_FLAT = ("jpeg", "bmp")
_MOVING = ("png", "webp", "avif", "gif")
_WITH_EXIF = ("jpeg", "png", "webp", "avif", "tiff")
_WITH_PROFILE = ("jpeg", "png", "webp", "avif", "tiff")

#: How much less similar a GIF may be because of its palette, in dB.
_PALETTE_COSTS = 6.0

#: How much smaller an SSIM may be because another library decodes and rounds differently.
_SSIM_MARGIN = 0.005

#: Largest number of samples of a picture whose SSIM is computed, which takes 30 bytes for each.
_MOST_SAMPLES = 50_000_000

#: How much better a frame must fit the place of another one to be out of order, in dB.
_MISPLACED = 6.0

#: Units of time in ms, and the shortest duration that a format can store or that browsers respect.
#: Browsers show frames of a GIF of 10 ms and less for 100 ms.
_UNITS, _SHORTEST = {"gif": 10.0}, {"gif": 20.0, "avif": 1.0}
_TOO_SHORT, _INSTEAD = 10.0, 100.0

#: Range of alpha in which a GIF may show a pixel or not. It shows pixels from 128 upwards, but
#: kernels differ.
_UNDECIDED = (96, 160)

#: Orientations that undo others; all the rest undo themselves.
_BACK = {6: 8, 8: 6}

#: Share of 16-bit levels above which they are those of 8 bits; by chance, one in 256 is.
_SHALLOW = 0.9


class Verdict(NamedTuple):
    """Result of comparing the pictures of an output.

    Attributes
    ----------
    similarity_db : float
        Of the frame that is least similar.
    why : str or None
        What is wrong, if anything is.
    pictures : tuple of ndarray
        That frame and its reference, reduced.
    """

    similarity_db: float
    why: str | None
    pictures: tuple[Array, Array]


def check_pictures(expectation: Expectation, source: bytes, output: bytes, least: float) -> Verdict:
    """Compare an output with its source.

    Parameters
    ----------
    expectation : Expectation
        Of a recipe for which a reference can be rendered.
    source, output : bytes
        The files.
    least : float
        Smallest similarity that passes, in dB.

    Raises
    ------
    UndecodableError
        If no second library decodes one of the files.
    """
    seen = decode(
        output,
        "srgb" if expectation.color == "srgb" else "drop",
        upright=False,
        moving=True,
        pages=True,
    )
    kind = seen.notes.kind
    moving = expectation.moving and kind in _MOVING
    pages = expectation.pages and kind == "tiff"
    meant = decode(source, expectation.color, expectation.upright, moving, pages)
    if not expectation.upright and kind == "avif" and len(seen.frames) > 1:
        seen = _turned_back(seen, meant.notes.orientation)
    if kind == "gif":
        least -= _PALETTE_COSTS
    shown = [*seen.frames, *[seen.frames[-1]] * len(meant.frames)]  # some may be missing
    prepared = [
        _prepared(expectation, kind, frame, one)
        for frame, one in zip(meant.frames, shown, strict=False)
    ]
    most = len(prepared) if pages else len(seen.frames)  # pages may be equal
    frames, durations = _merged(prepared, meant.durations, most)
    detail = max(frames[0].shape[:2])
    alone = output if len(seen.frames) == 1 else b""
    compared = [
        similarity.compare(one, _renderings(expectation, kind, other, one, alone), least, detail)
        for one, other in zip(seen.frames, frames, strict=False)
    ]
    worst = min(compared, key=lambda each: (each.why is None, each.similarity_db))
    why = (
        _count_fault(len(seen.frames), len(frames))
        or _order_fault(expectation, seen.frames, frames, detail)
        or worst.why
        or _quality_fault(expectation, kind, seen, meant)
        or _notes_fault(expectation, seen, meant)
        or _depth_fault(expectation, kind, seen, meant)
        or _times_fault(kind, seen.durations, durations, "gif" in (kind, meant.notes.kind))
    )
    return Verdict(worst.similarity_db, why, worst.pictures)


def _turned_back(seen: Seen, orientation: int) -> Seen:
    """Treat an AVIF sequence, whose frames are turned, as one that records an orientation."""
    frames = [turned(frame, _BACK.get(orientation, orientation)) for frame in seen.frames]
    return replace(seen, frames=frames, notes=seen.notes._replace(orientation=orientation))


def _prepared(expectation: Expectation, kind: str, frame: Array, shown: Array) -> Array:
    """Convert a frame of the source to the depth and the alpha that the output can have."""
    if frame.dtype == np.uint16 and not (expectation.deep and shown.dtype == np.uint16):
        frame = ((frame.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return reference.blend(frame, expectation.background) if kind in _FLAT else frame


def _renderings(
    expectation: Expectation, kind: str, frame: Array, output: Array, file: bytes = b""
) -> Iterator[Array]:
    """Yield correct renderings of a frame: with several kernels, each plain and compressed."""
    for kernel in _kernels(expectation):
        made = _rendered(expectation, kind, frame, kernel)
        lossy = compressed(made, kind, expectation.options, file)
        for rendering in itertools.chain([made], lossy):
            yield _decided(rendering, made, output) if kind == "gif" else rendering


def _kernels(expectation: Expectation) -> tuple[str | None, ...]:
    """Return the kernels of correct renderings: that of the recipe, and others if it resizes."""
    resizes = any(name == "resize" for name, _ in expectation.steps)
    return (None, "area", "bicubic", "clipped") if resizes else (None,)


def _decided(rendering: Array, exact: Array, output: Array) -> Array:
    """Accept how a GIF shows what is half transparent, because it must show all or nothing."""
    if exact.shape[2] == 3 or exact.shape[:2] != output.shape[:2]:
        return rendering
    partly = (exact[..., 3] >= _UNDECIDED[0]) & (exact[..., 3] <= _UNDECIDED[1])
    full = np.full(output.shape[:2], 255, np.uint8)
    shown = output if output.shape[2] == 4 else np.dstack([output, full])
    return np.where(partly[..., None], shown, rendering)


def _rendered(
    expectation: Expectation, kind: str, frame: Array, kernel: str | None = None
) -> Array:
    made = reference.render(frame, expectation.steps, kernel)
    return reference.blend(made, expectation.background) if kind in _FLAT else made


def _merged(
    frames: list[Array], durations: tuple[float, ...], count: int
) -> tuple[list[Array], list[float]]:
    """Merge frames that equal the one before, if an output has fewer frames.

    Writers omit frames that change nothing, and show the frame before for longer.
    """
    times = list(durations) or [0.0] * len(frames)
    if len(frames) <= count:
        return frames, times
    kept, together = [frames[0]], [times[0]]
    for frame, time in zip(frames[1:], times[1:], strict=True):
        if np.array_equal(frame, kept[-1]):
            together[-1] += time
        else:
            kept.append(frame)
            together.append(time)
    return kept, together


def _count_fault(found: int, expected: int) -> str | None:
    return None if found == expected else f"has {found} frames, not {expected}"


def _order_fault(
    expectation: Expectation, found: list[Array], expected: list[Array], detail: int
) -> str | None:
    """Say if a frame fits the place of another one much better."""
    if len(found) < 2:
        return None
    rendered = [reference.render(frame, expectation.steps) for frame in expected]
    if len({frame.shape[:2] for frame in (*found, *rendered)}) > 1:
        return None
    one, two = (
        np.stack([similarity.reduce(similarity.layers_of(frame, True), detail) for frame in frames])
        for frames in (found, rendered)
    )
    if one.shape[1:] != two.shape[1:]:
        return None
    for number, frame in enumerate(one):
        errors = np.mean((two - frame) ** 2, axis=(1, 2, 3))
        best = int(errors.argmin())
        if errors[best] * 10 ** (_MISPLACED / 10) < errors[number] and errors[number] > 4:
            return f"frames are out of order: frame {number + 1} looks like frame {best + 1}"
    return None


def _quality_fault(expectation: Expectation, kind: str, seen: Seen, meant: Seen) -> str | None:
    """Say if an output is less similar to its source than its recipe asks for.

    Pictures are not judged if their pixels depend on a kernel or on a conversion of colours, or
    if they are very large.
    """
    resizes = any(name == "resize" for name, _ in expectation.steps)
    converts = meant.notes.profile is not None or meant.notes.colors or meant.inks
    if not expectation.least_ssim or resizes or converts:
        return None
    frame = _prepared(expectation, kind, meant.frames[0], seen.frames[0])
    pictures = [
        reference.blend(picture, expectation.background) if picture.shape[2] == 4 else picture
        for picture in (seen.frames[0], _rendered(expectation, kind, frame))
    ]
    if pictures[0].shape != pictures[1].shape or frame.size > _MOST_SAMPLES:
        return None
    found = luma_ssim(*pictures)
    if found >= expectation.least_ssim - _SSIM_MARGIN:
        return None
    return f"has an SSIM of {found:.4f}, less than the {expectation.least_ssim} of the target"


def _notes_fault(expectation: Expectation, seen: Seen, meant: Seen) -> str | None:
    """Say if the output records an orientation or a profile that it must not, or lacks one."""
    kind = seen.notes.kind
    orientation = 1 if expectation.upright else meant.notes.orientation
    if kind in _WITH_EXIF and seen.notes.orientation != orientation:
        return f"records orientation {seen.notes.orientation}, not {orientation}"
    if expectation.color == "keep" and kind in _WITH_PROFILE and not meant.inks:
        grayscale = any(name == "grayscale" for name, _ in expectation.steps)
        colors = (meant.notes, meant.gray), (seen.notes, seen.gray)
        if not grayscale and not described_alike(*colors):
            return "the colour profile is lost"
    return None


def _depth_fault(expectation: Expectation, kind: str, seen: Seen, meant: Seen) -> str | None:
    """Say if an output that must keep 16 bits has fewer."""
    deep = expectation.deep and kind in ("png", "tiff") and meant.frames[0].dtype == np.uint16
    if not deep:
        return None
    if seen.frames[0].dtype == np.uint16:
        shallow, why = _is_shallow(seen.frames[0]), "has 16 bits a channel, but only the upper 8"
    else:
        shallow = meant.notes.kind == "png" and meant.gray and meant.frames[0].shape[2] == 3
        why = "has 8 bits a channel, not 16"
    # A kernel that does not overshoot may give no more than the levels of an 8-bit source.
    right = (
        reference.render(meant.frames[0], expectation.steps, kernel)
        for kernel in _kernels(expectation)
    )
    return why if shallow and not any(map(_is_shallow, right)) else None


def _is_shallow(picture: Array) -> bool:
    """Whether 16-bit levels are those of 8 bits, repeated or shifted."""
    low, high = picture & 255, picture >> 8
    between = (picture > 0) & (picture < 65535)
    if not between.any():
        return True
    return bool(max(np.mean(low[between] == high[between]), np.mean(low[between] == 0)) > _SHALLOW)


def _times_fault(
    kind: str, found: tuple[float, ...], expected: list[float], as_gif: bool
) -> str | None:
    """Say if a frame is shown for longer or shorter than in the source, apart from rounding."""
    if len(found) < 2 or len(found) != len(expected):
        return None
    unit = _UNITS.get(kind, 1.0)
    for number, (one, other) in enumerate(zip(found, expected, strict=True), 1):
        short = as_gif and other <= _TOO_SHORT
        meant = _INSTEAD if short else max(other, _SHORTEST.get(kind, 0.0))
        # The ends of frames are rounded, so durations may differ by a whole unit.
        if abs(one - meant) > unit + 0.01:
            return f"frame {number} is shown for {one:.0f} ms, not {meant:.0f}"
    return None
