"""Rows of nodes: the part of the registry that survives a restart. Presence does not."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Executable, RowMapping, bindparam, select, update

from fleetfold_master.store.compiled_statements import Write, insert_once
from fleetfold_master.store.database import Store
from fleetfold_master.store.tables import node
from fleetfold_shared.messages import AssignedState, LedgerMark, NodeDescription, NodeState, Problem

__all__ = ["NodeRows", "StoredNode"]


class StoredNode(msgspec.Struct, frozen=True, kw_only=True):
    """A node's row. Times are Unix seconds.

    `labels` and `weight` are an operator's, over the description's own; a label of None is removed. `assigned` is
    the state that an operator wants; `state` follows from it, the node's version and its `problems`, which have
    been present or absent since `trouble_at`. `stopped_at` is when it said goodbye; None while it is expected.
    `heartbeat_s` is the interval that it uses. `ledger_generation`, empty while unknown, and `ledger_height` are the
    mark of the ledger that the masters know, and `ledger_incarnation` the process that has told of it.
    """

    name: str
    state: NodeState
    description: NodeDescription
    title: str = ""
    labels: dict[str, str | None] | None = None
    weight: float | None = None
    registered_at: float
    last_seen_at: float | None = None
    removed_at: float | None = None
    assigned: AssignedState = "active"
    assigned_by: str = ""
    assigned_at: float | None = None
    problems: list[Problem] = []
    trouble_at: float | None = None
    stopped_at: float | None = None
    heartbeat_s: float | None = None
    ledger_generation: str = ""
    ledger_height: int = 0
    ledger_incarnation: str = ""

    @property
    def ledger(self) -> LedgerMark | None:
        """The mark of the known ledger."""
        return LedgerMark(self.ledger_generation, self.ledger_height) if self.ledger_generation else None


_INSERT = insert_once(node)
_SEEN = update(node).where(node.c.name == bindparam("key")).values(last_seen_at=bindparam("last_seen_at"))
_REMOVE = (
    update(node)
    .where(node.c.name == bindparam("key"), node.c.removed_at.is_(None))
    .values(state="removed", removed_at=bindparam("removed_at"))
)


class NodeRows:
    """The table of nodes. Callers change one node from one place at a time; the last write of a field wins."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, record: StoredNode, *fields: str) -> None:
        """Insert or update the row; of an existing row only `fields` are updated, if given."""
        row = _to_row(record)
        wanted = {name: row[name] for name in fields or row}
        await self._store.write(
            Write(_INSERT, [row]), Write(_replacing(*sorted(wanted)), [wanted | {"key": record.name}])
        )

    async def get(self, name: str) -> StoredNode | None:
        """The node, removed or not; None if the name was never registered."""
        row = await self._store.read_one(select(node).where(node.c.name == name))
        return None if row is None else _from_row(row)

    async def list(self, *, removed: bool = False) -> list[StoredNode]:
        """All nodes by name; removed ones only if requested."""
        query = select(node).order_by(node.c.name)
        if not removed:
            query = query.where(node.c.removed_at.is_(None))
        return [_from_row(row) for row in await self._store.read(query)]

    async def update(self, name: str, **changes: Any) -> bool:
        """Set fields of a `StoredNode`. Returns False if there is no such node."""
        current = await self.get(name)
        if current is None:
            return False
        await self.put(msgspec.structs.replace(current, **changes))
        return True

    async def seen(self, times: Mapping[str, float]) -> None:
        """Store when nodes were last heard, many at once."""
        await self._store.write(Write(_SEEN, [{"key": name, "last_seen_at": at} for name, at in times.items()]))

    async def remove(self, name: str, at: float) -> bool:
        """Delete softly: the row stays, and `put` under the same name restores it. Returns False if it does not
        exist."""
        return await self._store.write(Write(_REMOVE, [{"key": name, "removed_at": at}])) == 1


@cache
def _replacing(*fields: str) -> Executable:
    return update(node).where(node.c.name == bindparam("key")).values({name: bindparam(name) for name in fields})


def _to_row(record: StoredNode) -> dict[str, Any]:
    row = msgspec.structs.asdict(record)
    row["description"] = msgspec.json.encode(record.description).decode()
    row["problems"] = msgspec.json.encode(record.problems).decode()
    row["labels"] = None if record.labels is None else msgspec.json.encode(record.labels).decode()
    return row


def _from_row(row: RowMapping) -> StoredNode:
    fields = dict(row)
    fields["description"] = msgspec.json.decode(fields["description"], type=NodeDescription)
    fields["problems"] = msgspec.json.decode(fields["problems"], type=list[Problem])
    fields["labels"] = None if fields["labels"] is None else msgspec.json.decode(fields["labels"])
    return StoredNode(**fields)
