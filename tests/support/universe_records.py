"""The universe with records that are lost or old: of the master, and of nodes. And with processes that were replaced.

Beside the moves of `universe`: at any moment a copy of the master's rows is made, and later put back; a node's ledger
is lost, or a copy of it is put back; a process that another one has replaced takes a command and answers anything. What
follows is decided by the product's own rules: the marks, what a database knows of a node's commands, how a transaction
goes on with that, whether a ledger is refused, whose answers are, and how a ledger admits what it denies.

The transactional effects of a node are in the file of its ledger, and go with it; of a command whose answer had not
come when the ledger was lost, nobody can know whether it ran; and one of kind `once` may run again. Their steps are
left out of the books.

One way is not explored: no command that was sent after the copy has come to a node, and one is still in the queue. Its
answer is of a command that the master does not know, so the master asks then.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fleetfold_child.ledger.ledger_schema import LedgerRow
from fleetfold_master.nodes.known_ledgers import refusal
from fleetfold_master.nodes.replaced_processes import ReplacedProcesses
from fleetfold_master.recovery.known_work import KnownWork
from fleetfold_master.recovery.old_copy import doubtful_marks, find_lost
from fleetfold_master.transactions import Decision, Step, redrive
from fleetfold_master.transactions.recalled import resume_recalled
from fleetfold_shared.messages import LedgerMark, MasterMark, RecalledCommand
from support.universe import POLICY, committed, moves, violation
from support.universe_state import Effect, Known, Master, State

__all__ = ["Records", "World", "world_moves", "world_violation"]

MASTER = "m1"
REPLACED = ReplacedProcesses(lambda _node: "successor")


class LedgerCopy(NamedTuple):
    """A node's ledger at an earlier moment."""

    node: str
    rows: frozenset[LedgerRow]


class Records(NamedTuple):
    """What was copied, and how far the master has come since. `sent` are the commands that were first sent after the
    copy, with the master's height; `left_out` are steps of which nobody can know."""

    old_masters: int = 0
    lost_ledgers: int = 0
    old_ledgers: int = 0
    zombies: int = 0
    master: Known[Master] | None = None
    height: int = 0
    sent: frozenset[tuple[str, int]] = frozenset()
    ledger: LedgerCopy | None = None
    left_out: frozenset[str] = frozenset()


class World(NamedTuple):
    """A state of the universe, with its records."""

    state: State
    records: Records


def world_moves(world: World) -> Iterator[World]:
    """All worlds that may follow."""
    state, records = world
    if state.wrong:
        return
    for following in moves(state):
        yield World(following, _with_sent(records, state, following))
    yield from _master_moves(state, records)
    yield from _ledger_moves(state, records)
    yield from _zombie_moves(state, records)


def world_violation(world: World) -> str:
    """What is wrong with a world, if anything: in the books of all steps but those that are left out."""
    state, records = world
    if not records.left_out or state.wrong:
        return state.wrong or violation(state)
    balanced = Effect(1, 0) if state.tx.state == "committed" else Effect()
    effects = tuple(
        balanced if step.name in records.left_out else effect
        for step, effect in zip(state.steps, state.effects, strict=True)
    )
    return violation(state._replace(effects=effects))


def _with_sent(records: Records, before: State, after: State) -> Records:
    """The records with the marks of commands that were first sent in between."""
    if records.master is None:
        return records
    known = {command for command, _ in records.sent} | {one.value.id for one in before.commands}
    known |= {row.id for row in before.rows}
    fresh = {(one.value.id, records.height) for one in after.commands if one.value.id not in known}
    return records._replace(sent=records.sent | fresh)


def _master_moves(state: State, records: Records) -> Iterator[World]:
    """A copy is made; the master goes on to its next heartbeat; the copy is put back."""
    if records.master is None:
        if records.old_masters and not state.tx.ended:
            yield World(state, records._replace(master=state.master, old_masters=records.old_masters - 1))
        return
    if records.height == 0:
        yield World(state, records._replace(height=1))
    for following in _restored(state, records, records.master):
        yield World(following, records._replace(master=None, height=0, sent=frozenset()))


def _restored(state: State, records: Records, copy: Known[Master]) -> Iterator[State]:
    """The master starts with the copy, and asks the nodes. If it knows that it is old, they refuse what was sent."""
    tx, steps = copy.value.tx, copy.value.steps
    known, heights = {MASTER: 0}, dict(records.sent)
    commands = [_recalled(row, heights.get(row.id, 0)) for row in state.rows if row.state != "tombstone"]
    marks = [MasterMark(MASTER, max((one.mark.height for one in commands), default=0))]
    since = min((mark.height for mark in doubtful_marks(known, marks)), default=0)
    commands = [one for one in commands if one.mark.height >= since]
    work = KnownWork((), {tx.id: (tx, steps)})
    restored = state._replace(master=copy, down=False)
    if find_lost(known, marks, commands, work.knows):
        facts = [fact.command for one in commands if (fact := work.lacks("", one)) is not None]
        decision: Decision = resume_recalled(tx, steps, facts, 0.0, policy=POLICY)
        yield from committed(restored._replace(commands=frozenset()), decision)
    elif not {one.value.id for one in state.commands} & heights.keys():
        yield from committed(restored, redrive(tx, steps, 0.0, takeover=True, policy=POLICY))


def _recalled(row: LedgerRow, height: int) -> RecalledCommand:
    mark = MasterMark(MASTER, height, row.id)
    return RecalledCommand(
        id=row.id, action=row.action, mark=mark, outcome=row.outcome or "", epoch=row.epoch, compensates=row.compensates
    )


def _ledger_moves(state: State, records: Records) -> Iterator[World]:
    """A ledger is lost, copied, or the copy is put back. Its node is refused until an operator has looked, and then
    goes on."""
    for number, step in enumerate(state.steps):
        rows = _rows_of(state, step)
        if records.lost_ledgers and rows:
            assert refusal(step.node, LedgerMark("g1", len(rows)), LedgerMark("g2", 0))
            yield _with_ledger(state, records._replace(lost_ledgers=records.lost_ledgers - 1), number, ())
        if records.old_ledgers and records.ledger is None:
            yield World(state, records._replace(ledger=LedgerCopy(step.node, rows)))
        elif (
            records.old_ledgers
            and (copy := records.ledger) is not None
            and copy.node == step.node
            and copy.rows != rows
        ):
            assert refusal(step.node, LedgerMark("g1", _height(rows)), LedgerMark("g1", _height(copy.rows)))
            fewer = records._replace(old_ledgers=records.old_ledgers - 1, ledger=None)
            yield _with_ledger(state, fewer, number, copy.rows)


def _height(rows: frozenset[LedgerRow]) -> int:
    """As the triggers count: one for each admitted command, one for each that has ended."""
    return sum(1 if row.answer is None else 2 for row in rows)


def _with_ledger(state: State, records: Records, number: int, rows: frozenset[LedgerRow] | tuple[()]) -> World:
    """The node of a step with another ledger. A step that is left out has no effect in the books from then on."""
    step, gone = state.steps[number], {row.id for row in _rows_of(state, state.steps[number])}
    unknowable = not step.runs or None in step.runs or step.state in {"compensating", "compensated"}
    if step.kind != "idempotent" or unknowable:
        records, effect = records._replace(left_out=records.left_out | {step.name}), Effect()
    else:
        effect = state.effects[number]
    others = frozenset(row for row in state.rows if row.id not in gone)
    effects = (*state.effects[:number], effect, *state.effects[number + 1 :])
    return World(state._replace(rows=others | frozenset(rows), effects=effects), records)


def _rows_of(state: State, step: Step) -> frozenset[LedgerRow]:
    return frozenset(row for row in state.rows if f".{step.name}." in row.id)


def _zombie_moves(state: State, records: Records) -> Iterator[World]:
    """A replaced process takes a command, and answers: that is refused, and the command sent again."""
    if not records.zombies or state.down or state.tx.ended:
        return
    fewer = records._replace(zombies=records.zombies - 1)
    for command in state.commands:
        assert REPLACED.includes("node", "zombie")
        taken = state._replace(commands=state.commands - {command})
        for following in committed(taken, redrive(state.tx, state.steps, 0.0, takeover=False, policy=POLICY)):
            yield World(following, _with_sent(fewer, state, following))
