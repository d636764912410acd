"""Addresses: where a name leads, and whether that is in the internet or in a private network.

Lists of URLs come from others. One that names an address of this machine, of the network around
it, or of the service by which clouds give credentials to their machines must not be asked.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any, NamedTuple, TypeAlias

from pixelmill.core.errors import shown
from pixelmill.transfer.place import PermanentError, TransferError

_Ip: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"

#: Networks that count as private beside those of the standard library: protocol assignments, in
#: which clouds have services, a service that each machine of Azure has, and examples (RFC 9637).
_PRIVATE = (
    ipaddress.ip_network("192.0.0.0/24"),
    ipaddress.ip_network("168.63.129.16/32"),
    ipaddress.ip_network("3fff::/20"),
)

#: Where all public addresses of IPv6 are, and those that stand for one of IPv4.
_PUBLIC_6 = ipaddress.ip_network("2000::/3")
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")

#: Errors of a lookup that say that there is no such name.
_MISSING = {
    getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY", "EAI_FAIL")
    if hasattr(socket, name)
}  # fmt: skip


class Address(NamedTuple):
    """An address as sockets take it.

    Attributes
    ----------
    family : int
    sockaddr : tuple
        The first of its values is the address as a text, the second is the port.
    """

    family: int
    sockaddr: tuple[Any, ...]


def is_public(address: str) -> bool:
    """Whether an address is in the internet.

    Examples
    --------
    >>> is_public("93.184.215.14"), is_public("2606:2800:21f:cb07:6820:80da:af6b:8b2c")
    (True, True)
    >>> is_public("169.254.169.254"), is_public("::ffff:10.0.0.1"), is_public("64:ff9b::a00:1")
    (False, False, False)
    """
    ip: _Ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip not in _PUBLIC_6:
            return False
    return ip.is_global and not ip.is_multicast and not any(ip in net for net in _PRIVATE)


def resolved(host: str, port: int, allow_private: bool) -> list[Address]:
    """Look up where a name leads: what is connected to must be one of these, by its address.

    A name that is looked up twice may lead elsewhere the second time.

    Parameters
    ----------
    host : str
        A name or an address, as ASCII.
    port : int
    allow_private : bool
        Whether addresses that are not public count.

    Raises
    ------
    PermanentError
        If there is no such name, or if all its addresses are private.
    TransferError
        If it cannot be looked up now.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise PermanentError(f"names no valid host: {shown(host)}") from error
    except socket.gaierror as error:
        if error.errno in _MISSING:
            raise PermanentError(f"names the host {shown(host)}, which does not exist") from error
        raise TransferError(
            f"the host {shown(host)} cannot be looked up: {error.strerror}"
        ) from error
    except OSError as error:
        raise TransferError(
            f"the host {shown(host)} cannot be looked up: {error.strerror}"
        ) from error
    addresses = [Address(family, sockaddr) for family, _, _, _, sockaddr in found]
    allowed = [one for one in addresses if allow_private or is_public(str(one.sockaddr[0]))]
    if not allowed:
        raise _refused(host, str(addresses[0].sockaddr[0]))
    return allowed


def refuse_private(host: str) -> None:
    """Refuse a host that is private as far as it shows without a lookup.

    Raises
    ------
    PermanentError
    """
    if host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost"):
        raise _refused(host, "127.0.0.1")
    try:
        address = str(ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        try:
            address = socket.inet_ntoa(socket.inet_aton(host))  # such as 2130706433 or 0x7f.1
        except OSError:
            return
    if not is_public(address):
        raise _refused(host, address)


def _refused(host: str, address: str) -> PermanentError:
    how = "--allow-private, or allow_private in the config, allows it"
    what = f"the private address {address}, which is not asked; {how}"
    if host.strip("[]") == address:
        return PermanentError(f"leads to {what}")
    return PermanentError(f"'{host}' resolves to {what}")
