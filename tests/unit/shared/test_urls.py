"""URLs as they may be shown, and those of the servers of a cluster."""

from __future__ import annotations

import pytest

from fleetfold_broker.bus import Bus
from fleetfold_shared.errors import InvalidInput, Unavailable
from fleetfold_shared.urls import listeners, redacted_url, server_urls


def test_a_url_is_shown_without_its_password() -> None:
    assert redacted_url("nats://me:secret@host:4222") == "nats://host:4222"
    assert redacted_url("nats://127.0.0.1:4222") == "nats://127.0.0.1:4222"
    for url in ("me:secret@host:4222", "nats://me:secret@one,nats://me:secret@two", "nats://me:se,cr/secret@[::1"):
        assert "secret" not in redacted_url(url)


async def test_a_refusal_to_connect_keeps_the_password_to_itself() -> None:
    try:
        await Bus.connect("nats://me:secret@127.0.0.1:1", "caller")
    except Unavailable as error:
        said = error.message
    assert "127.0.0.1:1" in said
    assert "secret" not in said


def test_each_server_of_a_cluster_is_named_with_its_scheme() -> None:
    assert server_urls("nats://a:4222, nats://b,[::1]:4223") == ["nats://a:4222", "nats://b", "nats://[::1]:4223"]
    assert listeners("a,nats://b:4223") == {("a", 4222), ("b", 4223)}


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("nats://a,", "url: '' is no address"), ("nats://a,http://b", "url: 'http://b' is no address"),
        ("nats://a:0", "url: 'nats://a:0' is no address"), ("nats://a/x", "url: 'nats://a/x' is no address"),
        ("nats://me:se,cr/et@a", "url: server 1 is no address"),
        ("tls://a,nats://b", "some of its servers are tls:// and some are not"),
    ],
)  # fmt: skip
def test_each_server_is_checked_and_a_wrong_one_is_named(url: str, what: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        server_urls(url)
    assert what in caught.value.message
    assert caught.value.field == "url"
    assert listeners(url) == set()
