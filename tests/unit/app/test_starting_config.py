"""A config for a folder that somebody has: it says what was found, and works as written."""

import pytest
import yaml

from pixelmill.app import starting_config
from pixelmill.app.config import complete


def test_the_formats_are_told_the_most_frequent_first():
    found = starting_config.findings("photos", {"png": 3, "jpeg": 1204}, {".txt files": 2})
    assert list(found) == [
        "'photos' holds 1,207 images:",
        "  1,204 JPEG",
        "  3 PNG",
        "  left out: .txt files (2)",
    ]


@pytest.mark.parametrize(("version", "remedy"), [("not installed", True), ("1.1.0", False)])
def test_the_library_that_reads_heif_is_named_if_it_is_missing(monkeypatch, version, remedy):
    asked = []
    monkeypatch.setattr(starting_config, "version_of", lambda name: asked.append(name) or version)
    lines = list(starting_config.findings("photos", {"heif": 2, "jpeg": 1, "": 1}, {}))
    assert asked == ["pillow-heif"]
    assert lines[1].startswith("  2 HEIF")
    assert ("pip install pillow-heif" in lines[1]) is remedy
    assert "pillow-heif" not in "".join(lines[2:])
    assert lines[3] == "  1 with an unknown content"


@pytest.mark.parametrize("name", ["photos", "my photos", "Ünïcode", 'a"b', "a: b", "a\nb", "#1"])
def test_the_config_names_the_folder_and_is_complete(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    config = complete(yaml.safe_load(starting_config.text(name)))
    assert config["datasets"]["images"]["folder"] == name
    assert config["run"]["datasets"] == ["images"]
    assert config["run"]["recipes"] == ["web"]
