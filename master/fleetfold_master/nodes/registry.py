"""The registry of nodes: changes of their stored rows, and what heartbeats add to them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog
from msgspec.structs import replace

from fleetfold_master.events import (
    Announce,
    NodeChanged,
    NodeJoined,
    NodeRemoved,
    NodeStateChanged,
    Publish,
    announce_to_nobody,
    publish_to_nobody,
)
from fleetfold_master.nodes.clock_watch import THIS, ClockWatch
from fleetfold_master.nodes.description_check import check_description
from fleetfold_master.nodes.effective_state import judged, read_again, standing
from fleetfold_master.nodes.known_ledgers import is_refusal, known_as
from fleetfold_master.nodes.node_directory import NodeDirectory
from fleetfold_master.nodes.node_rows import NodeRows, StoredNode
from fleetfold_master.nodes.node_updates import (
    Probe,
    changed_fields,
    differing_fields,
    joined_row,
    refuse_if_taken,
    refuse_incompatible,
)
from fleetfold_master.nodes.presence import Presence
from fleetfold_shared.clock import Clock
from fleetfold_shared.compatibility import check_version
from fleetfold_shared.ids import check_node_name
from fleetfold_shared.messages import Heartbeat, LedgerMark, NodeDescription, NodeRecord, NodeUpdate, Problem

__all__ = ["Registry"]

log = structlog.get_logger(__name__)

LEDGER = ("ledger_generation", "ledger_height", "ledger_incarnation")
"""Fields that heartbeats raise, and that an operator may set anew: written with the others, but read from the row."""
BROUGHT = ("description", "last_seen_at", "problems", "trouble_at", "stopped_at", "heartbeat_s")
"""Fields that heartbeats bring; the rest of a row is set by operators, perhaps at another master.
The state follows from both."""


class Registry(NodeDirectory):
    """The directory, and all changes of it. Changes are stored before they are applied here, one after another; what
    heartbeats bring is applied at once and stored by the next `save`.

    A changed row is passed to `announce`, so the other masters have it before the caller has the answer.
    """

    def __init__(
        self, store: NodeRows, presence: Presence, clock: Clock, version: str, *,
        publish: Publish = publish_to_nobody, announce: Announce = announce_to_nobody,
    ) -> None:  # fmt: skip
        super().__init__(presence, ClockWatch(clock, publish), version)
        self._store, self._clock, self._publish, self._announce = store, clock, publish, announce
        self._unsaved: set[str] = set()
        self._seen: set[str] = set()
        self._writing = asyncio.Lock()

    async def load(self) -> None:
        """Load all rows, removed nodes included."""
        self._nodes = {node.name: self._stated(node) for node in await self._store.list(removed=True)}

    async def reload(self, name: str = "") -> list[str]:
        """Reload the row of `name`, or all, that another master may have written. Returns nodes removed meanwhile.

        What heartbeats brought stays, as long as the row is of the same incarnation.
        """
        async with self._writing:
            found = await self._store.get(name) if name else None
            rows = ([found] if found else []) if name else await self._store.list(removed=True)
            return [row.name for row in rows if self._read_again(row)]

    async def join(
        self, name: str, description: NodeDescription, probe: Probe, ledger: LedgerMark | None = None
    ) -> tuple[NodeRecord, bool]:
        """Join `name`, with the ledger of that mark. Returns its record, and whether this incarnation is new here.

        Raises `Conflict` if another incarnation answers under that name, `InvalidInput` for a description out of
        bounds or an invalid version.
        """
        check_node_name(name, "name")
        check_version(description.version)
        check_description(description)
        known = self._nodes.get(name)
        fresh = known is None or known.description.incarnation != description.incarnation
        if fresh and known is not None:
            await refuse_if_taken(name, description, probe)
        async with self._writing:
            self._ledgers.tell(name, description.incarnation, ledger)
            node = self._joined(name, description)
            await self._put(node)
        self._presence.heard(name)
        if fresh:
            self._presence.reborn(name)
        await self._announce(NodeJoined(name, description.incarnation, fresh))
        return self.record(node), fresh

    def heard(self, name: str, heartbeat: Heartbeat) -> str:
        """Process a heartbeat. Returns `ok`, or why it does not count: `unknown`, `removed`, `superseded`.

        Raises `InvalidInput` for a description out of bounds.
        """
        node = self._nodes.get(name)
        if node is None or node.state == "removed":
            return "unknown" if node is None else "removed"
        check_description(heartbeat.description, node.description)
        if node.description.incarnation != heartbeat.description.incarnation:
            return "superseded"
        if heartbeat.leaving:
            self._presence.left(name)
            self._clocks.forget(name)
            self._ledgers.tell(name, heartbeat.description.incarnation, heartbeat.ledger, heartbeat.seq)
            self._take(node, replace(self._ledgers.judge(node)[0], stopped_at=self._clock.wall()))
            return "ok"
        self._presence.heard(name, heartbeat.heartbeat_s)
        self._in_flight[name] = heartbeat.in_flight
        self._clocks.heard(name, heartbeat.at)
        self._ledgers.tell(name, heartbeat.description.incarnation, heartbeat.ledger, heartbeat.seq)
        heard = replace(
            node, description=heartbeat.description, last_seen_at=self._clock.wall(), stopped_at=None,
            heartbeat_s=heartbeat.heartbeat_s or self._presence.heartbeat_s,
        )  # fmt: skip
        self._take(node, self._with_ledger(heard, heartbeat.problems))
        return "ok"

    @property
    def own_clock_is_wrong(self) -> bool:
        """Whether most nodes agree that this master's clock is."""
        return self._clocks.off_s(THIS) is not None

    def told_with_results(self, name: str, incarnation: str, mark: LedgerMark) -> None:
        """Take the mark of the ledger that has results of this incarnation: an older one is one that denies them."""
        node = self._nodes.get(name)
        if node is None or node.state == "removed" or node.description.incarnation != incarnation:
            return
        self._ledgers.tell_height(name, incarnation, mark)
        known, _ = self._ledgers.judge(node)
        if known != node:
            self._take(node, known)

    async def accept_ledger(self, name: str, mark: LedgerMark) -> None:
        """Make this ledger the known one."""
        async with self._writing:
            node = self.get(name)
            node = known_as(node, mark, node.description.incarnation)
            self._ledgers.tell(name, node.description.incarnation, mark)
            problems = [one for one in node.problems if not is_refusal(name, one.reason)]
            await self._put(self._judged(node, problems), *LEDGER, "problems", "state", "trouble_at")
        await self._announce(NodeChanged(name))

    def answered(self, name: str) -> None:
        """Record that the node answered a ping."""
        node = self._nodes[name]
        self._presence.heard(name, node.heartbeat_s)
        self._take(node, replace(node, stopped_at=None))

    async def save(self) -> None:
        """Store what heartbeats brought since the last call: whole rows of nodes that changed, and one write for all
        others that were heard from."""
        async with self._writing:
            changed = list(self._unsaved)
            for name in changed:
                await self._put(self._nodes[name], *BROUGHT, *LEDGER)
            seen, self._seen = self._seen.difference(changed), set()
            if seen:
                await self._store.seen({name: self._nodes[name].last_seen_at or 0.0 for name in seen})

    def check_approval(self, name: str, description: NodeDescription) -> None:
        """Raise `Conflict`, naming both versions, if the node could not become active."""
        refuse_incompatible(name, description, self._version)

    async def approve(self, name: str) -> NodeRecord:
        """Make a pending node active. Raises `NotFound` if it is not pending, `Conflict` if it is incompatible."""
        waiting = self.pending.get(name)
        self.check_approval(name, waiting.description)
        async with self._writing:
            node = replace(self._joined(name, waiting.description), last_seen_at=None)
            await self._put(node)
        self.pending.remove(name)
        await self._announce(NodeChanged(name))
        return self.record(node)

    async def update(self, change: NodeUpdate, by: str = "") -> NodeRecord:
        """Apply a change by the operator `by`. Raises `Conflict` for an incompatible node that is to be active."""
        async with self._writing:
            node = self.get(change.node)
            wanted = changed_fields(node, change, by, self._clock.wall(), self._version)
            await self._put(self._judged(replace(node, **wanted)), *wanted, "state", "trouble_at")
        await self._announce(NodeChanged(change.node))
        return self.record(self.get(change.node))

    async def remove(self, name: str) -> None:
        """Remove a node; its row stays, and the name may join again."""
        async with self._writing:
            await self._put(replace(self.get(name), state="removed", removed_at=self._clock.wall()))
        self._presence.gone(name)
        await self._announce(NodeRemoved(name))

    def _read_again(self, row: StoredNode) -> bool:
        """Apply a row that was read. Returns whether its node was removed since the last read."""
        known = self._nodes.get(row.name)
        if known is not None and known.description.incarnation == row.description.incarnation:
            row = replace(row, **{name: getattr(known, name) for name in BROUGHT})
        elif known is not None:
            self._presence.reborn(row.name)
        self._nodes[row.name] = self._stated(row)
        gone = row.state == "removed" and (known is None or known.state != "removed")
        if gone:
            self._presence.gone(row.name)
        return gone

    async def _put(self, node: StoredNode, *fields: str) -> None:
        """Write `node`, with the lock held: of an existing row only `fields`, or what differs, and what heartbeats have
        brought since the last `save`. What one brings meanwhile is kept for the next."""
        before = self._nodes.get(node.name)
        unsaved = {*BROUGHT, *LEDGER} if node.name in self._unsaved else set[str]()
        await self._store.put(node, *(unsaved | set(fields or differing_fields(before, node))))
        heard = self._nodes.get(node.name)
        if heard is before:
            self._unsaved.discard(node.name)
        elif heard is not None and heard.description.incarnation == node.description.incarnation:
            node = self._stated(replace(node, **{name: getattr(heard, name) for name in BROUGHT}))
        self._nodes[node.name] = node
        if heard is not None:
            self._publish_state(heard, node)

    def _joined(self, name: str, description: NodeDescription) -> StoredNode:
        joined = joined_row(self._nodes.get(name), name, description, self._clock.wall(), self._presence.heartbeat_s)
        return self._with_ledger(joined, [])

    def _with_ledger(self, node: StoredNode, problems: Sequence[Problem]) -> StoredNode:
        """The node with these problems, and with that of a ledger which is not the known one."""
        node, why = self._ledgers.judge(node)
        return self._judged(node, [*problems, Problem("ledger", why)] if why else problems)

    def _stated(self, row: StoredNode) -> StoredNode:
        return read_again(row, self._version, self._clock.wall())

    def _judged(self, node: StoredNode, problems: Sequence[Problem] | None = None) -> StoredNode:
        return judged(node, self._version, self._clock.wall(), problems)

    def _take(self, before: StoredNode, node: StoredNode) -> None:
        """Apply what a heartbeat brought, and mark it for the next `save`."""
        self._nodes[node.name] = node
        only_heard = replace(node, last_seen_at=before.last_seen_at) == before
        (self._seen if only_heard else self._unsaved).add(node.name)
        if node.state != before.state:
            now = standing(node, self._version)
            (log.info if now.state == "active" else log.warning)(f"node.{now.state}", node=node.name, reason=now.reason)
        self._publish_state(before, node)

    def _publish_state(self, before: StoredNode, node: StoredNode) -> None:
        """Publish a change of a member's state; joining and removal have events of their own."""
        if node.state != before.state and "removed" not in {node.state, before.state}:
            reason = standing(node, self._version).reason
            self._publish(NodeStateChanged(node.name, before.state, node.state, reason))
