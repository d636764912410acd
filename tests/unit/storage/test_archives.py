"""One archive, or many by a pattern, stand for a folder."""

import pytest

from pixelmill.core.errors import UserError
from pixelmill.storage.archives import (
    Archives,
    Member,
    content,
    files_of,
    identity,
    is_archive,
    opened,
)
from pixelmill.storage.member import MemberError, Spot
from tests.helpers.descriptors import assert_closes_what_it_opens
from tests.helpers.packed import listed, packed


@pytest.fixture
def crawl(tmp_path):
    """Three tars and a zip, each with an image of its name."""
    for name in ("00.tar", "01.tar", "02.tar", "10.zip"):
        path = tmp_path / name
        path.write_bytes(packed({f"sub/{name}.jpg": name.encode()}, path.suffix))
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("00.tar", ["sub/00.tar.jpg"]),
        ("*.tar", ["00/sub/00.tar.jpg", "01/sub/01.tar.jpg", "02/sub/02.tar.jpg"]),
        ("{00..02}.tar", ["00/sub/00.tar.jpg", "01/sub/01.tar.jpg", "02/sub/02.tar.jpg"]),
        ("{0..1}{1..1}.tar", None),
        ("0[12].tar", ["01/sub/01.tar.jpg", "02/sub/02.tar.jpg"]),
        ("1?.zip", ["10/sub/10.zip.jpg"]),
    ],
)
def test_names_of_many_archives_precede_those_of_their_members(crawl, pattern, names):
    if names is None:
        with pytest.raises(UserError, match=r"11\.tar' does not exist"):
            listed(crawl / pattern)
        return
    assert list(listed(crawl / pattern)[0]) == names


def test_folders_that_match_a_pattern_are_no_archives(crawl):
    (crawl / "03.tar").mkdir()
    assert len(files_of(str(crawl / "*.tar"))) == 3


def test_a_pattern_is_not_expanded_if_an_archive_has_that_name(crawl):
    path = crawl / "[00].tar"
    path.write_bytes((crawl / "00.tar").read_bytes())
    assert list(listed(path)[0]) == ["sub/00.tar.jpg"]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("0.zip", r"The archive '.*0\.zip' does not exist; did you mean '.*0\.\w+'\?"),
        ("{00..05}.tar", r"The archive '.*03\.tar' does not exist"),
        ("x*.tar", r"No archive matches '.*x\*\.tar'"),
        ("{5..1}.tar", "stand for 0 archives; give the smaller number first"),
        ("{1..999999}{1..999999}.tar", "999,998,000,001 archives; .*at most 1,000,000"),
    ],
)
def test_missing_archives_are_told(crawl, source, why):
    with pytest.raises(UserError, match=why):
        Archives(str(crawl / source))


def test_two_archives_with_one_name_are_refused(crawl):
    (crawl / "other").mkdir()
    (crawl / "other/00.tar").write_bytes(packed({}, ".tar"))
    with pytest.raises(UserError, match=r"'.*00\.tar' and '.*00\.tar' have the same name '00'"):
        Archives(str(crawl / "**/*.tar"))


def test_a_comic_book_is_a_zip(crawl):
    (crawl / "10.zip").rename(crawl / "10.CBZ")
    assert list(listed(crawl / "10.CBZ")[0]) == ["sub/10.zip.jpg"]


def test_a_folder_with_the_suffix_of_an_archive_is_a_folder(tmp_path):
    (tmp_path / "photos.zip").mkdir()
    assert not is_archive(str(tmp_path / "photos.zip"))
    assert files_of(str(tmp_path / "photos.zip")) == [str(tmp_path / "photos.zip")]


def test_a_member_of_an_archive_that_is_gone_cannot_be_found(crawl):
    archives = Archives(str(crawl / "*.tar"))
    assert archives.member("01/a.jpg", Spot(1, 2, 3)).archive == str(crawl / "01.tar")
    with pytest.raises(FileNotFoundError):
        archives.member("07/a.jpg", Spot(1, 2, 3))


def test_an_archive_that_is_gone_is_named(crawl):
    archives = Archives(str(crawl / "*.tar"))
    states = list(archives.states(lambda folder: True))
    assert [prefix for prefix, *_ in states] == ["00/", "01/", "02/"]
    (crawl / "01.tar").unlink()
    with pytest.raises(UserError, match=r"01\.tar"):
        list(archives.states(lambda folder: True))
    with pytest.raises(UserError, match=r"01\.tar"):
        list(archives.members(lambda path: True, print))


def test_archives_that_are_not_wanted_are_not_opened(crawl):
    (crawl / "01.tar").write_bytes(b"damaged")
    archives = Archives(str(crawl / "*.tar"))
    found = archives.members(lambda prefix: prefix != "01/", print)
    assert [name for name, _, _ in found] == ["00/sub/00.tar.jpg", "02/sub/02.tar.jpg"]
    assert [state[0] for state in archives.states(lambda prefix: prefix != "01/")] == ["00/", "02/"]


def test_files_and_members_are_opened_alike(crawl):
    (crawl / "file").write_bytes(b"content")
    member = listed(crawl / "00.tar")[0]["sub/00.tar.jpg"]
    for place, expected in ((crawl / "file", b"content"), (member, b"00.tar")):
        assert content(place, 100) == content(place, len(expected)) == expected
        with assert_closes_what_it_opens(), opened(place) as file:
            assert file.read() == expected
        with pytest.raises(OSError, match="more than 3 bytes"):
            content(place, 3)
    with pytest.raises(FileNotFoundError):
        Member(str(crawl / "missing.tar"), Spot(1, 2, 3)).read()
    for act in (Member.open, Member.read):
        with assert_closes_what_it_opens(), pytest.raises(MemberError):
            act(Member(str(crawl / "10.zip"), Spot(1, 2, 7)))


@pytest.mark.parametrize("source", ["00.tar", "*.tar", "."])
def test_the_identity_differs_if_something_is_replaced(crawl, source):
    before = identity(str(crawl / source))
    assert before == identity(str(crawl / source))
    (crawl / "00.tar").write_bytes(packed({}, ".zip"))
    assert (identity(str(crawl / source)) == before) == (source == ".")
    for path in list(crawl.iterdir()):
        path.unlink()
    crawl.rmdir()
    assert identity(str(crawl / source)) is None
