"""The gallery shows every step there is."""

import re

from pixelmill import gallery
from pixelmill.operations import STEPS


def test_every_step_has_a_picture_and_all_its_parameters(tmp_path):
    page = tmp_path / "steps.html"
    assert gallery.write(str(page)) == len(STEPS)
    text = page.read_text()
    assert len(re.findall(r'<img src="data:image/png;base64,', text)) == len(STEPS) + 1
    for name, kind in STEPS.items():
        assert f"<h2>{name}</h2>" in text
        for parameter in kind.parameters:
            assert f"<code>{parameter}</code>" in text


def test_every_step_changes_the_picture(tmp_path):
    gallery.write(str(tmp_path / "steps.html"))
    pictures = re.findall(r'<img src="([^"]+)"', (tmp_path / "steps.html").read_text())
    assert len(set(pictures)) == len(pictures)


def test_the_page_needs_no_other_file(tmp_path):
    gallery.write(str(tmp_path / "steps.html"))
    text = (tmp_path / "steps.html").read_text()
    assert not re.search(r'(src|href)="(?!data:)', text)
