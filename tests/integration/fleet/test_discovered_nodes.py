"""Who answers a broadcast and is not in the fleet: found under a verified name, and never a member."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fleetfold import Client
from fleetfold_broker.bus import Bus
from fleetfold_broker.connection.subscription import Incoming
from fleetfold_broker.identity import BrokerKeys
from fleetfold_broker.rpc.headers import CORRELATION, GATHER
from fleetfold_broker.server.embedded import EmbeddedBroker
from fleetfold_shared.config import AccessConfig
from fleetfold_shared.errors import Forbidden
from fleetfold_shared.messages import JoinRequest, NodeDescription, Scopes
from support.fleet import fleetfold
from support.inprocess import Fleet, fleet
from support.wait import eventually

__all__ = ["fleet"]


def finds(client: Client, expected: dict[str, tuple[str, bool]]) -> Callable[[], Awaitable[bool]]:
    """Whether these are found: names, states, and whether they have answered."""

    async def found() -> bool:
        nodes = await client.nodes.discover(timeout_s=0.2)
        return {node.name: (node.state, node.ms is not None) for node in nodes} == expected

    return found


async def answer_as(bus: Bus, name: str) -> None:
    """Answer broadcast pings under this name."""

    async def answer(message: Incoming) -> None:
        headers = message.headers or {}
        reply = bus.subjects.gather(headers[GATHER], name)
        await bus.connection.publish(reply, b"{}", headers={CORRELATION: headers[CORRELATION]})

    await bus.connection.subscribe(bus.subjects.ask("ping"), answer)
    await bus.connection.barrier()


async def test_a_node_that_the_master_has_lost_is_found_while_its_credentials_are_good(fleet: Fleet) -> None:
    await fleet.start_child("shop")
    assert await fleet.client.nodes.discover(timeout_s=0.2) == []
    await fleet.stop_master()
    await fleet.start_master(data="empty", new=True)
    client = await fleet.new_client("tester")
    await eventually(finds(client, {"shop": ("unregistered", True)}))


async def test_a_node_that_waits_for_approval_is_found_though_it_hears_nothing(fleet: Fleet) -> None:
    assert fleet.master is not None
    await fleet.start_child("shop")
    description = NodeDescription(incarnation="i1", version="1.0")
    await fleet.master._access.join_requests.ask("crm", JoinRequest(claim="claim", description=description))
    await eventually(finds(fleet.client, {"crm": ("pending", False)}))


async def test_only_operators_discover_and_only_within_their_scopes(fleet: Fleet) -> None:
    assert fleet.master is not None
    for name in ("crm", "shop"):
        description = NodeDescription(incarnation="i1", version="1.0")
        await fleet.master._access.join_requests.ask(name, JoinRequest(claim="claim", description=description))
    scoped = await fleet.new_client("scoped", "operator", scopes=Scopes(nodes=["crm"]))
    await eventually(finds(scoped, {"crm": ("pending", False)}))
    with pytest.raises(Forbidden, match=r"nodes\.discover"):
        await (await fleet.new_client("reader", "reader")).nodes.discover()


async def test_without_identities_whoever_answers_is_found_and_members_are_not(
    broker: EmbeddedBroker, tmp_path: Path
) -> None:
    fleet = Fleet(broker, tmp_path, BrokerKeys.generate())
    fleet.access = AccessConfig(insecure=True)
    await fleet.start_master()
    client = await fleet.new_client("tester")
    try:
        for name in ("shop", "blog"):
            await fleet.start_child(name)
        await fleet.stop_child("blog")
        await client.nodes.remove("blog")
        async with await Bus.connect(broker.url, "ghost") as bus:
            await answer_as(bus, "ghost")
            await answer_as(bus, "blog")
            await eventually(finds(client, {"blog": ("removed", True), "ghost": ("unregistered", True)}))
            said = await fleetfold("nodes", "discover", "--timeout", "3", "--url", broker.url)
            assert [line.split()[:2] for line in said.out.splitlines()[2:]] == [
                ["blog", "removed"], ["ghost", "unregistered"]
            ]  # fmt: skip
        await eventually(finds(client, {}))
    finally:
        await fleet.close()
