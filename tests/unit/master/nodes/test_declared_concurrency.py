"""How many of an action may be out at once: the least that any node declares."""

from __future__ import annotations

from fleetfold_master.nodes.declared_concurrency import DeclaredLimits
from fleetfold_master.nodes.node_rows import StoredNode
from fleetfold_shared.clock import ManualClock
from fleetfold_shared.errors import NotFound
from fleetfold_shared.messages import ActionInfo, NodeDescription


class _Nodes:
    def __init__(self, **slots: int | None) -> None:
        self.slots = slots

    def all(self) -> list[StoredNode]:
        return [self.get(name) for name in self.slots]

    def get(self, name: str) -> StoredNode:
        if name not in self.slots:
            raise NotFound(name)
        actions = [ActionInfo("sync", {}, slots=self.slots[name]), ActionInfo("other", {})]
        description = NodeDescription(incarnation="i", version="1.0", actions=actions)
        return StoredNode(name=name, state="active", description=description, registered_at=0.0)


def test_the_least_of_the_fleet_counts_wherever_it_runs() -> None:
    slots = DeclaredLimits(_Nodes(a=5, b=3, c=None), ManualClock())  # type: ignore[arg-type]
    assert slots("sync", ["a"]) == 3
    assert slots("sync", ["c", "gone"]) == 3
    assert slots("other", ["a"]) is None


def test_a_node_that_says_so_just_now_is_heeded_at_once_and_one_that_no_longer_does_soon() -> None:
    nodes, clock = _Nodes(a=None), ManualClock()
    slots = DeclaredLimits(nodes, clock)  # type: ignore[arg-type]
    assert slots("sync", ["a"]) is None
    nodes.slots["a"] = 2
    assert slots("sync", ["a"]) == 2
    nodes.slots["a"] = None
    clock.advance(2)
    assert slots("sync", ["a"]) is None
