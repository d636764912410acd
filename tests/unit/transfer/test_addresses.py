"""No address of a private network passes, however it is written."""

import socket

import pytest

from pixelmill.transfer.addresses import is_public, refuse_private, resolved
from pixelmill.transfer.place import PermanentError, TransferError

PRIVATE = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.9.9"),
    *("192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200", "192.0.0.192"),
    *("168.63.129.16", "198.18.0.1", "192.0.2.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254"),
    *("ff02::1", "2001:db8::1", "2001::1", "fec0::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254"),
    *("2002:7f00:1::", "2002:a00:1::1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "3fff::1"),
]
PUBLIC = [
    *("1.1.1.1", "93.184.215.14", "172.32.0.1", "100.128.0.1", "169.253.255.255", "223.255.255.1"),
    *("2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:1.1.1.1", "2002:101:101::1"),
    *("64:ff9b::101:101", "2a00:1450:4001:81b::200e"),
]


def looked_up(monkeypatch, *addresses):
    """Let every name lead to some addresses."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 80)) for one in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


def test_addresses_of_private_networks_are_known():
    assert [address for address in PRIVATE if is_public(address)] == []
    assert [address for address in PUBLIC if not is_public(address)] == []


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0", "0x7f.1", "::1", "localhost"]
)
def test_other_spellings_of_private_addresses_are_refused(host):
    with pytest.raises(PermanentError, match=r"private address|does not exist"):
        resolved(host, 80, allow_private=False)  # systems differ in which they know
    with pytest.raises(PermanentError, match="private address"):
        refuse_private(host)


def test_private_addresses_may_be_allowed():
    assert resolved("::1", 80, allow_private=True)[0].sockaddr[:2] == ("::1", 80)


@pytest.mark.parametrize("host", ["example.org", "1.1.1.1", "2606:4700::1111", "a.localhost.org"])
def test_without_a_lookup_only_addresses_are_refused(host):
    refuse_private(host)


def test_a_name_that_leads_to_a_private_address_is_refused(monkeypatch):
    looked_up(monkeypatch, "10.0.0.1", "169.254.169.254")
    told = r"^'photos\.example' resolves to the private address 10\.0\.0\.1, which is not asked"
    with pytest.raises(PermanentError, match=told):
        resolved("photos.example", 80, allow_private=False)


def test_of_several_addresses_only_the_public_ones_are_used(monkeypatch):
    looked_up(monkeypatch, "10.0.0.1", "1.1.1.1")
    (found,) = resolved("photos.example", 80, allow_private=False)
    assert found.sockaddr == ("1.1.1.1", 80)


@pytest.mark.parametrize(
    ("number", "kind", "told"),
    [
        (socket.EAI_NONAME, PermanentError, "names the host 'gone.example', which does not exist"),
        (socket.EAI_AGAIN, TransferError, "the host 'gone.example' cannot be looked up: why"),
    ],
)
def test_a_name_that_is_missing_is_told_from_a_lookup_that_fails(monkeypatch, number, kind, told):
    def fails(*_, **__):
        raise socket.gaierror(number, "why")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    with pytest.raises(TransferError, match=told) as raised:
        resolved("gone.example", 80, allow_private=False)
    assert type(raised.value) is kind


@pytest.mark.parametrize("host", ["a..b", "x" * 70])
def test_an_impossible_name_is_told(host):
    with pytest.raises(PermanentError, match="names no valid host"):
        resolved(host, 80, allow_private=False)
