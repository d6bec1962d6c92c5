"""One that floods the masters: what it says is not read, it is disconnected, and the audit log has it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from fleetfold import Client
from fleetfold_broker.bus import Bus
from fleetfold_broker.rpc.headers import CORRELATION, STATUS
from fleetfold_broker.subjects import Subjects
from fleetfold_master.nodes import Inflow
from fleetfold_shared.config import LimitsConfig
from fleetfold_shared.errors import FleetfoldError, Unauthenticated
from fleetfold_shared.messages import CAPABILITIES, AuditEntry, Heartbeat, NodeDescription, encode
from support.guarded import Shows
from support.inprocess import Fleet, fleet, gateway_of
from support.wait import eventually

__all__ = ["fleet"]

LIMITS = LimitsConfig(heartbeats_per_s=10, flood_per_s=100, flood_shut_out_s=600)


@pytest.fixture
async def strict(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """A fleet whose master bears little."""
    monkeypatch.setattr("fleetfold_master.master.LimitsConfig", lambda: LIMITS)
    await fleet.stop_master()
    await fleet.start_master()
    await fleet.start_child("shop")
    return fleet


@contextlib.asynccontextmanager
async def _intruder(fleet: Fleet, name: str) -> AsyncIterator[Bus]:
    """One who has stolen a node's access token, and does not come back by himself."""
    assert fleet.master is not None
    tokens = await fleet.master._access.sessions.open(name, CAPABILITIES)
    bus = await Bus.connect(fleet.broker.url, name, Subjects(), credential=Shows(tokens.access))
    try:
        yield bus
    finally:
        await bus.close()


async def _flood(bus: Bus, subject: str, data: bytes, headers: dict[str, str] | None = None) -> None:
    """Until it is cut off."""
    with contextlib.suppress(FleetfoldError):
        while True:
            for _ in range(20 if len(data) > 100_000 else 200):
                await bus.connection.publish(subject, data, headers=headers)
            await asyncio.sleep(0)


async def _audited(client: Client) -> list[AuditEntry]:
    return list(await client.audit.list(what="bus.flood"))


@pytest.mark.parametrize("kind", ["heartbeats", "progress", "answers", "malformed", "large", "gone", "results"])
async def test_who_floods_is_disconnected_and_audited_and_the_others_are_served(strict: Fleet, kind: str) -> None:
    subjects = Subjects()
    heartbeat = encode(Heartbeat(seq=1, description=NodeDescription(incarnation="i", version="1.0")))
    subject, data, headers = {
        "heartbeats": (subjects.heartbeat("crm"), heartbeat, None),
        "progress": (subjects.progress("crm"), b'{"id":"j.x.crm","progress":{"done":1}}', None),
        "answers": (subjects.gather("nobody", "crm"), b"{}", {CORRELATION: "1"}),
        "malformed": (subjects.heartbeat("crm"), b"{", None),
        "large": (subjects.progress("crm"), b'{"id":"j.x.crm","note":"' + b"x" * 500_000 + b'"}', None),
        "gone": (subjects.gather("nobody", "crm"), b"", {STATUS: "503"}),
        "results": (subjects.result("crm"), b"{" + b" " * 500_000, None),
    }[kind]
    assert strict.master is not None
    if kind in {"answers", "gone"}:  # one hears only what is said to its own masters
        subject = subjects.gather(gateway_of(strict.master)._gatherer._requester, "crm")
    with capture_logs() as logs:
        async with _intruder(strict, "crm") as bus:
            await asyncio.wait_for(_flood(bus, subject, data, headers), 60)
            assert not bus.connection.is_up

            async def told() -> bool:
                return bool(await _audited(strict.client))

            await eventually(told)
            await eventually(lambda: any(entry["event"] == "identity.flooded" for entry in logs))
    [entry] = await _audited(strict.client)
    assert (entry.who, entry.outcome, entry.role) == ("crm", "refused", "child")
    assert entry.reason == "over 100 messages a second; not let in for 600 s"
    with pytest.raises(Unauthenticated):
        async with _intruder(strict, "crm"):
            pass
    assert set(await strict.client.nodes.ping()) >= {"shop"}
    assert sum(entry["event"] == "heartbeat.malformed" for entry in logs) == (kind == "malformed")
    assert sum(entry["event"] == "identity.flooded" for entry in logs) == 1


async def test_of_many_heartbeats_few_are_read_and_the_newest_counts(
    strict: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Inflow, "junk", lambda *_: None)  # this one is let go on
    assert strict.master is not None
    registry, read = strict.master._access._registry, list[int]()
    heard = registry.heard

    def counted(name: str, heartbeat: Heartbeat) -> object:
        if name == "shop" and heartbeat.description.incarnation == known.incarnation:
            read.append(heartbeat.seq)
        return heard(name, heartbeat)

    known = registry.get("shop").description
    monkeypatch.setattr(registry, "heard", counted)
    bus = strict.children["shop"]._node._bus  # type: ignore[union-attr]
    publish = bus.publish

    async def silent(*_: object) -> None:
        """Its own heartbeats would be newer than the newest."""

    monkeypatch.setattr(bus, "publish", silent)
    for seq in range(1000, 3000):
        await publish(bus.subjects.heartbeat("shop"), Heartbeat(seq=seq, description=known, in_flight=seq))
    await eventually(lambda: 2999 in read)
    assert len(read) < 500
