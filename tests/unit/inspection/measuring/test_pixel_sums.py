"""Sums over pixels are those of NumPy, and metrics are the same with and without the kernel."""

import ctypes
import shutil

import cv2
import numpy as np
import pytest

from pixelmill.imaging.arrays import as_bgra
from pixelmill.inspection.measuring import hashes, pixel_sums
from pixelmill.inspection.measuring.picture_metrics import measure
from pixelmill.inspection.metrics import PERCENTILES
from tests.helpers.compiled import VECTORS, build, compiled

#: Heights and widths around all numbers of pixels that are treated at once.
SHAPES = [
    *((2, 2), (2, 3), (3, 3), (3, 100), (100, 3), (7, 9), (8, 8), (24, 65), (33, 31), (63, 64)),
    *((64, 63), (65, 64), (4, 513), (128, 129)),
]

#: Larger ones, of which the last one is the largest.
LARGE = [(191, 191), (192, 193), (193, 385), (384, 512), (2, 1024), (1024, 1024)]

#: Those of them that are hashed, and others with the longest sides that are halved or turned.
HASHED = [(191, 191), (192, 193), (193, 385), (384, 512), (512, 512), (511, 511), (512, 191)]
HASHED += [(512, 382), (382, 512), (512, 1), (1, 512), (90, 20), (512, 40)]

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


def gradient(shape):
    """Levels that rise steadily, so that many frequencies are nearly equal."""
    rows, columns, *_ = np.indices(shape)
    return ((rows + 2 * columns) // 6 % 256).astype(np.uint8)


LEVELS = [white, noise, extremes, chessboard]


def check_sums(luma, colors):
    """Compare all sums with those of NumPy."""
    blue, green, red = (colors[..., k].astype(np.int64) for k in range(3))
    squares = blue, green, red, blue - green, blue - red, green - red
    wanted = [*(one.sum() for one in squares[:3]), *((one**2).sum() for one in squares)]
    found_luma, found = pixel_sums.color_sums(colors)
    assert list(found) == wanted
    np.testing.assert_array_equal(found_luma, cv2.cvtColor(colors, cv2.COLOR_BGR2GRAY))
    found = pixel_sums.luma_sums(luma)
    p = luma.astype(np.int64)
    assert found.histogram.tolist() == np.bincount(p.ravel(), minlength=256).tolist()
    assert (found.levels, found.squares) == (p.sum(), (p**2).sum())
    wanted = np.percentile(p, PERCENTILES, method="inverted_cdf")
    assert found.percentiles == wanted.tolist()
    across, down = np.abs(np.diff(p, axis=1)).sum(axis=0), np.abs(np.diff(p, axis=0)).sum(axis=1)
    assert list(found.steps_across) == [across[number::8].sum() for number in range(8)]
    assert list(found.steps_down) == [down[number::8].sum() for number in range(8)]
    values = np.zeros(1, np.int64)
    if min(luma.shape) >= 3:
        values = p[2:, 1:-1] + p[:-2, 1:-1] + p[1:-1, 2:] + p[1:-1, :-2] - 4 * p[1:-1, 1:-1]
    assert (found.laplacian, found.laplacian_squares) == (values.sum(), (values**2).sum())


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

    def test_luma_of_all_colors_is_that_of_opencv(self, kernel, monkeypatch):
        monkeypatch.setattr(pixel_sums, "kernel", kernel)
        pixel_sums._has_luma_of_opencv.cache_clear()
        if not pixel_sums._has_luma_of_opencv():
            pytest.skip("OpenCV has another formula on this processor")
        blue_green = np.stack(np.indices((256, 256), np.uint8), axis=-1)
        luma = np.empty((256, 256), np.uint8)
        for red in range(256):
            colors = np.dstack([blue_green, np.full((256, 256), red, np.uint8)])
            kernel.color_sums(colors, (256, 256), luma, np.empty(9, np.int64))
            np.testing.assert_array_equal(luma, cv2.cvtColor(colors, cv2.COLOR_BGR2GRAY))

    def test_luma_is_left_to_an_opencv_with_another_formula(self, kernel, monkeypatch):
        def other(colors):
            return (colors @ np.array([1868, 9617, 4899]) + 8192 >> 14).astype(np.uint8)

        monkeypatch.setattr(pixel_sums, "kernel", kernel)
        monkeypatch.setattr(pixel_sums, "luma_of", other)
        pixel_sums._has_luma_of_opencv.cache_clear()
        colors = noise((100, 100, 3))
        np.testing.assert_array_equal(pixel_sums.color_sums(colors)[0], other(colors))
        pixel_sums._has_luma_of_opencv.cache_clear()

    @pytest.mark.parametrize("levels", [*LEVELS, gradient])
    def test_hashes_are_those_of_opencv_and_numpy(self, kernel, monkeypatch, levels):
        sides = zip(range(1, 513, 3), np.random.default_rng(4).permutation(512) + 1, strict=False)
        for shape in [*SHAPES[:-2], *LINES, *HASHED, *sides]:
            luma = levels(tuple(map(int, shape)))
            monkeypatch.setattr(pixel_sums, "kernel", None)
            wanted = hashes.perceptual(luma)
            monkeypatch.setattr(pixel_sums, "kernel", kernel)
            assert hashes.perceptual(luma) == wanted, shape

    @pytest.mark.parametrize("edges", [(0, 0, 0, 0), (9, 0, 1, 0), (3, 70, 0, 5), (50, 50, 2, 2)])
    def test_borders_are_those_of_opencv(self, kernel, monkeypatch, edges):
        top, bottom, left, right = edges
        luma = np.full((100, 90), 200, np.uint8)
        luma[top : 100 - bottom, left : 90 - right] = noise((100 - top - bottom, 90 - left - right))
        for level in (195, 200, 205, 206, 211):
            luma[0, 0] = level
            for turned in (luma, luma.T, luma[::-1], luma[:, ::-1]):
                pixels = np.ascontiguousarray(turned)
                monkeypatch.setattr(pixel_sums, "kernel", None)
                wanted = pixel_sums.luma_sums(pixels).inside
                monkeypatch.setattr(pixel_sums, "kernel", kernel)
                assert pixel_sums.luma_sums(pixels).inside == wanted

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
            wanted = measure(pixels)
            monkeypatch.setattr(pixel_sums, "kernel", kernel)
            assert measure(pixels) == wanted, pixels.shape

    def test_sums_that_do_not_fit_are_refused(self, kernel):
        luma = white((20, 30))
        check_refused(kernel.color_sums, white((20, 30, 3)), (30, 20), luma, np.empty(9))
        percents = np.frombuffer(bytes(PERCENTILES), np.uint8)
        check_refused(kernel.luma_sums, luma, (30, 20), 10, percents, np.empty(284))

    def test_hashes_that_do_not_fit_are_refused(self, kernel):
        cosines = hashes._cosines()
        check_refused(kernel.hashes, white((20, 30)), (30, 20), cosines)
        for shape in ((1, 513), (513, 1)):
            refuses(kernel.hashes, white(shape), shape[::-1], cosines)

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

    @pytest.mark.parametrize("result", [8, 9, 32])
    def test_weights_are_those_of_numpy(self, weights, result):
        for size in (*range(1, 100), 128, 192, 257, 511, 512):
            for extent in {size, size - 0.25, size - 0.5, size - 0.75}:
                made = weights(size, extent, result)
                wanted = hashes._weights(size, extent, result)
                np.testing.assert_array_equal(made, wanted, f"{size} {extent}")


@pytest.fixture(scope="module", params=VECTORS, ids=VECTORS.get)
def weights(request, tmp_path_factory, repository):
    """The weights of one side, as the kernel computes them."""
    folder, kernel = tmp_path_factory.mktemp("weights"), repository / "envs/kernel"
    (folder / "weights.c").write_text(
        f"""#include "{kernel / "measuring.c"}"
        int weights(int pixels, double extent, int size, int *first, int32_t *weights) {{
            Side side;
            fastest_weigh(&side, pixels, extent, size);
            memcpy(first, side.first, sizeof side.first);
            memcpy(weights, side.weights, sizeof side.weights);
            return side.taps;
        }}"""
    )
    others = sorted({*kernel.glob("*.c")} - {kernel / "measuring.c"})
    build(folder / "weights.so", [folder / "weights.c", *others], request.param)
    library = ctypes.PyDLL(str(folder / "weights.so"))

    def found(size, extent, result):
        first, near = np.empty(32, np.int32), np.empty(10_000, np.int32)
        places = [ctypes.c_void_p(one.ctypes.data) for one in (first, near)]
        taps = library.weights(size, ctypes.c_double(extent), result, *places)
        made = np.zeros((result, size + taps))
        for place, row in enumerate(made):
            begin = first[place]
            row[begin : begin + taps] = near[place * taps : (place + 1) * taps] / 2**22
        assert not made[:, size:].any()
        return made[:, :size]

    return found


def check_refused(function, pixels, size, *rest):
    """A function of 30x20 pixels refuses other sizes, and buffers that are longer or shorter."""
    function(pixels, size, *rest)
    for other in ((30, 21), (29, 20), (-30, -20), (0, 0), (601, 1)):
        refuses(function, pixels, other, *rest)
    for shape in ((1, 1025), (1025, 1)):
        refuses(function, white((*shape, *pixels.shape[2:])), shape[::-1], *rest)
    for place, buffer in enumerate(rest):
        if isinstance(buffer, np.ndarray):
            flat = buffer.ravel()
            for other in (flat[1:], np.append(flat, flat[:1]), flat[:0]):
                refuses(function, pixels, size, *rest[:place], other, *rest[place + 1 :])
    with pytest.raises(ValueError, match="contiguous"):
        function(pixels[:, ::2], (15, 20), *rest)


def refuses(function, *given):
    with pytest.raises(ValueError, match="do not fit"):
        function(*given)
