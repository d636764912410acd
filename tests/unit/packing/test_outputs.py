"""Outputs are read by their manifest, and compared with its digests."""

import os

import pytest

from pixelmill.core.errors import TreeError, UserError
from pixelmill.core.tables import write_table
from pixelmill.dataset.exports import MANIFEST
from pixelmill.packing import outputs
from pixelmill.packing.outputs import Images
from tests.helpers.trees import make_tree


def read(tree):
    """The outputs of a tree, in the order of their members."""
    found = outputs.read(tree)
    return [outputs.of_line(line) for line in sorted([*found.images, *found.sidecars])]


@pytest.fixture
def tree(tmp_path):
    return make_tree(tmp_path / "tree", {"a.jpg": b"one", "b/c.d.jpg": b"two"}, sidecars=True)


def test_sidecars_belong_to_the_samples_of_their_images(tree):
    assert [(o.member, o.key, o.is_image, o.source) for o in read(str(tree))] == [
        ("a.jpg", "a", True, "a.jpg.png"),
        ("a.json", "a", False, "a.jpg.png"),
        ("b/c%2Ed.jpg", "b/c%2Ed", True, "b/c.d.jpg.png"),
        ("b/c%2Ed.json", "b/c%2Ed", False, "b/c.d.jpg.png"),
    ]


def test_outputs_of_several_sizes_are_samples_of_their_own(tmp_path):
    rows = [
        ("a.png", "large", "large/a.jpg", "ok", "", 9, 9, "0"),
        ("a.png", "large.json", "large/a.jpg.json", "ok", "", 0, 0, "1"),
        ("a.png", "thumb", "thumb/a.webp", "ok", "", 9, 9, "2"),
    ]
    write_table(tmp_path / "manifest.csv", MANIFEST, rows)
    members = [output.member for output in read(str(tmp_path))]
    assert members == ["large/a.jpg", "large/a.json", "thumb/a.webp"]


def test_two_images_with_one_key_are_refused(tmp_path):
    tree = make_tree(tmp_path, {"a.jpg": b"1", "a.png": b"2"})
    with pytest.raises(UserError, match=r"'a\.jpg' and 'a\.png' would become one sample 'a'"):
        read(str(tree))


def test_an_earlier_output_of_an_image_that_failed_since_is_not_packed(tmp_path):
    rows = [
        ("a.png", "", "a.jpg", "failed", "unreadable", 9, 9, "0"),
        ("b.png", "", "b.jpg", "ok", "", 9, 9, "1"),
        ("c.png", "", "", "ok", "", 0, 0, ""),
    ]
    write_table(tmp_path / "manifest.csv", MANIFEST, rows)
    assert [output.member for output in read(str(tmp_path))] == ["b.jpg"]


def test_a_tree_without_outputs_is_refused(tmp_path):
    with pytest.raises(UserError, match="lists no output"):
        read(str(make_tree(tmp_path, {})))


@pytest.mark.parametrize("name", ["a\nb.jpg", "a\tb.jpg"])
def test_a_name_that_no_manifest_has_is_refused(tmp_path, name):
    write_table(tmp_path / "manifest.csv", MANIFEST, [(name, "", "a.jpg", "ok", "", 9, 9, "0")])
    with pytest.raises(UserError, match="was not written by pixelmill"):
        read(str(tmp_path))


def test_a_table_of_others_is_refused(tmp_path):
    (tmp_path / "manifest.csv").write_text("name,size\na,1\n")
    with pytest.raises(UserError, match="has no column 'source'"):
        read(str(tmp_path))


def content(tree, output):
    size, parts = Images(str(tree)).read(output)
    return size, b"".join(parts)


def test_an_output_is_read_whole(tree):
    first, *_ = read(str(tree))
    assert content(tree, first) == (3, b"one")
    assert Images(str(tree)).size(first) == 3


@pytest.mark.parametrize("altered", [b"onf", b"on", b"ones", b""])
def test_an_altered_output_is_told(tree, altered):
    first, *_ = read(str(tree))
    (tree / "images/a.jpg").write_bytes(altered)
    with pytest.raises(UserError, match=r"images/a\.jpg' was altered after the run"):
        content(tree, first)


def test_an_output_that_grows_or_shrinks_while_it_is_read_is_told(tmp_path):
    content = b"x" * (2 << 20)
    tree = make_tree(tmp_path, {"a.jpg": content})
    first, *_ = read(str(tree))
    for data in (content + b"x", content[1:]):
        _, parts = Images(str(tree)).read(first)
        (tree / "images/a.jpg").write_bytes(data)
        with pytest.raises(UserError, match=r"images/a\.jpg' was altered after the run"):
            list(parts)
        (tree / "images/a.jpg").write_bytes(content)


def test_a_missing_output_is_told(tree):
    first, *_ = read(str(tree))
    (tree / "images/a.jpg").unlink()
    for act in (Images(str(tree)).size, Images(str(tree)).read):
        with pytest.raises(UserError, match=r"images/a\.jpg' cannot be read: No such file"):
            act(first)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_links_are_not_followed(tree, tmp_path):
    first, _, third, _ = read(str(tree))
    (tree / "images/a.jpg").unlink()
    (tree / "images/a.jpg").symlink_to(tmp_path / "secret")
    (tmp_path / "secret").write_bytes(b"one")
    with pytest.raises(UserError, match=r"images/a\.jpg' cannot be read"):
        Images(str(tree)).read(first)
    (tree / "images/b").rename(tmp_path / "b")
    (tree / "images/b").symlink_to(tmp_path / "b")
    with pytest.raises(TreeError, match="is a link"):
        Images(str(tree)).read(third)


def test_a_manifest_cannot_lead_out_of_the_tree(tree, tmp_path):
    (tmp_path / "secret.jpg").write_bytes(b"one")
    first, *_ = read(str(tree))
    with pytest.raises(TreeError, match="leads out of"):
        Images(str(tree)).read(first._replace(path="../../secret.jpg"))
