"""Test a sample of the matrix of `tests/helpers/matrix.py`, which can be run manually in full."""

import itertools

import pytest

from tests.helpers import matrix, matrix_cells, matrix_judges
from tests.helpers.imaging import MAGICK

# Warnings of decoders are reported as outcomes.
pytestmark = pytest.mark.filterwarnings("ignore")

#: Distance of the sampled cells of a format: a prime, so that all kinds occur.
STEP = 23


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_png_gives_the_stored_picture(tmp_path, orientation):
    mill = matrix.Mill(str(tmp_path))
    cells = [cell for cell in matrix_cells.pngs_by_hand() if cell.orientation == orientation]
    assert len(cells) == 52
    for cell in cells:
        for name, made in mill(cell.data).items():
            assert matrix_judges.alike(made, cell.drawn), (cell.name, name)


@pytest.mark.parametrize("judge", matrix_judges.OTHERS)
@pytest.mark.parametrize("extra", [(), (1,), (2,)], ids=["opaque", "premultiplied", "straight"])
@pytest.mark.parametrize("bits", [8, 16])
def test_every_judge_reads_a_plain_file_as_it_was_drawn(judge, extra, bits):
    kind = (matrix_cells.RGB, bits, matrix_cells.UNSIGNED)
    cell = matrix_cells.tiff_cell(kind, extra)
    read = matrix_judges.OTHERS[judge](cell)
    if judge == "OpenCV" and extra:
        assert read.shape == cell.drawn.shape  # it multiplies some by alpha, and divides none
    elif judge != "ImageMagick" or MAGICK is not None:
        assert matrix_judges.alike(read, cell.drawn)


@pytest.mark.slow
@pytest.mark.skipif(MAGICK is None, reason="ImageMagick is not installed")
@pytest.mark.parametrize("format", matrix_cells.FORMATS)
def test_a_sample_of_the_matrix_is_right_or_refused(tmp_path, format):
    mill = matrix.Mill(str(tmp_path))
    for cell in itertools.islice(matrix_cells.FORMATS[format](), None, None, STEP):
        verdict, why = matrix_judges.judge(cell, mill(cell.data))
        assert verdict != "wrong", (cell.name, why)
