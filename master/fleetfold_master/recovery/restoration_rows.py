"""Rows of a restoration: that the database is an old copy, which nodes were asked, and what it lacks.

All masters of the database share them. Whatever a node has told is written in one commit with the note that it was
asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import bindparam, delete, false, func, select, true, update
from sqlalchemy.dialects import postgresql

from fleetfold_master.store.compiled_statements import Script, Write, insert_once
from fleetfold_master.store.database import Store
from fleetfold_master.store.master_tables import asked_node, lost_command, master_mark, restoration, settled_mark
from fleetfold_master.store.row_helpers import KEYS_AT_ONCE, as_json
from fleetfold_shared.concurrency import batches
from fleetfold_shared.messages import LostWork, MasterMark, RecalledCommand

__all__ = [
    "Fact", "OldCopy", "begin", "count_lost", "end", "forget_lost", "raise_number", "read", "read_asked", "read_facts",
    "read_heights", "read_lost", "read_number", "store_asked",
]  # fmt: skip

_INSERT = insert_once(restoration)
_BEGIN = (
    update(restoration)
    .where(restoration.c.ended.is_(true()))
    .values(since=bindparam("since"), reason=bindparam("reason"), number=bindparam("number"), ended=False)
)
_NUMBER = select(restoration.c.number)
_RAISE = update(restoration).values(number=bindparam("number"))
_FORGET_ASKED, _END = delete(asked_node), update(restoration).values(ended=True)
_FORGET_FACTS = delete(lost_command).where(lost_command.c.reason == "")
_FORGET_LOST = delete(lost_command).where(lost_command.c.reason != "")
_ASKED = insert_once(asked_node)
_INSERT_MARK = postgresql.insert(settled_mark)
_SETTLED = _INSERT_MARK.on_conflict_do_update(
    index_elements=[settled_mark.c.node, settled_mark.c.master], set_={"height": _INSERT_MARK.excluded.height}
)
_DROP = delete(lost_command).where(lost_command.c.id == bindparam("id"))
_LOST = insert_once(lost_command)


class OldCopy(NamedTuple):
    """When the database was known to be an old copy (Unix seconds), and by what."""

    since: float
    reason: str


class Fact(NamedTuple):
    """A command of a node that the database lacks. `work` is the id of its job or transaction; without a `reason` that
    has not ended, and goes on with it."""

    node: str
    work: str
    command: RecalledCommand
    reason: str = ""


async def read(store: Store) -> OldCopy | None:
    """Return why the database is known to be an old copy; None if it is not."""
    row = await store.read_one(select(restoration).where(restoration.c.ended.is_(false())))
    return None if row is None else OldCopy(row["since"], row["reason"])


async def begin(store: Store, found: OldCopy) -> None:
    """Note that the database is an old copy; an earlier note that has not ended stays.

    The number is the time in milliseconds, so that it is higher than that of a restoration which this copy does not
    know; where it is not, because of a clock, `raise_number` follows.
    """

    def write(script: Script) -> None:
        ((last,),) = script.rows(_NUMBER) or ((0,),)
        row = {"since": found.since, "reason": found.reason, "number": max(last + 1, int(found.since * 1000))}
        if script.run(_BEGIN, **row) or script.run(_INSERT, id=1, ended=False, **row):
            script.run(_FORGET_ASKED)
            script.run(_FORGET_FACTS)

    await store.script(write)


async def read_number(store: Store) -> int:
    """The number of the last restoration; 0 if there was none."""
    row = await store.read_one(_NUMBER)
    return 0 if row is None else int(row["number"])


async def raise_number(store: Store, number: int) -> None:
    """Give the restoration a higher number: a node has heard of one that this copy does not know."""
    await store.write(Write(_RAISE, [{"number": number}]))


async def end(store: Store) -> None:
    """Note that everything was asked, or given up. What is lost stays listed."""
    await store.write(Write(_END, [{}]))


async def read_heights(store: Store, node: str) -> dict[str, int]:
    """The height of each master, or the higher one up to which this node was asked."""
    heights: dict[str, int] = {
        row["master"]: row["height"] for row in await store.read(select(master_mark.c.master, master_mark.c.height))
    }
    for row in await store.read(select(settled_mark).where(settled_mark.c.node == node)):
        heights[row["master"]] = max(row["height"], heights.get(row["master"], 0))
    return heights


async def read_asked(store: Store) -> dict[str, int]:
    """The nodes that were asked, with the number of their commands that are younger than the copy."""
    return {row["node"]: row["commands"] for row in await store.read(select(asked_node).order_by(asked_node.c.node))}


async def store_asked(
    store: Store, node: str, marks: Iterable[MasterMark], facts: Sequence[Fact], commands: int
) -> None:
    """Note that a node was asked, with what it has told: its `marks` are known from now on."""
    await store.write(
        Write(_ASKED, [{"node": node, "commands": commands}]),
        Write(_SETTLED, [{"node": node, "master": mark.master, "height": mark.height} for mark in marks]),
        Write(_DROP, [{"id": fact.command.id} for fact in facts]),
        Write(_LOST, [_row(fact) for fact in facts]),
    )


async def read_facts(store: Store, keys: Sequence[str]) -> dict[str, list[RecalledCommand]]:
    """What nodes have told of the open work `keys`."""
    found: dict[str, list[RecalledCommand]] = {}
    for part in batches(keys, KEYS_AT_ONCE):
        query = select(lost_command).where(lost_command.c.work.in_(part), lost_command.c.reason == "")
        for row in await store.read(query.order_by(lost_command.c.id)):
            found.setdefault(row["work"], []).append(msgspec.json.decode(row["command"], type=RecalledCommand))
    return found


async def read_lost(store: Store, limit: int) -> list[LostWork]:
    """Return some of what is lost, by its job or transaction."""
    query = select(lost_command).where(lost_command.c.reason != "").order_by(lost_command.c.work, lost_command.c.id)
    return [
        LostWork(
            node=row["node"], id=command.id, action=command.action, outcome=command.outcome, work=row["work"],
            reason=row["reason"],
        )
        for row in await store.read(query.limit(limit))
        for command in [msgspec.json.decode(row["command"], type=RecalledCommand)]
    ]  # fmt: skip


async def count_lost(store: Store) -> int:
    """How many commands are lost."""
    query = select(func.count().label("many")).select_from(lost_command).where(lost_command.c.reason != "")
    row = await store.read_one(query)
    return 0 if row is None else int(row["many"])


async def forget_lost(store: Store) -> None:
    """Forget the list of what is lost."""
    await store.write(Write(_FORGET_LOST, [{}]))


def _row(fact: Fact) -> dict[str, str]:
    return {
        "id": fact.command.id, "node": fact.node, "work": fact.work, "command": as_json(fact.command),
        "reason": fact.reason,
    }  # fmt: skip
