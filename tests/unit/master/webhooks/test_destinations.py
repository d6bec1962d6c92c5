"""Where webhooks may go: nowhere that the settings do not name, whatever a caller writes."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetfold_master.webhooks.destinations import Destinations, place_of
from fleetfold_master.webhooks.model import BACKOFF, MOST_TRIES, NotDelivered
from fleetfold_shared.config import CallbacksConfig
from fleetfold_shared.errors import InvalidInput
from fleetfold_shared.messages import Callback

HOOKS = Destinations(CallbacksConfig(allow=["https://hooks.example.org", "http://127.0.0.1:9000", "http://[::1]:9000"]))


@pytest.mark.parametrize(
    ("url", "at"),
    [
        ("https://hooks.example.org/a/b?c=d", "https://93.184.216.34:443/a/b?c=d"),
        ("HTTPS://Hooks.Example.ORG:443", "https://93.184.216.34:443/"),
        ("https://hooks.example.org?c=d", "https://93.184.216.34:443/?c=d"),
        ("http://127.0.0.1:9000/x", "http://93.184.216.34:9000/x"),
    ],
)
def test_what_is_allowed_goes_to_the_address_that_was_looked_up(url: str, at: str) -> None:
    HOOKS.check(Callback(url=url))
    assert HOOKS.destination(url).at("93.184.216.34") == at


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/", "https://hooks.example.org:8443/", "https://hooks.example.org.evil.org/",
        "https://evil.org/https://hooks.example.org", "https://127.0.0.1:9000/", "http://127.0.0.1/",
        "http://169.254.169.254/latest/meta-data", "http://2130706433:9000/",
    ],
)  # fmt: skip
def test_what_is_not_named_is_refused_with_the_field_and_the_setting(url: str) -> None:
    with pytest.raises(InvalidInput, match=r"callback\.url: .* is not allowed here.*\[callbacks\]: allow") as refused:
        HOOKS.check(Callback(url=url))
    assert refused.value.field == "callback.url"


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.org@evil.org/", "https://evil.org\\@hooks.example.org/", "https://hooks.example.org\n/",
        "https://hooks.example.org/#x", "https://hooks.example.org/ x", "https:///x", "https://[::1/", "https://[zz]/",
        "https://hooks.example.org:0/", "https://hooks.example.org:99999/", "https://evil.org%2f@hooks.example.org/",
    ],
)  # fmt: skip
def test_what_can_be_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match=r"callback\.url"):
        HOOKS.check(Callback(url=url))


@given(st.text(max_size=60))
def test_no_url_is_allowed_that_does_not_begin_with_an_allowed_server(rest: str) -> None:
    url = f"https://hooks.example.org{rest}"
    try:
        HOOKS.check(Callback(url=url))
    except InvalidInput:
        return
    assert rest.removeprefix(":443")[:1] in {"", "/", "?"}


def test_a_callback_is_one_event_or_one_url() -> None:
    HOOKS.check(None)
    HOOKS.check(Callback(type="order.done"))
    for callback in (Callback(), Callback(type="order.done", url="https://hooks.example.org/")):
        with pytest.raises(InvalidInput, match="one of them"):
            HOOKS.check(callback)


def test_by_default_nothing_is_allowed() -> None:
    assert not Destinations(CallbacksConfig()).any
    with pytest.raises(InvalidInput, match="not allowed"):
        Destinations(CallbacksConfig()).check(Callback(url="https://hooks.example.org/"))


@pytest.mark.parametrize("allowed", ["hooks.example.org", "https://hooks.example.org/path", "ftp://x", "*"])
def test_a_setting_that_names_no_server_is_refused(allowed: str) -> None:
    with pytest.raises(InvalidInput, match=r"callbacks\.allow"):
        Destinations(CallbacksConfig(allow=[allowed]))


@pytest.mark.parametrize(
    ("found", "private", "good"),
    [
        (["93.184.216.34"], False, True), (["10.0.0.5"], False, False), (["93.184.216.34", "127.0.0.1"], False, False),
        (["::1"], False, False), (["fe80::1%eth0"], False, False), (["::ffff:10.0.0.5"], False, False),
        (["169.254.169.254"], False, False), (["10.0.0.5"], True, True),
    ],
)  # fmt: skip
async def test_a_name_may_not_stand_for_an_address_of_our_own(
    monkeypatch: pytest.MonkeyPatch, found: list[str], private: bool, good: bool
) -> None:
    async def look_up(*_: object, **__: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in found]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
    hooks = Destinations(CallbacksConfig(allow=["https://hooks.example.org"], private=private))
    to = hooks.destination("https://hooks.example.org/")
    if good:
        assert await hooks.addresses(to) == found
    else:
        with pytest.raises(NotDelivered, match=r"callbacks\.private"):
            await hooks.addresses(to)


async def test_an_address_that_the_settings_name_is_taken_at_its_word() -> None:
    assert await HOOKS.addresses(HOOKS.destination("http://[::1]:9000/x")) == ["::1"]


def test_the_place_is_the_server() -> None:
    assert place_of("https://Hooks.example.org:443/x") == "https://hooks.example.org"
    assert place_of(None) == ""


def test_the_pauses_double_to_an_hour_and_make_about_a_day() -> None:
    assert 0.8 <= BACKOFF.delay_s(1) <= 1.2
    assert 6.4 <= BACKOFF.delay_s(4) <= 9.6
    assert 0.8 * 3600 <= BACKOFF.delay_s(40) <= 1.2 * 3600
    assert 20 * 3600 < sum(BACKOFF.delay_s(tries) for tries in range(1, MOST_TRIES)) < 28 * 3600
