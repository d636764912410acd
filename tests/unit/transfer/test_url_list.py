"""A mirror of a list has the image of each URL, which is asked for once."""

import hashlib
import os

import pytest

from pixelmill.core.errors import UserError
from pixelmill.transfer.mirror import mirror
from pixelmill.transfer.mirror_record import RECORD
from pixelmill.transfer.url_list import UrlList
from tests.helpers.parquets import table_of
from tests.helpers.web_server import Answer
from tests.unit.transfer.test_mirror import content, states

TIME = "Wed, 21 Oct 2015 07:28:00 GMT"


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """Function that writes a list, and returns its place."""
    monkeypatch.chdir(tmp_path)

    def write(text, name="list.txt", **options):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return UrlList(name, **{"allow_private": True, **options})

    return write


def named(place):
    """URLs of a list by the names that they get."""
    return {item.name: item.address for item in place.items()}


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://Example.org/a/b.jpg", "example.org/a/b.jpg"),
        ("http://example.org:8080/b.JPEG#top", "example.org_8080/b.JPEG"),
        ("https://[2606:4700::1]/b.jpg", "[2606_4700__1]/b.jpg"),
        ("https://example.org/sea%20side/%C3%A9%7E.jpg", "example.org/sea side/é~.jpg"),
        ("https://example.org/a/b.jpg?w=100", "example.org/a/b-MARK.jpg"),
        ("https://example.org/photos/7", "example.org/photos/7-MARK"),
        ("https://example.org/photos/7/", "example.org/photos/7-MARK"),
        ("https://example.org/v1.0 (final)", "example.org/v1.0 (final)-MARK"),
        ("https://example.org", "example.org/MARK"),
        ("https://example.org/../../etc/a.jpg", "example.org/__/__/etc/a-MARK.jpg"),
        ("https://example.org/..%2F..%2Fa.jpg", "example.org/_._.._a-MARK.jpg"),
        ("https://example.org/%2e%2e/a.jpg", "example.org/__/a-MARK.jpg"),
        ("https://example.org/.hidden/a%00%5C%0A:.jpg", "example.org/_hidden/a____-MARK.jpg"),
        ("https://example.org/caf%E9.jpg", "example.org/caf_-MARK.jpg"),
        (f"https://example.org/{'x' * 999}.jpg", f"example.org/{'x' * 180}-MARK.jpg"),
        (f"https://example.org/{'/'.join(['x' * 99] * 99)}.jpg", "example.org/MARK.jpg"),
    ],
)
def test_a_name_is_made_of_host_and_path(listed, url, name):
    """Where they are not all that the URL is, a digest of it is a part of the name."""
    (found,) = named(listed(url))
    assert found == name.replace("MARK", hashlib.sha256(url.encode()).hexdigest()[:12])


def test_urls_with_one_name_are_told_apart(listed):
    urls = [
        *("https://example.org/a.jpg", "http://example.org/a.jpg", "https://example.org/A.jpg"),
        *("https://example.org/a.jpg?1", "https://example.org/a.jpg?2", "https://example.org/a"),
    ]
    found = named(listed("\n".join([*urls, *urls, f"{urls[0]}#top"])))
    assert sorted(found.values()) == sorted(urls)
    assert len({name.casefold() for name in found}) == len(urls)
    assert found["example.org/a.jpg"] == urls[0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.txt", "# images\n\n URL \r\n  # more"),
        ("list.csv", "id,Url,text\n1,URL,sea\n,,\n"),
        ("list.tsv", "caption\turl\nsea, side\tURL\n"),
        ("list.csv", 'TEXT;URL\n"sea\nside";"URL"\n'),
        ("list.txt", "image_url,url\nhttps://other.example/,URL\n"),
        ("list.tsv", "photo_id\tphoto_image_url\nx\tURL\n"),
        ("list.csv", "ImageID,OriginalURL\nx,URL\n"),
    ],
)
def test_texts_and_tables_of_data_sets_are_read(listed, name, text):
    head, end, rows = text.partition("\n")
    place = listed(head + end + rows.replace("URL", "https://example.org/a.jpg"), name)
    assert named(place) == {"example.org/a.jpg": "https://example.org/a.jpg"}


def test_a_column_may_be_chosen_and_another_may_name_the_images(listed):
    table = "url,Name,large\n{0}1,sea/1.jpg,{0}2\n{0}1,,{0}3.jpg\n{0}1,sea/1.jpg,{0}2\n"
    place = listed(table.format("https://example.org/"), "list.csv", column="Large")
    assert named(place) == {
        "sea/1.jpg": "https://example.org/2",
        "example.org/3.jpg": "https://example.org/3.jpg",
    }


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        ("ulr,x\n", {}, "line 1: 'ulr,x' names no column of URLs; did you mean 'url'? Name a col"),
        ("url,x\n", {"column": "y"}, "there is no column 'y'; its columns are url, x."),
        ("url,larg\n", {"column": "large"}, "no column 'large'; did you mean 'larg'? Its columns"),
        ("url\n", {}, "'list.csv' names no URL that can be fetched; give one a line, or a table"),
        ("url\na.jpg\n", {}, "fetched: that of line 2 is no URL that begins with https:// or"),
        ("url\nhttp://a:b@c.example\n", {}, "line 2 has a user name or a password, which are not"),
        (f"url\nhttp://a.example/{'x' * 16_000}\n", {}, "line 2 has more than 16,000 characters;"),
        ("url\n\0\n", {}, "line 2: found the character NUL, as no text has it; give a text with"),
        (
            "url,name\nhttps://a.example,x.jpg\nhttps://b.example,X.jpg\n",
            {},
            "line 3: an earlier line gives the name 'X.jpg' to another URL; give each its own.",
        ),
    ],
)
def test_a_list_that_is_wrong_is_told(listed, text, options, told):
    with pytest.raises(UserError) as raised:
        list(listed(text, "list.csv", **options).items())
    assert told in str(raised.value)


def test_lines_that_say_the_same_are_one_file_however_many_there_are(listed):
    lines = ["url,name", *["https://a.example/x.jpg,x.jpg", "https://b.example/y.jpg,"] * 900]
    lines += ["https://B.example/y.jpg,", "https://b.example/y.jpg,", "https://B.example/y.jpg,"]
    place = listed("\n".join(lines), "list.csv")
    assert [item.name for item in place.items()].count("x.jpg") == 1
    assert len({item.name for item in place.items()}) == len(list(place.items())) == 3


def test_a_line_that_is_no_url_may_have_the_name_of_another(listed):
    place = listed("url,name\nhttps://a.example/x.jpg,line 3\nhttp://[::1,\n", "list.csv")
    assert {item.address for item in place.items()} == {"https://a.example/x.jpg", "http://[::1"}


def test_names_that_lead_elsewhere_are_left_to_the_mirror_and_no_mistake(listed):
    names = ["../x.jpg", "../x.jpg", "/" + "n" * 100_000]
    lines = [f"https://a.example/{number}.jpg,{name}" for number, name in enumerate(names)]
    items = list(listed("\n".join(["url,name", *lines]), "list.csv").items())
    assert sorted(item.name for item in items) == sorted(names)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "mirror"


@pytest.fixture
def images(web):
    """Images of the server by path, with the versions that it tells."""
    found = {f"/{number}.jpg": b"image %d" % number for number in range(3)}

    def answer(path):
        def current(headers):
            known = {"ETag": f'"{found[path].decode()}"', "Last-Modified": TIME}
            if headers["If-None-Match"] == known["ETag"]:
                return Answer(status=304)
            return Answer(found[path], headers=known)

        return current

    web.answers.update({path: answer(path) for path in found})
    return found


def urls_of(web, images):
    return "".join(f"{web.url(path)}\n" for path in images)


def expected(web, images):
    return {f"127.0.0.1_{web.port}{path}": data for path, data in images.items()}


def test_images_are_fetched_once_with_their_times(listed, web, images, folder):
    place = listed(urls_of(web, images))
    done = mirror(place, str(folder))
    assert content(folder) == expected(web, images)
    assert {mtime_ns for _, mtime_ns in states(folder).values()} == {1_445_412_480_000_000_000}
    web.requests.clear()
    images["/1.jpg"] = b"changed"
    again = mirror(place, str(folder))
    assert (done.copied, again.copied, again.kept, web.requests) == (3, 0, 3, [])


def test_images_of_new_lines_are_fetched_and_those_of_lost_ones_are_removed(
    listed, web, images, folder
):
    mirror(listed(urls_of(web, ["/0.jpg", "/1.jpg"])), str(folder))
    web.requests.clear()
    done = mirror(listed(urls_of(web, ["/1.jpg", "/2.jpg"])), str(folder))
    assert (web.paths, done.removed) == (["/2.jpg"], 1)


def test_only_images_that_changed_are_fetched_if_servers_are_asked(listed, web, images, folder):
    mirror(listed(urls_of(web, images)), str(folder))
    before = states(folder)
    images["/1.jpg"] = b"changed"
    os.unlink(folder / f"127.0.0.1_{web.port}/2.jpg")
    web.requests.clear()
    done = mirror(listed(urls_of(web, images), refresh=True), str(folder))
    assert content(folder) == expected(web, images)
    assert (done.copied, done.kept, len(web.requests)) == (2, 1, 3)
    assert states(folder)["0.jpg"] == before["0.jpg"]
    assert {path: sent["If-Modified-Since"] for path, sent in web.requests} == {
        "/0.jpg": TIME,
        "/1.jpg": TIME,
        "/2.jpg": None,  # there is no copy that could be current
    }
    for refresh, copied, kept in ((False, 0, 3), (True, 0, 3)):
        done = mirror(listed(urls_of(web, images), refresh=refresh), str(folder))
        assert (done.copied, done.kept) == (copied, kept)


def test_a_copy_stays_if_its_server_fails(listed, web, images, folder):
    mirror(listed(urls_of(web, images)), str(folder))
    web.answers["/1.jpg"] = Answer(status=410)
    done = mirror(listed(urls_of(web, images), refresh=True), str(folder))
    assert done.failed == [(f"127.0.0.1_{web.port}/1.jpg", "410 Gone")]
    assert content(folder) == expected(web, images)
    assert mirror(listed(urls_of(web, images)), str(folder)).kept == 3


def test_an_image_with_another_url_is_fetched_whole(listed, web, images, folder):
    """Its name is the same, and what is known of the earlier one does not count."""
    table = "url,name\n{},a.jpg\n"
    mirror(listed(table.format(web.url("/0.jpg"))), str(folder))
    done = mirror(listed(table.format(web.url("/1.jpg")), refresh=True), str(folder))
    assert (done.copied, content(folder)) == (1, {"a.jpg": images["/1.jpg"]})
    assert web.requests[1][1]["If-None-Match"] is None


def test_lines_that_fail_cost_one_image_each(listed, web, images, folder):
    lines = ["a.jpg", "https://me:planted@example.org/b.jpg", web.url("/gone.jpg"), "http://[x"]
    done = mirror(listed(urls_of(web, images) + "\n".join(lines)), str(folder))
    assert content(folder) == expected(web, images)
    assert sorted(done.failed) == [
        (f"127.0.0.1_{web.port}/gone.jpg", "404 Not Found"),
        ("line 4", "is no URL that begins with https:// or http://"),
        ("line 5", "has a user name or a password, which are not sent; remove them"),
        ("line 7", "is no valid URL"),
    ]
    assert b"planted" not in (folder / RECORD).read_bytes()
    assert web.paths.count("/gone.jpg") == 1


def test_private_addresses_are_not_asked_unless_this_is_allowed(listed, web, images, folder):
    with pytest.raises(UserError, match=r"leads to the private address 127\.0\.0\.1, which is not"):
        mirror(listed(urls_of(web, images), allow_private=False), str(folder))
    assert (web.requests, content(folder)) == ([], {})


@pytest.mark.parametrize("told", ["Thu, 01 Jan 9999 00:00:00 GMT", "yesterday", "0", ""])
def test_times_that_are_none_are_not_taken(listed, web, folder, told):
    web.answers["/a.jpg"] = Answer(b"x", headers={"Last-Modified": told, "ETag": "x" * 9999})
    mirror(listed(web.url("/a.jpg") + "\n"), str(folder))
    (state,) = states(folder).values()
    assert state[1] > 1_445_412_480_000_000_000
    mirror(listed(web.url("/a.jpg") + "\n", refresh=True), str(folder))
    assert web.requests[1][1]["If-None-Match"] is None


def test_a_proxy_is_told(listed, web, monkeypatch):
    assert listed("").notice == ""
    monkeypatch.setenv("https_proxy", "http://me:planted@proxy.example:3128")
    assert listed("", allow_private=False).notice == (
        "The environment names the proxy 'proxy.example:3128': whether names lead to private "
        "addresses is left to it."
    )


@pytest.mark.parametrize("columns", [{"URL": None}, {"caption": ["a", "b"], "url": None}])
def test_a_parquet_file_is_a_table(tmp_path, columns):
    urls = ["https://example.org/a.jpg", "https://example.org/b.jpg"]
    file = tmp_path / "list.parquet"
    file.write_bytes(table_of({name: values or urls for name, values in columns.items()}))
    assert {item.name for item in UrlList(str(file)).items()} == {
        *("example.org/a.jpg", "example.org/b.jpg"),
    }


def test_a_parquet_file_may_have_names(tmp_path):
    file = tmp_path / "list.parquet"
    file.write_bytes(table_of({"link": ["https://example.org/a.jpg"], "name": ["b.jpg"]}))
    assert [item.name for item in UrlList(str(file), "link").items()] == ["b.jpg"]
    with pytest.raises(UserError, match=r"has no column url or .*; its columns of texts are link"):
        list(UrlList(str(file)).items())


def test_two_names_that_are_one_path_are_an_error(tmp_path):
    file = tmp_path / "list.csv"
    rows = ["url,name", "https://example.org/1,q/./w.jpg", "https://example.org/2,q//w.jpg"]
    file.write_text("\n".join(rows), encoding="utf-8")
    with pytest.raises(UserError, match=r"an earlier line gives the name"):
        list(UrlList(str(file)).items())
