"""The code of a script is everything that it imports, and nothing else."""

import sys

import pytest

from pixelmill.core import fingerprints
from pixelmill.core.fingerprints import code_of, digest_of_code
from tests.helpers.imports import reached_from


def scripts_of(repository):
    return sorted((repository / "scripts").glob("*.py"))


@pytest.mark.parametrize(
    "name",
    [
        "catalog", "clean", "compare_engines", "gather", "gather_catalog", "generate", "verdict",
    ],
)  # fmt: skip
def test_the_code_of_steps_is_no_part_of_a_script_whose_work_they_do_not_change(name):
    """Otherwise, an edited step would generate and catalog all images again."""
    modules = {path.stem for path in code_of(f"{name}.py")}
    assert not modules & {
        "decoding", "encoding", "filters", "geometry", "plan", "recipe", "renderer", "tones",
    }  # fmt: skip


def test_the_code_of_a_script_is_all_that_it_imports_itself_first(repository):
    """Snakemake does not see imports: a missing file would not rerun its rule."""
    for script in scripts_of(repository):
        first, *modules = code_of(script.name)
        assert first == script
        assert set(modules) == reached_from(script), script.name


@pytest.fixture
def digest(tmp_path, monkeypatch):
    """Function that writes modules of a library, and returns the digest of parts of it."""
    monkeypatch.setattr(fingerprints, "PACKAGE", tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)

    def digest_of(files, *parts):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        return digest_of_code(*parts)

    return digest_of


#: Modules of a library that has a package within a package.
MODULES = {"one/__init__.py": "", "one/two/deep.py": "x = 1\n", "single.py": "y = 1\n"}


@pytest.mark.parametrize("name", ["one/two/deep.py", "single.py", "one/new.py"])
def test_the_digest_of_code_follows_each_module_of_its_parts(digest, name):
    before = digest(MODULES, "one", "single.py")
    assert digest({name: "z = 2\n"}, "one", "single.py") != before
    assert digest(MODULES | {"another.py": "z = 2\n"}, "one") == digest({}, "one")


@pytest.mark.parametrize(
    "place",
    ["if x:\n    pass\nelse:\n    {}", "try:\n    pass\nexcept OSError:\n    {}",
     "try:\n    pass\nfinally:\n    {}", "match x:\n    case 1:\n        {}",
     "for _ in x:\n    {}"],
)  # fmt: skip
def test_comments_and_docstrings_are_no_code_wherever_they_are(digest, place):
    text = "def f(): {} return 1\n"
    plain = digest({"a.py": place.format(text.format("")) + "\n"}, "a.py")
    told = place.format(text.format("'what it does';")) + "\n# a remark\n"
    assert digest({"a.py": told}, "a.py") == plain
    assert digest({"a.py": told.replace("1", "2")}, "a.py") != plain


def test_a_stored_digest_is_believed_only_if_it_is_whole(digest, tmp_path):
    right = digest(MODULES, "one")
    (kept,) = tmp_path.rglob("*.digest")
    assert kept.read_text(encoding="ascii") == right
    for text, expected in (("0" * 32, "0" * 32), (right[:9], right), ("", right), ("ä", right)):
        kept.write_text(text, encoding="utf-8")
        assert digest({}, "one") == expected


def test_code_that_cannot_be_written_beside_has_a_digest_too(digest, tmp_path):
    right = digest(MODULES, "one")
    (kept,) = tmp_path.rglob("*.digest")
    kept.unlink()
    kept.parent.rmdir()
    kept.parent.write_text("no folder", encoding="utf-8")
    assert digest({}, "one") == right
