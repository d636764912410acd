"""Paths that people wrote for a shell lead where the shell would have led."""

import pytest

from pixelmill.core.errors import UserError
from pixelmill.core.user_paths import expanded, lookalike


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/people/ada")
    monkeypatch.setenv("USERPROFILE", "/people/ada")
    monkeypatch.setenv("PHOTOS", "/people/photos")
    monkeypatch.delenv("MISSING", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("~/photos", "/people/ada/photos"),
        ("~", "/people/ada"),
        ("$HOME/photos", "/people/ada/photos"),
        ("${HOME}/photos", "/people/ada/photos"),
        ("$PHOTOS", "/people/photos"),
        ("photos", "photos"),
        ("my $HOME photos", "my $HOME photos"),
        ("a/~/b", "a/~/b"),
        ("$5 off", "$5 off"),
    ],
)
def test_the_beginning_of_a_path_is_expanded(path, expected):
    assert expanded(path) == expected


@pytest.mark.parametrize("name", ["~", "$HOME", "$MISSING"])
def test_an_existing_name_is_kept(name, tmp_path):
    (tmp_path / name).mkdir()
    assert expanded(name) == name


def test_a_variable_that_is_not_set_is_a_mistake():
    with pytest.raises(UserError, match=r"^'\$MISSING/a': the variable 'MISSING' is not set; "):
        expanded("$MISSING/a")


def test_the_nearest_path_is_asked_for(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/mine.yaml").touch()
    assert lookalike("photso") == "; did you mean 'photos'?"
    assert lookalike("photos/mien.yaml") == "; did you mean 'photos/mine.yaml'?"
    assert lookalike("photos/mine.yml") == "; did you mean 'photos/mine.yaml'?"
    assert lookalike("photos/none.yaml") == lookalike("photos/mine.yaml") == ""
    assert lookalike("photso/") == "; did you mean 'photos'?"
    assert lookalike("absent/photos") == ""
