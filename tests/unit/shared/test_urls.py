"""URLs as they may be shown."""

from __future__ import annotations

from fleetfold_broker.bus import Bus
from fleetfold_shared.errors import Unavailable
from fleetfold_shared.urls import redacted_url


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
