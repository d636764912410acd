"""Own steps are loaded before a run, and their errors name file and line."""

import os
import signal
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from pixelmill.core.errors import ImageError, UserError
from pixelmill.imaging.recipe_parser import parse
from pixelmill.imaging.steps import custom


@pytest.fixture(autouse=True)
def own_path(monkeypatch):
    """Restore Python's path after the test."""
    monkeypatch.setattr(sys, "path", sys.path[:])


@pytest.fixture
def write(tmp_path):
    """Function that writes a user's file ``mine.py`` and returns its folder."""

    def write_file(text, folder=""):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "mine.py").write_bytes(text.encode(errors="surrogateescape"))
        return str(tmp_path / folder)

    return write_file


PICTURE = Image.fromarray(np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3))


def call(folder, image=PICTURE, function="f", **params):
    return custom.call(image, {"function": f"mine:{function}", **params}, folder)


def check(folder, function="mine:f", **params):
    return custom.check({"function": function, **params}, "steps[0].call", folder)


def test_a_function_gets_a_pillow_image_and_its_parameters(write):
    folder = write(
        "from PIL import Image\n"
        "def f(image: Image.Image, size, *, turn=0):\n"
        "    assert isinstance(image, Image.Image)\n"
        "    return image.resize((size, size)).rotate(turn)\n"
    )
    assert call(folder, size=7) == PICTURE.resize((7, 7))
    assert call(folder, size=7, turn=180) == PICTURE.resize((7, 7)).rotate(180)


def test_a_function_without_annotations_gets_a_pillow_image(write):
    assert call(write("def f(image): return image.transpose(0)\n")) == PICTURE.transpose(0)


@pytest.mark.parametrize(
    "head",
    ["import numpy as np\ndef f(image: np.ndarray) -> np.ndarray:",
     "from __future__ import annotations\nimport numpy as np\ndef f(image: np.ndarray):",
     "import numpy\nfrom typing import Any\n"
     "def f(image: numpy.ndarray[Any, numpy.dtype[numpy.uint8]]):"],
    ids=["plain", "postponed", "with-its-type"],
)  # fmt: skip
def test_a_function_that_asks_for_an_array_gets_one(write, head):
    folder = write(f"{head}\n    assert str(image.dtype) == 'uint8'\n    return 255 - image\n")
    np.testing.assert_array_equal(np.asarray(call(folder)), 255 - np.asarray(PICTURE))


def test_a_grey_image_is_an_array_of_two_dimensions(write):
    folder = write(
        "import numpy as np\n"
        "def f(image: np.ndarray):\n"
        "    height, width = image.shape\n"
        "    return image[::-1]\n"
    )
    flipped = call(folder, PICTURE.convert("L"))
    assert flipped.mode == "L"
    assert flipped == PICTURE.convert("L").transpose(Image.Transpose.FLIP_TOP_BOTTOM)


def test_changing_an_array_in_place_does_not_affect_the_source(write):
    folder = write(
        "import numpy as np\ndef f(image: np.ndarray):\n    image[:] = 7\n    return image\n"
    )
    before = PICTURE.copy()
    assert call(folder).getcolors() == [(20, (7, 7, 7))]
    assert before == PICTURE


def test_only_the_annotation_of_the_first_argument_decides(write):
    folder = write(
        "import numpy as np\n"
        "def f(image, table: np.ndarray = None):\n"
        "    return image.transpose(0)\n"
    )
    assert call(folder) == PICTURE.transpose(0)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA"])
def test_an_image_of_a_mode_that_steps_take_stays_so(write, mode):
    assert call(write(f"def f(image): return image.convert({mode!r})\n")).mode == mode


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_goes_in_and_out(write, mode):
    image = PICTURE.convert(mode)
    assert call(write("def f(image): return image.transpose(0)\n"), image) == image.transpose(0)
    text = "import numpy as np\ndef f(image: np.ndarray): return image[:, ::-1].copy()\n"
    assert call(write(text, "array"), image) == image.transpose(0)


@pytest.mark.parametrize("mode", ["CMYK", "P", "1", "F"])
def test_an_image_of_another_mode_becomes_rgb(write, mode):
    assert call(write(f"def f(image): return image.convert({mode!r})\n")).mode == "RGB"


def test_a_file_may_import_its_neighbours(write, tmp_path):
    (tmp_path / "neighbour_of_mine.py").write_text("def turn(image): return image.rotate(180)\n")
    folder = write("from neighbour_of_mine import turn\ndef f(image): return turn(image)\n")
    assert call(folder) == PICTURE.rotate(180)


def test_a_file_is_imported_once(write, tmp_path):
    folder = write(
        f"with open({str(tmp_path / 'imports')!r}, 'a') as file: file.write('x')\n"
        "def f(image): return image\n"
    )
    for _ in range(3):
        call(folder)
    assert (tmp_path / "imports").read_text() == "x"


def test_a_file_may_be_in_a_sub_folder(tmp_path, write):
    write("def f(image): return image.rotate(180)\n", "steps")
    step = {"function": "steps.mine:f"}
    assert custom.check(step, "call", str(tmp_path)) == step
    assert custom.call(PICTURE, step, str(tmp_path)) == PICTURE.rotate(180)


def test_a_file_may_be_on_pythons_path(tmp_path, monkeypatch):
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "on_the_path.py").write_text("def f(image): return image\n")
    monkeypatch.syspath_prepend(tmp_path / "path")
    found = custom.find("on_the_path:f", str(tmp_path))
    assert found == tmp_path / "path" / "on_the_path.py"


def test_a_file_beside_the_config_takes_precedence_over_pythons_path(tmp_path):
    (tmp_path / "colorsys.py").write_text("def f(image): return image\n")
    assert custom.find("colorsys:f", str(tmp_path)) == tmp_path / "colorsys.py"


def test_of_several_folders_the_first_that_has_the_file_counts(tmp_path, write):
    first, second = write("def f(image): pass\n", "one"), write("def f(image): pass\n", "two")
    folders = os.pathsep.join([str(tmp_path), first, second])
    assert custom.find("mine:f", folders) == tmp_path / "one" / "mine.py"


def test_two_files_of_one_name_stay_apart(write):
    first = write("def f(image): return image.rotate(180)\n", "one")
    second = write("def f(image): return image.transpose(0)\n", "two")
    assert call(first) == PICTURE.rotate(180)
    assert call(second) == PICTURE.transpose(0)
    assert call(first) == PICTURE.rotate(180)


def test_a_check_runs_nothing_of_the_file(write, tmp_path):
    folder = write(
        f"open({str(tmp_path / 'ran')!r}, 'w')\n"
        "raise RuntimeError\n"
        "def f(image, amount): return image\n"
    )
    assert check(folder, amount=2) == {"function": "mine:f", "amount": 2}
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("signature", "params"),
    [("image", {}), ("image, a", {"a": 1}), ("image, a=1", {}), ("image, a=1", {"a": 2}),
     ("image, *, a", {"a": 1}), ("image, *, a=1", {}), ("image, **more", {"a": 1, "b": 2}),
     ("image, a, b=2, *, c, d=4", {"a": 1, "c": 3}), ("image=None, a=1", {"a": 2}),
     ("*images", {})],
)  # fmt: skip
def test_parameters_that_the_function_takes_are_allowed(write, signature, params):
    check(write(f"def f({signature}): return None\n"), **params)


FILE = "def f(image, amount, *, sigma=1): pass\nclass C:\n    def g(image): pass\nh = max\n"
F = "mine:f"

#: The user's file, the reference, the parameters, and words that the sentence must hold.
MISTAKES = {
    "no-function": (FILE, None, {}, ["function", "module:function"]),
    "no-colon": (FILE, "mine.f", {}, ["function", "'mine.f'", "module:function"]),
    "path": (FILE, "mine.py:f:g", {}, ["'mine.py:f:g'", "module:function"]),
    "no-such-function": (FILE, "mine:boost", {}, ["mine.py", "'boost'", "top level"]),
    "method": (FILE, "mine:g", {}, ["'g'", "top level"]),
    "class": (FILE, "mine:C", {}, ["'C'", "top level"]),
    "name-that-is-no-def": (FILE, "mine:h", {}, ["'h'", "top level"]),
    "no-such-file": (FILE, "absent:f", {}, ["'absent'", "absent.py", "beside the config"]),
    "unknown-parameter": (FILE, F, {"amuont": 1}, ["amuont", "takes", "amount, sigma"]),
    "missing-parameter": (FILE, F, {"sigma": 1}, ["amount", "needs"]),
    "missing-parameter-of-several": ("def f(image, a, b): pass\n", F, {"a": 1}, ["b", "needs"]),
    "the-image-itself": (FILE, F, {"image": 1, "amount": 1}, ["image", "amount, sigma"]),
    "missing-keyword": ("def f(image, *, k): pass\n", F, {}, ["k", "needs"]),
    "no-room-for-the-image": ("def f(): pass\n", F, {}, ["function", "image"]),
    "no-utf-8": ("def f(image): pass  # caf\udce9\n", F, {}, ["mine.py", "line 1", "utf-8"]),
    "syntax-error": ("x = 1\ndef f(image:\n", F, {}, ["mine.py", "line 2"]),
}


@pytest.mark.parametrize(("file", "ref", "params", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_gives_one_sentence(write, file, ref, params, words):
    with pytest.raises(UserError) as refusal:
        check(write(file), ref, **params)
    sentence = str(refusal.value)
    assert len(sentence.splitlines()) == 1
    assert [word for word in words if word not in sentence] == []


@pytest.mark.parametrize("module", ["made_by_hand", "sys", "_ctypes", "folder_of_files"])
def test_a_module_without_a_file_of_source_is_no_file(write, monkeypatch, module):
    """Python's own search raises another error for one made by hand than for a missing one."""
    monkeypatch.setitem(sys.modules, "made_by_hand", ModuleType("made_by_hand"))
    if module == "folder_of_files":
        monkeypatch.syspath_prepend(Path(write(FILE, module)).parent)
    with pytest.raises(UserError, match=rf"'{module}' is neither .* nor on Python's path"):
        check(write(FILE), f"{module}:f")


#: The user's file, and the place and words that the message must hold.
FAILURES = {
    "raises": ("def f(image):\n    raise ValueError('too dark')\n", "mine.py, line 2", "too dark"),
    "raises-deeper": (
        "def f(image):\n    return g(image)\n\ndef g(image):\n    return 1 / 0\n",
        "mine.py, line 5", "ZeroDivisionError",
    ),
    "raises-in-a-library": (
        "def f(image):\n    return image.resize((0,))\n", "mine.py, line 2", "Error",
    ),
    "raises-when-imported": ("import no_such_thing\ndef f(image): pass\n", "mine.py, line 1", "no"),
    "broken-since-the-check": ("x = 1\ndef f(image:\n", "mine.py, line 2", "SyntaxError"),
    "returns-an-image-of-another-mode-than-its-pixels": (
        "def f(image):\n    made = image.copy()\n    made._mode = 'L'\n    return made\n",
        "mine:f", "size or mode",
    ),
    "returns-an-image-of-another-size-than-its-pixels": (
        "def f(image):\n    made = image.copy()\n    made._size = (1, 1)\n    return made\n",
        "mine:f", "size or mode",
    ),
    "returns-nothing": ("def f(image): pass\n", "mine:f", "must return an image"),
    "returns-an-array-unasked": (
        "import numpy as np\ndef f(image): return np.array(image)\n", "mine:f", "return an image",
    ),
    "returns-floats": (
        "import numpy as np\ndef f(image: np.ndarray): return image / 2\n", "mine:f", "uint8",
    ),
    "returns-an-odd-shape": (
        "import numpy as np\ndef f(image: np.ndarray): return np.repeat(image, 2, axis=2)\n",
        "mine", "",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("file", "place", "words"), FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("folder", ["project", "pixelmill"])
def test_a_failure_names_the_users_file_and_line(write, file, place, words, folder):
    # The second folder is that of a user who cloned this repository.
    with pytest.raises(ImageError) as failure:
        call(write(file, folder))
    assert (failure.value.stage, failure.value.reason) == ("steps", "step_failed")
    assert failure.value.message.startswith(place)
    assert words in failure.value.message


def test_a_lack_of_memory_is_no_failure_of_the_step(write):
    """The worker reports it as such."""
    with pytest.raises(MemoryError):
        call(write("def f(image):\n    raise MemoryError\n"))


def test_an_interruption_is_the_users_unless_the_process_ignores_ctrl_c(write):
    folder = write("def f(image):\n    raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        call(folder)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(ImageError, match=r"mine\.py, line 2: KeyboardInterrupt"):
            call(folder)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("backend", ["pillow", "opencv"])
def test_an_own_step_is_refused_where_16_bits_are_to_be_kept(write, backend):
    folder = write("def f(image):\n    return image\n")
    recipe = {
        "depth": "keep", "backend": backend, "output": {"format": "png"},
        "steps": [{"call": {"function": "mine:f"}}],
    }  # fmt: skip
    with pytest.raises(UserError, match=r"^recipe\.(depth|backend): .*\bcall\b"):
        parse(recipe, folder=folder)
