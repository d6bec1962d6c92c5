"""Rows of transactions: the writes that change them, and the reads that load them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import BindParameter, RowMapping, bindparam, insert, or_, select, update

from fleetfold_master.store.compiled_statements import Write, insert_once
from fleetfold_master.store.database import Store
from fleetfold_master.store.row_helpers import KEYS_AT_ONCE, as_json, select_by_key
from fleetfold_master.store.tables import step as step_table
from fleetfold_master.store.tables import timeline as timeline_table
from fleetfold_master.store.tables import tx as tx_table
from fleetfold_master.transactions.model import Decision, Step, Tx
from fleetfold_shared.concurrency import batches
from fleetfold_shared.messages import Callback, Filter, Rollback, TimelineEntry, TransactionState

__all__ = [
    "Loaded", "changes", "claim", "guard", "load", "load_many", "load_newest", "load_unfinished", "read_digest",
    "read_needing", "read_owner", "read_unfinished_nodes",
]  # fmt: skip

Loaded = tuple[Tx, tuple[Step, ...], list[TimelineEntry]]
"""A transaction, its steps in order, and its timeline."""

_TX_CHANGES = ("state", "epoch", "entries", "error", "ended_at")
_STEP_CHANGES = (
    "state", "runs", "tries", "compensation", "compensations", "compensation_tries", "command", "sends",
    "began_at", "due_at", "deadline_at", "result", "error",
)  # fmt: skip


def _binds(names: Iterable[str]) -> dict[str, BindParameter[Any]]:
    return {name: bindparam(name) for name in names}


_INSERT_TX = insert_once(tx_table)
_INSERT_STEP = insert(step_table)
_INSERT_ENTRY = insert(timeline_table)
_UPDATE_TX = update(tx_table).where(tx_table.c.id == bindparam("key")).values(_binds(_TX_CHANGES))
_GUARD = (
    update(tx_table)
    .where(
        tx_table.c.id == bindparam("key"), tx_table.c.state == bindparam("at_state"),
        tx_table.c.entries == bindparam("at_entries"),
    )
    .values(owner=bindparam("owner"))
)  # fmt: skip
_UNFINISHED = or_(tx_table.c.state == "running", tx_table.c.state == "compensating")
_UPDATE_STEP = (
    update(step_table)
    .where(step_table.c.tx == bindparam("key"), step_table.c.position == bindparam("at_position"))
    .values(_binds(_STEP_CHANGES))
)


def claim(decision: Decision) -> tuple[Write, Write, Write]:
    """Insert a new transaction with its steps and the beginning of its timeline."""
    return (
        Write(_INSERT_TX, [_tx_row(decision.tx)]),
        Write(_INSERT_STEP, [_step_row(step) for step in decision.steps]),
        _entries(decision),
    )


def changes(tx: Tx, steps: Sequence[Step], decision: Decision) -> list[Write]:
    """The writes from `tx` and `steps` to the decision; empty if nothing changes."""
    writes: list[Write] = []
    if decision.tx is not tx:
        writes.append(Write(_UPDATE_TX, [{"key": tx.id, **{name: getattr(decision.tx, name) for name in _TX_CHANGES}}]))
    changed = [after for before, after in zip(steps, decision.steps, strict=True) if after is not before]
    if changed:
        writes.append(Write(_UPDATE_STEP, [_change_row(step) for step in changed]))
    if decision.entries:
        writes.append(_entries(decision))
    return writes


def guard(tx: Tx, owner: str | None) -> Write:
    """Take ownership of an unowned transaction for `owner`; matches no row if it changed since it was read."""
    row = {"key": tx.id, "at_state": tx.state, "at_entries": tx.entries, "owner": owner}
    return Write(_GUARD, [row])


async def read_owner(store: Store, key: str) -> str | None:
    """The master that owns the transaction; None if it has ended or does not exist."""
    row = await store.read_one(select(tx_table.c.owner).where(tx_table.c.id == key, _UNFINISHED))
    return None if row is None else row["owner"]


async def read_needing(store: Store, node: str, limit: int) -> list[str]:
    """The ids of transactions of all masters that have not ended and have a step on `node`."""
    query = select(tx_table.c.id).join(step_table, step_table.c.tx == tx_table.c.id)
    found = await store.read(query.where(_UNFINISHED, step_table.c.node == node).distinct().limit(limit))
    return [row["id"] for row in found]


async def read_digest(store: Store, key: str) -> str | None:
    """The digest of the transaction's request; None if there is no transaction."""
    row = await store.read_one(select(tx_table.c.digest).where(tx_table.c.id == key))
    return None if row is None else str(row["digest"])


async def load(store: Store, key: str) -> Loaded | None:
    """Load the transaction `key` with its timeline."""
    row = await store.read_one(select(tx_table).where(tx_table.c.id == key))
    return None if row is None else (await _with_parts(store, [row]))[0]


async def load_unfinished(store: Store, owner: str | None = None, keys: Sequence[str] | None = None) -> list[Loaded]:
    """Load transactions that have not ended, with their timelines: all, those of `owner`, or those of `owner` in
    `keys`."""
    query = select(tx_table).where(_UNFINISHED)
    if owner is not None:
        query = query.where(tx_table.c.owner == owner)
    if keys is None:
        return await _with_parts(store, await store.read(query))
    found: list[Loaded] = []
    for part in batches(keys, KEYS_AT_ONCE):
        found += await _with_parts(store, await store.read(query.where(tx_table.c.id.in_(part))))
    return found


async def load_many(store: Store, keys: Sequence[str]) -> dict[str, Loaded]:
    """Load those of the transactions `keys` that exist, without their timelines."""
    found: list[Loaded] = []
    for part in batches(keys, KEYS_AT_ONCE):
        rows = await store.read(select(tx_table).where(tx_table.c.id.in_(part)))
        found += await _with_parts(store, rows, timeline=False)
    return {loaded[0].id: loaded for loaded in found}


async def read_unfinished_nodes(store: Store, owner: str | None = None) -> dict[str, set[str]]:
    """The nodes of each transaction that has not ended: of all masters, or those of `owner`."""
    query = select(tx_table.c.id, step_table.c.node).join(step_table, step_table.c.tx == tx_table.c.id)
    query = query.where(_UNFINISHED) if owner is None else query.where(_UNFINISHED, tx_table.c.owner == owner)
    nodes = defaultdict[str, set[str]](set)
    for row in await store.read(query):
        nodes[row["id"]].add(row["node"])
    return dict(nodes)


async def load_newest(store: Store, limit: int, state: TransactionState | None = None) -> list[Loaded]:
    """Load the newest `limit`, of `state` if given, without their timelines."""
    query = select(tx_table).order_by(tx_table.c.created_at.desc(), tx_table.c.id.desc()).limit(limit)
    query = query if state is None else query.where(tx_table.c.state == state)
    return await _with_parts(store, await store.read(query), timeline=False)


async def _with_parts(store: Store, rows: Sequence[RowMapping], *, timeline: bool = True) -> list[Loaded]:
    loaded: dict[str, Loaded] = {row["id"]: (_to_tx(row), (), []) for row in rows}
    for part in batches(list(loaded), KEYS_AT_ONCE):
        await _add_steps(store, part, loaded)
        if timeline:
            await _add_timelines(store, part, loaded)
    return list(loaded.values())


async def _add_steps(store: Store, keys: Sequence[str], loaded: dict[str, Loaded]) -> None:
    query = select_by_key(step_table).where(step_table.c.tx.in_(keys)).order_by(step_table.c.tx, step_table.c.position)
    steps: dict[str, list[Step]] = {key: [] for key in keys}
    for row in await store.read(query):
        steps[row["tx"]].append(_to_step(row))
    for key, found in steps.items():
        tx, _, entries = loaded[key]
        loaded[key] = (tx, tuple(found), entries)


async def _add_timelines(store: Store, keys: Sequence[str], loaded: Mapping[str, Loaded]) -> None:
    table = timeline_table
    for row in await store.read(select(table).where(table.c.tx.in_(keys)).order_by(table.c.tx, table.c.seq)):
        loaded[row["tx"]][2].append(TimelineEntry(row["at"], row["what"], row["step"], row["why"]))


def _entries(decision: Decision) -> Write:
    first = decision.tx.entries - len(decision.entries) + 1
    rows = [
        {"tx": decision.tx.id, "seq": seq, "at": entry.at, "what": entry.what, "step": entry.step, "why": entry.why}
        for seq, entry in enumerate(decision.entries, start=first)
    ]
    return Write(_INSERT_ENTRY, rows)


def _tx_row(tx: Tx) -> dict[str, Any]:
    row = msgspec.structs.asdict(tx)
    row["callback"] = None if tx.callback is None else as_json(tx.callback)
    return row


def _to_tx(row: RowMapping) -> Tx:
    if row["callback"] is None:
        return Tx(**row)
    return Tx(**{**row, "callback": msgspec.json.decode(row["callback"], type=Callback)})


def _step_row(step: Step) -> dict[str, Any]:
    row = msgspec.structs.asdict(step)
    row["params"] = as_json(step.params)
    row["rollback"] = None if step.rollback is None else as_json(step.rollback)
    row["after"] = as_json(step.after)
    row["when"] = None if step.when is None else as_json(step.when)
    row["runs"] = as_json(step.runs)
    row["result"] = None if step.result is None else as_json(step.result)
    return row


def _change_row(step: Step) -> dict[str, Any]:
    row = {name: getattr(step, name) for name in _STEP_CHANGES}
    row["runs"] = as_json(step.runs)
    row["result"] = None if step.result is None else as_json(step.result)
    return {"key": step.tx, "at_position": step.position, **row}


def _to_step(row: RowMapping) -> Step:
    fields = dict(row)
    fields["params"] = msgspec.json.decode(fields["params"])
    fields["runs"] = tuple(msgspec.json.decode(fields["runs"]))
    fields["after"] = tuple(msgspec.json.decode(fields["after"]))
    if fields["when"] is not None:
        fields["when"] = msgspec.json.decode(fields["when"], type=Filter)
    if fields["rollback"] is not None:
        fields["rollback"] = msgspec.json.decode(fields["rollback"], type=Rollback)
    if fields["result"] is not None:
        fields["result"] = msgspec.json.decode(fields["result"])
    return Step(**fields)
