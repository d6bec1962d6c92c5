"""The registry: who is taken in under which name, what heartbeats add, and what an operator's word outlasts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from fleetfold_master.nodes import Presence, Registry
from fleetfold_master.nodes.fleet_statistics import fleet_statistics
from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.errors import Conflict, InvalidInput, NotFound
from fleetfold_shared.messages import CollectionInfo, Heartbeat, LedgerMark, NodeDescription, NodeUpdate, Problem

VERSION = "1.4.0"


class Rows:
    """A store of nodes in memory. `hold` keeps writers waiting until it is released."""

    def __init__(self) -> None:
        self.by_name: dict[str, StoredNode] = {}
        self.writes = 0
        self.open = asyncio.Event()
        self.open.set()

    async def put(self, record: StoredNode, *fields: str) -> None:
        self.writes += 1
        await self.open.wait()
        there = self.by_name.get(record.name)
        if there is not None and fields:
            record = msgspec.structs.replace(there, **{name: getattr(record, name) for name in fields})
        self.by_name[record.name] = record

    async def get(self, name: str) -> StoredNode | None:
        return self.by_name.get(name)

    async def seen(self, times: dict[str, float]) -> None:
        self.writes += 1
        for name, at in times.items():
            self.by_name[name] = msgspec.structs.replace(self.by_name[name], last_seen_at=at)

    async def list(self, *, removed: bool = False) -> list[StoredNode]:
        return [node for node in self.by_name.values() if removed or node.removed_at is None]


class Room:
    """A registry with what it is given; names in `living` answer a probe with their incarnation."""

    def __init__(self, rows: Rows | None = None, version: str = VERSION) -> None:
        self.rows = rows or Rows()
        self.clock = ManualClock()
        self.presence = Presence(self.clock, heartbeat_s=5.0)
        self.registry = Registry(self.rows, self.presence, self.clock, version)  # type: ignore[arg-type]
        self.living: dict[str, str] = {}
        self.probed: list[str] = []

    async def probe(self, name: str) -> str | None:
        self.probed.append(name)
        await asyncio.sleep(0)
        return self.living.get(name)

    async def join(self, name: str = "shop", incarnation: str = "i1", **more: object) -> bool:
        """Whether the incarnation was new."""
        record, fresh = await self.registry.join(name, described(incarnation, **more), self.probe)
        assert record.name == name
        return fresh


@pytest.fixture
async def room() -> Room:
    return Room()


def described(incarnation: str = "i1", **more: object) -> NodeDescription:
    return NodeDescription(**({"incarnation": incarnation, "version": VERSION} | more))  # type: ignore[arg-type]


def heartbeat(
    incarnation: str = "i1", *, leaving: bool = False, in_flight: int = 0, problems: Sequence[Problem] = (),
    heartbeat_s: float | None = None, **more: object,
) -> Heartbeat:  # fmt: skip
    return Heartbeat(
        seq=1, description=described(incarnation, **more), in_flight=in_flight, leaving=leaving,
        problems=list(problems), heartbeat_s=heartbeat_s,
    )  # fmt: skip


async def test_a_new_name_is_taken_in_without_asking_around(room: Room) -> None:
    assert await room.join()
    assert room.probed == []
    assert room.registry.healthy("shop")
    assert room.rows.by_name["shop"].description.incarnation == "i1"


async def test_a_masters_own_clock_is_wrong_when_most_nodes_say_so(room: Room) -> None:
    for name in ("shop", "blog"):
        await room.join(name)
        assert not room.registry.own_clock_is_wrong
    for name in ("shop", "blog") * 3:
        room.registry.heard(name, msgspec.structs.replace(heartbeat(), at=room.clock.wall() - 40 * 86_400))
    assert room.registry.own_clock_is_wrong


async def test_the_same_incarnation_may_join_again(room: Room) -> None:
    await room.join()
    room.living["shop"] = "i1"
    assert not await room.join()


async def test_a_new_incarnation_of_a_dead_node_resumes_it(room: Room) -> None:
    await room.join()
    room.clock.advance(100)
    assert await room.join(incarnation="i2")
    node = room.registry.get("shop")
    assert node.description.incarnation == "i2"
    assert node.registered_at == room.clock.wall() - 100


async def test_the_name_of_a_living_node_is_taken(room: Room) -> None:
    await room.join()
    room.living["shop"] = "i1"
    with pytest.raises(Conflict, match="'shop'") as refused:
        await room.join(incarnation="i2")
    assert refused.value.field == "name"
    assert room.registry.get("shop").description.incarnation == "i1"


async def test_a_node_that_answers_under_its_own_incarnation_takes_its_name_back(room: Room) -> None:
    await room.join()
    room.living["shop"] = "i2"
    assert await room.join(incarnation="i2")


async def test_a_name_that_may_not_stand_in_a_subject_is_refused(room: Room) -> None:
    with pytest.raises(InvalidInput):
        await room.join("a.b")
    assert room.rows.by_name == {}


@pytest.mark.parametrize("version", ["2.0.0", "0.9"])
async def test_another_major_version_is_registered_and_not_used(room: Room, version: str) -> None:
    await room.join(version=version)
    assert room.registry.get("shop").state == "incompatible"
    assert not room.registry.healthy("shop")
    await room.join(incarnation="i2", version="1.0.0")
    assert room.registry.get("shop").state == "active"


async def test_maintenance_is_sticky(room: Room) -> None:
    await room.join()
    await room.registry.update(NodeUpdate(node="shop", state="maintenance"))
    room.registry.heard("shop", heartbeat())
    await room.join(incarnation="i2")
    assert room.registry.get("shop").state == "maintenance"
    assert not room.registry.healthy("shop")
    await room.registry.update(NodeUpdate(node="shop", state="active"))
    assert room.registry.healthy("shop")


async def test_maintenance_set_while_a_node_joins_is_not_lost(room: Room) -> None:
    await room.join()

    async def an_operator_is_quicker(_name: str) -> None:
        await room.registry.update(NodeUpdate(node="shop", state="maintenance"))

    await room.registry.join("shop", described("i2"), an_operator_is_quicker)
    assert room.registry.get("shop").state == "maintenance"


async def test_a_removed_node_is_gone_and_its_name_may_return(room: Room) -> None:
    await room.join()
    await room.registry.update(NodeUpdate(node="shop", title="The shop"))
    await room.registry.remove("shop")
    assert room.registry.all() == []
    assert [node.state for node in room.registry.all(removed=True)] == ["removed"]
    assert room.registry.heard("shop", heartbeat()) == "removed"
    with pytest.raises(NotFound, match="none yet"):
        room.registry.get("shop")
    assert await room.join(incarnation="i2")
    returned = room.registry.get("shop")
    assert (returned.state, returned.title, returned.removed_at) == ("active", "The shop", None)


async def test_a_heartbeat_on_its_way_does_not_bring_a_removed_node_back(room: Room) -> None:
    await room.join()
    room.rows.open.clear()
    removing = asyncio.create_task(room.registry.remove("shop"))
    await asyncio.sleep(0)
    room.registry.heard("shop", heartbeat())
    saving = asyncio.create_task(room.registry.save())
    await asyncio.sleep(0)
    room.rows.open.set()
    await asyncio.gather(removing, saving)
    assert room.rows.by_name["shop"].state == "removed"


async def test_what_a_heartbeat_brings_during_an_update_is_kept(room: Room) -> None:
    await room.join()
    room.rows.open.clear()
    updating = asyncio.create_task(room.registry.update(NodeUpdate(node="shop", title="The shop")))
    await asyncio.sleep(0)
    room.registry.heard("shop", heartbeat(collections=[CollectionInfo("docs", 7)]))
    room.rows.open.set()
    await updating
    await room.registry.save()
    for node in (room.registry.get("shop"), room.rows.by_name["shop"]):
        assert (node.title, node.description.collections) == ("The shop", [CollectionInfo("docs", 7)])


async def test_heartbeats_are_told_apart(room: Room) -> None:
    assert room.registry.heard("shop", heartbeat()) == "unknown"
    await room.join()
    assert room.registry.heard("shop", heartbeat("i0")) == "superseded"
    assert room.registry.heard("shop", heartbeat(in_flight=3)) == "ok"
    assert room.registry.record(room.registry.get("shop")).in_flight == 3


async def test_a_superseded_process_keeps_nobody_alive(room: Room) -> None:
    await room.join()
    room.clock.advance(16)
    room.registry.heard("shop", heartbeat("i0"))
    assert not room.registry.healthy("shop")


async def test_a_goodbye_marks_a_node_down_at_once(room: Room) -> None:
    await room.join()
    assert room.registry.heard("shop", heartbeat(leaving=True)) == "ok"
    assert not room.registry.healthy("shop")
    assert room.registry.get("shop").state == "active"


INDEX = Problem("index", "collection products: it cannot be read")
LEDGER = Problem("ledger", "ledger: node.db is missing")


async def test_a_node_with_a_problem_is_in_error_until_it_has_none(room: Room) -> None:
    await room.join()
    room.clock.advance(7)
    for _ in range(3):
        room.registry.heard("shop", heartbeat(problems=[LEDGER]))
    record = room.registry.record(room.registry.get("shop"))
    assert (record.state, record.healthy, record.reason, record.failing) == ("error", False, LEDGER.reason, ["ledger"])
    assert (record.since, record.presence) == (room.clock.wall(), "up")
    room.clock.advance(3)
    room.registry.heard("shop", heartbeat())
    record = room.registry.record(room.registry.get("shop"))
    assert (record.state, record.healthy, record.reason, record.since) == ("active", True, "", room.clock.wall())


async def test_without_its_index_a_node_runs_actions_and_without_its_ledger_none(room: Room) -> None:
    await room.join()
    assert room.registry.acts("shop")
    room.registry.heard("shop", heartbeat(problems=[INDEX]))
    assert room.registry.acts("shop")
    room.registry.heard("shop", heartbeat(problems=[INDEX, LEDGER]))
    assert not room.registry.acts("shop")


async def test_maintenance_stands_over_an_error_and_the_error_is_there_after_it(room: Room) -> None:
    await room.join()
    room.registry.heard("shop", heartbeat(problems=[LEDGER]))
    record = await room.registry.update(NodeUpdate(node="shop", state="maintenance"), "ann")
    assert (record.state, record.reason, record.since) == ("maintenance", "set by ann", room.clock.wall())
    room.registry.heard("shop", heartbeat(problems=[LEDGER]))
    assert room.registry.get("shop").state == "maintenance"
    assert (await room.registry.update(NodeUpdate(node="shop", state="active"))).state == "error"


async def test_an_error_and_since_when_it_is_are_known_after_a_restart_of_the_master(room: Room) -> None:
    await room.join()
    began = room.clock.wall()
    room.registry.heard("shop", heartbeat(problems=[LEDGER]))
    await room.registry.save()
    successor = Room(room.rows)
    successor.clock.advance(100)
    await successor.registry.load()
    record = successor.registry.record(successor.registry.get("shop"))
    assert (record.state, record.reason, record.since) == ("error", LEDGER.reason, began)


async def test_a_node_that_said_goodbye_is_stopped_and_one_that_is_silent_is_not_heard(room: Room) -> None:
    await room.join()
    room.registry.heard("shop", heartbeat(leaving=True))
    await room.registry.save()
    assert room.registry.record(room.registry.get("shop")).presence == "stopped"
    successor = Room(room.rows)
    await successor.registry.load()
    assert successor.registry.record(successor.registry.get("shop")).presence == "stopped"
    await room.join(incarnation="i2")
    assert room.registry.record(room.registry.get("shop")).presence == "up"
    room.clock.advance(16)
    assert room.registry.record(room.registry.get("shop")).presence == "not_heard"


async def test_before_one_another_minor_version_is_incompatible() -> None:
    room = Room(version="0.1.0")
    await room.join(version="0.2.0")
    record = room.registry.record(room.registry.get("shop"))
    assert record.state == "incompatible"
    assert "runs fleetfold 0.2.0, the masters 0.1.0" in record.reason


async def test_an_incompatible_node_cannot_be_made_active(room: Room) -> None:
    await room.join(version="2.0.0")
    with pytest.raises(Conflict, match=r"runs fleetfold 2\.0\.0, the masters 1\.4\.0.*upgrade the masters"):
        await room.registry.update(NodeUpdate(node="shop", state="active"))
    assert (await room.registry.update(NodeUpdate(node="shop", title="The shop"))).state == "incompatible"
    assert (await room.registry.update(NodeUpdate(node="shop", state="maintenance"))).state == "maintenance"
    with pytest.raises(Conflict, match="cannot be made active"):
        await room.registry.update(NodeUpdate(node="shop", state="active"))


async def test_an_incompatible_node_cannot_be_approved(room: Room) -> None:
    room.registry.pending.add("shop", described(version="2.0.0"), 1.0)
    with pytest.raises(Conflict, match=r"runs fleetfold 2\.0\.0, the masters 1\.4\.0"):
        await room.registry.approve("shop")
    assert "shop" in room.registry.pending.nodes


async def test_a_node_that_comes_back_with_the_right_version_is_what_it_was_before(room: Room) -> None:
    await room.join()
    await room.join(incarnation="i2", version="2.0.0")
    await room.join(incarnation="i3")
    assert room.registry.get("shop").state == "active"
    await room.registry.update(NodeUpdate(node="shop", state="maintenance"))
    await room.join(incarnation="i4", version="2.0.0")
    await room.join(incarnation="i5")
    assert room.registry.get("shop").state == "maintenance"


async def test_a_master_that_was_upgraded_finds_its_nodes_incompatible(room: Room) -> None:
    await room.join()
    upgraded = Room(room.rows, version="2.0.0")
    upgraded.clock.advance(5)
    await upgraded.registry.load()
    record = upgraded.registry.record(upgraded.registry.get("shop"))
    assert (record.state, record.since) == ("incompatible", upgraded.clock.wall())
    assert record.reason.endswith("upgrade the node")


async def test_a_version_that_is_none_is_refused_at_the_join(room: Room) -> None:
    with pytest.raises(InvalidInput, match="version: 'latest' is no version"):
        await room.join(version="latest")
    assert room.rows.by_name == {}


async def test_heartbeats_are_written_by_save_and_not_before(room: Room) -> None:
    await room.join()
    before = room.rows.writes
    for _ in range(10):
        room.registry.heard("shop", heartbeat(collections=[CollectionInfo("docs", 7)]))
    assert room.rows.writes == before
    await room.registry.save()
    await room.registry.save()
    assert room.rows.writes == before + 1
    assert room.rows.by_name["shop"].description.collections == [CollectionInfo("docs", 7)]


async def test_an_operators_labels_and_weight_stand_over_the_nodes_own(room: Room) -> None:
    await room.join(labels={"zone": "eu"}, weight=2.0)
    record = await room.registry.update(NodeUpdate(node="shop", labels={"zone": "us"}, weight=5.0))
    assert (record.description.labels, record.description.weight) == ({"zone": "us"}, 5.0)
    await room.join(incarnation="i2", labels={"zone": "asia"})
    again = room.registry.record(room.registry.get("shop"))
    assert (again.description.labels, again.description.weight) == ({"zone": "us"}, 5.0)


async def test_an_update_changes_what_it_names_and_nothing_else(room: Room) -> None:
    await room.join(labels={"zone": "eu"})
    await room.registry.update(NodeUpdate(node="shop", title="The shop"))
    before = room.registry.get("shop")
    await room.registry.update(NodeUpdate(node="shop", state="inactive"))
    after = msgspec.structs.replace(before, state="inactive", assigned="inactive", assigned_at=room.clock.wall())
    assert room.registry.get("shop") == after


async def test_an_empty_update_is_refused(room: Room) -> None:
    await room.join()
    with pytest.raises(InvalidInput, match="at least one"):
        await room.registry.update(NodeUpdate(node="shop"))


@pytest.mark.parametrize("verb", ["update", "remove"])
async def test_nothing_is_done_to_a_node_that_is_not_there(room: Room, verb: str) -> None:
    await room.join("blog")
    argument = NodeUpdate(node="shop", title="x") if verb == "update" else "shop"
    with pytest.raises(NotFound, match="there are: blog"):
        await getattr(room.registry, verb)(argument)


async def test_a_new_master_knows_what_the_store_knows(room: Room) -> None:
    await room.join("shop")
    await room.join("blog")
    await room.registry.remove("blog")
    successor = Room(room.rows)
    await successor.registry.load()
    assert [node.name for node in successor.registry.all()] == ["shop"]
    assert not successor.registry.healthy("shop")
    assert successor.registry.heard("blog", heartbeat()) == "removed"


async def test_the_fleet_in_figures(room: Room) -> None:
    await room.join("shop", type="shop", collections=[CollectionInfo("a", 3), CollectionInfo("b", 4)])
    await room.join("blog", type="blog", collections=[CollectionInfo("posts", 5)])
    await room.join("crm", type="shop", version="2.0")
    await room.join("gone", collections=[CollectionInfo("x", 1000)])
    await room.registry.remove("gone")
    room.presence.answered("shop", 4.0)
    stats = fleet_statistics([room.registry.record(node) for node in room.registry.all()])
    assert (stats.total, stats.healthy, stats.documents, stats.mean_response_ms) == (3, 2, 12, 4.0)
    assert stats.by_state == {"active": 2, "incompatible": 1}
    assert stats.by_type == {"shop": 2, "blog": 1}


async def test_heartbeats_with_nothing_new_cost_one_write_for_all_nodes(room: Room) -> None:
    names = ["blog", "crm", "shop"]
    for name in names:
        await room.join(name)
    room.clock.advance(5.0)
    before = room.rows.writes
    for name in names:
        room.registry.heard(name, heartbeat())
    await room.registry.save()
    assert room.rows.writes == before + 1
    assert {node.last_seen_at for node in room.rows.by_name.values()} == {room.clock.wall()}


async def test_what_another_master_has_changed_is_read_again_and_not_written_over() -> None:
    rows = Rows()
    room, other = Room(rows), Room(rows)
    await room.join()
    await other.registry.reload()
    await other.registry.update(NodeUpdate(node="shop", state="maintenance"))
    room.registry.heard("shop", heartbeat(collections=[CollectionInfo("docs", 7)]))
    await room.registry.reload("shop")
    await room.registry.save()
    for registry in (room.registry, other.registry):
        assert registry.get("shop").state == "maintenance"
    assert room.registry.get("shop").description.collections == [CollectionInfo("docs", 7)]
    assert rows.by_name["shop"].state == "maintenance"


async def test_a_node_removed_at_another_master_is_gone_here() -> None:
    rows = Rows()
    room, other = Room(rows), Room(rows)
    await room.join()
    await other.registry.reload()
    await other.registry.remove("shop")
    assert await room.registry.reload("shop") == ["shop"]
    assert await room.registry.reload("shop") == []
    assert not room.presence.is_up("shop")


async def test_what_heartbeats_brought_is_written_with_whatever_is_written_next(room: Room) -> None:
    await room.join()
    room.registry.heard("shop", Heartbeat(seq=2, description=described(), ledger=LedgerMark("a", 9)))
    await room.registry.update(NodeUpdate(node="shop", title="The shop"))
    await room.registry.save()
    assert room.rows.by_name["shop"].ledger == LedgerMark("a", 9)


async def test_a_ledger_that_has_grown_since_its_refusal_is_accepted_at_once(room: Room) -> None:
    """Its end of an interrupted command, for one: the refusal names the height of before."""
    await room.registry.join("shop", described(), room.probe, LedgerMark("a", 9))
    room.registry.heard("shop", Heartbeat(seq=1, description=described(), ledger=LedgerMark("a", 5)))
    await room.registry.accept_ledger("shop", LedgerMark("a", 6))
    assert (room.registry.get("shop").state, room.registry.record(room.registry.get("shop")).reason) == ("active", "")


async def test_a_refused_ledger_is_an_error_until_it_is_accepted(room: Room) -> None:
    for incarnation, height in (("i1", 9), ("i2", 5)):
        await room.registry.join("shop", described(incarnation), room.probe, LedgerMark("a", height))
    assert (room.registry.get("shop").state, room.registry.acts("shop")) == ("error", False)
    assert "older (height 5, known 9)" in room.registry.refuses_ledger("shop")
    await room.registry.accept_ledger("shop", LedgerMark("a", 5))
    assert (room.registry.get("shop").state, room.registry.refuses_ledger("shop")) == ("active", "")
    assert room.rows.by_name["shop"].ledger == LedgerMark("a", 5)


async def test_a_node_that_was_removed_is_new_when_it_joins_again(room: Room) -> None:
    await room.registry.join("shop", described("i1"), room.probe, LedgerMark("a", 9))
    await room.registry.remove("shop")
    record, _ = await room.registry.join("shop", described("i2"), room.probe, LedgerMark("b", 0))
    assert (record.state, record.ledger) == ("active", LedgerMark("b", 0))
