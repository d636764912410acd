"""A .cube file is read according to Adobe's specification, or refused with the reason."""

import numpy as np
import pytest
from PIL import Image

from pixelmill.imaging.steps import cube_lut


@pytest.fixture
def write(tmp_path):
    """Function that writes a ``.cube`` file and returns its path."""

    def write_file(text):
        path = tmp_path / "look.cube"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)

    return write_file


def cube(size, change):
    """A table of what a function makes of red, green and blue, red changing fastest."""
    axis = np.linspace(0, 1, size)
    rows = [change(r, g, b) for b in axis for g in axis for r in axis]
    lines = (" ".join(f"{value:.6f}" for value in row) for row in rows)
    return f"LUT_3D_SIZE {size}\n" + "\n".join(lines) + "\n"


LOOKS = {
    "identity": lambda r, g, b: (r, g, b),
    "turned": lambda r, g, b: (g, b, r),
    "inverted": lambda r, g, b: (1 - r, 1 - g, 1 - b),
    "warm": lambda r, g, b: (0.9 * r + 0.1, g, 0.8 * b),
}


@pytest.mark.parametrize("size", [2, 5, 17])
@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_colours_are_mapped_by_the_table(apply, photo, write, size, look):
    image = photo(60, 40)
    red, green, blue = np.moveaxis(np.asarray(image) / 255, -1, 0)
    expected = 255 * np.stack(look(red, green, blue), axis=-1)
    made = np.asarray(apply(image, "lookup", file=write(cube(size, look)))).astype(float)
    assert np.abs(made - expected).max() <= 1


@pytest.mark.parametrize("amount", [0, 0.25, 0.5])
def test_a_partial_amount_lies_between(apply, photo, write, amount):
    image = photo(60, 40)
    path = write(cube(2, LOOKS["inverted"]))
    levels = np.asarray(image).astype(float)
    expected = amount * (255 - levels) + (1 - amount) * levels
    made = np.asarray(apply(image, "lookup", file=path, amount=amount)).astype(float)
    assert np.abs(made - expected).max() <= 1


def test_grey_becomes_colour(apply, write):
    path = write(cube(2, LOOKS["warm"]))
    made = apply(Image.new("L", (2, 2), 100), "lookup", file=path)
    assert made.getpixel((0, 0)) == pytest.approx((115.5, 100, 80), abs=1)


def test_comments_titles_and_the_usual_domain_are_read_over(write):
    head = '# made by hand\nTITLE "warm"\n\nDOMAIN_MIN 0 0 0\nDOMAIN_MAX 1.0 1.0 1.0\n'
    text = head + cube(2, LOOKS["warm"]).replace("\n", "  # a colour\r\n")
    assert cube_lut.read(write(text)).table == (cube_lut.read(write(cube(2, LOOKS["warm"]))).table)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has none"),
        ("LUT_1D_SIZE 2\n0 0 0\n1 1 1\n", "has none"),
        ("LUT_3D_SIZE 66\n", "has none"),
        ("LUT_3D_SIZE 65\n", "has 0 of 274,625 entries"),
        ("LUT_3D_SIZE 1\n0 0 0\n", "has none"),
        ("LUT_3D_SIZE 2\n0 0 0\n1 1 1\n", "has 2 of 8 entries"),
        ("LUT_3D_SIZE two\n", "has a line 'LUT_3D_SIZE two'"),
        ("LUT_3D_SIZE\n", "has a line 'LUT_3D_SIZE'"),
        ("LUT_3D_SIZE 2\n0 0\n", "has a line '0 0'"),
        ("LUT_3D_SIZE 2\n0 0 0 0\n", "has a line '0 0 0 0'"),
        ("LUT_3D_SIZE 2\n0 0 0x\n", "has a line '0 0 0x'"),
        ("DOMAIN_MAX 2 2 2\n", "has a line 'DOMAIN_MAX 2 2 2'"),
        ("DOMAIN_MIN -1 0 0\n", "has a line 'DOMAIN_MIN -1 0 0'"),
        ("DOMAIN_MIN 1 1 1\n", "has a line 'DOMAIN_MIN 1 1 1'"),
        (b"\x89PNG\xff", "is no text"),
    ],
)
def test_any_other_file_is_refused_with_the_reason(write, text, words):
    with pytest.raises(ValueError, match=r"a \.cube file with a 3D table") as refusal:
        cube_lut.read(write(text))
    assert words in str(refusal.value)


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(ValueError, match=r"'.*look\.cube': No such file"):
        cube_lut.read(str(tmp_path / "look.cube"))
