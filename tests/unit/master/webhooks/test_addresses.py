"""Which addresses a webhook may go to: global unicast ones, whatever version of Python and however they are written."""

from __future__ import annotations

import pytest

from fleetfold_master.webhooks.addresses import is_public, is_unicast

PUBLIC = [
    "1.1.1.1", "8.8.8.8", "93.184.216.34", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1", "126.0.0.1",
    "128.0.0.1", "172.15.255.255", "172.32.0.1", "192.0.1.1", "192.167.255.255", "198.17.0.1", "198.20.0.1",
    "223.255.255.255", "2606:4700:4700::1111", "2a00:1450:4001::1", "2400:cb00::1", "2001:4860:4860::8888",
    "64:ff9b::808:808", "2002:808:808::1", "::ffff:8.8.8.8", "2001:0:808:808:0:0:fefe:fefe",
]  # fmt: skip
PRIVATE = [
    "10.0.0.5", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.255", "169.254.169.254",
    "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.0.9", "192.0.0.170", "192.0.2.1", "192.88.99.1", "192.168.1.1",
    "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.7", "::1", "::127.0.0.1", "::ffff:10.0.0.5",
    "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:5", "64:ff9b:1::808:808", "2002:7f00:1::", "2002:a00:5::1",
    "2001:0:808:808:0:0:80ff:fffe", "2001:0:a00:5:0:0:f7f7:f7f7", "2001:2::1", "2001:10::1", "2001:20::1",
    "2001:db8::1", "3fff::1", "5f00::1", "100::1", "fc00::1", "fd12:3456::1", "fe80::1", "fec0::1", "4000::1",
]  # fmt: skip
NO_SERVER = [
    "0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "::", "ff02::1", "ff0e::1",
    "64:ff9b::e000:1", "2002:e000:1::1", "::ffff:224.0.0.1", "::ffff:255.255.255.255",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_on_the_internet_is_public(address: str) -> None:
    assert is_public(address)
    assert is_unicast(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_kept_for_something_else_is_not(address: str) -> None:
    assert not is_public(address)
    assert is_unicast(address)


@pytest.mark.parametrize("address", NO_SERVER)
def test_what_is_no_servers_address_is_not(address: str) -> None:
    assert not is_public(address)
    assert not is_unicast(address)
