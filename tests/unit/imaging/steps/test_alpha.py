"""No fringe appears around transparent areas: pixels are mixed according to their alpha."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from pixelmill.core.jobs import Job
from pixelmill.imaging import recipe_parser
from pixelmill.imaging.renderer import Renderer
from pixelmill.imaging.steps import STEPS

#: Kernels with negative weights, and the others.
KERNELS = ("lanczos", "bicubic", "hamming", "bilinear", "box")

LEVEL = 128


def boxes(mode, hidden, depth=8, side=120):
    """Grey boxes with holes that have another, hidden colour."""
    inside = np.zeros((side, side), bool)
    for top in range(4, side - 20, 24):
        for left in range(4, side - 20, 30):
            inside[top : top + 14, left : left + 19] = True
    inside[60:, 60:] |= np.add.outer(np.arange(side - 60), np.arange(side - 60)) % 23 < 11
    full = 2**depth - 1
    gray = np.where(inside, LEVEL * full // 255, hidden * full // 255)
    alpha = np.where(inside, full, 0)
    channels = [gray] * (1 if mode == "LA" else 3) + [alpha]
    return np.stack(channels, axis=-1).astype(np.uint16 if depth == 16 else np.uint8)


def levels(mode, hidden):
    return Image.fromarray(boxes(mode, hidden))


def seen(image, least=255):
    """Values of the pixels that have at least this alpha; there must be some."""
    made = np.asarray(image).astype(float)
    opaque = made[..., -1] >= least
    assert opaque.any()
    return made[opaque][:, :-1]


def resized(image, size, **more):
    params = {key: p.default for key, p in STEPS["resize"].parameters.items()}
    return STEPS["resize"].function(
        image, **{**params, "width": size[0], "height": size[1], **more}
    )


@pytest.mark.parametrize("hidden", [0, 255])
@pytest.mark.parametrize("resampler", ["simd", "pillow"])
@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("size", [(97, 97), (31, 64), (250, 190), (60, 240)])
@pytest.mark.parametrize("filter", KERNELS)
@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_no_kernel_leaves_a_fringe(mode, filter, size, linear, resampler, hidden):
    made = resized(levels(mode, hidden), size, filter=filter, linear=linear, resampler=resampler)
    assert (made.mode, made.size) == (mode, size)
    # Half-transparent pixels have it too, as far as premultiplied 8 bits tell: 255 / 64 levels.
    assert np.abs(seen(made) - LEVEL).max() <= 1
    assert np.abs(seen(made, 64) - LEVEL).max() <= 4


@pytest.mark.parametrize("filter", KERNELS)
def test_vectors_and_pillow_agree(filter):
    made = [
        np.asarray(
            resized(levels("RGBA", 0), (50, 70), filter=filter, resampler=name).convert("RGBa")
        )
        for name in ("simd", "pillow")
    ]
    assert np.abs(made[0].astype(int) - made[1]).max() <= 1


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_opaque_pictures_are_those_without_alpha(mode):
    noise = np.random.default_rng(5).integers(0, 256, (60, 80, 3), np.uint8)
    image = Image.fromarray(noise).convert(mode[:-1])
    made = resized(image.convert(mode), (33, 21))
    assert (np.asarray(made)[..., -1] == 255).all()
    assert made.convert(mode[:-1]).tobytes() == resized(image, (33, 21)).tobytes()


def test_a_crop_and_a_region_leave_no_rim():
    made = resized(levels("RGBA", 255), (50, 20), fit="cover", gravity="top_left")
    assert np.abs(seen(made) - LEVEL).max() <= 1


STEPS_THAT_MIX = [
    {"rotate": {"angle": 17, "color": "transparent"}},
    {"sharpen": {}},
    {"edge_enhance": {}},
    {"unsharp_mask": {"radius": 2, "percent": 300, "threshold": 0}},
    {"gaussian_blur": {"radius": 2}},
    {"median": {"size": 5}},
    {"resize": {"percent": 81}},
    {"resize": {"percent": 217, "filter": "bicubic"}},
]


@pytest.fixture
def make(tmp_path):
    def make_one(pixels, steps, backend="pillow", **settings):
        order = {1: None, 2: None, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
        if pixels.ndim == 3 and pixels.shape[2] == 2:
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "PNG")
            data = file.getvalue()
        else:
            code = order[pixels.shape[2]] if pixels.ndim == 3 else None
            turned = pixels if code is None else cv2.cvtColor(pixels, code)
            data = cv2.imencode(".png", turned)[1].tobytes()
        (tmp_path / "a").write_bytes(data)
        settings = {"output": {"format": "png"}, **settings, "backend": backend}
        parsed = recipe_parser.parse({"steps": steps, **settings})
        outcome = Renderer(str(tmp_path), str(tmp_path), parsed).render(Job("a", ("out",)))
        if outcome.status != "ok":
            return outcome
        made = cv2.imread(str(tmp_path / "out"), cv2.IMREAD_UNCHANGED)
        return made if made.ndim == 2 else made[..., [2, 1, 0, 3][: made.shape[2]]]

    return make_one


#: Steps of each backend.
MIXING = [("pillow", step) for step in STEPS_THAT_MIX] + [
    ("opencv", step)
    for step in STEPS_THAT_MIX
    if {"resize", "unsharp_mask", "gaussian_blur", "median"} & {*step}
]


@pytest.mark.parametrize("hidden", [0, 255])
@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize(("backend", "step"), MIXING, ids=lambda part: "-".join(part)[:20])
def test_no_step_leaves_a_fringe(make, backend, step, mode, hidden):
    made = make(boxes(mode, hidden), [step], backend)
    assert np.abs(seen(made) - LEVEL).max() <= 1


@pytest.mark.parametrize("hidden", [0, 255])
@pytest.mark.parametrize("percent", [81, 217])
@pytest.mark.parametrize("filter", ["lanczos", "bicubic", "bilinear", "box"])
def test_no_rim_in_16_bits(make, filter, percent, hidden):
    made = make(
        boxes("RGBA", hidden, 16), [{"resize": {"percent": percent, "filter": filter}}],
        "opencv", depth="keep",
    )  # fmt: skip
    assert made.dtype == np.uint16
    assert np.abs(seen(made, 65_535) / 257 - LEVEL).max() <= 1


@pytest.mark.parametrize("angle", [3, 17, 45, -80])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_rotated_picture_has_no_fringe(mode, angle):
    image = Image.new(mode, (40, 30), (LEVEL,) * len(mode) if mode == "RGB" else LEVEL)
    made = STEPS["rotate"].function(image, angle=angle, expand=True, color="transparent")
    assert np.abs(seen(made, 1) - LEVEL).max() <= 1


def test_a_mark_has_no_rim(tmp_path):
    levels("RGBA", 0).save(tmp_path / "mark.png")
    below = Image.new("RGB", (200, 200), (LEVEL,) * 3)
    params = {key: p.default for key, p in STEPS["watermark"].parameters.items()}
    mark = {"image": str(tmp_path / "mark.png"), "size": 0.3, "opacity": 1.0}
    made = STEPS["watermark"].function(below, **{**params, **mark})
    assert np.abs(np.asarray(made).astype(int) - LEVEL).max() <= 1


# Colours on grey


RED, GRAY = "#ff0000", "#404040"

#: Steps with a colour that is visible in the pixel at the top left.
COLORED = {
    "border": lambda color: {"border": {"width": 4, "color": color}},
    "pad": lambda color: {"resize": {"width": 60, "height": 20, "fit": "pad", "color": color}},
    "rotate": lambda color: {"rotate": {"angle": 30, "color": color}},
    "rotate in its frame": lambda color: {"rotate": {"angle": 90, "expand": False, "color": color}},
}


def gray_pixels(mode):
    pixels = np.full((20, 30, len(mode)), LEVEL, np.uint8)
    if mode == "LA":
        pixels[..., 1] = 255
        pixels[8:12, 10:20, 1] = 0
    return pixels if mode == "LA" else pixels[..., 0]


#: OpenCV supports one of these steps.
COLORING = [*(("pillow", step) for step in COLORED), ("opencv", "pad")]


@pytest.mark.parametrize("mode", ["L", "LA"])
@pytest.mark.parametrize(("backend", "step"), COLORING)
def test_a_colour_drawn_on_grey_stays_that_colour(make, backend, step, mode):
    made = make(gray_pixels(mode), [COLORED[step](RED)], backend)
    assert made[0, 0].tolist() == [255, 0, 0] + [255] * (mode == "LA")
    rows, columns = made.shape[:2]
    assert (np.asarray(made[rows // 2, columns // 4, :3]) == LEVEL).all() or step != "pad"
    if mode == "LA" and step in ("border", "pad"):
        assert made[rows // 2, columns // 2, 3] == 0


@pytest.mark.parametrize(("backend", "step"), COLORING)
def test_a_grey_on_grey_leaves_it_grey(make, backend, step):
    made = make(gray_pixels("L"), [COLORED[step](GRAY)], backend)
    assert made.ndim == 2
    assert made[0, 0] == 0x40


@pytest.mark.parametrize(
    "step",
    [
        {"border": {"width": 0, "color": RED}},
        {"resize": {"width": 15, "height": 10, "fit": "pad", "color": RED}},
        {"rotate": {"angle": 180, "color": RED}},
    ],
    ids=lambda step: "-".join(step),
)
def test_grey_stays_grey_if_the_colour_is_invisible(make, step):
    assert make(gray_pixels("L"), [step]).ndim == 2


@pytest.mark.parametrize(
    ("color", "held"), [(RED, "the colour #ff0000"), ("transparent", "transparency")]
)
@pytest.mark.parametrize("step", COLORED)
def test_a_colour_on_16_bit_grey_is_refused(make, step, color, held):
    pixels = np.full((20, 30), 30_000, np.uint16)
    outcome = make(pixels, [COLORED[step](color)], depth="keep")
    assert (outcome.status, outcome.reason) == ("failed", "step_failed")
    assert f"16-bit grey cannot hold {held}; set depth: 8" in outcome.message
    assert make(pixels, [COLORED[step]("#ffffff")], depth="keep")[0, 0] == 65_535


def test_a_colour_on_16_bit_grey_is_that_colour_in_opencv(make):
    pixels = np.full((20, 30), 30_000, np.uint16)
    made = make(pixels, [COLORED["pad"](RED)], "opencv", depth="keep")
    assert made[0, 0].tolist() == [65_535, 0, 0]
    assert made[10, 30].tolist() == [30_000] * 3


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_a_coloured_text_on_grey_is_coloured(make, mode):
    text = {"text": "MM", "size": 1, "opacity": 1, "margin": 0, "gravity": "center"}
    made = make(gray_pixels(mode), [{"watermark": {**text, "color": RED}}])
    reddest = made.reshape(-1, made.shape[2])[np.argmax(made[..., 0].astype(int) - made[..., 1])]
    assert np.abs(reddest[:3].astype(int) - [255, 0, 0]).max() <= 8
    assert made.shape[2] == (4 if mode == "LA" else 3)


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_a_coloured_watermark_on_grey_is_coloured(make, tmp_path, mode):
    Image.new("RGBA", (8, 8), (0, 0, 255, 255)).save(tmp_path / "mark.png")
    mark = {"image": str(tmp_path / "mark.png"), "size": 0.2, "opacity": 1, "margin": 0}
    made = make(gray_pixels(mode), [{"watermark": {**mark, "gravity": "top_left"}}])
    assert made[2, 2].tolist() == [0, 0, 255] + [255] * (mode == "LA")
    assert made[18, 28, :3].tolist() == [LEVEL] * 3


def test_a_grey_mark_on_grey_leaves_it_grey(make):
    assert make(gray_pixels("L"), [{"watermark": {"text": "MM"}}]).ndim == 2


@pytest.mark.parametrize("backend", ["pillow", "opencv"])
@pytest.mark.parametrize("background", ["#ff0000", "#404040", "#ffffff"])
@pytest.mark.parametrize("to", ["jpeg", "bmp", "png"])
def test_grey_with_alpha_on_a_ground(make, to, background, backend):
    """JPEG and BMP have no alpha; a PNG keeps it."""
    enlarged = {"resize": {"width": 240, "height": 160, "filter": "nearest"}}
    output = {"format": to, "quality": 100}
    made = make(gray_pixels("LA"), [enlarged], backend, background=background, output=output)
    made = made if made.ndim == 3 else np.stack([made] * 3, axis=-1)
    expected = {"#ff0000": [255, 0, 0], "#404040": [64] * 3, "#ffffff": [255] * 3}[background]
    if to == "png":
        assert made[80, 120, 3] == 0
    else:
        assert np.abs(made[80, 120].astype(int) - expected).max() <= 6
    assert np.abs(made[10, 10, :3].astype(int) - LEVEL).max() <= 6


def test_grey_with_alpha_in_a_blurred_pad(make):
    """The frame shows the blurred picture, with the picture and its holes in the centre."""
    pad = {"resize": {"width": 60, "height": 20, "fit": "pad", "color": "blur"}}
    made = make(gray_pixels("LA"), [pad])
    assert made.shape == (20, 60, 4)
    assert (made[..., :3][made[..., 3] > 0] == made[..., :1][made[..., 3] > 0]).all()
    assert made[10, 30, 3] == 0
    assert made[2, 30].tolist() == [LEVEL, LEVEL, LEVEL, 255]
    assert np.abs(made[1, 2].astype(int) - [LEVEL, LEVEL, LEVEL, 255]).max() <= 1
