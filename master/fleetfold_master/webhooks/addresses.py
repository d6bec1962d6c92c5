"""The check whether an IP address is public: global unicast, and not reserved by the IANA.

The networks are those of the IANA's special-purpose registries (RFC 6890 and its successors, as of 2025) that are
not globally reachable, with multicast and reserved ones. `ipaddress.is_global` depends on the version of Python,
treats multicast as global, and does not look into an IPv6 address that stands for an IPv4 one.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

__all__ = ["is_public", "is_unicast"]

_SPECIAL_4 = tuple(map(IPv4Network, (
    "0.0.0.0/8",  # this network (RFC 791)
    "10.0.0.0/8",  # private (RFC 1918)
    "100.64.0.0/10",  # shared by carriers (RFC 6598)
    "127.0.0.0/8",  # loopback (RFC 1122)
    "169.254.0.0/16",  # link-local, cloud metadata (RFC 3927)
    "172.16.0.0/12",  # private (RFC 1918)
    "192.0.0.0/24",  # protocol assignments (RFC 6890)
    "192.0.2.0/24",  # documentation (RFC 5737)
    "192.88.99.0/24",  # relays of 6to4, deprecated (RFC 7526)
    "192.168.0.0/16",  # private (RFC 1918)
    "198.18.0.0/15",  # benchmarks (RFC 2544)
    "198.51.100.0/24",  # documentation (RFC 5737)
    "203.0.113.0/24",  # documentation (RFC 5737)
    "224.0.0.0/4",  # multicast (RFC 1112)
    "240.0.0.0/4",  # reserved, and broadcast (RFC 1112, 919)
)))  # fmt: skip
_GLOBAL_6 = IPv6Network("2000::/3")
"""The only part of IPv6 from which global unicast addresses are given (RFC 4291)."""
_SPECIAL_6 = tuple(map(IPv6Network, (
    "2001::/23",  # protocol assignments, with benchmarks and ORCHID (RFC 2928, 5180, 4843, 7343)
    "2001:db8::/32",  # documentation (RFC 3849)
    "3fff::/20",  # documentation (RFC 9637)
)))  # fmt: skip
_NAT64 = IPv6Network("64:ff9b::/96")
"""The well-known prefix of translators (RFC 6052); those of an operator's own are private."""
_NOT_UNICAST = (IPv4Network("0.0.0.0/8"), IPv4Network("224.0.0.0/4"), IPv4Network("240.0.0.0/4"))
_NOT_UNICAST_6 = (IPv6Network("::/128"), IPv6Network("ff00::/8"))


def is_public(text: str) -> bool:
    """Whether the address, and each IPv4 address embedded in it, is public."""
    address = ip_address(text)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_4)
    if inner := _embedded(address):
        return all(is_public(str(each)) for each in inner)
    return address in _GLOBAL_6 and not any(address in network for network in _SPECIAL_6)


def is_unicast(text: str) -> bool:
    """Whether the address can be a single server's."""
    address = ip_address(text)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_UNICAST)
    if inner := _embedded(address):
        return all(is_unicast(str(each)) for each in inner)
    return not any(address in network for network in _NOT_UNICAST_6)


def _embedded(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """Embedded IPv4 addresses: mapped, 6to4, NAT64, or Teredo's server and client."""
    if address in _NAT64:
        return (IPv4Address(int(address) & 0xFFFFFFFF),)
    if address.teredo is not None:
        return address.teredo
    one = address.ipv4_mapped or address.sixtofour
    return () if one is None else (one,)
