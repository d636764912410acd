"""Folders on servers are read by SFTP, from servers that the user knows, whatever goes wrong."""

import gc
import os
import stat
import sys
import threading
from collections import Counter

import pytest

from pixelmill.core.errors import UserError
from pixelmill.dataset.globs import Selection
from pixelmill.transfer.mirror import mirror, token
from pixelmill.transfer.place import PermanentError
from pixelmill.transfer.sftp import Sftp, check_url
from pixelmill.transfer.ssh_connection import Server
from tests.helpers.sftp_server import USER
from tests.unit.transfer.test_mirror import content

FILES = {
    **{f"2024/{number}.jpg": bytes([number]) * 9 for number in range(5)},
    "2024/with space +&=.jpg": b"odd",
    "2024/é 山/b/c.jpg": b"letters",
    "empty.jpg": b"",
}

#: When files were changed, in seconds since 1970.
TIME = 1_700_000_000


@pytest.fixture
def filled(sftp):
    for name, data in FILES.items():
        put(sftp, name, data)
    return sftp


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "mirror"


def put(sftp, name, data, seconds=TIME):
    path = sftp.photos / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (seconds, seconds))


def told(url, folder):
    """What a user is told who mirrors a place that cannot be used."""
    with pytest.raises(UserError) as raised:
        mirror(Sftp(url), str(folder))
    return str(raised.value)


def test_a_mirror_has_all_files_of_a_folder_with_their_times(filled, folder):
    done = mirror(Sftp(filled.url), str(folder))
    assert (content(folder), done.failed, done.left_out) == (FILES, [], {})
    assert (folder / "2024/3.jpg").stat().st_mtime == TIME
    assert mirror(Sftp(filled.url + "/"), str(folder)).kept == len(FILES)
    assert filled.server.requests["connect"] == 2


def test_only_changed_files_are_read_again(filled, folder):
    mirror(Sftp(filled.url), str(folder))
    put(filled, "2024/1.jpg", b"changed", TIME)
    put(filled, "2024/2.jpg", FILES["2024/2.jpg"], TIME + 1)
    (filled.photos / "2024/4.jpg").unlink()
    put(filled, "2025/new.jpg", b"new")
    filled.server.requests.clear()
    done = mirror(Sftp(filled.url), str(folder))
    assert (done.copied, done.removed, filled.server.requests["open"]) == (3, 1, 3)
    assert content(folder) == {
        path.relative_to(filled.photos).as_posix(): path.read_bytes()
        for path in filled.photos.rglob("*.jpg")
    }


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/photos/2024/é 山", {"b/c.jpg": b"letters"}),
        ("/~/albums", {"a.jpg": b"home"}),
        ("/~/", {"albums/a.jpg": b"home"}),
        ("/", {**{f"photos/{name}": data for name, data in FILES.items()},
               "home/albums/a.jpg": b"home"}),
    ],
)  # fmt: skip
def test_a_path_begins_at_the_root_or_in_the_home(filled, folder, path, expected):
    put(filled, "../home/albums/a.jpg", b"home")
    mirror(Sftp(filled.url.removesuffix("/photos") + path), str(folder))
    assert content(folder) == expected


def test_a_file_of_many_parts_is_whole(filled, folder, monkeypatch):
    monkeypatch.setattr("pixelmill.transfer.sftp._AHEAD", 1000)
    data = os.urandom(25_500)
    put(filled, "large.jpg", data)
    mirror(Sftp(filled.url), str(folder), Selection(["large.jpg"]))
    assert content(folder) == {"large.jpg": data}
    assert filled.server.requests["read"] == 26


@pytest.mark.parametrize("request_", ["list", "open", "stat", "read"])
@pytest.mark.parametrize("fault", ["cut", "failed"])
def test_faults_that_pass_are_overcome(filled, folder, request_, fault):
    seen = Counter()

    def strike(request, path):
        seen[request] += request == request_
        return fault if request == request_ and seen[request] == 3 else ""

    filled.server.fault = strike
    assert mirror(Sftp(filled.url), str(folder)).failed == []
    assert content(folder) == FILES
    assert filled.server.requests["connect"] == (2 if fault == "cut" else 1)


@pytest.mark.parametrize(
    ("fault", "why", "is_pending"),
    [
        ("denied", "permission denied", False),
        ("failed", r"the server failed: the disk \u001b[31m is broken", True),
        ("cut", "the connection was lost", True),
        (lambda path: os.utime(path, (0, path.stat().st_mtime + 1)), "is being changed", True),
        ("short", "0 of 9 bytes were received", True),
    ],
    ids=["denied", "failed", "cut", "changed", "short"],
)
def test_a_file_that_cannot_be_read_costs_one_file(
    filled, folder, monkeypatch, fault, why, is_pending
):
    filled.server.fault = lambda request, path: (
        fault if (request, path) == ("read", "/photos/2024/3.jpg") else ""
    )
    monkeypatch.setattr(Sftp, "at_once", 1)
    done = mirror(Sftp(filled.url), str(folder))
    assert (done.failed, done.is_pending) == ([("2024/3.jpg", why)], is_pending)
    filled.server.fault = lambda request, path: ""
    assert mirror(Sftp(filled.url), str(folder)).copied == 1


@pytest.mark.parametrize("path", ["/photos/2024", "/photos/2024/3.jpg"])
def test_a_server_that_says_nothing_is_left(filled, folder, monkeypatch, path):
    monkeypatch.setattr("pixelmill.transfer.ssh_connection.STALLED", 0.4)
    for module in ("mirror", "sftp"):
        monkeypatch.setattr(f"pixelmill.transfer.{module}._ATTEMPTS", 1)
    monkeypatch.setattr(Sftp, "at_once", 1)
    filled.server.fault = lambda request, asked: "hangs" if asked == path else ""
    why = "nothing came for 0 seconds"
    if path == "/photos/2024":
        assert f"The folder '2024' of '{filled.url}' cannot be listed: {why}" in told(
            filled.url, folder
        )
    else:
        assert mirror(Sftp(filled.url), str(folder)).failed == [("2024/3.jpg", why)]


def test_a_file_that_is_gone_since_it_was_listed_is_told(filled, folder):
    filled.server.fault = lambda request, path: (
        os.unlink if (request, path) == ("open", "/photos/2024/3.jpg") else ""
    )
    done = mirror(Sftp(filled.url), str(folder))
    assert (done.failed, done.is_pending) == ([("2024/3.jpg", "is gone")], False)


def test_a_file_that_becomes_something_else_is_told(filled, folder):
    place = Sftp(filled.url)
    items = {item.name: item for item in place.items()}
    (filled.photos / "empty.jpg").unlink()
    (filled.photos / "empty.jpg").symlink_to("/dev/null")
    with open(os.devnull, "wb") as nowhere, pytest.raises(PermanentError, match="is no file"):
        place.fetch(items["empty.jpg"], nowhere)


def test_a_copy_that_cannot_be_written_is_not_taken_for_a_fault_of_the_network(filled):
    place = Sftp(filled.url)
    item = next(item for item in place.items() if item.name == "2024/3.jpg")
    with open(__file__, "rb") as unwritable, pytest.raises(OSError, match="Bad file descriptor"):
        place.fetch(item, unwritable)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("denied", "permission denied"), ("failed", "the server failed: the disk"),
        ("cut", "the connection was lost"),
    ],
)  # fmt: skip
def test_a_folder_that_cannot_be_listed_stops_the_run(filled, folder, fault, why):
    mirror(Sftp(filled.url), str(folder))
    filled.server.fault = lambda request, path: fault if path == "/photos/2024" else ""
    assert told(filled.url, folder).startswith(
        f"The folder '2024' of '{filled.url}' cannot be listed: {why}"
    )
    assert content(folder) == FILES


def test_a_folder_that_is_gone_since_it_was_listed_has_no_files(filled, folder):
    filled.server.fault = lambda request, path: (
        (lambda path: (path / "c.jpg").unlink() or path.rmdir()) if path.endswith("/b") else ""
    )
    assert mirror(Sftp(filled.url), str(folder)).copied == len(FILES) - 1


def test_links_and_special_files_are_left_out(filled, folder, tmp_path):
    (tmp_path / "secret.jpg").write_bytes(b"elsewhere")
    for name, to in (("a.jpg", "2024/1.jpg"), ("up", ".."), ("out.jpg", tmp_path / "secret.jpg")):
        (filled.photos / name).symlink_to(to)
    filled.server.planted["/photos"] = {b"pipe": stat.S_IFIFO, b"disk.jpg": stat.S_IFBLK}
    done = mirror(Sftp(filled.url), str(folder))
    assert (content(folder), done.left_out) == (FILES, {"links": 3, "special files": 2})


def test_hostile_names_are_left_out(filled, folder, tmp_path):
    hostile = [b"../out.jpg", b"/etc/out.jpg", b"a/b.jpg", b"", b"a\0.jpg", b"a\\b.jpg", b"C:a.jpg"]
    hostile += [b".hidden.jpg", b"caf\xe9.jpg", b"x" * 300]
    filled.server.planted["/photos"] = dict.fromkeys(hostile, stat.S_IFREG)
    filled.server.planted["/photos"] |= dict.fromkeys([b"..", b".", b".git"], stat.S_IFDIR)
    done = mirror(Sftp(filled.url), str(folder))
    assert (content(folder), sum(done.left_out.values())) == (FILES, len(hostile) + 1)
    assert {path.name for path in tmp_path.iterdir()} == {"mirror", "server", "user"}


def test_a_server_that_lists_only_names_is_asked_for_the_rest(filled, folder):
    put(filled, ".a.jpg", b"")
    filled.server.planted["/photos"] = {b"empty.jpg": None, b"gone.jpg": None}
    assert mirror(Sftp(filled.url), str(folder)).copied == len(FILES)


def test_the_token_stays_while_nothing_changed(filled, folder):
    new = token(Sftp(filled.url), str(folder), Selection())
    mirror(Sftp(filled.url), str(folder), token=new)
    assert token(Sftp(filled.url), str(folder), Selection()) == new
    put(filled, "empty.jpg", b"filled")
    assert token(Sftp(filled.url), str(folder), Selection()) != new


def test_a_server_that_is_gone_for_good_stops_the_run_which_goes_on_where_it_was(
    filled, folder, monkeypatch
):
    opened = []

    def strike(request, path):
        opened.extend([path] if request == "open" else [])
        if len(opened) == 3:
            filled.server.refuses = True
            return "cut"
        return ""

    monkeypatch.setattr(Sftp, "at_once", 1)
    filled.server.fault = strike
    with pytest.raises(UserError, match=r"cannot be used: the connection was lost; try 'ssh -p"):
        mirror(Sftp(filled.url), str(folder))
    filled.server.refuses = False
    filled.server.fault = lambda request, path: ""
    copied = len(content(folder))
    assert mirror(Sftp(filled.url), str(folder)).kept == copied
    assert content(folder) == FILES


def test_a_server_whose_key_is_not_known_is_refused(filled, folder):
    filled.ssh.joinpath("known_hosts").write_text("")
    fingerprint = filled.server.key.convert_to_public().get_fingerprint()
    assert told(filled.url, folder) == (
        f"'{filled.url}' cannot be used: the key of '127.0.0.1', {fingerprint}, is not in "
        "known_hosts; compare it with what those say who run the server, and connect once by ssh, "
        "which adds it."
    )
    assert not folder.exists() or content(folder) == {}


def test_a_server_whose_key_has_changed_is_refused(filled, folder):
    line = filled.server.known_hosts(filled.server.user_key)
    filled.ssh.joinpath("known_hosts").write_text(line)
    assert "is not that of known_hosts: somebody may have taken the place" in told(
        filled.url, folder
    )


@pytest.mark.parametrize("config", ["UserKnownHostsFile none", "UserKnownHostsFile /dev/null"])
def test_the_check_of_keys_cannot_be_turned_off(filled, folder, config):
    filled.ssh.joinpath("config").write_text(f"StrictHostKeyChecking no\n{config}\n")
    assert ("turns off the check" in told(filled.url, folder)) == config.endswith("none")


def test_the_check_of_keys_cannot_be_turned_off_for_a_server_on_the_way(filled, folder):
    filled.ssh.joinpath("config").write_text(
        "Host 127.0.0.1\nProxyJump me@first:2222\nHost first\nProxyJump jump,first\n"
        "Host jump\nUserKnownHostsFile none\n"
    )
    assert "turns off the check of the key of 'jump'" in told(filled.url, folder)


@pytest.mark.parametrize("harm", ["missing", "another", "encrypted"])
def test_a_user_without_a_key_is_refused(filled, folder, harm):
    key = filled.ssh / "id_ed25519"
    key.unlink()
    if harm == "another":
        filled.server.key.write_private_key(key)
    elif harm == "encrypted":
        filled.server.user_key.write_private_key(
            key, "pkcs8-pem", passphrase="planted", cipher_name="aes256-cbc"
        )
    assert told(filled.url, folder) == (
        f"'{filled.url}' cannot be used: the server accepts none of your keys; add one to the SSH "
        f"agent, or name it in ~/.ssh/config, and try 'ssh -p {filled.server.port} "
        f"{USER}@127.0.0.1'."
    )


def test_a_config_of_ssh_names_host_port_user_and_key(filled, folder):
    (filled.ssh / "id_ed25519").rename(filled.ssh / "special")
    filled.ssh.joinpath("config").write_text(
        f"Host nas\nHostName 127.0.0.1\nPort {filled.server.port}\nUser {USER}\n"
        "IdentityFile ~/.ssh/special\nForwardAgent yes\nRemoteCommand rm -r /\nSendEnv *\n"
    )
    mirror(Sftp("sftp://nas/photos"), str(folder))
    assert content(folder) == FILES


def test_an_agent_that_is_gone_does_not_hinder(filled, folder, monkeypatch):
    monkeypatch.setenv("SSH_AUTH_SOCK", str(folder / "agent"))
    mirror(Sftp(filled.url), str(folder))
    assert content(folder) == FILES


def test_places_that_do_not_exist_are_named(filled, folder):
    assert told(filled.url + "/none", folder) == (
        f"There is no folder '{filled.url}/none'; correct the URL."
    )
    assert "/2024/1.jpg' is not a folder" in told(f"{filled.url}/2024/1.jpg", folder)
    assert told("sftp://no-such-host.invalid/a", folder) == (
        "'sftp://no-such-host.invalid/a' cannot be used: there is no address of "
        "'no-such-host.invalid', or of a server on the way to it; correct the URL."
    )


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ("Port many", "config line 1: Invalid Port integer value: many; try 'ssh"),
        ("IdentityFile none.pem", "'none.pem', which ~/.ssh/config names, cannot be used: No such"),
        ("ProxyCommand no-such-program", "'no-such-program', which ~/.ssh/config names, cannot"),
    ],
)
def test_a_config_of_ssh_that_cannot_be_used_is_told(filled, folder, config, why):
    filled.ssh.joinpath("config").write_text(config)
    assert why in told(filled.url, folder)


def test_a_password_in_a_url_is_refused_and_not_shown():
    for url in ("sftp://me:planted@host/a", "sftp://me:@host/a", "sftp://me:plan/ted@host/a"):
        with pytest.raises(UserError) as raised:
            Sftp(url)
        assert "plan" not in str(raised.value)
        assert "host/a' " in str(raised.value)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sftp://host", "is no folder on a server; give a URL such as sftp://user@host/path"),
        ("s3://host/a", "is no folder on a server"),
        ("sftp:///a", "has no valid user, host or port"),
        ("sftp://host:port/a", "has no valid user, host or port"),
        ("sftp://host:99999/a", "has no valid user, host or port"),
        ("sftp://-oProxyCommand=touch/a", "has no valid user, host or port"),
        ("sftp://$(touch x)@host/a", "has no valid user, host or port"),
        ("sftp://-l@host/a", "has no valid user, host or port"),
        ("sftp://host/a#b", "is not the same folder to all programs"),
        ("sftp://host/a%20b", "is not the same folder to all programs"),
        ("sftp://host/a?b", "is not the same folder to all programs"),
        ("sftp://host/a/../b", "is not the same folder to all programs"),
        ("sftp://host//a", "is not the same folder to all programs"),
        ("sftp://host/a\nb", "is not the same folder to all programs"),
    ],
)
def test_a_url_that_is_wrong_or_ambiguous_is_refused(url, why):
    with pytest.raises(UserError, match=why):
        Sftp(url)


def test_addresses_and_names_of_users_with_marks_are_accepted():
    assert check_url("sftp://a.b+c@d@[::1]:22/x") == (Server("::1", 22, "a.b+c@d"), "/x")
    assert check_url("SFTP://Nas-1/x") == (Server("nas-1"), "/x")


def test_without_the_package_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "asyncssh", None)
    with pytest.raises(UserError, match=r"SFTP needs the package asyncssh: pip install asyncssh"):
        Sftp("sftp://host/a")


def test_a_connection_ends_with_its_place(filled, folder):
    others = threading.enumerate()
    place = Sftp(filled.url)
    mirror(place, str(folder))
    (thread,) = [one for one in threading.enumerate() if one.name == "ssh" and one not in others]
    del place
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


def test_no_file_of_a_mirror_contains_the_key(filled, folder):
    mirror(Sftp(filled.url), str(folder))
    lines = (filled.ssh / "id_ed25519").read_bytes().splitlines()[1:-1]
    for path in folder.rglob("*"):
        assert path.is_dir() or not any(line in path.read_bytes() for line in lines)
