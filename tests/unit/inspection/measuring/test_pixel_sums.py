"""Sums over pixels are those of NumPy, and metrics are the same with and without the kernel."""

import shutil

import cv2
import numpy as np
import pytest

from pixelmill.imaging.arrays import as_bgra
from pixelmill.inspection.measuring import hashes, pixel_sums
from pixelmill.inspection.measuring.picture_metrics import measure
from pixelmill.inspection.metrics import METRICS
from tests.helpers.compiled import VECTORS, compiled

#: Heights and widths around all numbers of pixels that are treated at once.
SHAPES = [
    *((2, 2), (2, 3), (3, 3), (3, 100), (100, 3), (7, 9), (8, 8), (24, 65), (33, 31), (63, 64)),
    *((64, 63), (65, 64), (4, 513), (128, 129)),
]

#: Larger ones, of which the last one is the largest.
LARGE = [(191, 191), (192, 193), (193, 385), (384, 512), (2, 1024), (1024, 1024)]

#: Those that have no neighbours in one direction.
LINES = [(1, 1), (1, 2), (2, 1), (1, 65), (500, 1)]


def white(shape):
    return np.full(shape, 255, np.uint8)


def noise(shape):
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def extremes(shape):
    """Black and white at random: the largest differences of all kinds."""
    return np.where(noise(shape) > 127, 255, 0).astype(np.uint8)


def chessboard(shape):
    """Black and white in turns: the largest sums of steps, and of squares of the Laplacian."""
    rows, columns, *_ = np.indices(shape)
    return ((rows + columns) % 2 * 255).astype(np.uint8)


LEVELS = [white, noise, extremes, chessboard]


def check_sums(luma, colors):
    """Compare all sums with those of NumPy."""
    blue, green, red = (colors[..., k].astype(np.int64) for k in range(3))
    squares = blue, green, red, blue - green, blue - red, green - red
    wanted = [*(one.sum() for one in squares[:3]), *((one**2).sum() for one in squares)]
    assert list(pixel_sums.color_sums(colors)) == wanted
    p = luma.astype(np.int64)
    assert pixel_sums.histogram(luma).tolist() == np.bincount(p.ravel(), minlength=256).tolist()
    if min(luma.shape) >= 2:
        lines = np.abs(np.diff(p, axis=1)).sum(axis=0), np.abs(np.diff(p, axis=0)).sum(axis=1)
        wanted = [[sums[number::8].sum() for number in range(8)] for sums in lines]
        assert pixel_sums.steps(luma).tolist() == wanted
    if min(luma.shape) >= 3:
        values = p[2:, 1:-1] + p[:-2, 1:-1] + p[1:-1, 2:] + p[1:-1, :-2] - 4 * p[1:-1, 1:-1]
        assert pixel_sums.laplacian(luma) == (values.sum(), (values**2).sum())


@pytest.mark.parametrize("levels", LEVELS)
def test_sums_are_those_of_numpy(levels):
    for shape in SHAPES + LINES:
        check_sums(levels(shape), levels((*shape, 3)))


def test_a_sum_of_squares_is_a_whole_number():
    for count in range(1, 40):
        assert pixel_sums.sum_of_squares(white((1, count))) == count * 255**2


needs_compiler = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler"),
]


@pytest.fixture(scope="module", params=VECTORS, ids=VECTORS.get)
def kernel(request, tmp_path_factory, repository):
    return compiled(tmp_path_factory.mktemp("kernel"), repository, request.param)


class TestKernel:
    """With vectors of all sizes."""

    pytestmark = needs_compiler

    @pytest.mark.parametrize("levels", LEVELS)
    def test_sums_are_those_of_numpy(self, kernel, monkeypatch, levels):
        monkeypatch.setattr(pixel_sums, "kernel", kernel)
        for shape in SHAPES + LINES + LARGE:
            check_sums(levels(shape), levels((*shape, 3)))

    @pytest.mark.parametrize("levels", LEVELS)
    def test_small_copies_are_those_of_opencv_and_numpy(self, kernel, monkeypatch, levels):
        for shape in SHAPES + LINES + LARGE:
            copies = []
            for used in (None, kernel):
                monkeypatch.setattr(pixel_sums, "kernel", used)
                halved = hashes.halved(levels(shape))
                copies.append(
                    [halved.luma, hashes.dhash(halved), hashes.phash(halved)]
                    + [hashes._resized(halved, *size) for size in ((9, 8), (32, 32))]
                )
            for one, other in zip(*copies, strict=True):
                np.testing.assert_array_equal(one, other, str(shape))

    @pytest.mark.parametrize("channels", [(), (1,), (2,), (3,), (4,)])
    def test_metrics_are_the_same(self, kernel, monkeypatch, photo, channels):
        draw = np.random.default_rng(2)
        shapes = [*SHAPES, *LINES, *LARGE, (3, 65500), (65500, 3), (600, 450), (1500, 1025)]
        pictures = [levels((*shape, *channels)) for shape in shapes for levels in LEVELS]
        for seed in range(40):
            shown = np.tile(photo(*map(int, draw.integers(1, 700, 2)), seed=seed), 2)
            pictures.append(shown[..., : channels[0]] if channels else shown[..., 0])
        if channels == (3,):
            pictures += [as_bgra(colors)[..., :3] for colors in pictures[-9:]]
        for pixels in pictures:
            monkeypatch.setattr(pixel_sums, "kernel", None)
            wanted = measure(pixels, METRICS)
            monkeypatch.setattr(pixel_sums, "kernel", kernel)
            assert measure(pixels, METRICS) == wanted, pixels.shape

    @pytest.mark.parametrize(
        ("name", "channels", "sums"),
        [("color_sums", 3, 9), ("histogram", 1, 256), ("laplacian", 1, 2), ("steps", 1, 16)],
    )
    def test_sums_that_do_not_fit_are_refused(self, kernel, name, channels, sums):
        function, pixels, made = getattr(kernel, name), white((20, 30, channels)), np.empty(sums)
        function(pixels, (30, 20), made)
        for size in ((30, 21), (29, 20), (-30, -20), (0, 0), (601, 1)):
            with pytest.raises(ValueError, match="do not fit"):
                function(pixels, size, made)
        for other in (made[1:], np.empty(sums + 1), np.empty(0)):
            with pytest.raises(ValueError, match="do not fit"):
                function(pixels, (30, 20), other)
        for size in ((1, 1025), (1025, 1)):
            with pytest.raises(ValueError, match="do not fit"):
                function(white((*size, channels)), size[::-1], made)
        with pytest.raises(ValueError, match="contiguous"):
            function(pixels[:, ::2], (15, 20), made)

    @pytest.mark.parametrize("levels", [noise, extremes])
    def test_interpolation_is_that_of_opencv(self, kernel, levels):
        draw = np.random.default_rng(3)
        sizes = [(600, 450, 512, 384), (600, 1, 512, 1), (1, 600, 1, 512), (1, 1, 5, 7)]
        sizes += [(1024, 17, 512, 8), (1024, 1024, 1024, 1024), (30, 30, 1024, 1)]
        sizes += [tuple(map(int, draw.integers(1, 1025, 4))) for _ in range(100)]
        for width, height, columns, rows in sizes:
            luma, made = levels((height, width)), np.empty((rows, columns), np.uint8)
            kernel.interpolate(luma, (width, height), made, (columns, rows))
            wanted = cv2.resize(luma, (columns, rows), interpolation=cv2.INTER_LINEAR_EXACT)
            np.testing.assert_array_equal(made, wanted.reshape(rows, columns))

    def test_interpolation_that_does_not_fit_is_refused(self, kernel):
        made = np.empty((11, 15), np.uint8)
        kernel.interpolate(white((21, 30)), (30, 21), made, (15, 11))
        for size in ((30, 20), (31, 21), (-30, -21), (0, 0), (15, 12), (1025, 1)):
            with pytest.raises(ValueError, match="do not fit"):
                kernel.interpolate(white((21, 30)), size, made, (15, 11))
            with pytest.raises(ValueError, match="do not fit"):
                kernel.interpolate(white((21, 30)), (30, 21), made, size)

    def test_halves_that_do_not_fit_are_refused(self, kernel):
        made = np.empty((11, 15), np.uint8)
        kernel.halve(white((21, 30)), (30, 21), made)
        for size in ((30, 20), (29, 21), (31, 21), (-30, -21), (0, 0)):
            with pytest.raises(ValueError, match="do not fit"):
                kernel.halve(white((21, 30)), size, made)
        with pytest.raises(ValueError, match="do not fit"):
            kernel.halve(white((21, 30)), (30, 21), made[1:])

    @pytest.mark.parametrize("result", [8, 9, 32])
    def test_weights_are_those_of_numpy(self, kernel, result):
        for size in (*range(1, 100), 128, 192, 257, 511, 512):
            for extent in {size, size - 0.25, size - 0.5}:
                side = np.frombuffer(kernel.small_side(size, extent, result), np.int32)
                first, weights = side[:result], side[result:].reshape(result, -1)
                wanted = hashes._weights(size, extent, result)
                made = np.zeros((result, size + weights.shape[1]))
                for row, begin, near in zip(made, first, weights, strict=True):
                    row[begin : begin + near.size] = near / 2**22
                np.testing.assert_array_equal(made[:, :size], wanted)
                assert not made[:, size:].any()

    @pytest.mark.parametrize(
        "given",
        [
            (0, 1.0, 8), (-5, 1.0, 8), (1025, 1.0, 8), (5, 0.0, 8), (5, 5.5, 8), (5, 5.0, 0),
            (5, 5.0, 33), (5, float("nan"), 8), (1024, 1024.0, 1),
        ],
    )  # fmt: skip
    def test_a_side_that_cannot_be_is_refused(self, kernel, given):
        with pytest.raises(ValueError, match="do not fit"):
            kernel.small_side(*given)

    @pytest.mark.parametrize(
        "change",
        [
            lambda good: {"source": (21, 30)}, lambda good: {"source": (0, 30)},
            lambda good: {"made": white((8, 8))}, lambda good: {"target": (8, 9)},
            lambda good: {"target": (0, 8)}, lambda good: {"across": good["down"]},
            lambda good: {"across": b""}, lambda good: {"down": good["down"][:-4]},
            lambda good: {"down": good["down"] + bytes(4)},
            lambda good: {"across": spoilt(good["across"], 8, -1)},
            lambda good: {"across": spoilt(good["across"], 8, 20)},
            lambda good: {"across": bytes(4 * 9 * 16)}, lambda good: {"down": bytes(4 * 8)},
            lambda good: {"down": bytes(4 * 8 * 1041)},
            lambda good: {"made": white((33, 9)), "target": (9, 33), "down": bytes(4 * 33 * 17)},
        ],
        ids=[
            "width", "no-width", "target", "turned", "no-columns", "other-side", "no-side", "cut",
            "longer", "before", "beyond", "taps", "no-taps", "many-taps", "large",
        ],
    )  # fmt: skip
    def test_copies_that_do_not_fit_are_refused(self, kernel, change):
        given = {
            "luma": white((30, 20)),
            "source": (20, 30),
            "made": white((8, 9)),
            "target": (9, 8),
            "across": kernel.small_side(20, 20.0, 9),
            "down": kernel.small_side(30, 30.0, 8),
            "down_first": False,
        }
        kernel.reduce(*given.values())
        with pytest.raises(ValueError, match="do not fit"):
            kernel.reduce(*(given | change(given)).values())


def spoilt(side, place, value):
    """A side with another whole number in the place of one."""
    numbers = np.frombuffer(side, np.int32).copy()
    numbers[place] = value
    return numbers.tobytes()
