"""What a service says of itself in service discovery, as ADR-32 has it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest

from fleetfold_broker.rpc.introspection import Introspection


@pytest.fixture
def shop() -> Introspection:
    service = Introspection("fleetfold-shop", "1.2.3", "a shop")
    service.add("get", "fleet.call.shop.get", "shop")
    return service


def _body(service: Introspection, subject: str) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(service.answer(subject) or b"null")
    return body


def test_ping_says_who_is_there(shop: Introspection) -> None:
    assert _body(shop, "$SRV.PING") == {
        "type": "io.nats.micro.v1.ping_response", "name": "fleetfold-shop", "id": shop.id, "version": "1.2.3",
        "metadata": {},
    }  # fmt: skip


@pytest.mark.parametrize("verb", ["PING", "INFO", "STATS"])
def test_a_service_answers_in_general_by_name_and_by_id(shop: Introspection, verb: str) -> None:
    general = _body(shop, f"$SRV.{verb}")
    assert general["type"] == f"io.nats.micro.v1.{verb.lower()}_response"
    assert general == _body(shop, f"$SRV.{verb}.fleetfold-shop") == _body(shop, f"$SRV.{verb}.fleetfold-shop.{shop.id}")


@pytest.mark.parametrize("rest", ["PING.other", "PING.fleetfold-shop.x", "PING.fleetfold-shop.{id}.x", "OTHER", ""])
def test_what_is_asked_of_another_is_not_answered(shop: Introspection, rest: str) -> None:
    assert shop.answer(f"$SRV.{rest}".replace("{id}", shop.id)) is None


def test_info_lists_the_endpoints(shop: Introspection) -> None:
    info = _body(shop, "$SRV.INFO")
    assert info["description"] == "a shop"
    assert info["endpoints"] == [
        {"name": "get", "subject": "fleet.call.shop.get", "queue_group": "shop", "metadata": {}}
    ]


def test_stats_count_what_was_served_and_what_went_wrong(shop: Introspection) -> None:
    for ended, error in (("replied", None), ("replied", None), ("not_found", "no node 'gone'")):
        shop.endpoints[0].count(ended, 0.001, error)
    stats = _body(shop, "$SRV.STATS")
    assert datetime.fromisoformat(stats["started"]).tzinfo is not None
    [get] = stats["endpoints"]
    assert (get["num_requests"], get["num_errors"], get["last_error"]) == (3, 1, "no node 'gone'")
    assert get["average_processing_time"] == get["processing_time"] // 3 == 1_000_000


def test_stats_count_every_request_by_its_end(shop: Introspection) -> None:
    get = shop.endpoints[0]
    for ended in ("replied", "replied", "not_found"):
        get.count(ended, 0.001)
    get.drop("past_deadline")
    [stats] = _body(shop, "$SRV.STATS")["endpoints"]
    assert stats["data"] == {"exits": {"replied": 2, "not_found": 1, "past_deadline": 1}}
    assert stats["num_requests"] == 3
