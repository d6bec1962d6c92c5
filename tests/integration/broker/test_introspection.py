"""`$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`: the fleet as `nats micro ls` and ADR-32 see it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest

from fleetfold_broker.bus import Bus
from fleetfold_broker.gather import Gatherer
from fleetfold_broker.service import Request, Service
from fleetfold_shared.errors import NotFound
from fleetfold_shared.messages import Message, NodeGet, NodeRemoved, decode
from support.broker import Connect, ServeNode, listen

STRINGS = {"name", "id", "version", "type"}


async def _get(request: Request) -> Message:
    if decode(request.data, NodeGet).node == "gone":
        raise NotFound("no node 'gone'")
    return NodeRemoved(node="x")


@pytest.fixture
async def shop(connect: Connect, serve: ServeNode) -> Service:
    bus = await connect("shop")
    service = await serve(bus, "shop", get=_get)
    await service.start()
    await bus.link.barrier()
    return service


async def _look(bus: Bus, subject: str) -> dict[str, Any]:
    answer: dict[str, Any] = msgspec.json.decode((await bus.ask(subject, b"", 10.0)).data)
    return answer


async def test_ping_says_who_is_there(shop: Service, master: Bus) -> None:
    pong = await _look(master, "$SRV.PING")
    assert pong["type"] == "io.nats.micro.v1.ping_response"
    assert (pong["name"], pong["version"], pong["metadata"]) == ("fleetfold-shop", "1.2.3", {})


@pytest.mark.parametrize("verb", ["PING", "INFO", "STATS"])
async def test_a_service_answers_in_general_by_name_and_by_id(shop: Service, master: Bus, verb: str) -> None:
    general = await _look(master, f"$SRV.{verb}")
    named = await _look(master, f"$SRV.{verb}.fleetfold-shop")
    single = await _look(master, f"$SRV.{verb}.fleetfold-shop.{general['id']}")
    assert general == named == single
    assert all(isinstance(general[key], str) for key in STRINGS)


async def test_info_lists_the_endpoints(shop: Service, master: Bus) -> None:
    info = await _look(master, "$SRV.INFO.fleetfold-shop")
    assert info["type"] == "io.nats.micro.v1.info_response"
    assert info["description"] == ""
    assert info["endpoints"] == [
        {"name": "get", "subject": "fleet.call.shop.get", "queue_group": "shop", "metadata": {}},
        {"name": "ask-get", "subject": "fleet.ask.get", "queue_group": "shop", "metadata": {}},
    ]


async def test_stats_count_what_was_served_and_what_went_wrong(shop: Service, master: Bus) -> None:
    gatherer = Gatherer(master)
    await gatherer.start()
    for node in ("a", "b", "gone"):
        await gatherer.ask("get", ["shop"], b'{"node":"%s"}' % node.encode(), 10.0)
    stats = await _look(master, "$SRV.STATS.fleetfold-shop")
    assert stats["type"] == "io.nats.micro.v1.stats_response"
    assert datetime.fromisoformat(stats["started"]).tzinfo is not None
    called, asked = stats["endpoints"]
    assert (called["num_requests"], called["num_errors"], called["last_error"]) == (3, 1, "no node 'gone'")
    assert (asked["num_requests"], asked["num_errors"], asked["last_error"]) == (0, 0, "")
    assert called["average_processing_time"] == called["processing_time"] // 3 > 0


async def test_all_that_are_there_answer(shop: Service, connect: Connect, serve: ServeNode, master: Bus) -> None:
    for name in ("blog", "crm"):
        bus = await connect(name)
        await (await serve(bus, name, get=_get)).start()
        await bus.link.barrier()
    heard = await listen(master, "_INBOX.master.roll-call")
    await master.link.publish("$SRV.PING", b"", "_INBOX.master.roll-call")
    while len(heard) < 3:
        await master.link.barrier()
    assert {msgspec.json.decode(each.data)["name"] for each in heard} == {
        "fleetfold-shop",
        "fleetfold-blog",
        "fleetfold-crm",
    }


async def test_an_introspection_aimed_past_an_inbox_is_not_answered(shop: Service, master: Bus) -> None:
    heard = await listen(master, "fleet.cmd.*")
    await master.link.publish("$SRV.PING", b"", "fleet.cmd.shop")
    await _look(master, "$SRV.PING")
    await master.link.barrier()
    assert heard == []
