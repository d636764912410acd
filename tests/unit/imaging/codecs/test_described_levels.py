"""PNGs of every kind look in every output as their gAMA and cHRM describe."""

import zlib

import numpy as np
import pytest

from pixelmill.core.jobs import Job
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.renderer import Renderer
from pixelmill.verification import second_decoder
from pixelmill.verification.expectations import expectations_of
from pixelmill.verification.picture_check import check_pictures
from tests.helpers.imaging import chunk, icc_profile, png, words
from tests.unit.imaging.codecs.test_colorimetry import P3, SRGB, chrm, gama, in_srgb, power

SIDE = 16
GRAY, COLOR, PALETTE, GRAY_ALPHA, COLOR_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GRAY: 1, COLOR: 3, PALETTE: 1, GRAY_ALPHA: 2, COLOR_ALPHA: 4}

#: Shares of the full level, each a column of squares; the last one is transparent if tRNS says so.
SHARES = (0.0, 0.2, 0.4, 0.6, 1.0)
HUES = [(share, 1 - share, 0.4) for share in SHARES]
ALPHA = 0.8

#: Colour type, bits, and whether a chunk makes the last column transparent.
KINDS = [
    (kind, bits, transparent)
    for kind, depths in {
        GRAY: (1, 2, 4, 8, 16), COLOR: (8, 16), PALETTE: (4, 8), GRAY_ALPHA: (8, 16),
        COLOR_ALPHA: (8, 16),
    }.items()
    for bits in depths
    for transparent in ((False, True) if kind in (GRAY, COLOR, PALETTE) else (False,))
]  # fmt: skip
NAMES = {GRAY: "grey", COLOR: "colour", PALETTE: "palette", GRAY_ALPHA: "grey-alpha",
         COLOR_ALPHA: "colour-alpha"}  # fmt: skip


def ids(kind):
    return f"{NAMES[kind[0]]}-{kind[1]}" + ("-transparent" if kind[2] else "")


def columns(kind, bits):
    """Levels of each column, and the shares of red, green and blue that they stand for."""
    full = 2**bits - 1
    if kind == PALETTE:
        return [(k,) for k in range(len(HUES))], [
            tuple(round(255 * s) / 255 for s in h) for h in HUES
        ]
    shares = HUES if kind in (COLOR, COLOR_ALPHA) else [(share,) for share in SHARES]
    levels = [tuple(round(s * full) for s in column) for column in shares]
    seen = [tuple(level / full for level in column) for column in levels]
    if kind in (GRAY_ALPHA, COLOR_ALPHA):
        levels = [(*column, round(ALPHA * full)) for column in levels]
    return levels, [column * (3 // len(column)) for column in seen]


def source(kind, bits, transparent, description):
    levels, _ = columns(kind, bits)
    row = [level for column in levels for _ in range(SIDE) for level in column]
    if bits == 16:
        packed = words(*row)
    else:
        digits = "".join(format(level, f"0{bits}b") for level in row)
        packed = int(digits, 2).to_bytes(len(digits) // 8, "big")
    extra = description
    if kind == PALETTE:
        extra += chunk(b"PLTE", bytes(round(255 * s) for hue in HUES for s in hue))
    if transparent:
        last = bytes([255] * (len(SHARES) - 1) + [0]) if kind == PALETTE else words(*levels[-1])
        extra += chunk(b"tRNS", last)
    return png(SIDE * len(SHARES), SIDE, bits, kind, [packed] * SIDE, extra)


DESCRIPTIONS = {
    "linear": (gama(100_000), SRGB, power(1)),
    "p3": (gama(55_556) + chrm(P3), P3, power(1.8)),
}


#: Kinds, and formats and depths of outputs; JPEG flattens what is transparent, in levels as they
#: are stored.
CASES = [
    (kind, format, depth) for kind in KINDS for format in ("png", "tiff") for depth in (8, "keep")
] + [
    (kind, format, 8)
    for kind in KINDS
    for format in ("webp", "avif", "jpeg")
    if kind[1] == 8 and (format != "jpeg" or not (kind[2] or kind[0] in (GRAY_ALPHA, COLOR_ALPHA)))
]


@pytest.mark.parametrize("backend", ["pillow", "opencv"])
@pytest.mark.parametrize("color", ["srgb", "keep"])
@pytest.mark.parametrize(
    ("kind", "format", "depth"),
    CASES,
    ids=lambda part: ids(part) if isinstance(part, tuple) else None,
)
def test_it_looks_as_described(tmp_path, kind, color, depth, backend, format):
    description, primaries, curve = DESCRIPTIONS["linear"]
    made = rendered(tmp_path, source(*kind, description), color, depth, backend, format)
    check(made, kind, primaries, curve, format)


@pytest.mark.parametrize("backend", ["pillow", "opencv"])
@pytest.mark.parametrize("color", ["srgb", "keep"])
@pytest.mark.parametrize(
    "kind",
    [
        (GRAY, 16, True),
        (COLOR, 8, True),
        (COLOR, 16, False),
        (PALETTE, 4, True),
        (COLOR_ALPHA, 16, False),
    ],
    ids=ids,
)
def test_chromaticities_count_for_colours(tmp_path, kind, color, backend):
    description, primaries, curve = DESCRIPTIONS["p3"]
    made = rendered(tmp_path, source(*kind, description), color, "keep", backend, "png")
    check(made, kind, primaries, curve, "png")


STEPS = {"grayscale": {"grayscale": {}}, "border": {"border": {"width": 8, "color": "#ff0000"}}}


@pytest.mark.parametrize(
    ("kind", "format"),
    [
        (kind, format)
        for kind in ((GRAY, 8, False), (COLOR, 8, False), (GRAY_ALPHA, 16, False))
        for format in ("png", "tiff", "webp", "avif", "jpeg")
        if (kind[0], format) != (GRAY_ALPHA, "jpeg")  # flattened in levels as they are stored
    ],
)
@pytest.mark.parametrize(
    ("step", "backend"), [("grayscale", "pillow"), ("grayscale", "opencv"), ("border", "pillow")]
)
def test_kept_values_look_the_same_in_grey_and_in_colour(tmp_path, kind, step, backend, format):
    """A step may change the colour space that a kept profile must have."""
    described = source(*kind, DESCRIPTIONS["linear"][0])
    made = rendered(tmp_path, described, "keep", 8, backend, format, [STEPS[step]])
    frame = second_decoder.decode(made).frames[0].astype(float)
    inner = 8 if step == "border" else 0
    row = frame[inner + SIDE // 2, inner + SIDE // 2 : frame.shape[1] - inner : SIDE]
    shares = np.asarray(columns(*kind[:2])[1])
    if step == "grayscale":  # luma by ITU-R BT.601, as every grey is made here
        shares = np.repeat(shares @ [[0.299], [0.587], [0.114]], 3, axis=1)
    expected = in_srgb(shares * 255, SRGB, power(1))
    assert np.abs(row[:, :3] - expected).max() <= (10 if format in ("jpeg", "avif") else 3)


@pytest.mark.parametrize("backend", ["pillow", "opencv"])
@pytest.mark.parametrize("format", ["png", "tiff", "webp", "avif"])
@pytest.mark.parametrize(
    "kind", [(GRAY, 8, False), (GRAY, 16, True), (GRAY_ALPHA, 16, False)], ids=ids
)
def test_verification_misses_the_profile_of_grey_only_if_there_is_none(
    tmp_path, kind, format, backend
):
    profile = icc_profile((), 1.8)
    described = source(*kind, chunk(b"iCCP", b"icc\0\0" + zlib.compress(profile)))
    settings = {"color": "keep", "backend": backend, "output": {"format": format}}
    (expectation,) = expectations_of(settings).values()
    made = rendered(tmp_path, described, "keep", 8, backend, format)
    assert check_pictures(expectation, described, made, 30).why is None
    bare = rendered(tmp_path, described, "drop", 8, backend, format)
    assert check_pictures(expectation, described, bare, 30).why == "the colour profile is lost"


def rendered(folder, data, color, depth, backend, format, steps=()):
    (folder / "a.png").write_bytes(data)
    output = {"format": format}
    if format in ("jpeg", "webp", "avif"):
        output["quality"] = 100
    if format == "webp":
        output["lossless"] = True
    settings = {"color": color, "depth": depth, "backend": backend, "output": output}
    settings["steps"] = list(steps)
    outcome = Renderer(str(folder), str(folder), recipe_parser.parse(settings)).render(
        Job("a.png", ("o",))
    )
    assert outcome.status == "ok", outcome.message
    return (folder / "o").read_bytes()


def check(data, kind, primaries, curve, format):
    """Compare the centres of columns with their described appearance on white."""
    frame = second_decoder.decode(data).frames[0]
    full = np.iinfo(frame.dtype).max
    middles = frame[SIDE // 2, SIDE // 2 :: SIDE].astype(float) / full * 255
    alpha = middles[:, 3:] / 255 if middles.shape[1] == 4 else np.ones((len(SHARES), 1))
    found = middles[:, :3] * alpha + 255 * (1 - alpha)
    _, shares = columns(*kind[:2])
    expected = in_srgb(np.asarray(shares) * 255, primaries, curve)
    opacity = np.full((len(SHARES), 1), ALPHA if kind[0] in (GRAY_ALPHA, COLOR_ALPHA) else 1.0)
    if kind[2]:
        # All columns of a level are transparent, also those that few bits cannot tell apart.
        levels, _ = columns(*kind[:2])
        opacity[[k for k, level in enumerate(levels) if level == levels[-1]]] = 0
    expected = expected * opacity + 255 * (1 - opacity)
    assert np.abs(found - expected).max() <= (8 if format in ("jpeg", "avif") else 2)
