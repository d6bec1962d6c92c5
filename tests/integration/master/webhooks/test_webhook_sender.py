"""Webhooks to a real server: signed, one answer each, and never anywhere else."""

from __future__ import annotations

import base64
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import pytest

from fleetfold_master.webhooks import webhook_sender as hooks
from fleetfold_master.webhooks.destinations import Destinations
from fleetfold_master.webhooks.model import NotDelivered, Undeliverable
from fleetfold_master.webhooks.webhook_sender import Webhooks
from fleetfold_master.webhooks.webhook_signing import WebhookSecret
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.config import CallbacksConfig
from support.receiver import receiving

KEY = b"0123456789abcdef0123456789abcdef"
Open = Callable[..., AbstractAsyncContextManager[Webhooks]]


@pytest.fixture
async def opened() -> AsyncIterator[Open]:
    def opened(*allow: str, private: bool = False) -> AbstractAsyncContextManager[Webhooks]:
        config = CallbacksConfig(allow=list(allow), private=private)
        return Webhooks.open(Destinations(config), WebhookSecret(KEY), ManualClock(1_700_000_000.5))

    return opened


async def test_it_is_posted_once_signed_and_to_the_name_it_was_asked_for(opened: Open) -> None:
    async with receiving("204") as receiver, opened(receiver.place) as webhooks:
        await webhooks.post(f"{receiver.place}/hook?a=b", "d1", b'{"x":1}')
    assert receiver.paths == ["POST /hook?a=b HTTP/1.1"]
    [headers], [body] = receiver.headers, receiver.bodies
    assert body == b'{"x":1}'
    assert (headers["host"], headers["content-type"]) == (f"127.0.0.1:{receiver.port}", "application/json")
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("d1", "1700000000")
    wanted = hmac.digest(KEY, b"d1.1700000000." + body, "sha256")
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(wanted).decode()}"


async def test_a_name_is_reached_at_its_address_under_its_name(opened: Open) -> None:
    async with receiving("200") as receiver:
        place = f"http://localhost:{receiver.port}"
        async with opened(place, private=True) as webhooks:
            await webhooks.post(f"{place}/", "d1", b"{}")
        assert receiver.headers[0]["host"] == f"localhost:{receiver.port}"
        async with opened(place) as webhooks:
            with pytest.raises(NotDelivered, match=r"callbacks\.private"):
                await webhooks.post(f"{place}/", "d2", b"{}")
    assert len(receiver.bodies) == 1


@pytest.mark.parametrize(
    ("answer", "why", "after_s"),
    [
        ("500", "answers 500", 0.0), ("404", "answers 404", 0.0), ("503 Retry-After: 60", "answers 503", 60.0),
        ("429 Retry-After: 99999", "answers 429", 3600.0), (f"429 Retry-After: {'9' * 5000}", "answers 429", 0.0),
    ],
)  # fmt: skip
async def test_what_is_not_taken_may_be_another_time(opened: Open, answer: str, why: str, after_s: float) -> None:
    async with receiving(answer) as receiver, opened(receiver.place) as webhooks:
        with pytest.raises(NotDelivered, match=why) as refused:
            await webhooks.post(receiver.place, "d1", b"{}")
    assert refused.value.after_s == after_s


async def test_gone_is_for_good(opened: Open) -> None:
    async with receiving("410") as receiver, opened(receiver.place) as webhooks:
        with pytest.raises(Undeliverable, match="410"):
            await webhooks.post(receiver.place, "d1", b"{}")


async def test_it_is_not_sent_on_to_elsewhere(opened: Open) -> None:
    async with (
        receiving() as elsewhere,
        receiving(f"307 Location: {elsewhere.place}/x") as receiver,
        opened(receiver.place, elsewhere.place) as webhooks,
    ):
        with pytest.raises(NotDelivered, match="answers 307"):
            await webhooks.post(receiver.place, "d1", b"{}")
    assert elsewhere.bodies == []


async def test_one_that_says_nothing_is_left(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "TIMEOUT_S", 0.2)
    async with receiving("hang") as receiver, opened(receiver.place) as webhooks:
        with pytest.raises(NotDelivered, match=r"did not answer within 0\.2 s"):
            await webhooks.post(receiver.place, "d1", b"{}")


async def test_one_that_is_not_there_may_come(opened: Open) -> None:
    async with receiving() as receiver:
        place = receiver.place
    async with opened(place) as webhooks:
        with pytest.raises(NotDelivered, match="cannot be reached"):
            await webhooks.post(place, "d1", b"{}")


async def test_one_that_is_allowed_no_more_is_not_called(opened: Open) -> None:
    async with receiving() as receiver, opened() as webhooks:
        with pytest.raises(NotDelivered, match="not allowed"):
            await webhooks.post(receiver.place, "d1", b"{}")
    assert receiver.bodies == []
